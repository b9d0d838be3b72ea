"""Part two: local and dense networks on the 8x8 digits, the pixels in their places and permuted.

Pixels are scaled to [-1, 1]; ReLU and cross-entropy. A seed is one split of the digits and one permutation of the
pixels, for training and test images alike. The step size is chosen on the true pixels and used for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int, PyTree

from ...data import digits
from ...models import local_cnn, mlp
from ...problem import cross_entropy
from .config import CONV, DENSE, DENSE_WIDE, LOCAL, SHALLOW, Config
from .networks import count
from .training import Examples, Stream, Trainer, choose_step_size

SIDE = 8
_LOCAL: dict[str, Any] = {"side": SIDE, "channels": (12, 24), "classes": 10}
_LAYERS = {DENSE: (64, 39, 24, 10), SHALLOW: (64, 50, 10), DENSE_WIDE: (64, 192, 96, 10)}
PIXELS = ("true", "permuted")


class Network(NamedTuple):
    """(params, images) -> logits, and generator -> params."""

    predict: Callable[[PyTree, Array], Array]
    start: Callable[[np.random.Generator], PyTree]


def network(name: str) -> Network:
    """The network of that name: `CONV`, `DENSE` and `SHALLOW` have 3.7 thousand parameters, `LOCAL` 13 thousand and
    `DENSE_WIDE` 32 thousand."""
    if name in (CONV, LOCAL):
        return Network(local_cnn.predict, partial(local_cnn.init, **_LOCAL, shared=name == CONV))
    return Network(mlp.predict, partial(dense, sizes=_LAYERS[name]))


def dense(rng: np.random.Generator, sizes: tuple[int, ...]) -> mlp.MLP:
    """A dense ReLU network: weights N(0, 2 / fan_in), into the logits N(0, 1 / fan_in), biases 0."""
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        variance = (1 if fan_out == sizes[-1] else 2) / fan_in
        weight = rng.normal(0, variance**0.5, (fan_in, fan_out)).astype(np.float32)
        layers.append(mlp.Layer(jax.device_put(weight), jax.device_put(np.zeros(fan_out, np.float32))))
    return tuple(layers)


def mistakes(logits: Float[Array, "b k"], labels: Int[Array, " b"]) -> Float[Array, " b"]:
    """100 for an image whose largest logit is not its label's, 0 for the others: percent."""
    return 100.0 * (jnp.argmax(logits, axis=1) != labels)


def split(config: Config, seed: int, stream: int) -> Examples:
    """One split: training images (smaller sets are the beginning of larger ones), then validation and test."""
    held = config.digits_validation + config.digits_test
    key = jax.random.fold_in(jax.random.key(seed), stream)
    drawn = digits.split(key, max(config.digits_sizes), held)
    x, held_x = (2 * np.asarray(part) - 1 for part in (drawn.x, drawn.test_x))
    return Examples(x, np.asarray(drawn.y), held_x, np.asarray(drawn.test_y))


def scrambled(examples: Examples, order: Int[np.ndarray, "64"]) -> Examples:
    """The same images, the pixels in this order."""

    def images(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1)[:, order].reshape(x.shape)

    return examples._replace(x=images(examples.x), held_x=images(examples.held_x))


def measure_digits(config: Config) -> xr.Dataset:
    """`digits_error` and `digits_final` (network, pixels, digits_size, seed) in percent; step sizes, parameters."""
    seeds = range(config.seed, config.seed + config.seeds)
    true = [split(config, seed, Stream.PIXELS) for seed in seeds]
    orders = [np.random.default_rng((seed, Stream.PIXELS)).permutation(SIDE**2) for seed in seeds]
    arms = {
        "true": true,
        "permuted": [scrambled(examples, order) for examples, order in zip(true, orders, strict=True)],
    }
    others = range(config.seed, config.seed + config.tuning_seeds)
    tuning = [split(config, seed, Stream.PIXELS + Stream.TUNING) for seed in others]
    rows = math.lcm(*config.digits_sizes)

    names = config.digits_networks
    shape = (len(names), len(PIXELS), len(config.digits_sizes), config.seeds)
    error, final = np.empty(shape), np.empty(shape)
    lrs, parameters = np.empty((len(names), len(config.digits_sizes))), []
    for i, name in enumerate(names):
        predict, start = network(name)
        trainer = Trainer(
            network=predict,
            loss=cross_entropy,
            measure=mistakes,
            steps=config.digits_steps,
            batch=config.digits_batch,
            checkpoints=config.checkpoints,
            validation=config.digits_validation,
        )
        starts = [start(np.random.default_rng((seed, Stream.INIT))) for seed in seeds]
        parameters.append(count(starts[0]))
        for k, size in enumerate(config.digits_sizes):
            lrs[i, k], _ = choose_step_size(
                trainer,
                [examples.first(size, rows) for examples in tuning],
                [start(np.random.default_rng((seed, Stream.INIT + Stream.TUNING))) for seed in others],
                config.digits_step_sizes,
                seed=config.seed,
                stream=Stream.PIXELS + Stream.TUNING,
                label=f"step size, {name} on {size} digits",
            )
            for j, pixels in enumerate(PIXELS):
                fit = trainer(
                    [examples.first(size, rows) for examples in arms[pixels]],
                    starts,
                    [lrs[i, k]] * config.seeds,
                    seed=config.seed,
                    stream=Stream.PIXELS,
                    label=f"{name} on {size} digits, {pixels} pixels",
                )
                error[i, j, k], final[i, j, k] = fit.best, fit.test[:, -1]
    axes = ("network", "pixels", "digits_size", "seed")
    words = "test error on the digits"
    return xr.Dataset(
        {
            "digits_error": (axes, error, {"long_name": f"{words}, at the best checkpoint", "units": "%"}),
            "digits_final": (axes, final, {"long_name": f"{words}, at the end", "units": "%"}),
            "digits_lr": (("network", "digits_size"), lrs, {"long_name": "step size chosen on other splits"}),
            "digits_parameters": ("network", parameters, {"long_name": "parameters, counted"}),
        },
        coords={
            "network": list(names),
            "pixels": list(PIXELS),
            "digits_size": ("digits_size", list(config.digits_sizes), {"long_name": "training digits"}),
            "seed": list(seeds),
        },
    )
