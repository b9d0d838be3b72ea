"""How wide must a ReLU network be to fit n random labels, under a budget that is spelled out?

One hidden layer, all parameters trained, mean squared error without a factor 1/2, He initialisation (weights
N(0, 2/d), outputs N(0, 1/m), biases 0). Two criteria: all signs right, or a mean squared error below 1e-2, both when
the budget has run out.

Width m is a *mask*: the arrays have the largest width and the weights of neurons k >= m are zero. JAX takes
relu'(0) = 0, so that such a neuron has no gradient and never moves, under Adam as under gradient descent. All widths,
step sizes and seeds are then lanes of one program.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Bool, Float, PyTree

from ...dynamics import SGD, AbstractDynamics, CosineDecay, GradientDescent, TunedOptax
from ...models import mlp
from ...problem import Problem, squared_error
from ...simulation import PerSeed, simulate
from .config import Config

CRITERIA = ("accuracy", "error")
"""Training accuracy 1, and mean squared error below `SMALL`."""
SMALL = 1e-2
_PART = 2


def fit(problem: Problem, params: PyTree) -> Float[Array, " 2"]:
    """Share of training labels with the right sign, and mean squared error."""
    f = problem.predict(params, problem.x)
    return jnp.stack([jnp.mean(f * problem.y > 0), jnp.mean((f - problem.y) ** 2)])


def fitted(fits: Float[np.ndarray, "... 2"]) -> Bool[np.ndarray, "... criterion"]:
    """Which of `CRITERIA` are met."""
    return np.stack([fits[..., 0] == 1, fits[..., 1] < SMALL], axis=-1)


class Labels(NamedTuple):
    """One data set a seed: x (seed, n, d) ~ N(0, I), y (seed, n) random signs."""

    x: Float[np.ndarray, "seed n d"]
    y: Float[np.ndarray, "seed n"]


def draw_labels(seed: int, seeds: int, n: int, d: int, conflicts: int = 0) -> Labels:
    """The data of the seeds seed, ..., and after them the first `conflicts` of these again, made impossible to fit:
    in the first quarter of the points every other one is its neighbour with the other label."""
    x, y = [], []
    for i in range(seeds):
        rng = np.random.default_rng((_PART, seed + i, n))
        x.append(rng.normal(size=(n, d)))
        y.append(rng.choice([-1.0, 1.0], size=n))
    for i in range(conflicts):
        twin = np.arange(n)
        twin[: n // 4] -= twin[: n // 4] % 2
        x.append(x[i][twin])
        y.append(np.where(twin == np.arange(n), 1.0, -1.0) * y[i][twin])
    return Labels(np.stack(x), np.stack(y))


def masked_network(seed: int, d: int, m: int, largest: int) -> mlp.MLP:
    """A network of `m` neurons in arrays for `largest`. The neurons of a seed are the first of one sequence."""
    rng = np.random.default_rng((_PART, seed))
    incoming, outgoing = np.zeros((d, largest)), np.zeros((largest, 1))
    drawn = rng.normal(size=(m, d + 1))
    incoming[:, :m] = drawn[:, :d].T * np.sqrt(2 / d)
    outgoing[:m, 0] = drawn[:, d] / np.sqrt(m)
    first, last = mlp.Layer(jnp.asarray(incoming), jnp.zeros(largest)), mlp.Layer(jnp.asarray(outgoing), jnp.zeros(1))
    return first, last


class Lanes(NamedTuple):
    """Every combination (lr, seed, width) in one leading axis, for `simulate`.

    shape: (lr, seed, width); lr: (lane,).
    """

    problem: PerSeed[Problem]
    params: PerSeed[mlp.MLP]
    lr: Float[Array, " lane"]
    shape: tuple[int, int, int]


def lanes(labels: Labels, starts: list[int], widths: tuple[int, ...], lrs: tuple[float, ...]) -> Lanes:
    """`starts` names the seed of each data set's networks."""
    d, shape = labels.x.shape[2], (len(lrs), len(starts), len(widths))
    made = [masked_network(s, d, m, max(widths)) for s in starts for m in widths]
    params = jax.tree.map(lambda *leaves: jnp.asarray(np.tile(leaves, (len(lrs), *[1] * leaves[0].ndim))), *made)
    row = np.broadcast_to(np.arange(len(starts))[None, :, None], shape).ravel()
    problem = Problem(mlp.predict_scalar, jnp.asarray(labels.x[row]), jnp.asarray(labels.y[row]), squared_error)
    lr = np.broadcast_to(np.asarray(lrs)[:, None, None], shape).ravel()
    return Lanes(PerSeed(problem), PerSeed(params), jnp.asarray(lr), shape)


