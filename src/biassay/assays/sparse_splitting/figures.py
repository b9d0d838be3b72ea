"""Figures of the assay `sparse-splitting`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...claims import binomial_interval, bootstrap_interval
from ...figures import Figure, Line, Panel, Points, Role, Scale, Series, quantile_band
from .claims import BIAS_REGION, judged
from .claims_digits import COST, sparse_enough
from .config import BETA, LAM, LOST_LAM

ROLES: dict[str, Role] = {"l1": "result", "l0": "second", "transformed l1": "third"}
_EXACT = 1e-16
"""Smaller errors, and zeros, are drawn here on logarithmic axes."""
_BAND = "Lines and markers: median over the starts; bands and bars: the central 90%."
_BESIDE = "Supports: exact 95% interval. Markers side by side belong to one value."
_MEASURES: tuple[tuple[str, str, str, Scale, tuple[float, float] | None], ...] = (
    ("angle", "Bias of the direction", "angle(w, w*) in radians", "log", (1e-17, 10.0)),
    ("error", "Distance of u from the truth", "|u − w*|", "log", (1e-17, 10.0)),
    ("refit_error", "The same after a refit on the support", "|u − w*|, refitted", "log", (1e-17, 10.0)),
    ("zeros", "Exact zeros", "share of zeros in u", "linear", None),
    ("exact", "The right support", "share of starts", "linear", (-0.05, 1.05)),
    ("loss", "Population risk", "L(u)", "log", (1e-17, 1.0)),
)
"""Variable, title, words on the axis, scale and limits of the panels of the trade-off."""


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The trade-off at equal lambda and at equal threshold, its predictions, the support, the way, and the digits."""
    return (equal_lambda(data), equal_threshold(data), bias(data), support(data), along_the_way(data), on_digits(data))


def _over_seeds(x: np.ndarray, values: xr.DataArray, label: str, role: Role, floor: bool = False) -> Line:
    """The median and the band of values (..., seed); `floor` lifts them to what a logarithmic axis shows."""
    samples = values.transpose("seed", ...).values
    return quantile_band(x, np.maximum(samples, _EXACT) if floor else samples, label, role)


def _markers(line: Line) -> Points:
    """The same as markers, with bars where the starts differ: nothing is said of what lies between two lambdas."""
    if np.array_equal(np.asarray(line.low), np.asarray(line.high)):
        return Points(line.x, line.y, line.label, line.role)
    return Points(line.x, line.y, line.label, line.role, line.low, line.high)


def _positive(data: xr.Dataset) -> np.ndarray:
    return data["lam"].values[data["lam"].values > 0]


def _panels(data: xr.Dataset, compare: str, x: np.ndarray, xlabel: str) -> tuple[Panel, ...]:
    """Every measure of the trade-off against `x`, one point a lambda above 0."""
    lams = _positive(data)
    panels = []
    for name, title, ylabel, scale, ylim in _MEASURES:
        series: list[Series] = []
        for i, (penalty, role) in enumerate(ROLES.items()):
            values, beside = judged(data, name, compare).sel(penalty=penalty, lam=lams), x * 1.12 ** (i - 1)
            shown = _shares(beside, values, penalty, role) if name == "exact" else None
            series.append(_markers(shown or _over_seeds(beside, values, penalty, role, scale == "log")))
        if name == "angle":
            for penalty in ("l1", "transformed l1"):
                predicted = judged(data, "bias", compare).sel(penalty=penalty, lam=lams).median("seed")
                series.append(Line(x, predicted.values, "predicted, first order in λ", "reference"))
        if name == "zeros":
            truth = 1 - data.attrs["nonzeros"] / data.attrs["d"]
            series.append(Line(x[[0, -1]], [truth, truth], "the truth's", "reference"))
            ylim = (float(judged(data, name, compare).sel(lam=lams).min()) - 0.05, 1.02)
        panels.append(
            Panel(
                title=title,
                xlabel=xlabel,
                ylabel=ylabel,
                series=tuple(series),
                xscale="log",
                yscale=scale,
                ylim=ylim,
            )
        )
    return tuple(panels)


def _shares(x: np.ndarray, found: xr.DataArray, label: str, role: Role) -> Line:
    """The share of starts with its exact interval."""
    counts, n = found.sum("seed").values.astype(int), found.sizes["seed"]
    low, high = np.transpose([binomial_interval(int(count), n) for count in counts])
    return Line(x, counts / n, label, role, low, high)


