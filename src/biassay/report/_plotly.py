"""Figures on a screen: the panels of a `biassay.figures.Figure` as Plotly figures, in plain JSON data."""

from __future__ import annotations

import html
import textwrap
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..figures import Bars, Field, Figure, Line, Panel, Points, Role
from ._axes import Placed, categories, drawable, ends, limits, place, region_edges
from ._style import BAND_OPACITY, BAR_OPACITY, COLOUR_MAP, GRID, INK, LOOKS, MUTED, PAPER, REGION, REGION_OPACITY, rgba

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', sans-serif"
_BEYOND = 10.0
_DECADES_BEYOND = 1e6
_DIGITS_UP_TO = 20.0
_HEIGHT = 400
_EQUAL_HEIGHT = 470


def to_plotly(figure: Figure) -> tuple[dict[str, Any], ...]:
    """One Plotly figure, `{"data": [...], "layout": {...}}`, for each panel in order.

    Panels come apart so that the page can put them side by side on a desk and below each other on a phone. The data
    are lists, numbers, strings and None (for a gap), ready for `json.dumps`, `plotly.graph_objects.Figure` or Dash.
    Backgrounds are transparent and every colour is one of `theme_pairs`, so that the page can turn them dark.
    """
    return tuple({"data": _traces(panel), "layout": _layout(panel)} for panel in figure.panels)


def _text(words: str, letters: int = 0) -> str:
    """`words` taken literally by Plotly, broken into lines of about so many letters if asked."""
    lines = textwrap.wrap(words, letters) if letters else [words]
    return "<br>".join(html.escape(line, quote=False).replace("$", "&#36;") for line in lines)


def _list(values: ArrayLike) -> list[Any]:
    """Nested lists of floats to nine digits, None where there is no number."""
    array = np.asarray(values, float)
    if array.ndim > 1:
        return [_list(row) for row in array]
    return [float(f"{value:.9g}") if np.isfinite(value) else None for value in array]


def _traces(panel: Panel) -> list[dict[str, Any]]:
    names = categories(panel)
    on_field = any(isinstance(series, Field) for series in panel.series)
    traces: list[dict[str, Any]] = []
    for placed in place(panel):
        match placed.series:
            case Line():
                traces += _line(panel, placed, on_field)
            case Points():
                traces += _points(panel, placed, names, on_field)
            case Bars():
                traces += _bars(panel, placed, names)
            case Field():
                traces += _field(panel, placed)
    return traces


def _named(label: str) -> dict[str, Any]:
    return {"name": _text(label), "showlegend": bool(label)}


def _hover(label: str, errors: tuple[NDArray[Any], NDArray[Any]] | None, x: str = "%{x:.5~g}") -> dict[str, Any]:
    extra = f"<extra>{_text(label)}</extra>"
    if errors is None:
        return {"hovertemplate": f"{x}, %{{y:.4~g}}{extra}"}
    template = f"{x}, %{{y:.4~g}} [%{{customdata[0]:.4~g}}, %{{customdata[1]:.4~g}}]{extra}"
    return {"hovertemplate": template, "customdata": _list(np.stack(errors, axis=1))}


def _line(panel: Panel, placed: Placed, on_field: bool) -> list[dict[str, Any]]:
    series = placed.series
    assert isinstance(series, Line)
    look = LOOKS[series.role]
    dash = ",".join(f"{length * look.width:g}px" for length in look.dash) or "solid"
    errors = ends(series, panel)
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": _list(placed.x),
        "y": _list(drawable(series.y, panel.yscale)),
        "line": {"color": look.colour.light, "width": look.width, "dash": dash},
        "legendgroup": f"{series.role} {series.label}",
        **_named(series.label),
        **_hover(series.label, errors),
    }
    halo = {"line": {"color": PAPER.light, "width": look.width + 3}, "showlegend": False, "hoverinfo": "skip"}
    behind = [line | halo] if on_field else []
    return [*behind, *([] if errors is None else [_band(placed.x, errors, series.role, line["legendgroup"])]), line]