def train(
    runs: Lanes, dynamics: PerSeed[AbstractDynamics], budgets: tuple[int, ...], config: Config, label: str, **more: Any
) -> Bool[np.ndarray, "budget criterion lr seed width"]:
    """Which runs fit when each budget has run out, all of one run."""
    run = simulate(
        runs.problem,
        dynamics,
        runs.params,
        steps=max(budgets),
        probes={"fit": fit},
        record=list(budgets),
        seeds=len(runs.lr),
        seed=config.seed,
        label=label,
        **more,
    )
    met = fitted(run.data["fit"].values)
    return np.moveaxis(met.reshape(*runs.shape, len(budgets), len(CRITERIA)), (3, 4), (0, 1))


def with_adam(
    config: Config, n: int, steps: tuple[int, ...]
) -> tuple[Bool[np.ndarray, "budget criterion seed width"], Bool[np.ndarray, "budget criterion conflict width"]]:
    """Adam with a step size that decays to 0 by a cosine: one run a budget, the same program. Then the conflicts."""
    labels = draw_labels(config.seed, config.law_seeds, n, config.d, config.conflicts)
    starts = [config.seed + i for i in (*range(config.law_seeds), *range(config.conflicts))]
    runs = lanes(labels, starts, config.widths, (config.adam_lr,))
    met = []
    for budget in steps:
        ends = jnp.full_like(runs.lr, budget)
        adam = TunedOptax(optax.adam, learning_rate=CosineDecay(runs.lr, ends))
        met.append(train(runs, PerSeed(adam), (budget,), config, f"Adam, {n} points")[0, :, 0])
    stacked = np.stack(met)
    return stacked[:, :, : config.law_seeds], stacked[:, :, config.law_seeds :]


def with_descent(
    config: Config, n: int, batch: int | None = None
) -> Bool[np.ndarray, "budget criterion lr seed width"]:
    """Gradient descent, or SGD over epochs, with constant step sizes: all budgets in one run, 0 steps before them."""
    labels = draw_labels(config.seed, config.law_seeds, n, config.d)
    runs = lanes(labels, [config.seed + i for i in range(config.law_seeds)], config.widths, config.gd_lr)
    moves = GradientDescent(runs.lr) if batch is None else SGD(runs.lr, batch)
    label = f"gradient descent, {n} points" if batch is None else f"SGD of batch {batch}, {n} points"
    return train(runs, PerSeed(moves), (0, *config.gd_budgets), config, label)


def enough_in_theory(n: int, exponent: float) -> int:
    """The width n^p, rounded."""
    return round(n**exponent)


def enough_in_practice(n: int, d: int) -> int:
    """The width 2 n / d, rounded: about two parameters a point. `Config` refuses an n so small that it is 0."""
    return round(2 * n / d)


