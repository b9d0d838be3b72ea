"""The measures of Jiang et al. that depend on weights, margin and paths.

    m items, d layers, W_i (out, rest) the weight of layer i, W_i^0 where it started, P weights in all, g the margin;
    F_i = |W_i|_F^2,    s_i = |W_i|_2^2,    D_i = |W_i - W_i^0|_F^2.

Biases are no part of W. Every measure is a number v and a printed value: (v - ln m) / 2 for the names LOG_..., that is
the logarithm of sqrt(e^v / m), and sqrt(v / m) for all others. A name with _FFT replaces s_i by the squared norm of the
circular convolution on the layer's own input (see `circular_norm`); dense layers keep theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ._circular import circular_norm
from ._layers import MeasuredLayer, differences, matrices

EQUATIONS: dict[str, int] = {
    "PARAMS": 20,
    "INVERSE_MARGIN": 22,
    "LOG_SPEC_INIT_MAIN": 29,
    "LOG_SPEC_ORIG_MAIN": 30,
    "LOG_PROD_OF_SPEC_OVER_MARGIN": 31,
    "LOG_PROD_OF_SPEC": 32,
    "FRO_OVER_SPEC": 33,
    "LOG_SUM_OF_SPEC_OVER_MARGIN": 34,
    "LOG_SUM_OF_SPEC": 35,
    "LOG_PROD_OF_FRO_OVER_MARGIN": 36,
    "LOG_PROD_OF_FRO": 37,
    "LOG_SUM_OF_FRO_OVER_MARGIN": 38,
    "LOG_SUM_OF_FRO": 39,
    "FRO_DIST": 40,
    "DIST_SPEC_INIT": 41,
    "PARAM_NORM": 42,
    "PATH_NORM_OVER_MARGIN": 43,
    "PATH_NORM": 44,
    "PACBAYES_INIT": 48,
    "PACBAYES_ORIG": 49,
    "PACBAYES_FLATNESS": 53,
    "PACBAYES_MAG_INIT": 56,
    "PACBAYES_MAG_ORIG": 57,
    "PACBAYES_MAG_FLATNESS": 61,
}
"""The number of a measure's equation in arXiv 1912.02178, as the comments of the public code give it."""


class Measure(NamedTuple):
    """v, and the value as the public code prints it."""

    v: float
    printed: float


def printed(values: dict[str, float], m: int) -> dict[str, Measure]:
    """Every v with its printed value, NaN for the root of a negative v.

    Raises:
        ValueError: m below 1.
    """
    if m < 1:
        raise ValueError(f"m, the number of training items, must be at least 1, got {m}")
    return {
        name: Measure(v, (v - math.log(m)) / 2 if name.startswith("LOG_") else _root(v / m))
        for name, v in values.items()
    }


def _root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def norm_measures(
    layers: Sequence[MeasuredLayer],
    *,
    m: int,
    g: float | None = None,
    initial: Sequence[MeasuredLayer] | None = None,
    path: float | None = None,
    circular: bool = False,
) -> dict[str, Measure]:
    """The measures of `EQUATIONS` up to 44, as far as what they need is given.

    Args:
        layers: the network's, batch normalisation folded in.
        m: training items.
        g: the margin from `margin_percentile`; without it the measures that need one are left out.
        initial: the layers at the start, or whatever distances shall be measured from; without it the measures of
            distance are left out.
        path: `path_sum` with p = 2; without it the path norms are left out.
        circular: whether to add the names with _FFT, which need the `grid` of every convolution.

    Raises:
        ValueError: g not positive, a layer of zeros, a convolution without a grid, or layers that do not fit.

    Example:
        >>> import numpy as np
        >>> network = [MeasuredLayer(np.diag([3.0, 4.0])), MeasuredLayer(np.array([[1.0, 0.0]]))]
        >>> found = norm_measures(network, m=100, g=2.0)
        >>> found["PARAM_NORM"]  # 9 + 16 + 1, and its root over m
        Measure(v=26.0, printed=0.5099019513592785)
        >>> round(found["INVERSE_MARGIN"].v, 3)
        0.25
    """
    if g is not None and not g > 0:
        raise ValueError(f"g must be positive, got {g}: the network does not fit its training items")
    W = matrices(layers)
    for number, weight in enumerate(W, 1):
        if not weight.any():
            raise ValueError(f"layer {number} has only zeros: its norms have no logarithm")
    F = np.array([np.sum(weight**2) for weight in W])
    s = np.array([np.linalg.norm(weight, 2) ** 2 for weight in W])
    values = {"PARAMS": float(sum(weight.size for weight in W)), "PARAM_NORM": float(F.sum())}
    values |= _products("FRO", F, g)
    D = moved = None
    if initial is not None:
        moved = differences(layers, initial)
        D = np.array([np.sum(weight**2) for weight in matrices(moved)])
        values["FRO_DIST"] = float(D.sum())
    if g is not None:
        values["INVERSE_MARGIN"] = 1 / g**2
    if path is not None:
        values["PATH_NORM"] = path
        if g is not None:
            values["PATH_NORM_OVER_MARGIN"] = path / g**2
    values |= _spectral(F, s, D, g)
    if moved is not None:
        values["DIST_SPEC_INIT"] = float(sum(np.linalg.norm(weight, 2) ** 2 for weight in matrices(moved)))
    if circular:
        around = np.array([_circular(layer, number) for number, layer in enumerate(layers, 1)])
        twins = _spectral(F, around**2, D, g)
        if moved is not None:
            twins["DIST_SPEC_INIT"] = float(sum(_circular(layer, i) ** 2 for i, layer in enumerate(moved, 1)))
        values |= {f"{name}_FFT": v for name, v in twins.items()}
    return printed(values, m)


def _products(norm: str, squares: Float[np.ndarray, " d"], g: float | None) -> dict[str, float]:
    """The product of squared norms over the layers, and the sum form with it: ln d + (1/d) ln product."""
    d, log_product = len(squares), float(np.sum(np.log(squares)))
    values = {f"LOG_PROD_OF_{norm}": log_product, f"LOG_SUM_OF_{norm}": math.log(d) + log_product / d}
    if g is not None:
        over = log_product - 2 * math.log(g)
        values |= {
            f"LOG_PROD_OF_{norm}_OVER_MARGIN": over,
            f"LOG_SUM_OF_{norm}_OVER_MARGIN": math.log(d) + over / d,
        }
    return values


def _spectral(
    F: Float[np.ndarray, " d"], s: Float[np.ndarray, " d"], D: Float[np.ndarray, " d"] | None, g: float | None
) -> dict[str, float]:
    """The measures made of spectral norms, but for the distance's."""
    values = _products("SPEC", s, g) | {"FRO_OVER_SPEC": float(np.sum(F / s))}
    if g is not None:
        over = values["LOG_PROD_OF_SPEC_OVER_MARGIN"]
        values["LOG_SPEC_ORIG_MAIN"] = over + math.log(values["FRO_OVER_SPEC"])
        if D is not None:
            # A network that never moved has the logarithm of 0.
            moved = float(np.sum(D / s))
            values["LOG_SPEC_INIT_MAIN"] = over + math.log(moved) if moved > 0 else -math.inf
    return values


def _circular(layer: MeasuredLayer, number: int) -> float:
    if np.ndim(layer.weight) == 2:
        return float(np.linalg.norm(np.asarray(layer.weight, float), 2))
    if layer.grid is None:
        raise ValueError(
            f"the circular norm needs the grid of the input of layer {number}: MeasuredLayer(..., grid=(h, w))"
        )
    return circular_norm(layer.weight, layer.grid, layer.stride)
