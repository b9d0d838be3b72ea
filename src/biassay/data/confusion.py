"""The confusion set: corrupted copies of the training images, each with a random label of its own.

Liu, Papailiopoulos, Achlioptas, NeurIPS 2020, arXiv 1906.02613. A network that fits it is an adversarial
initialisation. Copies that happen to be equal but carry different labels cannot all be fitted, so what is attainable
is computed before anything is trained.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Num
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
    _check_erase(erase)
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


class ConfusionSet(eqx.Module):
    """The inputs of a confusion set, each made on the device when it is asked for; an array to whoever indexes it.

    Item i is copy i % R of image i // R, and its erased entries are drawn with the key folded with i: the same at
    every time and in every batch. In memory are the n images alone, so that of bytes the set needs n D bytes (154 MB
    for CIFAR-10, where R = 10 copies as 32-bit floats would need 6.1 GB), and a batch of b items b D more.

    Two copies of one image lose the same places with probability 1 / binomial(D, int(N D)); they are equal more often
    where entries are 0 already. For CIFAR, D = 3072 and N = 0.1, that is below 10^-400; see `require_attainable` for
    small images.

    >>> import jax, jax.numpy as jnp
    >>> x = ConfusionSet(jnp.full((5, 8, 8, 3), 255, jnp.uint8), jax.random.key(0), copies=10, fraction=0.25)
    >>> x.shape, x[jnp.array([3, 49])].shape, int((x[3] == 0).sum())
    ((50, 8, 8, 3), (2, 8, 8, 3), 48)

    Raises:
        ValueError: copies below 1, a fraction outside [0, 1], an unknown way to erase, or more than 2^31 - 1 items.
    """

    images: Num[Array, "n *shape"]
    """On the raw scale, where 0 is black; the last axis holds the channels."""
    key: Key[Array, ""]
    copies: int = eqx.field(static=True)
    """The replication factor R."""
    fraction: float = eqx.field(static=True)
    """N; exactly int(N D) of the D entries of an item are erased."""
    erase: Erase = eqx.field(static=True, default="entries")
    """As in `corrupted_copies`."""

    def __check_init__(self) -> None:
        check_corruption(self.copies, self.fraction)
        _check_erase(self.erase)
        if self.shape[0] > np.iinfo(np.int32).max:
            raise ValueError(f"a confusion set has at most 2^31 - 1 items, got {self.shape[0]}: lower the replication")

    @property
    def shape(self) -> tuple[int, ...]:
        """(n R, ...), the shape of all items together."""
        return (self.images.shape[0] * self.copies, *self.images.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: int | slice | Int[Array, "*b"]) -> Num[Array, "..."]:
        """The items with these indices, which count from the end where they are negative."""
        # A range is indexed as every array is: an integer, a slice, from the end.
        numbers = jnp.arange(self.shape[0])[indices]
        return self._items(numbers.ravel()).reshape(*numbers.shape, *self.shape[1:])

    @eqx.filter_jit
    def _items(self, numbers: Int[Array, " b"]) -> Num[Array, "b *shape"]:
        return jax.vmap(self._item)(numbers)

    def _item(self, i: Int[Array, ""]) -> Num[Array, "*shape"]:
        image = self.images[i // self.copies]
        width = 1 if self.erase == "entries" else image.shape[-1]
        places = image.size // width
        keep = _kept(jax.random.fold_in(self.key, i), places, int(self.fraction * places))
        return jnp.where(keep[:, None], image.reshape(places, width), 0).reshape(image.shape)


def _kept(key: Key[Array, ""], places: int, erased: int) -> Bool[Array, " places"]:
    """False at `erased` places drawn without replacement: the first of a random order."""
    order = jnp.argsort(jax.random.uniform(key, (places,)))
    return jnp.ones(places, bool).at[order[:erased]].set(False)


def _check_erase(erase: str) -> None:
    if erase not in ("entries", "pixels"):
        raise ValueError(f"erase must be entries or pixels, got {erase!r}")


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
