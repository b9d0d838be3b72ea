"""The figures of the assay `adversarial-init`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Field, Figure, Panel, Points, Role, Series, quantile_band
from .figures_complexity import figures_complexity
from .figures_images import figures_images
from .figures_seeds import INTERVAL, bars, points

WORDS = {
    "S0": "random start (S0)",
    "S2": "adversarial start (S2)",
    "NC1": "true-label start (NC1)",
    "NC2": "norm-matched start (NC2)",
    "C": "before the true labels (C)",
}
ROLES: dict[str, Role] = {"S0": "reference", "S2": "result", "NC1": "control", "NC2": "second"}
GROWTH: tuple[tuple[str, str, Role], ...] = (
    ("S2", "adversarial start", "result"),
    ("NC1", "true-label control", "control"),
)
STARTS: tuple[tuple[str, str, Role], ...] = (
    ("S0", "random start", "reference"),
    ("S3", "adversarial start", "result"),
)
CLASSES: tuple[tuple[int, Role], ...] = ((-1, "result"), (1, "second"))
PICTURES = {
    "random": "random initialisation",
    "C": "adversarial initialisation",
    "S2": "from there, vanilla SGD (S2)",
    "S3[DA+M+L2]": "from there, DA + M + L2",
}


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The gap and what it is made of, the escape, the distances, the replication, the toy's decision boundaries, the
    complexity of the minima, and the deep classifiers on images where they were run."""
    digits = _gap(data), _curves(data), _escape(data), _closeness(data), _toy_pictures(data), _toy_geometry(data)
    return *digits, *figures_complexity(data), *figures_images(data)


def _gap(data: xr.Dataset) -> Figure:
    setups = ("S0", "NC1", "NC2", "S2", "C")

    def panel(title: str, prefix: str) -> Panel:
        values = data[f"{prefix}test"].sel({f"{prefix}setup": list(setups)})
        return Panel(
            title=title, xlabel="set-up", ylabel="test accuracy", series=(bars(values, setups),), ylim=(0.0, 1.0)
        )

    test = data.test
    parts = xr.concat(
        [
            test.sel(setup="S0") - test.sel(setup="S2"),
            test.sel(setup="S0") - test.sel(setup="NC2"),
            test.sel(setup="NC2") - test.sel(setup="S2"),
            test.sel(setup="S0") - test.sel(setup="NC1"),
        ],
        "part",
        coords="minimal",
        compat="override",
    ).transpose("seed", "part")
    names = ("gap S0 - S2", "scale S0 - NC2", "labels NC2 - S2", "control S0 - NC1")
    growth = tuple(points(data.replication.values, _loss(data, setup), words, role) for setup, words, role in GROWTH)
    return Figure(
        name="bad-minimum",
        title="A start that has memorised random labels costs test accuracy",
        caption="Every set-up but C fits all training images. S0: random start; NC1: pre-trained on the same corrupted "
        "copies with their true labels; NC2: the random start at the adversarial start's norms; S2: the adversarial "
        f"start; C: that start itself. Most of the gap is weight scale. {INTERVAL}.",
        panels=(
            panel("MLP", ""),
            panel("CNN", "cnn_"),
            Panel(
                title="What the MLP's gap is made of",
                xlabel="part",
                ylabel="loss of test accuracy",
                series=(bars(parts, names),),
                region=(0.12, np.inf),
                region_label="claimed gap",
            ),
            Panel(
                title="More copies, larger loss (MLP)",
                xlabel="replication factor R",
                ylabel="loss of test accuracy",
                series=growth,
            ),
        ),
    )


def _loss(data: xr.Dataset, setup: str) -> xr.DataArray:
    """test(S0) - test(setup) by replication factor, dims (seed, replication)."""
    loss = data.test.sel(setup="S0", drop=True) - data.replicated_test.sel(replicated=setup, drop=True)
    return loss.transpose("seed", "replication")


