"""Numbers, intervals, regions and outcomes in words."""

from __future__ import annotations

import math

from ..claims import CONFIDENCE, Outcome, Provenance, Statistic, Verdict

OUTCOMES: dict[Outcome, tuple[str, str]] = {
    "holds": ("✓", "the interval of what was measured lies inside the region the claim names"),
    "fails": ("✕", "it lies outside: in this configuration the sentence is not what happens, which is a result too"),
    "unclear": ("?", "it crosses the edge of the region, seeds diverged or are too few, or the control did not work"),
    "vacuous": ("∅", "the control satisfies the sentence as well, or its premise is not met: the check cannot fail"),
}

PROVENANCES: dict[Provenance, str] = {
    "seed": "from the documents this collection started with",
    "read": "read in the cited public source",
    "derived": "worked out here, not a sentence of the source",
    "memory": "recalled, not checked against the source",
}

STATISTICS: dict[Statistic, str] = {
    "mean": f"mean over seeds, {CONFIDENCE:.0%} interval (studentised bootstrap; t below 8 seeds)",
    "proportion": f"share of seeds, exact {CONFIDENCE:.0%} binomial interval",
    "every": "the seed nearest to leaving the region, range over all seeds",
}

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(x: float, digits: int = 4) -> str:
    """`x` to so many digits, with a power of ten where it is very large or small; NaN is "no finite value"."""
    if math.isnan(x):
        return "no finite value"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    mantissa, _, exponent = f"{x:.{digits}g}".partition("e")
    mantissa = mantissa.replace("-", "−")
    if not exponent:
        return mantissa
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return {"1": power, "−1": f"−{power}"}.get(mantissa, f"{mantissa}\u00a0×\u00a0{power}")


def power_of_ten(x: float) -> str:
    """Zero or a power of ten as the label of a tick: "0.01", "10⁻⁶"."""
    plain = x == 0 or 0.01 <= abs(x) <= 100
    return number(x) if plain else ("−" if x < 0 else "") + "10" + f"{math.log10(abs(x)):.0f}".translate(_SUPERSCRIPTS)


def with_unit(words: str, unit: str) -> str:
    """`words` followed by the unit, if there is one."""
    return f"{words} {unit}" if unit else words


def interval(ends: tuple[float, float]) -> str:
    """The interval in brackets, or "" if there is none."""
    low, high = ends
    return "" if math.isnan(low) or math.isnan(high) else f"[{number(low)}, {number(high)}]"


def region(ends: tuple[float, float]) -> str:
    """The region in words: "≤ 0.001", "0.99 to 1", "exactly 0"."""
    low, high = ends
    if low == high:
        return f"exactly {number(low, 6)}"
    if math.isinf(low) and math.isinf(high):
        return "any finite value"
    if math.isinf(low):
        return f"≤ {number(high, 6)}"
    if math.isinf(high):
        return f"≥ {number(low, 6)}"
    return f"{number(low, 6)} to {number(high, 6)}"


def seeds(verdict: Verdict) -> str:
    """How many seeds, and how many of them diverged."""
    count = "1 seed" if verdict.n == 1 else f"{verdict.n} seeds"
    return f"{count}, {verdict.diverged} diverged" if verdict.diverged else f"{count}, none diverged"


def duration(seconds: float) -> str:
    """A duration for people."""
    if seconds < 60:
        return f"{number(seconds, 2)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
