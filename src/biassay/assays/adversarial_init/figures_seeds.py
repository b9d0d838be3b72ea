"""Means over seeds with their intervals, as bars and as points."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ...claims import bootstrap_interval
from ...figures import Bars, Points, Role

INTERVAL = "bars: 95% bootstrap interval of the mean over seeds (those that did not diverge)"


def bars(values: xr.DataArray, names: tuple[str, ...], label: str = "", role: Role = "result") -> Bars:
    """Values (seed, category)."""
    middle, low, high = _means(values)
    return Bars(names, middle, label, role, low, high)


def points(x: ArrayLike, values: xr.DataArray, label: str, role: Role) -> Points:
    """Values (seed, place) at the places x."""
    middle, low, high = _means(values)
    return Points(x, middle, label, role, low, high)


def _means(values: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and its interval over the seeds with a finite value, of values (seed, category): the mean alone where there
    is one such seed, NaN where there is none."""

    def summary(column: np.ndarray) -> tuple[float, float, float]:
        sample = column[np.isfinite(column)]
        if sample.size < 2:
            mean = float(sample[0]) if sample.size else np.nan
            return mean, mean, mean
        return float(sample.mean()), *bootstrap_interval(sample)

    middle, low, high = np.transpose([summary(column) for column in np.asarray(values, float).T])
    return middle, low, high
