"""Matrix sensing: SGD with noise in the labels finds the matrix of least nuclear norm, on a clock of 1 / eta^2.

    h_i(U) = <A_i, U U^T>,  U (d, d),  U_0 = I,       y_i = <A_i, X>,  X = Q Q^T, Q (d, r) with orthonormal columns,

A_i Gaussian, n of them for d (d + 1) / 2 unknowns, loss (h - y)^2. The regularizer is

    reg(U) = (4 / n) sum_i |S_i U|_F^2,  S_i = (A_i + A_i^T) / 2,       with mean (2 d + 2) tr(U U^T) over A,

so label noise moves U down the nuclear norm of U U^T, along the matrices that fit. To leading order |U U^T - X|_F^2
falls by a factor e in B / (16 d eta^2 s^2) steps; s^2 is the variance of the noise, B the batch.

Every data set is run with noise (several runs) and without (one run, the control), at eta and at eta / 2. A data set
leaves a choice where the control fits it exactly. Some leave none: X may be the only positive semi-definite matrix
that fits, though there are fewer measurements than unknowns, and then the control creeps towards X.

Blanc, Gupta, Valiant, Valiant, COLT 2020, Figure 1.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...dynamics import LabelNoise
from ...errors import UserError
from ...models.matrix_sensing import matrix_sensing, nuclear_norm, relative_error
from ...problem import Problem
from ...references import largest_stable_lr
from ...simulation import PerSeed, simulate
from .config import Config
from .limits import rounded_down
from .sensing_flow import drift_curve

Variables: TypeAlias = dict[str, tuple[Any, ...]]

FITTED = 1e-12
"""Mean squared error below which the run without noise fits its data set."""
FITTING = 1e-6
"""Mean squared error at which the clock of the training error is read."""
_RECORDS = 300
_DRAWN = "for independently drawn batches"


def training_error(problem: Problem, U: Float[Array, "d d"]) -> Float[Array, ""]:
    """Mean squared error on the measurements, against labels without noise."""
    return problem.risk(U)


_PROBES = {"test": relative_error, "train": training_error, "trace": nuclear_norm}
WORDS = {
    "test": "relative test error |UUᵀ − X|² / |X|²",
    "train": "mean squared error on the measurements",
    "trace": "nuclear norm tr UUᵀ",
}
"""The recorded values, in words."""


def data_set(seed: int, d: int, rank: int, measurements: int, dtype: Any = np.float64) -> Problem:
    """Gaussian measurements of the projector onto a random subspace."""
    rng = np.random.default_rng([seed, d])
    Q, _ = np.linalg.qr(rng.normal(size=(d, rank)))
    return matrix_sensing(rng.standard_normal((measurements, d, d), dtype), (Q @ Q.T).astype(dtype))


def check_stable(field: str, lr: float, problems: list[Problem], d: int, batch: int) -> float:
    """The largest step size that is sure to be stable at U = I on every data set; `lr` of this field is not larger.

    It is that for independently drawn batches, and stands for fixed windows of the measurements as well, for which
    nothing is sure.

    Raises:
        UserError: it is.
    """
    limit = min(largest_stable_lr(problem, jnp.eye(d, dtype=problem.x.dtype), batch) for problem in problems)
    if lr > limit:
        raise UserError(
            f"{field} must be at most {rounded_down(limit)}, got {lr:g}: above it SGD with independently drawn batches "
            f"of {batch} need not be stable at the start; take a smaller step or a larger batch"
        )
    return limit


def data_sets(config: Config) -> list[Problem]:
    """The data sets, one a seed."""
    seeds = range(config.seed, config.seed + config.sensing_sets)
    return [data_set(seed, config.sensing_d, config.sensing_rank, config.sensing_measurements) for seed in seeds]


def large_data_set(config: Config) -> Problem:
    """The large problem, in single precision."""
    d, rank, n = config.sensing_large_d, config.sensing_large_rank, config.sensing_large_measurements
    return data_set(config.seed, d, rank, n, np.float32)


def check_sensing(config: Config) -> None:
    """SGD is stable at the start on every data set, and on the large problem where it is asked for.

    Raises:
        UserError: it need not be.
    """
    check_stable("sensing_lr", config.sensing_lr, data_sets(config), config.sensing_d, config.sensing_batch)
    if config.sensing_large:
        d, batch = config.sensing_large_d, config.sensing_large_batch
        check_stable("sensing_large_lr", config.sensing_large_lr, [large_data_set(config)], d, batch)


class Arms(NamedTuple):
    """Probes by name, with noise, (set, run, record), and without, (set, record); and the final U of the latter."""

    noisy: dict[str, np.ndarray]
    quiet: dict[str, np.ndarray]
    fitted: np.ndarray


def train(
    problems: list[Problem],
    start: Float[np.ndarray, "d d"],
    lr: float,
    std: float,
    batch: int,
    record: np.ndarray,
    *,
    runs: int,
    seed: int,
    sampling: Literal["independent", "window"] = "independent",
) -> Arms:
    """Every data set `runs` times with noise of this size and once without, as lanes of one program."""
    sets, dtype = len(problems), start.dtype
    lanes = np.concatenate([np.repeat(np.arange(sets), runs), np.arange(sets)])
    noise = np.where(np.arange(len(lanes)) < sets * runs, std, 0.0)
    rule = LabelNoise(np.full(len(lanes), lr, dtype), noise.astype(dtype), batch, sampling)
    run = simulate(
        PerSeed(jax.tree.map(lambda *leaves: np.stack(leaves)[lanes], *problems)),
        PerSeed(rule),
        start,
        steps=int(record[-1]),
        probes=_PROBES,
        record=record.tolist(),
        seeds=len(lanes),
        seed=seed,
        label=f"sensing, d = {len(start)}, lr {lr:g}",
    )
    values = {name: run.data[name].values.astype(float) for name in _PROBES}
    return Arms(
        {name: v[: sets * runs].reshape(sets, runs, -1) for name, v in values.items()},
        {name: v[sets * runs :] for name, v in values.items()},
        np.asarray(run.params[sets * runs :]),
    )


def record_steps(steps: int) -> np.ndarray:
    """0 and steps up to `steps`, evenly spaced and evenly in the logarithm, so that early and late times are read."""
    spaced = np.concatenate([np.linspace(0, steps, _RECORDS + 1), np.geomspace(1, steps, _RECORDS // 3)])
    return np.unique(spaced.round().astype(int))


def first_below(steps: np.ndarray, values: np.ndarray, level: float) -> np.ndarray:
    """The step at which `values` (..., record) first falls below `level`, NaN where it never does.

    Between two records the logarithm of the value is taken to be linear. steps: (..., record) or (record,).
    """
    below = values < level
    at = np.maximum(np.argmax(below, axis=-1), 1)
    pair = np.stack([at - 1, at], axis=-1)
    height = np.log(np.take_along_axis(values, pair, axis=-1) / level)
    step = np.take_along_axis(np.broadcast_to(steps, values.shape), pair, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = height[..., 0] / (height[..., 0] - height[..., 1])
    return np.where(below.any(axis=-1), step[..., 0] + share * (step[..., 1] - step[..., 0]), np.nan)


def sensing(config: Config) -> Variables:
    """The data sets at both step sizes, the times read off them, and the large problem where it is asked for."""
    d, n, batch = config.sensing_d, config.sensing_measurements, config.sensing_batch
    problems = data_sets(config)
    limit = check_stable("sensing_lr", config.sensing_lr, problems, d, batch)

    # eta brings the test error to 1 in a quarter of its steps; eta / 2 needs some four times as many for that.
    first = record_steps(config.sensing_steps)
    record = np.stack([first, np.rint(1.5 * first).astype(int)])
    at, at_half = (
        train(
            problems,
            np.eye(d),
            lr,
            config.sensing_variance**0.5,
            batch,
            steps,
            runs=config.sensing_runs,
            seed=config.seed,
        )
        for lr, steps in zip((config.sensing_lr, config.sensing_lr / 2), record, strict=True)
    )
    noisy = {name: np.stack([at.noisy[name], at_half.noisy[name]], axis=2) for name in _PROBES}
    quiet = {name: np.stack([at.quiet[name], at_half.quiet[name]], axis=1) for name in _PROBES}

    unknowns = d * (d + 1) // 2
    leaves_choice = (quiet["train"][:, 0, -1] < FITTED) & (n < unknowns)
    tau = config.sensing_lr**2 * config.sensing_variance * first / batch
    drift = np.full((config.sensing_sets, len(tau)), np.nan)
    for k in np.flatnonzero(leaves_choice):
        drift[k] = drift_curve(problems[k], at.fitted[k], tau)

    each, path = ("sensing_set", "sensing_run", "sensing_lr"), ("sensing_set", "sensing_lr")
    found: Variables = {
        "sensing_step": (("sensing_lr", "sensing_record"), record, "steps taken"),
        "sensing_open": (("sensing_set",), leaves_choice, "fitted exactly without noise: the data set leaves a choice"),
        "sensing_share": ((), n / unknowns, "measurements over unknowns"),
        "sensing_truth": ((), float(config.sensing_rank), "nuclear norm of the target"),
        "sensing_limit": ((), limit, f"largest η sure to be stable at the start, {_DRAWN}"),
        "sensing_tau": (("sensing_record",), tau, "drift time η² s² t / B at the first step size"),
        "sensing_drift": (("sensing_set", "sensing_record"), drift, "|UUᵀ − X|² / |X|² along the drift equation"),
        "sensing_clock": (each, first_below(record, noisy["test"], 1.0), "steps until |UUᵀ − X|² < |X|²"),
        "sensing_fit_clock": (
            path,
            first_below(record, quiet["train"], FITTING),
            "steps until the training error falls below 1e-6, without noise",
        ),
    }
    for name, words in WORDS.items():
        found[f"sensing_{name}"] = ((*each, "sensing_record"), noisy[name], words)
        found[f"sensing_{name}_quiet"] = ((*path, "sensing_record"), quiet[name], f"{words}, without noise")
    return found | (large(config) if config.sensing_large else {})


def large(config: Config) -> Variables:
    """The large problem, one run with noise and one without.

    A batch of neighbours lies in one piece in memory, and single precision does for errors of a percent: at d = 100 a
    step waits for its batch, not for its products. Such fixed windows are not the independently drawn batches for which
    the largest stable step size is a bound.
    """
    d, batch, lr = config.sensing_large_d, config.sensing_large_batch, config.sensing_large_lr
    problem = large_data_set(config)
    limit = check_stable("sensing_large_lr", lr, [problem], d, batch)
    record = record_steps(config.sensing_large_steps)
    arms = train(
        [problem],
        np.eye(d, dtype=np.float32),
        lr,
        config.sensing_variance**0.5,
        batch,
        record,
        runs=1,
        seed=config.seed,
        sampling="window",
    )
    found: Variables = {
        "sensing_large_step": (("sensing_large_record",), record, "steps taken"),
        "sensing_large_truth": ((), float(config.sensing_large_rank), "nuclear norm of the target"),
        "sensing_large_limit": ((), limit, f"largest η sure to be stable at the start, {_DRAWN}"),
    }
    for name, words in WORDS.items():
        found[f"sensing_large_{name}"] = (("sensing_large_record",), arms.noisy[name][0, 0], words)
        found[f"sensing_large_{name}_quiet"] = (("sensing_large_record",), arms.quiet[name][0], f"{words}, no noise")
    return found


def sensing_coords(config: Config) -> dict[str, Any]:
    """The data sets, the runs on each and the two step sizes."""
    lrs = [config.sensing_lr, config.sensing_lr / 2]
    return {
        "sensing_set": np.arange(config.seed, config.seed + config.sensing_sets),
        "sensing_run": np.arange(config.sensing_runs),
        "sensing_lr": ("sensing_lr", lrs, {"long_name": "step size η"}),
    }
