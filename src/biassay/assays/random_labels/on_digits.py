"""The digits: corrupted labels on their true inputs, and corrupted inputs with their true labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Key

from ...data import digits, pixel_noise
from ...data.confusion import attainable_accuracy
from ...data.label_corruption import corrupt, wrong_fraction
from ...dynamics import SGD
from ...models import mlp
from ...references.kernel_interpolants import interpolate, one_vs_all
from .config import Config, parameter_count
from .runs import Examples, Stream, keys, side_by_side, train

INPUTS = ("true", "shuffled", "random-pixels", "gaussian", "random-labels", "shuffled-matched")
"""The settings of the study of the inputs. "shuffled-matched" starts with the rows of W_1 permuted like the pixels."""


def labels_study(config: Config) -> xr.Dataset:
    """One network at every corruption ratio, its controls, and the kernel baseline.

    The controls at p = 0: `repeat`, runs with their own initialisation and order of the batches, and `shuffle`, runs
    with their own permutation of the pixels. There are as many of each as ratios above 0. The undersized network,
    `small_...`, is trained on random labels and, to see that it can learn at all, on the true ones.
    """
    own = partial(keys, config.seed, config.seeds)
    clean = _normalised(_splits(own(Stream.SPLIT), config.train, config.test))
    noisy = {p: _corrupted(own(Stream.CORRUPTION), clean, p) for p in config.corruption}
    start = _starts(own(Stream.INIT), config.sizes)
    sgd = SGD(config.lr, config.batch)
    run = partial(
        train, rule=sgd, predict=mlp.predict, every=config.check_epochs, epochs=config.max_epochs, seed=config.seed
    )
    grid = {p: run(data, start=start, label=f"labels, p = {p:g}") for p, data in noisy.items()}
    numbers = range(1, len(config.corruption))
    repeats = {
        i: run(
            clean,
            start=_starts(own(Stream.REPEATS + 2 * i), config.sizes),
            stream=Stream.REPEATS + 2 * i + 1,
            label=f"true labels again, {i}",
        )
        for i in numbers
    }
    shuffles = {
        i: run(_shuffled(own(Stream.SHUFFLES + i), clean)[0], start=start, label=f"shuffled pixels, {i}")
        for i in numbers
    }
    few = _starts(own(Stream.SMALL_INIT), config.small_sizes)
    small = {p: run(noisy[p], start=few, label=f"undersized network, p = {p:g}") for p in (0.0, 1.0)}

    controls = [
        side_by_side(repeats, "repeat", "repeat_").drop_dims("repeat_epoch"),
        side_by_side(shuffles, "shuffle", "shuffle_").drop_dims("shuffle_epoch"),
        side_by_side(small, "small_p", "small_"),
        _kernel_baseline(config, noisy),
    ]
    return xr.merge([side_by_side(grid, "p"), *controls], join="exact").assign(
        wrong=(("seed", "p"), np.stack([(data.y != clean.y).mean(axis=1) for data in noisy.values()], axis=1)),
        attainable=(("seed", "p"), np.stack([_attainable(data) for data in noisy.values()], axis=1)),
        expected_wrong=("p", [wrong_fraction(p, digits.CLASSES) for p in noisy]),
        classes=digits.CLASSES,
        examples=config.train,
        parameters=parameter_count(config.sizes),
        small_parameters=parameter_count(config.small_sizes),
        check_epochs=config.check_epochs,
        input_check_epochs=config.input_check_epochs,
    )


def inputs_study(config: Config) -> xr.Dataset:
    """One network in every setting of `INPUTS`, all variables named `input_...`."""
    own = partial(keys, config.seed, config.seeds)
    raw = _splits(own(Stream.SPLIT), config.input_train, config.test)
    clean = _normalised(raw)
    shuffled, order = _shuffled(own(Stream.PERMUTATION), clean)
    start = _starts(own(Stream.INIT), config.input_sizes)
    settings = {
        "true": (clean, start),
        "shuffled": (shuffled, start),
        "random-pixels": (_noisy_inputs(own(Stream.RANDOM_PIXELS), clean, pixel_noise.random_pixels), start),
        "gaussian": (_normalised(_noisy_inputs(own(Stream.GAUSSIAN), raw, _gaussian_digits)), start),
        "random-labels": (_corrupted(own(Stream.CORRUPTION), clean, 1.0), start),
        "shuffled-matched": (shuffled, _permuted_rows(start, order)),
    }
    runs = {
        name: train(
            data,
            mlp.predict,
            first,
            SGD(config.input_lr, config.batch),
            every=config.input_check_epochs,
            epochs=config.max_epochs,
            seed=config.seed,
            label=f"inputs, {name}",
        )
        for name, (data, first) in ((name, settings[name]) for name in INPUTS)
    }
    return side_by_side(runs, "inputs", "input_").assign(
        input_attainable=(("seed", "inputs"), np.stack([_attainable(settings[name][0]) for name in INPUTS], axis=1))
    )


# --- data and starts, one a seed --------------------------------------------------------------------------------------


@partial(jax.jit, static_argnums=(1, 2))
def _splits(keys: Key[Array, " seed"], train: int, test: int) -> Examples:
    """Every seed's split of the digits, raw."""
    return Examples(*jax.vmap(lambda key: digits.split(key, train, test))(keys))


