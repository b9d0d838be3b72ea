"""Every seed's target and points, the same for all architectures, wirings and sizes of the training set."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...data import compositional
from .config import Config
from .training import Examples, Stream


class Drawn(NamedTuple):
    """A seed's examples; the variance of its target that no linear function explains, and the mean |grad g| of its
    constituents (NaN for a target that is not composed along the tree)."""

    examples: Examples
    residual: float
    slope: float


def draw(config: Config, target: str, d: int, seed: int, tuning: bool) -> Drawn:
    """One seed's target on R^d, standardized by its mean and deviation on the test points.

    target: "tree", "smooth-m", "generic" or "ridge". The training points are drawn last: smaller sets are the beginning
    of larger ones.
    """
    stream = Stream.TARGET + Stream.TUNING * tuning
    rng = np.random.default_rng((seed, stream, d, *target.encode()))
    f = _target(rng, target, d)
    held = compositional.inputs(rng, config.validation + config.test, d)
    test = held[config.validation :]
    x = compositional.inputs(rng, max(config.sizes), d)
    values = f(test)
    mean, deviation = values.mean(), values.std()
    y, held_y = ((f(points) - mean) / deviation for points in (x, held))
    slope = f.mean_slope(test) if isinstance(f, compositional.Composition) else np.nan
    examples = Examples(*(part.astype(np.float32) for part in (x, y, held, held_y)))
    return Drawn(examples, compositional.linear_residual(test, values), slope)


def _target(rng: np.random.Generator, target: str, d: int) -> Callable[[np.ndarray], np.ndarray]:
    if target == "generic":
        return compositional.generic(rng, d)
    if target == "ridge":
        return compositional.ridge(rng, d)
    _, _, m = target.partition("smooth-")
    return compositional.tree(rng, d, int(m) if m else None)


def permuted(examples: Examples, order: tuple[int, ...]) -> Examples:
    """The same examples, the coordinates in this order."""
    chosen = list(order)
    return examples._replace(x=examples.x[:, chosen], held_x=examples.held_x[:, chosen])
