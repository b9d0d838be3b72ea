"""Balancedness: D_i = |w_i|^2 - v_i^2 of every hidden unit, under optimizers that keep it and optimizers that do not.

f(x) = sum_i v_i relu(w_i . x), L = 1/2 mean (f - y)^2. The flow conserves every D_i; a step of size lr moves it by
lr^2 times a difference of squared gradients, which adds up to O(lr) over a fixed time. With weight decay lambda on
every parameter dD/dt = -2 lambda D.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from ...dynamics import AbstractDynamics, GradientDescent, TunedOptax
from ...models.two_layer import TwoLayer, predict_scalar
from ...probes import balancedness
from ...problem import Problem, half_squared_error
from ...simulation import PerSeed, simulate
from .config import Config

Variables: TypeAlias = dict[str, tuple[Any, ...]]

OPTIMIZERS = ("gradient descent", "weight decay", "heavy ball", "Adam")
"""In this order along the axis `optimizer`."""

_RECORDS = 50


def unit_sizes(problem: Problem, params: TwoLayer) -> Float[Array, " H"]:
    """|w_i|^2 + v_i^2 of every hidden unit."""
    return jnp.sum(params.W**2, axis=1) + jnp.sum(params.V**2, axis=1)


def risk(problem: Problem, params: TwoLayer) -> Float[Array, ""]:
    """Mean loss."""
    return problem.risk(params)


_PROBES = {"D": balancedness, "size": unit_sizes, "risk": risk}


def draw_networks(config: Config) -> tuple[Problem, TwoLayer]:
    """One data set, y = sin(2 x_1), and one network a seed: x ~ N(0, I), W_0 ~ N(0, 1/4), v_0 ~ N(0, 0.09).

    Every leaf has a leading seed axis.
    """

    def one(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        x = rng.normal(size=(config.samples, config.inputs))
        return x, 0.5 * rng.normal(size=(config.hidden, config.inputs)), 0.3 * rng.normal(size=(config.hidden, 1))

    drawn = [one(np.random.default_rng([config.seed + i, 1])) for i in range(config.seeds)]
    x, W, V = (jnp.asarray(np.stack(part)) for part in zip(*drawn, strict=True))
    return Problem(predict_scalar, x, jnp.sin(2 * x[:, :, 0]), half_squared_error), TwoLayer(W, V)


def balance(config: Config) -> Variables:
    """Every optimizer at every step size, for the same time."""
    problem, params = draw_networks(config)
    m = config.momentum
    # (factor of lr, momentum, weight decay): lanes of one program, where 0 changes nothing.
    rows = np.repeat([[1.0, 0.0, 0.0], [1.0, 0.0, config.decay], [1 - m, m, 0.0]], config.seeds, axis=0).T

    def train(dynamics: Any, copies: int, lr: float, label: str) -> list[np.ndarray]:
        def lanes(leaf: Array) -> Array:
            return jnp.concatenate([leaf] * copies)

        run = simulate(
            PerSeed(Problem(problem.network, lanes(problem.x), lanes(problem.y), problem.loss)),
            dynamics,
            PerSeed(TwoLayer(lanes(params.W), lanes(params.V))),
            steps=max(1, round(config.balance_time / lr)),
            probes=_PROBES,
            record=_RECORDS,
            seeds=copies * config.seeds,
            seed=config.seed,
            label=f"{label}, lr {lr:g}",
        )
        return [run.data[name].values.reshape(copies, config.seeds, *run.data[name].shape[1:]) for name in _PROBES]

    def both(lr: float) -> list[np.ndarray]:
        factor, momentum, decay = (jnp.asarray(row) for row in rows)
        descent: PerSeed[AbstractDynamics] = PerSeed(
            GradientDescent(lr * factor, momentum=momentum, weight_decay=decay)
        )
        plain = train(descent, 3, lr, "balancedness")
        adam = train(TunedOptax(optax.adam, learning_rate=lr), 1, lr, "balancedness, Adam")
        return [np.concatenate(pair) for pair in zip(plain, adam, strict=True)]

    D, size, risks = (np.stack(part, axis=1) for part in zip(*map(both, config.balance_lr), strict=True))
    before, after = D[..., 0, :], D[..., -1, :]
    shrunk = np.exp(-2 * config.decay * config.balance_time) * before
    own = ("optimizer", "balance_lr", "seed")
    return {
        "D_start": ((*own, "unit"), before, "D at the start"),
        "D_end": ((*own, "unit"), after, "D at the end"),
        "drift": (own, np.abs(after - before).max(axis=-1), "largest change of D over the units"),
        "drift_path": (
            (*own, "balance_record"),
            np.abs(D - before[..., None, :]).max(axis=-1),
            "largest change of D over the units, along the run",
        ),
        "from_law": (own, np.abs(after - shrunk).max(-1) / np.abs(shrunk).max(-1), "distance of D from e^(−2λT) D(0)"),
        "moved": (own, np.abs(size[..., -1, :] - size[..., 0, :]).max(axis=-1), "largest change of |w|² + v²"),
        "risk": (own, risks[..., -1], "mean loss at the end"),
    }
