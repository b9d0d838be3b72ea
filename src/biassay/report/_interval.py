"""A verdict as a picture: the claimed region, what was measured with its interval, and the control, on one axis."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..claims import Verdict
from . import _words
from ._html import Html, fill, join

_LEFT, _RIGHT, _WIDTH = 84.0, 428.0, 440
_TOP, _MEASURED, _CONTROL, _BOTTOM, _HEIGHT = 26.0, 46.0, 72.0, 88.0, 108
_WIDE = 100.0
_SMALLEST = 1e-12
_TICKS = 5
_APART = 38.0


def picture(verdict: Verdict) -> Html:
    """The inline SVG; its label says in words all that it shows."""
    scale, ticks = _axis(verdict)
    parts = [
        _region(verdict, scale),
        *(_tick(x, words) for x, words in ticks),
        fill('<path class="axis" d="M{left} {y}H{right}"/>', left=_LEFT, right=_RIGHT, y=_BOTTOM),
        _row("measured", _MEASURED, verdict.value, verdict.interval, scale),
        _row("control", _CONTROL, verdict.control, verdict.control_interval, scale),
    ]
    return fill(
        '<svg class="interval" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{parts}</svg>',
        width=_WIDTH,
        height=_HEIGHT,
        label=_label(verdict),
        parts=join(parts),
    )


def _label(verdict: Verdict) -> str:
    measured = f"measured {_words.number(verdict.value)} {_words.interval(verdict.interval)}".rstrip()
    return f"{measured}; claimed {_words.region(verdict.region)}; control {_words.number(verdict.control)}"


def _axis(verdict: Verdict) -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    """The horizontal position of a number, and the ticks.

    Linear, unless the numbers span more than two decades: then x lies at arsinh(x / 2u), u the smallest size among
    them, which is a logarithm far from zero and still has a place for zero and for the other sign.
    """
    ends = (*verdict.interval, *verdict.region, *verdict.control_interval, verdict.value, verdict.control)
    numbers = [x for x in ends if math.isfinite(x)] or [0.0]
    sizes = [abs(x) for x in numbers if x != 0] or [1.0]
    unit = max(min(sizes), _SMALLEST * max(sizes))
    wide = max(sizes) / unit > _WIDE

    def warp(x: float) -> float:
        return math.asinh(x / (2 * unit)) if wide else x

    low, high = warp(min(numbers)), warp(max(numbers))
    margin = 0.12 * (high - low) or 0.5 * abs(high) or 1.0
    low, high = low - margin, high + margin

    def position(x: float) -> float:
        if math.isinf(x):
            return _RIGHT if x > 0 else _LEFT
        return _LEFT + (warp(x) - low) / (high - low) * (_RIGHT - _LEFT)

    candidates = _decades(min(numbers), max(numbers), unit) if wide else _round_numbers(low, high)
    name = _words.power_of_ten if wide else _words.number
    kept: list[float] = []
    for x in sorted(candidates, key=abs):
        if _LEFT <= position(x) <= _RIGHT and all(abs(position(x) - position(other)) >= _APART for other in kept):
            kept.append(x)
    return position, [(position(x), name(x)) for x in kept]


def _decades(low: float, high: float, unit: float) -> list[float]:
    """Zero and powers of ten of either sign, few enough to be read."""
    first, last = math.floor(math.log10(unit)), math.ceil(math.log10(max(abs(low), abs(high))))
    sides = (low < 0) + (high > 0)
    stride = max(1, math.ceil((last - first) * sides / _TICKS))
    powers = [10.0**k for k in range(last, first - 1, -stride)]
    return [-p for p in powers if low < 0] + [0.0] + [p for p in reversed(powers) if high > 0]


def _round_numbers(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    stride = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    return [k * stride for k in range(math.ceil(low / stride), math.floor(high / stride) + 1)]


def _region(verdict: Verdict, scale: Callable[[float], float]) -> Html:
    left, right = (scale(end) for end in verdict.region)
    if right - left < 4:
        middle = (left + right) / 2
        left, right = middle - 2, middle + 2
    edges = [x for x, end in zip((left, right), verdict.region, strict=True) if math.isfinite(end)]
    shade = fill(
        '<rect class="region" x="{x}" y="{y}" width="{width}" height="{height}"/>',
        x=f"{left:.1f}", y=_TOP, width=f"{right - left:.1f}", height=_BOTTOM - _TOP,
    )  # fmt: skip
    lines = join(fill('<path class="edge" d="M{x} {top}V{bottom}"/>', x=f"{x:.1f}", top=_TOP, bottom=_BOTTOM)
                 for x in edges)  # fmt: skip
    middle = min(max((left + right) / 2, _LEFT + 40), _RIGHT - 40)
    words = fill('<text class="named" x="{x}" y="{y}">claimed</text>', x=f"{middle:.1f}", y=_TOP - 7)
    return join([shade, lines, words])


def _tick(x: float, words: str) -> Html:
    line = fill('<path class="axis" d="M{x} {y}v4"/>', x=f"{x:.1f}", y=_BOTTOM)
    text = fill('<text class="tick" x="{x}" y="{y}">{words}</text>', x=f"{x:.1f}", y=_BOTTOM + 16, words=words)
    return join([line, text])


def _row(name: str, y: float, value: float, ends: tuple[float, float], scale: Callable[[float], float]) -> Html:
    parts = [fill('<text class="row" x="{x}" y="{y}">{name}</text>', x=_LEFT - 12, y=y + 4, name=name)]
    if not any(math.isnan(end) for end in ends):
        left, right = (f"{scale(end):.1f}" for end in ends)
        caps = "".join(f"M{x} {y - 4}v8" for x, end in zip((left, right), ends, strict=True) if math.isfinite(end))
        parts.append(Html(f'<path class="whisker {name}" d="M{left} {y}H{right}{caps}"/>'))
    if math.isfinite(value):
        x = scale(value)
        shape = f'<circle cx="{x:.1f}" cy="{y}" r="5"/>' if name == "measured" else (
            f'<path d="M{x:.1f} {y - 6}l6 6l-6 6l-6 -6z"/>'
        )  # fmt: skip
        parts.append(Html(f'<g class="mark {name}">{shape}</g>'))
    else:
        parts.append(fill('<text class="none" x="{x}" y="{y}">no finite value</text>', x=_LEFT + 8, y=y + 4))
    return join(parts)
