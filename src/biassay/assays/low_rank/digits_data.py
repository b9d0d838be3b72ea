"""The digits as the networks see them, and where the networks start: one row a seed."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...data import digits
from ...problem import Batch, Problem, squared_error
from ...simulation import PerSeed
from .networks import Matrices, init

Targets: TypeAlias = Literal["digit", "parity"]


class Stream(IntEnum):
    """The independent streams of randomness of a seed."""

    SPLIT = 300
    INIT = 301


class Examples(NamedTuple):
    """What is trained on and tested on: inputs of mean zero (over the training set) and norm 1, and labels 0..9."""

    x: Float[np.ndarray, "seed n 64"]
    y: Int[np.ndarray, "seed n"]
    test_x: Float[np.ndarray, "seed m 64"]
    test_y: Int[np.ndarray, "seed m"]


def keys(seed: int, seeds: int, stream: Stream) -> Key[Array, " seed"]:
    """One key a seed, for the draws that belong to `stream`."""
    roots = jax.vmap(jax.random.key)(jnp.arange(seed, seed + seeds))
    return jax.vmap(jax.random.fold_in, (0, None))(roots, stream)


def examples(seed: int, seeds: int, train: int) -> Examples:
    """Every seed's own split of the digits: `train` for training, all others for testing."""
    raw = _splits(keys(seed, seeds, Stream.SPLIT), train)
    x, test_x = (np.asarray(part, float).reshape(seeds, -1, 64) for part in (raw.x, raw.test_x))
    centre = x.mean(axis=1, keepdims=True)

    def unit(x: np.ndarray) -> np.ndarray:
        return (x - centre) / np.linalg.norm(x - centre, axis=2, keepdims=True)

    return Examples(unit(x), np.asarray(raw.y), unit(test_x), np.asarray(raw.test_y))


@partial(jax.jit, static_argnums=1)
def _splits(own: Key[Array, " seed"], train: int) -> digits.Split:
    return jax.vmap(lambda key: digits.split(key, train, digits.TOTAL - train))(own)


def starts(seed: int, seeds: int, widths: tuple[int, ...], dtype: Any) -> PerSeed[Matrices]:
    """Every seed's own start."""
    drawn = _starts(keys(seed, seeds, Stream.INIT), widths)
    return PerSeed(jax.tree.map(lambda W: W.astype(dtype), drawn))


@partial(jax.jit, static_argnums=1)
def _starts(own: Key[Array, " seed"], widths: tuple[int, ...]) -> tuple[Float[Array, "seed _ _"], ...]:
    return jax.vmap(lambda key: init(key, widths))(own)


def problem(network: Callable[..., Array], data: Examples, dtype: Any, targets: Targets = "digit") -> PerSeed[Problem]:
    """The sum over the outputs of the squared error, averaged over the digits.

    targets: "digit", ten outputs and one-hot targets; "parity", one output, 1 for even digits and -1 for odd ones.
    """

    def target(labels: np.ndarray) -> Array:
        if targets == "parity":
            return jnp.asarray(1 - 2 * (labels % 2)[..., None], dtype)
        return jnp.asarray(np.eye(digits.CLASSES)[labels], dtype)

    test = Batch(jnp.asarray(data.test_x, dtype), target(data.test_y))
    return PerSeed(Problem(network, jnp.asarray(data.x, dtype), target(data.y), squared_error, test=test))
