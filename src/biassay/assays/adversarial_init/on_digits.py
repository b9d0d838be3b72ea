"""The set-ups of the assay `adversarial-init` for one network on the digits.

Everything has a leading seed axis: every seed has its own split of the digits, its own initialisation and its own
confusion set. The stages of one seed share the order of its batches, so that set-ups are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Key, PyTree

from ...data import augmentation, confusion, digits
from ...dynamics import SGD
from ...probes import distance, norm, test_accuracy, train_accuracy
from ...problem import Batch, Problem, cross_entropy
from ...simulation import PerSeed, simulate
from .controls import norm_matched

PAIRS = ("DA+M", "DA+L2", "M+L2")
"""The pairs of regularisers."""
VANILLA = ("S0", "S2", "NC1", "NC2")
"""The set-ups trained by vanilla SGD on the true labels with the stop rule."""
REPLICATED: tuple[str, ...] = ("C", "C true", "S2", "NC1")
"""The set-ups that depend on the replication factor: the pre-trained models and what vanilla SGD makes of them."""
DRAWS = 10
"""Confusion sets drawn before a seed gives up."""


class Stream(IntEnum):
    """The independent streams of randomness of a seed."""

    SPLIT = 100
    INIT = 101
    CONFUSION = 102
    RANDOM_LABELS = 103
    PRETRAIN = 104
    MAIN = 105
    NOISE = 106


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one network is initialised, pre-trained and trained.

    replication, fraction: R and N of the confusion set.
    pretrain_lr, pretrain_epochs: vanilla SGD on the confusion set.
    lr, check_epochs, max_epochs, checks: vanilla SGD on the true labels; every `check_epochs` epochs it is checked
        whether all seeds fit all training examples, and the `checks`-th such check ends the run.
    regularisers: name -> (momentum, weight decay, augmented?), trained for `epochs` epochs at
        lr = effective_lr (1 - momentum).
    random_labels: whether S1 is run.
    """

    seed: int
    seeds: int
    batch: int
    replication: int
    fraction: float
    pretrain_lr: float
    pretrain_epochs: int
    lr: float
    check_epochs: int
    max_epochs: int
    checks: int
    regularisers: Mapping[str, tuple[float, float, bool]]
    effective_lr: float
    epochs: int
    random_labels: bool = True


@dataclass(frozen=True)
class Network:
    """`init(key) -> params` and `predict(params, images) -> logits`."""

    init: Callable[[Key[Array, ""]], PyTree]
    predict: Callable[[PyTree, Array], Array]


def keys(settings: Settings, stream: int) -> Key[Array, " seed"]:
    """One key per seed, for draws that belong to `stream`."""
    roots = jax.vmap(jax.random.key)(jnp.arange(settings.seed, settings.seed + settings.seeds))
    return jax.vmap(jax.random.fold_in, (0, None))(roots, stream)


def splits(settings: Settings, train: int, test: int) -> digits.Split:
    """Every seed's split of the digits, raw, with a leading seed axis."""
    return jax.jit(jax.vmap(lambda key: digits.split(key, train, test)))(keys(settings, Stream.SPLIT))


def confusion_sets(settings: Settings, data: digits.Split) -> tuple[Batch, np.ndarray]:
    """Every seed's confusion set on the raw scale, and how many draws it took.

    Even where many entries are erased two copies of a thin digit may come out equal with different labels; a seed whose
    set cannot be fitted draws another.

    Raises:
        ValueError: none of `DRAWS` sets of a seed can be fitted.
    """
    attempt = np.zeros(settings.seeds, int)
    while True:
        sets = drawn_sets(settings, data, attempt)
        possible = attainable(sets)
        if (possible == 1).all():
            return sets, attempt + 1
        if attempt.max() + 1 == DRAWS:
            worst = int(possible.argmin())
            confusion.require_attainable(sets.x[worst], sets.y[worst])
        attempt += possible < 1


def drawn_sets(settings: Settings, data: digits.Split, attempt: np.ndarray) -> Batch:
    """Draw number `attempt` (seed,) of every seed's confusion set, whether it can be fitted or not."""
    own = jax.vmap(jax.random.fold_in)(keys(settings, Stream.CONFUSION), attempt)
    return _draw(own, data.x, settings.replication, settings.fraction)


@partial(jax.jit, static_argnums=(2, 3))
def _draw(keys: Key[Array, " seed"], x: Array, copies: int, fraction: float) -> Batch:
    return jax.vmap(lambda key, own: confusion.confusion_set(key, own, copies, fraction, digits.CLASSES))(keys, x)


@jax.jit
def _random_labels(keys: Key[Array, " seed"], y: Array) -> Array:
    """Labels uniform over the classes, of the shape of `y`."""
    return jax.vmap(lambda key, own: jax.random.randint(key, own.shape, 0, digits.CLASSES))(keys, y)


