"""Two classes of CIFAR-10: three convolutions of 3x3/2, after the paper's code, and the same with other filters.

The code (https://github.com/GraceXu182/binaryclassifiers_squareloss) calls the network NetSimpleConv4: convolutions
with h, 2h and 4h channels and a dense top on 4x4 places, trained on the squared error of 10 000 images of unit norm.
What differs here: one output with targets +1 and -1 in the place of two outputs; He's starts in the place of layers of
one constant norm; the mean training image is subtracted; and there is no batch normalisation, as the bounds are for
networks without. No claim is judged on these networks.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ...data import cifar10
from ...dynamics import SGD
from ...models.plain_cnn import Architecture
from ...problem import Problem, squared_error
from ...references import norm_bounds
from ...simulation import simulate
from .config import Config
from .measures import Images, bounds, convolutional_places
from .networks import Design, convolutional_weights

Variables: TypeAlias = dict[str, tuple[Any, ...]]

SIDE = 32
"""Pixels along an image's side."""
CIFAR_DESIGNS = {
    "3x3/2 x3": Design(3, 2, 1, 3),
    "2x2/2 x3": Design(2, 2, 0, 3),
    "3x3 x3": Design(3, 1, 1, 3),
}
"""The published network first."""
_BATCHES = 403
_AT_ONCE = 100


class TwoClasses(NamedTuple):
    """Images of unit norm minus the mean training image, and labels +1 for the first class and -1 for the second."""

    x: Float[Array, "n 32 32 3"]
    y: Float[Array, "n 1"]
    test_x: Float[Array, "m 32 32 3"]
    test_y: Float[Array, "m 1"]


def two_classes(images: cifar10.Images, classes: tuple[int, ...]) -> TwoClasses:
    """The images of the two classes."""
    kept, test_kept = (np.isin(y, classes) for y in (images.y, images.test_y))
    x, test_x = (part.astype(np.float32) / 255 for part in (images.x[kept], images.test_x[test_kept]))
    mean = x.mean(axis=0)

    def unit(part: np.ndarray) -> Array:
        part = part - mean
        return jnp.asarray(part / np.sqrt(np.sum(part**2, axis=(1, 2, 3), keepdims=True)))

    def signs(y: np.ndarray) -> Array:
        return jnp.asarray(np.where(y == classes[0], np.float32(1), np.float32(-1))[:, None])

    return TwoClasses(unit(x), signs(images.y[kept]), unit(test_x), signs(images.test_y[test_kept]))


def cifar_study(config: Config) -> Variables:
    """Every network at every weight decay: accuracies, norms and bounds, all variables named `cifar_...`.

    Raises:
        UserError: the images are not there and cannot be fetched.
        ValueError: fewer images of the two classes than a batch.
    """
    data = two_classes(cifar10.load(), config.cifar_classes)
    m = len(data.y)
    if m < config.cifar_batch:
        raise ValueError(f"cifar_batch must be at most the {m} images of the two classes, got {config.cifar_batch}")
    images = Images(norm_bounds.pixel_energies(np.asarray(data.x)), m, config.delta)
    found = [[*_measured(config, design, data, images)] for design in CIFAR_DESIGNS.values()]
    # (cifar_cnn, cifar_decay, cifar_seed, measure)
    table = np.array(found)
    own = ("cifar_cnn", "cifar_decay", "cifar_seed")
    closed = [norm_bounds.closed_form(design.geometry(SIDE)) for design in CIFAR_DESIGNS.values()]
    return {
        **{
            f"cifar_{name}": (own, table[..., i], f"CIFAR-10: {words}") for i, (name, words) in enumerate(WORDS.items())
        },
        "cifar_closed_form": ("cifar_cnn", closed, "CIFAR-10: closed form of the ratio"),
        "cifar_pixel_factor": ((), norm_bounds.pixel_factor(images.energies), "CIFAR-10: pixel factor"),
    }


WORDS = {
    "train": "train accuracy",
    "test": "test accuracy",
    "dense": "dense bound of the Rademacher complexity",
    "sparse": "convolutional bound of the Rademacher complexity",
    "ratio": "dense bound / convolutional bound",
    "padding": "padding factor",
    "dense_gap": "dense bound of the generalisation error",
    "sparse_gap": "convolutional bound of the generalisation error",
}


def coordinates(config: Config) -> dict[str, Any]:
    """The axes of the variables `cifar_...`."""
    return {
        "cifar_cnn": list(CIFAR_DESIGNS),
        "cifar_decay": ("cifar_decay", list(config.cifar_decay), {"long_name": "weight decay"}),
        "cifar_seed": np.arange(config.seed, config.seed + min(config.cifar_seeds, config.seeds)),
    }


def _measured(config: Config, design: Design, data: TwoClasses, images: Images) -> np.ndarray:
    """What `WORDS` names, (decay, seed, measure), of one network."""
    h = config.cifar_width
    network = design.architecture((h, 2 * h, 4 * h))
    seeds = min(config.cifar_seeds, config.seeds)
    run = simulate(
        Problem(network, data.x, data.y, squared_error),
        SGD(config.cifar_lr, config.cifar_batch, momentum=config.cifar_momentum),
        lambda key: network.init(key, SIDE, colours=3),
        steps=config.cifar_epochs * (len(data.y) // config.cifar_batch),
        record=[],
        seeds=seeds,
        seed=config.seed,
        stream=_BATCHES,
        sweep={"weight_decay": config.cifar_decay},
        data_parallel="auto",
        label=f"CIFAR-10, {design.kernel}x{design.kernel}/{design.stride} x{design.depth}",
    )

    def of(decay: int, seed: int) -> list[float]:
        params = jax.tree.map(lambda leaf: leaf[seed, decay], run.params)
        accuracies = [
            float(jnp.mean(_outputs(network, params, x) * y > 0))
            for x, y in ((data.x, data.y), (data.test_x, data.test_y))
        ]
        weights = convolutional_weights(params, design.kernel)
        found = bounds(weights, convolutional_places(design, SIDE), images)
        return [*accuracies, *(getattr(found, name) for name in list(WORDS)[2:])]

    return np.array([[of(decay, seed) for seed in range(seeds)] for decay in range(len(config.cifar_decay))])


def _outputs(network: Architecture, params: PyTree, x: Float[Array, "n h w c"]) -> Float[Array, "n 1"]:
    """f(x), some images at once: the patches of all would fill the memory."""
    return jax.lax.map(lambda image: network(params, image[None])[0], x, batch_size=_AT_ONCE)
