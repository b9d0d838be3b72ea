"""Two classes of CIFAR-10: rho and the margins of a convolutional network without biases, by its norm at the start.

The published code (https://github.com/GraceXu182/binaryclassifiers_squareloss) trains three 3x3 convolutions of stride
2 and a dense top on all images of two classes, by SGD with momentum on the squared error of two outputs, from layers of
one given norm. With outputs f_0, f_1 and rho the product of the layers' Frobenius norms a margin is

    m_n = y_n (f_0 - f_1)(x_n) / rho,    y_n = 1 for the first class and -1 for the second.

Here without batch normalisation, so that the network is homogeneous and rho is that product.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Key, Scalar

from ...data import cifar10
from ...data.label_corruption import corrupt
from ...dynamics import SGD
from ...models.plain_cnn import Architecture, PlainCNN
from ...problem import Batch, Problem
from ...simulation import PerSeed, log_steps, simulate
from .config import Config

_START, _CORRUPTION, _BATCHES = 410, 411, 412
_POINTS = 60
_SHARES = np.linspace(0, 1, 101)
"""The quantiles of the margins that are kept."""
_AT_ONCE = 500
"""Images whose patches are in memory together where all are looked at."""


def mean_squared_error(outputs: Float[Array, "b k"], targets: Float[Array, "b k"]) -> Float[Array, " b"]:
    """l = mean over the outputs of (f - y)^2, PyTorch's convention."""
    return jnp.mean((outputs - targets) ** 2, axis=1)


def unit_images(
    images: Float[np.ndarray, "n h w c"], mean: Float[np.ndarray, " c"], deviation: Float[np.ndarray, " c"]
) -> Float[np.ndarray, "n h w c"]:
    """(x - mean) / deviation by colour, then every image scaled to norm 1."""
    x = (images - mean) / deviation
    return (x / np.sqrt((x**2).sum(axis=(1, 2, 3), keepdims=True))).astype(np.float32)


def colours(images: np.ndarray) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """Mean and deviation of every colour, on the scale 0..1."""
    # In double precision: a colour has 50 million values.
    mean, deviation = (f(images, axis=(0, 1, 2), dtype=float) / 255 for f in (np.mean, np.std))
    return mean.astype(np.float32), deviation.astype(np.float32)


def key(seed: int, stream: int) -> Key[Array, ""]:
    """The key of a seed for the draws that belong to `stream`."""
    return jax.random.fold_in(jax.random.key(seed), stream)


# --- probes -----------------------------------------------------------------------------------------------------------


def _outputs(problem: Problem, params: PlainCNN, x: Array) -> Float[Array, "n 2"]:
    return jax.lax.map(lambda own: problem.predict(params, own[None])[0], x, batch_size=_AT_ONCE)


def rho(problem: Problem, params: PlainCNN) -> Scalar:
    """Product of the layers' Frobenius norms."""
    return jnp.prod(jnp.stack([jnp.linalg.norm(W) for W in jax.tree.leaves(params)]))


def margin_quantiles(problem: Problem, params: PlainCNN) -> Float[Array, " q"]:
    """Quantiles of the margins on the training images."""
    return jnp.quantile(_margins(problem, params), jnp.asarray(_SHARES, jnp.float32))


def margin_moments(problem: Problem, params: PlainCNN) -> Float[Array, " 2"]:
    """Mean of the margins and of their squares on the training images."""
    m = _margins(problem, params)
    return jnp.stack([jnp.mean(m), jnp.mean(m**2)])


def _margins(problem: Problem, params: PlainCNN) -> Float[Array, " n"]:
    f = _outputs(problem, params, problem.x)
    return (problem.y[:, 0] - problem.y[:, 1]) * (f[:, 0] - f[:, 1]) / rho(problem, params)


def accuracies(problem: Problem, params: PlainCNN) -> Float[Array, " 2"]:
    """Share of the training images and of the test images on the right side."""
    assert problem.test is not None
    right = [_outputs(problem, params, part.x).argmax(1) == part.y.argmax(1) for part in (problem, problem.test)]
    return jnp.stack([jnp.mean(own, dtype=jnp.float32) for own in right])


_PROBES = {"rho": rho, "quantiles": margin_quantiles, "moments": margin_moments, "accuracies": accuracies}


