"""CIFAR-10 in the protocol of the paper's published code: cross-entropy, no momentum, no augmentation.

The step size is multiplied by 0.2 at given epochs, rank and accuracy are measured every few epochs
(https://github.com/TomerGalanti/LowRankBias). Its networks with batch normalisation are not here: a network is an entry
of `NETWORKS`, so that more of them can be added. All runs have equal epochs, hence unequal lr wd T: both are kept.

For the network without weight normalization the norms at the checks give the finite bound on the rank, with k running
over the checks alone, which makes it no smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Float

from ...data import cifar10
from ...dynamics import SGD, AbstractDynamics, Optax, weight_normalization
from ...probes import numerical_rank, stable_rank, test_accuracy, train_accuracy
from ...problem import Batch, Problem, cross_entropy
from ...simulation import PerSeed, simulate
from .config import Config
from .digits_data import Stream, keys
from .networks import Matrices, init, predict

TOLERANCES = (1e-3, 1e-2, 0.05)
FACTOR = 0.2
"""What the step size is multiplied by at a drop."""
EPS = 0.05


class Network(NamedTuple):
    """How a network starts, what it predicts, which matrices are judged, and how SGD moves it.

    init: (key, widths) -> parameters; predict: (parameters, images) -> logits; hidden: parameters -> matrices;
    sgd: (step size or schedule, weight decay, batch size) -> dynamics; bounded: whether the finite bound applies.
    """

    init: Callable[..., Any]
    predict: Callable[..., Array]
    hidden: Callable[[Any], Matrices]
    sgd: Callable[[Any, Any, int], AbstractDynamics]
    bounded: bool


def _but_the_head(params: Matrices) -> Matrices:
    return params[:-1]


def _plain(lr: Any, weight_decay: Any, batch: int) -> SGD:
    return SGD(lr, batch, weight_decay=weight_decay)


def _normalised(lr: Any, weight_decay: Any, batch: int) -> Optax:
    """SGD on the magnitude and the direction of every unit's weights, both with the decay."""
    inner = optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(lr))
    return Optax(weight_normalization(inner, axis=1), batch)


NETWORKS = {
    "mlp": Network(init, predict, _but_the_head, _plain, bounded=True),
    "mlp-wn": Network(init, predict, _but_the_head, _normalised, bounded=False),
}


def cifar_study(config: Config) -> xr.Dataset:
    """CIFAR-10 with every network and batch size, all variables named `cifar_...`.

    Raises:
        UserError: the images are not there and cannot be fetched.
    """
    images = cifar10.load()
    runs = {
        (name, batch): _run(config, images, name, batch)
        for name, batch in product(config.cifar_networks, config.cifar_batches)
    }
    by_network = [
        xr.concat([runs[name, batch] for batch in config.cifar_batches], "cifar_batch", join="exact")
        for name in config.cifar_networks
    ]
    return xr.concat(by_network, "cifar_network", join="exact").assign_coords(
        cifar_network=list(config.cifar_networks),
        cifar_batch=("cifar_batch", list(config.cifar_batches), {"long_name": "batch size"}),
    )


def _problem(images: cifar10.Images, network: Network) -> Problem:
    """The images with mean 0 and deviation 1 over the training images in every colour."""
    x, test_x = (part.astype(np.float32) / 255 for part in (images.x, images.test_x))
    mean, deviation = (f(x, axis=(0, 1, 2), dtype=float).astype(np.float32) for f in (np.mean, np.std))
    test = Batch(jnp.asarray((test_x - mean) / deviation), jnp.asarray(images.test_y))
    return Problem(
        network.predict, jnp.asarray((x - mean) / deviation), jnp.asarray(images.y), cross_entropy, test=test
    )


