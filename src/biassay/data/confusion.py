"""The confusion set: corrupted copies of the training images, each with a random label of its own.

Liu, Papailiopoulos, Achlioptas, NeurIPS 2020, arXiv 1906.02613. A network that fits it is an adversarial
initialisation. Copies that happen to be equal but carry different labels cannot all be fitted, so what is attainable
is computed before anything is trained.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from ..problem import Batch

Erase: TypeAlias = Literal["entries", "pixels"]


def corrupted_copies(
    key: Key[Array, ""], x: Float[Array, "n *shape"], copies: int, fraction: float, erase: Erase = "entries"
) -> Float[Array, "{copies}*n *shape"]:
    """`copies` copies of every input; in each a fresh random subset of its entries is 0.

    Args:
        key: of the subsets.
        x: inputs on the raw scale, where 0 is black; the last axis holds the channels.
        copies: the replication factor R.
        fraction: N; exactly int(N D) of the D entries of a copy are erased, drawn without replacement.
        erase: "entries" counts every channel of a pixel by itself, "pixels" erases all channels of a pixel.

    Returns:
        Shape (n R, ...): the copies of an input follow each other.

    Raises:
        ValueError: copies below 1, a fraction outside [0, 1], or an unknown way to erase.
    """
    check_corruption(copies, fraction)
    if erase not in ("entries", "pixels"):
        raise ValueError(f"erase must be entries or pixels, got {erase!r}")
    x = jnp.repeat(x, copies, axis=0)
    width = 1 if erase == "entries" else x.shape[-1]
    places = math.prod(x.shape[1:]) // width
    erased = int(fraction * places)
    # The places with the `erased` smallest ranks of a random order are a uniform subset.
    order = jnp.argsort(jax.random.uniform(key, (x.shape[0], places)), axis=1)
    keep = jnp.argsort(order, axis=1) >= erased
    return (x.reshape(-1, places, width) * keep[:, :, None]).reshape(x.shape)


def confusion_set(
    key: Key[Array, ""],
    x: Float[Array, "n *shape"],
    copies: int,
    fraction: float,
    classes: int,
    erase: Erase = "entries",
) -> Batch:
    """`corrupted_copies` with labels uniform over 0..classes-1, independent from copy to copy; the images' own labels
    are not used."""
    places, labels = jax.random.split(key)
    copied = corrupted_copies(places, x, copies, fraction, erase)
    return Batch(copied, jax.random.randint(labels, (copied.shape[0],), 0, classes))


def check_corruption(copies: int, fraction: float) -> None:
    """Raises ValueError for copies below 1 or a fraction outside [0, 1]."""
    if copies < 1:
        raise ValueError(f"replication must be at least 1, got {copies}")
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must lie in [0, 1], got {fraction}")


def attainable_accuracy(x: ArrayLike, y: ArrayLike) -> float:
    """The largest accuracy any function of the input can have: the sum over distinct inputs of the largest count of one
    label, over the number of examples. x: (n, ...), y: (n,) integer labels."""
    inputs = np.ascontiguousarray(x).reshape(len(np.asarray(y)), -1)
    rows = inputs.view(np.dtype((np.void, inputs.dtype.itemsize * inputs.shape[1]))).ravel()
    labels, label = np.unique(np.asarray(y), return_inverse=True)
    distinct, group = np.unique(rows, return_inverse=True)
    counts = np.zeros((len(distinct), len(labels)), int)
    np.add.at(counts, (group, label), 1)
    return float(counts.max(axis=1).sum() / len(rows))


def require_attainable(x: ArrayLike, y: ArrayLike) -> None:
    """Refuses a confusion set that no function can fit.

    Raises:
        ValueError: the attainable accuracy is below 1.
    """
    accuracy = attainable_accuracy(x, y)
    if accuracy < 1:
        raise ValueError(
            f"equal copies carry different labels: at most {accuracy:.4f} of the confusion set can be fitted; "
            "erase a larger fraction or lower the replication"
        )
