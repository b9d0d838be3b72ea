"""Data augmentation, drawn afresh for every batch on the device; images are floats, or the bytes 0..255."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Num


def shift(
    key: Key[Array, ""], x: Num[Array, "b h w c"], reach: int = 1, fill: float | Float[Array, " c"] = 0.0
) -> Num[Array, "b h w c"]:
    """Every image moved by its own whole number of pixels, uniform in -reach..reach along each axis.

    That is a random crop of the original size from the image with `reach` pixels of padding on every side.

    fill: the value of what comes in at the border, for all channels or for each; for normalised images that of a
    black pixel.
    """
    b, h, w, c = x.shape
    border = jnp.broadcast_to(jnp.asarray(fill, x.dtype), (b, h + 2 * reach, w + 2 * reach, c))
    padded = border.at[:, reach : reach + h, reach : reach + w].set(x)
    corner = jax.random.randint(key, (2, b), 0, 2 * reach + 1)
    rows = corner[0][:, None] + jnp.arange(h)
    columns = corner[1][:, None] + jnp.arange(w)
    return padded[jnp.arange(b)[:, None, None], rows[:, :, None], columns[:, None, :]]


def flip(key: Key[Array, ""], x: Num[Array, "b h w c"]) -> Num[Array, "b h w c"]:
    """Every image mirrored left to right with probability 1/2, each by a draw of its own."""
    mirrored = jax.random.bernoulli(key, 0.5, (x.shape[0],))
    return jnp.where(mirrored[:, None, None, None], x[:, :, ::-1], x)


def crop_and_flip(
    key: Key[Array, ""], x: Num[Array, "b h w c"], pad: int = 4, fill: float | Float[Array, " c"] = 0.0
) -> Num[Array, "b h w c"]:
    """The usual augmentation of CIFAR: a random crop of the image padded by `pad`, then a random mirror image.

    fill: the value of the padding, as in `shift`.
    """
    to_crop, to_flip = jax.random.split(key)
    return flip(to_flip, shift(to_crop, x, pad, fill))