# --- runs -------------------------------------------------------------------------------------------------------------


def two_classes(config: Config) -> tuple[Batch, Batch]:
    """Training and test images of the two classes, their labels 0 and 1 in the order of the config.

    Raises:
        UserError: the images are not there and cannot be fetched.
    """
    images = cifar10.load()
    mean, deviation = colours(images.x)

    def chosen(x: np.ndarray, y: np.ndarray) -> Batch:
        kept = np.isin(y, config.cifar_classes)
        label = (y[kept] == config.cifar_classes[1]).astype(np.int32)
        return Batch(jnp.asarray(unit_images(x[kept] / np.float32(255), mean, deviation)), jnp.asarray(label))

    return chosen(images.x, images.y), chosen(images.test_x, images.test_y)


def start(config: Config, seed: int, norm: float) -> PlainCNN:
    """He's weights, every layer scaled to `norm`."""
    drawn = _network(config).init(key(seed, _START), side=32, colours=3, outputs=2)
    return jax.tree.map(lambda W: (norm * W / jnp.linalg.norm(W)).astype(jnp.float32), drawn)


def _network(config: Config) -> Architecture:
    h = config.cifar_width
    return Architecture(kernel=3, stride=2, padding=1, channels=(h, 2 * h, 4 * h))


def cifar_study(config: Config) -> xr.Dataset:
    """Every norm at the start, and every corruption of the labels at norm 1, with and without weight decay.

    Variables `cifar_...` with dimensions cifar_seed, cifar_arm, cifar_wd, cifar_epoch. One arm at a time: all share one
    compiled program.

    Raises:
        UserError: CIFAR-10 cannot be had.
    """
    train, test = two_classes(config)
    arms = {f"norm {norm:g}": (norm, 0.0) for norm in config.cifar_scales}
    arms |= {f"{p:.0%} random labels": (1.0, p) for p in config.cifar_corruption if p}
    own = [config.seed + i for i in range(min(config.cifar_seeds, config.seeds))]
    return xr.concat(
        [
            xr.concat([_run(config, train, test, seed, arm, *of) for arm, of in arms.items()], "cifar_arm")
            for seed in own
        ],
        "cifar_seed",
    ).assign_coords(cifar_seed=own, cifar_arm=list(arms))


def _run(config: Config, train: Batch, test: Batch, seed: int, arm: str, norm: float, p: float) -> xr.Dataset:
    targets = np.eye(2, dtype=np.float32)
    labels = np.asarray(corrupt(key(seed, _CORRUPTION), train.y, p, 2))
    batch = min(config.cifar_batch, len(labels))
    a_turn = len(labels) // batch
    epochs = log_steps(config.cifar_epochs, _POINTS)
    run = simulate(
        Problem(
            _network(config),
            train.x,
            jnp.asarray(targets[labels]),
            mean_squared_error,
            test=Batch(test.x, jnp.asarray(targets[np.asarray(test.y)])),
        ),
        SGD(config.cifar_lr, batch, momentum=config.cifar_momentum, weight_decay=0.0),
        PerSeed(jax.tree.map(lambda W: W[None], start(config, seed, norm))),
        steps=config.cifar_epochs * a_turn,
        record=[epoch * a_turn for epoch in epochs],
        probes=_PROBES,
        seed=seed,
        stream=_BATCHES,
        sweep={"weight_decay": config.cifar_decays},
        lanes="map",
        data_parallel="auto",
        label=f"CIFAR-10, {arm}",
    )
    found = {name: run.data[name].values[0].astype(float) for name in _PROBES}
    axes = ("cifar_wd", "cifar_epoch")
    return xr.Dataset(
        {
            "cifar_rho": (axes, found["rho"]),
            "cifar_mu": (axes, found["moments"][..., 0]),
            "cifar_M": (axes, found["moments"][..., 1]),
            "cifar_train": (axes, found["accuracies"][..., 0]),
            "cifar_test": (axes, found["accuracies"][..., 1]),
            "cifar_margins": (("cifar_wd", "cifar_share"), found["quantiles"][:, -1]),
        },
        {"cifar_wd": list(config.cifar_decays), "cifar_epoch": list(epochs), "cifar_share": _SHARES},
    )
