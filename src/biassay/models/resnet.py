"""ResNet18 and ResNet50: four stages of blocks, each block adding to what it was given.

    x <- relu(shortcut(x) + F(x)),     F of a basic block:  3x3, relu, 3x3,
                                       of a bottleneck:     1x1, relu, 3x3, relu, 1x1 with four times the channels,

every convolution without bias and followed by a batch norm. The stages have 64, 128, 256, 512 channels; each but the
first halves the image, by stride 2 in the first 3x3 convolution of its first block. The shortcut is the identity, or a
1x1 convolution and batch norm where the shape changes. In front a stem, at the end the mean over the pixels and one
affine map to the classes. Stem for CIFAR: 3x3, stride 1; for ImageNet: 7x7, stride 2, then 3x3 maximum, stride 2.

K. He, X. Zhang, S. Ren, J. Sun 2016, arXiv 1512.03385. There a bottleneck's first 1x1 has the stride, and CIFAR has
networks of its own; the stride in the 3x3 and the stem for CIFAR are what is usual today.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from . import batch_norm, conv_norm, pooling
from .batch_norm import Pass, Statistics
from .conv_norm import ConvNorm
from .convolution import channels
from .initialisation import draw
from .mlp import Layer
from .pooling import classify, stem_pool

Stem: TypeAlias = Literal["cifar", "imagenet"]

STAGES = (64, 128, 256, 512)
EXPANSION = 4
"""What a bottleneck's last convolution multiplies the channels by."""
_IMAGENET_SIDE = 7


class Form(NamedTuple):
    """How many blocks in each stage, and whether they are bottlenecks."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool


RESNET18 = Form((2, 2, 2, 2), bottleneck=False)
RESNET50 = Form((3, 4, 6, 3), bottleneck=True)


class Block(NamedTuple):
    """F's convolutions, and the shortcut's where it has one."""

    convolutions: tuple[ConvNorm, ...]
    shortcut: ConvNorm | None


class ResNet(NamedTuple):
    """The parameters. Their structure is the architecture: `predict` needs no other description."""

    stem: ConvNorm
    stages: tuple[tuple[Block, ...], ...]
    head: Layer


def init(
    key: Key[Array, ""],
    form: Form,
    classes: int,
    width: float = 1.0,
    stem: Stem = "cifar",
    colours: int = 3,
) -> tuple[ResNet, tuple[Statistics, ...]]:
    """Parameters in PyTorch's default initialisation, and running statistics, both float32.

    Args:
        key: of the random numbers.
        form: `RESNET18`, `RESNET50`, or another number of blocks.
        classes: outputs.
        width: multiplies the channels.
        stem: "cifar" for small images, "imagenet" for those of 224x224.
        colours: channels of the images.

    Raises:
        ValueError: classes below 1, a width that is not positive, or an unknown stem.
    """
    if stem not in ("cifar", "imagenet"):
        raise ValueError(f"stem must be cifar or imagenet, got {stem!r}")
    c, stages = channels(STAGES[0], width), []
    first = conv_norm.plan(_IMAGENET_SIDE if stem == "imagenet" else 3, colours, c)
    for stage, (base, blocks) in enumerate(zip(STAGES, form.blocks, strict=True)):
        k = channels(base, width)
        planned = []
        for index in range(blocks):
            planned.append(_block(c, k, form.bottleneck, _stride(stage, index)))
            c = EXPANSION * k if form.bottleneck else k
        stages.append(tuple(planned))
    params = draw(key, ResNet(first, tuple(stages), pooling.head(c, classes)))
    return params, batch_norm.initial_statistics(params)


def _block(c: int, k: int, bottleneck: bool, stride: int) -> Block:
    """A block from c channels to k (a bottleneck: to `EXPANSION` k), to be drawn."""
    sides, sizes = ((1, 3, 1), (c, k, k, EXPANSION * k)) if bottleneck else ((3, 3), (c, k, k))
    layers = tuple(conv_norm.plan(side, *pair) for side, pair in zip(sides, pairwise(sizes), strict=True))
    changes = stride > 1 or c != sizes[-1]
    return Block(layers, conv_norm.plan(1, c, sizes[-1]) if changes else None)


def _stride(stage: int, index: int) -> int:
    """Every stage but the first halves the image in its first block."""
    return 2 if stage > 0 and index == 0 else 1


def _residual(block: Block, norm: Pass, x: Float[Array, "b h w c"], stride: int, dtype: DTypeLike) -> Array:
    """relu(shortcut(x) + F(x))."""
    y = x
    strided = [layer.weight.shape[0] for layer in block.convolutions].index(3)
    for index, layer in enumerate(block.convolutions):
        y = conv_norm.apply(layer, norm, y, stride if index == strided else 1, dtype)
        if index < len(block.convolutions) - 1:
            y = jax.nn.relu(y)
    if block.shortcut is not None:
        x = conv_norm.apply(block.shortcut, norm, x, stride, dtype)
    return jax.nn.relu(x.astype(dtype) + y)


def _forward(params: ResNet, norm: Pass, x: Float[Array, "b h w c"], dtype: DTypeLike) -> Float[Array, "b k"]:
    if params.stem.weight.shape[0] == _IMAGENET_SIDE:
        x = stem_pool(jax.nn.relu(conv_norm.apply(params.stem, norm, x, 2, dtype)))
    else:
        x = jax.nn.relu(conv_norm.apply(params.stem, norm, x, 1, dtype))
    for stage, blocks in enumerate(params.stages):
        for index, block in enumerate(blocks):
            x = _residual(block, norm, x, _stride(stage, index), dtype)
    return classify(params.head, x)


def predict(
    params: ResNet, statistics: tuple[Statistics, ...], x: Float[Array, "b h w c"], dtype: DTypeLike = jnp.float32
) -> Float[Array, "b k"]:
    """Logits in evaluation mode, in the precision of the parameters; `dtype` is that of the convolutions."""
    return _forward(params, Pass(statistics, training=False), x, dtype)


def train(
    params: ResNet, statistics: tuple[Statistics, ...], x: Float[Array, "b h w c"], dtype: DTypeLike = jnp.float32
) -> tuple[Float[Array, "b k"], tuple[Statistics, ...]]:
    """Logits in training mode, and the running statistics after it.

    Raises:
        ValueError: one image so small that a channel holds a single number.
    """
    norm = Pass(statistics, training=True)
    return _forward(params, norm, x, dtype), tuple(norm.after)