def _normalised(data: Examples) -> Examples:
    return data._replace(x=digits.normalise(data.x), test_x=digits.normalise(data.test_x))


@partial(jax.jit, static_argnums=1)
def _starts(keys: Key[Array, " seed"], sizes: tuple[int, ...]) -> mlp.MLP:
    return jax.vmap(lambda key: mlp.init(key, sizes))(keys)


@jax.jit
def _corrupted(keys: Key[Array, " seed"], data: Examples, p: float) -> Examples:
    """The training labels corrupted; everything else as it was."""
    return data._replace(y=jax.vmap(lambda key, y: corrupt(key, y, p, digits.CLASSES))(keys, data.y))


@jax.jit
def _shuffled(keys: Key[Array, " seed"], data: Examples) -> tuple[Examples, Array]:
    """Every seed's training and test images under one permutation, and the permutation, (seed, pixels)."""
    orders = jax.vmap(lambda key: pixel_noise.permutation(key, *data.x.shape[2:4]))(keys)
    move = jax.vmap(pixel_noise.shuffled)
    return data._replace(x=move(orders, data.x), test_x=move(orders, data.test_x)), orders


@partial(jax.jit, static_argnums=2)
def _noisy_inputs(keys: Key[Array, " seed"], data: Examples, noise: Callable[..., Array]) -> Examples:
    """`noise(key, x)` in place of the training and the test images, drawn together."""
    drawn = jax.vmap(noise)(keys, jnp.concatenate([data.x, data.test_x], axis=1))
    n = data.x.shape[1]
    return data._replace(x=drawn[:, :n], test_x=drawn[:, n:])


def _gaussian_digits(key: Key[Array, ""], x: Array) -> Array:
    """Normal numbers with the mean and the deviation of the digits' pixels."""
    return pixel_noise.gaussian(key, x, digits.MEAN, digits.DEVIATION)


def _permuted_rows(start: mlp.MLP, order: Array) -> mlp.MLP:
    """The rows of W_1 in the order of the pixels: on shuffled pixels the network's outputs are what they were.

    The first layer computes sum_i x_{order[i]} W_{order[i]}, the same sum in another order.
    """
    first, *rest = start
    return (first._replace(weight=jax.vmap(lambda W, own: W[own])(first.weight, order)), *rest)


def _attainable(data: Examples) -> np.ndarray:
    """The best train accuracy of any function, (seed,): below 1 where equal inputs have different labels."""
    return np.array([attainable_accuracy(x, y) for x, y in zip(np.asarray(data.x), np.asarray(data.y), strict=True)])


# --- the kernel baseline ----------------------------------------------------------------------------------------------


def _kernel_baseline(config: Config, noisy: dict[float, Examples]) -> xr.Dataset:
    """The minimum-norm interpolant of the Gaussian kernel at every corruption ratio: test accuracy and residual.

    All ratios share a seed's inputs, so that one factorisation serves them all.
    """
    test = np.empty((config.seeds, len(noisy)))
    residual = np.empty_like(test)
    labels = np.stack([np.asarray(data.y) for data in noisy.values()])
    clean = noisy[0.0]
    for i in range(config.seeds):
        x, test_x = (np.asarray(images[i], float).reshape(len(images[i]), -1) for images in (clean.x, clean.test_x))
        targets = np.concatenate([one_vs_all(y, digits.CLASSES) for y in labels[:, i]], axis=1)
        f = interpolate(x, targets, config.bandwidth)
        shape = (-1, len(noisy), digits.CLASSES)
        test[i] = (f(test_x).reshape(shape).argmax(axis=2) == np.asarray(clean.test_y[i])[:, None]).mean(axis=0)
        residual[i] = np.abs(f(x) - targets).reshape(shape).max(axis=(0, 2))
    return xr.Dataset({"kernel_test": (("seed", "p"), test), "kernel_residual": (("seed", "p"), residual)})