def _band(x: NDArray[Any], errors: tuple[NDArray[Any], NDArray[Any]], role: Role, group: str) -> dict[str, Any]:
    """The error band as closed outlines, one for each stretch without a gap."""
    low, high = errors
    good = np.flatnonzero(np.isfinite(x) & np.isfinite(low) & np.isfinite(high))
    runs = [run for run in np.split(good, np.flatnonzero(np.diff(good) > 1) + 1) if run.size]
    gap = np.array([np.nan])
    outline_x = [part for run in runs for part in (x[run], x[run[::-1]], gap)]
    outline_y = [part for run in runs for part in (low[run], high[run[::-1]], gap)]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": _list(np.concatenate(outline_x or [gap])),
        "y": _list(np.concatenate(outline_y or [gap])),
        "fill": "toself",
        "fillcolor": rgba(LOOKS[role].colour.light, BAND_OPACITY),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": group,
    }


def _error_bars(y: NDArray[Any], errors: tuple[NDArray[Any], NDArray[Any]] | None, colour: str) -> dict[str, Any]:
    if errors is None:
        return {}
    low, high = errors
    bars = {"type": "data", "symmetric": False, "color": colour, "thickness": 1.4, "width": 4}
    return {"error_y": bars | {"array": _list(high - y), "arrayminus": _list(y - low)}}


def _points(panel: Panel, placed: Placed, names: tuple[str, ...], on_field: bool) -> list[dict[str, Any]]:
    series = placed.series
    assert isinstance(series, Points)
    look = LOOKS[series.role]
    y, errors = drawable(series.y, panel.yscale), ends(series, panel)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": _list(placed.x),
        "y": _list(y),
        "marker": {"symbol": f"{look.symbol}-open" if look.hollow else look.symbol, "color": look.colour.light}
        | {"size": 9, "line": {"width": 1.5, "color": PAPER.light if on_field else look.colour.light}},
        **_named(series.label),
        **_error_bars(y, errors, look.colour.light),
        **_hover(series.label, errors, "%{text}" if names else "%{x:.5~g}"),
    }
    return [trace | _category_words(placed, names)]


def _category_words(placed: Placed, names: tuple[str, ...]) -> dict[str, Any]:
    if not names:
        return {}
    nearest = np.clip(np.round(np.nan_to_num(placed.x)), 0, len(names) - 1).astype(int)
    return {"text": [_text(names[i]) for i in nearest]}


def _bars(panel: Panel, placed: Placed, names: tuple[str, ...]) -> list[dict[str, Any]]:
    series = placed.series
    assert isinstance(series, Bars)
    look = LOOKS[series.role]
    y, errors = drawable(series.y, panel.yscale), ends(series, panel)
    colour = look.colour.light
    trace = {
        "type": "bar",
        "x": _list(placed.x),
        "y": _list(y),
        "width": placed.width * 0.92,
        "marker": {"color": colour if look.pattern else rgba(colour, BAR_OPACITY)}
        | {"line": {"color": colour, "width": 1.2}}
        | {"pattern": {"shape": look.pattern, "fillmode": "replace", "fgcolor": colour, "size": 7}},
        "textposition": "none",
        **_named(series.label),
        **_error_bars(y, errors, INK.light),
        **_hover(series.label, errors, "%{text}"),
    }
    return [trace | _category_words(placed, names)]


def _field(panel: Panel, placed: Placed) -> list[dict[str, Any]]:
    series = placed.series
    assert isinstance(series, Field)
    grid = {"x": _list(placed.x), "y": _list(drawable(series.y, panel.yscale)), "z": _list(series.z)}
    bar = {"title": {"text": _text(series.label, 28), "side": "right"}, "thickness": 12, "outlinewidth": 0}
    heat = {"type": "heatmap", **grid, "colorscale": COLOUR_MAP.capitalize(), "colorbar": bar, "showlegend": False}
    heat["hovertemplate"] = f"%{{x:.5~g}}, %{{y:.5~g}}: %{{z:.4~g}}<extra>{_text(series.label)}</extra>"
    return [heat, *(_level(grid, level) for level in series.contours)]


