"""How every network of the assay is trained: Adam, a cosine to 0, and the step size chosen beforehand on other seeds.

Networks of one architecture are trained in blocks of equally many lanes, so that one compiled program serves all
targets, wirings, sizes of the training set and step sizes. A training set of n examples is repeated to as many rows as
the largest one of the block has: drawn with replacement, every example has the chance 1/n as before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree

from ...dynamics import CosineDecay, TunedOptax
from ...problem import Batch, Problem
from ...simulation import PerSeed, simulate

PerExample = Callable[[Array, Array], Array]


class Stream(IntEnum):
    """The independent streams of randomness of a seed."""

    TARGET = 400
    INIT = 401
    BATCHES = 402
    PIXELS = 403
    TUNING = 10
    """Added to each of the others for the seeds on which step sizes are chosen."""


class Examples(NamedTuple):
    """A training set, and the held-out examples: first those for validation, then those for the test."""

    x: np.ndarray
    y: np.ndarray
    held_x: np.ndarray
    held_y: np.ndarray

    def first(self, n: int, rows: int) -> Examples:
        """The first n examples, repeated to `rows`, a multiple of n."""
        again = np.arange(rows) % n
        return self._replace(x=self.x[again], y=self.y[again])


@dataclass(frozen=True)
class Checkpoint:
    """Training loss, validation loss and test error.

    validation: how many of the held-out examples are for validation; measure: the error of one test example. The
    training loss is that of the first rows, as many as there are held-out examples.
    """

    validation: int
    measure: PerExample

    def __call__(self, problem: Problem, params: PyTree) -> Float[Array, "3"]:
        assert problem.test is not None
        held = problem.test.y.shape[0]
        # Of one pass over all of them a single program is compiled.
        outputs = problem.predict(params, jnp.concatenate([problem.test.x, problem.x[:held]]))
        y = jnp.concatenate([problem.test.y, problem.y[:held]])
        test = self.measure(outputs[self.validation : held], y[self.validation : held])
        losses = problem.loss(outputs, y)
        return jnp.stack([jnp.mean(losses[held:]), jnp.mean(losses[: self.validation]), jnp.mean(test)])


class Fit(NamedTuple):
    """Trained lanes: losses and errors of shape (lane, record), NaN where the lane diverged, and final parameters."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    step: np.ndarray
    params: PyTree

    @property
    def best(self) -> np.ndarray:
        """The test error at the checkpoint of the least validation loss, (lane,)."""
        at = np.argmin(np.where(np.isnan(self.validation), np.inf, self.validation), axis=1)
        return self.test[np.arange(len(at)), at]


@dataclass(frozen=True)
class Trainer:
    """A network, its loss and its budget of steps: lanes of examples, starts and step sizes -> `Fit`."""

    network: Callable[[PyTree, Array], Array]
    loss: PerExample
    measure: PerExample
    steps: int
    batch: int
    checkpoints: int
    validation: int

    def __call__(
        self,
        examples: Sequence[Examples],
        starts: Sequence[PyTree],
        lrs: Sequence[float],
        *,
        seed: int,
        stream: int,
        label: str,
    ) -> Fit:
        """Trains one lane for each of the examples, starts and step sizes."""
        x, y, held_x, held_y = (jax.device_put(np.stack(part)) for part in zip(*examples, strict=True))
        problem = Problem(self.network, x, y, self.loss, test=Batch(held_x, held_y))
        schedule = CosineDecay(np.asarray(lrs, np.float32), np.full(len(lrs), self.steps, np.float32))
        run = simulate(
            PerSeed(problem),
            PerSeed(TunedOptax(optax.adam, batch_size=self.batch, sampling="independent", learning_rate=schedule)),
            PerSeed(jax.tree.map(lambda *leaves: np.stack(leaves), *starts)),
            steps=self.steps,
            probes={"errors": Checkpoint(self.validation, self.measure)},
            record=self.checkpoints,
            seeds=len(lrs),
            seed=seed,
            stream=stream,
            label=label,
        )
        found = np.where(run.data["diverged"].values[:, None, None], np.nan, run.data["errors"].values)
        train, validation, test = np.moveaxis(found, -1, 0)
        return Fit(train, validation, test, run.data["step"].values, run.params)


def choose_step_size(
    trainer: Trainer, examples: Sequence[Examples], starts: Sequence[PyTree], grid: Sequence[float], **where: Any
) -> tuple[float, np.ndarray]:
    """The step size of the least validation loss, and the losses of all.

    The loss of a step size is the geometric mean, over the seeds given, of that at the best checkpoint; infinite where
    a seed diverged.
    """
    lrs = [lr for lr in grid for _ in examples]
    fit = trainer([*examples] * len(grid), [*starts] * len(grid), lrs, **where)
    least = np.min(np.where(np.isnan(fit.validation), np.inf, fit.validation), axis=1)
    losses = np.exp(np.log(least).reshape(len(grid), -1).mean(axis=1))
    return grid[int(np.argmin(losses))], losses
