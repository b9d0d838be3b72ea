"""The runs: plain SGD and SGD on normalised layers, with and without weight decay, side by side on every seed.

Every seed has its own digits, its own start and its own order of the batches, the same for all its runs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ...data import digits
from ...data.digits import CLASSES
from ...dynamics import SGD, AbstractDynamics, ProjectedSGD
from ...problem import Batch, Problem, squared_error
from ...simulation import PerSeed, simulate
from .config import Config
from .network import MEASURES, PROBES, Drops, Weights, network

_PIXELS = 64
_SPLIT = 800
_START = 801
_OUTPUTS = ("own_output", "other_outputs", "other_spread")
_ACCURACIES = ("train_accuracy", "test_accuracy")


class Arm(NamedTuple):
    """One run of every seed.

    small: all layers start with the norm `scale` of the config, else with those of He's weights; normalised: how they
    move; decay: of the weights, or of the scales of normalised layers.
    """

    small: bool
    normalised: bool
    decay: float


def arms(config: Config) -> dict[str, Arm]:
    """The runs by name."""
    return {
        "plain, no decay": Arm(small=False, normalised=False, decay=0.0),
        "plain, decay": Arm(small=False, normalised=False, decay=config.decay),
        "plain, strong decay": Arm(small=False, normalised=False, decay=config.strong_decay),
        "small start, no decay": Arm(small=True, normalised=False, decay=0.0),
        "normalised, no decay": Arm(small=True, normalised=True, decay=0.0),
        "normalised, decay": Arm(small=True, normalised=True, decay=config.decay),
    }


# --- data and starts --------------------------------------------------------------------------------------------------


def problems(config: Config) -> PerSeed[Problem]:
    """Every seed's digits: pixels / 16 minus their mean image, each image scaled to norm 1; one-hot targets."""
    drawn = [_drawn(seed, config.images) for seed in range(config.seed, config.seed + config.seeds)]
    x, y, test_x, test_y = (jnp.asarray(np.stack(part)) for part in zip(*drawn, strict=True))
    return PerSeed(Problem(network, x, y, squared_error, test=Batch(test_x, test_y)))


