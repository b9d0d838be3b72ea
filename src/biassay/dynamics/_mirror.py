"""Mirror descent: gradient descent on the dual variable of a potential."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State


class MirrorDescent(AbstractDynamics):
    """Mirror descent with the potential psi(w) = |w|_p^p / p: theta <- theta - lr grad R(w), theta = grad psi(w).

    theta = sign(w) |w|^{p-1} and w = sign(theta) |theta|^{q-1} with 1/p + 1/q = 1; p = 2 is gradient descent. The
    state is theta. Nemirovski and Yudin 1983; the bias: Gunasekar et al., ICML 2018, arXiv 1802.08246.

    Args:
        lr: step size.
        p: the potential's exponent, 1 < p < inf.
    """

    lr: Any
    p: Any

    def init(self, problem: Problem, params: PyTree) -> PyTree:
        return jax.tree.map(lambda w: jnp.sign(w) * jnp.abs(w) ** (self.p - 1), params)

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        theta = jax.tree.map(lambda t, g: t - self.lr * g, state, problem.gradient(params))
        q = self.p / (self.p - 1)
        return jax.tree.map(lambda t: jnp.sign(t) * jnp.abs(t) ** (q - 1), theta), theta

    def time_step(self, state: State) -> Scalar | float:
        return self.lr
