"""The figures of a sweep: for every claim its measure over the swept axes, and the control beside it.

The first axis lies on x, the second makes the curves, the third the rows of panels; further axes stay at their first
value. Of many values some are drawn, evenly chosen, and the caption says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from ..claims import Claim
from ..figures import Figure, Line, Panel, Points, Role, Scale, Series
from ._axes import Axis, label

_CURVES: tuple[Role, ...] = ("result", "second", "third", "fourth")
_ROWS = 3
_DECADES = 100.0


def figures(claims: Sequence[Claim], axes: Sequence[Axis], verdicts: xr.Dataset) -> tuple[Figure, ...]:
    """A figure for every claim, under its name. verdicts: dimensions (*axes, claim)."""
    return tuple(_figure(claim, axes, verdicts.sel(claim=claim.name)) for claim in claims)


def _figure(claim: Claim, axes: Sequence[Axis], table: xr.Dataset) -> Figure:
    names = [str(dim) for dim in table["outcome"].dims]
    curves = _chosen(axes[1], len(_CURVES)) if len(axes) > 1 else [0]
    rows = _chosen(axes[2], _ROWS) if len(axes) > 2 else [0]
    held = dict.fromkeys(names[3:], 0)
    panels: list[Panel] = []
    for row in rows:
        shown = table.isel({**held, **({names[2]: row} if len(axes) > 2 else {})})
        there = f" at {axes[2].field} = {label(axes[2].values[row])}" if len(axes) > 2 else ""
        lines = [shown.isel({names[1]: k}) if len(axes) > 1 else shown for k in curves]
        words = [f"{axes[1].field} = {label(axes[1].values[k])}" if len(axes) > 1 else "" for k in curves]
        panels += _panels(claim, axes[0], lines, words, there)
    return Figure(
        name=claim.name,
        title=f"{claim.name} over {', '.join(axis.field for axis in axes[:3])}",
        caption=" ".join([claim.says, *_left_out(axes, curves, rows)]),
        panels=tuple(panels),
    )


def _chosen(axis: Axis, most: int) -> list[int]:
    """The numbers of at most `most` values of the axis, evenly chosen, the ends among them."""
    count = len(axis.values)
    return sorted({round(k) for k in np.linspace(0, count - 1, min(most, count))})


def _left_out(axes: Sequence[Axis], curves: Sequence[int], rows: Sequence[int]) -> Iterator[str]:
    for axis, shown in zip(axes[1:3], (curves, rows), strict=False):
        if len(shown) < len(axis.values):
            yield f"{len(shown)} of {len(axis.values)} values of {axis.field} are drawn."
    for axis in axes[3:]:
        yield f"{axis.field} is {label(axis.values[0])}."


def _panels(claim: Claim, axis: Axis, lines: Sequence[xr.Dataset], words: Sequence[str], there: str) -> Iterator[Panel]:
    """The measure and, on the same scale, the control. lines: one for every curve, dimension (axis,)."""
    scale, limits = _scale(claim, lines)
    for kind, value, low, high in (
        ("measured", "value", "low", "high"),
        ("control", "control", "control_low", "control_high"),
    ):
        series: list[Series] = []
        for role, line, word in zip(_CURVES, lines, words, strict=False):
            alone: Role = "control" if kind == "control" else "result"
            series += _drawn(axis, line, (value, low, high), word or kind, role if len(lines) > 1 else alone)
        yield Panel(
            title=kind + there if kind == "measured" else f"control: {claim.control_says}{there}",
            xlabel=axis.field,
            ylabel=claim.unit or kind,
            series=tuple(series),
            xscale="log" if axis.is_log else "linear",
            yscale=scale,
            ylim=limits,
            region=claim.region,
        )


def _drawn(axis: Axis, line: xr.Dataset, columns: tuple[str, str, str], word: str, role: Role) -> Iterator[Series]:
    """Markers with error bars; those of a numeric axis are joined, in the order of the numbers."""
    y, low, high = (line[column].values for column in columns)
    if not axis.is_numeric:
        yield Points([label(value) for value in axis.values], y, word, role, low, high)
        return
    x = np.asarray(axis.values, float)
    order = np.argsort(x)
    yield Line(x[order], y[order], "", role)
    yield Points(x[order], y[order], word, role, low[order], high[order])


def _scale(claim: Claim, lines: Sequence[xr.Dataset]) -> tuple[Scale, tuple[float, float]]:
    """The scale and the limits of the y axis for the measure and the control alike: what shows every value and the
    finite ends of the region; logarithmic where all are positive and span decades."""
    columns = ("value", "low", "high", "control", "control_low", "control_high")
    values = np.concatenate(
        [line[column].values.ravel() for line in lines for column in columns] + [np.array(claim.region)]
    )
    values = values[np.isfinite(values)]
    if not values.size:
        return "linear", (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > _DECADES * low:
        margin = (high / low) ** 0.05
        return "log", (low / margin, high * margin)
    margin = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    return "linear", (low - margin, high + margin)
