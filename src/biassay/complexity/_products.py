"""The second family: products of norms over the layers, as in the code of Neyshabur et al.

The margin enters by g, not g^2. L_{p,q} is the l_q norm over a layer's units of the l_p norm of their incoming weights;
Schatten p the l_p norm of its singular values; n_i its number of units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from ._layers import MeasuredLayer, differences, matrices


def group_norm(W: Float[np.ndarray, "out rest"], p: float, q: float) -> float:
    """L_{p,q}."""
    return float(np.linalg.norm(np.linalg.norm(W, p, axis=1), q))


def schatten_norm(W: Float[np.ndarray, "out rest"], p: float) -> float:
    """The l_p norm of the singular values."""
    return float(np.linalg.norm(np.linalg.svd(W, compute_uv=False), p))


def product_measures(
    layers: Sequence[MeasuredLayer],
    *,
    m: int,
    g: float,
    inputs: int,
    initial: Sequence[MeasuredLayer] | None = None,
    paths: Mapping[float, float] | None = None,
) -> dict[str, float]:
    """Products of norms over g, and the bounds made of them. Additive logarithms are left out, as in that code.

    Args:
        layers: the network's, batch normalisation folded in.
        m: training items.
        g: the margin from `margin_percentile`.
        inputs: dimension of an input.
        initial: the layers at the start; without it the two spectral bounds are left out.
        paths: p -> `path_sum` with that p; without it the path norms are left out.

    Raises:
        ValueError: g not positive, m below 2, inputs below 1, or layers that do not fit.
    """
    if not g > 0:
        raise ValueError(f"g must be positive, got {g}: the network does not fit its training items")
    if m < 2 or inputs < 1:
        raise ValueError(f"m must be at least 2 and inputs at least 1, got {m} and {inputs}")
    W = matrices(layers)
    d = len(W)

    def product(norms: Sequence[float]) -> float:
        return math.prod(norms) / g

    found = {
        "L1_INF": product([group_norm(w, 1, math.inf) for w in W]),
        "FRO": product([float(np.linalg.norm(w)) for w in W]),
        "L3_1.5": product([group_norm(w, 3, 1.5) for w in W]),
        "SCHATTEN_INF": product([schatten_norm(w, math.inf) for w in W]),
        "SCHATTEN_1.5": product([schatten_norm(w, 1.5) for w in W]),
        "SCHATTEN_1": product([schatten_norm(w, 1) for w in W]),
    }
    found |= {f"PATH_{p:g}": total ** (1 / p) / g for p, total in (paths or {}).items()}
    alpha = math.sqrt(d + math.log(inputs))
    found |= {
        "L1_INF_BOUND": alpha * found["L1_INF"] / math.sqrt(m),
        "FRO_BOUND": alpha * found["FRO"] / math.sqrt(m),
        "L3_1.5_BOUND": alpha * found["L3_1.5"] / m ** (1 / 3),
    }
    if initial is not None:
        found |= _spectral_bounds(layers, W, matrices(differences(layers, initial)), found["SCHATTEN_INF"], m)
    return found


def _spectral_bounds(
    layers: Sequence[MeasuredLayer], W: list[np.ndarray], moved: list[np.ndarray], spectral: float, m: int
) -> dict[str, float]:
    """The spectral bounds with the (2, 1) norm and with the Frobenius norm of the distances. P counts biases too."""
    norms = [float(np.linalg.norm(w, 2)) for w in W]
    # h_i = n_i^(1 - 1/q) |W - W0|_{2,q} with q = 1.
    shares = [(group_norm(away, 2, 1) / s) ** (2 / 3) for away, s in zip(moved, norms, strict=True)]
    D = [len(away) * np.sum(away**2) / s**2 for away, s in zip(moved, norms, strict=True)]
    P = sum(w.size for w in W) + sum(np.size(layer.bias) for layer in layers if layer.bias is not None)
    return {
        "SPEC_L21_BOUND": math.log(m) * math.log(P) * spectral * sum(shares) ** 1.5 / math.sqrt(m),
        "SPEC_FRO_BOUND": len(W) * spectral * math.sqrt(float(sum(D)) / m),
    }
