"""A run of SGD until it fits, and what is kept of it. Everything has a leading seed axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int, Key, PyTree, Scalar

from ...dynamics import SGD
from ...probes import test_accuracy, train_accuracy
from ...problem import Batch, Problem, cross_entropy
from ...simulation import PerSeed, simulate


class Stream(IntEnum):
    """The independent streams of randomness of a seed. From `SHUFFLES` and `REPEATS` on one number a run is taken."""

    SPLIT = 200
    INIT = 201
    SMALL_INIT = 202
    CORRUPTION = 203
    PERMUTATION = 204
    RANDOM_PIXELS = 205
    GAUSSIAN = 206
    BATCHES = 207
    SHUFFLES = 220
    REPEATS = 260


class Examples(NamedTuple):
    """What is trained on and tested on, one row a seed: normalised inputs (seed, n, ...) and labels (seed, n)."""

    x: Float[Array, "seed n ..."]
    y: Int[Array, "seed n"]
    test_x: Float[Array, "seed m ..."]
    test_y: Int[Array, "seed m"]


def keys(seed: int, seeds: int, stream: int) -> Key[Array, " seed"]:
    """One key a seed, for the draws that belong to `stream`."""
    roots = jax.vmap(jax.random.key)(jnp.arange(seed, seed + seeds))
    return jax.vmap(jax.random.fold_in, (0, None))(roots, stream)


def train_loss(problem: Problem, params: PyTree) -> Scalar:
    """Train loss."""
    return problem.risk(params)


class Fitted:
    """The stop rule: true once every seed has fitted all its `n` examples at some check."""

    def __init__(self, n: int) -> None:
        self.n, self.fitted = n, np.array(False)

    def __call__(self, last: Mapping[str, np.ndarray]) -> bool:
        self.fitted = self.fitted | fits(last["train"], self.n)
        return bool(self.fitted.all())


def fits(accuracy: np.ndarray, n: int) -> np.ndarray:
    """Whether an accuracy over `n` examples, computed in single precision, counts every one of them."""
    return accuracy > 1 - 0.5 / n


def train(
    data: Examples,
    predict: Callable[..., Array],
    start: PyTree,
    rule: SGD,
    *,
    every: int,
    epochs: int,
    seed: int,
    stream: int = Stream.BATCHES,
    statistics: PyTree = None,
    training: Callable[..., tuple[Array, PyTree]] | None = None,
    label: str,
) -> xr.Dataset:
    """SGD on the cross-entropy, checked at the start and every `every` epochs, until every seed has fitted.

    start: parameters with a leading seed axis. statistics: the same of batch statistics, for a network that has them;
    then `predict` and `training` are what `Problem` asks for. Everything is checked in evaluation mode.

    Returns `loss`, `train` and `test` (accuracies) with dimensions (seed, epoch). Runs of equal shapes share one
    compiled program, whatever their labels, inputs and step sizes. A batch left incomplete at the end of an epoch is
    dropped.
    """
    seeds, n = data.y.shape
    steps = n // rule.batch_size
    checks = range(0, epochs // every * every * steps + 1, every * steps)
    problem = Problem(
        predict,
        data.x,
        data.y,
        cross_entropy,
        test=Batch(data.test_x, data.test_y),
        statistics=statistics,
        training=training,
    )
    simulation = simulate(
        PerSeed(problem),
        rule,
        PerSeed(start),
        steps=checks[-1],
        record=checks,
        probes={"loss": train_loss, "train": train_accuracy, "test": test_accuracy},
        seeds=seeds,
        seed=seed,
        stream=stream,
        until=Fitted(n),
        data_parallel="auto",
        label=label,
    )
    recorded = simulation.data
    history = recorded[["loss", "train", "test"]].drop_vars("time").astype(float)
    # Counts of examples in single precision, as exact fractions.
    history["train"] = np.round(history.train * n) / n
    history["test"] = np.round(history.test * data.test_y.shape[1]) / data.test_y.shape[1]
    return history.assign_coords(step=recorded.step.values // steps).rename(step="epoch")


def at_fit(history: xr.Dataset) -> xr.Dataset:
    """What is kept of a run, one number a seed; it does not depend on the seeds beside it.

    epochs: the first check with all training examples right, NaN without one; train: the best train accuracy checked;
    test: the test accuracy at that first check, or at the last one.
    """
    fitted = (history.train == 1).values
    first = np.where(fitted.any(axis=1), fitted.argmax(axis=1), fitted.shape[1] - 1)
    rows = np.arange(len(first))
    return xr.Dataset(
        {
            "epochs": ("seed", np.where(fitted[rows, first], history.epoch.values[first], np.nan)),
            "train": ("seed", history.train.values.max(axis=1)),
            "test": ("seed", history.test.values[rows, first]),
        },
        {"seed": history.seed.values},
    )


def side_by_side(runs: Mapping[Any, xr.Dataset], axis: str, prefix: str = "") -> xr.Dataset:
    """What is kept of several runs along `axis`, and their histories as `loss_curve`, `train_curve` and `test_curve`.

    The histories share the axis `{prefix}epoch` and end with NaN where a run had stopped. `prefix` goes before every
    name but that of `axis`.
    """
    kept = xr.concat([at_fit(run) for run in runs.values()], axis, join="exact")
    curves = xr.concat(list(runs.values()), axis, join="outer").rename(
        {name: f"{name}_curve" for name in ("loss", "train", "test")}
    )
    both = xr.merge([kept, curves], join="exact").assign_coords({axis: list(runs)}).transpose("seed", axis, "epoch")
    return both.rename({name: f"{prefix}{name}" for name in (*both.data_vars, "epoch")})
