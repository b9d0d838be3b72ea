"""Steepest descent with respect to a norm other than the Euclidean."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State
from ._descent import StepSize, step_size


class SteepestDescent(AbstractDynamics):
    """Steepest descent for the l_p norm: w <- w - lr argmax_v (g.v - |v|_p^2 / 2), g the full gradient.

    With 1/p + 1/q = 1 the direction is |g|_q^{2-q} sign(g) |g|^{q-1}; p = 2 is gradient descent. Gunasekar, Lee,
    Soudry, Srebro, "Characterizing Implicit Bias in Terms of Optimization Geometry", ICML 2018, arXiv 1802.08246.

    Args:
        lr: step size, or a schedule step -> step size.
        p: the norm, 1 < p < inf.
    """

    lr: StepSize
    p: Any

    def init(self, problem: Problem, params: PyTree) -> Int[Array, ""]:
        return jnp.zeros((), jnp.int32)

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        gradient = problem.gradient(params)
        q = self.p / (self.p - 1)
        norm = sum(jnp.sum(jnp.abs(g) ** q) for g in jax.tree.leaves(gradient)) ** (1 / q)
        unit = jnp.where(norm > 0, norm, 1.0)
        scale = step_size(self.lr, state) * norm

        def move(w: Array, g: Array) -> Array:
            return w - scale * jnp.sign(g) * (jnp.abs(g) / unit) ** (q - 1)

        return jax.tree.map(move, params, gradient), state + 1

    def time_step(self, state: State) -> Scalar | float:
        return step_size(self.lr, state)


class SignDescent(AbstractDynamics):
    """w <- w - lr sign(g): the direction of steepest descent for the largest coordinate, g the full gradient.

    Its steps do not shrink with the gradient, so that only a decaying step size reaches a minimum.

    Args:
        lr: step size, or a schedule step -> step size.
    """

    lr: StepSize

    def init(self, problem: Problem, params: PyTree) -> Int[Array, ""]:
        return jnp.zeros((), jnp.int32)

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        lr = step_size(self.lr, state)
        gradient = problem.gradient(params)
        return jax.tree.map(lambda w, g: w - lr * jnp.sign(g), params, gradient), state + 1

    def time_step(self, state: State) -> Scalar | float:
        return step_size(self.lr, state)
