"""Even digits against odd ones: every network's start, training, and what it classifies rightly.

SGD on the mean of (f(x) - y)^2 with y = +1 for even digits and -1 for odd ones, in single precision. Every seed has its
own split of the digits, its own starts and its own order of the batches.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from ...data import digits
from ...dynamics import SGD
from ...models.plain_cnn import Architecture
from ...problem import Problem, squared_error
from ...simulation import PerSeed, simulate
from .config import Config
from .networks import DENSE, DESIGNS, dense, dense_init

Network: TypeAlias = Callable[[PyTree, Array], Array]

SIDE = 8
"""Pixels along a digit's side."""
HIDDEN = 3
"""Hidden layers of the dense network."""


class Stream(IntEnum):
    """The independent streams of randomness of a seed."""

    SPLIT = 400
    INIT = 401
    BATCHES = 402


class Examples(NamedTuple):
    """Images (seed, n, 8, 8, 1), the training images first, and labels (seed, n, 1)."""

    x: Float[Array, "seed n 8 8 1"]
    y: Float[Array, "seed n 1"]


def keys(config: Config, stream: Stream) -> Key[Array, " seed"]:
    """One key a seed, for the draws that belong to `stream`."""
    roots = jax.vmap(jax.random.key)(jnp.arange(config.seed, config.seed + config.seeds))
    return jax.vmap(jax.random.fold_in, (0, None))(roots, stream)


def centred(x: Float[Array, "n h w c"], mean: Float[Array, "h w c"]) -> Float[Array, "n h w c"]:
    """The images minus the mean image, each then scaled to norm 1."""
    x = x - mean
    return x / jnp.sqrt(jnp.sum(x**2, axis=(1, 2, 3), keepdims=True))


def examples(config: Config) -> Examples:
    """Every seed's split of the digits, minus the mean of its training images."""

    def one(key: Key[Array, ""]) -> Examples:
        data = digits.split(key, config.train, config.test)
        x, labels = jnp.concatenate([data.x, data.test_x]), jnp.concatenate([data.y, data.test_y])
        return Examples(centred(x, jnp.mean(data.x, axis=0)), jnp.where(labels % 2 == 0, 1.0, -1.0)[:, None])

    return jax.jit(jax.vmap(one))(keys(config, Stream.SPLIT))


def architectures(config: Config) -> dict[str, Architecture]:
    """The convolutional networks by their names."""
    return {name: design.architecture((config.channels,) * design.depth) for name, design in DESIGNS.items()}


def networks(config: Config) -> dict[str, Network]:
    """All networks by their names, the dense one last."""
    return {**architectures(config), DENSE: dense}


def starts(config: Config) -> dict[str, PyTree]:
    """Every network's initial parameters, with a leading seed axis: He's, N(0, 2 / fan_in), and N(0, 1 / fan_in) in a
    convolutional network's top.

    Drawn by NumPy, as the normal numbers of JAX would be compiled for every layer's shape.
    """
    key = jax.random.key(0)
    nets = architectures(config)
    shapes: dict[str, PyTree] = {name: jax.eval_shape(partial(net.init, side=SIDE), key) for name, net in nets.items()}
    shapes[DENSE] = jax.eval_shape(lambda: dense_init(key, (SIDE**2, *[config.width] * HIDDEN, 1)))

    def drawn(rng: np.random.Generator, name: str, last: bool, shape: tuple[int, ...]) -> np.ndarray:
        variance = (1 if last and name != DENSE else 2) / shape[0]
        return (variance**0.5 * rng.normal(size=shape)).astype(np.float32)

    def one(seed: int, number: int, name: str) -> PyTree:
        leaves, structure = jax.tree.flatten(shapes[name])
        rng = np.random.default_rng([seed, Stream.INIT, number])
        last = len(leaves) - 1
        return structure.unflatten([drawn(rng, name, i == last, leaf.shape) for i, leaf in enumerate(leaves)])

    seeds = range(config.seed, config.seed + config.seeds)
    return {
        name: jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *[one(seed, i, name) for seed in seeds])
        for i, name in enumerate(shapes)
    }


def trained(config: Config, data: Examples) -> dict[str, PyTree]:
    """Every network's parameters after SGD, with a leading seed axis."""
    start = starts(config)
    x, y = data.x[:, : config.train], data.y[:, : config.train]

    def one(name: str, network: Network) -> PyTree:
        rule = SGD(
            config.dense_lr if name == DENSE else config.lr,
            config.dense_batch if name == DENSE else config.batch,
            sampling="independent",
            weight_decay=config.weight_decay,
        )
        return simulate(
            PerSeed(Problem(network, x, y, squared_error)),
            rule,
            PerSeed(start[name]),
            steps=config.dense_steps if name == DENSE else config.steps,
            record=[],
            seeds=config.seeds,
            seed=config.seed,
            stream=Stream.BATCHES,
            label=f"digits, {name}",
        ).params

    return {name: one(name, network) for name, network in networks(config).items()}


def right(config: Config, params: dict[str, PyTree], data: Examples) -> dict[str, np.ndarray]:
    """Which digits every network classifies rightly, (seed, digit)."""
    nets = networks(config)

    @jax.jit
    def outputs(params: dict[str, PyTree], x: Array) -> dict[str, Array]:
        return {name: jax.vmap(network)(params[name], x) for name, network in nets.items()}

    y = np.asarray(data.y)
    return {name: np.asarray(f * y > 0)[..., 0] for name, f in outputs(params, data.x).items()}
