"""VGG16 with batch normalisation: 13 convolutions in five groups, each group halving the image at its end.

    3x3 convolution with bias, batch norm, relu:   64 64 | 128 128 | 256 256 256 | 512 512 512 | 512 512 512,
    | 2x2 maximum;   then the mean over the pixels left, and one affine map to the classes.

K. Simonyan and A. Zisserman 2014, arXiv 1409.1556, in the form usual for CIFAR: no layers of 4096 units, no dropout. At
32x32 one pixel is left; larger images, such as 224x224 with 7x7 left, run through the same network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

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
from .pooling import classify, max_pool

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions, group by group."""


class VGG(NamedTuple):
    """The parameters. Their structure is the architecture: `predict` needs no other description."""

    groups: tuple[tuple[ConvNorm, ...], ...]
    head: Layer


def init(
    key: Key[Array, ""],
    classes: int,
    width: float = 1.0,
    plan: Sequence[Sequence[int]] = VGG16,
    colours: int = 3,
) -> tuple[VGG, tuple[Statistics, ...]]:
    """Parameters in PyTorch's default initialisation, and running statistics, both float32.

    Args:
        key: of the random numbers.
        classes: outputs.
        width: multiplies the channels.
        plan: channels of the convolutions at width 1, group by group.
        colours: channels of the images.

    Raises:
        ValueError: classes below 1, or a width that is not positive.
    """
    c, groups = colours, []
    for group in plan:
        sizes = (c, *(channels(base, width) for base in group))
        groups.append(tuple(conv_norm.plan(3, *pair, bias=True) for pair in pairwise(sizes)))
        c = sizes[-1]
    params = draw(key, VGG(tuple(groups), pooling.head(c, classes)))
    return params, batch_norm.initial_statistics(params)


def _forward(params: VGG, norm: Pass, x: Float[Array, "b h w c"], dtype: DTypeLike) -> Float[Array, "b k"]:
    for group in params.groups:
        for layer in group:
            x = jax.nn.relu(conv_norm.apply(layer, norm, x, dtype=dtype))
        x = max_pool(x)
    return classify(params.head, x)


def predict(
    params: VGG, statistics: tuple[Statistics, ...], x: Float[Array, "b h w c"], dtype: DTypeLike = jnp.float32
) -> Float[Array, "b k"]:
    """Logits in evaluation mode, in the precision of the parameters; `dtype` is that of the convolutions.

    Raises:
        ValueError: images below 32x32.
    """
    return _forward(params, Pass(statistics, training=False), x, dtype)


def train(
    params: VGG, statistics: tuple[Statistics, ...], x: Float[Array, "b h w c"], dtype: DTypeLike = jnp.float32
) -> tuple[Float[Array, "b k"], tuple[Statistics, ...]]:
    """Logits in training mode, and the running statistics after it. Raises as `predict`."""
    norm = Pass(statistics, training=True)
    return _forward(params, norm, x, dtype), tuple(norm.after)
