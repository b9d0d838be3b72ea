"""Any Optax gradient transformation as a dynamics."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import optax
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Batch, Problem
from ._base import AbstractDynamics, Noise, State
from ._sampling import Sampling, batch_indices, check_sampling

# The number of no epoch: what batches are drawn from is not what a transformation draws from.
_NO_EPOCH = 2**32 - 1


class OptaxState(NamedTuple):
    """The transformation's own state, and batch statistics (None without)."""

    inner: Any
    statistics: PyTree = None


class Optax(AbstractDynamics):
    """w <- w + update, with the update of an `optax.GradientTransformation`.

    A transformation that takes extra arguments is given the batch as `inputs` and a fresh random `key` of every seed
    and step, as `biassay.dynamics.label_noise` wants them.

    Args:
        transformation: e.g. `optax.adam(1e-3)`. Its hyper-parameters hide in a closure; to sweep them give `simulate`
            a function, `lambda lr: Optax(optax.adam(lr))`.
        batch_size: examples a step, None for all of them.
        sampling: as in `SGD`.
        dt: what a step adds to the time axis; by default 1, as Optax does not tell its step size.

    Raises:
        ValueError: batch_size below 1, or an unknown sampling.
    """

    transformation: optax.GradientTransformation = eqx.field(static=True)
    batch_size: int | None = eqx.field(static=True, default=None)
    sampling: Sampling = eqx.field(static=True, default="epochs")
    dt: Any = 1.0

    def __check_init__(self) -> None:
        check_sampling(self.batch_size, self.sampling)

    def init(self, problem: Problem, params: PyTree) -> State:
        return OptaxState(self.transformation.init(params), problem.statistics)

    def statistics(self, state: State) -> PyTree:
        return state.statistics

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        keys = super().noise(problem, jax.random.fold_in(key, _NO_EPOCH), start, length)
        if self.batch_size is None:
            return None, keys
        return batch_indices(key, start, length, problem.size, self.batch_size, self.sampling), keys

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        indices, key = noise
        batch = Batch(problem.x, problem.y) if indices is None else problem.batch(indices)
        gradient, statistics = problem.training_gradient(params, state.statistics, batch)
        transformation = optax.with_extra_args_support(self.transformation)
        updates, inner = transformation.update(gradient, state.inner, params, inputs=batch.x, key=key)
        return optax.apply_updates(params, updates), OptaxState(inner, statistics)

    def time_step(self, state: State) -> Scalar | float:
        return self.dt
