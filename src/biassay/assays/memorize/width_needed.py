"""How wide must the memorizer's architecture be for training to find n random labels, under a stated budget?

Two hidden layers of width w, all layers trained on the full batch, mean squared error, He initialisation (weights
N(0, 2 / fan_in), the last layer's N(0, 1 / w), biases 0). A run succeeds when, at the end of the budget, every sign is
right, or the mean squared error is below 1e-2.

All widths are one program: a network of width w is an array of the largest width in which the other units have zero
weights. relu'(0) = 0 in JAX, so that nothing moves them.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Bool, Float

from ...dynamics import AbstractDynamics, CosineDecay, GradientDescent, TunedOptax
from ...models import mlp
from ...problem import Problem, squared_error
from ...simulation import PerSeed, simulate
from .config import Config, construction_width

CRITERIA = ("every sign right", "mean squared error below 1e-2")


def random_labels(seed: int, n: int, d: int) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """x ~ N(0, I), random signs."""
    rng = np.random.default_rng((8, seed, n))
    return rng.normal(size=(n, d)), rng.choice([-1.0, 1.0], n)


def padded_start(seed: int, d: int, w: int, largest: int) -> mlp.MLP:
    """A network of widths (w, w), filled up to `largest` with units whose weights are zero."""
    rng = np.random.default_rng((9, seed, w))
    spare = largest - w

    def layer(fan_in: int, fan_out: int, variance: float, rows: int, columns: int) -> mlp.Layer:
        weight = np.pad(rng.normal(size=(fan_in, fan_out)) * variance**0.5, [(0, rows), (0, columns)])
        return mlp.Layer(np.float32(weight), np.zeros(fan_out + columns, np.float32))  # pyright: ignore[reportArgumentType]

    return layer(d, w, 2 / d, 0, spare), layer(w, w, 2 / w, spare, spare), layer(w, 1, 1 / w, spare, 0)


def sign_accuracy(problem: Problem, params: mlp.MLP) -> Float[Array, ""]:
    """Share of right signs."""
    return jnp.mean(problem.predict(params, problem.x) * problem.y > 0)


def mean_squared_error(problem: Problem, params: mlp.MLP) -> Float[Array, ""]:
    """Mean squared error."""
    return problem.risk(params)


def lanes(config: Config, n: int) -> tuple[PerSeed[Problem], PerSeed[mlp.MLP], int]:
    """Every seed at every width as one axis (seed, width), and its length."""
    widths = config.widths(n)
    pairs = [(config.seed + i, w) for i in range(config.seeds) for w in widths]
    data = [random_labels(seed, n, config.d) for seed, _ in pairs]
    x, y = (jnp.asarray(np.stack(part), jnp.float32) for part in zip(*data, strict=True))
    starts = [padded_start(seed, config.d, w, max(widths)) for seed, w in pairs]
    problem = Problem(mlp.predict_scalar, x, y, squared_error)
    start = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *starts)
    return PerSeed(problem), PerSeed(start), len(pairs)


def fits(
    config: Config, n: int, dynamics: AbstractDynamics | PerSeed[AbstractDynamics], budgets: tuple[int, ...], label: str
) -> Bool[np.ndarray, "criterion seed width budget"]:
    """Which runs succeed at each of the budgets, recorded along one run."""
    problem, start, count = lanes(config, n)
    run = simulate(
        problem,
        dynamics,
        start,
        steps=budgets[-1],
        probes={"accuracy": sign_accuracy, "error": mean_squared_error},
        record=budgets,
        seeds=count,
        seed=config.seed,
        lanes="map",
        label=label,
    )
    met = np.stack([run.data["accuracy"].values == 1, run.data["error"].values < 1e-2])
    return met.reshape(2, config.seeds, len(config.width_factors), len(budgets))


def by_descent(config: Config, n: int) -> Bool[np.ndarray, "criterion seed width budget"]:
    """Gradient descent with a constant step: every budget is a point of one run."""
    lr: Any = jnp.float32(config.lr)
    return fits(config, n, GradientDescent(lr), config.gd_budgets, f"gradient descent, {n} points")


def by_adam(config: Config, n: int) -> Bool[np.ndarray, "criterion seed width budget"]:
    """Adam, whose step size reaches 0 when the budget ends: a run for each budget, one program for all."""
    count = config.seeds * len(config.width_factors)

    def one(budget: int) -> np.ndarray:
        decay = CosineDecay(jnp.full(count, config.adam_lr, jnp.float32), jnp.full(count, budget, jnp.float32))
        adam = TunedOptax(optax.adam, learning_rate=decay)
        return fits(config, n, PerSeed(adam), (budget,), f"Adam, {n} points, {budget} steps")

    return np.concatenate([one(budget) for budget in config.adam_budgets], axis=-1)


def same_architecture(config: Config) -> xr.Dataset:
    """Success of every run, and w*: the smallest width at which a seed succeeds, over the construction's width."""
    descent = np.stack([by_descent(config, n) for n in config.sizes])
    adam = np.stack([by_adam(config, n) for n in config.sizes])
    axes = ("size", "criterion", "seed", "factor")
    found = xr.Dataset(
        {
            "gd_fits": ((*axes, "gd_budget"), descent, {"long_name": "gradient descent succeeds"}),
            "adam_fits": ((*axes, "adam_budget"), adam, {"long_name": "Adam succeeds"}),
        },
        coords={
            "size": ("size", list(config.sizes), {"long_name": "points n"}),
            "criterion": list(CRITERIA),
            "factor": list(config.width_factors),
            "width": (("size", "factor"), [config.widths(n) for n in config.sizes], {"long_name": "width w"}),
            "construction": ("size", [construction_width(n) for n in config.sizes]),
            "gd_budget": ("gd_budget", list(config.gd_budgets), {"long_name": "steps"}),
            "adam_budget": ("adam_budget", list(config.adam_budgets), {"long_name": "steps"}),
        },
        attrs={"budget": config.budget, "gd_lr": config.lr, "adam_lr": config.adam_lr},
    )
    ratio = (found["width"] / found["construction"]).broadcast_like(found["gd_fits"].isel(gd_budget=0))
    for name in ("gd", "adam"):
        smallest = ratio.where(found[f"{name}_fits"]).min("factor")
        found[f"{name}_width"] = smallest.assign_attrs(long_name="smallest width that fits, over the construction's")
    return found
