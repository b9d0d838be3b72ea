"""Figures of the assay `random-labels`."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import bootstrap_interval
from ...figures import Bars, Figure, Line, Panel, Points, Role, quantile_band
from .claims import MUCH_SLOWER, NEAR_CHANCE, slowdown

SETTINGS: dict[str, tuple[str, Role]] = {
    "true": ("true", "result"),
    "shuffled": ("shuffled pixels", "control"),
    "random-pixels": ("random pixels", "third"),
    "gaussian": ("Gaussian inputs", "fourth"),
    "random-labels": ("random labels", "second"),
}
MARKED = ("shuffled", "gaussian")
"""Settings drawn as markers, as they may coincide with "true" and "random-pixels"."""
INTERVAL = "Bands and bars: 95% interval of the mean over seeds."
BAND = "Lines: median over seeds; bands: the central 90%."


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """What is fitted and how fast, how long it takes and what it costs by corruption, and what the inputs carry."""
    drawn = (fitting(data), time_to_fit(data), test_error(data), inputs(data), capacity(data))
    return (*drawn, cifar(data)) if "cifar_test" in data else drawn


def _means(values: xr.DataArray, seed: str = "seed") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over seeds and its interval, of values (seed, category); the mean alone where there is one seed."""
    samples = np.asarray(values.transpose(seed, ...), float)
    middle = samples.mean(axis=0)
    if len(samples) == 1:
        return middle, middle, middle
    ends = [bootstrap_interval(own) if np.isfinite(own).all() else (np.nan, np.nan) for own in samples.T]
    low, high = np.transpose(ends)
    return middle, low, high


def _over_ratios(values: xr.DataArray, label: str, role: Role) -> Line:
    middle, low, high = _means(values)
    return Line(values.p.values, middle, label, role, low, high)


def _at_zero(values: xr.DataArray, label: str) -> Points:
    """A control at p = 0, the mean over its runs, shape (seed,)."""
    middle, low, high = _means(values.expand_dims("run"))
    return Points([0.0], middle, label, "control", low, high)


def _curve(values: xr.DataArray, label: str, role: Role, epoch: str = "epoch", seed: str = "seed") -> Line:
    """The median over seeds with its band, up to where the run stopped."""
    taken = values.dropna(epoch)
    return quantile_band(taken[epoch].values, taken.transpose(seed, epoch).values, label, role)


def _ratio_axis(data: xr.Dataset) -> str:
    wrong = 1 - 1 / int(data.classes)
    return f"corruption ratio p (expected wrong labels: {wrong:g} p)"


def fitting(data: xr.Dataset) -> Figure:
    """Train loss and accuracy along the way, in every setting."""

    def panel(title: str, variable: str, ylabel: str, log: bool) -> Panel:
        series = tuple(
            _marked(_curve(data[variable].sel(inputs=name), words, role, "input_epoch"), name in MARKED)
            for name, (words, role) in SETTINGS.items()
        )
        return Panel(title=title, xlabel="epochs", ylabel=ylabel, series=series, yscale="log" if log else "linear")

    epochs = data.input_epochs.mean("seed", skipna=False)
    means = [f"{words} {_number(epochs.sel(inputs=name))}" for name, (words, _) in SETTINGS.items()]
    return Figure(
        name="fitting",
        title="Training on true and on random data",
        caption="One network, one step size; a curve ends where every seed had fitted. Markers instead of a line, "
        "without a band, where two settings may coincide: shuffled pixels lie on the true images, Gaussian inputs on "
        f"random pixels, as far as they do. Mean epochs to fit: {', '.join(means)}. {BAND}",
        panels=(
            panel("Train loss", "input_loss_curve", "cross-entropy (nats)", True),
            panel("Train accuracy", "input_train_curve", "train accuracy", False),
        ),
    )


def _marked(line: Line, marked: bool) -> Line | Points:
    return Points(line.x, line.y, line.label, line.role) if marked else line


def _number(value: xr.DataArray, digits: int = 0) -> str:
    """The number, in words where a seed has none."""
    return f"{float(value):.{digits}f}" if np.isfinite(value) else "(not fitted on every seed)"


