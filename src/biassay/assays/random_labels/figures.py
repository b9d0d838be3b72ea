"""Figures of the assay `random-labels`."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import bootstrap_interval
from ...figures import Bars, Figure, Line, Panel, Points, Role, quantile_band
from .claims import MUCH_SLOWER, NEAR_CHANCE

SETTINGS: dict[str, tuple[str, Role]] = {
    "true": ("true", "result"),
    "shuffled": ("shuffled pixels", "control"),
    "random-pixels": ("random pixels", "third"),
    "gaussian": ("Gaussian inputs", "fourth"),
    "random-labels": ("random labels", "second"),
}
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
            _curve(data[variable].sel(inputs=name), words, role, "input_epoch")
            for name, (words, role) in SETTINGS.items()
        )
        return Panel(title=title, xlabel="epochs", ylabel=ylabel, series=series, yscale="log" if log else "linear")

    return Figure(
        name="fitting",
        title="Whatever it is given, the network fits it",
        caption="One network, one step size; a curve ends where every seed had fitted. On these images noise in the "
        f"inputs costs hardly any epochs, noise in the labels several times as many. {BAND}",
        panels=(
            panel("Train loss", "input_loss_curve", "cross-entropy (nats)", True),
            panel("Train accuracy", "input_train_curve", "train accuracy", False),
        ),
    )


def time_to_fit(data: xr.Dataset) -> Figure:
    """Epochs to fit against the corruption ratio."""
    interval = int(data.check_epochs)
    relative = data.epochs / data.epochs.sel(p=0.0)
    again = data.repeat_epochs / data.epochs.sel(p=0.0)
    return Figure(
        name="time-to-fit",
        title="Corrupted labels take longer to fit",
        caption=f"Checked every {interval} epochs, so that a run's epochs are multiples of {interval}. Some corruption "
        "makes the fit several times slower; more of it hardly matters here. The circle: further runs on the true "
        f"labels. {INTERVAL}",
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
        caption="Zero training error everywhere. The error on true test labels grows with the corruption up to chance, "
        "and so does that of a Gaussian kernel's minimum-norm interpolant, which is not trained. The circle: true "
        f"labels, pixels shuffled. {INTERVAL}",
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
        f"layer's weights: nothing is lost. A permutation for every image, or noise, leaves chance. {INTERVAL}",
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
    lines = (
        _curve(data.train_curve.sel(p=1.0), "network, random labels", "second"),
        _curve(data.train_curve.sel(p=0.0), "network, true labels", "result"),
        _curve(data.small_train_curve.sel(small_p=1.0), "undersized, random labels", "control", "small_epoch"),
        _curve(data.small_train_curve.sel(small_p=0.0), "undersized, true labels", "fourth", "small_epoch"),
    )
    return Figure(
        name="capacity",
        title="Fitting random labels takes parameters",
        caption=f"{int(data.examples)} examples, {sizes['network']} parameters against {sizes['undersized']}. The "
        f"undersized network learns from the true labels, on most seeds, and cannot store random ones. {BAND}",
        panels=(
            Panel(title="Train accuracy", xlabel="epochs", ylabel="train accuracy", series=lines, ylim=(0.0, 1.05)),
        ),
        columns=1,
    )


def cifar(data: xr.Dataset) -> Figure:
    """CIFAR-10: train accuracy along the way, and test accuracy, in every setting."""
    roles: tuple[Role, ...] = ("result", "second", "third", "fourth", "control", "reference")
    names = [str(name) for name in data.cifar_setting.values]
    by_labels = [name for name in names if name.startswith("p = ")]
    by_inputs = ["p = 0", *(name for name in names if name not in by_labels)]

    def curves(title: str, chosen: list[str]) -> Panel:
        series = tuple(
            _curve(data.cifar_train_curve.sel(cifar_setting=name), name, role, "cifar_epoch", "cifar_seed")
            for name, role in zip(chosen, roles, strict=False)
        )
        return Panel(title=title, xlabel="epochs", ylabel="train accuracy", series=series)

    middle, low, high = _means(data.cifar_test, "cifar_seed")
    return Figure(
        name="cifar",
        title="CIFAR-10, a dense network with one hidden layer",
        caption="The step size falls twice on the way, and a fit may wait for that: these epochs are no convergence "
        f"times at one step size. {BAND} {INTERVAL}",
        panels=(
            curves("Corrupted labels", by_labels),
            curves("Corrupted inputs", by_inputs),
            Panel(
                title="Test accuracy at the fit, or at the end",
                xlabel="",
                ylabel="test accuracy",
                series=(Bars(tuple(names), middle, "", "result", low, high),),
                ylim=(0.0, 1.0),
            ),
        ),
    )
