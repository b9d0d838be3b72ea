"""Figures as data: what is drawn, said once; `biassay.report` renders it with Matplotlib and with Plotly.

An assay returns a tuple of `Figure`s. A figure holds panels, a panel holds series. The renderers give every `role` its
own lightness, line style and marker, so that figures read well in grey.

Titles and labels are plain text: mathematics in them is written with its letters (η, s₂ / s₁, ‖θ‖²), not in TeX.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

Role: TypeAlias = Literal["result", "second", "third", "fourth", "control", "reference"]
Scale: TypeAlias = Literal["linear", "log"]


@dataclass(frozen=True)
class Line:
    """A curve y(x); `low` and `high` (same length) are its error band over seeds. All arrays have shape (n,)."""

    x: ArrayLike
    y: ArrayLike
    label: str = ""
    role: Role = "result"
    low: ArrayLike | None = None
    high: ArrayLike | None = None


@dataclass(frozen=True)
class Points:
    """Markers at (x, y), shape (n,); `low` and `high` are the ends of error bars. `x` may be category names."""

    x: ArrayLike
    y: ArrayLike
    label: str = ""
    role: Role = "result"
    low: ArrayLike | None = None
    high: ArrayLike | None = None


@dataclass(frozen=True)
class Bars:
    """One bar per category, with error bars when `low` and `high` are given. `names` and `y` have shape (n,)."""

    names: tuple[str, ...]
    y: ArrayLike
    label: str = ""
    role: Role = "result"
    low: ArrayLike | None = None
    high: ArrayLike | None = None


@dataclass(frozen=True)
class Field:
    """A function on a rectangle: z[i, j] at (x[j], y[i]), drawn as a heat map with the level lines in `contours`."""

    x: ArrayLike
    y: ArrayLike
    z: ArrayLike
    label: str = ""
    contours: tuple[float, ...] = ()


Series: TypeAlias = Line | Points | Bars | Field


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes. `region` is the claim's region on the y axis, shaded; its ends may be infinite."""

    title: str
    xlabel: str
    ylabel: str
    series: tuple[Series, ...]
    xscale: Scale = "linear"
    yscale: Scale = "linear"
    xlim: tuple[float, float] | None = None
    ylim: tuple[float, float] | None = None
    region: tuple[float, float] | None = None
    region_label: str = "claimed"
    equal_aspect: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A named figure: `name` is its file name, `caption` says what to see, `columns` how many panels a row."""

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    columns: int = 2


def quantile_band(x: ArrayLike, samples: ArrayLike, label: str = "", role: Role = "result", level: float = 0.9) -> Line:
    """The median over seeds with the central `level` band. samples: (seed, n), NaN where a seed diverged."""
    values = np.asarray(samples, float)
    edge = (1 - level) / 2
    low, middle, high = np.nanquantile(values, [edge, 0.5, 1 - edge], axis=0)
    return Line(x, middle, label, role, low, high)
