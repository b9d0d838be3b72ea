"""DenseNet-BC for images like CIFAR's: every layer sees the outputs of all layers before it in its block.

    x <- [x, F(x)],     F:  batch norm, relu, 1x1 to 4 growth channels, batch norm, relu, 3x3 to growth channels,

over three blocks of (depth - 4) / 6 layers. Before them a 3x3 convolution to 2 growth channels; between them a
transition: batch norm, relu, 1x1 to half of the channels, 2x2 mean. At the end batch norm, relu, the mean over the
pixels and one affine map to the classes. No convolution has a bias. Depth 40 and growth 12 give six layers a block.

G. Huang, Z. Liu, L. van der Maaten, K. Weinberger 2017, arXiv 1608.06993. Convolutions start from N(0, 2 / fan_out),
the head from PyTorch's default.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from . import batch_norm, conv_norm, pooling
from .batch_norm import BatchNorm, Pass, Statistics
from .conv_norm import ConvNorm
from .convolution import channels, convolve
from .initialisation import draw, he_fan_out
from .mlp import Layer
from .pooling import classify, mean_pool

BLOCKS = 3
WIDENING = 4
"""Channels of a bottleneck over the growth."""


class DenseLayer(NamedTuple):
    """F. bottleneck: (1, 1, c, 4 growth) and the batch norm behind it; convolution: (3, 3, 4 growth, growth)."""

    norm: BatchNorm
    bottleneck: ConvNorm
    convolution: Float[Array, "side side c k"]


class Transition(NamedTuple):
    """What halves the channels and the image between two blocks. convolution: (1, 1, c, c // 2)."""

    norm: BatchNorm
    convolution: Float[Array, "side side c k"]


class Block(NamedTuple):
    """Layers, and the transition to the next block; None after the last."""

    layers: tuple[DenseLayer, ...]
    transition: Transition | None


class DenseNet(NamedTuple):
    """The parameters. Their structure is the architecture: `predict` needs no other description."""

    stem: Float[Array, "side side c k"]
    blocks: tuple[Block, ...]
    norm: BatchNorm
    head: Layer


def init(
    key: Key[Array, ""],
    classes: int,
    width: float = 1.0,
    depth: int = 40,
    growth: int = 12,
    colours: int = 3,
) -> tuple[DenseNet, tuple[Statistics, ...]]:
    """Parameters and running statistics, both float32.

    Args:
        key: of the random numbers.
        classes: outputs.
        width: multiplies the growth, and with it all channels.
        depth: layers with weights along a path, 4 and a multiple of 6.
        growth: channels that a layer adds, at width 1.
        colours: channels of the images.

    Raises:
        ValueError: classes below 1, a width that is not positive, or a depth that is not 10, 16, 22, ...
    """
    layers, rest = divmod(depth - 4, 2 * BLOCKS)
    if layers < 1 or rest:
        raise ValueError(f"depth must be 4 and a multiple of {2 * BLOCKS} (40, 100, ...), got {depth}")
    k = channels(growth, width)
    c, blocks = 2 * k, []
    stem = he_fan_out((3, 3, colours, c))
    for index in range(BLOCKS):
        dense = tuple(_layer(c + layer * k, k) for layer in range(layers))
        c += layers * k
        if index < BLOCKS - 1:
            blocks.append(Block(dense, Transition(batch_norm.init(c), he_fan_out((1, 1, c, c // 2)))))
            c //= 2
        else:
            blocks.append(Block(dense, None))
    params = draw(key, DenseNet(stem, tuple(blocks), batch_norm.init(c), pooling.head(c, classes)))
    return params, batch_norm.initial_statistics(params)


def _layer(c: int, k: int) -> DenseLayer:
    """F from c channels to k, to be drawn."""
    middle = WIDENING * k
    bottleneck = ConvNorm(he_fan_out((1, 1, c, middle)), None, batch_norm.init(middle))
    return DenseLayer(batch_norm.init(c), bottleneck, he_fan_out((3, 3, middle, k)))


def _forward(params: DenseNet, norm: Pass, x: Float[Array, "b h w c"], dtype: DTypeLike) -> Float[Array, "b k"]:
    relu = jax.nn.relu
    x = convolve(x, params.stem, dtype=dtype)
    for layers, transition in params.blocks:
        for layer in layers:
            y = relu(conv_norm.apply(layer.bottleneck, norm, relu(norm(layer.norm, x)), dtype=dtype))
            x = jnp.concatenate([x, convolve(y, layer.convolution, dtype=dtype)], axis=-1)
        if transition is not None:
            x = mean_pool(convolve(relu(norm(transition.norm, x)), transition.convolution, dtype=dtype))
    return classify(params.head, relu(norm(params.norm, x)))


def predict(
    params: DenseNet, statistics: tuple[Statistics, ...], x: Float[Array, "b h w c"], dtype: DTypeLike = jnp.float32
) -> Float[Array, "b k"]:
    """Logits in evaluation mode, in the precision of the parameters; `dtype` is that of the convolutions.

    Raises:
        ValueError: images below 4x4.
    """
    return _forward(params, Pass(statistics, training=False), x, dtype)


def train(
    params: DenseNet, statistics: tuple[Statistics, ...], x: Float[Array, "b h w c"], dtype: DTypeLike = jnp.float32
) -> tuple[Float[Array, "b k"], tuple[Statistics, ...]]:
    """Logits in training mode, and the running statistics after it. Raises as `predict`."""
    norm = Pass(statistics, training=True)
    return _forward(params, norm, x, dtype), tuple(norm.after)
