"""Figures of the assay `width-bias`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, quantile_band
from .config import TRAIN
from .measures import fitting_width, of_seeds_run, widths_run

HIDDEN = "hidden units H"
_ROUND_OFF = 1e-9
"""Smaller gaps are drawn here."""
_EXACT = 1e-3
"""Smaller errors of a factorisation are drawn here."""


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """Width, threshold, memorised noise, norms, matrices, the convex program."""
    return (width(data), threshold(data), memorized(data), norms(data), factorization(data), convex(data))


def _band(data: xr.Dataset, name: str, label: str, role: Role, axis: str = "width", seed: str = "seed") -> Line:
    """The median over the seeds against `axis`, with the range of 90 % of them, where there is anything."""
    own = data[name].transpose(seed, axis).dropna(axis, how="all")
    return quantile_band(own[axis].values, own.values, label, role)


def _flips(rate: float) -> str:
    return "no flips" if rate == 0 else f"{rate:.0%} flipped"


def _ends(data: xr.Dataset) -> tuple[float, float]:
    """The rate without flips and the highest."""
    return float(data["rate"][0]), float(data["rate"][-1])


def _no_rise(data: xr.Dataset, rate: float, role: Role) -> tuple[Line, ...]:
    """The edge of "no rise" from H_0 on, where some width fits the training set: test(H_0) + .005."""
    first = fitting_width(data, rate)
    if first is None:
        return ()
    edge = of_seeds_run(data, "test", rate, first).mean() + 0.005
    return (
        Line([first, widths_run(data, rate)[-1]], [edge, edge], f"no rise from H₀ = {first}, {_flips(rate)}", role),
    )


def width(data: xr.Dataset) -> Figure:
    """Test error against width, beside the two controls."""
    clean, noisy = _ends(data)
    roles: tuple[Role, ...] = ("result", "second", "third", "fourth")
    families = [
        _band(data.sel(rate=rate), "test", _flips(rate), roles[i % 4]) for i, rate in enumerate(data["rate"].values)
    ]
    edges = (*_no_rise(data, clean, "reference"), *_no_rise(data, noisy, "control"))
    own_norm = data["feature_norm"].sel(rate=clean)
    relative = data.assign(feature_relative=own_norm / own_norm.max("feature"))
    features = [
        _band(data.sel(rate=clean), "feature_test", "least norm, no flips", "result", "feature"),
        _band(data.sel(rate=noisy), "feature_test", f"least norm, {_flips(noisy)}", "second", "feature"),
        _band(data.sel(rate=clean), "feature_ridge", "best ridge, no flips", "control", "feature"),
        _band(relative, "feature_relative", "its norm / the largest, no flips", "fourth", "feature"),
        Line([TRAIN, TRAIN], [0.0, 1.0], f"n = {TRAIN} images", "reference"),
    ]
    own = data.sel(control_rate=clean)
    axes = ("control_width", "control_seed")
    same = data.sel(rate=clean).sel(width=[H for H in own["control_width"].values if H in data["width"]])
    starts = (
        _band(own, "unscaled_test", "V ~ N(0, 1)", "second", *axes),
        _band(own, "antisymmetric_test", "the same with f = 0", "third", *axes),
        _band(same, "test", "V ~ N(0, 1/H)", "result"),
    )
    highest = max(float(np.nanmax(np.asarray(line.high))) for line in starts)
    return Figure(
        name="width",
        title="Test error against the size of the model",
        caption=(
            "Left: networks trained by SGD without regularisation. H₀ is the least width at which the training error "
            "is zero on every seed; the flat lines are the highest that a mean may lie without having risen. Middle: "
            "with the first layer frozen, least squares of least norm, and with a ridge parameter (chosen on the test "
            "set); the norm of the solution is drawn relative to its largest. Right: without flips, output weights "
            "without the factor 1/√H, the same with neurons in pairs that cancel at the start, and with the factor. "
            "Bands: 90 % of the seeds."
        ),
        panels=(
            _against_width("Trained networks", (*families, *edges)),
            Panel(
                title="Random features",
                xlabel="random features",
                ylabel="test error, relative norm",
                xscale="log",
                series=tuple(features),
                ylim=(0.0, 1.0),
            ),
            _against_width("Output weights at the start", starts, xlim=(10.0, 1000.0), ylim=(0.0, 1.4 * highest)),
        ),
        columns=3,
    )


def _against_width(
    title: str,
    series: tuple[Line, ...],
    ylabel: str = "test error",
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
) -> Panel:
    return Panel(title=title, xlabel=HIDDEN, ylabel=ylabel, xscale="log", series=series, xlim=xlim, ylim=ylim)


def threshold(data: xr.Dataset) -> Figure:
    """The narrow networks with noise, after two numbers of steps."""
    rate = _ends(data)[1]
    steps = int(data["step"][-1])
    longer = int(data.attrs["long_steps"])
    narrow = data.sel(rate=rate, width=data["narrow"].values)
    near = data.sel(rate=rate, feature=(data["feature"] >= 100) & (data["feature"] <= 800))
    return Figure(
        name="threshold",
        title=f"Around the width that just fits, {_flips(rate)}",
        caption=(
            "The narrow networks at the step at which all widths are compared, and later, when they fit more of the "
            "flipped labels; beside least squares on random features. Had the networks a peak, their later curve "
            "would rise before it falls."
        ),
        panels=(
            _against_width(
                "Test error",
                (
                    _band(narrow, "test", f"{steps} steps", "result"),
                    _band(data, "long_test", f"{longer} steps", "second", "narrow"),
                ),
            ),
            _against_width(
                "Training error",
                (
                    _band(narrow, "train", f"{steps} steps", "result"),
                    _band(data, "long_train", f"{longer} steps", "second", "narrow"),
                ),
                "training error",
            ),
            Panel(
                title="Random features",
                xlabel="random features",
                ylabel="test error",
                xscale="log",
                series=(
                    _band(near, "feature_test", "least norm", "control", "feature"),
                    Line([TRAIN, TRAIN], [0.0, 1.0], f"n = {TRAIN} images", "reference"),
                ),
                ylim=(0.0, 1.0),
            ),
        ),
        columns=3,
    )


def memorized(data: xr.Dataset) -> Figure:
    """What the fit to flipped labels costs: along a run, and against width."""
    clean, noisy = _ends(data)
    paths = []
    roles: tuple[Role, ...] = ("control", "second", "result")
    for H, role in zip((8, 32, 256), roles, strict=True):
        own = data.sel(rate=noisy, width=H)
        paths.append(quantile_band(data["step"].values, own["test_path"].transpose("seed", "step"), f"H = {H}", role))
    last_and_best = (
        _band(data.sel(rate=noisy), "test", f"at the end, {_flips(noisy)}", "second"),
        _band(data.sel(rate=noisy), "best", f"best checkpoint, {_flips(noisy)}", "third"),
        _band(data.sel(rate=clean), "test", "at the end, no flips", "result"),
        _band(data.sel(rate=clean), "best", "best checkpoint, no flips", "control"),
    )
    return Figure(
        name="memorized-noise",
        title="What fitting flipped labels costs",
        caption=(
            f"With {_flips(noisy)} the mean distance of the last iterate to the best checkpoint is "
            f"{_cost(data, noisy, 32):.3f} at 32 units and {_cost(data, noisy, 256):.3f} at 256; without flips "
            f"{_cost(data, clean, 256):.3f} at 256. The best checkpoint is chosen on the test set, which is optimistic."
        ),
        panels=(
            Panel(
                title=f"Along a run, {_flips(noisy)}",
                xlabel="steps",
                ylabel="test error",
                series=tuple(paths),
                ylim=(0.0, 0.6),
            ),
            _against_width("Last iterate and best checkpoint", last_and_best),
        ),
    )


def _cost(data: xr.Dataset, rate: float, width: int) -> float:
    last, best = (of_seeds_run(data, name, rate, width) for name in ("test", "best"))
    return float((last - best).mean())


def norms(data: xr.Dataset) -> Figure:
    """Which sizes grow with the width, and which shrink; the product norm against the test error."""
    own = data.sel(rate=0.0, width=data["width"] >= 32)
    shown: dict[str, tuple[str, Role]] = {
        "product_norm": ("product norm", "result"),
        "l1_path": ("L1 path norm", "second"),
        "l2_path": ("L2 path norm", "third"),
        "distance": ("distance from the start", "fourth"),
        "test": ("test error", "reference"),
    }
    relative = own[list(shown)] / own[list(shown)].sel(width=32)
    start = own["product_norm_path"].isel(step=0) / own["product_norm"].sel(width=32)
    lines = [_band(relative, name, label, role) for name, (label, role) in shown.items()]
    lines.append(_band(relative.assign(start=start), "start", "product norm at the start", "control"))

    def path(error: str, size: str, label: str, role: Role) -> tuple[Line | Points, ...]:
        x, y = own[size].mean("seed").values, own[error].mean("seed").values
        return Line(x, y, label, role), Points(x, y, "", role)

    def end(H: int, role: Role) -> Points:
        at = own.sel(width=H).mean("seed")
        x, y = [at["product_norm"], at["equal_product_norm"]], [at["test"], at["equal_test"]]
        return Points([float(value) for value in x], [float(value) for value in y], f"H = {H}", role)

    ran = widths_run(data, 0.0)
    return Figure(
        name="norms",
        title="Which norm is controlled? It depends on the norm",
        caption=(
            "Without flips, from 32 units on. Left: sizes of the networks at the last step, and the test error, each "
            "relative to its value at 32 units. A size can explain the test error if it falls with it. Right: mean "
            "over the seeds at every width, joined in the order of the widths, at the last step and at the checkpoint "
            "of equal training loss."
        ),
        panels=(
            Panel(
                title="Relative to 32 units",
                xlabel=HIDDEN,
                ylabel="value / value at 32 units",
                xscale="log",
                yscale="log",
                series=tuple(lines),
            ),
            Panel(
                title="Test error against product norm",
                xlabel="product norm",
                ylabel="test error",
                xscale="log",
                series=(
                    *path("test", "product_norm", "at the last step", "result"),
                    *path("equal_test", "equal_product_norm", "at equal training loss", "second"),
                    end(32, "control"),
                    end(ran[-1], "fourth"),
                ),
            ),
        ),
    )


def factorization(data: xr.Dataset) -> Figure:
    """The relative test error of the factorisations over inner dimensions."""
    roles: tuple[Role, ...] = ("result", "second", "third", "fourth")
    clean = [fit for fit in data["fit"].values if not data["noisy"].sel(fit=fit)]
    floored = data.assign(matrix_test=data["matrix_test"].clip(_EXACT))

    def lines(name: str, fits: list[int]) -> tuple[Line | Points, ...]:
        drawn = []
        for fit, role in zip(fits, roles, strict=False):
            label = f"α = {float(data['scale'].sel(fit=fit)):g}"
            label += ", noisy entries" if data["noisy"].sel(fit=fit) else ""
            line = _band(floored.sel(fit=fit), name, label, role, "k", "matrix_seed")
            drawn += [line, Points(line.x, line.y, "", role)]
        return tuple(drawn)

    noisy = [fit for fit in data["fit"].values if fit not in clean]
    rank_two = float(data["matrix_test"].sel(fit=noisy[0], k=2).mean())

    truth = np.full(data.sizes["k"], float(data["matrix_truth"].median()))
    return Figure(
        name="matrices",
        title="The analogue: inner dimensions of a factorised matrix",
        caption=(
            "Left: without noise, from starts of small and large scale α. Middle: with noise in the observed entries; "
            "the full inner dimension is compared with the true rank 2. Right: the nuclear norm of what was found. "
            f"Bands: 90 % of the seeds; smaller errors are drawn at {_EXACT:g}."
        ),
        panels=(
            Panel(
                title="Without noise",
                xlabel="inner dimension k",
                xlim=(0.8, 120.0),
                ylabel="relative test error",
                xscale="log",
                yscale="log",
                series=lines("matrix_test", clean),
                region=(0.0, 0.05),
                region_label="claimed, smallest α",
            ),
            Panel(
                title="With noise",
                xlabel="inner dimension k",
                xlim=(0.8, 120.0),
                ylabel="relative test error",
                xscale="log",
                yscale="log",
                series=lines("matrix_test", noisy),
                region=(0.0, rank_two + 0.05),
                region_label="claimed at k = 80",
            ),
            Panel(
                title="Nuclear norm, without noise",
                xlabel="inner dimension k",
                xlim=(0.8, 120.0),
                ylabel="nuclear norm",
                xscale="log",
                yscale="log",
                series=(
                    *lines("matrix_nuclear", clean),
                    Line(data["k"].values, truth, "the matrix itself", "reference"),
                ),
            ),
        ),
        columns=3,
    )


def convex(data: xr.Dataset) -> Figure:
    """Networks with weight decay above the convex optimum, and the optimum's certificate."""
    decay = data.attrs["decay"]
    gap = abs(data["objective"] / data["optimum"] - 1).clip(_ROUND_OFF)
    H = data["convex_width"].values
    best, worst = (own.transpose("dataset", "convex_width").values for own in (gap.min("start"), gap.max("start")))
    sets = len(best)

    def every(values: np.ndarray, label: str, role: Role) -> Points:
        return Points(np.tile(H, sets), values.ravel(), label, role)

    many = H[H >= 16]
    edge, floor = np.full(len(many), 1e-5), np.full(len(many), _ROUND_OFF)
    angle = data["angle"].values
    atoms, positive = data["atom_angle"].values, data["atom_amplitude"].values > 0
    return Figure(
        name="convex-program",
        title="With weight decay a network of any width is a convex program",
        caption=(
            "Left: the regularised objective above the convex optimum, for the best and the worst of the starts on "
            "every set of points. Right: for the first set, the correlation of the optimal residual with a neuron of "
            "direction u. It nowhere leaves the band of half-width λ, which proves the optimum, and the optimal "
            "network has neurons only where it touches it."
        ),
        panels=(
            Panel(
                title="Objective above the convex optimum",
                xlabel=HIDDEN,
                ylabel="relative gap",
                xlim=(0.7, 1.5 * H[-1]),
                xscale="log",
                yscale="log",
                series=(
                    every(best, "best start", "result"),
                    every(worst, "worst start", "control"),
                    Line(many, edge, "claimed of the best start", "reference", floor, edge),
                ),
            ),
            Panel(
                title="Certificate of the optimum",
                xlabel="direction of u (radians)",
                ylabel="mean of residual × relu(u·x)",
                series=(
                    Line(angle, data["certificate"].values, "every direction", "result"),
                    Points(atoms, np.where(positive, decay, -decay), "neurons of the optimum", "second"),
                ),
                region=(-decay, decay),
                region_label="at most λ",
                ylim=(-1.5 * decay, 1.9 * decay),
            ),
        ),
    )
