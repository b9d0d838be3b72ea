"""Even digits against odd ones: the bounds of four convolutional networks and of a dense one after training.

Norms and bounds are computed in double precision from the parameters as they are.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import PyTree

from ...references import norm_bounds
from .config import Config
from .jacobian import jacobian_norms
from .measures import Bounds, Images, Places, bounds, convolutional_places, dense_places, scaled
from .networks import DENSE, DESIGNS, Weights, convolutional_weights, dense_weights
from .training import HIDDEN, SIDE, architectures, examples, right, trained

Variables: TypeAlias = dict[str, tuple[Any, ...]]

LAYERS = 1 + max(design.depth for design in DESIGNS.values())
"""Layers of the deepest network; the layers of the others come first, then NaN."""


def digits_study(config: Config) -> Variables:
    """Trains and measures all networks."""
    data = examples(config)
    params = trained(config, data)
    correct = right(config, params, data)
    images = [
        Images(norm_bounds.pixel_energies(np.asarray(x[: config.train])), config.train, config.delta) for x in data.x
    ]
    places = {name: convolutional_places(design, SIDE) for name, design in DESIGNS.items()}
    places[DENSE] = dense_places(SIDE**2, HIDDEN + 1)
    weights = {name: [_weights(name, net) for net in _each_seed(leaves)] for name, leaves in params.items()}
    return {
        **_accuracies(config, correct),
        **_all_bounds(config, weights, places, images),
        **_identity(config, params, weights, places),
        "pixel_factor": ("seed", [norm_bounds.pixel_factor(i.energies) for i in images], "pixel factor"),
        "pixel_energy": (
            ("seed", "row", "column"),
            np.stack([i.energies.reshape(SIDE, SIDE) for i in images]) / config.train,
            "mean square of a pixel",
        ),
        **_geometries(places),
    }


def _each_seed(params: PyTree) -> list[PyTree]:
    seeds = jax.tree.leaves(params)[0].shape[0]
    return [jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), params) for i in range(seeds)]


def _weights(name: str, params: PyTree) -> Weights:
    return dense_weights(params) if name == DENSE else convolutional_weights(params, DESIGNS[name].kernel)


def _accuracies(config: Config, correct: dict[str, np.ndarray]) -> Variables:
    own = ("seed", "network")
    both = np.stack(list(correct.values()), axis=1)
    return {
        "train": (own, both[..., : config.train].mean(axis=-1), "train accuracy"),
        "test": (own, both[..., config.train :].mean(axis=-1), "test accuracy"),
    }


def _all_bounds(
    config: Config, weights: dict[str, list[Weights]], places: dict[str, Places], images: list[Images]
) -> Variables:
    """Both bounds as trained, with every layer doubled, and with all layers scaled down to a small product of norms."""

    def measured(name: str, index: int, factor: float = 1.0) -> Bounds:
        return bounds(scaled(weights[name][index], factor), places[name], images[index])

    seeds = range(config.seeds)
    as_trained = [[measured(name, i) for name in places] for i in seeds]
    doubled = [[measured(name, i, 2.0) for name in places] for i in seeds]
    small = [
        [
            measured(name, i, (config.small_rho / found.rho_toeplitz) ** (1 / places[name].geometry.layers))
            for name, found in zip(places, as_trained[i], strict=True)
        ]
        for i in seeds
    ]

    def field(rows: list[list[Bounds]], name: str) -> np.ndarray:
        return np.array([[getattr(found, name) for found in row] for row in rows])

    def norms(name: str) -> np.ndarray:
        table = np.full((config.seeds, len(places), LAYERS), np.nan)
        for i, row in enumerate(as_trained):
            for j, found in enumerate(row):
                of_layers = getattr(found, name)
                table[i, j, : len(of_layers)] = of_layers
        return table

    own = ("seed", "network")
    found = {name: (own, field(as_trained, name), words) for name, words in LONG_NAMES.items()}
    for name, rows in {"doubled": doubled, "small": small}.items():
        words = (
            "with every layer doubled" if name == "doubled" else f"scaled to a product of norms {config.small_rho:g}"
        )
        for bound in ("dense", "sparse", "dense_gap", "sparse_gap"):
            found[f"{bound}_{name}"] = (own, field(rows, bound), f"{LONG_NAMES[bound]}, {words}")
    return {
        **found,
        "filter_norm": ((*own, "layer"), norms("filter_norms"), "Frobenius norm of the filters"),
        "toeplitz_norm": ((*own, "layer"), norms("toeplitz_norms"), "Frobenius norm of the Toeplitz matrix"),
    }


LONG_NAMES = {
    "rho_filters": "product of the filters' norms and the top's",
    "rho_toeplitz": "product of the Toeplitz matrices' norms and the top's",
    "dense": "dense bound of the Rademacher complexity",
    "sparse": "convolutional bound of the Rademacher complexity",
    "ratio": "dense bound / convolutional bound",
    "one_location": "dense bound / convolutional bound, every filter counted at one location",
    "padding": "padding factor",
    "dense_gap": "dense bound of the generalisation error",
    "sparse_gap": "convolutional bound of the generalisation error",
}


def _identity(
    config: Config, params: dict[str, PyTree], weights: dict[str, list[Weights]], places: dict[str, Places]
) -> Variables:
    """How far the Toeplitz norms in closed form are from the Jacobians', relatively: the worst convolution counts."""
    nets = architectures(config)
    shape = (config.seeds, len(DESIGNS))
    exact, ignoring = np.full(shape, np.nan), np.full(shape, np.nan)
    for j, name in enumerate(DESIGNS):
        jacobian = jacobian_norms(_each_seed(params[name]), nets[name], SIDE)
        at = places[name]
        for i in range(config.seeds):
            layers = list(zip(weights[name][i], at.sides, strict=False))
            for table, norm in (
                (exact, norm_bounds.toeplitz_norm),
                (ignoring, norm_bounds.toeplitz_norm_ignoring_padding),
            ):
                closed = np.array([norm(w, side, at.stride, at.padding) for w, side in layers])
                table[i, j] = np.max(np.abs(closed / jacobian[i] - 1))
    own = ("seed", "cnn")
    return {
        "toeplitz_error": (own, exact, "largest relative error of the Toeplitz norm in closed form"),
        "no_padding_error": (own, ignoring, "the same with padding ignored"),
    }


def _geometries(places: dict[str, Places]) -> Variables:
    """Locations, degrees and the closed form of every network."""
    locations, degrees = (np.full((len(places), LAYERS), np.nan) for _ in range(2))
    for row, of in enumerate(places.values()):
        locations[row, : len(of.geometry.locations)] = of.geometry.locations
        degrees[row, : of.geometry.layers] = of.geometry.degrees
    closed = [norm_bounds.closed_form(of.geometry) for of in places.values()]
    return {
        "locations": (("network", "layer"), locations, "locations of a convolution"),
        "degrees": (("network", "layer"), degrees, "places of the layer below that a neuron sees"),
        "closed_form": ("network", closed, "closed form of the ratio"),
    }