def first_copies(sets: Batch, replication: int, fewer: int) -> Batch:
    """The first `fewer` of the `replication` copies of every image."""

    def pick(leaf: Array) -> Array:
        copies = leaf.reshape(leaf.shape[0], -1, replication, *leaf.shape[2:])[:, :, :fewer]
        return copies.reshape(leaf.shape[0], -1, *leaf.shape[2:])

    return Batch(pick(sets.x), pick(sets.y))


def attainable(sets: Batch) -> np.ndarray:
    """The attainable accuracy of every seed's confusion set, shape (seed,)."""
    return np.array([confusion.attainable_accuracy(x, y) for x, y in zip(*map(np.asarray, sets), strict=True)])


def augment(key: Key[Array, ""], x: Array) -> Array:
    """Normalised digits shifted by -1, 0 or +1 pixel along each axis; black comes in."""
    return augmentation.shift(key, x, reach=1, fill=digits.BLACK)


class Fitted:
    """The stop rule: true at the `checks`-th check at which every seed classifies every training example rightly."""

    def __init__(self, checks: int) -> None:
        self.left = checks

    def __call__(self, last: Mapping[str, np.ndarray]) -> bool:
        self.left -= bool((last["train"] == 1).all())
        return self.left <= 0


class Run(NamedTuple):
    """What became of one set-up: final parameters with a leading seed axis, and `train` (on the labels trained on) and,
    where asked for, `test` accuracy with dimensions (seed, epoch)."""

    params: PyTree
    history: xr.Dataset


class Study:
    """One network on one data set: its problems, its starting points and its runs, with the curve of their test
    accuracy or without."""

    def __init__(self, network: Network, settings: Settings, data: digits.Split, curves: bool = True) -> None:
        self.probes = {"train": train_accuracy} | ({"test": test_accuracy} if curves else {})
        self.network, self.settings, self.data = network, settings, data
        # On the host, as are the parameters of runs: what lies otherwise on the devices would be compiled for again.
        self.start = PerSeed(jax.device_get(jax.jit(jax.vmap(network.init))(keys(settings, Stream.INIT))))
        self.true = self.problem(data.x, data.y)

    def problem(self, x: Array, y: Array) -> PerSeed[Problem]:
        """Raw training images (seed, n, 8, 8, 1) and labels (seed, n), beside the test set."""
        test = Batch(digits.normalise(self.data.test_x), self.data.test_y)
        whole = Problem(self.network.predict, digits.normalise(x), y, cross_entropy, test=test)
        return PerSeed(jax.device_get(whole))

    def train(
        self,
        problem: PerSeed[Problem],
        start: PerSeed[PyTree],
        label: str,
        *,
        lr: float,
        epochs: int,
        every: int,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        augmented: bool = False,
        checks: int | None = None,
        stream: Stream = Stream.MAIN,
    ) -> Run:
        """SGD for `epochs` epochs, recorded every `every` epochs, with the stop rule if `checks` is given.

        Momentum 0 and weight decay 0 are data like any other value: the set-ups share one compiled program.
        """
        settings = self.settings
        epoch = problem.value.y.shape[1] // settings.batch
        simulation = simulate(
            problem,
            SGD(
                lr, settings.batch, momentum=momentum, weight_decay=weight_decay, augment=augment if augmented else None
            ),
            start,
            steps=epochs * epoch,
            record=range(every * epoch, epochs * epoch + 1, every * epoch),
            probes=self.probes,
            seeds=settings.seeds,
            seed=settings.seed,
            stream=stream,
            until=None if checks is None else Fitted(checks),
            label=label,
        )
        data = simulation.data
        epochs_taken = ("step", data.step.values / epoch, {"long_name": "epochs trained"})
        history = data[list(self.probes)].drop_vars("time").assign_coords(epoch=epochs_taken).swap_dims(step="epoch")
        return Run(jax.device_get(simulation.params), history.drop_vars("step"))

    def pretrained(self, x: Array, y: Array, label: str) -> Run:
        """Vanilla SGD on raw images `x` with labels `y`, from the random initialisation."""
        s = self.settings
        return self.train(
            self.problem(x, y),
            self.start,
            label,
            lr=s.pretrain_lr,
            epochs=s.pretrain_epochs,
            every=s.pretrain_epochs,
            stream=Stream.PRETRAIN,
        )

    def vanilla(self, start: PerSeed[PyTree], label: str) -> Run:
        """Vanilla SGD on the true labels, with the stop rule."""
        s = self.settings
        return self.train(self.true, start, label, lr=s.lr, epochs=s.max_epochs, every=s.check_epochs, checks=s.checks)

    def regularised(self, start: PerSeed[PyTree], name: str, label: str) -> Run:
        """SGD on the true labels with the regularisers `name`."""
        s = self.settings
        momentum, weight_decay, augmented = s.regularisers[name]
        return self.train(
            self.true,
            start,
            label,
            lr=s.effective_lr * (1 - momentum),
            epochs=s.epochs,
            every=s.epochs,
            momentum=momentum,
            weight_decay=weight_decay,
            augmented=augmented,
        )


