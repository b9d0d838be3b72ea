"""The shape of a piecewise linear function on [-1, 1], exactly, from its kinks.

A function is its value and slope at -1 and the jumps of its slope at the kinks inside (-1, 1):

    length              integral of sqrt(1 + f'^2) = sum over the linear pieces of width sqrt(1 + slope^2)
    variation           total variation of the slope, sum of |jump|
    kinks               how many one sees: kinks closer than .03 to the one before are taken together, their jumps
                        added, and jumps below .1 in size are not counted
    convexity changes   sign changes from one counted jump to the next

Length and variation are exact; the two counts depend on what is taken together, and are good to about one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

_TOGETHER = 0.03
_SMALL_JUMP = 0.1


class PiecewiseLinear(NamedTuple):
    """start, slope: value and slope at -1. kinks: in (-1, 1), in increasing order; jumps: of the slope, there."""

    start: float
    slope: float
    kinks: Float[np.ndarray, " k"]
    jumps: Float[np.ndarray, " k"]

    @property
    def knots(self) -> Float[np.ndarray, " knots"]:
        """The ends of the linear pieces, from -1 to 1."""
        return np.concatenate([[-1.0], self.kinks, [1.0]])

    @property
    def slopes(self) -> Float[np.ndarray, " pieces"]:
        """The slope of every linear piece."""
        return self.slope + np.concatenate([[0.0], np.cumsum(self.jumps)])

    def __call__(self, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The value at points of [-1, 1]."""
        values = self.start + np.concatenate([[0.0], np.cumsum(self.slopes * np.diff(self.knots))])
        return np.interp(x, self.knots, values)


def from_units(
    a: Float[np.ndarray, " m"], b: Float[np.ndarray, " m"], c: Float[np.ndarray, " m"], linear: float, constant: float
) -> PiecewiseLinear:
    """The function sum_j c_j relu(a_j x + b_j) + linear x + constant."""
    at_left = b - a
    # A unit whose kink is at -1 is active to the right of it when its slope is positive.
    active = (at_left > 0) | ((at_left == 0) & (a > 0))
    inside = np.abs(b) < np.abs(a)
    kinks = -b[inside] / a[inside]
    order = np.argsort(kinks)
    return PiecewiseLinear(
        float(c @ np.maximum(at_left, 0) - linear + constant),
        float(c[active] @ a[active] + linear),
        kinks[order],
        (c * np.abs(a))[inside][order],
    )


def through(x: Shaped[np.ndarray, " n"], y: Shaped[np.ndarray, " n"]) -> PiecewiseLinear:
    """The polyline through the points (x, y), x increasing from -1 to 1."""
    slopes = np.diff(y) / np.diff(x)
    return PiecewiseLinear(float(y[0]), float(slopes[0]), np.asarray(x[1:-1], float), np.diff(slopes))


def length(curve: PiecewiseLinear) -> float:
    """The length of the graph over [-1, 1]."""
    return float(np.diff(curve.knots) @ np.hypot(1, curve.slopes))


def slope_variation(curve: PiecewiseLinear) -> float:
    """The total variation of the slope over (-1, 1)."""
    return float(np.abs(curve.jumps).sum())


def visible_jumps(curve: PiecewiseLinear) -> Float[np.ndarray, " v"]:
    """The jumps of the kinks that are counted, from left to right."""
    if not len(curve.kinks):
        return np.zeros(0)
    first = np.concatenate([[0], 1 + np.flatnonzero(np.diff(curve.kinks) >= _TOGETHER)])
    jumps = np.add.reduceat(curve.jumps, first)
    return jumps[np.abs(jumps) >= _SMALL_JUMP]


def kinks(curve: PiecewiseLinear) -> int:
    """How many kinks are counted."""
    return len(visible_jumps(curve))


def convexity_changes(curve: PiecewiseLinear) -> int:
    """How often the counted jumps change their sign: turns from convex to concave and back."""
    return int(np.count_nonzero(np.diff(np.sign(visible_jumps(curve)))))
