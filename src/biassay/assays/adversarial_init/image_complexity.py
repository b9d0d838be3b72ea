"""The complexity measures of an image network: every batch norm is folded into the convolution before it.

What is left are affine maps. Those that nothing precedes (in DenseNet) stay: they are perturbed as parameters are, and
count among the paths, but they are no layers of weights. All is computed on normalised images.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ...complexity import MeasuredLayer
from ...models import conv_norm
from ...models.batch_norm import EPS, BatchNorm, Statistics
from ...models.conv_norm import ConvNorm
from ...models.mlp import Layer
from .complexity_of_minima import Measures, measures_of
from .image_network import Weights, normalised
from .image_training import Stream, Study, key
from .in_chunks import in_chunks


class Affine(NamedTuple):
    """A convolution with its batch norm folded in. weight: (side, side, c, k), shift: (k,)."""

    weight: Float[Array, "side side c k"]
    shift: Float[Array, " k"]


def folded(weights: Weights) -> PyTree:
    """The network in evaluation mode as affine maps: its leaves are weights and biases, and no batch norm's scale
    stands beside a weight."""
    network, _ = conv_norm.fold(weights.params, weights.statistics)
    return jax.tree.map(
        lambda node: Affine(node.weight, node.norm.shift) if isinstance(node, ConvNorm) else node,
        network,
        is_leaf=_unit,
    )


@cache
def predict_folded(net_predict: Callable[..., Array]) -> Callable[[PyTree, Array], Array]:
    """(what `folded` returns, normalised images) -> logits, in the precision of the parameters."""

    def predict(network: PyTree, x: Float[Array, "b h w c"]) -> Float[Array, "b k"]:
        neutral = []

        def unit(node: Any) -> Any:
            if not isinstance(node, (Affine, BatchNorm)):
                return node
            neutral.append(Statistics(jnp.zeros_like(node.shift), jnp.full_like(node.shift, 1 - EPS)))
            if isinstance(node, BatchNorm):
                return node
            return ConvNorm(node.weight, None, BatchNorm(jnp.ones_like(node.shift), node.shift))

        params = jax.tree.map(unit, network, is_leaf=lambda node: isinstance(node, (Affine, BatchNorm)))
        # `dtype` is that of the convolutions, whatever the network was trained in.
        return in_chunks(lambda index: net_predict(params, tuple(neutral), x[index], dtype=x.dtype), x.shape)

    return jax.jit(predict)


def layers_of(network: PyTree) -> list[MeasuredLayer]:
    """The layers of weights in the order of a pass, (out, in, k, k) and the head (out, in)."""

    def measured(weight: Array, bias: np.ndarray | None = None) -> MeasuredLayer:
        return MeasuredLayer(np.moveaxis(np.asarray(weight), (-1, -2), (0, 1)), bias)

    nodes = jax.tree.leaves(network, is_leaf=lambda node: isinstance(node, (Affine, BatchNorm, Layer)))
    return [
        # In DenseNet a convolution that no batch norm follows is an array of its own.
        measured(node[0], np.asarray(node[1])) if isinstance(node, (Affine, Layer)) else measured(node)
        for node in nodes
        if not isinstance(node, BatchNorm)
    ]


def complexity_of(study: Study, weights: Weights, images: int) -> Measures:
    """Every measure of a minimum on the first `images` training images with their true labels; distances are from the
    random initialisation."""
    scale = tuple(study.source.mean), tuple(study.source.deviation)
    return measures_of(
        predict_folded(study.net.predict),
        folded(weights),
        folded(study.start),
        layers_of,
        normalised(study.images.x[:images], *scale),
        study.images.y[:images],
        key(study.seed, Stream.NOISE),
        at_once=1,
    )


def _unit(node: Any) -> bool:
    return isinstance(node, (ConvNorm, BatchNorm))