def _angles(data: xr.Dataset, compare: str) -> str:
    """The median angles at the judged lambda in words."""
    angle = judged(data, "angle", compare).sel(lam=LAM)
    ratio = (angle.sel(penalty="transformed l1") / angle.sel(penalty="l1")).median()
    each = ", ".join(f"{name} {float(angle.sel(penalty=name).median()):.2g}" for name in ROLES)
    where = f"λ = {LAM:g}" if compare == "equal lambda" else f"the threshold of l1 at λ = {LAM:g}"
    return f"Median angle at {where}: {each}; transformed l1 over l1: {float(ratio):.2f}."


def _dead(data: xr.Dataset, compare: str) -> str:
    dead = judged(data, "dead", compare).sel(lam=_positive(data))
    return f"u = 0 on {int(dead.sum())} of {dead.size} runs."


def equal_lambda(data: xr.Dataset) -> Figure:
    """Accuracy and sparsity of the three penalties at the same lambda."""
    return Figure(
        name="equal-lambda",
        title="Accuracy and sparsity at the same λ",
        caption=(
            f"Normalised weights, β = {BETA:g}; values below {_EXACT:g} are drawn there. l0 has no bias until it "
            "fails: its threshold √(2λ/β) is above l1's λ/β for small λ. The bias of l1 and of transformed l1 grows "
            f"linearly in λ to first order. {_angles(data, 'equal lambda')} A refit on the support of u removes the "
            f"bias wherever the support is right. {_dead(data, 'equal lambda')} {_BAND} {_BESIDE}"
        ),
        panels=_panels(data, "equal lambda", _positive(data), "weight λ of the penalty"),
        columns=3,
    )


def equal_threshold(data: xr.Dataset) -> Figure:
    """The same, every penalty at the lambda that gives it l1's threshold."""
    thresholds = judged(data, "threshold", "equal threshold").sel(penalty="l1", lam=_positive(data)).values
    return Figure(
        name="equal-threshold",
        title="Accuracy and sparsity at the same threshold",
        caption=(
            "Each penalty at the λ with which it sets the same entries of w to zero. Then l0, which shrinks nothing, "
            "has no bias where the support is found, and transformed l1 has less than l1. "
            f"{_angles(data, 'equal threshold')} {_dead(data, 'equal threshold')} {_BAND} {_BESIDE}"
        ),
        panels=_panels(data, "equal threshold", thresholds, "threshold on |wᵢ|"),
        columns=3,
    )


def bias(data: xr.Dataset) -> Figure:
    """The angle against its prediction, and how near u is to the thresholded truth."""
    lams = _positive(data)
    predicted = judged(data, "bias").sel(lam=lams)

    def ratio(name: str, penalty: str, label: str, role: Role, share: float = 1.0) -> Line:
        values = judged(data, name).sel(penalty=penalty, lam=lams) / (share * predicted.sel(penalty=penalty))
        return _over_seeds(lams, values, label, role)

    panels = []
    if data.sizes["beta"] > 1:
        at = data.sel(compare="equal lambda", variant="normalised", lam=LAM)
        series = tuple(
            _over_seeds(data["beta"].values, (at["angle"] / at["bias"]).sel(penalty=p), p, ROLES[p])
            for p in ("l1", "transformed l1")
        )
        title, ylabel = f"The spring does not matter, λ = {LAM:g}", "measured / predicted"
        panels.append(Panel(title=title, xlabel="spring β", ylabel=ylabel, series=series, region=BIAS_REGION))
    limit = [ratio("from_threshold", p, f"{p}: prox_t(w*)", ROLES[p]) for p in ("l1", "transformed l1")]
    wrong = [ratio("from_half_threshold", p, "half of t", "control") for p in ("l1", "transformed l1")]
    return Figure(
        name="bias",
        title="The limit is the thresholded truth, up to a bias that is predicted",
        caption=(
            "Left: the measured angle over λk|P⊥P'(w*)|. To first order in λ the ratio is 1; transformed l1 leaves "
            "that regime earlier. The control is the formula of l1 with k/2. Right: the distance of u from prox_t(w*), "
            f"t = λ/β, in units of the predicted angle; the control is the truth thresholded at t/2. Judged: left, l1 "
            f"up to λ = {LOST_LAM:g}; right, up to λ = {LAM:g}. {_BAND}"
        ),
        panels=(
            Panel(
                title="Angle over its prediction",
                xlabel="weight λ of the penalty",
                ylabel="measured / predicted",
                series=(
                    ratio("angle", "l1", "l1", "result"),
                    ratio("angle", "transformed l1", "transformed l1", "third"),
                    ratio("angle", "l1", "l1, formula with k/2", "control", 0.5),
                ),
                xscale="log",
                region=BIAS_REGION,
            ),
            Panel(
                title="Distance from the thresholded truth",
                xlabel="weight λ of the penalty",
                ylabel="|u − prox(w*)| / predicted angle",
                series=(*limit, *wrong),
                xscale="log",
                yscale="log",
                region=(0.0, 1.2),
            ),
            *panels,
        ),
    )


