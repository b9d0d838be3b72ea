"""The noise of a deep convolutional network on CIFAR-10: relative displacement per epoch at a constant step size.

The published code (https://github.com/TomerGalanti/LowRankBias) trains two 2x2 convolutions of stride 2 and then
`depth` 3x3 convolutions, all of one width, and a dense top, with relu after every convolution but the first. Here
without biases, from He's weights. The loss is the cross-entropy, or the squared error of one-hot targets, averaged over
the outputs.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Key

from ...data import cifar10
from ...dynamics import SGD
from ...models.plain_cnn import convolve
from ...problem import Problem, cross_entropy
from ...simulation import PerSeed, log_steps, simulate
from .config import Config
from .displacement import Remembering, at_rest, relative_displacement
from .networks import Layers
from .on_cifar import colours, key, mean_squared_error

_START, _BATCHES = 420, 421
_POINTS = 60
_LOCATIONS = 8 * 8


def predict(layers: Layers, x: Float[Array, "b 32 32 3"]) -> Float[Array, "b k"]:
    """Outputs; the layers are the kernels (k k c_in, c_out), and the top."""
    x = convolve(x, layers[0], 2, 2, 0)
    x = jax.nn.relu(convolve(x, layers[1], 2, 2, 0))
    for W in layers[2:-1]:
        x = jax.nn.relu(convolve(x, W, 3, 1, 1))
    return x.reshape(x.shape[0], -1) @ layers[-1]


def init(key: Key[Array, ""], width: int, depth: int) -> Layers:
    """Weights N(0, 2 / fan_in) in the convolutions, N(0, 1 / fan_in) in the top, in single precision."""
    fan_ins = (4 * 3, 4 * width, *[9 * width] * depth, _LOCATIONS * width)
    gains = (*[2] * (depth + 2), 1)
    outs = (*[width] * (depth + 2), cifar10.CLASSES)
    keys = jax.random.split(key, len(outs))
    return tuple(
        jax.random.normal(own, (fan_in, fan_out), jnp.float32) * (gain / fan_in) ** 0.5
        for own, fan_in, fan_out, gain in zip(keys, fan_ins, outs, gains, strict=True)
    )


def noise_study(config: Config) -> xr.Dataset:
    """`noise_cifar_displacement` per epoch, with dimensions noise_cifar_seed, noise_cifar_loss, lr, decay and epoch.

    Raises:
        UserError: CIFAR-10 cannot be had.
    """
    images = cifar10.load()
    mean, deviation = colours(images.x)
    x = jnp.asarray(((images.x / np.float32(255) - mean) / deviation).astype(np.float32))
    targets: dict[str, Any] = {"cross-entropy": (images.y, cross_entropy)}
    targets["squared error"] = (np.eye(cifar10.CLASSES, dtype=np.float32)[images.y], mean_squared_error)
    batch = min(config.cifar_batch, len(images.y))
    a_turn = len(images.y) // batch
    epochs = [epoch for epoch in log_steps(config.noise_cifar_epochs, _POINTS) if epoch]
    seeds = [config.seed + i for i in range(min(config.cifar_seeds, config.seeds))]

    def dynamics(lr: Any, decay: Any) -> Remembering:
        return Remembering(SGD(lr, batch, weight_decay=decay), every=a_turn)

    def run(seed: int, label: str) -> np.ndarray:
        y, loss = targets[label]
        begin = at_rest(init(key(seed, _START), config.noise_cifar_width, config.noise_cifar_depth))
        found = simulate(
            Problem(predict, x, jnp.asarray(y), loss),
            dynamics,
            PerSeed(jax.tree.map(lambda W: W[None], begin)),
            steps=config.noise_cifar_epochs * a_turn,
            record=[epoch * a_turn for epoch in epochs],
            probes={"displacement": relative_displacement},
            seed=seed,
            stream=_BATCHES,
            sweep={"lr": config.noise_cifar_lrs, "decay": config.noise_cifar_decays},
            lanes="map",
            data_parallel="auto",
            label=f"noise on CIFAR-10, {label}",
        )
        return found.data["displacement"].values[0].astype(float)

    values = [[run(seed, label) for label in targets] for seed in seeds]
    axes = ("noise_cifar_seed", "noise_cifar_loss", "noise_cifar_lr", "noise_cifar_wd", "noise_cifar_epoch")
    own = (seeds, list(targets), list(config.noise_cifar_lrs), list(config.noise_cifar_decays), epochs)
    return xr.Dataset({"noise_cifar_displacement": (axes, np.array(values))}, dict(zip(axes, own, strict=True)))
