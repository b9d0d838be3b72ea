"""Gradient descent in another geometry: a fixed diagonal preconditioner, and AdaGrad with the full matrix."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State


class PreconditionedDescent(AbstractDynamics):
    """w <- w - lr D grad R(w) with a fixed diagonal D > 0: gradient descent for the norm w^T D^{-1} w.

    Args:
        lr: step size.
        D: the diagonal, of the structure and shapes of the parameters.
    """

    lr: Any
    D: PyTree

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        return jax.tree.map(lambda w, d, g: w - self.lr * d * g, params, self.D, problem.gradient(params)), state

    def time_step(self, state: State) -> Scalar | float:
        return self.lr


class FullMatrixAdaGrad(AbstractDynamics):
    """w <- w - lr P g with G the sum of all g g^T so far and P = (G + epsilon I)^{-1/2}. Its state is G, (d, d).

    P is a function of G + epsilon I, so that it maps the span of the gradients into itself. Adding epsilon to the
    root instead, P = (G^{1/2} + epsilon I)^{-1}, has the same property on paper; in floating point it multiplies
    the round-off in the null space of G by 1/epsilon. Duchi, Hazan, Singer, JMLR 12, 2011.

    Args:
        lr: step size.
        epsilon: regularization, in the units of g^2 inside the root and of g outside.
        inside: whether epsilon is added inside the root.
    """

    lr: Any
    epsilon: Any = 1e-4
    inside: bool = eqx.field(static=True, default=True)

    def init(self, problem: Problem, params: PyTree) -> Float[Array, "d d"]:
        flat, _ = ravel_pytree(params)
        return jnp.zeros((flat.size, flat.size), flat.dtype)

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(
        self, problem: Problem, params: PyTree, state: Float[Array, "d d"], noise: Noise
    ) -> tuple[PyTree, Float[Array, "d d"]]:
        g, unravel = ravel_pytree(problem.gradient(params))
        G = state + jnp.outer(g, g)
        spectrum, basis = jnp.linalg.eigh(G)
        spectrum = jnp.maximum(spectrum, 0.0)
        root = jnp.sqrt(spectrum + self.epsilon) if self.inside else jnp.sqrt(spectrum) + self.epsilon
        move = unravel(basis @ ((basis.T @ g) / root))
        return jax.tree.map(lambda w, m: w - self.lr * m, params, move), G

    def time_step(self, state: State) -> Scalar | float:
        return self.lr
