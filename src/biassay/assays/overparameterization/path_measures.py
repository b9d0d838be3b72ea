"""What the claims of part one measure: numbers of a run of gradient descent, one a seed.

A statement is about every width, so that each seed is told by its worst width, and a claim's n counts seeds.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

SOLVED = 1e-10
"""A residual below this share of the first one counts as none, and says nothing of a rate."""

Spectrum = Literal["alpha", "beta"]


def extreme(data: xr.Dataset, which: Spectrum) -> xr.DataArray:
    """alpha, the smallest singular value of J over the checkpoints of a run, or beta, the largest."""
    return data["alpha"].min("checkpoint") if which == "alpha" else data["beta"].max("checkpoint")


def path_over_bound(data: xr.Dataset, which: Spectrum) -> xr.DataArray:
    """path alpha / |r_0|, or the same with beta, (seed, m)."""
    return data["path"].isel(checkpoint=-1) * extreme(data, which) / data["residual"].isel(checkpoint=0)


def distance_over_bound(data: xr.Dataset, which: Spectrum) -> xr.DataArray:
    """dist beta / (|r_0| - |r_T|), or the same with alpha, (seed, m)."""
    lost = data["residual"].isel(checkpoint=0) - data["residual"].isel(checkpoint=-1)
    return data["distance"].isel(checkpoint=-1) * extreme(data, which) / lost


def decay_rate(residual: xr.DataArray, step: xr.DataArray) -> xr.DataArray:
    """The least of log(|r_0| / |r_k|) / k over the checkpoints k > 0 whose residual is not round-off."""
    first = residual.isel(checkpoint=0)
    rate = xr.DataArray(-np.log(residual / first)) / step.where(step > 0)
    return rate.where(residual > SOLVED * first).min("checkpoint")


def rate_over_bound(data: xr.Dataset) -> xr.DataArray:
    """The decay rate over eta alpha^2, (seed, m)."""
    return decay_rate(data["residual"], data["step"]) / (data["eta"] * extreme(data, "alpha") ** 2)


def collapsed_rate(data: xr.Dataset) -> xr.DataArray:
    """The collapsed width's decay rate over eta alpha_0^2, alpha_0 the smallest singular value at *its start*."""
    rate = decay_rate(data["collapsed_residual"], data["collapsed_step"])
    return rate / (data["collapsed_eta"] * data["collapsed_alpha"].isel(checkpoint=0) ** 2)


def residual_left(residual: xr.DataArray) -> xr.DataArray:
    """|r_T| / |r_0|."""
    return residual.isel(checkpoint=-1) / residual.isel(checkpoint=0)


def conditioning_kept(alpha: xr.DataArray) -> xr.DataArray:
    """The least of alpha over the checkpoints, as a share of alpha at the start."""
    return alpha.min("checkpoint") / alpha.isel(checkpoint=0)


def wide(data: xr.Dataset) -> xr.Dataset:
    """The widths at which the statements are made."""
    return data.isel(m=np.flatnonzero(data["wide"].values))


def over_nearest(data: xr.Dataset) -> xr.DataArray:
    """dist / nearest, (seed, m)."""
    return data["distance"].isel(checkpoint=-1) / data["nearest"]


def growth(data: xr.Dataset) -> np.ndarray:
    """The largest change of dist / nearest from one width of `data` to the next, one number a seed."""
    return np.diff(over_nearest(data).transpose("seed", "m").values, axis=1).max(axis=1)


def narrow_growth(data: xr.Dataset) -> np.ndarray:
    """`growth` among the narrow widths, of the seeds whose searches for the nearest solution have converged there."""
    narrow = data.isel(m=np.flatnonzero(~data["wide"].values))
    return growth(narrow.isel(seed=np.flatnonzero(narrow["nearest_converged"].all("m").values)))


def bend(data: xr.Dataset, prefix: Literal["", "linear_"] = "") -> xr.DataArray:
    """path / dist, (seed, m), of the network or of its linearisation at the start."""
    return (data[f"{prefix}path"] / data[f"{prefix}distance"]).isel(checkpoint=-1)


def at_near_width(values: xr.DataArray, data: xr.Dataset) -> np.ndarray:
    """The seeds' values at the width where near-minimality is judged."""
    return values.sel(m=int(data["near_width"])).values
