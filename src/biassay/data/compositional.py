"""Targets on R^d: composed along one binary tree, along none, and along every one.

    x ~ U[-sqrt 3, sqrt 3]^d (variance 1 a coordinate), d = 2^L

`tree`: at every node h = (g(a, b) - mean) / deviation of its two children's values a, b, with a constituent g of its
own; the coordinates of x are the leaves and the target is the root. g is analytic,

    g(a, b) = sum_{k=1..6} c_k cos(w_k . (a, b) + p_k),      w_k ~ N(0, 0.6^2 I),  c_k ~ N(0, 1),  p_k ~ U[0, 2 pi],

or of finite smoothness m, with 64 frequencies and a unit vector u_k of uniform direction,

    g(a, b) = sum_{k=1..64} k^-(m + 1/2) z_k cos(0.6 k u_k . (a, b) + p_k),      z_k ~ N(0, 1).

`generic`: sum_{j=1..64} c_j cos(w_j . x + p_j), |w_j| = 2 of uniform direction: every coordinate interacts with every
other. `ridge`: sin(2 u . x + 1/2), |u| = 1: one direction, composed along every tree (sums, and the sine at the root).

All in NumPy, so that a new target compiles nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

SCALE = 0.6
"""Deviation s of the frequencies. Larger ones make targets that are nearly unlearnable at the sizes used here."""
EDGE = 3**0.5
"""x lies in [-EDGE, EDGE]^d."""
_TERMS = 6
_FREQUENCIES = 64
_NODE_POINTS = 20_000


def inputs(rng: np.random.Generator, n: int, d: int) -> Float[np.ndarray, "n d"]:
    """n points, uniform in the cube, of unit variance."""
    return rng.uniform(-EDGE, EDGE, (n, d))


@dataclass(frozen=True)
class Cosines:
    """sum_k c_k cos(w_k . u + p_k). w: (terms, inputs); c and p: (terms,)."""

    w: Float[np.ndarray, "k i"]
    c: Float[np.ndarray, " k"]
    p: Float[np.ndarray, " k"]

    def __call__(self, u: Float[np.ndarray, "n i"]) -> Float[np.ndarray, " n"]:
        """The values at n points."""
        return np.cos(u @ self.w.T + self.p) @ self.c

    def gradient(self, u: Float[np.ndarray, "n i"]) -> Float[np.ndarray, "n i"]:
        """The gradients at n points."""
        return -(np.sin(u @ self.w.T + self.p) * self.c) @ self.w


@dataclass(frozen=True)
class Node:
    """A constituent, standardized: (g(a, b) - mean) / deviation."""

    g: Cosines
    mean: float
    deviation: float

    def __call__(self, pair: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
        """The values at n pairs."""
        return (self.g(pair) - self.mean) / self.deviation


@dataclass(frozen=True)
class Composition:
    """A target composed along the tree: `levels[0]` holds the d/2 nodes that read x, `levels[-1]` the root."""

    levels: tuple[tuple[Node, ...], ...]

    def __call__(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """The target at n points."""
        for level in self.levels:
            x = np.stack([node(x[:, 2 * j : 2 * j + 2]) for j, node in enumerate(level)], axis=1)
        return x[:, 0]

    def mean_slope(self, x: Float[np.ndarray, "n d"]) -> float:
        """The mean of |grad g| over the nodes and the points that reach them: how errors grow from level to level."""
        sizes = []
        for level in self.levels:
            pairs = [x[:, 2 * j : 2 * j + 2] for j in range(len(level))]
            sizes += [
                np.linalg.norm(node.g.gradient(u), axis=1) / node.deviation
                for node, u in zip(level, pairs, strict=True)
            ]
            x = np.stack([node(u) for node, u in zip(level, pairs, strict=True)], axis=1)
        return float(np.mean(sizes))


def tree(rng: np.random.Generator, d: int, smoothness: int | None = None) -> Composition:
    """A target composed along the tree on d = 2^L coordinates; `smoothness` is m, None for analytic constituents.

    Mean and deviation of every node are those on 20,000 points.

    Raises:
        ValueError: d is no power of 2, or smoothness is below 1.
    """
    if d < 2 or d & (d - 1):
        raise ValueError(f"d must be a power of 2, at least 2, got {d}")
    if smoothness is not None and smoothness < 1:
        raise ValueError(f"smoothness must be at least 1, got {smoothness}")
    signal, levels = inputs(rng, _NODE_POINTS, d), []
    while signal.shape[1] > 1:
        level = []
        for j in range(0, signal.shape[1], 2):
            g = _analytic(rng) if smoothness is None else _finite(rng, smoothness)
            values = g(signal[:, j : j + 2])
            level.append(Node(g, float(values.mean()), float(values.std())))
        signal = np.stack([node(signal[:, 2 * j : 2 * j + 2]) for j, node in enumerate(level)], axis=1)
        levels.append(tuple(level))
    return Composition(tuple(levels))


def _analytic(rng: np.random.Generator) -> Cosines:
    w, c = rng.normal(0, SCALE, (_TERMS, 2)), rng.normal(size=_TERMS)
    return Cosines(w, c, rng.uniform(0, 2 * np.pi, _TERMS))


def _finite(rng: np.random.Generator, m: int) -> Cosines:
    k = np.arange(1, _FREQUENCIES + 1)
    c = k ** -(m + 0.5) * rng.normal(size=_FREQUENCIES)
    return Cosines(SCALE * k[:, None] * _directions(rng, _FREQUENCIES, 2), c, rng.uniform(0, 2 * np.pi, _FREQUENCIES))


def generic(rng: np.random.Generator, d: int) -> Cosines:
    """A target without structure: 64 waves of length pi across all coordinates."""
    w, c = 2 * _directions(rng, 64, d), rng.normal(size=64)
    return Cosines(w, c, rng.uniform(0, 2 * np.pi, 64))


def ridge(rng: np.random.Generator, d: int) -> Cosines:
    """A target of one direction, sin(2 u . x + 1/2)."""
    # sin(z) = cos(z - pi / 2)
    return Cosines(2 * _directions(rng, 1, d), np.ones(1), np.array([0.5 - np.pi / 2]))


def _directions(rng: np.random.Generator, k: int, d: int) -> Float[np.ndarray, "k d"]:
    drawn = rng.normal(size=(k, d))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def wrong_order(d: int) -> tuple[int, ...]:
    """An order of the coordinates in which no two siblings of the tree are siblings: every s-th one, then the next.

    s = 2^floor(L / 2); for d = 4, 8, 16 it begins 0, 2; 0, 2, 4, 6; 0, 4, 8, 12. A random order would not do: for d = 4
    it keeps the tree one time in three.

    Raises:
        ValueError: d is no power of 2, or below 4 (every order of two coordinates keeps the tree).
    """
    if d < 4 or d & (d - 1):
        raise ValueError(f"d must be a power of 2, at least 4, got {d}")
    stride = 2 ** ((d.bit_length() - 1) // 2)
    return tuple(i for first in range(stride) for i in range(first, d, stride))


def keeps_tree(order: Sequence[int]) -> bool:
    """Whether an order of the coordinates is the tree again: subtrees may change places with their siblings only.

    These are 2^(d-1) of the d! orders.
    """
    if len(order) <= 2:
        return True
    left, right = order[: len(order) // 2], order[len(order) // 2 :]
    blocks = [{i // len(left) for i in half} for half in (left, right)]
    if any(len(block) != 1 for block in blocks):
        return False
    return keeps_tree([i % len(left) for i in left]) and keeps_tree([i % len(right) for i in right])


def linear_residual(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> float:
    """The share of the variance of y that no linear function of x explains (below 0.3 a target is too easy)."""
    design = np.column_stack([x, np.ones(len(x))])
    fitted, *_ = np.linalg.lstsq(design, y)
    return float(np.var(y - design @ fitted) / np.var(y))
