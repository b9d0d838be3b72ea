"""Means over seeds with their intervals, as bars and as points."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ...claims import bootstrap_interval
from ...figures import Bars, Points, Role

INTERVAL = "bars: 95% bootstrap interval of the mean over seeds"


def bars(values: xr.DataArray, names: tuple[str, ...], label: str = "", role: Role = "result") -> Bars:
    """Values (seed, category)."""
    middle, low, high = _means(values)
    return Bars(names, middle, label, role, low, high)


def points(x: ArrayLike, values: xr.DataArray, label: str, role: Role) -> Points:
    """Values (seed, place) at the places x."""
    middle, low, high = _means(values)
    return Points(x, middle, label, role, low, high)


def _means(values: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over seeds and its interval, of values (seed, category); the mean alone where there is one seed."""
    samples = np.asarray(values, float)
    middle = samples.mean(0)
    if len(samples) == 1:
        return middle, middle, middle
    low, high = np.transpose([bootstrap_interval(column) for column in samples.T])
    return middle, low, high
