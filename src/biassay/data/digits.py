"""The handwritten digits of scikit-learn: 1797 grey images of 8x8 pixels, shipped with the library."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from sklearn.datasets import load_digits

CLASSES = 10
TOTAL = 1797
MEAN, DEVIATION = 0.305, 0.376
"""Mean and standard deviation of a pixel on the raw scale [0, 1]."""
BLACK = -MEAN / DEVIATION
"""A black pixel after `normalise`."""


class Split(NamedTuple):
    """Images on the raw scale [0, 1], shape (n, 8, 8, 1), and their labels 0..9, for training and for testing."""

    x: Float[Array, "n 8 8 1"]
    y: Int[Array, " n"]
    test_x: Float[Array, "m 8 8 1"]
    test_y: Int[Array, " m"]


@cache
def _all() -> tuple[np.ndarray, np.ndarray]:
    images, labels = map(np.asarray, load_digits(return_X_y=True))
    return (images / 16).astype(np.float32).reshape(-1, 8, 8, 1), labels.astype(np.int32)


def split(key: Key[Array, ""], train: int, test: int) -> Split:
    """`train` and `test` different digits, by a permutation that belongs to the key.

    Raises:
        ValueError: a size below 1, or more digits than there are.
    """
    images, labels = _all()
    check_sizes(train, test)
    order = jax.random.permutation(key, len(labels))
    first, second = order[:train], order[train : train + test]
    x, y = jnp.asarray(images), jnp.asarray(labels)
    return Split(x[first], y[first], x[second], y[second])


def check_sizes(train: int, test: int) -> None:
    """Raises ValueError for a size below 1 or for more digits than there are."""
    for name, size in {"train": train, "test": test}.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    if train + test > TOTAL:
        raise ValueError(f"train + test must be at most {TOTAL} (all the digits), got {train} + {test}")


def normalise(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """(x - mean) / deviation: from the raw scale to what networks see."""
    return (x - MEAN) / DEVIATION