def _level(grid: dict[str, Any], level: float) -> dict[str, Any]:
    return {
        "type": "contour",
        **grid,
        "showscale": False,
        "showlegend": False,
        "hoverinfo": "skip",
        "line": {"color": "white", "width": 1.6},
        "contours": {"start": level, "end": level, "size": 1, "coloring": "none", "showlabels": True}
        | {"labelfont": {"color": "white", "size": 11}, "labelformat": "~g"},
    }


def _layout(panel: Panel) -> dict[str, Any]:
    low, high = limits(panel)
    y_axis = _axis(panel.ylabel, panel.yscale, 28, (low, high)) | {"range": _range((low, high), panel.yscale)}
    x_axis = _axis(panel.xlabel, panel.xscale, 40, panel.xlim or _x_extent(panel))
    names = categories(panel)
    if panel.xlim is not None:
        x_axis["range"] = _range(panel.xlim, panel.xscale)
    if names:
        words = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": [_text(n, 14) for n in names]}
        x_axis |= words | {"range": [-0.6, len(names) - 0.4], "showgrid": False}
    if panel.equal_aspect:
        y_axis |= {"scaleanchor": "x", "scaleratio": 1, "constrain": "domain"}
        x_axis |= {"constrain": "domain", "constraintoward": "right"}
    title = {"text": f"<b>{_text(panel.title, 46)}</b>", "x": 0, "xref": "paper", "xanchor": "left"}
    return {
        "title": title | {"font": {"size": 15}, "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8}},
        "xaxis": x_axis,
        "yaxis": y_axis,
        "shapes": _region(panel, low, high),
        "height": _EQUAL_HEIGHT if panel.equal_aspect else _HEIGHT,
        "margin": {"l": 64, "r": 12, "t": 44 + 18 * title["text"].count("<br>"), "b": 40},
        "font": {"family": _FONT, "size": 13, "color": INK.light},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": True,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
            "bgcolor": "rgba(0,0,0,0)",
        }
        | {"font": {"size": 12}},
        "hoverlabel": {"font": {"family": _FONT, "size": 12}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED.light, "activecolor": INK.light},
        "barmode": "overlay",
    }


def _x_extent(panel: Panel) -> tuple[float, float]:
    x = np.concatenate([placed.x for placed in place(panel)] or [np.empty(0)])
    return (float(np.nanmin(x)), float(np.nanmax(x))) if np.isfinite(x).any() else (1.0, 1.0)


def _axis(label: str, scale: str, letters: int, extent: tuple[float, float]) -> dict[str, Any]:
    axis = {
        "title": {"text": _text(label, letters), "standoff": 8},
        "type": scale,
        "automargin": True,
        "gridcolor": GRID.light,
        "linecolor": MUTED.light,
        "tickcolor": MUTED.light,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "zeroline": False,
    }
    if scale == "linear":
        return axis
    crowded = extent[1] / extent[0] > _DIGITS_UP_TO
    powers = {"minorloglabels": "none", "tickfont": {"size": 11}} if crowded else {}
    return axis | {"exponentformat": "power"} | powers


def _range(ends_: tuple[float, float], scale: str) -> list[float]:
    return [float(v) for v in (np.log10(ends_) if scale == "log" else ends_)]


def _region(panel: Panel, low: float, high: float) -> list[dict[str, Any]]:
    """The claim's region across the panel; an infinite end lies well beyond what a reader will zoom out to."""
    if panel.region is None:
        return []
    span = _BEYOND * (high - low)
    outermost = (low / _DECADES_BEYOND, high * _DECADES_BEYOND) if panel.yscale == "log" else (low - span, high + span)
    bottom, top = (float(end) for end in np.clip(panel.region, *outermost))
    box = {"type": "rect", "y0": bottom, "y1": top, "line": {"color": REGION.light, "width": 1.4}}
    shade = {"fillcolor": rgba(REGION.light, REGION_OPACITY), "name": _text(panel.region_label), "showlegend": True}
    across = {"xref": "x domain", "x0": 0, "x1": 1, "yref": "y"}
    edges = [across | {"type": "line", "y0": y, "y1": y, "line": box["line"]} for y in region_edges(panel)]
    return [across | box | shade | {"layer": "below"}, *edges]
