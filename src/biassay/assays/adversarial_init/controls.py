"""NC2: the random initialisation with the norms of the adversarial one, its scale without what it memorised."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree


def norm_matched(params: PyTree, target: PyTree) -> PyTree:
    """Every leaf of `params` rescaled to the norm of the same leaf of `target`; a leaf of zeros stays."""

    def matched(leaf: Array, other: Array) -> Array:
        size = jnp.linalg.norm(leaf)
        return leaf * jnp.where(size > 0, jnp.linalg.norm(other) / jnp.where(size > 0, size, 1), 1)

    return jax.tree.map(matched, params, target)
