"""What is read off the data: paired ratios of errors, exponents, and differences in percent.

Everything is one number a seed, paired: the same target, the same points, the same order of batches. A cell that was
not run is NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from jaxtyping import Float

from .cells import TRUE
from .config import SHALLOW, TREE

LEAST_SIZE = 1024
"""The advantage of the tree is claimed from so many training points on."""
LEAST_SLOPE_SIZES = 3
"""An exponent in n is fitted to so many sizes at least."""


def errors(
    data: xr.Dataset,
    architecture: str,
    *,
    target: str = "tree",
    wiring: str = TRUE,
    size: int | None = None,
    d: int | None = None,
    budget: int | None = None,
    name: str = "error",
) -> np.ndarray:
    """The relative test error of one cell, (seed,); d, budget and size are those of the star's centre unless given.

    name: another variable, of the dimensions (cell, ...), instead of the error.
    """
    wanted = {
        "architecture": architecture,
        "target": target,
        "wiring": wiring,
        "size": data.attrs["base_size"] if size is None else size,
        "d": data.attrs["base_d"] if d is None else d,
        "budget": data.attrs["base_budget"] if budget is None else budget,
    }
    here = np.logical_and.reduce([data[field].values == value for field, value in wanted.items()])
    return np.asarray(data[name].values[np.argmax(here)]) if here.any() else np.full(data.sizes["seed"], np.nan)


def log_ratio(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """log10 of the ratio of two errors, seed by seed."""
    return np.log10(upper / lower)


def sizes(data: xr.Dataset, least: int = 0) -> list[int]:
    """The sizes of the training set at the star's centre, from `least` on, increasing."""
    here = (data["d"] == data.attrs["base_d"]) & (data["target"] == "tree") & (data["architecture"] == TREE)
    return sorted({int(n) for n in data["size"].values[here.values] if n >= least})


def dims(data: xr.Dataset) -> list[int]:
    """The dimensions that were run, increasing."""
    return sorted({int(d) for d in data["d"].values})


def largest(rows: list[np.ndarray]) -> np.ndarray:
    """Of several cells the one with the largest mean: where a statement about all of them is most in danger.

    A cell in which a seed diverged comes before all others; without cells, NaN.
    """
    if not rows:
        return np.array([np.nan])
    means = [float(np.mean(row)) if np.isfinite(row).all() else np.inf for row in rows]
    return rows[means.index(max(means))]


def smallest(rows: list[np.ndarray]) -> np.ndarray:
    """The one with the smallest mean: where a control that should come out large everywhere is most in danger."""
    return -largest([-row for row in rows])


def over_sizes(
    data: xr.Dataset,
    upper: str,
    lower: str,
    wiring: str = TRUE,
    pick: Callable[[list[np.ndarray]], np.ndarray] = largest,
) -> np.ndarray:
    """log10 of the ratio of two architectures' errors at one size from `LEAST_SIZE` on.

    wiring: of the upper one. pick: which size, the one of the largest ratio, or of the smallest for a control.
    """
    found = [
        log_ratio(errors(data, upper, size=n, wiring=wiring), errors(data, lower, size=n))
        for n in sizes(data, LEAST_SIZE)
    ]
    return pick(found)


def over_cells(data: xr.Dataset, upper: str, lower: str) -> np.ndarray:
    """The same over every size and, at the base's size and budget, every dimension."""
    base = (data.attrs["base_size"], data.attrs["base_d"])
    cells = dict.fromkeys([(n, base[1]) for n in sizes(data)] + [(base[0], d) for d in dims(data)])
    return largest([log_ratio(errors(data, upper, size=n, d=d), errors(data, lower, size=n, d=d)) for n, d in cells])


def exponent_in_n(data: xr.Dataset, architecture: str, wiring: str = TRUE, target: str = "tree") -> np.ndarray:
    """The slope of the logarithm of the error in that of n, over all sizes."""
    n = sizes(data)
    logs = np.log([errors(data, architecture, size=size, wiring=wiring, target=target) for size in n])
    return _slopes(np.log(n), logs)


def proportional_budget(data: xr.Dataset, d: int) -> int:
    """The budget in proportion to d - 1 that passes through the star's centre."""
    return round(data.attrs["base_budget"] * (d - 1) / (data.attrs["base_d"] - 1))


def exponent_in_d(data: xr.Dataset, architecture: str) -> np.ndarray:
    """The slope of the logarithm of the error in that of d, at a budget proportional to d - 1."""
    logs = np.log([errors(data, architecture, d=d, budget=proportional_budget(data, d)) for d in dims(data)])
    return _slopes(np.log(dims(data)), logs)


def _slopes(x: np.ndarray, y: Float[np.ndarray, "x seed"]) -> np.ndarray:
    """Least-squares slopes, NaN for a seed that diverged anywhere, or where there is nothing to fit."""
    if len(x) < 2:
        return np.full(y.shape[1], np.nan)
    centred = x - np.mean(x)
    return centred @ y / (centred @ centred)


def digits_error(data: xr.Dataset, network: str, pixels: str = "true") -> np.ndarray:
    """The test error in percent at the end, for the largest size; NaN for a network that was not run."""
    if network not in data["network"].values:
        return np.full(data.sizes["seed"], np.nan)
    return data["digits_final"].sel(network=network, pixels=pixels).isel(digits_size=-1).values


def permutation_costs(data: xr.Dataset, *networks: str) -> np.ndarray:
    """Permuted minus true pixels in points of the test error, the mean over those of the networks that were run."""
    ran = [name for name in networks if name in data["network"].values]
    if not ran:
        return np.full(data.sizes["seed"], np.nan)
    return np.mean([digits_error(data, name, "permuted") - digits_error(data, name) for name in ran], axis=0)


def was_run(data: xr.Dataset, architecture: str) -> np.ndarray:
    """Whether an architecture was trained at the centre of the star; one boolean."""
    return np.array([bool(np.isfinite(errors(data, architecture)).any())])


def tree_over_shallow(data: xr.Dataset, target: str) -> np.ndarray:
    """log10 of tree-4's error over the shallow network's, on one target at the centre."""
    return log_ratio(errors(data, TREE, target=target), errors(data, SHALLOW, target=target))
