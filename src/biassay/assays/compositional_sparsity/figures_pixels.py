"""Figures of the digits."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...claims import bootstrap_interval
from ...figures import Figure, Line, Panel, Points, Role
from .claims_pixels import NOTICED
from .measures import digits_error

_ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth", "control")


def _means(names: list[str], rows: list[np.ndarray], label: str, role: Role) -> Points:
    """Means over the splits with their intervals."""
    finite = [row[np.isfinite(row)] for row in rows]
    low, high = np.array([bootstrap_interval(row) if len(row) > 1 else (np.nan, np.nan) for row in finite]).T
    return Points(names, [row.mean() if len(row) else np.nan for row in finite], label, role, low, high)


def digits(data: xr.Dataset) -> Figure:
    """Errors with the pixels in their places and permuted, and the difference."""
    names = [str(name) for name in data["network"].values]
    counts = ", ".join(f"{name} {count}" for name, count in zip(names, data["digits_parameters"].values, strict=True))
    true, permuted = ([digits_error(data, name, pixels) for name in names] for pixels in ("true", "permuted"))
    best = data["digits_error"].isel(digits_size=-1).mean("seed")
    chosen = ", ".join(f"{name} {float(best.sel(network=name, pixels='true')):.2f}" for name in names)
    return Figure(
        name="digits",
        title="Local and dense networks on the 8x8 digits",
        caption=(
            f"{int(data['digits_size'][-1])} training digits, {data.sizes['seed']} splits; parameters: {counts}. "
            f"“local” has the graph of “conv” without shared weights. A permutation of the pixels is "
            f"nothing to a dense network; the shaded region is the claim for “conv”. Errors are those at the end of "
            f"training; at the checkpoint of the least validation loss, true pixels: {chosen} %. Bars are 95% "
            f"intervals of the mean over splits."
        ),
        panels=(
            Panel(
                title="Test error",
                xlabel="network",
                ylabel="test error, %",
                series=(
                    _means(names, true, "true pixels", "result"),
                    _means(names, permuted, "permuted pixels", "control"),
                ),
            ),
            Panel(
                title="What the permutation costs, split by split",
                xlabel="network",
                ylabel="permuted − true, points",
                region=(NOTICED, np.inf),
                series=(
                    _means(names, [b - a for a, b in zip(true, permuted, strict=True)], "permuted − true", "second"),
                ),
            ),
        ),
    )


def digits_over_sizes(data: xr.Dataset) -> Figure | None:
    """The errors against the number of training digits."""
    if data.sizes["digits_size"] < 2:
        return None

    def panel(pixels: str) -> Panel:
        means = data["digits_final"].sel(pixels=pixels).mean("seed")
        lines = (
            Line(data["digits_size"].values, means.sel(network=name).values, str(name), role)
            for name, role in zip(data["network"].values, _ROLES, strict=False)
        )
        return Panel(
            title=f"{pixels} pixels".capitalize(),
            xlabel="training digits n",
            ylabel="test error, %",
            xscale="log",
            yscale="log",
            series=tuple(lines),
        )

    return Figure(
        name="digits-sizes",
        title="The digits over the size of the training set",
        caption="Means over the splits, at the end of training.",
        panels=(panel("true"), panel("permuted")),
    )