def _run(config: Config, images: cifar10.Images, name: str, batch: int) -> xr.Dataset:
    """One network and batch size at every step size and weight decay, one lane after another."""
    network, seeds = NETWORKS[name], min(config.cifar_seeds, config.seeds)
    per_epoch = len(images.y) // batch
    drops = {epoch * per_epoch: FACTOR for epoch in config.cifar_drops}
    checks = range(0, config.cifar_epochs + 1, config.cifar_check_epochs)
    widths = (int(np.prod(images.x.shape[1:])), *[config.cifar_width] * config.cifar_layers, cifar10.CLASSES)

    def dynamics(lr: Array, weight_decay: Array) -> AbstractDynamics:
        return network.sgd(optax.piecewise_constant_schedule(lr, drops), weight_decay, batch)

    def rank(problem: Problem, params: Any) -> Float[Array, "layer tolerance"]:
        """Numerical rank of the hidden matrices."""
        return jnp.stack([jnp.stack([numerical_rank(W, t) for t in TOLERANCES]) for W in network.hidden(params)])

    def stable(problem: Problem, params: Any) -> Float[Array, " layer"]:
        """Stable rank of the hidden matrices."""
        return jnp.stack([stable_rank(W) for W in network.hidden(params)])

    def norm(problem: Problem, params: Any) -> Float[Array, " layer"]:
        """Frobenius norm of the hidden matrices."""
        return jnp.stack([jnp.linalg.norm(W) for W in network.hidden(params)])

    drawn = [network.init(key, widths) for key in keys(config.seed, seeds, Stream.INIT)]
    start = jax.tree.map(lambda *leaves: jnp.stack(leaves).astype(jnp.float32), *drawn)
    simulation = simulate(
        _problem(images, network),
        dynamics,
        PerSeed(start),
        steps=checks[-1] * per_epoch,
        record=[check * per_epoch for check in checks],
        probes={"rank": rank, "stable": stable, "norm": norm, "train": train_accuracy, "test": test_accuracy},
        seeds=seeds,
        seed=config.seed,
        sweep={"lr": config.cifar_lrs, "weight_decay": config.cifar_decays},
        lanes="map",
        label=f"CIFAR-10, {name}, batch {batch}",
    )
    found = {key: simulation.data[key].values.astype(float) for key in ("rank", "stable", "norm", "train", "test")}
    step_sizes = _step_sizes(config, per_epoch, checks[-1])
    forgotten = step_sizes.cumsum()[np.array(checks[1:]) * per_epoch - 1]
    forgetting = np.multiply.outer(np.multiply.outer(config.cifar_lrs, config.cifar_decays), [0.0, *forgotten])
    axes = ("cifar_seed", "cifar_lr", "cifar_decay", "cifar_epoch")
    bound = _bound(config, found["norm"], step_sizes, checks, per_epoch, batch) if network.bounded else np.nan
    values: dict[str, tuple[Any, ...]] = {
        "rank": ((*axes, "cifar_layer", "cifar_tol"), found["rank"], "numerical rank of the hidden matrices"),
        "stable_rank": ((*axes, "cifar_layer"), found["stable"], "stable rank of the hidden matrices"),
        "train": (axes, found["train"], "train accuracy"),
        "test": (axes, found["test"], "test accuracy"),
        "forgetting": (axes[1:], forgetting, "sum of lr·wd over the steps"),
        "bound": (
            (*axes[:3], "cifar_layer"),
            np.broadcast_to(bound, (*found["norm"].shape[:3], config.cifar_layers)),
            f"bound B k on the rank at tolerance {EPS}, infinite where nothing is forgotten to that",
        ),
    }
    return xr.Dataset(
        {
            f"cifar_{key}": (dims, value, {"long_name": f"CIFAR-10: {words}"})
            for key, (dims, value, words) in values.items()
        },
        coords={
            "cifar_seed": np.arange(config.seed, config.seed + seeds),
            "cifar_lr": ("cifar_lr", list(config.cifar_lrs), {"long_name": "step size"}),
            "cifar_decay": ("cifar_decay", list(config.cifar_decays), {"long_name": "weight decay"}),
            "cifar_epoch": ("cifar_epoch", list(checks), {"long_name": "epochs trained"}),
            "cifar_layer": np.arange(1, config.cifar_layers + 1),
            "cifar_tol": list(TOLERANCES),
        },
    )


def _step_sizes(config: Config, per_epoch: int, epochs: int) -> np.ndarray:
    """The step size of every step, relative to the first."""
    epoch = np.repeat(np.arange(epochs), per_epoch)
    return FACTOR ** (epoch[:, None] >= np.array(config.cifar_drops)).sum(axis=1)


def _bound(
    config: Config, norms: np.ndarray, step_sizes: np.ndarray, checks: range, per_epoch: int, batch: int
) -> np.ndarray:
    """B k, (seed, lr, decay, layer): the least k, back to a check, with prod (1 - lr_t wd) |W_{T-k}| <= EPS |W_T|."""
    ends = np.array(checks) * per_epoch
    bound = np.full((norms.shape[0], len(config.cifar_lrs), len(config.cifar_decays), norms.shape[-1]), np.inf)
    for i, lr in enumerate(config.cifar_lrs):
        for j, decay in enumerate(config.cifar_decays):
            logs = np.concatenate([[0.0], np.log1p(-np.minimum(lr * decay * step_sizes, 1 - 1e-15)).cumsum()])
            left = np.exp(logs[-1] - logs[ends])[:, None] * norms[:, i, j]
            forgotten = left <= EPS * norms[:, i, j, -1:]
            # The last check from which on everything older is forgotten.
            latest = np.where(forgotten, ends[:, None], -1).max(axis=1)
            bound[:, i, j] = np.where(latest >= 0, batch * (ends[-1] - latest), np.inf)
    return bound
