"""The two-dimensional toy of the assay `adversarial-init`: the same story as a picture.

Two Gaussian clouds that a vertical line separates. Their labels are replaced by coin flips, a network is fitted to
them, and trained on from there with the true labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ...dynamics import SGD
from ...models import mlp
from ...probes import test_accuracy, train_accuracy
from ...problem import Batch, Problem, logistic
from ...simulation import PerSeed, Simulation, simulate

CENTRE, DEVIATION, HALF_DISTANCE = 0.2, 0.15, 0.65
"""The clouds: N(CENTRE, DEVIATION^2) in each coordinate, moved by +-HALF_DISTANCE along the first."""
WINDOW = ((-1.25, 1.8), (-0.75, 1.25))
"""The rectangle of the picture: the ranges of x_0 and x_1."""
GRID = (300, 200)
"""Points along x_0 and x_1 at which the predicted label is read."""
TEST = 1000
"""Test points."""
SETUPS = ("S0", "S2", "S3[M]", "S3[L2]", "S3[DA]", "S0[DA+M+L2]", "S3[DA+M+L2]")
"""Set-ups trained on the true labels: from the random (S0) or the adversarial (S2, S3) initialisation."""


class Stream(IntEnum):
    """The independent streams of randomness of a seed."""

    POINTS = 200
    TEST_POINTS = 201
    COINS = 202
    COPIES = 203
    INIT = 204
    PRETRAIN = 205
    MAIN = 206


@dataclass(frozen=True, kw_only=True)
class Settings:
    """points: n, half of them in each cloud; width: of the two hidden layers; scale: what inputs are multiplied by;
    lr: step size for the *sum* of a batch's losses; epochs: of the true labels; pretrain_epochs: of the coin flips;
    momentum, weight_decay (added to the gradient of the sum), copies and spread (Gaussian copies of every point and
    their standard deviation): the three regularisers."""

    seed: int
    seeds: int
    points: int
    width: int
    scale: float
    lr: float
    batch: int
    pretrain_epochs: int
    epochs: int
    momentum: float
    weight_decay: float
    copies: int
    spread: float


def clouds(key: Key[Array, ""], n: int) -> Batch:
    """n points, shape (n, 2), the first half labelled -1 and the rest +1; the Bayes boundary is x_0 = CENTRE."""
    y = jnp.where(jnp.arange(n) < n // 2, -1, 1).astype(jnp.int32)
    x = CENTRE + DEVIATION * jax.random.normal(key, (n, 2))
    return Batch(x.at[:, 0].add(HALF_DISTANCE * y), y)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """The coordinates x_0 (300,) and x_1 (200,) of the window's grid."""
    return np.linspace(*WINDOW[0], GRID[0]), np.linspace(*WINDOW[1], GRID[1])


def disagreement(labels: Bool[Array, "h w"], x0: Float[Array, " w"]) -> Float[Array, ""]:
    """The fraction of the window whose label is not that of the line x_0 = CENTRE."""
    return jnp.mean(labels != (x0 > CENTRE))


def boundary_length(labels: Bool[Array, "h w"]) -> Float[Array, ""]:
    """The length of the decision boundary in heights of the window: the edges between grid cells of unlike labels, so
    a vertical line has length 1 and a slanted one the sum of its two projections."""
    h, w = labels.shape
    (left, right), (low, high) = WINDOW
    crossed_along_x0 = jnp.sum(labels[:, 1:] != labels[:, :-1]) / h
    crossed_along_x1 = jnp.sum(labels[1:] != labels[:-1]) / w
    return crossed_along_x0 + crossed_along_x1 * (right - left) / (high - low)


@partial(jax.jit, static_argnums=1)
def _drawn(seeds: Int[Array, " seed"], settings: Settings) -> tuple[Batch, Batch, Array, Batch, PyTree]:
    """Every seed's points, test points, coin flips, points with their copies, and random initialisation."""

    def of_seed(seed: Int[Array, ""]) -> tuple[Batch, Batch, Array, Batch, PyTree]:
        def key(stream: Stream) -> Key[Array, ""]:
            return jax.random.fold_in(jax.random.key(seed), stream)

        points = clouds(key(Stream.POINTS), settings.points)
        return (
            points,
            clouds(key(Stream.TEST_POINTS), TEST),
            jax.random.rademacher(key(Stream.COINS), (settings.points,), jnp.int32),
            with_copies(key(Stream.COPIES), points, settings.copies, settings.spread),
            mlp.init(key(Stream.INIT), (2, settings.width, settings.width, 1), "uniform"),
        )

    return jax.vmap(of_seed)(seeds)


