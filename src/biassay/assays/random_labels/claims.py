"""What the assay `random-labels` claims, and the control of each claim.

Chance is 1/K and computed from the dataset's `classes`; a claim about chance is on the distance from it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure
from ...data import digits

NEAR_CHANCE = (-0.04, 0.04)
"""Test accuracy minus 1/K that counts as chance."""
LEARNED = (0.9 - 1 / digits.CLASSES, 1 - 1 / digits.CLASSES)
"""Test accuracy minus 1/K where something was learned: a test accuracy of at least 0.9."""
MUCH_SLOWER = (3.0, math.inf)
NO_SLOWER = (0.67, 1.5)
STRICTLY = 1e-6
"""The least decrease of an accuracy that is one at all."""
ACCURACY = "test accuracy minus 1/K"


def above_chance(variable: str, **at: float | str) -> Measure:
    """A test accuracy minus 1/K, one number a seed."""
    return lambda data: data[variable].sel(at) - 1 / data.classes


def _labels_fit(*ratios: float) -> Measure:
    """Whether every training example is fitted at these p (all of them by default)."""
    return lambda data: (data.train.sel(p=list(ratios or data.p.values)) == 1).all("p")


def _inputs_fit(*settings: str) -> Measure:
    return lambda data: (data.input_train.sel(inputs=list(settings)) == 1).all("inputs")


def _all_fit_and(variable: str) -> Measure:
    """Whether the network fits at every p, and in every run of a control too."""
    return lambda data: (
        (data.train == 1).all("p") & (data[variable] == 1).all([dim for dim in data[variable].dims if dim != "seed"])
    )


def smallest_fall(data: xr.Dataset) -> np.ndarray:
    """The smallest fall of the test accuracy between neighbouring p, one number a seed."""
    return -np.diff(data.test.transpose("seed", "p").values, axis=1).max(axis=1)


def smallest_fall_over_shuffles(data: xr.Dataset) -> np.ndarray:
    """The same along as many runs at p = 0: the true images, then permutations of their pixels."""
    true = data.test.sel(p=0.0).values[:, None]
    return -np.diff(np.hstack([true, data.shuffle_test.transpose("seed", "shuffle").values]), axis=1).max(axis=1)


def slowdown(data: xr.Dataset) -> xr.DataArray:
    """The smallest epochs-to-fit(p) / epochs-to-fit(0) over p >= 0.25, one number a seed."""
    return (data.epochs.sel(p=data.p[data.p >= 0.25]) / data.epochs.sel(p=0.0)).min("p", skipna=False)


def slowdown_of_repeats(data: xr.Dataset) -> np.ndarray:
    """Of the ratios of other runs at p = 0 to the first one, the furthest from 1 in either direction, one a seed."""
    ratios = (data.repeat_epochs / data.epochs.sel(p=0.0)).transpose("seed", "repeat").values
    # A run without a fit has no ratio, and argmax finds it first.
    furthest = np.abs(np.log(ratios)).argmax(axis=1)
    return ratios[np.arange(len(ratios)), furthest]


def smallest_increase(data: xr.Dataset) -> np.ndarray:
    """The smallest increase of the epochs to fit between neighbouring p > 0, one number a seed."""
    return np.diff(data.epochs.sel(p=data.p[data.p > 0]).transpose("seed", "p").values, axis=1).min(axis=1)


def smallest_increase_over_repeats(data: xr.Dataset) -> np.ndarray:
    """The same along as many runs at p = 0."""
    return np.diff(data.repeat_epochs.transpose("seed", "repeat").values, axis=1).min(axis=1)


def _gap_to_true(setting: str) -> Measure:
    return lambda data: abs(data.input_test.sel(inputs=setting) - data.input_test.sel(inputs="true"))


def first_losses_apart(setting: str) -> Measure:
    """The largest relative difference of the train losses of `setting` and "true", at the start and at the first check.

    Later checks would measure how training amplifies the rounding of sums taken in another order.
    """

    def apart(data: xr.Dataset) -> xr.DataArray:
        losses = data.input_loss_curve.isel(input_epoch=slice(2))
        true = losses.sel(inputs="true", drop=True)
        return (abs(losses.sel(inputs=setting, drop=True) - true) / true).max("input_epoch")

    return apart


def _carries_nothing(name: str, says: str, setting: str) -> Claim:
    return Claim(
        name=name,
        says=says,
        measure=above_chance("input_test", inputs=setting),
        region=NEAR_CHANCE,
        control=above_chance("input_test", inputs="shuffled"),
        control_says="one permutation of the pixels for all images, which keeps what they carry",
        control_region=LEARNED,
        premise=_inputs_fit(setting, "shuffled"),
        premise_says="the network fits every training image in both settings",
        min_seeds=3,
        recorded="holds",
        unit=ACCURACY,
        **PAPER,
    )


PAPER: dict[str, Any] = {"cite": "zhang2017rethinking", "provenance": "seed"}

CLAIMS = (
    Claim(
        name="fits-random-labels",
        says="An over-parameterised network trained by SGD fits random labels: train accuracy 1 on every seed.",
        measure=lambda data: data.train.sel(p=1.0),
        region=(1.0, 1.0),
        control=lambda data: data.small_train.sel(small_p=1.0),
        control_says="an undersized network (fewer parameters than examples), its best check of all epochs",
        statistic="every",
        premise=lambda data: data.attainable.sel(p=1.0) == 1,
        premise_says="no equal inputs with different labels: some function fits them all",
        min_seeds=6,
        recorded="holds",
        unit="train accuracy",
        **PAPER,
    ),
    Claim(
        name="chance-on-random",
        says="Having fitted random labels, the network predicts the true test labels by chance, 1/K.",
        measure=above_chance("test", p=1.0),
        region=NEAR_CHANCE,
        control=above_chance("test", p=0.0),
        control_says="the same network fitted to the true labels",
        control_region=LEARNED,
        premise=_labels_fit(0.0, 1.0),
        premise_says="both networks fit every training example",
        min_seeds=6,
        recorded="holds",
        unit=ACCURACY,
        **PAPER,
    ),
    Claim(
        name="test-falls",
        says="At zero training error the test accuracy falls strictly with the corruption ratio, on every seed.",
        measure=smallest_fall,
        region=(STRICTLY, math.inf),
        control=smallest_fall_over_shuffles,
        control_says="as many runs on uncorrupted labels, the pixels shuffled anew each time",
        statistic="every",
        premise=_all_fit_and("shuffle_train"),
        premise_says="every network fits every training example",
        min_seeds=6,
        recorded="holds",
        unit="smallest fall of the test accuracy",
        **PAPER,
    ),
    Claim(
        name="slower-with-noise",
        says="Corrupted labels (p ≥ 0.25) take at least 3 times the epochs to fit, judged on each seed's least over p.",
        measure=slowdown,
        region=MUCH_SLOWER,
        control=slowdown_of_repeats,
        control_says="of each seed's further runs on the true labels the one furthest from the first, as a ratio",
        control_region=NO_SLOWER,
        premise=_all_fit_and("repeat_train"),
        premise_says="every network fits every training example",
        min_seeds=6,
        recorded="unclear",
        unit="epochs to fit, relative to p = 0",
        **PAPER,
    ),
    Claim(
        name="time-monotone",
        says="Among corrupted labels the time to fit grows strictly with the corruption ratio, on every seed.",
        measure=smallest_increase,
        region=(1.0, math.inf),
        control=smallest_increase_over_repeats,
        control_says="as many runs on the true labels",
        statistic="every",
        premise=_all_fit_and("repeat_train"),
        premise_says="every network fits every training example",
        min_seeds=6,
        recorded="fails",
        unit="smallest increase, in epochs",
        **PAPER,
    ),
    Claim(
        name="shuffled-equals-true",
        says="One permutation of the pixels for all images does not change what a dense network predicts on test.",
        measure=_gap_to_true("shuffled"),
        region=(-math.inf, 0.015),
        control=_gap_to_true("random-pixels"),
        control_says="a permutation of its own for every image",
        control_region=(0.7, 1.0),
        premise=_inputs_fit("true", "shuffled", "random-pixels"),
        premise_says="the network fits every training image in all three settings",
        min_seeds=3,
        recorded="holds",
        unit="difference of test accuracy",
        **PAPER,
    ),
    Claim(
        name="shuffled-is-exact",
        says="With the first layer's rows permuted like the pixels, the losses of true and shuffled pixels are equal.",
        measure=first_losses_apart("shuffled-matched"),
        region=(-math.inf, 1e-5),
        control=first_losses_apart("shuffled"),
        control_says="the same shuffled pixels with the rows as they were",
        control_region=(1e-3, math.inf),
        statistic="every",
        min_seeds=3,
        recorded="holds",
        unit="largest relative difference of the train loss",
        cite="zhang2017rethinking",
        provenance="derived",
    ),
    _carries_nothing(
        "inputs-carry-it-random-pixels",
        "With a permutation of its own for every image the network still fits, and predicts by chance.",
        "random-pixels",
    ),
    _carries_nothing(
        "inputs-carry-it-gaussian",
        "With Gaussian noise for images the network still fits, and predicts by chance.",
        "gaussian",
    ),
)
