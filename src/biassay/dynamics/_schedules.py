"""Step sizes that change with the step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int, Scalar


class ExponentialDecay(eqx.Module):
    """The step size k -> start * factor^(k / every) + end.

    For the `lr` of gradient, stochastic, steepest and sign descent, and for Optax.

    Its numbers are leaves, so that they may be swept, or differ from seed to seed.

    Args:
        start: what decays.
        factor: what remains of it after `every` steps.
        every: steps.
        end: the step size that is approached.
        staircase: change only at multiples of `every`.
    """

    start: Any
    factor: Any
    every: Any
    end: Any = 0.0
    staircase: bool = eqx.field(static=True, default=False)

    def __call__(self, count: Int[Array, ""]) -> Scalar:
        periods = count / self.every
        return self.start * self.factor ** (jnp.floor(periods) if self.staircase else periods) + self.end


class PowerDecay(eqx.Module):
    """The step size k -> start / (k + after)^power, k = 0, 1, ...; 1 / sqrt(t) by default.

    For the `lr` of gradient, stochastic and steepest descent, and for Optax. Its numbers are leaves, so that they may
    be swept, or differ from seed to seed.

    Args:
        start: the step size once k + after is 1.
        after: what is added to the step's number; must be positive.
        power: the exponent, 0 for a constant step size.
    """

    start: Any
    after: Any = 1.0
    power: Any = 0.5

    def __call__(self, count: Int[Array, ""]) -> Scalar:
        return self.start * (count + self.after) ** -jnp.asarray(self.power, float)


class CosineDecay(eqx.Module):
    """The step size k -> start (1 + cos(pi min(k / steps, 1))) / 2: from `start` to 0 in `steps` steps, 0 after them.

    Loshchilov and Hutter, ICLR 2017, without restarts. For the `lr` of gradient, stochastic and steepest descent, and
    for Optax. Its numbers are leaves, so that they may be swept, or differ from seed to seed.

    Args:
        start: the first step size.
        steps: when it reaches 0; with 0 steps it is 0 from the first on.
    """

    start: Any
    steps: Any

    def __call__(self, count: Int[Array, ""]) -> Scalar:
        # 0 / 0 is not taken when there are no steps.
        passed = jnp.where(count < self.steps, count / self.steps, 1.0)
        return self.start * (1 + jnp.cos(jnp.pi * passed)) / 2


class StepDrops(eqx.Module):
    """The step size k -> start * factor^(number of `drops` that are at most k).

    For the `lr` of gradient, stochastic and steepest descent, and for Optax. Its numbers are leaves, so that they may
    be swept, or differ from seed to seed.

    Args:
        start: the first step size.
        drops: steps at which it is multiplied by `factor`.
        factor: 0.1 by default.
    """

    start: Any
    drops: Int[Array, " drops"] | Sequence[int]
    factor: Any = 0.1

    def __call__(self, count: Int[Array, ""]) -> Scalar:
        return self.start * self.factor ** jnp.sum(count >= jnp.asarray(self.drops))
