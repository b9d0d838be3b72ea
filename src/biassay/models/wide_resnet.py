"""Wide residual networks (WRN-28-1 and others) for images like CIFAR's: three groups of pre-activation blocks.

    h = relu(norm(x)),    F(h):  3x3, batch norm, relu, 3x3,    x <- x + F(h)               where the shape stays,
                                                                x <- (1x1 of h) + F(h)      where it changes.

A depth of 6 n + 4 has n blocks in each group, of 16 k, 32 k and 64 k channels with the widening factor k; each group
but the first halves the image, by stride 2 in the first 3x3 and in the 1x1 of its first block. In front a 3x3
convolution to 16 channels whatever k; at the end batch norm, relu, the mean over the pixels and one affine map to the
classes. No convolution has a bias. WRN-28-1 is depth 28 with k = 1.

S. Zagoruyko and N. Komodakis 2016, arXiv 1605.07146. Convolutions start from N(0, 2 / fan_out), the head from N(0,
2 / (fan_in + fan_out)) with zero biases, as in the demonstration of random labels by C. Zhang
(https://github.com/pluskid/fitting-random-labels).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from . import batch_norm, conv_norm
from .batch_norm import BatchNorm, Pass, Statistics
from .conv_norm import ConvNorm
from .convolution import channels, convolve
from .initialisation import draw, glorot_normal, he_fan_out
from .mlp import Layer
from .pooling import classify

STEM = 16
GROUPS = (16, 32, 64)
"""Channels of the groups at widening factor 1."""


class Block(NamedTuple):
    """F and what is in front of it. first: (3, 3, c, k) and the batch norm behind it; second: (3, 3, k, k);
    shortcut: (1, 1, c, k), or None where the shape stays."""

    norm: BatchNorm
    first: ConvNorm
    second: Float[Array, "side side k k"]
    shortcut: Float[Array, "one one c k"] | None


class WideResNet(NamedTuple):
    """The parameters. Their structure is the architecture: `predict` needs no other description."""

    stem: Float[Array, "side side colours c"]
    groups: tuple[tuple[Block, ...], ...]
    norm: BatchNorm
    head: Layer


def init(
    key: Key[Array, ""],
    classes: int,
    width: float = 1.0,
    depth: int = 28,
    colours: int = 3,
) -> tuple[WideResNet, tuple[Statistics, ...]]:
    """Parameters and running statistics, both float32.

    Args:
        key: of the random numbers.
        classes: outputs.
        width: the widening factor k; it multiplies the channels of the groups, not those of the stem.
        depth: layers with weights along a path, 4 and a multiple of 6.
        colours: channels of the images.

    Raises:
        ValueError: classes below 1, a width that is not positive, or a depth that is not 10, 16, 22, 28, ...
    """
    n, rest = divmod(depth - 4, 2 * len(GROUPS))
    if n < 1 or rest:
        raise ValueError(f"depth must be 4 and a multiple of {2 * len(GROUPS)} (16, 28, 40, ...), got {depth}")
    if classes < 1:
        raise ValueError(f"classes must be at least 1, got {classes}")
    c, groups = STEM, []
    for group, base in enumerate(GROUPS):
        k = channels(base, width)
        planned = []
        for index in range(n):
            planned.append(_block(c, k, _stride(group, index)))
            c = k
        groups.append(tuple(planned))
    head = Layer(glorot_normal((c, classes)), jnp.zeros(classes, jnp.float32))
    plan = WideResNet(he_fan_out((3, 3, colours, STEM)), tuple(groups), batch_norm.init(c), head)
    params = draw(key, plan)
    return params, batch_norm.initial_statistics(params)


def _block(c: int, k: int, stride: int) -> Block:
    """A block from c channels to k, to be drawn."""
    first = ConvNorm(he_fan_out((3, 3, c, k)), None, batch_norm.init(k))
    changes = stride > 1 or c != k
    shortcut = he_fan_out((1, 1, c, k)) if changes else None
    return Block(batch_norm.init(c), first, he_fan_out((3, 3, k, k)), shortcut)


def _stride(group: int, index: int) -> int:
    """Every group but the first halves the image in its first block."""
    return 2 if group > 0 and index == 0 else 1


def _residual(block: Block, norm: Pass, x: Float[Array, "b h w c"], stride: int, dtype: DTypeLike) -> Array:
    """x + F(h), or the 1x1 of h + F(h)."""
    h = jax.nn.relu(norm(block.norm, x))
    y = jax.nn.relu(conv_norm.apply(block.first, norm, h, stride, dtype))
    y = convolve(y, block.second, dtype=dtype)
    return y + (x if block.shortcut is None else convolve(h, block.shortcut, stride, dtype))


def _forward(params: WideResNet, norm: Pass, x: Float[Array, "b h w c"], dtype: DTypeLike) -> Float[Array, "b k"]:
    x = convolve(x, params.stem, dtype=dtype)
    for group, blocks in enumerate(params.groups):
        for index, block in enumerate(blocks):
            x = _residual(block, norm, x, _stride(group, index), dtype)
    return classify(params.head, jax.nn.relu(norm(params.norm, x)))


def predict(
    params: WideResNet, statistics: tuple[Statistics, ...], x: Float[Array, "b h w c"], dtype: DTypeLike = jnp.float32
) -> Float[Array, "b k"]:
    """Logits in evaluation mode, in the precision of the parameters; `dtype` is that of the convolutions."""
    return _forward(params, Pass(statistics, training=False), x, dtype)


def train(
    params: WideResNet, statistics: tuple[Statistics, ...], x: Float[Array, "b h w c"], dtype: DTypeLike = jnp.float32
) -> tuple[Float[Array, "b k"], tuple[Statistics, ...]]:
    """Logits in training mode, and the running statistics after it.

    Raises:
        ValueError: one image so small that a channel holds a single number.
    """
    norm = Pass(statistics, training=True)
    return _forward(params, norm, x, dtype), tuple(norm.after)
