"""Discrete gradient descent on the weights, and on magnitude and direction: how many steps it takes, and to where.

    w <- w - lr grad f                                                              plain
    g <- g - lr eta <u, grad f>,    v <- v - lr (g / |v|) (I - u u^T) grad f        weight-normalized, u = v / |v|

With steps of finite length |v| grows, which the flow conserves.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from ...dynamics import GradientDescent, Optax, weight_normalization
from ...models.diagonal_linear import diagonal_linear
from ...problem import Problem
from ...simulation import PerSeed, Simulation, log_steps, simulate
from .config import Config
from .systems import Variables, draw_systems

REACHED = 1e-6
"""The residual |A x - y| whose number of steps is counted."""
LEFT = 1e-2
"""A run has left its start, where the residual is |y|, about 2, once its residual is below this."""

_RECORDS = 240


def residual(problem: Problem, w: Float[Array, " n"]) -> Float[Array, ""]:
    """|A x - y|."""
    return jnp.linalg.norm(problem.predict(w, problem.x) - problem.y)


def recorded_steps(config: Config) -> tuple[int, ...]:
    """The steps at which residuals are recorded; counts of steps are exact to their spacing, some 4 percent."""
    return log_steps(config.descent_steps, _RECORDS)


def weight_normalized(lr: Float[Array, ""], eta: Float[Array, ""]) -> Optax:
    """Gradient descent on (g, v) with the step sizes lr eta and lr."""
    return Optax(weight_normalization(optax.sgd(lr), ratio=eta))


def descent(config: Config) -> Variables:
    """Every arm, step size and depth from every `descent_alpha`."""
    seeds, alphas = config.descent_seeds, config.descent_alpha
    systems = draw_systems(config.seed, seeds, config.d, config.m, config.sparsity)
    A, y = (jnp.asarray(np.concatenate([part] * len(alphas))) for part in (systems.A, systems.y))
    begin = PerSeed(jnp.asarray(np.repeat(alphas, seeds)[:, None] * np.ones(2 * config.d)))
    steps = recorded_steps(config)

    def run(depth: int, plain: bool) -> Simulation:
        return simulate(
            PerSeed(diagonal_linear(A, y, depth)),
            GradientDescent(0.0) if plain else weight_normalized,
            begin,
            steps=config.descent_steps,
            probes={"residual": residual},
            record=steps,
            seeds=len(alphas) * seeds,
            sweep={"lr": config.descent_lr} | ({} if plain else {"eta": config.descent_eta}),
            label=f"{'plain' if plain else 'weight-normalized'} descent, L = {depth}",
        )

    def lanes(values: np.ndarray) -> np.ndarray:
        """(lane, lr, eta, ...) -> (seed, eta, alpha, lr, ...)."""
        split = values.reshape(len(alphas), seeds, *values.shape[1:])
        return np.moveaxis(split, (1, 3, 0, 2), (0, 1, 2, 3))

    def at(depth: int) -> tuple[np.ndarray, ...]:
        bare, normalized = run(depth, plain=True), run(depth, plain=False)
        path = lanes(bare.data["residual"].values[:, :, None]), lanes(normalized.data["residual"].values)
        w = lanes(np.asarray(bare.params)[:, :, None]), lanes(np.asarray(normalized.params))
        plus, minus = np.split(np.concatenate(w, axis=1) ** depth, 2, axis=-1)
        length = np.linalg.norm(lanes(np.asarray(normalized.state.inner.polar.direction)), axis=-1)
        of_plain = np.full_like(length[:, :1], np.nan)
        return np.concatenate(path, axis=1), plus - minus, np.concatenate([of_plain, length], axis=1)

    path, x, length = (np.stack(part, axis=4) for part in zip(*map(at, config.descent_depth), strict=True))

    def first_below(level: float) -> np.ndarray:
        below = path < level
        return np.where(below.any(axis=-1), np.array(steps, float)[below.argmax(axis=-1)], np.nan)

    own = ("descent_seed", "descent_arm", "descent_alpha", "descent_lr", "descent_depth")
    return {
        "descent_path": ((*own, "descent_step"), path, "residual |A x − y| along gradient descent"),
        "descent_steps": (own, first_below(REACHED), f"steps to the residual {REACHED:g}, where it was reached"),
        "descent_left": (own, first_below(LEFT), f"steps to the residual {LEFT:g}, where it was reached"),
        "descent_residual": (own, path[..., -1], "residual |A x − y| after the last step"),
        "descent_error": (own, systems.error(x), "relative error after the last step"),
        "descent_length": (own, length, "|v| after the last step"),
    }
