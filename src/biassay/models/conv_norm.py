"""A convolution followed by batch normalisation, and folding the second into the first.

In evaluation mode batch normalisation is y = a x + b, channel by channel. Behind a convolution with weight W and bias c
that is a convolution with weight a W and bias b + a c: the pair is folded into one affine map. Behind anything else it
stays, as the affine map that it is. The measures of complexity that are products over layers are meant for folded
networks: W alone says nothing where a batch norm rescales it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PyTree

from . import batch_norm
from .batch_norm import EPS, BatchNorm, Pass, Statistics
from .convolution import convolve
from .initialisation import torch_default


class ConvNorm(NamedTuple):
    """Convolution, then batch norm. weight: (side, side, c, k), bias: (k,) or None."""

    weight: Float[Array, "side side c k"]
    bias: Float[Array, " k"] | None
    norm: BatchNorm


def plan(side: int, c: int, k: int, bias: bool = False) -> ConvNorm:
    """PyTorch's defaults, to be drawn: weights and biases U(-1/sqrt(fan_in), 1/sqrt(fan_in)), scale 1, shift 0."""
    fan_in = side * side * c
    weight = torch_default((side, side, c, k), fan_in)
    return ConvNorm(weight, torch_default((k,), fan_in) if bias else None, batch_norm.init(k))


def apply(
    layer: ConvNorm, norm: Pass, x: Float[Array, "b h w c"], stride: int = 1, dtype: DTypeLike = jnp.float32
) -> Float[Array, "b -(-h//{stride}) -(-w//{stride}) k"]:
    """The normalised convolution, in `dtype`."""
    y = convolve(x, layer.weight, stride, dtype)
    return norm(layer.norm, y if layer.bias is None else y + layer.bias.astype(dtype))


def fold(params: PyTree, statistics: Iterable[Statistics]) -> tuple[PyTree, tuple[Statistics, ...]]:
    """The same network in evaluation mode, with every batch norm behind a convolution folded into it.

    All running statistics become neutral (mean 0 and variance 1 - eps, so that no factor 1/sqrt(1 + eps) is left). A
    folded batch norm has scale 1, and its shift is the bias of the affine map, all of it; one that cannot be folded has
    scale a and shift b. Folding again changes nothing.

    Raises:
        ValueError: statistics of another number of batch norms.
    """
    before = iter(statistics)
    neutral = []

    def folded(node: Any) -> Any:
        if not isinstance(node, (ConvNorm, BatchNorm)):
            return node
        own = next(before, None)
        if own is None:
            raise ValueError(f"there are statistics of {len(neutral)} batch norms, and more batch norms than that")
        a, b = batch_norm.affine(node.norm if isinstance(node, ConvNorm) else node, own)
        neutral.append(Statistics(jnp.zeros_like(a), jnp.full_like(a, 1 - EPS)))
        if isinstance(node, BatchNorm):
            return BatchNorm(a, b)
        weight = node.weight * a
        if node.bias is None:
            return ConvNorm(weight, None, BatchNorm(jnp.ones_like(a), b))
        return ConvNorm(weight, jnp.zeros_like(a), BatchNorm(jnp.ones_like(a), b + a * node.bias))

    network = jax.tree.map(folded, params, is_leaf=_is_unit)
    if next(before, None) is not None:
        raise ValueError(f"there are statistics of more than the {len(neutral)} batch norms of this network")
    return network, tuple(neutral)


def weights_in_order(params: PyTree, statistics: Iterable[Statistics]) -> tuple[Array, ...]:
    """The weights of the folded network in the order of a pass, the last dimension counting the outputs.

    Convolutions (side, side, c, k), then the head (features, classes); a shortcut's comes after those of its block.
    """
    folded, _ = fold(params, statistics)
    return tuple(leaf for leaf in jax.tree.leaves(folded) if leaf.ndim > 1)


def unfolded(params: PyTree, statistics: Iterable[Statistics]) -> tuple[BatchNorm, ...]:
    """The batch norms that cannot be folded, in the order of a pass, as the affine maps y = scale x + shift.

    VGG and ResNet have none. In DenseNet, whose layers normalise what many convolutions have brought together, they are
    all but the one inside each bottleneck.
    """
    folded, _ = fold(params, statistics)
    return tuple(node for node in jax.tree.leaves(folded, is_leaf=_is_unit) if isinstance(node, BatchNorm))


def _is_unit(node: Any) -> bool:
    return isinstance(node, (ConvNorm, BatchNorm))
