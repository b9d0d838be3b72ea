"""Sparse recovery by h(v) = <x, v.v>: label noise against gradient descent and against two other noises.

HaoChen, Wei, Lee, Ma, COLT 2021. The target w* has a few ones and zeros elsewhere, y = X w*, and v starts from ones.
The loss is (h - y)^2 / 4, so that one example's gradient is (h - y) x.v. Arms, from the same start on the same data:

    label noise          full gradient + what N(0, 1) noise in the label of one random example adds, -eps x.v
    gradient descent     full gradient
    SGD noise            full gradient + one random example's gradient - another's
    Langevin             full gradient + N(0, I) / 100 in every parameter (SGLD)

The step size is divided by ten after a third and after two thirds of the steps. To read the clock, label noise and
gradient descent run at half the step size as well, undivided. The noise of one label is that of a batch of B = 1, and
c = 1/4, so that the drift time after t steps of size eta is tau = (eta / 4)^2 t; where the drift equation is at that
time is known exactly (`references.diagonal_drift`).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree, Scalar

from ...dynamics import AbstractDynamics
from ...errors import UserError
from ...models.diagonal import diagonal, diagonal_gradient, quarter_squared_error
from ...problem import Batch, Problem
from ...references import diagonal_drift, drift_time, first_drift_time, least_regularizer
from ...simulation import PerSeed, simulate
from .config import Config
from .limits import rounded_down

Variables: TypeAlias = dict[str, tuple[Any, ...]]

ARMS = (
    "label noise",
    "label noise, half step",
    "gradient descent",
    "gradient descent, half step",
    "SGD noise",
    "Langevin",
)
"""In this order along the axis `sparse_arm`; what follows is in the same order."""
REACHED = 1.0
"""The squared error at which the clock is read."""

_STEP_SIZE = np.array([1.0, 0.5, 1.0, 0.5, 1.0, 1.0])
_DIVIDED = np.array([True, False, True, False, True, True])
_LABEL_STD = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
_EXCHANGED = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 0.0])
_LANGEVIN_STD = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.01])
_SCHEDULE = (1.0, 0.1, 0.01)
_RECORDS_A_STAGE = 400
_PATH_POINTS = 60


class NoisyGradient(AbstractDynamics):
    """Gradient descent on a squared error of d inputs and d parameters, with noise of three kinds in the gradient.

    w <- w - lr (grad R(w) + [grad l(y_i + label_std eps) - grad l(y_i)] + exchanged [grad l_j - grad l_k]
                 + langevin_std xi)

    with fresh random examples i, j, k and standard Gaussian eps and xi (in R^d) at every step. As the gradient is
    linear in the errors h - y, all but the last term are one full gradient at other targets.
    """

    lr: Any
    label_std: Any
    exchanged: Any
    langevin_std: Any

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> PyTree:
        examples, labels, isotropic = jax.random.split(jax.random.fold_in(key, start // length), 3)
        # Most of the time goes into these; in single precision they take half of it.
        xi = jax.random.normal(isotropic, (length, problem.x.shape[1]), jnp.float32)
        return jax.random.randint(examples, (length, 3), 0, problem.size), jax.random.normal(labels, (length,)), xi

    def step(self, problem: Problem, params: Array, state: Any, noise: PyTree) -> tuple[Array, Any]:
        (i, j, k), eps, xi = noise
        h, n, example = problem.predict(params, problem.x), problem.size, jnp.arange(problem.size)
        weight = 1 + self.exchanged * n * ((example == j) * 1.0 - (example == k))
        target = h - weight * (h - problem.y) + self.label_std * n * eps * (example == i)
        gradient = problem.gradient(params, Batch(problem.x, target))
        return params - self.lr * (gradient + self.langevin_std * xi), state

    def time_step(self, state: Any) -> Scalar | float:
        return self.lr


def squared_error_of_squares(problem: Problem, v: Float[Array, " d"]) -> Float[Array, ""]:
    """|v.v - w*|^2: the outputs on the unit vectors, which are the examples held out."""
    assert problem.test is not None
    return jnp.sum((problem.predict(v, problem.test.x) - problem.test.y) ** 2)


def training_error(problem: Problem, v: Float[Array, " d"]) -> Float[Array, ""]:
    """Mean squared error on the data, without noise."""
    return jnp.mean((problem.predict(v, problem.x) - problem.y) ** 2)


def sum_of_squares(problem: Problem, v: Float[Array, " d"]) -> Float[Array, ""]:
    """|v|^2, which is the L1 norm of v.v."""
    return jnp.sum(v**2)


_PROBES = {"test": squared_error_of_squares, "train": training_error, "l1": sum_of_squares}


def draw_equations(config: Config) -> tuple[Float[np.ndarray, "sets n d"], Float[np.ndarray, " d"]]:
    """Gaussian examples x for every data set, and the target w*: `sparse_support` ones, then zeros."""
    shape = (config.sparse_measurements, config.sparse_d)
    seeds = range(config.seed, config.seed + config.sparse_sets)
    x = np.stack([np.random.default_rng([seed, 6]).normal(size=shape) for seed in seeds])
    return x, (np.arange(config.sparse_d) < config.sparse_support) * 1.0


def stability_limit(x: Float[np.ndarray, "sets n d"]) -> float:
    """The step size above which gradient descent leaves a solution as large as the start v = 1: 2 over the largest
    eigenvalue of its Hessian 2 X^T X / n, the least over the data sets."""
    return float(x.shape[1] / np.linalg.norm(x, 2, axis=(1, 2)).max() ** 2)


def check_sparse(config: Config) -> None:
    """Gradient descent is stable at a solution as large as the start.

    Raises:
        UserError: it is not.
    """
    limit = stability_limit(draw_equations(config)[0])
    if not config.sparse_lr < limit:
        raise UserError(
            f"sparse_lr must be below {rounded_down(limit)}, where gradient descent on these data is stable, "
            f"got {config.sparse_lr:g}"
        )


def train(
    config: Config, x: Float[np.ndarray, "sets n d"], truth: Float[np.ndarray, " d"]
) -> tuple[dict[str, np.ndarray], Float[np.ndarray, "arms sets d"]]:
    """All arms on all data sets: each probe as (arms, sets, records), and the parameters at the end.

    Every stage of the schedule is a simulation of its own, with the noise of its own stream.
    """
    sets, lanes = config.sparse_sets, len(ARMS) * config.sparse_sets
    problem, params, recorded = equations_problem(np.concatenate([x] * len(ARMS)), truth), jnp.ones(x.shape[-1]), []
    for stage, factor in enumerate(_SCHEDULE):
        lr = config.sparse_lr * _STEP_SIZE * np.where(_DIVIDED, factor, 1.0)
        numbers = (jnp.repeat(jnp.asarray(row), sets) for row in (lr, _LABEL_STD, _EXCHANGED, _LANGEVIN_STD))
        run = simulate(
            PerSeed(problem),
            PerSeed[AbstractDynamics](NoisyGradient(*numbers)),
            PerSeed(params) if stage else params,
            steps=config.sparse_steps // len(_SCHEDULE),
            probes=_PROBES,
            record=_RECORDS_A_STAGE,
            seeds=lanes,
            seed=config.seed,
            stream=stage,
            label=f"sparse recovery, stage {stage + 1}",
        )
        params = run.params
        recorded.append(run.data.isel(step=slice(1 if stage else 0, None)))

    def of_arms(values: Any) -> np.ndarray:
        return np.asarray(values).reshape(len(ARMS), sets, -1)

    paths = {name: of_arms(np.concatenate([part[name].values for part in recorded], axis=1)) for name in _PROBES}
    return paths, of_arms(params)


def equations_problem(x: Float[np.ndarray, "lanes n d"], truth: Float[np.ndarray, " d"]) -> Problem:
    """One problem a lane; held out are the unit vectors, where the outputs are v.v itself."""
    lanes, _, d = x.shape
    test = Batch(jnp.broadcast_to(jnp.eye(d), (lanes, d, d)), jnp.broadcast_to(truth, (lanes, d)))
    return Problem(
        diagonal, jnp.asarray(x), jnp.asarray(x @ truth), quarter_squared_error, diagonal_gradient, test=test
    )


def sparse(config: Config) -> Variables:
    """All arms on all data sets, the exact path of the drift, and the linear program."""
    x, truth = draw_equations(config)
    path, v = train(config, x, truth)
    steps, own = recorded_steps(config), ("sparse_arm", "sparse_set")
    return {
        "sparse_step": (("sparse_record",), steps, "steps taken"),
        "sparse_test": ((*own, "sparse_record"), path["test"], "squared error of v.v"),
        "sparse_train": ((*own, "sparse_record"), path["train"], "mean squared error on the data"),
        "sparse_l1": ((*own, "sparse_record"), path["l1"], "sum of v.v"),
        "sparse_reached": (own, _first_below(path["test"], steps), "step at which the squared error falls below 1"),
        "sparse_solution": ((*own, "sparse_entry"), v**2, "v.v at the end"),
        **_exact(config, x, truth),
    }


def recorded_steps(config: Config) -> Int[np.ndarray, " records"]:
    """The steps of all records, stage after stage."""
    stage = config.sparse_steps // len(_SCHEDULE)
    stops = np.array(sorted({round(stop) for stop in np.linspace(0, stage, _RECORDS_A_STAGE + 1)}))
    return np.concatenate([stops, *(stops[1:] + later * stage for later in range(1, len(_SCHEDULE)))])


def _first_below(
    test: Float[np.ndarray, "arms sets records"], steps: Int[np.ndarray, " records"]
) -> Float[np.ndarray, "arms sets"]:
    """The first recorded step with an error below 1, NaN where there is none."""
    below = test < REACHED
    return np.where(below.any(axis=2), steps[below.argmax(axis=2)], np.nan)


def _exact(config: Config, x: Float[np.ndarray, "sets n d"], truth: Float[np.ndarray, " d"]) -> Variables:
    """The drift equation and the linear program, without training."""
    a_step = float(drift_time(1, config.sparse_lr, 1.0, batch_size=1, c=0.25))
    latest = a_step * config.sparse_steps / len(_SCHEDULE)
    taus = latest * np.linspace(0, 1, _PATH_POINTS) ** 2

    def error(w: np.ndarray) -> np.ndarray:
        return np.asarray(((w - truth) ** 2).sum(axis=-1))

    paths = [diagonal_drift(equations, equations @ truth, taus) for equations in x]
    programs = [least_regularizer(equations, equations @ truth) for equations in x]
    reached = [
        first_drift_time(equations, equations @ truth, lambda w: float(error(w)) - REACHED, latest=latest)
        for equations in x
    ]
    return {
        "sparse_tau": (("sparse_point",), taus, "drift time"),
        "sparse_a_step": ((), a_step, "drift time of a step before the step size is divided"),
        "sparse_exact_test": (("sparse_set", "sparse_point"), error(np.stack(paths)), "squared error, drift equation"),
        "sparse_exact_l1": (("sparse_set", "sparse_point"), np.stack(paths).sum(-1), "sum of v.v, drift equation"),
        "sparse_exact_reached": (
            ("sparse_set",),
            np.array(reached) / a_step,
            "steps that the drift equation takes to a squared error below 1",
        ),
        "sparse_target": (("sparse_entry",), truth, "target w*"),
        "sparse_program_error": (("sparse_set",), error(np.stack(programs)), "squared error of the linear program"),
    }


def sparse_coords(config: Config) -> dict[str, Any]:
    """The coordinates of what `sparse` returns."""
    return {
        "sparse_arm": list(ARMS),
        "sparse_set": (
            "sparse_set",
            np.arange(config.seed, config.seed + config.sparse_sets),
            {"long_name": "data set"},
        ),
        "sparse_entry": ("sparse_entry", np.arange(1, config.sparse_d + 1), {"long_name": "entry of v.v"}),
    }
