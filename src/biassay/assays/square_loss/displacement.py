"""How far one step takes the weights, relative to their size: the noise that is left at the end of training.

The measure is the mean over the layers of |W_{t+1} - W_t| / |W_t| in Frobenius norms, per step or over any fixed number
of steps, such as an epoch; always say which. A probe sees only the parameters, so that these keep where they were.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ...dynamics import AbstractDynamics
from ...problem import Problem


class Remembered(NamedTuple):
    """now: the parameters; before: the parameters some steps ago, of the same structure."""

    now: PyTree
    before: PyTree


def at_rest(params: PyTree) -> Remembered:
    """Parameters that have not moved yet."""
    return Remembered(params, params)


class RememberingState(NamedTuple):
    """inner: the state of the dynamics that moves; steps: how many were taken."""

    inner: Any
    steps: Int[Array, ""]


class Remembering(AbstractDynamics):
    """Moves `now` as `inner` does, bit for bit, and keeps as `before` where it was `every` steps ago.

    Exactly so at the multiples of `every`, the steps to record; in between `before` is where the last multiple was.
    The parameters are `Remembered(now, before)`, the problem's network takes what is `now`.

    Args:
        inner: the dynamics that moves.
        every: steps between `before` and `now`, at least 1.

    Raises:
        ValueError: `every` below 1.
    """

    inner: AbstractDynamics
    every: int = eqx.field(static=True, default=1)

    def __check_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every must be at least 1, got {self.every}")

    def init(self, problem: Problem, params: PyTree) -> RememberingState:
        return RememberingState(self.inner.init(problem, params.now), jnp.zeros((), jnp.int32))

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Any:
        return self.inner.noise(problem, key, start, length)

    def step(self, problem: Problem, params: PyTree, state: Any, noise: Any) -> tuple[PyTree, RememberingState]:
        now, inner = self.inner.step(problem, params.now, state.inner, noise)
        new = state.steps % self.every == 0
        before = jax.tree.map(lambda here, kept: jnp.where(new, here, kept), *params)
        return Remembered(now, before), RememberingState(inner, state.steps + 1)

    def time_step(self, state: Any) -> Scalar | float:
        return self.inner.time_step(state.inner)


def relative_displacement(problem: Problem, params: Remembered) -> Scalar:
    """Mean over the layers of |W - W_before| / |W_before|."""
    shares = jax.tree.map(lambda W, V: jnp.linalg.norm(W - V) / jnp.linalg.norm(V), *params)
    return jnp.mean(jnp.stack(jax.tree.leaves(shares)))


def current_risk(problem: Problem, params: Remembered) -> Scalar:
    """Training loss: mean squared error, summed over the outputs."""
    return problem.risk(params.now)
