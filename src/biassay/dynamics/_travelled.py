"""How far a run has walked: any dynamics, with the length of its path in its state."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State


class TravelledState(NamedTuple):
    """inner: the state of the dynamics that moves; length: sum over the steps so far of |theta_{k+1} - theta_k|."""

    inner: State
    length: Float[Array, ""]


class Travelled(AbstractDynamics):
    """Moves as `inner` does, bit for bit, and adds up the Euclidean norms of the steps, over all leaves together.

    The length of the path is the final `state.length` of a simulation. To see it grow, stop and go on with `resume`.

    Args:
        inner: the dynamics that moves the parameters.
    """

    inner: AbstractDynamics

    def init(self, problem: Problem, params: PyTree) -> TravelledState:
        real = jnp.result_type(*jax.tree.leaves(params))
        return TravelledState(self.inner.init(problem, params), jnp.zeros((), real))

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return self.inner.noise(problem, key, start, length)

    def step(
        self, problem: Problem, params: PyTree, state: TravelledState, noise: Noise
    ) -> tuple[PyTree, TravelledState]:
        moved, inner = self.inner.step(problem, params, state.inner, noise)
        squares = jax.tree.map(lambda after, before: jnp.sum((after - before) ** 2), moved, params)
        return moved, TravelledState(inner, state.length + jnp.sqrt(jax.tree.reduce(jnp.add, squares)))

    def time_step(self, state: TravelledState) -> Scalar | float:
        return self.inner.time_step(state.inner)
