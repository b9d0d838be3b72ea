"""Figures of the assay `neural-collapse`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Field, Figure, Line, Panel, Points, Role, Scale, quantile_band
from .claims import AT_REST, BASE, DUAL, SIMPLEX, last_change

ROLES: dict[str, Role] = {
    "plain, decay": "result",
    BASE: "control",
    "small start, no decay": "second",
    "normalised, no decay": "third",
    "normalised, decay": "fourth",
}
"""The arms whose paths are drawn. The strong decay is close to the decay and stands among the ends."""
LABELS = {"small start, no decay": "equal start, no decay"}
"""Other names than the data's: layers of equal norm are smaller than usual but for the last one."""
SHORT = {
    "plain, no decay": "plain\nwd 0",
    "plain, decay": "plain\nwd",
    "plain, strong decay": "plain\nstrong wd",
    "small start, no decay": "equal\nwd 0",
    "normalised, no decay": "norm.\nwd 0",
    "normalised, decay": "norm.\nwd",
}
"""Names below an axis."""
_BAND = "Lines and markers: median over the seeds; bands and bars: the central 90%."


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The way to collapse, where it ends, the class means' angles, and what is shown without being claimed."""
    return along_the_way(data), ends(data), frames(data), not_claimed(data)


def _label(arm: object) -> str:
    return LABELS.get(str(arm), str(arm))


def _median(data: xr.Dataset, name: str, arm: str) -> float:
    return float(data[name].sel(arm=arm).isel(step=-1).median())


def _paths(data: xr.Dataset, name: str) -> tuple[Line, ...]:
    return tuple(
        quantile_band(data["step"].values, data[name].sel(arm=arm).values, _label(arm), role)
        for arm, role in ROLES.items()
    )


def _marked(names: list[str], values: xr.DataArray, label: str = "", role: Role = "result") -> Points:
    """Values (seed, name) as markers: their median, with bars."""
    low, middle, high = np.nanquantile(values.transpose("seed", ...).values, [0.05, 0.5, 0.95], axis=0)
    return Points(names, middle, label, role, low, high)


def _ends(data: xr.Dataset, name: str, label: str = "", role: Role = "result") -> Points:
    """Every arm's value at the end over its short name."""
    names = [SHORT[str(arm)] for arm in data["arm"].values]
    return _marked(names, data[name].isel(step=-1), label, role)


def _reaching(data: xr.Dataset, name: str, region: tuple[float, float]) -> str:
    """How many runs of how many arms end in the region."""
    end = data[name].isel(step=-1)
    inside = ((end >= region[0]) & (end <= region[1])).sum("seed")
    found = [f"{_label(arm)} ({int(n)})" for arm, n in zip(data["arm"].values, inside.values, strict=True) if n]
    return f"of {data.sizes['seed']} runs each: {'; '.join(found)}" if found else "no run"


def along_the_way(data: xr.Dataset) -> Figure:
    """NC1, NC2 and NC3 over the steps."""
    panels: tuple[tuple[str, str, str, tuple[float, float] | None], ...] = (
        ("nc1_quotient", "NC1: the classes come together", "tr S_W / tr S_B", None),
        ("etf", "NC2: the means become a simplex", "|K/|K| − E/|E||", (0.0, SIMPLEX)),
        ("nc3", "NC3: the last layer becomes the means", "|W/|W| − M/|M||²", (0.0, DUAL)),
    )
    return Figure(
        name="along-the-way",
        title="The way to neural collapse",
        caption=(
            "0 is full collapse; shaded are the ranges of the claims. The step size first drops after "
            f"{int(data['first_drop'])} steps. NC1 at the end, medians: "
            + ", ".join(f"{_median(data, 'nc1_quotient', arm):.2g} ({_label(arm)})" for arm in ROLES)
            + f". In the range of NC2: {_reaching(data, 'etf', (0.0, SIMPLEX))}. In the range of NC3: "
            f"{_reaching(data, 'nc3', (0.0, DUAL))}. {_BAND}"
        ),
        panels=tuple(
            Panel(title=title, xlabel="steps", ylabel=ylabel, yscale="log", series=_paths(data, name), region=region)
            for name, title, ylabel, region in panels
        ),
        columns=3,
    )


def ends(data: xr.Dataset) -> Figure:
    """Every arm at the end."""
    panels: tuple[tuple[str, str, str, tuple[float, float] | None], ...] = (
        ("nc1_quotient", "NC1, of variances", "tr S_W / tr S_B", None),
        ("nc1", "NC1, of covariances", "tr(S_W S_B⁺) / C", None),
        ("cdnv", "NC1, of pairs of classes", "(vᵢ + vⱼ) / (2 |μᵢ − μⱼ|²)", None),
        ("etf", "NC2, in one number", "|K/|K| − E/|E||", (0.0, SIMPLEX)),
        ("mean_angles", "NC2, angles of the means", "mean |cos + 1/(C − 1)|", None),
        ("nc3", "NC3 (Papyan)", "|W/|W| − M/|M||²", (0.0, DUAL)),
    )
    changes = last_change(data, "plain, strong decay")
    rest = (
        f"changed by {changes.max():.1%} at most, and by at most {AT_REST:.0%} on {np.sum(changes <= AT_REST)} of "
        f"{len(changes)} seeds"
        if np.isfinite(changes).all()
        else "was not recorded"
    )
    return Figure(
        name="ends",
        title="Where every run ends",
        caption=(
            "norm.: normalised layers; equal: plain SGD from the start of the normalised runs, layers of equal "
            "norm; wd: weight decay. "
            "Measures of NC1, which differ in what they compare the variance within the classes with; of NC2; and NC3. "
            "Whether NC2 is at rest: over the last third of the steps before the first drop the distance of the runs "
            f"with strong decay {rest}. {_BAND}"
        ),
        panels=tuple(
            Panel(title=title, xlabel="run", ylabel=ylabel, yscale="log", series=(_ends(data, name),), region=region)
            for name, title, ylabel, region in panels
        ),
        columns=3,
    )


