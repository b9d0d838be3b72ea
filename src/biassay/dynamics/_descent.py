"""Gradient descent and stochastic gradient descent, with momentum and weight decay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Batch, Problem
from ._base import AbstractDynamics, Noise, State
from ._sampling import Sampling, batch_indices, check_sampling

StepSize: TypeAlias = Any  # a number, or an optax-style schedule: step -> number
Augment: TypeAlias = Callable[[Key[Array, ""], Array], Array]


class DescentState(NamedTuple):
    """Momentum buffer (None without momentum), the number of steps taken, and batch statistics (None without)."""

    velocity: PyTree
    steps: Int[Array, ""]
    statistics: PyTree = None


def step_size(lr: StepSize, step: Int[Array, ""]) -> Any:
    """The step size at `step`: `lr` itself, or `lr(step)` for a schedule."""
    return lr(step) if callable(lr) else lr


def descend(
    params: PyTree, gradient: PyTree, state: DescentState, lr: StepSize, momentum: Any, nesterov: bool, decay: Any
) -> tuple[PyTree, DescentState]:
    """v <- momentum v + g + decay w;  w <- w - lr v  (Nesterov: w <- w - lr (g + decay w + momentum v)).

    Without momentum v is the gradient itself. This is the convention of PyTorch's SGD (no dampening).
    """
    if decay is not None:
        gradient = jax.tree.map(lambda g, w: g + decay * w, gradient, params)
    velocity = direction = gradient
    if momentum is not None:
        velocity = jax.tree.map(lambda v, g: momentum * v + g, state.velocity, gradient)
        direction = jax.tree.map(lambda g, v: g + momentum * v, gradient, velocity) if nesterov else velocity
    rate = step_size(lr, state.steps)
    params = jax.tree.map(lambda w, d: w - rate * d, params, direction)
    return params, DescentState(velocity if momentum is not None else None, state.steps + 1, state.statistics)


def rest(params: PyTree, momentum: Any) -> DescentState:
    """The state before the first step: no velocity."""
    velocity = None if momentum is None else jax.tree.map(jnp.zeros_like, params)
    return DescentState(velocity, jnp.zeros((), jnp.int32))


class GradientDescent(AbstractDynamics):
    """Full-batch gradient descent: w <- w - lr grad R(w).

    Args:
        lr: step size, or a schedule step -> step size.
        momentum: heavy ball's beta, or None.
        nesterov: look ahead (Nesterov 1983) instead of heavy ball (Polyak 1964).
        weight_decay: adds weight_decay * w to the gradient, or None.
    """

    lr: StepSize
    momentum: Any = None
    nesterov: bool = eqx.field(static=True, default=False)
    weight_decay: Any = None

    def init(self, problem: Problem, params: PyTree) -> DescentState:
        return rest(params, self.momentum)._replace(statistics=problem.statistics)

    def statistics(self, state: State) -> PyTree:
        return state.statistics

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        gradient, statistics = problem.training_gradient(params, state.statistics)
        state = state._replace(statistics=statistics)
        return descend(params, gradient, state, self.lr, self.momentum, self.nesterov, self.weight_decay)

    def time_step(self, state: State) -> Scalar | float:
        return step_size(self.lr, state.steps)


class SGD(AbstractDynamics):
    """Stochastic gradient descent over mini-batches.

    Args:
        lr, momentum, nesterov, weight_decay: as in `GradientDescent`.
        batch_size: examples a step.
        sampling: "epochs" (a fresh permutation an epoch, incomplete last batch dropped), "independent" (with
            replacement), "subset" (without replacement inside a batch, batches independent) or "window" (neighbours
            from a uniform place on, the first examples following the last: in one piece in memory, for examples whose
            order means nothing).
        augment: (key, x of shape (b, ...)) -> augmented x, applied to every batch with fresh randomness, or None.

    Raises:
        ValueError: batch_size below 1, or an unknown sampling.
    """

    lr: StepSize
    batch_size: int = eqx.field(static=True, default=1)
    sampling: Sampling = eqx.field(static=True, default="epochs")
    momentum: Any = None
    nesterov: bool = eqx.field(static=True, default=False)
    weight_decay: Any = None
    augment: Augment | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        check_sampling(self.batch_size, self.sampling)

    def init(self, problem: Problem, params: PyTree) -> DescentState:
        return rest(params, self.momentum)._replace(statistics=problem.statistics)

    def statistics(self, state: State) -> PyTree:
        return state.statistics

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        order, transform = jax.random.split(key)
        indices = batch_indices(order, start, length, problem.size, self.batch_size, self.sampling)
        keys = None if self.augment is None else super().noise(problem, transform, start, length)
        return indices, keys

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        indices, key = noise
        batch = problem.batch(indices)
        if self.augment is not None:
            batch = Batch(self.augment(key, batch.x), batch.y)
        gradient, statistics = problem.training_gradient(params, state.statistics, batch)
        state = state._replace(statistics=statistics)
        return descend(params, gradient, state, self.lr, self.momentum, self.nesterov, self.weight_decay)

    def time_step(self, state: State) -> Scalar | float:
        return step_size(self.lr, state.steps)
