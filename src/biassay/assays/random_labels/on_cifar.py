"""CIFAR-10 with corrupted labels and corrupted inputs: a dense network with one hidden layer and no biases.

The demonstration by the paper's first author (https://github.com/pluskid/fitting-random-labels) trains this network,
with 1 577 984 parameters, from Glorot's normal initialisation by SGD with momentum, and divides the step size by 10
twice. Its wide residual network is not here.
Unlike there, the test labels are never corrupted.
"""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Key

from ...data import cifar10, pixel_noise
from ...data.label_corruption import corrupt
from ...dynamics import SGD, StepDrops
from .config import Config
from .runs import Examples, Stream, keys, side_by_side, train

Matrices = tuple[Float[Array, "fan_in fan_out"], ...]


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


def cifar_study(config: Config) -> xr.Dataset:
    """CIFAR-10 in every setting, all variables named `cifar_...`, with dimensions cifar_seed and cifar_setting.

    Raises:
        UserError: the images are not there and cannot be fetched.
    """
    images = _normalised(cifar10.load())
    studies = [_one_seed(config, images, config.seed + i) for i in range(min(config.cifar_seeds, config.seeds))]
    data = xr.concat(studies, "seed", join="outer").rename(seed="cifar_seed")
    return data.assign(cifar_parameters=sum(a * b for a, b in pairwise(_sizes(config, images))))


def _sizes(config: Config, images: Examples) -> tuple[int, ...]:
    return int(np.prod(images.x.shape[2:])), config.cifar_width, cifar10.CLASSES


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


def _one_seed(config: Config, images: Examples, seed: int) -> xr.Dataset:
    """Every setting for one seed: one at a time, as each holds a copy of the data."""

    def key(stream: Stream) -> Key[Array, ""]:
        return keys(seed, 1, stream)[0]

    def inputs(setting: str) -> list[Array]:
        """Training and test images."""
        parts = images.x[0], images.test_x[0]
        if setting == "shuffled":
            order = pixel_noise.permutation(key(Stream.PERMUTATION), *parts[0].shape[1:3])
            return [pixel_noise.shuffled(order, part) for part in parts]
        if setting == "random-pixels":
            own = jax.random.split(key(Stream.RANDOM_PIXELS))
            return [pixel_noise.random_pixels(one, part) for one, part in zip(own, parts, strict=True)]
        if setting == "gaussian":
            own = jax.random.split(key(Stream.GAUSSIAN))
            return [pixel_noise.gaussian(one, part, 0.0, 1.0) for one, part in zip(own, parts, strict=True)]
        return list(parts)

    def examples(p: float, setting: str) -> Examples:
        x, test_x = inputs(setting)
        y = corrupt(key(Stream.CORRUPTION), images.y[0], p, cifar10.CLASSES)
        return images._replace(x=x[None], y=y[None], test_x=test_x[None])

    # Corruption ratio, inputs, weight decay.
    settings: dict[str, tuple[float, str, float]] = {f"p = {p:g}": (p, "true", 0.0) for p in config.cifar_corruption}
    settings["p = 1, weight decay"] = (1.0, "true", config.cifar_decay)
    settings |= {name: (0.0, name, 0.0) for name in ("shuffled", "random-pixels", "gaussian")}
    start = jax.tree.map(lambda leaf: leaf[None], init(key(Stream.INIT), _sizes(config, images)))
    drops = np.array(config.cifar_drops, np.int32) * (images.y.shape[1] // config.cifar_batch)
    runs = {
        name: train(
            examples(p, setting),
            predict,
            start,
            SGD(
                StepDrops(config.cifar_lr, jnp.asarray(drops)),
                config.cifar_batch,
                momentum=config.cifar_momentum,
                weight_decay=decay,
            ),
            every=config.cifar_check_epochs,
            epochs=config.cifar_epochs,
            seed=seed,
            label=f"CIFAR-10, {name}",
        )
        for name, (p, setting, decay) in settings.items()
    }
    return side_by_side(runs, "cifar_setting", "cifar_")