def frames(data: xr.Dataset) -> Figure:
    """The cosines between class means: all pairs in order, and which digits they belong to."""
    digit = data["digit"].values
    target = -1 / (len(digit) - 1)
    i, j = np.triu_indices(len(digit), 1)
    pairs = data["cosine"].transpose("arm", "seed", "digit", "other_digit").values[..., i, j]
    rank = np.arange(1, len(i) + 1)
    names = [str(arm) for arm in data["arm"].values]
    lines = tuple(
        quantile_band(rank, np.sort(pairs[names.index(arm)], axis=1), _label(arm), role) for arm, role in ROLES.items()
    )
    mean = pairs[names.index("plain, decay")].mean(axis=0)
    excess = np.full((len(digit), len(digit)), np.nan)
    excess[i, j] = excess[j, i] = mean - target
    order = np.argsort(mean)[::-1]
    largest = ", ".join(f"{digit[i[k]]} and {digit[j[k]]} ({mean[k]:+.2f})" for k in order[:3])
    edges = (float(digit[0]) - 0.5, float(digit[-1]) + 0.5)
    return Figure(
        name="frames",
        title="Angles between the class means",
        caption=(
            "Cosines between the centred class means at the end. In a simplex all pairs of digits have the cosine "
            f"−1/9 = −{abs(target):.2f}. Left: every seed's pairs in increasing order, median over the seeds with the "
            "central 90%. Right: plain SGD with decay, the mean over the seeds minus that of the simplex; the largest "
            f"cosines are those of {largest}."
        ),
        panels=(
            Panel(
                title="All pairs in order",
                xlabel="pair of digits",
                ylabel="cosine",
                series=(*lines, Line(rank[[0, -1]], [target, target], "simplex, −1/9", "reference")),
            ),
            Panel(
                title="Plain SGD with decay",
                xlabel="digit",
                ylabel="digit",
                series=(Field(digit, digit, excess, "cosine + 1/9"),),
                xlim=edges,
                ylim=edges,
                equal_aspect=True,
            ),
        ),
    )


def not_claimed(data: xr.Dataset) -> Figure:
    """What is small, equal or as good in every network that fits, and is shown without being judged."""
    classes = data.sizes["digit"]
    names = [SHORT[str(arm)] for arm in data["arm"].values]
    end = data.isel(step=-1)
    predicted = ((1 - end["own_output"]) / (classes - 1)).median("seed").values
    layers = tuple(
        _marked([f"layer {k}" for k in data["layer"].values], end["layer_norm"].sel(arm=arm), _label(arm), role)
        for arm, role in ROLES.items()
    )
    ratio = float((end["other_spread"] / end["other_outputs"]).sel(arm="plain, decay").median())

    def alone(name: str, title: str, ylabel: str, yscale: Scale = "linear") -> Panel:
        return Panel(title=title, xlabel="run", ylabel=ylabel, yscale=yscale, series=(_ends(data, name),))

    return Figure(
        name="not-claimed",
        title="Shown, and not claimed",
        caption=(
            "What is small in every network that fits its images cannot be claimed: NC3 (Zhu) and NC4, with decay and "
            "without. The outputs for the other classes against ε/(C − 1), ε = 1 − mean output for the own class: with "
            f"decay the standard deviation over images and classes is {ratio:.1f} times their mean. Equal layer norms "
            "have another cause, and nothing here predicts the order of the test accuracies. "
            f"{_BAND}"
        ),
        panels=(
            alone("nc3_zhu", "NC3 (Zhu)", "|WMᵀ/|WMᵀ| − E/|E||", "log"),
            alone("nc4", "NC4", "share of the training images"),
            Panel(
                title="Outputs for the other classes",
                xlabel="run",
                ylabel="output",
                series=(
                    _ends(data, "other_outputs", "mean"),
                    _ends(data, "other_spread", "standard deviation", "second"),
                    Points(names, predicted, "ε/(C − 1)", "reference"),
                ),
            ),
            Panel(title="Layer norms", xlabel="", ylabel="Frobenius norm", yscale="log", series=layers),
            alone("test_accuracy", "Test accuracy", "share of the test images"),
            alone("risk", "Training loss", "mean |f(x) − e_y|²", "log"),
        ),
        columns=3,
    )