def support(data: xr.Dataset) -> Figure:
    """Where the support is found: the smallest entry against the threshold, and what the spring adds to it."""
    lams, k = _positive(data), data.attrs["k"]
    runs = data.sel(variant="normalised", lam=lams)
    series: list[Series] = []
    for penalty, role in ROLES.items():
        own = runs.sel(penalty=penalty)
        over = (own["smallest"] / own["threshold"]).broadcast_like(own["exact"]).transpose(*own["exact"].dims)
        series += _binned(over.values.ravel(), own["exact"].values.ravel(), penalty, role)
    edges = [1.0, *(1 + k * beta for beta in (data["beta"].values.min(), data["beta"].values.max()))]
    names = ("lost below", "found above 1 + kβ", "")
    series += [
        Line([edge, edge], [0, 1], name, "reference") for edge, name in zip(dict.fromkeys(edges), names, strict=False)
    ]
    return Figure(
        name="support",
        title="Which supports are found is known beforehand",
        caption=(
            "Share of runs with exactly the support of the truth, by the smallest |w*ᵢ| in units of the threshold; all "
            "springs, at equal λ and at equal threshold. Below 1 the support is lost; above 1 + kβ (dotted, for the "
            "smallest and the largest β that ran) it is found from every start; in between the start decides, as an "
            "entry that has once been below the threshold is held down by the spring. Bars: exact 95% interval."
        ),
        panels=(
            Panel(
                title="Exact supports",
                xlabel="smallest |w*ᵢ| / threshold",
                ylabel="share of runs",
                series=tuple(series),
                xscale="log",
                ylim=(-0.05, 1.05),
            ),
        ),
        columns=1,
    )


def _binned(over: np.ndarray, found: np.ndarray, label: str, role: Role) -> list[Series]:
    """The share of `found` in bins of `over`, evenly wide in its logarithm: ten a decade, those without runs left out.
    Beyond 10, where nothing happens any more, one bin."""
    edges = np.append(10 ** np.arange(-1.5, 1.01, 0.1), np.inf)
    index = np.digitize(over, edges)
    used = np.unique(index)
    n = np.array([(index == i).sum() for i in used])
    yes = np.array([found[index == i].sum() for i in used])
    middle = np.array([np.exp(np.log(over[index == i]).mean()) for i in used])
    low, high = np.transpose([binomial_interval(int(y), int(m)) for y, m in zip(yes, n, strict=True)])
    return [Points(middle, yes / n, label, role, low, high)]


def along_the_way(data: xr.Dataset) -> Figure:
    """How the angle falls and the zeros come, and the Lagrangian with a step size that is too large."""

    def lines(name: str, path: str, floor: bool = False) -> tuple[Series, ...]:
        own = data.sel(path=path)
        # Step 0 is the first record, and has no place on a logarithmic axis.
        x = own["path_step"].values[1:]
        return tuple(
            _over_seeds(x, own[name].sel(penalty=penalty).isel(record=slice(1, None)), penalty, role, floor)
            for penalty, role in ROLES.items()
        )

    usual, lost, unstable = data["path"].values
    largest = {
        f"η = {data.attrs['lr']:g}": ("rise", None, "result"),
        "η = 1 / (β + 2a/k²)": ("rise_limit", None, "second"),
        f"η = {data.attrs['unstable_lr']:g}, free": ("rise_unstable", "free", "control"),
    }
    rises: list[Series] = []
    for label, (name, variant, role) in largest.items():
        values = data[name] if variant is None else data[name].sel(variant=variant)
        worst = values.max([axis for axis in values.dims if axis not in ("seed", "penalty")])
        samples = np.maximum(worst.transpose("seed", "penalty").sel(penalty=list(ROLES)).values, 1e-18)
        low, middle, high = np.quantile(samples, [0, 0.5, 1], axis=0)
        rises.append(Points(list(ROLES), middle, label, role, low, high))
    return Figure(
        name="along-the-way",
        title="Thresholding and descent, step by step",
        caption=(
            f"Top: λ = {LAM:g} from all starts; the control is l1 with a step size that is too large, without "
            "normalisation, which hides an unstable step. Below left: the zeros of u where l0 loses the support, "
            f"λ = {LOST_LAM:g}: what is thresholded at the start comes back only if it grows beyond the threshold. "
            "Below right: the largest rise of the Lagrangian in one step, over all steps, springs and λ; markers are "
            "medians over the starts, bars their range; what is below 1e-18, or never rises, is drawn there. "
            f"{_BAND}"
        ),
        panels=(
            Panel(
                title="Angle to the truth",
                xlabel="steps",
                ylabel="angle(w, w*) in radians",
                series=lines("path_angle", usual, floor=True),
                xscale="log",
                yscale="log",
            ),
            Panel(
                title="The Lagrangian",
                xlabel="steps",
                ylabel="L_β(u, w)",
                series=(
                    *lines("path_lagrangian", usual),
                    _unstable(data.sel(path=unstable)),
                ),
                xscale="log",
                yscale="log",
                ylim=(1e-5, 10.0),
            ),
            Panel(
                title=f"Zeros where λ = {LOST_LAM:g}",
                xlabel="steps",
                ylabel="share of zeros in u",
                series=lines("path_zeros", lost),
                xscale="log",
            ),
            Panel(
                title="Largest rise of the Lagrangian",
                xlabel="penalty",
                ylabel="rise in one step",
                series=tuple(rises),
                yscale="log",
                region=(0.0, 1e-12),
            ),
        ),
    )


