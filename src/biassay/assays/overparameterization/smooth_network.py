"""The network of the shortest path: one smooth hidden layer that is trained, under output signs that are not.

    f_i(theta) = sum_k v_k act(x_i . w_k),   act(z) = softplus(4 z) / 4,   v_k = +-1/sqrt(m) alternating and fixed,

theta = W of shape (m, d), its rows the w_k. The paper's loss is |r|^2 / 2 with r = f - y, a *sum* over the points: the
problem names that aggregate, so that the step size of the engine is the paper's eta, theta <- theta - eta J^T r. (With
the package's usual mean the same run would have the step size n eta.)
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import expit

from ...problem import Problem, half_squared_error

SHARPNESS = 4.0
"""act(z) = softplus(SHARPNESS z) / SHARPNESS, act'(z) = sigmoid(SHARPNESS z): a smooth ReLU, so that J is Lipschitz."""


def output_signs(m: int) -> Float[np.ndarray, " m"]:
    """v = (1, -1, 1, ...) / sqrt(m)."""
    return np.where(np.arange(m) % 2 == 0, 1.0, -1.0) / np.sqrt(m)


def predict(W: Float[Array, "m d"], x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """f(theta) on n inputs."""
    return jax.nn.softplus(SHARPNESS * (x @ W.T)) / SHARPNESS @ output_signs(len(W))


def gradient(W: Float[Array, "m d"], x: Float[Array, "n d"], y: Float[Array, " n"]) -> Float[Array, "m d"]:
    """J^T r: its row k is sum_i r_i v_k act'(x_i . w_k) x_i. One exponential serves act and act'."""
    z, v = SHARPNESS * (x @ W.T), output_signs(len(W))
    decay = jnp.exp(-jnp.abs(z))
    r = (jnp.maximum(z, 0) + jnp.log1p(decay)) / SHARPNESS @ v - y
    slopes = jnp.where(z >= 0, 1.0, decay) / (1 + decay)
    return (r[:, None] * slopes * v).T @ x


def least_squares(x: Float[Array, "*seeds n d"], y: Float[Array, "*seeds n"]) -> Problem:
    """Minimise |f(theta) - y|^2 / 2. A leading axis of seeds makes the problems of a `PerSeed`."""
    return Problem(predict, x, y, half_squared_error, gradient_rule=gradient, aggregate=jnp.sum)


def outputs(W: Float[np.ndarray, "m d"], x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """f(theta) on the host, in NumPy."""
    return np.logaddexp(0, SHARPNESS * (x @ W.T)) / SHARPNESS @ output_signs(len(W))


def jacobian(W: Float[np.ndarray, "m d"], x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n p"]:
    """J = df/dtheta with p = m d, the neurons one after another: J_{i,(k,a)} = v_k act'(x_i . w_k) x_ia."""
    slopes = expit(SHARPNESS * (x @ W.T)) * output_signs(len(W))
    return (slopes[:, :, None] * x[:, None, :]).reshape(len(x), W.size)


def pull_back(
    W: Float[np.ndarray, "m d"], x: Float[np.ndarray, "n d"], r: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "m d"]:
    """J^T r without J, on the host."""
    slopes = expit(SHARPNESS * (x @ W.T)) * output_signs(len(W))
    return (r[:, None] * slopes).T @ x


def tangent_kernel(W: Float[np.ndarray, "m d"], x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
    """K = J J^T without J: K_ij = (x_i . x_j) sum_k v_k^2 act'(x_i . w_k) act'(x_j . w_k)."""
    slopes = expit(SHARPNESS * (x @ W.T)) * output_signs(len(W))
    return (x @ x.T) * (slopes @ slopes.T)