def _curves(data: xr.Dataset) -> Figure:
    curves: list[Series] = []
    for setup in data.curve.values:
        curve = data.curve_test.sel(curve=setup).dropna("epoch")
        curves.append(quantile_band(curve.epoch, curve.transpose("seed", "epoch"), WORDS[setup], ROLES[setup]))
    return Figure(
        name="curves",
        title="Training on the true labels",
        caption="Each run stops at the third check at which all seeds fit all the images. Line: median over seeds; "
        "band: the central 90%.",
        panels=(
            Panel(
                title="MLP, vanilla SGD at one step size",
                xlabel="epochs of the true labels",
                ylabel="test accuracy",
                series=tuple(curves),
            ),
        ),
    )


def _escape(data: xr.Dataset) -> Figure:
    regularisers = [str(name)[3:-1] for name in data.setup.values if str(name).startswith("S3[")]

    names = ["all three" if name == "DA+M+L2" else name for name in regularisers]
    test, worst_fit = [], []
    for start, words, role in STARTS:
        setups = [f"{start}[{name}]" for name in regularisers]
        test.append(points(names, data.test.sel(setup=setups), words, role))
        worst_fit.append(Points(names, data.train.sel(setup=setups).min("seed").values, words, role))
    return Figure(
        name="escape",
        title="Which regularisers leave the bad minimum",
        caption="Both starts with the same regularisers at one effective step size (none: that step size alone). A "
        f"pair of points that meet is a repair, if all training images are fitted. {INTERVAL}.",
        panels=(
            Panel(
                title="Does the start still matter?",
                xlabel="regularisers",
                ylabel="test accuracy",
                series=tuple(test),
            ),
            Panel(
                title="Are the training images fitted?",
                xlabel="regularisers",
                ylabel="train accuracy, worst seed",
                series=tuple(worst_fit),
            ),
        ),
    )


def _closeness(data: xr.Dataset) -> Figure:
    setups = [str(s) for s in data.setup.values if str(s) == "S2" or str(s).startswith("S3[")]
    chosen = data.sel(setup=setups)
    names = tuple(name if name == "S2" else name[3:-1] for name in setups)
    return Figure(
        name="closeness",
        title="Vanilla SGD stays where it started",
        caption="Distances over all parameters, started at the adversarial initialisation; above 1 the network is "
        f"nearer to the random initialisation than to the adversarial one. {INTERVAL}.",
        panels=(
            Panel(
                title="Distance travelled, relative to the random start's",
                xlabel="set-up",
                ylabel="d(adv) / d(init)",
                series=(bars(chosen.d_adv / chosen.d_init, names),),
                region=(0.0, 0.15),
                region_label="claimed for S2",
            ),
        ),
    )


def _toy_pictures(data: xr.Dataset) -> Figure:
    def panel(setup: str, title: str) -> Panel:
        places, labels = data.toy_points.values, data.toy_labels.values
        field = Field(
            data.x0.values,
            data.x1.values,
            data.toy_probability.sel(toy_setup=setup).values,
            "probability of class +1",
            (0.5,),
        )
        clouds = (
            Points(places[labels == label, 0], places[labels == label, 1], f"class {label:+d}", role)
            for label, role in CLASSES
        )
        return Panel(title=title, xlabel="x0", ylabel="x1", series=(field, *clouds), equal_aspect=True)

    return Figure(
        name="toy",
        title="The same in the plane: decision boundaries",
        caption="First seed. The line is where the network is undecided. After pre-training on coin flips, vanilla SGD "
        "fits the true labels and keeps the winding boundary; the three regularisers straighten it.",
        panels=tuple(panel(setup, title) for setup, title in PICTURES.items()),
    )


def _toy_geometry(data: xr.Dataset) -> Figure:
    setups = [str(name) for name in data.toy_setup.values if str(name).startswith("S")]
    chosen = data.sel(toy_setup=setups)
    return Figure(
        name="toy-geometry",
        title="How winding the boundary is",
        caption=f"The line that separates the clouds best has length 1. {INTERVAL}.",
        panels=(
            Panel(
                title="Length of the decision boundary",
                xlabel="set-up",
                ylabel="length (heights of the window)",
                series=(bars(chosen.toy_length, tuple(setups)),),
                region=(0.0, 1.3),
                region_label="claimed for S3[DA+M+L2]",
            ),
            Panel(
                title="Disagreement with the Bayes line",
                xlabel="set-up",
                ylabel="fraction of the window",
                series=(bars(chosen.toy_disagreement, tuple(setups)),),
            ),
        ),
    )
