"""Smaller images: 2x2 and 3x3 pooling; and the head, the mean over all pixels in front of the classes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .initialisation import torch_default
from .mlp import Layer


def max_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b h//2 w//2 c"]:
    """The largest of every 2x2 pixels; an odd last row or column is left out.

    Each gradient goes to one pixel, of equal ones to the first. That of `jnp.max` goes to the pixels which equal the
    maximum: there may be none where XLA computes them twice and rounds differently.

    Raises:
        ValueError: a side below 2.
    """
    four = _squares(x)
    rows = _larger(four[:, :, :, :, 0], four[:, :, :, :, 1])
    return _larger(rows[:, :, 0], rows[:, :, 1])


def mean_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b h//2 w//2 c"]:
    """The mean of every 2x2 pixels; an odd last row or column is left out.

    Raises:
        ValueError: a side below 2.
    """
    return jnp.mean(_squares(x), axis=(2, 4))


def _larger(a: Float[Array, "*n"], b: Float[Array, "*n"]) -> Float[Array, "*n"]:
    return jnp.where((a >= b) | jnp.isnan(a), a, b)


def _squares(x: Float[Array, "b h w c"]) -> Float[Array, "b h//2 2 w//2 2 c"]:
    """Views of the 2x2 pixels: their gradient is far quicker than a window's, which XLA scatters."""
    b, h, w, c = x.shape
    if min(h, w) < 2:
        raise ValueError(f"2x2 pooling met an image of {h}x{w} pixels: give the network larger images")
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c)


def stem_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b -(-h//2) -(-w//2) c"]:
    """The largest of the 3x3 pixels around every second one, as after the first convolution for ImageNet."""
    padding = ((0, 0), (1, 1), (1, 1), (0, 0))
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), padding)


def head(c: int, classes: int) -> Layer:
    """The affine map from c features to the classes in PyTorch's default, to be drawn.

    Raises:
        ValueError: classes below 1.
    """
    if classes < 1:
        raise ValueError(f"classes must be at least 1, got {classes}")
    return Layer(torch_default((c, classes), c), torch_default((classes,), c))


def classify(head: Layer, x: Float[Array, "b h w c"]) -> Float[Array, "b k"]:
    """Logits: the affine map of the mean over the pixels, in the precision of the weights."""
    return jnp.mean(x.astype(head.weight.dtype), axis=(1, 2)) @ head.weight + head.bias
