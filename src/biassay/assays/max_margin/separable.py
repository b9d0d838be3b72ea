"""Three kinds of separable data: with a symmetry, generic, and with more dimensions than points.

All are drawn by `numpy.random.default_rng(seed + i)` for the i-th set, in the order in which the text names the draws;
rows are points and there is no intercept.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .panel import Points

_SUPPORT = np.array([[0.5, 1.5], [1.5, 0.5]])
_OTHERS = 6
_CLEAR = 2.6


def draw_symmetric(seed: int, seeds: int) -> Points:
    """Sixteen points in the plane whose support vectors mirror each other; the margin is sqrt 2 along (1, 1).

    The support vectors (.5, 1.5) and (1.5, .5) have the label +1, their negatives -1. Six further points a class are
    uniform on [-1, 4]^2, kept where x_1 + x_2 > 2.6, and negated for the label -1. The support vectors span the plane,
    so that w - w_hat log t has the same limit from any start, and by their symmetry it is parallel to w_hat: the
    direction comes in at a power of t, and the general law 1 / log t needs other data, or copies of one of them.
    """

    def one(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        halves = []
        for label in (1, -1):
            others: list[np.ndarray] = []
            while len(others) < _OTHERS:
                point = rng.uniform(-1, 4, size=2)
                if point.sum() > _CLEAR:
                    others.append(point)
            halves.append(label * np.vstack([_SUPPORT, others]))
        return np.vstack(halves), np.repeat([1.0, -1.0], len(_SUPPORT) + _OTHERS)

    return _drawn(one, seed, seeds)


def draw_generic(seed: int, seeds: int, n: int = 40, d: int = 10) -> Points:
    """w_t ~ N(0, I), then n points x ~ N(0, I) with labels sign(x.w_t), each moved by .3 y w_t / |w_t|."""

    def one(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        teacher, x = rng.normal(size=d), rng.normal(size=(n, d))
        y = np.sign(x @ teacher)
        return x + 0.3 * y[:, None] * teacher / np.linalg.norm(teacher), y

    return _drawn(one, seed, seeds)


def draw_wide(seed: int, seeds: int, n: int = 20, d: int = 30) -> Points:
    """n points x ~ N(0, I), then n random signs: separable for n <= d, whatever the labels."""

    def one(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return rng.normal(size=(n, d)), rng.choice([-1.0, 1.0], size=n)

    return _drawn(one, seed, seeds)


def _drawn(one: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]], seed: int, seeds: int) -> Points:
    x, y = zip(*[one(np.random.default_rng(seed + i)) for i in range(seeds)], strict=True)
    return Points(np.stack(x), np.stack(y), seed)
