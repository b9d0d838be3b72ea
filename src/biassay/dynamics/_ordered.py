"""SGD on single examples whose order is not left to chance: forced for a while, or chosen by an adversary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State


def _single_step(problem: Problem, params: PyTree, index: Any, lr: Any, decay: Any) -> PyTree:
    """w - lr (grad l_index(w) + decay w)."""
    gradient = problem.gradient(params, problem.batch(jnp.asarray(index)[None]))
    return jax.tree.map(lambda w, g: w - lr * (g + decay * w), params, gradient)


class ForcedSGD(AbstractDynamics):
    """SGD that draws only the examples `forced` for `duration` steps, and every example from then on.

    One example a step, independent and uniform: any such run of draws has positive probability under plain SGD.

    Args:
        lr: step size.
        duration: how many steps are forced; a number, so that it can be swept.
        forced: indices of the examples drawn meanwhile.
        weight_decay: adds weight_decay * w to the gradient.

    Raises:
        ValueError: no example is forced.
    """

    lr: Any
    duration: Any
    forced: tuple[int, ...] = eqx.field(static=True)
    weight_decay: Any = 0.0

    def __check_init__(self) -> None:
        if not self.forced:
            raise ValueError("forced must name at least one example")

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        among, free = jax.random.split(jax.random.fold_in(key, start // length))
        few = jnp.asarray(self.forced)[jax.random.randint(among, (length,), 0, len(self.forced))]
        every = jax.random.randint(free, (length,), 0, problem.size)
        return jnp.where(start + jnp.arange(length) < self.duration, few, every)

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        return _single_step(problem, params, noise, self.lr, self.weight_decay), state

    def time_step(self, state: State) -> Scalar | float:
        return self.lr


class AdversarialSGD(AbstractDynamics):
    """SGD whose next example is the one after which `objective(problem, params)` is largest.

    Nothing is random: what no adversary brings about, no draw of examples does, at least one step ahead.

    Args:
        lr: step size.
        objective: (problem, params) -> a number.
        weight_decay: adds weight_decay * w to the gradient.
    """

    lr: Any
    objective: Callable[[Problem, PyTree], Scalar] = eqx.field(static=True)
    weight_decay: Any = 0.0

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        candidates = jax.vmap(lambda i: _single_step(problem, params, i, self.lr, self.weight_decay))(
            jnp.arange(problem.size)
        )
        worst = jnp.argmax(jax.vmap(lambda w: self.objective(problem, w))(candidates))
        chosen = jnp.arange(problem.size) == worst

        def pick(leaf: Array) -> Array:
            return jnp.sum(jnp.where(chosen.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, 0), axis=0)

        return jax.tree.map(pick, candidates), state

    def time_step(self, state: State) -> Scalar | float:
        return self.lr
