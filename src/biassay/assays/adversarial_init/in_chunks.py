"""A function of images that do not fit into the device's memory all at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped

PIXELS = 2**20
"""About as many pixels are looked at together: 1024 images of CIFAR-10, 20 of 224x224."""


def in_chunks(
    function: Callable[[Int[Array, " b"]], Shaped[Array, "b ..."]], shape: tuple[int, ...]
) -> Shaped[Array, "n ..."]:
    """function(indices of images) -> one value for each, for all images of an array of this `shape` (n, h, w, ...).

    Where they fit into one chunk there is no loop: on a CPU convolutions are slow inside of one.
    """
    n = shape[0]
    chunk = max(1, PIXELS // math.prod(shape[1:3]))
    if n <= chunk:
        return function(jnp.arange(n))
    chunks = -(-n // chunk)
    numbers = jnp.minimum(jnp.arange(chunks * chunk), n - 1).reshape(chunks, chunk)
    values = jax.lax.map(function, numbers)
    return values.reshape(-1, *values.shape[2:])[:n]