def _drawn(seed: int, images: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training inputs (n, 64) and targets (n, 10), as many of every class; all other inputs and their labels."""
    key = jax.random.fold_in(jax.random.key(seed), _SPLIT)
    most, labels, last, last_label = digits.split(key, digits.TOTAL - 1, 1)  # all the digits in a random order
    x = np.concatenate([most, last]).reshape(digits.TOTAL, _PIXELS)
    labels = np.concatenate([labels, last_label])
    chosen = np.zeros(digits.TOTAL, bool)
    for c in range(CLASSES):
        chosen[np.flatnonzero(labels == c)[: images // CLASSES]] = True
    x = x - x[chosen].mean(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x[chosen], np.eye(CLASSES, dtype=x.dtype)[labels[chosen]], x[~chosen], labels[~chosen]


def he_start(config: Config) -> list[np.ndarray]:
    """Every seed's W_k ~ N(0, 2 / fan-in), each (seed, out, in)."""
    sizes = (_PIXELS, *config.hidden, CLASSES)
    rngs = [np.random.default_rng([seed, _START]) for seed in range(config.seed, config.seed + config.seeds)]
    return [np.stack([rng.normal(size=(out, fan)) for rng in rngs]) * (2 / fan) ** 0.5 for fan, out in pairwise(sizes)]


def start(weights: list[np.ndarray], scale: float | None = None) -> PerSeed[Weights]:
    """The weights, or with a `scale` their directions with this Frobenius norm in every layer."""
    if scale is not None:
        weights = [scale * W / np.linalg.norm(W, axis=(1, 2), keepdims=True) for W in weights]
    return PerSeed(tuple(jnp.asarray(W, jnp.float32) for W in weights))


# --- runs -------------------------------------------------------------------------------------------------------------


def dynamics(config: Config, arm: Arm) -> AbstractDynamics:
    """SGD with momentum on the weights; or on normalised layers, whose weights then move as fast at the start.

    With W = r V a step lr G in W is a step (lr / r^2) r G in V, and of size lr <V, G> in r. The decay of normalised
    layers is that of (decay / 2) sum_k r_k^2, as for plain weights, and not of rho^2.
    """
    c = config
    at = jnp.asarray([round(share * c.steps) for share in c.drops], jnp.int32)
    lr = Drops(c.lr, at, 0.1)
    if arm.normalised:
        return ProjectedSGD(Drops(c.lr / c.scale**2, at, 0.1), lr, c.batch, "independent", c.momentum, arm.decay)
    return SGD(lr, c.batch, "independent", momentum=c.momentum, weight_decay=arm.decay)


def trained(config: Config) -> xr.Dataset:
    """Every arm on every seed: dimensions (seed, arm, step) and those of what was recorded."""
    c = config
    problem, he = problems(c), he_start(c)
    # One arm after another, so that the plain ones share a compiled program, and the normalised ones another.
    runs = [
        simulate(
            problem,
            dynamics(c, arm),
            start(he, c.scale if arm.small else None),
            steps=c.steps,
            probes=PROBES,
            record=c.records,
            seeds=c.seeds,
            seed=c.seed,
            lanes="map",  # a network of the default widths fills a core
            label=name,
        ).data.drop_vars("time")
        for name, arm in arms(c).items()
    ]
    return _described(xr.concat(runs, "arm", coords="minimal", compat="override"), config)


def _described(data: xr.Dataset, config: Config) -> xr.Dataset:
    """What was recorded, every number a variable of its own; the cosines of the end only."""
    data, axes = data.transpose("seed", "arm", "step", ...), ("seed", "arm", "step")
    parts = {"collapse": MEASURES, "outputs": _OUTPUTS, "accuracies": _ACCURACIES}
    variables = {
        name: (axes, data[probe].values[..., i], {"long_name": LONG_NAMES[name]})
        for probe, names in parts.items()
        for i, name in enumerate(names)
    }
    recorded = {
        "risk": (axes, data["risk"].values),
        "layer_norm": ((*axes, "layer"), data["layer_norms"].values),
        "cosine": (("seed", "arm", "digit", "other_digit"), data["cosines"].values[:, :, -1]),
        "diverged": (("seed", "arm"), data["diverged"].values),
    }
    variables |= {name: (*part, {"long_name": LONG_NAMES[name]}) for name, part in recorded.items()}
    own = arms(config)
    coordinates = {
        "seed": (data["seed"].values, "seed"),
        "arm": (list(own), "run"),
        "step": (data["step"].values, "steps taken"),
        "layer": (np.arange(1, len(config.hidden) + 2), "layer"),
        "digit": (np.arange(CLASSES), "digit"),
        "other_digit": (np.arange(CLASSES), "digit"),
    }
    coords = {name: (name, values, {"long_name": words}) for name, (values, words) in coordinates.items()}
    decay = ("arm", [arm.decay for arm in own.values()], {"long_name": "weight decay"})
    drop = round(config.drops[0] * config.steps) if config.drops else config.steps
    return xr.Dataset(
        variables,
        coords=coords | {"weight_decay": decay, "first_drop": ((), drop, {"long_name": "step of the first drop"})},
    )


LONG_NAMES = {
    "nc1": "NC1: tr(S_W S_B⁺) / C",
    "nc1_quotient": "NC1: tr S_W / tr S_B",
    "cdnv": "NC1: class-distance normalised variance",
    "mean_norms": "NC2: spread of the norms of the class means",
    "mean_cosines": "NC2: spread of the cosines between class means",
    "mean_angles": "NC2: mean of |cos + 1/(C - 1)| between class means",
    "etf": "NC2: distance of the class means from a simplex equiangular tight frame",
    "weight_norms": "NC2: spread of the norms of the rows of the last layer",
    "weight_cosines": "NC2: spread of the cosines between rows of the last layer",
    "nc3": "NC3 (Papyan): squared distance of last layer and class means",
    "nc3_zhu": "NC3 (Zhu): distance of their product from the simplex",
    "nc4": "NC4: share of images not given to the nearest class mean",
    "own_output": "mean output for the image's own class",
    "other_outputs": "mean of the other outputs",
    "other_spread": "standard deviation of the other outputs",
    "train_accuracy": "training accuracy",
    "test_accuracy": "test accuracy",
    "risk": "training loss",
    "layer_norm": "Frobenius norm of the layer",
    "cosine": "cosine between two centred class means at the end",
    "diverged": "final weights not finite",
}
