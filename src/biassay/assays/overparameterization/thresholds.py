"""From who fits at which width to the width that is needed.

A success curve says for every width on the grid whether a run fits. Success is not monotone in the width, and the grid
is coarse, so that there are two ways to read it:

- m*(n; B), for all seeds together: the smallest width at which at least two thirds of them fit;
- a seed's own threshold, which a mean and an interval over seeds can be taken of: the smallest width times the ratio of
  neighbouring widths once for every width that fails. Where success is monotone that is the smallest width that fits;
  where it is not, a stray failure or success moves it by one step of the grid (Spearman and Kaerber's estimate for
  dose and response). A seed that no width fits gets one step beyond the widest.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

ENOUGH = 2 / 3
"""The share of seeds that must fit."""


def smallest_width(
    success: Bool[np.ndarray, "... seed width"], widths: Int[np.ndarray, " width"]
) -> Float[np.ndarray, "..."]:
    """m*: the smallest width at which at least `ENOUGH` of the seeds fit; infinite where there is none."""
    # A share of exactly two thirds counts, whatever 2/3 is in floating point.
    enough = np.mean(success, axis=-2) >= ENOUGH - 1e-9
    return np.where(enough.any(axis=-1), np.asarray(widths, float)[enough.argmax(axis=-1)], np.inf)


def threshold(success: Bool[np.ndarray, "... width"], widths: Int[np.ndarray, " width"]) -> Float[np.ndarray, "..."]:
    """Each seed's own threshold, of the shape of `success` without its last axis."""
    log = np.log(np.asarray(widths, float))
    to_next = np.append(np.diff(log), log[-1] - log[-2])
    # Twelve digits, so that a threshold on the grid is the grid's number, and no change of it is exactly none.
    return np.round(np.exp(log[0] + (~np.asarray(success, bool) * to_next).sum(axis=-1)), 12)


def best_of_grid(success: Bool[np.ndarray, "lr ... seed width"]) -> Bool[np.ndarray, "... seed width"]:
    """At each width (and budget), the outcomes at the step size that the most seeds fit with; the first of equals."""
    chosen = np.asarray(success).sum(axis=-2, keepdims=True).argmax(axis=0, keepdims=True)
    return np.take_along_axis(np.asarray(success), chosen, axis=0)[0]


def exponents(thresholds: Float[np.ndarray, "n seed"], n: Int[np.ndarray, " n"]) -> Float[np.ndarray, " seed"]:
    """The slope of log threshold in log n by least squares, seed by seed."""
    away = np.log(n) - np.log(n).mean()
    # Twelve digits, so that equal thresholds have the exponent 0 and not round-off.
    return np.round(away @ np.log(thresholds) / (away @ away), 12) + 0.0


def parameters(width: Float[np.ndarray, "..."], d: int) -> Float[np.ndarray, "..."]:
    """The parameters of a network with one hidden layer: m (d + 2) + 1."""
    return np.asarray(width) * (d + 2) + 1
