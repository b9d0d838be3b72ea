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
    "result": Look(Colour("#0b3c5d", "#d8e9fa"), 2.2, (), "o", "circle", "", ""),
    "second": Look(Colour("#a8481a", "#f3b183"), 2.0, (7, 2), "s", "square", "///", "/"),
    "third": Look(Colour("#3f9485", "#52a899"), 2.0, (6, 2, 1.5, 2), "^", "triangle-up", "...", "."),
    "fourth": Look(Colour("#b294cf", "#7d63ad"), 2.0, (6, 2, 1.5, 2, 1.5, 2), "D", "diamond", "\\\\\\", "\\"),
    "control": Look(Colour("#757575", "#858d94"), 1.8, (3.5, 2), "o", "circle", "xxx", "x", hollow=True),
    "reference": Look(Colour("#000000", "#ffffff"), 1.6, (1, 1.6), "P", "cross", "--", "-"),
}

INK = Colour("#1d2126", "#e5e4df")
PAPER = Colour("#fcfbf8", "#14171b")
MUTED = Colour("#5b626a", "#a2a9b0")
GRID = Colour("#e4e1da", "#31373e")
REGION = Colour("#66793a", "#b9cc86")

BAND_OPACITY = 0.18
BAR_OPACITY = 0.45
REGION_OPACITY = 0.16

COLOUR_MAP = "cividis"


def rgba(colour: str, opacity: float) -> str:
    """The "#rrggbb" colour as CSS `rgba(...)`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def theme_pairs() -> list[tuple[str, str]]:
    """Every colour `to_plotly` writes, as (light, dark): replacing one by the other turns a figure dark."""
    colours = [*(look.colour for look in LOOKS.values()), INK, PAPER, MUTED, GRID, REGION]
    solid = [(colour.light, colour.dark) for colour in colours]
    looks = [(look.colour, opacity) for look in LOOKS.values() for opacity in (BAND_OPACITY, BAR_OPACITY)]
    faint = [(rgba(c.light, o), rgba(c.dark, o)) for c, o in [*looks, (REGION, REGION_OPACITY)]]
    return solid + faint
