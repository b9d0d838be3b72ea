"""A small convolutional network whose convolutions are matrix products.

On a CPU a convolution inside a loop on the device, or mapped over kernels, is many times slower than the product of
the patches with the kernel; a product is also what lanes of networks share well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .mlp import Layer

STRIDES = (1, 1, 2)
"""Strides of the three convolutions."""


class SmallCNN(NamedTuple):
    """3x3 convolutions as layers with weights (9 c_in, c_out), and the affine map to the classes."""

    convolutions: tuple[Layer, ...]
    head: Layer


def init(key: Key[Array, ""], channels: Sequence[int], side: int, classes: int, colours: int = 1) -> SmallCNN:
    """Weights N(0, 2 / fan_in) in the convolutions and N(0, 1 / fan_in) in the head, biases 0.

    channels: of the three convolutions; side: of the square images in pixels, at least 2.

    Raises:
        ValueError: not three channel numbers of at least 1, or a side below 2.
    """
    if len(channels) != len(STRIDES) or min(channels) < 1:
        raise ValueError(f"channels must be {len(STRIDES)} numbers of at least 1, got {tuple(channels)}")
    if side < 2:
        raise ValueError(f"side must be at least 2, got {side}")
    *keys, last = jax.random.split(key, len(channels) + 1)
    layers = []
    for layer_key, fan_in, fan_out in zip(keys, (colours, *channels), channels, strict=False):
        weight = jax.random.normal(layer_key, (9 * fan_in, fan_out)) * (2 / (9 * fan_in)) ** 0.5
        layers.append(Layer(weight, jnp.zeros(fan_out)))
    features = (-(-side // 2)) ** 2 * channels[-1]
    head = Layer(jax.random.normal(last, (features, classes)) * features**-0.5, jnp.zeros(classes))
    return SmallCNN(tuple(layers), head)


def patches(x: Float[Array, "b h w c"], stride: int) -> Float[Array, "b -(-h//{stride}) -(-w//{stride}) 9*c"]:
    """The 3x3 neighbourhoods of every `stride`-th pixel, zeros beyond the border ("SAME": the odd row of padding
    comes last)."""
    h, w = (-(-size // stride) for size in x.shape[1:3])
    padding = [max((out - 1) * stride + 3 - size, 0) for out, size in zip((h, w), x.shape[1:3], strict=True)]
    padded = jnp.pad(x, ((0, 0), *((total // 2, total - total // 2) for total in padding), (0, 0)))
    reach = ((h - 1) * stride + 1, (w - 1) * stride + 1)
    shifted = [padded[:, i : i + reach[0] : stride, j : j + reach[1] : stride] for i in range(3) for j in range(3)]
    return jnp.concatenate(shifted, axis=-1)


def convolve(
    x: Float[Array, "b h w c"], layer: Layer, stride: int
) -> Float[Array, "b -(-h//{stride}) -(-w//{stride}) k"]:
    """The 3x3 convolution with SAME padding, plus its bias."""
    return patches(x, stride) @ layer.weight + layer.bias


def predict(params: SmallCNN, x: Float[Array, "b h w c"]) -> Float[Array, "b k"]:
    """Logits: relu after every convolution, then the head on all features."""
    for layer, stride in zip(params.convolutions, STRIDES, strict=True):
        x = jax.nn.relu(convolve(x, layer, stride))
    return x.reshape(x.shape[0], -1) @ params.head.weight + params.head.bias
