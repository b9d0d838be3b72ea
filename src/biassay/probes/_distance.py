"""Distances between parameters, over all leaves together."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import PyTree, Scalar


def distance(a: PyTree, b: PyTree) -> Scalar:
    """d(a, b) = sqrt(sum over all leaves |a - b|^2)."""
    return jnp.sqrt(sum(jnp.sum((x - y) ** 2) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)))


def norm(params: PyTree) -> Scalar:
    """|params| = sqrt(sum over all leaves |leaf|^2)."""
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params)))
