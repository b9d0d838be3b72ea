"""The image data sets by name, and the images of one that a seed is trained and tested on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, UInt8

from ...data import cifar10, cifar100, cinic10, restricted_imagenet
from ...problem import Batch


class Loaded(NamedTuple):
    """A data set in the memory of the host, or on its disk: x and test_x give bytes (k, h, w, 3) when indexed."""

    x: Any
    y: Int[np.ndarray, " n"]
    test_x: Any
    test_y: Int[np.ndarray, " m"]


Form: TypeAlias = Literal["cifar", "imagenet"]
"""Of the networks: for images of 32x32, or for larger ones."""


class Source(NamedTuple):
    """load: pixels of a side -> the data set, where it has no size of its own; mean, deviation: of each colour on the
    raw scale [0, 1]."""

    load: Callable[[int], Loaded]
    classes: int
    mean: Sequence[float]
    deviation: Sequence[float]
    form: Form = "cifar"


def _restricted_imagenet(pixels: int) -> Loaded:
    train, test = (restricted_imagenet.load(size=pixels, part=part) for part in ("train", "val"))
    return Loaded(train.x, train.y, test.x, test.y)


SOURCES = {
    "cifar-10": Source(
        lambda pixels: Loaded(*cifar10.load()), cifar10.CLASSES, cifar10.MEAN, cifar10.DEVIATION
    ),
    "cifar-100": Source(
        lambda pixels: Loaded(*cifar100.load()), cifar100.CLASSES, cifar100.MEAN, cifar100.DEVIATION
    ),
    "cinic-10": Source(
        lambda pixels: Loaded(*cinic10.load()), cinic10.CLASSES, cinic10.MEAN, cinic10.DEVIATION
    ),
    "restricted-imagenet": Source(
        _restricted_imagenet,
        restricted_imagenet.CLASSES,
        restricted_imagenet.MEAN,
        restricted_imagenet.DEVIATION,
        form="imagenet",
    ),
}  # fmt: skip


class Images(NamedTuple):
    """What one seed is trained and tested on, as bytes on the device."""

    x: UInt8[Array, "n h w 3"]
    y: Int[Array, " n"]
    test: Batch


def drawn(key: Key[Array, ""], loaded: Loaded, train: int, test: int) -> Images:
    """`train` training and `test` test images, drawn without replacement; 0 for all of them.

    Raises:
        ValueError: more images than there are.
    """
    parts: list[Batch] = []
    own = zip(jax.random.split(key), ((loaded.x, loaded.y), (loaded.test_x, loaded.test_y)), strict=True)
    for (one, (x, y)), count, name in zip(own, (train, test), ("image_train", "image_test"), strict=True):
        if count > len(y):
            raise ValueError(f"{name} must be at most {len(y)}, the images there are, got {count}")
        # In their order, so that pictures on a disk are read one after another.
        numbers = np.sort(np.asarray(jax.random.permutation(one, len(y)))[:count]) if count else np.arange(len(y))
        parts.append(Batch(jnp.asarray(x[numbers]), jnp.asarray(y[numbers], jnp.int32)))
    (x, y), test_images = parts
    return Images(x, y, test_images)
