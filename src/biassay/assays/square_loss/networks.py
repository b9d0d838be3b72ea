"""Digits as unit vectors, networks without biases, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Scalar

from ...data import digits
from ...dynamics import Normalised
from ...problem import Problem

Layers: TypeAlias = tuple[Float[Array, "fan_in fan_out"], ...]
"""W_1, ..., W_L, each acting as h W_l."""

PIXELS = 64
_DIGITS, _START = 400, 401
"""The streams of randomness of a seed: which digits, and the weights at the start."""


def key(seed: int, stream: int) -> Key[Array, ""]:
    """The key of a seed for the draws that belong to `stream`."""
    return jax.random.fold_in(jax.random.key(seed), stream)


def draw_digits(
    seed: int, classes: tuple[int, ...], images: int
) -> tuple[Float[np.ndarray, "images 64"], Int[np.ndarray, " images"]]:
    """`images` different digits, as many of every class, and the position of each one's class in `classes`.

    The pixels lie in 0..1, then the mean image is taken away and every image is scaled to norm 1.
    """
    shuffled = digits.split(key(seed, _DIGITS), digits.TOTAL - 1, 1)
    x, label = np.asarray(shuffled.x, float).reshape(-1, PIXELS), np.asarray(shuffled.y)
    chosen = np.concatenate([np.flatnonzero(label == own)[: images // len(classes)] for own in classes])
    x = x[chosen] - x[chosen].mean(axis=0)
    return x / np.linalg.norm(x, axis=1, keepdims=True), np.repeat(np.arange(len(classes)), images // len(classes))


def he_start(seed: int, widths: tuple[int, ...]) -> Layers:
    """Weights N(0, 2 / fan_in) (He et al., ICCV 2015)."""
    keys = jax.random.split(key(seed, _START), len(widths) - 1)
    return tuple(
        jax.random.normal(own, (fan_in, fan_out)) * (2 / fan_in) ** 0.5
        for own, (fan_in, fan_out) in zip(keys, pairwise(widths), strict=True)
    )


# --- networks ---------------------------------------------------------------------------------------------------------


def _outputs(activation: Callable[[Array], Array], layers: Layers, x: Float[Array, "b d"]) -> Float[Array, "b k"]:
    for W in layers[:-1]:
        x = activation(x @ W)
    return x @ layers[-1]


def relu_network(layers: Layers, x: Float[Array, "b d"]) -> Float[Array, "b k"]:
    """f_W(x) = relu(... relu(x W_1) ...) W_L, homogeneous in every layer."""
    return _outputs(jax.nn.relu, layers, x)


def smooth_network(layers: Layers, x: Float[Array, "b d"]) -> Float[Array, "b k"]:
    """The same with silu(2 z) = 2 z / (1 + exp(-2 z)) in the place of relu(z): no kinks, and not homogeneous."""
    return _outputs(lambda z: jax.nn.silu(2 * z), layers, x)


def binary_network(layers: Layers, x: Float[Array, "b d"]) -> Float[Array, " b"]:
    """f_W(x) of one output."""
    return relu_network(layers, x)[:, 0]


def scaled_network(params: Normalised, x: Float[Array, "b d"]) -> Float[Array, " b"]:
    """rho f_V(x)."""
    return params.rho * binary_network(params.layers, x)


def normalising_network(params: Normalised, x: Float[Array, "b d"]) -> Float[Array, " b"]:
    """rho f(x) with the layers v_k / |v_k|: weight normalization with one scale."""
    return params.rho * binary_network(tuple(v / jnp.linalg.norm(v) for v in params.layers), x)


# --- probes -----------------------------------------------------------------------------------------------------------


def scale(problem: Problem, params: Normalised) -> Scalar:
    """Scale rho of the network."""
    return params.rho


def margins(problem: Problem, params: Normalised) -> Float[Array, " n"]:
    """Margins m_n = y_n f_V(x_n) of the normalised network."""
    return problem.y * problem.predict(params._replace(rho=jnp.ones_like(params.rho)), problem.x)


def outputs(problem: Problem, params: Layers) -> Float[Array, " n"]:
    """Outputs y_n f_W(x_n)."""
    return problem.y * problem.predict(params, problem.x)


def layer_norms(problem: Problem, params: Layers) -> Float[Array, " layer"]:
    """Frobenius norms of the layers."""
    return jnp.stack([jnp.linalg.norm(W) for W in params])
