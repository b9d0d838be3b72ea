"""The architectures at a budget of parameters, all with tanh."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cache

import jax
import numpy as np
from jaxtyping import Array, PyTree

from ...models import tree
from .cells import WIDE
from .config import DEEP, LITERAL, SHALLOW, TREE

CHANNELS = {LITERAL: 1, TREE: 4}
"""Outputs r of every node."""


def network(architecture: str) -> Callable[[PyTree, Array], Array]:
    """(params, x) -> outputs."""
    return tree.predict if architecture in CHANNELS else tree.predict_dense


def start(rng: np.random.Generator, architecture: str, d: int, hidden: int) -> PyTree:
    """A network before training. hidden: units of a node, of every hidden layer, or of the only one."""
    if architecture in CHANNELS:
        return tree.init(rng, d, CHANNELS[architecture], hidden)
    layers = 1 if architecture == SHALLOW else d.bit_length() - 1
    return tree.init_dense(rng, (d, *[hidden] * layers, 1))


def count(params: PyTree) -> int:
    """The number of parameters, from the arrays."""
    return sum(np.size(leaf) for leaf in jax.tree.leaves(params))


@cache
def hidden_units(architecture: str, d: int, budget: int) -> int:
    """The width with the number of parameters nearest to the budget; for `WIDE`, the width that contains tree-4."""
    if architecture == WIDE:
        return d // 2 * hidden_units(TREE, d, budget)
    if architecture not in (*CHANNELS, DEEP, SHALLOW):
        raise ValueError(f"there is no architecture {architecture!r}")

    def parameters(hidden: int) -> int:
        return count(start(np.random.default_rng(0), architecture, d, hidden))

    # The number grows with the width, and no width has fewer parameters than units.
    above = 1 + bisect_left(range(1, budget + 1), budget, key=parameters)
    return min((h for h in (above - 1, above) if h >= 1), key=lambda h: abs(parameters(h) - budget))
