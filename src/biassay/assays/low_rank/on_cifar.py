"""CIFAR-10 in the protocol of the paper's published code: cross-entropy, no momentum, no augmentation.

The step size is multiplied by 0.2 at given epochs, rank and accuracy are measured every few epochs
(https://github.com/TomerGalanti/LowRankBias). The networks are those of `cifar_networks`, ResNet18 and VGG16 with batch
normalisation among them. All runs have equal epochs, hence unequal lr wd T: both are kept.

Where it applies, the norms at the checks give the finite bound on the rank, with k running over the checks alone, which
makes it no smaller. A network with fewer layers than another has NaN in the places of the layers it lacks, and the name
"" for them.
"""

from __future__ import annotations

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Float, PyTree

from ...data import cifar10
from ...dynamics import AbstractDynamics
from ...probes import normalised_spectrum, test_accuracy, train_accuracy
from ...problem import Batch, Problem, cross_entropy
from ...simulation import PerSeed, simulate
from .cifar_networks import Network, matrices, network
from .config import Config
from .digits_data import Stream, keys
from .on_digits import Variables

TOLERANCES = (1e-3, 1e-2, 0.05)
FACTOR = 0.2
"""What the step size is multiplied by at a drop."""
EPS = 0.05


def cifar_study(config: Config) -> xr.Dataset:
    """CIFAR-10 with every network and batch size, all variables named `cifar_...`.

    Raises:
        UserError: the images are not there and cannot be fetched.
    """
    images = cifar10.load()
    pixels, side = int(np.prod(images.x.shape[1:])), images.x.shape[1]
    known = {name: network(name, config, pixels, side) for name in config.cifar_networks}
    runs = {
        (name, batch): _run(config, images, name, known[name], batch)
        for name, batch in product(known, config.cifar_batches)
    }
    by_network = [
        xr.concat([runs[name, batch] for batch in config.cifar_batches], "cifar_batch", join="exact") for name in known
    ]
    data = xr.concat(by_network, "cifar_network", join="outer")
    data["cifar_full_rank"] = data.cifar_full_rank.isel(cifar_batch=0, drop=True)
    names = [[layer.name for layer in own.layers] for own in known.values()]
    padded = [[*own, *[""] * (data.sizes["cifar_layer"] - len(own))] for own in names]
    return data.assign_coords(
        cifar_network=list(known),
        cifar_batch=("cifar_batch", list(config.cifar_batches), {"long_name": "batch size"}),
        cifar_layer_name=(("cifar_network", "cifar_layer"), padded, {"long_name": "layer with weights"}),
    )


def _problem(images: cifar10.Images, own: Network, statistics: PyTree) -> Problem:
    """The images with mean 0 and deviation 1 over the training images in every colour."""
    x, test_x = (part.astype(np.float32) / 255 for part in (images.x, images.test_x))
    mean, deviation = (f(x, axis=(0, 1, 2), dtype=float).astype(np.float32) for f in (np.mean, np.std))
    return Problem(
        own.predict,
        jnp.asarray((x - mean) / deviation),
        jnp.asarray(images.y),
        cross_entropy,
        test=Batch(jnp.asarray((test_x - mean) / deviation), jnp.asarray(images.test_y)),
        statistics=statistics,
        training=own.training,
    )


def spectra(problem: Problem, params: PyTree) -> Float[Array, "layer longest"]:
    """Singular values of every layer's weights, divided by their Frobenius norm; NaN where a layer has fewer."""
    own = [normalised_spectrum(W) for W in matrices(params)]
    longest = max(len(s) for s in own)
    return jnp.stack([jnp.pad(s, (0, longest - len(s)), constant_values=jnp.nan) for s in own])


def norms(problem: Problem, params: PyTree) -> Float[Array, " layer"]:
    """Frobenius norms of every layer's weights."""
    return jnp.stack([jnp.linalg.norm(W) for W in matrices(params)])


def ranks(spectrum: Float[np.ndarray, "*lead longest"]) -> Float[np.ndarray, "*lead tolerance"]:
    """Numerical ranks of normalised singular values that end with NaN; NaN where they are NaN from the first on."""
    counts = np.stack([(spectrum > tolerance).sum(axis=-1) for tolerance in TOLERANCES], axis=-1)
    return np.where(np.isfinite(spectrum[..., :1]), counts, np.nan)


