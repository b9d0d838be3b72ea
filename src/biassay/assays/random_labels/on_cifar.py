"""CIFAR-10 with corrupted labels and corrupted inputs: a dense network, and a wide residual one.

Both are those of the demonstration by the paper's first author (https://github.com/pluskid/fitting-random-labels): one
hidden layer of 512 units without biases from Glorot's normal initialisation (1 577 984 parameters), and WRN-28-1 with
batch normalisation (369 498). SGD with momentum, no augmentation, a step size that is divided by 10 twice.

There every run has weight decay; here two have it, those on the true and on the random labels once more. Unlike there,
the test labels are never corrupted, and the train accuracy is that of all images at the check, in evaluation mode.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Key, PyTree

from ...data import cifar10, pixel_noise
from ...data.label_corruption import corrupt
from ...dynamics import SGD, StepDrops
from ...models import wide_resnet
from ...models.classifiers import in_parts
from .config import Config
from .runs import Examples, Stream, keys, side_by_side, train

Matrices = tuple[Float[Array, "_ _"], ...]


def init(key: Key[Array, ""], sizes: tuple[int, ...]) -> Matrices:
    """Weights N(0, 2 / (fan_in + fan_out)) (Glorot and Bengio, AISTATS 2010), no biases."""
    own = jax.random.split(key, len(sizes) - 1)
    return tuple(
        jax.random.normal(one, (fan_in, fan_out)) * (2 / (fan_in + fan_out)) ** 0.5
        for one, (fan_in, fan_out) in zip(own, pairwise(sizes), strict=True)
    )


def predict(params: Matrices, x: Float[Array, "b ..."]) -> Float[Array, "b k"]:
    """Logits: relu after every matrix but the last."""
    hidden = x.reshape(x.shape[0], -1)
    for weight in params[:-1]:
        hidden = jax.nn.relu(hidden @ weight)
    return hidden @ params[-1]


class Network(NamedTuple):
    """A network and the first step size it is trained with.

    init: key -> (parameters, batch statistics or None); predict and training: as `Problem` asks for them.
    """

    init: Callable[[Key[Array, ""]], tuple[PyTree, PyTree]]
    predict: Callable[..., Array]
    training: Callable[..., tuple[Array, PyTree]] | None
    lr: float


def networks(config: Config, pixels: int) -> dict[str, Network]:
    """The networks by name; `pixels` counts the numbers of an image."""
    sizes = (pixels, config.cifar_width, cifar10.CLASSES)
    wide = partial(wide_resnet.init, classes=cifar10.CLASSES, width=config.cifar_widening, depth=config.cifar_depth)
    return {
        "mlp": Network(lambda key: (init(key, sizes), None), predict, None, config.cifar_lr),
        "wrn": Network(jax.jit(wide), in_parts(wide_resnet.predict), wide_resnet.train, config.cifar_wrn_lr),
    }


def cifar_study(config: Config) -> xr.Dataset:
    """CIFAR-10 with every network in every setting, all variables named `cifar_...`, with the dimensions cifar_network,
    cifar_seed and cifar_setting.

    Raises:
        UserError: the images are not there and cannot be fetched.
    """
    images = _normalised(cifar10.load())
    known = networks(config, int(np.prod(images.x.shape[2:])))
    seeds = range(config.seed, config.seed + min(config.cifar_seeds, config.seeds))
    by_network = []
    for name in config.cifar_networks:
        studies = [_one_seed(config, images, name, known[name], seed) for seed in seeds]
        leaves = jax.tree.leaves(jax.eval_shape(known[name].init, jax.random.key(0))[0])
        own = xr.concat(studies, "seed", join="outer").rename(seed="cifar_seed")
        by_network.append(own.assign(cifar_parameters=sum(leaf.size for leaf in leaves)))
    data = xr.concat(by_network, "cifar_network", join="outer")
    return data.assign_coords(cifar_network=list(config.cifar_networks))


def _normalised(images: cifar10.Images) -> Examples:
    """The images with mean 0 and deviation 1 over the training images in every colour, and a seed axis of length 1."""
    x, test_x = (part.astype(np.float32) / 255 for part in (images.x, images.test_x))
    # In double precision: a colour has 50 million values.
    mean, deviation = (f(x, axis=(0, 1, 2), dtype=float).astype(np.float32) for f in (np.mean, np.std))
    return Examples(
        jnp.asarray(((x - mean) / deviation)[None]),
        jnp.asarray(images.y[None]),
        jnp.asarray(((test_x - mean) / deviation)[None]),
        jnp.asarray(images.test_y[None]),
    )


def _one_seed(config: Config, images: Examples, name: str, network: Network, seed: int) -> xr.Dataset:
    """Every setting for one network and seed: one at a time, as each holds a copy of the data."""

    def key(stream: Stream) -> Key[Array, ""]:
        return keys(seed, 1, stream)[0]

    def inputs(kind: str) -> list[Array]:
        """Training and test images."""
        parts = images.x[0], images.test_x[0]
        if kind == "shuffled":
            order = pixel_noise.permutation(key(Stream.PERMUTATION), *parts[0].shape[1:3])
            return [pixel_noise.shuffled(order, part) for part in parts]
        if kind == "random-pixels":
            own = jax.random.split(key(Stream.RANDOM_PIXELS))
            return [pixel_noise.random_pixels(one, part) for one, part in zip(own, parts, strict=True)]
        if kind == "gaussian":
            own = jax.random.split(key(Stream.GAUSSIAN))
            return [pixel_noise.gaussian(one, part, 0.0, 1.0) for one, part in zip(own, parts, strict=True)]
        return list(parts)

    def examples(p: float, kind: str) -> Examples:
        x, test_x = inputs(kind)
        y = corrupt(key(Stream.CORRUPTION), images.y[0], p, cifar10.CLASSES)
        return images._replace(x=x[None], y=y[None], test_x=test_x[None])

    # Corruption ratio, inputs, weight decay.
    settings: dict[str, tuple[float, str, float]] = {f"p = {p:g}": (p, "true", 0.0) for p in config.cifar_corruption}
    settings |= {f"p = {p:g}, weight decay": (p, "true", config.cifar_decay) for p in (0.0, 1.0)}
    settings |= {kind: (0.0, kind, 0.0) for kind in ("shuffled", "random-pixels", "gaussian")}
    start, statistics = jax.tree.map(lambda leaf: leaf[None], network.init(key(Stream.INIT)))
    drops = np.array(config.cifar_drops, np.int32) * (images.y.shape[1] // config.cifar_batch)
    runs = {
        setting: train(
            examples(p, kind),
            network.predict,
            start,
            SGD(
                StepDrops(network.lr, jnp.asarray(drops)),
                config.cifar_batch,
                momentum=config.cifar_momentum,
                weight_decay=decay,
            ),
            every=config.cifar_check_epochs,
            epochs=config.cifar_epochs,
            seed=seed,
            statistics=statistics,
            training=network.training,
            label=f"CIFAR-10, {name}, {setting}",
        )
        for setting, (p, kind, decay) in settings.items()
    }
    return side_by_side(runs, "cifar_setting", "cifar_")
