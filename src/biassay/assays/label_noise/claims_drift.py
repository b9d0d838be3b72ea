"""What is claimed of the drift: its constant, its direction, the order of its correction; and that isotropic noise and
no noise do not drift.

A ratio is the displacement in the direction of the drift flow over the flow's length, one a run. The mean over the
runs of one data set and step size is that set's ratio.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim

REGION_LR = 2e-3
"""The largest step size for which the ratio is claimed to be within 3 % of 1."""
_ROUNDING = 1 + 1e-9
_RUNS = 256

BLANC: dict[str, Any] = {"cite": "blanc2020", "provenance": "derived", "recorded": "holds"}
SMALL_STEPS: dict[str, Any] = {
    "premise": lambda data: np.array([(data["drift_lr"] <= REGION_LR * _ROUNDING).any()]),
    "premise_says": "a step size of at most 0.002 is run",
}


def small_steps(data: xr.Dataset) -> xr.Dataset:
    """The step sizes that the region is claimed for."""
    return data.sel(drift_lr=data["drift_lr"] <= REGION_LR * _ROUNDING)


def ratios(data: xr.Dataset, constant: float = 1.0) -> xr.DataArray:
    """The ratio of every set, step size and run to the flow with its constant multiplied by `constant`."""
    return data["drift_ratio"].sel(drift_constant=constant).transpose("drift_set", "drift_lr", "drift_run")


def of_each_set(data: xr.Dataset, constant: float = 1.0) -> np.ndarray:
    """The ratio of every set at every small step size."""
    return ratios(small_steps(data), constant).mean("drift_run").values.ravel()


def _of_each_run(constant: float) -> Callable[[xr.Dataset], np.ndarray]:
    """The ratio of every run, averaged over the sets, at the largest of the small step sizes."""

    def measure(data: xr.Dataset) -> np.ndarray:
        largest = small_steps(data).sortby("drift_lr", ascending=False).isel(drift_lr=slice(1))
        return ratios(largest, constant).mean(["drift_set", "drift_lr"]).values

    return measure


def set_weights(data: xr.Dataset) -> np.ndarray:
    """A weight for each set, together 1: the inverse of the variance of its ratio, averaged over the step sizes."""
    weights = 1 / ratios(data).var("drift_run").mean("drift_lr").values
    return weights / weights.sum()


def excess(data: xr.Dataset, constant: float = 1.0) -> np.ndarray:
    """ratio - 1 of every run, the weighted mean over the sets, (lr, run), the step sizes decreasing."""
    decreasing = data.sortby("drift_lr", ascending=False)
    return np.einsum("s,slr->lr", set_weights(data), ratios(decreasing, constant).values) - 1


def shrinking(excesses: np.ndarray) -> np.ndarray:
    """By what factor the mean excess shrinks when the step size halves: the geometric mean over the halvings, from
    the first to the last row. One pseudo-value of the jackknife a run, whose mean is the factor without its bias.

    excesses: (lr, run), each step size half of the one before.
    """
    halvings, runs = len(excesses) - 1, excesses.shape[1]

    def factor(mean: np.ndarray) -> np.ndarray:
        quotient = mean[0] / mean[-1]
        return np.where(quotient > 0, np.abs(quotient), np.nan) ** (1 / halvings)

    total = excesses.sum(axis=1, keepdims=True)
    without_one = (total - excesses) / (runs - 1)
    return runs * factor(total / runs) - (runs - 1) * factor(without_one)


def isotropic_in_errors(data: xr.Dataset) -> np.ndarray:
    """The mean ratio under isotropic noise in units of its standard error, one a set."""
    return _in_errors(data["drift_isotropic"].transpose("drift_set", "drift_run").values)


def _in_errors(samples: np.ndarray) -> np.ndarray:
    """mean / standard error along the last axis."""
    return samples.mean(axis=-1) * np.sqrt(samples.shape[-1]) / samples.std(axis=-1, ddof=1)


CLAIMS = (
    Claim(
        name="drift-constant",
        says="Label noise displaces a zero-error network as far as the drift flow says, (cη)² s² / B a step.",
        measure=_of_each_run(1.0),
        region=(0.97, 1.03),
        control=_of_each_run(2.0),
        control_says="the flow with twice the constant",
        control_region=(0.4, 0.6),
        min_seeds=_RUNS,
        unit="displacement / length of the flow, η = 0.002 or the next smaller",
        **BLANC,
        **SMALL_STEPS,
    ),
    Claim(
        name="drift-constant-each-set",
        says="It does so on every data set.",
        measure=of_each_set,
        region=(0.97, 1.03),
        statistic="every",
        control=lambda data: np.concatenate([of_each_set(data, 2.0), of_each_set(data, 0.25)]),
        control_says="the flow with twice the constant, and with a quarter of it",
        unit="displacement / length of the flow, η ≤ 0.002",
        **BLANC,
        **SMALL_STEPS,
    ),
    Claim(
        name="drift-direction",
        says="The mean displacement has the direction of the drift flow.",
        measure=lambda data: small_steps(data)["drift_cosine"].values.ravel(),
        region=(0.999, 1.0 + 1e-12),
        statistic="every",
        control=lambda data: data["drift_isotropic_cosine"].values,
        control_says="isotropic noise in the parameters, of the same total variance",
        control_region=(-1.0, 0.9),
        unit="cosine, η ≤ 0.002",
        **BLANC,
        **SMALL_STEPS,
    ),
    Claim(
        name="drift-order",
        says="The correction to the drift flow is of first order: it halves with the step size.",
        measure=lambda data: shrinking(excess(data)),
        region=(1.6, 2.4),
        control=lambda data: shrinking(excess(data, 2.0)),
        control_says="the flow with twice the constant: that excess does not shrink",
        control_region=(0.9, 1.1),
        min_seeds=_RUNS,
        unit="factor a halving of η, of displacement / length − 1",
        **BLANC,
    ),
    Claim(
        name="drift-needs-noise",
        says="Without noise nothing moves.",
        measure=lambda data: data["drift_noiseless"].values.ravel(),
        region=(0.0, 1e-9),
        statistic="every",
        control=lambda data: ratios(data).mean("drift_run").values.ravel(),
        control_says="label noise",
        control_region=(0.5, 1.5),
        unit="displacement / length of the flow",
        **BLANC,
    ),
    Claim(
        name="drift-isotropic",
        says="Under isotropic noise of the same total variance the mean is within three standard errors of zero.",
        measure=isotropic_in_errors,
        region=(-3.0, 3.0),
        statistic="every",
        control=lambda data: _in_errors(ratios(data).sortby("drift_lr").isel(drift_lr=-1).values),
        control_says="label noise at the same step size",
        control_region=(10.0, np.inf),
        unit="mean / standard error",
        **BLANC,
    ),
)