def at_width(config: Config, width: int) -> Bool[np.ndarray, " seed"]:
    """Whether gradient descent gets all signs right at one width of any size on `theory_n` points.

    It stops after `law_steps`, or at the first of about 40 evenly spaced looks at which every seed has accuracy 1. The
    error is then far from its end, so that a small error is no criterion here. The step size is min(.05, 1/m): the
    largest curvature grows in proportion to the width.
    """
    labels = draw_labels(config.seed, config.law_seeds, config.theory_n, config.d)
    lr = min(0.05, 1 / width)
    runs = lanes(labels, [config.seed + i for i in range(config.law_seeds)], (width,), (lr,))
    run = simulate(
        runs.problem,
        PerSeed(GradientDescent(runs.lr)),
        runs.params,
        steps=config.law_steps,
        probes={"fit": fit},
        record=40,
        seeds=len(runs.lr),
        seed=config.seed,
        until=lambda last: bool((last["fit"][:, 0] == 1).all()),
        label=f"gradient descent, {width} neurons",
    )
    return run.data["fit"].values[:, -1, 0] == 1


def measure_widths(config: Config) -> xr.Dataset:
    """All runs of part two: who fits, by criterion, seed and width."""
    steps = {n: config.adam_budgets if n == config.budget_n else (config.law_steps,) for n in config.law_n}
    adam = {n: with_adam(config, n, budgets) for n, budgets in steps.items()}
    last = {n: budgets.index(config.law_steps) for n, budgets in steps.items()}
    descent = np.stack([with_descent(config, n) for n in config.gd_n])
    theory = [at_width(config, enough_in_theory(config.theory_n, p)) for p in config.theory_exponents]
    own = ("criterion", "law_seed", "width")
    constant_step = ("budget", "criterion", "lr", "law_seed", "width")
    variables: dict[str, tuple[tuple[str, ...], np.ndarray, str]] = {
        "adam_fits": (("law_n", *own), np.stack([adam[n][0][last[n]] for n in config.law_n]), "whether Adam fits"),
        "conflict_fits": (
            ("law_n", "criterion", "conflict", "width"),
            np.stack([adam[n][1][last[n]] for n in config.law_n]),
            "whether Adam fits conflicting labels",
        ),
        "adam_budget_fits": (("adam_budget", *own), adam[config.budget_n][0], "whether Adam fits, by its budget"),
        "gd_fits": (("gd_n", *constant_step), descent, "whether gradient descent fits, by its budget"),
        "theory_fits": (("exponent", "law_seed"), np.stack(theory), "whether gradient descent fits"),
        "practice_fits": (
            ("law_seed",),
            at_width(config, enough_in_practice(config.theory_n, config.d)),
            "whether gradient descent fits at width 2 n / d",
        ),
    }
    if config.batches:
        sgd = np.stack([with_descent(config, config.budget_n, batch) for batch in config.batches])
        variables["sgd_fits"] = (("batch", *constant_step), sgd, "whether SGD fits, by its budget")
    data = xr.Dataset({name: (axes, met, {"long_name": words}) for name, (axes, met, words) in variables.items()})
    coordinates: dict[str, tuple[tuple, str]] = {
        "law_n": (config.law_n, "points n"),
        "gd_n": (config.gd_n, "points n of gradient descent"),
        "criterion": (CRITERIA, "all signs right, or mean squared error below 1e-2"),
        "law_seed": (tuple(range(config.seed, config.seed + config.law_seeds)), "seed of part two"),
        "conflict": (tuple(range(config.seed, config.seed + config.conflicts)), "seed with conflicting labels"),
        "width": (config.widths, "neurons m"),
        "adam_budget": (config.adam_budgets, "steps of Adam"),
        "budget": ((0, *config.gd_budgets), "steps with a constant step size"),
        "lr": (config.gd_lr, "step size"),
        "exponent": (config.theory_exponents, "exponent p of the width n^p"),
        **({"batch": (config.batches, "examples a step")} if config.batches else {}),
    }
    data = data.assign_coords({name: (name, list(axis), {"long_name": w}) for name, (axis, w) in coordinates.items()})
    return data.assign_coords(
        budget_n=((), config.budget_n, {"long_name": "points at which budgets are compared"}),
        law_steps=((), config.law_steps, {"long_name": "steps of the law"}),
        theory_n=((), config.theory_n, {"long_name": "points for the widths n^p"}),
        d=((), config.d, {"long_name": "input dimension"}),
    )
