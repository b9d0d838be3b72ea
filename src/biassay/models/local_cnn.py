"""Local networks on small images, with and without shared weights: the same graph, only the sharing differs.

Two 3x3 layers of stride 2 with ReLU, then an affine map to the classes. `conv` uses one kernel at all positions;
`local` has a kernel of its own at each (unshared, or locally connected). Both are matrix products of patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .mlp import Layer
from .small_cnn import patches

STRIDE = 2


class Local(NamedTuple):
    """A 3x3 layer. W: (positions, 9 c_in, c_out), b: (positions, c_out); 1 position where the weights are shared."""

    W: Float[Array, "p i o"]
    b: Float[Array, "p o"]


class LocalCNN(NamedTuple):
    """The local layers, and the affine map from their last channels at all positions to the classes."""

    local: tuple[Local, ...]
    head: Layer


def init(
    rng: np.random.Generator, side: int, channels: Sequence[int], classes: int, *, shared: bool, colours: int = 1
) -> LocalCNN:
    """Weights N(0, 2 / fan_in) in the local layers and N(0, 1 / fan_in) in the head, biases 0, in single precision.

    Args:
        rng: the source of the draws.
        side: of the square images, in pixels.
        channels: outputs of every local layer at a position.
        classes: outputs of the network.
        shared: whether all positions of a layer use the same weights (a convolution).
        colours: channels of the images.

    Raises:
        ValueError: no layer, a number of channels below 1, or images too small for the layers.
    """
    if not channels or min(channels) < 1:
        raise ValueError(f"channels must be numbers of at least 1, got {tuple(channels)}")
    if side < STRIDE ** len(channels):
        raise ValueError(f"side must be at least {STRIDE ** len(channels)} for {len(channels)} layers, got {side}")
    layers = []
    for fan_in, outputs in zip((colours, *channels), channels, strict=False):
        side = -(-side // STRIDE)
        positions = 1 if shared else side**2
        W = rng.normal(0, (2 / (9 * fan_in)) ** 0.5, (positions, 9 * fan_in, outputs))
        layers.append(Local(_single(W), _single(np.zeros((positions, outputs)))))
    features = side**2 * channels[-1]
    head = rng.normal(0, features**-0.5, (features, classes))
    return LocalCNN(tuple(layers), Layer(_single(head), _single(np.zeros(classes))))


def predict(params: LocalCNN, x: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    """Logits of a batch of images."""
    for layer in params.local:
        seen = patches(x, STRIDE)
        n, h, w, i = seen.shape
        if len(layer.W) == 1:
            out = seen.reshape(-1, i) @ layer.W[0] + layer.b[0]
        else:
            out = jnp.einsum("npi,pio->npo", seen.reshape(n, h * w, i), layer.W) + layer.b
        x = jax.nn.relu(out.reshape(n, h, w, -1))
    return x.reshape(len(x), -1) @ params.head.weight + params.head.bias


def _single(values: np.ndarray) -> Array:
    # Rounded by NumPy and put, not converted: JAX would compile a program for every shape.
    return jax.device_put(values.astype(np.float32))
