"""Which examples a step sees: the indices of a window of steps, drawn at once."""

from __future__ import annotations

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

Sampling: TypeAlias = Literal["epochs", "independent", "subset", "window"]


def check_sampling(batch_size: int | None, sampling: str) -> None:
    """Raises ValueError for a batch size below 1 or an unknown way of sampling."""
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if sampling not in ("epochs", "independent", "subset", "window"):
        raise ValueError(f"sampling must be epochs, independent, subset or window, got {sampling!r}")


def batch_indices(
    key: Key[Array, ""], start: Int[Array, ""], length: int, size: int, batch_size: int, sampling: Sampling
) -> Int[Array, "length batch"]:
    """Indices into `size` examples for the steps start, ..., start + length - 1 (start a multiple of length).

    "epochs": a fresh permutation every epoch, cut into batches, the last incomplete batch dropped;
    "independent": every example uniform, with replacement;
    "subset": a uniform subset of `batch_size` examples, independent from step to step;
    "window": `batch_size` neighbours from a uniform place on, the first examples following the last. Every example has
        the same chance, the batch lies in one piece in memory, and one number is drawn a step. Examples next to each
        other must be as good as independent.

    Raises:
        ValueError: a batch larger than the data where no example may repeat.
    """
    if sampling != "independent" and batch_size > size:
        raise ValueError(f"a batch of {batch_size} cannot be drawn without replacement from {size} examples")
    if sampling == "independent":
        return _uniform(jax.random.fold_in(key, start // length), (length, batch_size), size)
    if sampling == "window":
        first = _uniform(jax.random.fold_in(key, start // length), (length, 1), size)
        return (first + jnp.arange(batch_size, dtype=first.dtype)) % size
    if sampling == "subset":
        shuffled = jax.vmap(lambda k: jax.random.permutation(k, size))
        return shuffled(jax.random.split(jax.random.fold_in(key, start // length), length))[:, :batch_size]
    # A permutation belongs to its epoch's number, so that it is the same from whichever window it is reached.
    per_epoch = size // batch_size
    first = start // per_epoch
    epochs = first + jnp.arange((length - 1) // per_epoch + 2)
    order = jax.vmap(lambda epoch: jax.random.permutation(jax.random.fold_in(key, epoch), size))(epochs)
    batches = order[:, : per_epoch * batch_size].reshape(-1, batch_size)
    return jax.lax.dynamic_slice_in_dim(batches, start - first * per_epoch, length)


def _uniform(key: Key[Array, ""], shape: tuple[int, ...], size: int) -> Int[Array, "..."]:
    """Uniform integers in 0..size-1, the high half of size * bits for 32 random bits: no value's chance is off by more
    than size / 2^32 of itself, and one draw of bits does where an exact `randint` takes two and a division."""
    if size >= 2**16:
        return jax.random.randint(key, shape, 0, size)
    bits = jax.random.bits(key, shape, jnp.uint32)
    high, low = bits >> 16, bits & 0xFFFF
    return ((high * size + (low * size >> 16)) >> 16).astype(jnp.int32)
