"""Images without their structure: one permutation for all, a permutation for each, or nothing but noise.

The inputs of Zhang, Bengio, Hardt, Recht and Vinyals, ICLR 2017, arXiv 1611.03530. A pixel is a place of the image:
all its channels move together. The last three axes of a batch are height, width, channels.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key


def permutation(key: Key[Array, ""], height: int, width: int) -> Int[Array, " pixels"]:
    """A uniform permutation of the places 0..height*width-1 of an image, counted row by row."""
    return jax.random.permutation(key, height * width)


def shuffled(order: Int[Array, " pixels"], x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Every image with place i holding what was at place order[i].

    One order for the training and the test images removes the neighbourhood of pixels and keeps everything else;
    `jnp.argsort(order)` restores the images.
    """
    n, h, w, c = x.shape
    return x.reshape(n, h * w, c)[:, order].reshape(x.shape)


def random_pixels(key: Key[Array, ""], x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Every image with its pixels in an order of its own; each keeps its pixels' values and loses their places."""
    n, h, w, c = x.shape
    orders = jax.vmap(lambda own: jax.random.permutation(own, h * w))(jax.random.split(key, n))
    return jnp.take_along_axis(x.reshape(n, h * w, c), orders[:, :, None], axis=1).reshape(x.shape)


def gaussian(key: Key[Array, ""], x: Float[Array, "n h w c"], mean: float, deviation: float) -> Float[Array, "n h w c"]:
    """Independent normal numbers in the shape of `x`, none of whose values is used."""
    return mean + deviation * jax.random.normal(key, x.shape, x.dtype)
