"""One network on one data set and one seed: how it starts, what it is pre-trained on, and SGD with step size drops.

Everything is at one place of the grid (data set, network, seed) at a time: an image network fills a device by itself.
The batches of one seed's set-ups have the same order, so that they are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Int, Key

from ...data.augmentation import crop_and_flip
from ...data.confusion import ConfusionSet
from ...dynamics import SGD, StepDrops
from ...models.classifiers import Classifier
from ...problem import Problem
from ...simulation import simulate
from .attainable import attainable
from .config import Config
from .image_data import Images, Source
from .image_network import Weights, fit, held_out, problem_of

PAD = 4
"""Pixels of black around an image that augmentation crops from."""


class Stream(IntEnum):
    """The independent streams of randomness of a seed."""

    SPLIT = 110
    INIT = 111
    CONFUSION = 112
    RANDOM_LABELS = 113
    PRETRAIN = 114
    MAIN = 115
    NOISE = 116


def key(seed: int, stream: int) -> Key[Array, ""]:
    """The key for a seed's draws that belong to `stream`."""
    return jax.random.fold_in(jax.random.key(seed), stream)


class Outcome(NamedTuple):
    """What became of one set-up: where it ended, whether it diverged, and `fit` (accuracy on the labels trained on) and
    `test` accuracy over the checks, dimension `epoch`, NaN where it diverged."""

    end: Weights
    diverged: bool
    history: xr.Dataset


class Fitted:
    """The stop rule of pre-training: true once a share `least` of the n examples is classified rightly."""

    def __init__(self, least: float, n: int) -> None:
        self.least, self.n = least, n

    def __call__(self, last: Mapping[str, np.ndarray]) -> bool:
        # Counts, as accuracies are in single precision.
        return round(float(last["fit"].min()) * self.n) >= self.least * self.n - 1e-6


class Checks:
    """The stop rule of a run that is as long as another: true at the check with this number, from 1."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, last: Mapping[str, np.ndarray]) -> bool:
        self.left -= 1
        return self.left <= 0


def augment(key: Key[Array, ""], x: Array) -> Array:
    """Bytes cropped from the image with `PAD` black pixels on every side, and mirrored at random."""
    return crop_and_flip(key, x, PAD)


def confusion(
    config: Config, images: Images, classes: int, seed: int, replication: int, fraction: float
) -> tuple[ConfusionSet, Int[Array, " c"]]:
    """A seed's confusion set, made on the device when it is asked for, and its random labels."""
    places, labels = jax.random.split(key(seed, Stream.CONFUSION))
    erase = "pixels" if config.image_erase == "pixels" else "entries"
    items = ConfusionSet(images.x, places, replication, fraction, erase)
    return items, jax.random.randint(labels, (len(items),), 0, classes)


def require_attainable(config: Config, name: str, items: ConfusionSet, labels: Int[Array, " c"]) -> float:
    """The attainable accuracy of a confusion set, before anything is trained.

    Raises:
        ValueError: it is below what pre-training must reach.
    """
    found = attainable(items, labels)
    if found < config.image_fit:
        raise ValueError(
            f"{name}: equal copies carry different labels: at most {found:.4f} of the confusion set with R = "
            f"{items.copies} and N = {items.fraction:g} can be fitted; erase a larger fraction or lower image_fit"
        )
    return found


@dataclass(frozen=True)
class Study:
    """One network on one data set and one seed.

    label: what the progress display calls it.
    """

    config: Config
    label: str
    net: Classifier
    source: Source
    images: Images
    seed: int

    @cached_property
    def start(self) -> Weights:
        """The random initialisation, with the statistics before any batch."""
        return Weights(*self.net.init(key(self.seed, Stream.INIT)))

    def problem(self, x: Any, y: Int[Array, " n"], start: Weights) -> Problem:
        """Images `x` with labels `y` beside the test set; the batch statistics begin with those of `start`."""
        return problem_of(self.net, self.source, x, y, self.images.test, start.statistics)

    def train(
        self,
        setup: str,
        x: Any,
        y: Int[Array, " n"],
        start: Weights,
        *,
        regularisers: str = "",
        stream: Stream = Stream.MAIN,
        until: Fitted | Checks | None = None,
    ) -> Outcome:
        """SGD from `start` with a new optimiser state, checked every `image_check_epochs` epochs.

        The batch statistics go on from `start`. Without momentum and weight decay these are 0, which is data: set-ups
        of equal shapes with equal augmentation share one compiled program. Several accelerators share every batch where
        they can.

        Args:
            setup: its name. regularisers: such as "DA+M+L2", none by default.
            until: the stop rule, by default none but `image_epochs`.
        """
        config, parts = self.config, regularisers.split("+")
        epoch = len(y) // config.image_batch
        steps, every = config.image_epochs * epoch, config.image_check_epochs * epoch
        momentum = config.image_momentum if "M" in parts else 0.0
        lr = config.image_momentum_lr if "M" in parts else config.image_lr
        drops = jnp.array([drop * epoch for drop in config.image_drops], jnp.int32)
        simulation = simulate(
            self.problem(x, y, start),
            SGD(
                StepDrops(lr, drops),
                config.image_batch,
                momentum=momentum,
                weight_decay=config.image_weight_decay if "L2" in parts else 0.0,
                augment=augment if "DA" in parts else None,
            ),
            start.params,
            steps=steps,
            record=range(every, steps + 1, every),
            probes={"fit": fit, "test": held_out},
            seed=self.seed,
            stream=stream,
            until=until,
            data_parallel="auto",
            label=f"{self.label}, {setup}",
        )
        end = jax.tree.map(lambda leaf: leaf[0], Weights(simulation.params, simulation.statistics))
        recorded = simulation.data.isel(seed=0, drop=True)
        history = recorded[["fit", "test"]].drop_vars("time").assign_coords(step=recorded.step.values // epoch)
        diverged = bool(recorded.diverged)
        return Outcome(end, diverged, history.rename(step="epoch").where(not diverged))

    def pretrained(
        self, setup: str, items: ConfusionSet, labels: Int[Array, " c"], like: Outcome | None = None
    ) -> Outcome:
        """Vanilla SGD on a confusion set from the random initialisation: until it fits, or for the epochs of `like`."""
        # By a stop rule and not by fewer steps: both share one compiled program.
        until = Fitted(self.config.image_fit, len(labels)) if like is None else Checks(like.history.sizes["epoch"])
        return self.train(setup, items, labels, self.start, stream=Stream.PRETRAIN, until=until)

    def on_true_labels(self, setup: str, start: Weights, regularisers: str = "") -> Outcome:
        """SGD on the training images with their true labels."""
        return self.train(setup, self.images.x, self.images.y, start, regularisers=regularisers)

    def random_labels(self) -> Int[Array, " n"]:
        """A label for every training image, uniform over the classes."""
        labels = key(self.seed, Stream.RANDOM_LABELS)
        return jax.random.randint(labels, self.images.y.shape, 0, self.source.classes)