def fitted_starts(study: Study, sets: Batch) -> tuple[Run, Run]:
    """The model fitted to the confusion sets, and NC1's model: fitted to the same inputs with their true labels."""
    true = jnp.repeat(study.data.y, sets.y.shape[1] // study.data.y.shape[1], axis=1)
    return (
        study.pretrained(*sets, "pre-training on random labels"),
        study.pretrained(sets.x, true, "pre-training on true labels"),
    )


def every_run(study: Study, sets: Batch) -> dict[str, Run]:
    """Every set-up of one network: the models fitted to the confusion sets ("C") and to the same inputs with their true
    labels ("C true"), then `VANILLA`, S1, and both starts with every choice of regularisers."""
    settings, start = study.settings, study.start
    bad, good = fitted_starts(study, sets)
    adversarial, informed = PerSeed(bad.params), PerSeed(good.params)
    matched = PerSeed(jax.device_get(jax.jit(jax.vmap(norm_matched))(start.value, adversarial.value)))
    runs = {"C": bad, "C true": good}
    for name, origin in zip(VANILLA, (start, adversarial, informed, matched), strict=True):
        runs[name] = study.vanilla(origin, name)
    if settings.random_labels:
        random = study.problem(study.data.x, _random_labels(keys(settings, Stream.RANDOM_LABELS), study.data.y))
        runs["S1"] = study.train(random, start, "S1", lr=settings.lr, epochs=settings.epochs, every=settings.epochs)
    for regulariser in settings.regularisers:
        for name, origin in (("S0", start), ("S3", adversarial)):
            label = f"{name}[{regulariser}]"
            runs[label] = study.regularised(origin, regulariser, label)
    return runs


def measured(study: Study, runs: Mapping[str, Run]) -> xr.Dataset:
    """What became of the set-ups.

    Returns:
        dims (seed, setup): `train` and `test` accuracy on the true labels, `fit` on the labels trained on, `d_init` and
        `d_adv`, the distances from the random and from the adversarial initialisation, and `norm`; `epochs` (setup)
        trained and `hit` (setup), the first check that found all seeds fitted.
    """
    first, seeds = study.settings.seed, study.settings.seeds
    adversarial = runs["C"].params
    rows = [_measures(study.true, run.params, study.start.value, adversarial) for run in runs.values()]
    data = xr.Dataset(coords={"seed": np.arange(first, first + seeds), "setup": list(runs)})
    for name in rows[0]:
        data[name] = (("seed", "setup"), np.stack([np.asarray(row[name]) for row in rows], axis=1))
    data["fit"] = (("seed", "setup"), np.stack([run.history.train[:, -1] for run in runs.values()], axis=1))
    data["epochs"] = ("setup", [float(run.history.epoch[-1]) for run in runs.values()])
    data["hit"] = ("setup", [_first_fit(run.history) for run in runs.values()])
    return data


def curves(runs: Mapping[str, Run]) -> xr.DataArray:
    """The test accuracy of `VANILLA` at the checks, dims (seed, curve, epoch)."""
    found = xr.concat([runs[name].history.test for name in VANILLA], dim="curve", join="outer")
    return found.assign_coords(curve=list(VANILLA)).transpose("seed", "curve", "epoch")


def replicated(study: Study, sets: Batch) -> xr.Dataset:
    """The set-ups `REPLICATED` with other confusion sets: `test` and `fit` with dims (seed, setup)."""
    bad, good = fitted_starts(study, sets)
    repaired = (study.vanilla(PerSeed(bad.params), "S2"), study.vanilla(PerSeed(good.params), "NC1"))
    runs = dict(zip(REPLICATED, (bad, good, *repaired), strict=True))
    return measured(study, runs)[["test", "fit"]]


@eqx.filter_jit
def _measures(problem: PerSeed[Problem], params: PyTree, start: PyTree, adversarial: PyTree) -> dict[str, Array]:
    def of_seed(problem: Problem, params: PyTree, start: PyTree, adversarial: PyTree) -> dict[str, Array]:
        return {
            "train": train_accuracy(problem, params),
            "test": test_accuracy(problem, params),
            "d_init": distance(params, start),
            "d_adv": distance(params, adversarial),
            "norm": norm(params),
        }

    return jax.vmap(of_seed)(problem.value, params, start, adversarial)


def _first_fit(history: xr.Dataset) -> float:
    """The first recorded epoch at which every seed fits all it is trained on, NaN if there is none."""
    fitted = np.flatnonzero((history.train == 1).all("seed"))
    return float(history.epoch[fitted[0]]) if fitted.size else float("nan")
