"""What the claims of part two measure: widths that are needed, seed by seed."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .config import LEAST_N
from .thresholds import best_of_grid, exponents, parameters, threshold


def thresholds(data: xr.Dataset, variable: str, criterion: str) -> xr.DataArray:
    """Each seed's own threshold width; the other axes are kept."""
    fits = data[variable].sel(criterion=criterion).transpose(..., "width")
    return fits.isel(width=0, drop=True).copy(data=threshold(fits.values, data["width"].values))


def best_step_fits(data: xr.Dataset, variable: str, criterion: str) -> xr.DataArray:
    """Who fits with the best of the step sizes at each width and budget; the other axes are kept."""
    fits = data[variable].sel(criterion=criterion).transpose("lr", ..., "law_seed", "width")
    return fits.isel(lr=0, drop=True).copy(data=best_of_grid(fits.values))


def best_step_thresholds(data: xr.Dataset, variable: str, criterion: str) -> xr.DataArray:
    """The seeds' thresholds of gradient descent, or of SGD, with the best of the step sizes; other axes are kept."""
    best = best_step_fits(data, variable, criterion)
    return best.isel(width=0, drop=True).copy(data=threshold(best.values, data["width"].values))


def gd_thresholds(data: xr.Dataset, criterion: str) -> xr.DataArray:
    """Thresholds (budget, law_seed) of gradient descent with the best step size, at `budget_n` points."""
    return best_step_thresholds(data.sel(gd_n=int(data["budget_n"])), "gd_fits", criterion)


def law(data: xr.Dataset, variable: str, criterion: str) -> tuple[np.ndarray, np.ndarray]:
    """The n from `LEAST_N` on, and the thresholds (n, seed)."""
    large = thresholds(data, variable, criterion).isel(law_n=np.flatnonzero(data["law_n"].values >= LEAST_N))
    return large["law_n"].values, large.values


def exponent(data: xr.Dataset, variable: str, criterion: str) -> np.ndarray:
    """The slope of log threshold in log n, one number a seed."""
    n, found = law(data, variable, criterion)
    return exponents(found, n)


def parameters_per_point(data: xr.Dataset, variable: str, criterion: str) -> np.ndarray:
    """(m (d + 2) + 1) / n at the thresholds, averaged over the n, one number a seed."""
    n, found = law(data, variable, criterion)
    return (parameters(found, int(data["d"])) / n[:, None]).mean(axis=0)


def saved(found: xr.DataArray, few: int, many: int, axis: str = "budget") -> np.ndarray:
    """log2 of the threshold after `few` steps over that after `many`: doublings of the width, one number a seed."""
    return np.log2((found.sel({axis: few}) / found.sel({axis: many})).values)


def saved_by_descent(data: xr.Dataset, criterion: str) -> np.ndarray:
    """`saved` by gradient descent with the best step size, from the least budget to the steps of the law."""
    return saved(gd_thresholds(data, criterion), _least(data), int(data["law_steps"]))


def saved_later(data: xr.Dataset, criterion: str) -> np.ndarray:
    """`saved` by gradient descent with the best step size, from the steps of the law to the largest budget."""
    return saved(gd_thresholds(data, criterion), int(data["law_steps"]), int(data["budget"].max()))


def saved_by_adam(data: xr.Dataset, criterion: str) -> np.ndarray:
    """`saved` by Adam, over the budgets of `saved_by_descent`."""
    found = thresholds(data, "adam_budget_fits", criterion)
    return saved(found, _least(data), int(data["law_steps"]), axis="adam_budget")


def _least(data: xr.Dataset) -> int:
    """The least budget that is not 0, the same for Adam and gradient descent."""
    return int(data["adam_budget"].min())
