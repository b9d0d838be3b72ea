"""The networks that are compared: their names, their places, and their weights as filters."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from ...models.plain_cnn import Architecture, PlainCNN, filters
from ...references.norm_bounds import Geometry, convolutional_geometry

Matrices: TypeAlias = tuple[Float[Array, "_ _"], ...]
Weights: TypeAlias = list[Float[np.ndarray, "_ _ _ _"]]
"""Of all layers, (out, in, k, k) each, the top last."""


class Design(NamedTuple):
    """`depth` convolutions with square kernels, and a dense top."""

    kernel: int
    stride: int
    padding: int
    depth: int

    def geometry(self, side: int) -> Geometry:
        """Locations and degrees on images of `side` pixels."""
        return convolutional_geometry(side, *self)

    def architecture(self, channels: tuple[int, ...]) -> Architecture:
        """The network with these channels, one number a convolution.

        Raises:
            ValueError: not `depth` numbers of channels.
        """
        if len(channels) != self.depth:
            raise ValueError(f"channels must be {self.depth} numbers, got {channels}")
        return Architecture(self.kernel, self.stride, self.padding, channels)


DESIGNS = {
    "2x2/2 x3": Design(2, 2, 0, 3),
    "3x3 x3": Design(3, 1, 1, 3),
    "3x3 x5": Design(3, 1, 1, 5),
    "3x3/2 x3": Design(3, 2, 1, 3),
}
"""The convolutional networks on the digits: kernel / stride x depth, a stride of 1 left out."""
DENSE = "dense"
"""The name of the dense network beside them."""


def dense(params: Matrices, x: Float[Array, "b ..."]) -> Float[Array, "b outputs"]:
    """The dense network without biases: relu after every matrix but the last."""
    hidden = x.reshape(x.shape[0], -1)
    for weight in params[:-1]:
        hidden = jax.nn.relu(hidden @ weight)
    return hidden @ params[-1]


def dense_init(key: Key[Array, ""], sizes: tuple[int, ...]) -> Matrices:
    """Weights N(0, 2 / fan_in) (He et al., ICCV 2015) between layers of these sizes."""
    shapes = tuple(pairwise(sizes))
    own = jax.random.split(key, len(shapes))
    return tuple(jax.random.normal(k, shape) * (2 / shape[0]) ** 0.5 for k, shape in zip(own, shapes, strict=True))


def convolutional_weights(params: PlainCNN, kernel: int) -> Weights:
    """All layers as (out, in, k, k) in double precision, the top last: its places are inputs of one tap."""
    convolutions = [filters(np.asarray(weight, float), kernel) for weight in params.kernels]
    return [*convolutions, np.asarray(params.top, float).T[:, :, None, None]]


def dense_weights(params: tuple[Float[np.ndarray, "_ _"], ...]) -> Weights:
    """All matrices as filters of one tap, in double precision."""
    return [np.asarray(weight, float).T[:, :, None, None] for weight in params]
