"""Digits as unit vectors, networks without biases, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Scalar
from sklearn.datasets import load_digits

from ...dynamics import Normalised
from ...problem import Problem

Layers: TypeAlias = tuple[Float[Array, "_ _"], ...]
"""W_1, ..., W_L, each (fan_in, fan_out) and acting as h W_l."""

_DIGITS, _START = 0, 1
"""The streams of randomness of a seed: which digits, and the weights at the start."""


@cache
def _all_digits() -> tuple[Float[np.ndarray, "1797 64"], Int[np.ndarray, " 1797"]]:
    x, labels = map(np.asarray, load_digits(return_X_y=True))
    return x / 16, labels


def draw_digits(
    seed: int, classes: tuple[int, ...], images: int
) -> tuple[Float[np.ndarray, "images 64"], Int[np.ndarray, " images"]]:
    """`images` different digits, as many of every class, and the position of each one's class in `classes`.

    The pixels lie in 0..1, then the mean image is taken away and every image is scaled to norm 1.
    """
    x, labels = _all_digits()
    rng, each = np.random.default_rng([seed, _DIGITS]), images // len(classes)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == own))[:each] for own in classes])
    x = x[chosen] - x[chosen].mean(axis=0)
    return x / np.linalg.norm(x, axis=1, keepdims=True), np.repeat(np.arange(len(classes)), each)


def he_start(seed: int, widths: tuple[int, ...]) -> tuple[Float[np.ndarray, "_ _"], ...]:
    """Weights N(0, 2 / fan_in) (He et al., ICCV 2015)."""
    rng = np.random.default_rng([seed, _START])
    return tuple(rng.normal(0, (2 / fan_in) ** 0.5, (fan_in, fan_out)) for fan_in, fan_out in pairwise(widths))


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


def risk(problem: Problem, params: Normalised) -> Scalar:
    """Mean squared error of the network itself, without the penalty."""
    return problem.risk(params)


def outputs(problem: Problem, params: Layers) -> Float[Array, " n"]:
    """Outputs y_n f_W(x_n)."""
    return problem.y * problem.predict(params, problem.x)


def layer_norms(problem: Problem, params: Layers) -> Float[Array, " layer"]:
    """Frobenius norms of the layers."""
    return jnp.stack([jnp.linalg.norm(W) for W in params])
