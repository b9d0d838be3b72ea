"""How parameters move: the one interface every dynamics has."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeAlias

import equinox as eqx
import jax
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Problem

State: TypeAlias = Any
Noise: TypeAlias = Any


class AbstractDynamics(eqx.Module):
    """A rule that moves parameters one step.

    A dynamics is a frozen dataclass and a pytree: its hyper-parameters are leaves, so that `simulate(..., sweep=...)`
    maps over step sizes as it maps over seeds. Only `step` must be written.
    """

    def init(self, problem: Problem, params: PyTree) -> State:
        """The state before the first step (optimizer moments, counters); by default none."""
        return ()

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        """The randomness of the steps start, ..., start + length - 1: a pytree whose leaves have leading axis `length`.

        It depends on (key, step) alone, never on what is recorded. `start` is a multiple of `length`. Drawing a
        window at once costs far less than a key per step; by default a step gets one key. A dynamics without
        randomness returns None.
        """
        return jax.random.split(jax.random.fold_in(key, start // length), length)

    @abstractmethod
    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        """One step. `noise` is this step's slice of what `noise(...)` returned (a key by default)."""

    def statistics(self, state: State) -> PyTree:
        """The batch statistics in `state`, which starts with those of the problem; None if it does not carry any."""
        return None

    def time_step(self, state: State) -> Scalar | float:
        """The time the next step takes; the time axis of a simulation is its sum. By default 1 (time counts steps)."""
        return 1.0
