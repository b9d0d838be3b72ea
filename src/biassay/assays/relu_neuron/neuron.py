"""One neuron under the square loss, as a problem.

L(w) = 1/2 sum_i (f(w, x_i) - y_i)^2 with f = relu(w . x), the linear w . x, or softplus(4 w . x) / 4, a smooth stand-in
for ReLU that is not homogeneous. The derivative of ReLU at 0 is 0 here (JAX's convention), so that nothing moves from
w = 0: the object is the limit of small starts w_0 = epsilon X^T y, which are in the direction of the flow at 0+.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models.linear_regression import sum_of_squares
from ...problem import Problem
from ...simulation import PerSeed

Neuron: TypeAlias = Callable[[Float[Array, " d"], Float[Array, "n d"]], Float[Array, " n"]]


def relu_neuron(w: Float[Array, " d"], x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """relu(w . x) for points as rows."""
    return jax.nn.relu(x @ w)


def softplus_neuron(w: Float[Array, " d"], x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """softplus(4 w . x) / 4, within log(2) / 4 of ReLU."""
    return jax.nn.softplus(4 * x @ w) / 4


def neuron_problems(
    neuron: Neuron, X: Float[np.ndarray, "lane n d"], y: Float[np.ndarray, "lane n"]
) -> PerSeed[Problem]:
    """One problem a lane."""
    return PerSeed(Problem(neuron, jnp.asarray(X), jnp.asarray(y), sum_of_squares))


def small_start(
    X: Float[np.ndarray, "lane n d"], y: Float[np.ndarray, "lane n"], epsilon: float
) -> Float[np.ndarray, "lane d"]:
    """epsilon X^T y for every lane."""
    return epsilon * np.einsum("lnd,ln->ld", X, y)


def relu_loss(
    X: Float[np.ndarray, "lane n d"], y: Float[np.ndarray, "lane n"], w: Float[np.ndarray, "lane d"]
) -> Float[np.ndarray, " lane"]:
    """L(w) of the ReLU neuron for every lane."""
    return ((np.maximum(np.einsum("lnd,ld->ln", X, w), 0) - y) ** 2).sum(axis=1) / 2