def _run(config: Config, images: cifar10.Images, name: str, own: Network, batch: int) -> xr.Dataset:
    """One network and batch size at every step size and weight decay, one lane after another."""
    seeds = min(config.cifar_seeds, config.seeds)
    per_epoch = len(images.y) // batch
    drops = {epoch * per_epoch: FACTOR for epoch in config.cifar_drops}
    checks = range(0, config.cifar_epochs + 1, config.cifar_check_epochs)

    def dynamics(lr: Array, weight_decay: Array) -> AbstractDynamics:
        return own.sgd(optax.piecewise_constant_schedule(lr, drops), weight_decay, batch)

    drawn = [own.init(key) for key in keys(config.seed, seeds, Stream.INIT)]
    start = jax.tree.map(lambda *leaves: jnp.stack(leaves).astype(jnp.float32), *[params for params, _ in drawn])
    simulation = simulate(
        # Batch statistics start alike for every seed.
        _problem(images, own, drawn[0][1]),
        dynamics,
        PerSeed(start),
        steps=checks[-1] * per_epoch,
        record=[check * per_epoch for check in checks],
        probes={"spectrum": spectra, "norm": norms, "train": train_accuracy, "test": test_accuracy},
        seeds=seeds,
        seed=config.seed,
        sweep={"lr": config.cifar_lrs, "weight_decay": config.cifar_decays},
        lanes="map",
        data_parallel="auto",
        label=f"CIFAR-10, {name}, batch {batch}",
    )
    found = {key: simulation.data[key].values.astype(float) for key in ("spectrum", "norm", "train", "test")}
    step_sizes = _step_sizes(config, per_epoch, checks[-1])
    forgotten = step_sizes.cumsum()[np.array(checks[1:]) * per_epoch - 1]
    forgetting = np.multiply.outer(np.multiply.outer(config.cifar_lrs, config.cifar_decays), [0.0, *forgotten])
    terms = batch * np.array([layer.patches for layer in own.layers])
    bound = _bound(config, found["norm"], step_sizes, checks, per_epoch, terms)
    s = found["spectrum"]
    axes = ("cifar_seed", "cifar_lr", "cifar_decay", "cifar_epoch")
    values: Variables = {
        "rank": ((*axes, "cifar_layer", "cifar_tol"), ranks(s), "numerical rank of the weights"),
        "stable_rank": ((*axes, "cifar_layer"), np.nansum(s**2, axis=-1) / s[..., 0] ** 2, "stable rank"),
        "spectrum": (
            (*axes[:3], "cifar_layer", "cifar_index"),
            s[..., -1, :, :],
            "singular values of W / ‖W‖ at the end",
        ),
        "full_rank": (
            ("cifar_layer",),
            [float(min(W.shape)) for W in matrices(drawn[0][0])],
            "smaller side of the matrix",
        ),
        "train": (axes, found["train"], "train accuracy"),
        "test": (axes, found["test"], "test accuracy"),
        "forgetting": (axes[1:], forgetting, "sum of lr·wd over the steps"),
        "bound": (
            (*axes[:3], "cifar_layer"),
            bound if own.bounded else np.full_like(bound, np.nan),
            f"bound m B k on the rank at tolerance {EPS}, infinite where nothing is forgotten to that",
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
            "cifar_layer": np.arange(1, len(own.layers) + 1),
            "cifar_index": np.arange(1, s.shape[-1] + 1),
            "cifar_tol": list(TOLERANCES),
        },
    )


def _step_sizes(config: Config, per_epoch: int, epochs: int) -> np.ndarray:
    """The step size of every step, relative to the first."""
    epoch = np.repeat(np.arange(epochs), per_epoch)
    return FACTOR ** (epoch[:, None] >= np.array(config.cifar_drops)).sum(axis=1)


def _bound(
    config: Config,
    norms: Float[np.ndarray, "seed lr decay check layer"],
    step_sizes: Float[np.ndarray, " steps"],
    checks: range,
    per_epoch: int,
    terms: np.ndarray,
) -> Float[np.ndarray, "seed lr decay layer"]:
    """m B k: the least k, back to a check, with prod (1 - lr_t wd) |W_{T-k}| <= EPS |W_T|; infinite without one.

    terms: (layer,), the outer products m B of a step's gradient.
    """
    ends = np.array(checks) * per_epoch
    bound = np.full((norms.shape[0], len(config.cifar_lrs), len(config.cifar_decays), norms.shape[-1]), np.inf)
    for i, lr in enumerate(config.cifar_lrs):
        for j, decay in enumerate(config.cifar_decays):
            logs = np.concatenate([[0.0], np.log1p(-np.minimum(lr * decay * step_sizes, 1 - 1e-15)).cumsum()])
            left = np.exp(logs[-1] - logs[ends])[:, None] * norms[:, i, j]
            forgotten = left <= EPS * norms[:, i, j, -1:]
            # The last check from which on everything older is forgotten.
            latest = np.where(forgotten, ends[:, None], -1).max(axis=1)
            bound[:, i, j] = np.where(latest >= 0, terms * (ends[-1] - latest), np.inf)
    return bound