def time_to_fit(data: xr.Dataset) -> Figure:
    """Epochs to fit against the corruption ratio."""
    interval = int(data.check_epochs)
    relative = data.epochs / data.epochs.sel(p=0.0)
    again = data.repeat_epochs / data.epochs.sel(p=0.0)
    by_ratio = relative.mean("seed", skipna=False)
    means = [f"{_number(by_ratio.sel(p=p), 2)} at p = {p:g}" for p in data.p.values if p > 0]
    return Figure(
        name="time-to-fit",
        title="Epochs to fit, by the corruption of the labels",
        caption=f"Checked every {interval} epochs, so that a run's epochs are multiples of {interval}. Mean ratios to "
        f"p = 0: {', '.join(means)}. The claim is judged on each seed's smallest ratio over p ≥ 0.25, whose mean is "
        f"{_number(slowdown(data).mean('seed', skipna=False), 2)}. The circle: further runs on the true labels, whose "
        f"single ratios lie in {_number(again.min(skipna=False), 2)} to {_number(again.max(skipna=False), 2)}. "
        f"{INTERVAL}",
        panels=(
            Panel(
                title="Epochs to fit",
                xlabel=_ratio_axis(data),
                ylabel=f"epochs (checked every {interval})",
                series=(
                    _over_ratios(data.epochs, "corrupted labels", "result"),
                    _at_zero(data.repeat_epochs.mean("repeat"), "true labels again"),
                ),
            ),
            Panel(
                title="Relative to the true labels",
                xlabel=_ratio_axis(data),
                ylabel="epochs(p) / epochs(0)",
                series=(
                    _over_ratios(relative, "corrupted labels", "result"),
                    _at_zero(again.mean("repeat"), "true labels again"),
                ),
                region=MUCH_SLOWER,
                region_label="claimed for p ≥ 0.25",
            ),
        ),
    )


def test_error(data: xr.Dataset) -> Figure:
    """Test error at zero training error, against the corruption ratio."""
    p, chance = data.p.values, 1 - 1 / int(data.classes)
    return Figure(
        name="test-error",
        title="With every training example fitted, the test error is the generalisation error",
        caption=f"{int((data.train == 1).sum())} of {data.train.size} runs reach zero training error. The error on "
        "true test labels, beside that of a Gaussian kernel's minimum-norm interpolant, which is not trained. The "
        f"circle: true labels, pixels shuffled. {INTERVAL}",
        panels=(
            Panel(
                title="Test error where the training error is zero",
                xlabel=_ratio_axis(data),
                ylabel="test error",
                series=(
                    _over_ratios(1 - data.test, "network", "result"),
                    _over_ratios(1 - data.kernel_test, "kernel interpolant", "second"),
                    _at_zero(1 - data.shuffle_test.mean("shuffle"), "shuffled pixels, true labels"),
                    Line([p[0], p[-1]], [chance, chance], "chance, 1 - 1/K", "reference"),
                ),
                ylim=(0.0, 1.0),
            ),
        ),
        columns=1,
    )


def inputs(data: xr.Dataset) -> Figure:
    """Epochs to fit and test accuracy of every setting."""
    names, chance = tuple(words for words, _ in SETTINGS.values()), 1 / int(data.classes)
    chosen = data.sel(inputs=list(SETTINGS))
    interval = int(data.input_check_epochs)

    def panel(title: str, variable: str, ylabel: str, **more: Any) -> Panel:
        middle, low, high = _means(chosen[variable])
        bars = Bars(names, middle, "", "result", low, high)
        return Panel(title=title, xlabel="", ylabel=ylabel, series=(bars,), **more)

    return Figure(
        name="inputs",
        title="What is learned is in the inputs; what is fitted need not be",
        caption="One permutation of the pixels for all images is, for a dense network, a permutation of the first "
        "layer's weights. A permutation for every image leaves their values and no places, Gaussian inputs nothing of "
        f"them. {INTERVAL}",
        panels=(
            panel("Epochs to fit", "input_epochs", f"epochs (checked every {interval})"),
            panel(
                "Test accuracy",
                "input_test",
                "test accuracy",
                ylim=(0.0, 1.0),
                region=(chance + NEAR_CHANCE[0], chance + NEAR_CHANCE[1]),
                region_label="chance",
            ),
        ),
    )


