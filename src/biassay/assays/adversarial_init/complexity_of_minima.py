"""How complex a found minimum is: every measure of `biassay.complexity` of one trained network, in double precision.

With w the parameters and w_0 the *random* initialisation, the reference of every distance; g the 10th percentile of
the margin on the m training items; sigma and sigma' the standard deviations of the noise that w bears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Num, PyTree, Scalar

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
from ...probes import correct

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
    a network that diverged."""

    values: dict[str, float]
    g: float
    sigma: NoiseLevel | None
    magnitude_sigma: NoiseLevel | None


def measures_of(
    predict: Predict,
    params: PyTree,
    initial: PyTree,
    layers_of: Callable[[PyTree], Sequence[MeasuredLayer]],
    x: Num[Array, "m *shape"],
    y: Int[Array, " m"],
    key: Key[Array, ""],
    *,
    at_once: int | None = None,
) -> Measures:
    """Every measure of a network, batch normalisation folded in beforehand.

    What divides by the margin is NaN where the network does not interpolate (g <= 0), what needs sigma is NaN where
    no sigma makes the accuracy fall by its target, and all is NaN where a parameter is not finite. All is computed in
    double precision, whatever the network was trained in.

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
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        return Measures(nothing, np.nan, None, None)
    with jax.enable_x64(True):
        params, initial = (jax.tree.map(lambda leaf: jnp.asarray(leaf, float), tree) for tree in (params, initial))
        x, y, m = jnp.asarray(x, float), jnp.asarray(y), len(y)
        g = _margin(np.asarray(predict(params, x)), np.asarray(y))
        accuracy = _accuracy(predict)
        sigma, magnitude_sigma = (
            noise_level(accuracy, params, key, data=(x, y), magnitude=magnitude, at_once=at_once)
            for magnitude in (False, True)
        )
        paths = {p: path_sum(predict, params, x.shape[1:], p) for p in POWERS}
    layers, start = layers_of(params), layers_of(initial)
    found = norm_measures(layers, m=m, g=g, initial=start, path=paths[2.0])
    found |= pac_bayes_measures(
        params,
        m=m,
        sigma=sigma.sigma if sigma.met else None,
        magnitude_sigma=magnitude_sigma.sigma if magnitude_sigma.met else None,
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


@lru_cache(maxsize=8)
def _accuracy(predict: Predict) -> Callable[[PyTree, Array, Array], Scalar]:
    """The train accuracy (params, x, y) of one network, the same function at every call: one compiled program."""
    return lambda params, x, y: jnp.mean(correct(predict(params, x), y), dtype=float)
