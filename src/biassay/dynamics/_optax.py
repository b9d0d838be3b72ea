"""Any Optax gradient transformation as a dynamics."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import optax
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State
from ._sampling import Sampling, batch_indices, check_sampling


class Optax(AbstractDynamics):
    """w <- w + update, with the update of an `optax.GradientTransformation`.

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
        return self.transformation.init(params)

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        if self.batch_size is None:
            return None
        return batch_indices(key, start, length, problem.size, self.batch_size, self.sampling)

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        gradient = problem.gradient(params, None if noise is None else problem.batch(noise))
        updates, state = self.transformation.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    def time_step(self, state: State) -> Scalar | float:
        return self.dt
