"""The multi-layer perceptron: x -> W_L relu(... relu(W_1 x + b_1) ...) + b_L, as a plain pytree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

Scheme: TypeAlias = Literal["he", "uniform"]


class Layer(NamedTuple):
    """An affine map x -> x W + b. weight: (in, out), bias: (out,)."""

    weight: Float[Array, "fan_in fan_out"]
    bias: Float[Array, " fan_out"]


MLP: TypeAlias = tuple[Layer, ...]


def init(key: Key[Array, ""], sizes: Sequence[int], scheme: Scheme = "he") -> MLP:
    """Layers of widths sizes[0], ..., sizes[-1].

    scheme: "he" draws weights from N(0, 2 / fan_in), biases 0 (He et al., ICCV 2015); "uniform" draws both from
        U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default.

    Raises:
        ValueError: fewer than two widths, a width below 1, or an unknown scheme.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"an MLP needs at least two widths, each at least 1, got {tuple(sizes)}")
    if scheme not in ("he", "uniform"):
        raise ValueError(f"scheme must be he or uniform, got {scheme!r}")
    layers = []
    for layer_key, fan_in, fan_out in zip(jax.random.split(key, len(sizes) - 1), sizes, sizes[1:], strict=False):
        if scheme == "he":
            weight = jax.random.normal(layer_key, (fan_in, fan_out)) * (2 / fan_in) ** 0.5
            layers.append(Layer(weight, jnp.zeros(fan_out)))
        else:
            drawn = jax.random.uniform(layer_key, (fan_in + 1, fan_out), minval=-1.0) * fan_in**-0.5
            layers.append(Layer(drawn[:-1], drawn[-1]))
    return tuple(layers)


def predict(params: MLP, x: Float[Array, "b ..."]) -> Float[Array, "b k"]:
    """Outputs of the last layer for inputs of any shape, flattened."""
    hidden = x.reshape(x.shape[0], -1)
    for layer in params[:-1]:
        hidden = jax.nn.relu(hidden @ layer.weight + layer.bias)
    return hidden @ params[-1].weight + params[-1].bias


def predict_scalar(params: MLP, x: Float[Array, "b ..."]) -> Float[Array, " b"]:
    """The single output of a network with one, shape (b,)."""
    return predict(params, x)[:, 0]