@eqx.filter_jit
def _geometry(params: PyTree, scale: float) -> tuple[Array, Array, Array]:
    """Disagreement, boundary length and the probability of label +1 on the grid, for every seed."""
    x0, x1 = map(jnp.asarray, grid())
    points = jnp.stack(jnp.meshgrid(x0, x1), axis=-1).reshape(-1, 2).astype(jnp.float32)

    def of_seed(params: PyTree) -> tuple[Array, Array, Array]:
        outputs = mlp.predict_scalar(params, scale * points).reshape(GRID[1], GRID[0])
        labels = outputs > 0
        return disagreement(labels, x0), boundary_length(labels), jax.nn.sigmoid(outputs)

    return jax.lax.map(of_seed, params)


@eqx.filter_jit
def _accuracies(problem: PerSeed[Problem], params: PyTree) -> tuple[Array, Array]:
    """Train and test accuracy of every seed."""
    return jax.vmap(lambda own, w: (train_accuracy(own, w), test_accuracy(own, w)))(problem.value, params)


def with_copies(key: Key[Array, ""], points: Batch, copies: int, spread: float) -> Batch:
    """The points and `copies` Gaussian copies of each, of standard deviation `spread`, with its label."""
    moved = points.x + spread * jax.random.normal(key, (copies, *points.x.shape))
    return Batch(jnp.concatenate([points.x, *moved]), jnp.tile(points.y, copies + 1))


def toy_study(settings: Settings) -> xr.Dataset:
    """The toy from the random and from the adversarial initialisation, without and with regularisers.

    Returns:
        dims (seed, toy_setup): `toy_train` and `toy_test` accuracy, `toy_disagreement`, `toy_length`; `toy_fit` (seed),
        accuracy on the coin flips; and of the first seed `toy_probability` (toy_setup, x1, x0) on every second point of
        the grid, `toy_points` (point, coordinate) and `toy_labels` (point).
    """
    s = settings
    points, held_out, coins, copied, start = _drawn(jnp.arange(s.seed, s.seed + s.seeds), s)
    # On the host, as are the problems and what comes back: arrays that lie otherwise on the devices would be compiled
    # for again.
    start = jax.device_get(start)

    def problem(x: Float[Array, "seed n 2"], y: Int[Array, "seed n"]) -> PerSeed[Problem]:
        test = Batch(s.scale * held_out.x, held_out.y)
        return PerSeed(jax.device_get(Problem(mlp.predict_scalar, s.scale * x, y, logistic, test=test)))

    def train(data: Batch, start: PyTree, label: str, epochs: int, stream: Stream, **regularisers: float) -> Simulation:
        steps = epochs * (data.y.shape[1] // s.batch)
        return simulate(
            problem(*data),
            # The sum of a batch's losses is batch times their mean, the package's convention.
            SGD(
                s.lr * s.batch,
                s.batch,
                momentum=regularisers.get("momentum", 0.0),
                weight_decay=regularisers.get("weight_decay", 0.0) / s.batch,
            ),
            PerSeed(start),
            steps=steps,
            record=(steps,),
            probes={"train": train_accuracy},
            seeds=s.seeds,
            seed=s.seed,
            stream=stream,
            label=f"toy {label}",
        )

    confused = train(Batch(points.x, coins), start, "pre-training on coin flips", s.pretrain_epochs, Stream.PRETRAIN)
    adversarial = jax.device_get(confused.params)
    runs = {}
    for name in SETUPS:
        origin = start if name.startswith("S0") else adversarial
        strengths = {"momentum": s.momentum} if "M" in name else {}
        if "L2" in name:
            strengths["weight_decay"] = s.weight_decay
        runs[name] = train(copied if "DA" in name else points, origin, name, s.epochs, Stream.MAIN, **strengths)

    true = problem(*points)
    final = {"random": start, "C": adversarial} | {name: run.params for name, run in runs.items()}
    final = jax.device_get(final)
    rows = [(*_accuracies(true, params), *_geometry(params, s.scale)) for params in final.values()]
    columns = [np.stack([np.asarray(value) for value in column], axis=1) for column in zip(*rows, strict=True)]
    names = ("toy_train", "toy_test", "toy_disagreement", "toy_length")
    x0, x1 = grid()
    return xr.Dataset(
        {name: (("seed", "toy_setup"), values) for name, values in zip(names, columns, strict=False)}
        | {
            "toy_fit": ("seed", confused.data.train.values[:, -1]),
            "toy_probability": (("toy_setup", "x1", "x0"), columns[-1][0, :, ::2, ::2]),
            "toy_points": (("point", "coordinate"), np.asarray(points.x[0])),
            "toy_labels": ("point", np.asarray(points.y[0])),
        },
        coords={"seed": np.arange(s.seed, s.seed + s.seeds), "toy_setup": list(final), "x0": x0[::2], "x1": x1[::2]},
    )
