"""An Optax optimizer with its hyper-parameters in the open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import optax
from jaxtyping import Array, Int, Key, PyTree

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State
from ._optax import Optax
from ._sampling import Sampling, check_sampling


class TunedOptax(AbstractDynamics):
    """The optimizer `make(**hyper)`, e.g. `TunedOptax(optax.adam, learning_rate=1e-3, eps=1e-8)`.

    An Optax transformation hides its hyper-parameters in a closure; here they are leaves, which may differ from seed
    to seed, and one compiled program serves all their values.

    Args:
        make: a function of Optax that returns a gradient transformation.
        batch_size: examples a step, None for all of them.
        sampling: as in `SGD`.
        hyper: the numeric arguments of `make`; a step size may be an `ExponentialDecay` or another schedule.

    Raises:
        ValueError: batch_size below 1, or an unknown sampling.
    """

    make: Callable[..., optax.GradientTransformation] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    values: tuple[Any, ...]
    batch_size: int | None = eqx.field(static=True)
    sampling: Sampling = eqx.field(static=True)

    def __init__(
        self,
        make: Callable[..., optax.GradientTransformation],
        *,
        batch_size: int | None = None,
        sampling: Sampling = "epochs",
        **hyper: Any,
    ):
        check_sampling(batch_size, sampling)
        self.make = make
        self.names = tuple(hyper)
        self.values = tuple(hyper.values())
        self.batch_size = batch_size
        self.sampling = sampling

    def _optax(self) -> Optax:
        hyper = dict(zip(self.names, self.values, strict=True))
        return Optax(self.make(**hyper), self.batch_size, self.sampling)

    def init(self, problem: Problem, params: PyTree) -> State:
        return self._optax().init(problem, params)

    def statistics(self, state: State) -> PyTree:
        return state.statistics

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return self._optax().noise(problem, key, start, length)

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        return self._optax().step(problem, params, state, noise)
