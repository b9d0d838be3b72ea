"""How complex the found minima are: every measure of `biassay.complexity` of every network, in double precision.

With w the parameters and w_0 the *random* initialisation, the reference of every distance whatever the start; g the
10th percentile of the margin on the m training items; sigma and sigma' the standard deviations of the noise at which
the train accuracy falls by 0.1. All networks of a seed get the same draws of the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int, Key, Num, PyTree, Scalar
from threadpoolctl import threadpool_limits

from ...complexity import (
    EQUATIONS,
    MeasuredLayer,
    NoiseLevel,
    margin_percentile,
    margins,
    noise_level,
    norm_measures,
    pac_bayes_measures,
    path_sum,
    product_measures,
)
from ...models.mlp import MLP
from ...probes import correct
from .on_digits import Run, Stream, Study, keys

Predict: TypeAlias = Callable[[PyTree, Array], Array]

POWERS = (1.0, 1.5, 2.0)
"""p of the path norms."""
PRODUCTS = (
    *("L1_INF", "FRO", "L3_1.5", "SCHATTEN_INF", "SCHATTEN_1.5", "SCHATTEN_1"),
    *(f"PATH_{p:g}" for p in POWERS),
    *("L1_INF_BOUND", "FRO_BOUND", "L3_1.5_BOUND", "SPEC_L21_BOUND", "SPEC_FRO_BOUND"),
)
"""The names of `product_measures`, the second family; here they get the prefix "PRODUCT_"."""
NAMES = (*EQUATIONS, *(f"PRODUCT_{name}" for name in PRODUCTS))
"""All measures."""


class Measures(NamedTuple):
    """values: name -> the measure as its public code prints it, NaN where it is not defined, for all of `NAMES`;
    g: the margin, NaN where the network does not interpolate; sigma, magnitude_sigma: the noise levels found, None for
    a network that does not interpolate."""

    values: dict[str, float]
    g: float
    sigma: NoiseLevel | None
    magnitude_sigma: NoiseLevel | None


def measures_of(
    predict: Predict,
    params: PyTree,
    initial: PyTree,
    layers_of: Callable[[PyTree], Sequence[MeasuredLayer]],
    x: Num[Array, "m *shape"] | Num[np.ndarray, "m *shape"],
    y: Int[Array, " m"] | Int[np.ndarray, " m"],
    key: Key[Array, ""],
    *,
    at_once: int | None = None,
) -> Measures:
    """Every measure of a network, batch normalisation folded in beforehand.

    What needs the margin or a sigma is NaN where the network does not interpolate (g <= 0), what needs a sigma is NaN
    where none makes the accuracy fall by its target, and all is NaN where a parameter is not finite or weight decay has
    made a layer zero, whose norm has no logarithm. All is computed in double precision, whatever the network was
    trained in.

    Args:
        predict: (params, x) -> logits, of relu networks; calls with the same function compile once.
        params: what is perturbed: all leaves, biases too.
        initial: the parameters that distances are measured from, of the same structure.
        layers_of: params -> the layers with their weights as (out, in) or (out, in, k, k).
        x, y: the training items, m >= 10.
        key: of the noise; the same key gives every network of one architecture the same draws.
        at_once: draws of the noise evaluated side by side, all by default; fewer take less memory.

    Raises:
        ValueError: fewer than 10 items, or layers that the measures refuse.
    """
    nothing = dict.fromkeys(NAMES, np.nan)
    # From the host on: arrays split among devices would make every program here a collective one.
    params, initial, x, y = jax.device_get((params, initial, x, y))
    layers, start = layers_of(params), layers_of(initial)
    finite = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
    if not finite or not all(np.any(layer.weight) for layer in layers):
        return Measures(nothing, np.nan, None, None)
    with jax.enable_x64(True):
        params, initial, x = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, float)), (params, initial, x))
        y, m, outputs = jnp.asarray(y), len(y), jax.jit(predict)
        g = _margin(np.asarray(outputs(params, x)), np.asarray(y))
        sigma = magnitude_sigma = None
        if g is not None:
            sigma, magnitude_sigma = (
                noise_level(_accuracy(predict), params, key, data=(x, y), magnitude=magnitude, at_once=at_once)
                for magnitude in (False, True)
            )
        paths = {p: path_sum(outputs, params, x.shape[1:], p) for p in POWERS}
    found = norm_measures(layers, m=m, g=g, initial=start, path=paths[2.0])
    found |= pac_bayes_measures(
        params,
        m=m,
        sigma=_met(sigma),
        magnitude_sigma=_met(magnitude_sigma),
        initial=initial,
    )
    values = nothing | {name: measure.printed for name, measure in found.items()}
    if g is not None:
        inputs = int(np.prod(x.shape[1:]))
        products = product_measures(layers, m=m, g=g, inputs=inputs, initial=start, paths=paths)
        values |= {f"PRODUCT_{name}": value for name, value in products.items()}
    return Measures(values, np.nan if g is None else g, sigma, magnitude_sigma)


def _margin(logits: Float[np.ndarray, "m k"], labels: Int[np.ndarray, " m"]) -> float | None:
    """g, the (m // 10)-th smallest margin; None where so many margins are not positive."""
    m = len(labels)
    if m >= 10 and np.count_nonzero(margins(logits, labels) <= 0) >= m // 10:
        return None
    return margin_percentile(logits, labels)


def _met(level: NoiseLevel | None) -> float | None:
    """The sigma found, None where it does not reach its target."""
    return level.sigma if level is not None and level.met else None


@lru_cache(maxsize=8)
def _accuracy(predict: Predict) -> Callable[[PyTree, Array, Array], Scalar]:
    """The train accuracy (params, x, y) of one network, the same function at every call: one compiled program."""
    return lambda params, x, y: jnp.mean(correct(predict(params, x), y), dtype=float)


def dense_layers(params: MLP) -> list[MeasuredLayer]:
    """The layers of an MLP, whose weights are (in, out), as the measures take them."""
    return [MeasuredLayer(np.asarray(layer.weight).T, np.asarray(layer.bias)) for layer in params]


def of_minima(study: Study, runs: Mapping[str, Run]) -> xr.Dataset:
    """The measures of an MLP's set-ups on the true labels of the training images.

    Returns:
        `complexity` (seed, setup, measure) with the number of each measure's equation beside its name (0 in the second
        family); `margin`, `sigma` and `magnitude_sigma` (seed, setup), NaN where there is none; `without_margin`
        (setup), the number of seeds that do not interpolate.
    """
    first, seeds = study.settings.seed, study.settings.seeds
    noise = keys(study.settings, Stream.NOISE)
    x, y = study.true.value.x, study.true.value.y
    networks = (study.start.value, *(run.params for run in runs.values()))

    def of_seed(seed: int) -> list[Measures]:
        start, *found = (jax.tree.map(lambda leaf: leaf[seed], params) for params in networks)
        return [
            measures_of(study.network.predict, params, start, dense_layers, x[seed], y[seed], noise[seed])
            for params in found
        ]

    # Two seeds at a time, each with one thread: the factorisation of a matrix of this size is slower with several.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(2) as pool:
        table = list(pool.map(of_seed, range(seeds)))

    def column(value: Callable[[Measures], float | None]) -> np.ndarray:
        return np.array([[value(measures) for measures in row] for row in table], float)

    values = np.array([[list(measures.values.values()) for measures in row] for row in table])
    g = column(lambda measures: measures.g)
    return xr.Dataset(
        {
            "complexity": (("seed", "setup", "measure"), values),
            "margin": (("seed", "setup"), g),
            "sigma": (("seed", "setup"), column(lambda measures: _met(measures.sigma))),
            "magnitude_sigma": (("seed", "setup"), column(lambda measures: _met(measures.magnitude_sigma))),
            "without_margin": ("setup", np.isnan(g).sum(0)),
        },
        {
            "seed": np.arange(first, first + seeds),
            "setup": list(runs),
            "measure": list(NAMES),
            "equation": ("measure", [EQUATIONS.get(name, 0) for name in NAMES]),
        },
    )
