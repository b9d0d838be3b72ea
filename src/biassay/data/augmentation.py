"""Data augmentation, drawn afresh for every batch on the device."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def shift(
    key: Key[Array, ""], x: Float[Array, "b h w c"], reach: int = 1, fill: float = 0.0
) -> Float[Array, "b h w c"]:
    """Every image moved by its own whole number of pixels, uniform in -reach..reach along each axis.

    fill: the value of what comes in at the border; for normalised images that of a black pixel.
    """
    b, h, w, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)), constant_values=fill)
    corner = jax.random.randint(key, (2, b), 0, 2 * reach + 1)
    rows = corner[0][:, None] + jnp.arange(h)
    columns = corner[1][:, None] + jnp.arange(w)
    return padded[jnp.arange(b)[:, None, None], rows[:, :, None], columns[:, None, :]]