def _unstable(path: xr.Dataset) -> Line:
    values = path["path_lagrangian"].sel(penalty="l1").isel(record=slice(1, None))
    return _over_seeds(path["path_step"].values[1:], values, "l1, η too large", "control")


def on_digits(data: xr.Dataset) -> Figure:
    """Test accuracy of the networks against their exact zeros, beside the dense network pruned afterwards."""
    zeros = data["cnn_zeros"].mean("cnn_seed")
    accuracy = data["cnn_accuracy"]
    dense = _mean(accuracy.sel(penalty="l1", network="u").isel(cnn_lam=[0]))
    series: list[Series] = [Line([0, 1], [dense[0][0]] * 2, "dense network", "reference")]
    for penalty, role in ROLES.items():
        share = zeros.sel(penalty=penalty).values
        middle, low, high = _mean(accuracy.sel(penalty=penalty, network="u"))
        series.append(Points(share, middle, penalty, role, low, high))
        series.append(Line(share, middle, "", role))
    wide = accuracy.sel(network="pruned").stack(point=("penalty", "cnn_lam"))
    middle, low, high = _mean(wide)
    series.append(
        Points(zeros.stack(point=("penalty", "cnn_lam")).values, middle, "dense, pruned", "control", low, high)
    )

    lams = data["cnn_lam"].values[1:]
    shares = []
    for penalty, role in ROLES.items():
        middle, low, high = _mean(data["cnn_zeros"].sel(penalty=penalty).isel(cnn_lam=slice(1, None)))
        shares.append(Line(lams, middle, penalty, role, low, high))
    used = [f"{penalty} {_at(data, penalty)}" for penalty in ROLES if (sparse_enough(data, penalty) >= 0).all()]
    return Figure(
        name="digits",
        title="A small convolutional network on the digits, trained towards zeros",
        caption=(
            f"Our own experiment: {int(data['cnn_weights'])} weights in the kernels, "
            f"{data.sizes['cnn_seed']} networks each. The sparse weights u are tested. Control: the dense network, as "
            "many of its smallest weights set to zero after training. Shaded: what the zeros may cost. Zeros and cost "
            f"where judged: {'; '.join(used)}. Bars and bands: 95% interval of the mean."
        ),
        panels=(
            Panel(
                title="Accuracy and sparsity",
                xlabel="share of exact zeros in the kernels",
                ylabel="test accuracy",
                series=tuple(series),
                ylim=(0.0, 1.02),
                region=(float(dense[0][0]) - COST[1], np.inf),
            ),
            Panel(
                title="Zeros",
                xlabel="weight λ of the penalty",
                ylabel="share of exact zeros in the kernels",
                series=tuple(shares),
                xscale="log",
                ylim=(0.0, 1.02),
            ),
        ),
    )


def _at(data: xr.Dataset, penalty: str) -> str:
    """The mean share of zeros and the mean cost where the penalty is judged, in words."""
    own = data.sel(penalty=penalty)
    index = sparse_enough(data, penalty)
    sparse = own["cnn_accuracy"].sel(network="u").isel(cnn_lam=index)
    cost = own["cnn_accuracy"].sel(network="u").isel(cnn_lam=0) - sparse
    return f"{float(own['cnn_zeros'].isel(cnn_lam=index).mean()):.0%}, {float(cost.mean()):.3f}"


def _mean(values: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over seeds and its interval of values (cnn_seed, point); the mean alone where there is one seed."""
    samples = values.transpose("cnn_seed", ...).values
    middle = samples.mean(axis=0)
    if len(samples) == 1:
        return middle, middle, middle
    low, high = np.transpose([bootstrap_interval(own) for own in samples.T])
    return middle, low, high
