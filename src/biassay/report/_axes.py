"""What both renderers must know of a panel before they draw: categories, positions, and the limits of the y axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..figures import Bars, Field, Line, Panel, Points, Scale, Series

_GROUP = 0.8
_STEP = 0.16


@dataclass(frozen=True)
class Placed:
    """A series with its numeric x positions, shape (n,); `width` is that of a bar."""

    series: Series
    x: NDArray[np.float64]
    width: float = 0.0


def is_categorical(x: ArrayLike) -> bool:
    """Whether `x` holds names rather than numbers."""
    return np.asarray(x).dtype.kind in "USO"


def _names(series: Series) -> tuple[str, ...]:
    if isinstance(series, Bars):
        return series.names
    return tuple(str(name) for name in np.asarray(series.x)) if is_categorical(series.x) else ()


def categories(panel: Panel) -> tuple[str, ...]:
    """The category names on the x axis in the order of first appearance; () for a numeric axis."""
    return tuple(dict.fromkeys(name for series in panel.series for name in _names(series)))


def drawable(values: ArrayLike, scale: Scale = "linear") -> NDArray[np.float64]:
    """`values` as floats, NaN where the axis has no place for them: not finite, or not positive on a log axis."""
    array = np.asarray(values, float)
    good = np.isfinite(array)
    if scale == "log":
        good &= np.where(good, array, 1.0) > 0
    return np.where(good, array, np.nan)


def place(panel: Panel) -> Iterator[Placed]:
    """The series in order. Bars that share a category stand side by side; so do points, if there are no bars."""
    names = categories(panel)
    bars = [series for series in panel.series if isinstance(series, Bars)]
    points = [series for series in panel.series if isinstance(series, Points) and is_categorical(series.x)]
    for series in panel.series:
        if isinstance(series, Line | Field) or (isinstance(series, Points) and not is_categorical(series.x)):
            yield Placed(series, drawable(series.x, panel.xscale))
            continue
        group, step = (bars, _GROUP / len(bars)) if isinstance(series, Bars) else (points, _STEP)
        rank = next(i for i, other in enumerate(group) if other is series)
        shift = 0.0 if bars and isinstance(series, Points) else (rank - (len(group) - 1) / 2) * step
        yield Placed(series, np.array([names.index(name) for name in _names(series)], float) + shift, step)


def ends(series: Line | Points | Bars, panel: Panel) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The lower and upper ends of the error band or bars, each (n,), or None without any.

    A lower end that a log axis cannot show lies on the lower edge of the panel.
    """
    if series.low is None or series.high is None:
        return None
    low, high = np.asarray(series.low, float), drawable(series.high, panel.yscale)
    if panel.yscale == "log":
        low = np.where(low <= 0, limits(panel)[0], low)
    return drawable(low, panel.yscale), high


def _values(panel: Panel) -> Iterator[NDArray[np.float64]]:
    for series in panel.series:
        if isinstance(series, Field):
            yield drawable(series.y, panel.yscale)
            continue
        for values in (series.y, series.low, series.high):
            if values is not None:
                yield drawable(values, panel.yscale)
        if isinstance(series, Bars) and panel.yscale == "linear":
            yield np.zeros(1)
    if panel.region is not None:
        yield drawable(panel.region, panel.yscale)


def limits(panel: Panel) -> tuple[float, float]:
    """The y limits: `panel.ylim`, or what shows every value, error and finite end of the region, with a margin."""
    if panel.ylim is not None:
        return panel.ylim
    values = np.concatenate([np.ravel(part) for part in _values(panel)] or [np.empty(0)])
    values = values[np.isfinite(values)]
    log = panel.yscale == "log"
    if values.size == 0:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    # Values apart by rounding alone are one value, which needs room around it as any other does.
    one = high - low <= 1e-12 * max(abs(low), abs(high))
    if not one and any(isinstance(series, Field) for series in panel.series):
        return low, high
    if log:
        factor = max((high / low) ** 0.05, 1.15)
        return low / factor, high * factor
    margin = (0.1 * abs(high) or 1.0) if one else 0.05 * (high - low)
    on_floor = low == 0 and any(isinstance(series, Bars) for series in panel.series)
    return (0.0 if on_floor else low - margin), high + margin


def shown_region(panel: Panel, low: float, high: float) -> tuple[float, float] | None:
    """The part of the region between `low` and `high`, or None if the panel has no region or none of it is there."""
    if panel.region is None:
        return None
    bottom, top = max(panel.region[0], low), min(panel.region[1], high)
    return (bottom, top) if bottom <= top else None


def region_edges(panel: Panel) -> tuple[float, ...]:
    """The finite ends of the region that the y axis can show."""
    if panel.region is None:
        return ()
    kept = {end for end in panel.region if math.isfinite(end) and (panel.yscale == "linear" or end > 0)}
    return tuple(sorted(kept))
