"""The memorizer as a global minimum that has learned nothing, beside the same architecture trained by Adam.

The labels are sign(w . x) for a random w. Both networks fit all of them. The memorizer is a function of one random
projection u . x, and between two data points it jumps between saturated values.
"""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Float

from ...dynamics import Optax
from ...models import mlp
from ...probes import test_accuracy, train_accuracy
from ...problem import Batch, Problem, logistic
from ...references.memorizing_network import MemorizingNetwork, memorize
from ...simulation import PerSeed, simulate
from .config import Config

NEIGHBOURS = 12
"""Data points along the projection around which the first seed's memorizer is kept."""
_GRID = 1201
_SHOWN = 150


def _teacher(config: Config, seed: int) -> Float[np.ndarray, " d"]:
    return np.random.default_rng((10, seed)).normal(size=config.d)


def draw_teacher(config: Config, seed: int) -> tuple[Batch, Batch]:
    """Training and fresh examples with labels sign(w . x), as NumPy arrays."""
    w = _teacher(config, seed)
    x = np.random.default_rng((6, seed)).normal(size=(config.bad_points + config.fresh, config.d))
    y, n = np.where(x @ w > 0, 1.0, -1.0), config.bad_points
    return Batch(x[:n], y[:n]), Batch(x[n:], y[n:])  # pyright: ignore[reportArgumentType]


def bad_minimum(config: Config) -> xr.Dataset:
    """Training and fresh accuracy of both networks, and what the memorizer's outputs look like."""
    data = [draw_teacher(config, config.seed + i) for i in range(config.seeds)]
    networks = [memorize(train.x, train.y, seed=config.seed + i) for i, (train, _) in enumerate(data)]
    trained, accuracies = _train(config, data, networks[0].widths)

    def accuracy(f: np.ndarray, y: np.ndarray) -> float:
        return float((f * y > 0).mean())

    own = np.array(
        [
            [accuracy(network(part.x), np.asarray(part.y)) for part in pair]
            for network, pair in zip(networks, data, strict=True)
        ]
    )
    fresh = [network(held.x) for network, (_, held) in zip(networks, data, strict=True)]
    noisy = []
    for i, (network, (train, _)) in enumerate(zip(networks, data, strict=True)):
        moved = train.x + config.noise * np.random.default_rng((7, config.seed + i)).normal(size=train.x.shape)
        noisy.append(np.sqrt(np.mean((network(moved) - train.y) ** 2)))
    found = xr.Dataset(
        {
            "accuracy": (
                ("network", "seed", "sample"),
                np.stack([own, accuracies]),
                {"long_name": "accuracy on labels sign(w.x)"},
            ),
            "fresh_size": ("seed", [np.abs(f).mean() for f in fresh], {"long_name": "mean |f| on fresh inputs"}),
            "noisy_error": ("seed", noisy, {"long_name": "rms error on training inputs moved by noise"}),
        },
        coords={"network": ["memorizer", "Adam"], "sample": ["training", "fresh"]},
        attrs={"noise": config.noise},
    )
    pictures = _pictures(config, networks[0], jax.tree.map(lambda leaf: leaf[0], trained), *data[0])
    return found.merge(pictures, combine_attrs="no_conflicts")


def _train(
    config: Config, data: list[tuple[Batch, Batch]], widths: tuple[int, int]
) -> tuple[mlp.MLP, Float[np.ndarray, "seed sample"]]:
    """Adam on the memorizer's architecture, logistic loss, until every seed fits its training set."""
    train, fresh = (
        Batch(*(jnp.asarray(np.stack(part), jnp.float32) for part in zip(*side, strict=True)))
        for side in zip(*data, strict=True)
    )
    problem = Problem(mlp.predict_scalar, train.x, train.y, logistic, test=fresh)
    starts = [_he_start(config.seed + i, (config.d, *widths, 1)) for i in range(config.seeds)]
    run = simulate(
        PerSeed(problem),
        Optax(optax.adam(config.adam_lr), batch_size=config.batch, sampling="independent"),
        PerSeed(jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *starts)),
        steps=config.adam_steps,
        probes={"train": train_accuracy, "fresh": test_accuracy},
        record=30,
        seeds=config.seeds,
        seed=config.seed,
        lanes="map",
        until=lambda last: bool((last["train"] == 1).all()),
        label="Adam on the memorizer's architecture",
    )
    last = run.data.isel(step=-1)
    return run.params, np.stack([last["train"].values, last["fresh"].values], axis=1)


def _he_start(seed: int, sizes: tuple[int, ...]) -> mlp.MLP:
    """Weights from N(0, 2 / fan_in), biases 0."""
    rng = np.random.default_rng((11, seed))
    drawn = [(rng.normal(size=pair) * (2 / pair[0]) ** 0.5, np.zeros(pair[1])) for pair in pairwise(sizes)]
    return tuple(mlp.Layer(*map(np.float32, layer)) for layer in drawn)  # pyright: ignore[reportArgumentType]


def _pictures(config: Config, network: MemorizingNetwork, trained: mlp.MLP, train: Batch, fresh: Batch) -> xr.Dataset:
    """The memorizer along its projection near a few data points, and both networks' outputs on some fresh points."""
    c = np.asarray(train.x) @ network.u
    at = np.argsort(c)[len(c) // 2 : len(c) // 2 + NEIGHBOURS]
    margin = (c[at[-1]] - c[at[0]]) / (2 * NEIGHBOURS)
    # The data points are on the grid: the curve has its corners there.
    grid = np.unique(np.concatenate([np.linspace(c[at[0]] - margin, c[at[-1]] + margin, _GRID), c[at]]))
    x = np.asarray(fresh.x)[:_SHOWN]
    teacher = _teacher(config, config.seed)
    f = np.stack([network(x), np.asarray(mlp.predict_scalar(trained, jnp.asarray(x, jnp.float32)), float)])
    return xr.Dataset(
        {
            "along": ("u_x", network.line(grid)[:, 0], {"long_name": "the memorizer's output"}),
            "near_label": ("near", np.asarray(train.y)[at], {"long_name": "labels of data points near in u.x"}),
            "near_u_x": ("near", c[at], {"long_name": "u.x of the data points"}),
            "fresh_output": (("network", "shown"), f, {"long_name": "output on fresh points"}),
            "fresh_w_x": ("shown", x @ teacher / np.linalg.norm(teacher), {"long_name": "w.x of the fresh points"}),
        },
        coords={"network": ["memorizer", "Adam"], "u_x": ("u_x", grid, {"long_name": "u.x"})},
    )
