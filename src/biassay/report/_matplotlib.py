"""Figures on paper: a `biassay.figures.Figure` as PNG and SVG, the same bytes for the same data."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator
from matplotlib.transforms import ScaledTranslation

from ..figures import Bars, Field, Figure, Line, Panel, Points
from ._axes import Placed, categories, drawable, ends, limits, place, region_edges, shown_region
from ._files import replacing
from ._style import BAND_OPACITY, BAR_OPACITY, COLOUR_MAP, GRID, INK, LOOKS, MUTED, REGION, REGION_OPACITY, Look

_PANEL = (4.7, 3.5)
_PIXELS_PER_INCH = 200
_PAPER: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK.light,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelcolor": INK.light,
    "axes.edgecolor": MUTED.light,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID.light,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED.light,
    "ytick.color": MUTED.light,
    "xtick.labelcolor": INK.light,
    "ytick.labelcolor": INK.light,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "biassay",
    "svg.fonttype": "path",
}


def save_figure(figure: Figure, folder: Path | str) -> tuple[Path, Path]:
    """Draws `figure` into `folder` as `<name>.png` and `<name>.svg` and returns the two paths.

    Each file is replaced whole: a reader, or a run cut short, never sees half of one. The SVG carries no date and no
    random identifier, so equal figures are equal bytes.

    Raises:
        OSError: the folder cannot be created or written.
    """
    folder = Path(folder)
    paths = folder / f"{figure.name}.png", folder / f"{figure.name}.svg"
    canvas = to_matplotlib(figure)
    with mpl.rc_context(_PAPER):
        for path in paths:
            metadata = {"Title": figure.title, "Date": None} if path.suffix == ".svg" else {"Title": figure.title}
            with replacing(path) as temporary:
                canvas.savefig(temporary, dpi=_PIXELS_PER_INCH, facecolor="white", metadata=metadata)
            # The places found for the first file serve the second.
            canvas.set_layout_engine("none")
    return paths


def to_matplotlib(figure: Figure) -> Canvas:
    """The Matplotlib figure, made without pyplot: no window, no global state."""
    with mpl.rc_context(_PAPER):
        return _draw(figure)


def _draw(figure: Figure) -> Canvas:
    columns = max(1, min(figure.columns, len(figure.panels)))
    rows = math.ceil(len(figure.panels) / columns)
    width, height = _PANEL if columns > 1 else (6.2, 3.8)
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.04, hspace=0.05)
    canvas = Canvas(figsize=(columns * width, rows * height + 0.4), layout=layout)
    title = textwrap.fill(figure.title, int(columns * width * 11))
    canvas.suptitle(_plain(title), x=0.012, ha="left", fontsize=12, fontweight="bold")
    for k, panel in enumerate(figure.panels):
        _draw_panel(canvas, canvas.add_subplot(rows, columns, k + 1), panel, int(width * 10))
    return canvas


def _plain(text: str) -> str:
    """`text` with its dollars taken literally."""
    return text.replace("$", r"\$")


def _draw_panel(canvas: Canvas, axes: Axes, panel: Panel, letters: int) -> None:
    axes.set_title(_plain(textwrap.fill(panel.title, letters)))
    axes.set_xlabel(_plain(panel.xlabel))
    axes.set_ylabel(_plain(textwrap.fill(panel.ylabel, letters - 10)))
    axes.set_xscale(panel.xscale)
    axes.set_yscale(panel.yscale)
    on_field = any(isinstance(series, Field) for series in panel.series)
    for placed in place(panel):
        match placed.series:
            case Line():
                _line(axes, panel, placed, on_field)
            case Points():
                _points(axes, panel, placed, on_field)
            case Bars():
                _bars(axes, panel, placed)
            case Field():
                _field(canvas, axes, panel, placed)
    _name_categories(axes, categories(panel))
    if panel.xlim is not None:
        axes.set_xlim(panel.xlim)
    low, high = limits(panel)
    axes.set_ylim(low, high)
    if panel.equal_aspect:
        axes.set_aspect("equal", anchor="W")
    for axis in (axes.xaxis, axes.yaxis):
        _label_short_log_axis(axis)
    _legend(canvas, axes, _shade_region(axes, panel))


def _halo(on_field: bool) -> dict[str, Any]:
    """A white rim, so that what lies on a heat map is seen on its dark parts too."""
    return {"path_effects": [patheffects.withStroke(linewidth=4, foreground="white")]} if on_field else {}


def _dashes(look: Look) -> Any:
    return (0, look.dash) if look.dash else "solid"


def _line(axes: Axes, panel: Panel, placed: Placed, on_field: bool) -> None:
    series = placed.series
    assert isinstance(series, Line)
    look = LOOKS[series.role]
    colour = look.colour.light
    errors = ends(series, panel)
    if errors is not None:
        axes.fill_between(placed.x, *errors, color=colour, alpha=BAND_OPACITY, linewidth=0)
    y = drawable(series.y, panel.yscale)
    axes.plot(
        placed.x, y, color=colour, linewidth=look.width * 0.8, linestyle=_dashes(look), label=_plain(series.label),
        **_halo(on_field),
    )  # fmt: skip


def _errors(y: Any, errors: tuple[Any, Any] | None) -> Any:
    """The lengths of the error bars below and above `y`, (2, n), none where there is nothing to draw."""
    if errors is None:
        return None
    low, high = errors
    return np.nan_to_num(np.clip([y - low, high - y], 0, None))


def _points(axes: Axes, panel: Panel, placed: Placed, on_field: bool) -> None:
    series = placed.series
    assert isinstance(series, Points)
    look = LOOKS[series.role]
    colour = look.colour.light
    y = drawable(series.y, panel.yscale)
    axes.errorbar(
        placed.x, y, yerr=_errors(y, ends(series, panel)), fmt=look.marker, color=colour, markersize=5.5,
        markerfacecolor="white" if look.hollow else colour, markeredgecolor="white" if on_field else colour,
        markeredgewidth=0.9 if on_field else 1.2, elinewidth=1.2, capsize=3, label=_plain(series.label),
    )  # fmt: skip


def _bars(axes: Axes, panel: Panel, placed: Placed) -> None:
    series = placed.series
    assert isinstance(series, Bars)
    look = LOOKS[series.role]
    y = drawable(series.y, panel.yscale)
    axes.bar(
        placed.x, y, placed.width * 0.92, facecolor="white" if look.hatch else (look.colour.light, BAR_OPACITY),
        edgecolor=look.colour.light, linewidth=1, hatch=look.hatch, label=_plain(series.label),
        yerr=_errors(y, ends(series, panel)), capsize=3, error_kw={"elinewidth": 1.2, "ecolor": INK.light},
    )  # fmt: skip


def _field(canvas: Canvas, axes: Axes, panel: Panel, placed: Placed) -> None:
    series = placed.series
    assert isinstance(series, Field)
    y, z = drawable(series.y, panel.yscale), np.ma.masked_invalid(np.asarray(series.z, float))
    axes.grid(False)
    mesh = axes.pcolormesh(placed.x, y, z, shading="nearest", cmap=COLOUR_MAP, rasterized=True)
    bar = canvas.colorbar(mesh, cax=axes.inset_axes((1.03, 0, 0.045, 1)), label=_plain(series.label))
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    levels = [level for level in sorted(series.contours) if z.min() <= level <= z.max()]
    if levels:
        lines = axes.contour(placed.x, y, z, levels=levels, colors="white", linewidths=1.3)
        lines.set_path_effects([patheffects.withStroke(linewidth=2.6, foreground="black")])
        for text in axes.clabel(lines, fmt="%g", fontsize=8):
            text.set_path_effects([patheffects.withStroke(linewidth=2, foreground="black")])


def _label_short_log_axis(axis: Axis) -> None:
    """Plain numbers (0.2, 0.5) on a logarithmic axis that spans hardly more than a decade."""
    low, high = sorted(axis.get_view_interval())
    if axis.get_scale() == "log" and high / low < 20 and low > 1e-3 and high < 1e4:
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(LogLocator(subs=(2, 3, 4, 5, 7) if high / low < 5 else (2, 5)))
        axis.set_minor_formatter("{x:g}")


def _name_categories(axes: Axes, names: tuple[str, ...]) -> None:
    if not names:
        return
    crowded = sum(len(name) + 2 for name in names) > 48
    shown = [_plain(name if crowded else textwrap.fill(name, 14)) for name in names]
    axes.set_xticks(range(len(names)), shown, rotation=30 if crowded else 0, ha="right" if crowded else "center")
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.grid(False, axis="x")


def _shade_region(axes: Axes, panel: Panel) -> list[Patch]:
    """Shades and hatches what of the claim's region lies in the axes; returns its entry of the legend."""
    shown = shown_region(panel, *sorted(axes.get_ylim()))
    if shown is None:
        return []
    axes.axhspan(*shown, facecolor=REGION.light, alpha=REGION_OPACITY, linewidth=0, zorder=0.4)
    axes.axhspan(*shown, facecolor="none", edgecolor=REGION.light, alpha=0.35, hatch="//", linewidth=0, zorder=0.5)
    for edge in region_edges(panel):
        axes.axhline(edge, color=REGION.light, linewidth=1, zorder=0.6)
    label = _plain(panel.region_label)
    return [Patch(facecolor="#e6ead9", edgecolor=REGION.light, hatch="///", linewidth=0.8, label=label)]


def _legend(canvas: Canvas, axes: Axes, extra: list[Patch]) -> None:
    """The legend below the panel and its words, where it hides no data."""
    handles, labels = axes.get_legend_handles_labels()
    entries = dict(zip(labels, handles, strict=True)) | {str(patch.get_label()): patch for patch in extra}
    if entries:
        renderer = FigureCanvasAgg(canvas).get_renderer()
        words = axes.xaxis.get_tightbbox(renderer)
        below = 0 if words is None else words.y0 - axes.get_window_extent(renderer).y0
        place_below = axes.transAxes + ScaledTranslation(0, below / canvas.dpi, canvas.dpi_scale_trans)
        columns = 1 if max(len(label) for label in entries) > 34 else 2
        axes.legend(
            entries.values(), entries.keys(), loc="upper left", bbox_to_anchor=(-0.02, -0.01), ncols=columns,
            bbox_transform=place_below, fontsize=8.5,
        )  # fmt: skip
