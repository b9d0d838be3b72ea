"""The figures of the deep classifiers on images; none where they were not run."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Panel, Role, Series, quantile_band
from .figures_seeds import INTERVAL, bars, points

ALL = "DA+M+L2"
SUBSETS = ("none", "DA", "M", "L2", "DA+M", "DA+L2", "M+L2", ALL)
PARTS = ("S0", "NC1", "NC2", "S2", "C")
CURVES: dict[str, tuple[str, Role]] = {
    "S0": ("random start (S0)", "reference"),
    "S2": ("adversarial start (S2)", "result"),
    "NC1": ("true-label start (NC1)", "control"),
    "NC2": ("norm-matched start (NC2)", "second"),
}
ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth", "control", "reference")
MEASURES = {
    "LOG_PROD_OF_SPEC_OVER_MARGIN": "product of spectral norms / margin",
    "LOG_PROD_OF_FRO_OVER_MARGIN": "product of Frobenius norms / margin",
    "PATH_NORM_OVER_MARGIN": "path norm / margin",
    "PACBAYES_ORIG": "PAC-Bayes",
    "PACBAYES_FLATNESS": "flatness, 1 / σ",
    "FRO_DIST": "distance from the random start",
}
"""Measures that are shown, those on which S2 is said to be worst, and a distance, which ranks repaired minima badly."""
MINIMA = ("S0", "NC2", "S2", f"S0[{ALL}]", f"S3[{ALL}]")


def figures_images(data: xr.Dataset) -> tuple[Figure, ...]:
    """For every data set: what the gap is made of, the escape, the curves, the gap over R and N, the complexity."""
    if "image_test" not in data:
        return ()
    kinds = [_gap, _escape, _curves, _copies, *([_complexity] if "image_complexity" in data else [])]
    return tuple(kind(data.sel(image_data=name), str(name)) for name in data.image_data.values for kind in kinds)


def _per_seed(values: xr.DataArray, network: str) -> xr.DataArray:
    return values.sel(image_network=network).transpose("image_seed", ...)


def _networks(data: xr.Dataset) -> list[str]:
    return [str(network) for network in data.image_network.values]


def _gap(data: xr.Dataset, name: str) -> Figure:
    def panel(network: str) -> Panel:
        test = _per_seed(data.image_test.sel(image_setup=list(PARTS)), network)
        return Panel(
            title=network, xlabel="set-up", ylabel="test accuracy", series=(bars(test, PARTS),), ylim=(0.0, 1.0)
        )

    return Figure(
        name=f"images-gap-{name}",
        title=f"{name}: a start that has memorised random labels, and its controls",
        caption="S0: random start; NC1: pre-trained on the same corrupted copies with their true labels, for as many "
        "epochs as C; NC2: the random start, every parameter array with the adversarial start's norm; S2: the "
        "adversarial start; C: that start itself. Least accuracy on what they were pre-trained on: C "
        f"{_least(data.image_fit.sel(image_setup='C'))}, NC1's start "
        f"{_least(data.image_fit.sel(image_setup='C true'))}. {_fits(data, PARTS[:4])} {INTERVAL}.",
        panels=tuple(panel(network) for network in _networks(data)),
    )


def _fits(data: xr.Dataset, setups: tuple[str, ...]) -> str:
    """In words, how far the training images are fitted, and how many runs diverged."""
    chosen = data.sel(image_setup=list(setups))
    counted = _counted(chosen.image_diverged)
    worst = chosen.image_train.min(["image_network", "image_seed"]).dropna("image_setup")
    if not worst.size:
        return f"{counted[0].upper()}{counted[1:]}."
    least = str(worst.image_setup.values[np.argmin(worst.values)])
    return f"The least train accuracy is {float(worst.min()):.4f} ({least}); {counted}."


def _counted(diverged: xr.DataArray) -> str:
    number = int(diverged.sum())
    return f"{number} of {diverged.size} runs diverged" if number else "no run diverged"


def _least(values: xr.DataArray) -> str:
    """The smallest number, of the runs that did not diverge."""
    return f"{float(values.min()):.4f}" if values.notnull().any() else "unknown (all diverged)"


def _setup(start: str, subset: str) -> str:
    vanilla = {"S0": "S0", "S3": "S2"}
    return vanilla[start] if subset == "none" else f"{start}[{subset}]"


def _escape(data: xr.Dataset, name: str) -> Figure:
    starts: tuple[tuple[str, str, Role], ...] = (
        ("S0", "random start", "reference"),
        ("S3", "adversarial start", "result"),
    )
    places = ["all" if subset == ALL else subset for subset in SUBSETS]

    def panel(network: str) -> Panel:
        series = [
            points(
                places,
                _per_seed(data.image_test.sel(image_setup=[_setup(start, subset) for subset in SUBSETS]), network),
                words,
                role,
            )
            for start, words, role in starts
        ]
        return Panel(title=network, xlabel="regularisers", ylabel="test accuracy", series=tuple(series))

    setups = tuple(_setup(start, subset) for start in ("S0", "S3") for subset in SUBSETS)
    return Figure(
        name=f"images-escape-{name}",
        title=f"{name}: which regularisers leave the bad minimum",
        caption="Both starts with the same regularisers. Two points that meet are a repair, if all training images are "
        f"fitted. {_fits(data, setups)} {INTERVAL}.",
        panels=tuple(panel(network) for network in _networks(data)),
    )


def _curves(data: xr.Dataset, name: str) -> Figure:
    def panel(network: str) -> Panel:
        series: list[Series] = []
        for setup, (words, role) in CURVES.items():
            curve = _per_seed(data.image_curve_test.sel(image_setup=setup), network)
            if curve.notnull().any():  # not all seeds diverged
                series.append(quantile_band(curve.image_epoch.values, curve, words, role))
        return Panel(title=network, xlabel="epochs of the true labels", ylabel="test accuracy", series=tuple(series))

    return Figure(
        name=f"images-curves-{name}",
        title=f"{name}: training on the true labels by vanilla SGD",
        caption="At the checks; the step size drops twice. Line: median over seeds; band: the central 90%.",
        panels=tuple(panel(network) for network in _networks(data)),
    )


def _copies(data: xr.Dataset, name: str) -> Figure:
    reference = data.image_test.sel(image_setup="S0", drop=True)
    setups: tuple[tuple[str, str, Role], ...] = (
        ("S2", "adversarial start", "result"),
        ("NC1", "true-label control", "control"),
    )

    def panel(network: str, variable: str, axis: str, xlabel: str) -> Panel:
        series = []
        for setup, words, role in setups:
            loss = reference - data[variable].sel(image_replicated=setup, drop=True)
            series.append(points(data[axis].values, _per_seed(loss, network), words, role))
        return Panel(title=network, xlabel=xlabel, ylabel="loss of test accuracy", series=tuple(series))

    axes = (
        ("image_replicated_test", "image_replication", "replication factor R"),
        ("image_erased_test", "image_fraction", "fraction N of a copy that is erased"),
    )

    def every_pair(score: str, setups: list[str]) -> xr.DataArray:
        """A score over R and over N, one after the other: the headline is in both."""
        parts = data[f"image_replicated_{score}"], data[f"image_erased_{score}"]
        found = [part.sel(image_replicated=setups).values.ravel() for part in parts]
        return xr.DataArray(np.concatenate(found))

    bad, good = (_least(every_pair("fit", [start])) for start in ("C", "C true"))
    diverged = every_pair("test", ["S2", "NC1"]).isnull()
    return Figure(
        name=f"images-copies-{name}",
        title=f"{name}: the loss over the confusion set's copies and noise",
        caption="Test accuracy of the random start minus that of the start fitted to a confusion set with R copies of "
        "every image and a fraction N of each erased. R varies at one N, and N at one R. Pre-training on random labels "
        "ends once it has fitted them, so that its epochs differ from point to point, and the control's is as long; "
        f"more copies are more steps an epoch. Least accuracy on what was pre-trained on: random labels {bad}, true "
        f"labels {good}; {_counted(diverged)}. {INTERVAL}.",
        panels=tuple(panel(network, *axis) for network in _networks(data) for axis in axes),
    )


def _fewer(data: xr.Dataset) -> str:
    """In words, how many minima have no value of a measure that needs the margin."""
    missing = data.image_complexity.sel(image_measure="PATH_NORM_OVER_MARGIN", image_setup=list(MINIMA)).isnull()
    return f"{int(missing.sum())} of {missing.size} have none or diverged"


def _complexity(data: xr.Dataset, name: str) -> Figure:
    roles = dict(zip(_networks(data), ROLES, strict=False))

    def panel(measure: str, words: str) -> Panel:
        values = data.image_complexity.sel(image_measure=measure, image_setup=list(MINIMA))
        places = [setup.replace(ALL, "all") for setup in MINIMA]
        series = tuple(points(places, _per_seed(values, network), network, role) for network, role in roles.items())
        found = values.values[np.isfinite(values.values)]
        positive = found.size > 0 and found.min() > 0 and not measure.startswith("LOG_")
        return Panel(
            title=words,
            xlabel="minimum",
            ylabel="½ log(measure / m)" if measure.startswith("LOG_") else "√(measure / m)",
            series=series,
            yscale="log" if positive else "linear",
        )

    return Figure(
        name=f"images-complexity-{name}",
        title=f"{name}: how complex the minima are",
        caption="Measures of arXiv 1912.02178, batch normalisation folded in, as their public code prints them, m "
        "training images. A minimum that does not classify nine tenths of them rightly has no margin, and is left out "
        f"where one is needed; {_fewer(data)}. The random start with the adversarial norms (NC2) tells what is mere "
        f"scale. {INTERVAL}.",
        panels=tuple(panel(measure, words) for measure, words in MEASURES.items()),
    )
