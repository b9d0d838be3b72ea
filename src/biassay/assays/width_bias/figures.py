"""Figures of the assay `width-bias`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, quantile_band
from .measures import fitting_width

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


def width(data: xr.Dataset) -> Figure:
    """Test error against width, beside the two controls."""
    clean, noisy = _ends(data)
    roles: tuple[Role, ...] = ("result", "second", "third", "fourth")
    families = [
        _band(data.sel(rate=rate), "test", _flips(rate), roles[i % 4]) for i, rate in enumerate(data["rate"].values)
    ]
    fitted = [f"{H} ({_flips(rate)})" for rate in _ends(data) if (H := fitting_width(data, rate)) is not None]
    features = [
        _band(data.sel(rate=clean), "feature_test", "least norm, no flips", "result", "feature"),
        _band(data.sel(rate=noisy), "feature_test", f"least norm, {_flips(noisy)}", "second", "feature"),
        _band(data.sel(rate=clean), "feature_ridge", "best ridge, no flips", "control", "feature"),
    ]
    own = data.sel(control_rate=clean)
    axes = ("control_width", "control_seed")
    same = data.sel(rate=clean).sel(width=[H for H in own["control_width"].values if H in data["width"]])
    starts = (
        _band(own, "unscaled_test", "V ~ N(0, 1)", "second", *axes),
        _band(own, "antisymmetric_test", "the same with f = 0", "third", *axes),
        _band(same, "test", "V ~ N(0, 1/H)", "result"),
    )
    return Figure(
        name="width",
        title="Test error against the size of the model",
        caption=(
            "Left: networks trained by SGD without regularisation. The training error is zero on every seed from "
            f"H = {' and '.join(fitted) or '(nowhere)'} on. Middle: with the first layer frozen the size does decide, "
            "at n = 400 features, unless a ridge parameter (chosen on the test set) keeps the norm small. Right: "
            "without the factor 1/√H in the output weights wide networks get worse, without flips; not so where the "
            "neurons come in pairs that cancel at the start. Bands: 90 % of the seeds."
        ),
        panels=(
            _against_width("Trained networks", tuple(families)),
            Panel(
                title="Random features",
                xlabel="random features",
                ylabel="test error",
                xscale="log",
                series=tuple(features),
                ylim=(0.0, 1.0),
            ),
            _against_width("Output weights at the start", starts, xlim=(10.0, 1000.0)),
        ),
        columns=3,
    )


def _against_width(
    title: str, series: tuple[Line, ...], ylabel: str = "test error", xlim: tuple[float, float] | None = None
) -> Panel:
    return Panel(title=title, xlabel=HIDDEN, ylabel=ylabel, xscale="log", series=series, xlim=xlim)


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
            "The narrow networks at the step at which all widths are compared, and later: every one of them gets "
            "worse as it fits more of the flipped labels, and no peak forms. Least squares on random features has "
            "one, at as many features as images."
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
                series=(_band(near, "feature_test", "least norm", "control", "feature"),),
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
        title="Fitting flipped labels is not free",
        caption=(
            "The best checkpoint is chosen on the test set, which is optimistic. Width makes the last iterate better, "
            "and leaves most of its distance to the best checkpoint."
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

    def cloud(error: str, size: str, label: str, role: Role) -> Points:
        return Points(own[size].mean("seed").values, own[error].mean("seed").values, label, role)

    return Figure(
        name="norms",
        title="Which norm is controlled? It depends on the norm",
        caption=(
            "Without flips, from 32 units on. Left: the product norm and the L1 path norm grow with the width while "
            "the test error falls, the L2 path norm and the distance from the start fall with it. Right: mean over "
            "the seeds at every width, at the last step and at the checkpoint of equal training loss: the larger the "
            "product norm, the smaller the error."
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
                    cloud("test", "product_norm", "at the last step", "result"),
                    cloud("equal_test", "equal_product_norm", "at equal training loss", "second"),
                ),
            ),
        ),
    )


def factorization(data: xr.Dataset) -> Figure:
    """The relative test error of the factorisations over inner dimensions."""
    roles: tuple[Role, ...] = ("result", "second", "third", "fourth")
    clean = [fit for fit in data["fit"].values if not data["noisy"].sel(fit=fit)]
    floored = data.assign(matrix_test=data["matrix_test"].clip(_EXACT))

    def lines(name: str, fits: list[int]) -> tuple[Line, ...]:
        return tuple(
            _band(
                floored.sel(fit=fit),
                name,
                f"α = {float(data['scale'].sel(fit=fit)):g}"
                + (", noisy entries" if data["noisy"].sel(fit=fit) else ""),
                roles[i % 4],
                "k",
                "matrix_seed",
            )
            for i, fit in enumerate(fits)
        )

    truth = np.full(data.sizes["k"], float(data["matrix_truth"].median()))
    return Figure(
        name="matrices",
        title="The analogue: inner dimensions of a factorised matrix",
        caption=(
            "Left: without noise a small start keeps the product near the matrix at every inner dimension k, a large "
            "start does not. Middle: with noise the error is largest in between, and the full inner dimension does not "
            "reach the true rank's error. Right: it is the nuclear norm that the small start keeps down. Bands: 90 % "
            f"of the seeds; smaller errors are drawn at {_EXACT:g}."
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
            ),
            Panel(
                title="With noise",
                xlabel="inner dimension k",
                xlim=(0.8, 120.0),
                ylabel="relative test error",
                xscale="log",
                yscale="log",
                series=lines("matrix_test", [fit for fit in data["fit"].values if fit not in clean]),
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
                xscale="log",
                yscale="log",
                series=(
                    every(best, "best start", "result"),
                    every(worst, "worst start", "control"),
                ),
                region=(0.0, 1e-5),
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
