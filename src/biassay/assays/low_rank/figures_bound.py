"""Figures of the bound: singular values under it, the replay above it, and whether it says anything."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role
from .claims import LEARNED, bound_share, learned_with_decay

ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth", "control")
EPS = 0.05


def bound(data: xr.Dataset) -> Figure:
    """Singular value number B k + 1 and the tail from there on, under (1 - lr wd)^k times the norm k steps ago."""
    sizes = data.bound_batch.values[1:3] if data.sizes["bound_batch"] > 1 else data.bound_batch.values
    strongest = float(data.bound_decay[-1])

    def panel(decay: float, batch: float, title: str) -> Panel:
        own = data.sel(bound_batch=batch, bound_decay=decay, bound_layer=2).isel(bound_seed=0)
        s = own.bound_values.dropna("bound_index").values
        k = np.arange(1, (len(s) - 1) // int(batch) + 1)
        k = k[k < data.sizes["bound_step"]]
        tails = np.sqrt(np.cumsum(s[::-1] ** 2)[::-1])
        return Panel(
            title=title,
            xlabel=f"k (steps back); B k + 1 is the number, B = {batch:g}",
            ylabel="singular values of W₂",
            series=(
                Line(k, own.bound_remembered.values[k], "bound (1 - η·wd)ᵏ ‖W‖", "reference"),
                Line(k, tails[int(batch) * k], "tail from B k + 1", "second"),
                Line(k, s[int(batch) * k], "value B k + 1", "result"),
            ),
            yscale="log",
            ylim=(1e-4 * s[0], 20 * s[0]),
        )

    lr = float(data.bound_lr)
    return Figure(
        name="bound",
        title="The finite rank bound on one seed: under it with decay, through it without",
        caption=f"At the end of {data.sizes['bound_step'] - 1} steps with η = {lr:g}, wd = {strongest:g}. With decay "
        "both curves must stay under the bound at every k. The replay evaluates the same bound on a run without decay, "
        "where nothing of it need hold. The largest excess of a tail, relative to ‖W‖ and over all runs, is "
        f"{_largest(data, True)} with decay and {_largest(data, False)} in the replay.",
        panels=tuple(
            panel(decay, float(batch), f"{words}, B = {batch:g}")
            for batch in sizes
            for decay, words in ((strongest, "With decay"), (0.0, "Replay without decay"))
        ),
    )


def _largest(data: xr.Dataset, decayed: bool) -> str:
    chosen = data.bound_tail.isel(bound_decay=slice(1, None) if decayed else slice(0, 1))
    return f"{float(chosen.max()):.2g}"


def informative_bound(data: xr.Dataset) -> Figure:
    """The bound on the rank and the measured rank, against what the run learned."""

    def flat(values: xr.DataArray, batch: float) -> np.ndarray:
        chosen = values.sel(bound_batch=batch).isel(bound_decay=slice(1, None))
        return chosen.transpose("bound_seed", "bound_decay").values.ravel()

    share = bound_share(data).sel(bound_layer=2)
    measured = (data.bound_rank / data.bound_full_rank).sel(bound_layer=2)

    def panel(
        batches: np.ndarray, title: str, values: xr.DataArray, ylabel: str, region: tuple[float, float] | None
    ) -> Panel:
        series = tuple(
            Points(flat(data.bound_train, batch), flat(values, batch), f"B = {batch:g}", ROLES[i])
            for i, batch in enumerate(batches)
        )
        return Panel(
            title=title,
            xlabel="train accuracy at the end",
            ylabel=ylabel,
            series=(*series, Line([LEARNED, LEARNED], [0.006, 1.7], "learned", "reference")),
            yscale="log",
            xlim=(0.0, 1.02),
            ylim=(0.005, 2.0),
            region=region,
            region_label="below full rank",
        )

    below = bool(((share.isel(bound_decay=slice(1, None)) < 1) & learned_with_decay(data)).any())
    # Two panels for as many batch sizes as there are roles.
    shown = [data.bound_batch.values[i : i + len(ROLES)] for i in range(0, data.sizes["bound_batch"], len(ROLES))]
    learned = "Some run" if below else "No run"
    return Figure(
        name="informative",
        title="Where the bound says something, and where the network learns",
        caption=f"Every seed and weight decay above 0 of the normalised network, second hidden matrix, tolerance "
        f"{EPS:g}. {learned} has both a bound below full rank and a train accuracy of {LEARNED}. A bound is "
        "drawn at 1 where B k exceeds full rank, and where the start of the run is not forgotten to the tolerance, so "
        "that there is none.",
        panels=tuple(
            one
            for batches in shown
            for one in (
                panel(batches, "Bound B k on the rank", share, "bound / full rank", (0.005, 0.999)),
                panel(batches, "Measured rank", measured, "rank / full rank", None),
            )
        ),
    )