def capacity(data: xr.Dataset) -> Figure:
    """Random labels and true ones, for the network and the undersized one."""
    sizes = {"network": int(data.parameters), "undersized": int(data.small_parameters)}
    runs: tuple[tuple[str, Role, str, str, float], ...] = (
        ("random labels", "second", "", "p", 1.0),
        ("true labels", "result", "", "p", 0.0),
        ("small, random labels", "control", "small_", "small_p", 1.0),
        ("small, true labels", "fourth", "small_", "small_p", 0.0),
    )
    lines = []
    for words, role, prefix, axis, p in runs:
        curve = _curve(data[f"{prefix}train_curve"].sel({axis: p}), words, role, f"{prefix}epoch")
        lines.append(Line(curve.x, curve.y, words, role))
    best = np.stack([data[f"{prefix}train"].sel({axis: p}).values for _, _, prefix, axis, p in runs], axis=1)
    return Figure(
        name="capacity",
        title="Random labels and the number of parameters",
        caption=f"{int(data.examples)} examples, {sizes['network']} parameters against {sizes['undersized']} (small). "
        "Left: median over seeds. Right: the best check of every seed. Where the undersized network learns the true "
        "labels the optimiser works: then it is its size that does not hold random ones.",
        panels=(
            Panel(
                title="Train accuracy",
                xlabel="epochs",
                ylabel="train accuracy",
                series=tuple(lines),
                ylim=(0.0, 1.05),
            ),
            Panel(
                title="Best train accuracy of every seed",
                xlabel="labels (small: the undersized network)",
                ylabel="train accuracy",
                series=(_every_seed(best, [words.removesuffix(" labels") for words, *_ in runs]),),
                ylim=(0.0, 1.05),
            ),
        ),
    )


def _every_seed(values: np.ndarray, names: list[str]) -> Points:
    """One marker a seed above every category; values (seed, category)."""
    return Points(names * len(values), values.ravel())


def cifar(data: xr.Dataset) -> Figure:
    """CIFAR-10: train accuracy along the way, and test accuracy, in every setting; one row a network."""
    roles: tuple[Role, ...] = ("result", "second", "third", "fourth", "control", "reference")
    names = [str(name) for name in data.cifar_setting.values]
    by_labels = [name for name in names if name.startswith("p = ")]
    by_inputs = ["p = 0", *(name for name in names if name not in by_labels)]

    def curves(network: str, title: str, chosen: list[str]) -> Panel:
        series = []
        for name, role in zip(chosen, roles[: len(chosen)], strict=True):
            run = data.cifar_train_curve.sel(cifar_network=network, cifar_setting=name).dropna("cifar_epoch", how="all")
            seeds = run.transpose("cifar_seed", "cifar_epoch").values
            series.append(quantile_band(run.cifar_epoch.values, seeds, _in_words(name), role, level=1.0))
        return Panel(
            title=f"{NETWORKS[network]}: {title}",
            xlabel="epochs",
            ylabel="train accuracy",
            series=tuple(series),
            ylim=(0.0, 1.05),
        )

    def row(network: str) -> tuple[Panel, ...]:
        tests = data.cifar_test.sel(cifar_network=network).transpose("cifar_seed", "cifar_setting")
        return (
            curves(network, "corrupted labels", by_labels),
            curves(network, "corrupted inputs", by_inputs),
            Panel(
                title=f"{NETWORKS[network]}: at the fit, or at the end",
                xlabel="",
                ylabel="test accuracy",
                series=(_every_seed(tests.values, [_in_words(name) for name in names]),),
                ylim=(0.0, 1.0),
                region=(chance + NEAR_CHANCE[0], chance + NEAR_CHANCE[1]),
                region_label="chance",
            ),
        )

    sizes, chance = data.cifar_parameters.to_series(), 1 / int(data.classes)
    found = [str(network) for network in data.cifar_network.values]
    return Figure(
        name="cifar",
        title="CIFAR-10: what is fitted, and what of it is right on test images",
        caption="The step size falls on the way, and a fit may wait for that: these epochs are no convergence times at "
        "one step size. Lines: median over the seeds that are not fitted yet; bands: their range; a curve ends where "
        "the last is fitted. Markers: every seed. Parameters: "
        f"{', '.join(f'{NETWORKS[network]} {int(sizes[network])}' for network in found)}.",
        panels=tuple(panel for network in found for panel in row(network)),
        columns=3,
    )


NETWORKS = {"mlp": "Dense", "wrn": "Wide residual"}


def _in_words(setting: str) -> str:
    """The name of a setting of CIFAR-10 as it is read: p is the corruption ratio of the labels."""
    if setting in SETTINGS:
        return SETTINGS[setting][0]
    return {
        "p = 0": "true labels",
        "p = 1": "random labels",
        "p = 0, weight decay": "true, weight decay",
        "p = 1, weight decay": "random, weight decay",
    }.get(setting, f"labels with {setting}")
