"""How a role looks. Lightness, line style, marker and hatch differ together, so that figures read in grey."""

from __future__ import annotations

from dataclasses import dataclass

from ..figures import Role


@dataclass(frozen=True)
class Colour:
    """One colour as it is on light paper and on a dark screen, both "#rrggbb"."""

    light: str
    dark: str


@dataclass(frozen=True)
class Look:
    """The look of a role.

    width: of the line, in points; dash: strokes and gaps in line widths, () for solid; marker and hatch: Matplotlib's
    letters; symbol and pattern: Plotly's names of the same; hollow: whether the marker is drawn as an outline.
    """

    colour: Colour
    width: float
    dash: tuple[float, ...]
    marker: str
    symbol: str
    hatch: str
    pattern: str
    hollow: bool = False


LOOKS: dict[Role, Look] = {
    "result": Look(Colour("#0b3c5d", "#d3e7fa"), 2.2, (), "o", "circle", "", ""),
    "second": Look(Colour("#a8481a", "#f0a26b"), 2.0, (7, 2), "s", "square", "///", "/"),
    "third": Look(Colour("#3f9485", "#5bbcab"), 2.0, (6, 2, 1.5, 2), "^", "triangle-up", "...", "."),
    "fourth": Look(Colour("#b294cf", "#9b80c4"), 2.0, (6, 2, 1.5, 2, 1.5, 2), "D", "diamond", "\\\\\\", "\\"),
    "control": Look(Colour("#757575", "#949ca3"), 1.8, (3.5, 2), "o", "circle", "xxx", "x", hollow=True),
    "reference": Look(Colour("#000000", "#ffffff"), 1.6, (1, 1.6), "P", "cross", "--", "-"),
}

INK = Colour("#1d2126", "#e5e4df")
MUTED = Colour("#5b626a", "#a2a9b0")
GRID = Colour("#e4e1da", "#31373e")
REGION = Colour("#66793a", "#b9cc86")

BAND_OPACITY = 0.18
REGION_OPACITY = 0.16

COLOUR_MAP = "cividis"


def rgba(colour: str, opacity: float) -> str:
    """The "#rrggbb" colour as CSS `rgba(...)`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def theme_pairs() -> list[tuple[str, str]]:
    """Every colour `to_plotly` writes, as (light, dark): replacing one by the other turns a figure dark."""
    colours = [*(look.colour for look in LOOKS.values()), INK, MUTED, GRID, REGION]
    solid = [(colour.light, colour.dark) for colour in colours]
    bands = [(look.colour, BAND_OPACITY) for look in LOOKS.values()]
    faint = [(rgba(c.light, o), rgba(c.dark, o)) for c, o in [*bands, (REGION, REGION_OPACITY)]]
    return solid + faint
