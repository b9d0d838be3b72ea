"""The measures of Jiang et al. that compare the size of the parameters with the noise they bear.

With w the parameters as one vector of length P and w0 where they started; ref is w - w0 (INIT) or w (ORIG):

    PACBAYES_...      |ref|^2 / (4 sigma^2) + ln(m / sigma) + 10,
    PACBAYES_MAG_...  (1/4) sum_j ln(A / B_j) + ln(m / sigma') + 10,
                      A = e^2 + (sigma'^2 + 1) |ref|^2 / P,    B_j = e^2 + sigma'^2 (w_j - w0_j)^2,    e = 1e-3,
    ..._FLATNESS      1 / sigma^2 and 1 / sigma'^2.

B_j has w - w0 in MAG_ORIG too, as in the public code; the paper is to be checked before this is called its equation.
w is what was perturbed: give the same parameters here as to `noise_level`, with or without the biases.
"""

from __future__ import annotations

import math

import jax
import numpy as np
from jaxtyping import PyTree

from ._noise import E
from ._norms import Measure, printed


def pac_bayes_measures(
    params: PyTree,
    *,
    m: int,
    sigma: float | None = None,
    magnitude_sigma: float | None = None,
    initial: PyTree = None,
) -> dict[str, Measure]:
    """The measures of `EQUATIONS` from 48 on, as far as what they need is given.

    Args:
        params: a pytree of arrays, all that was perturbed.
        m: training items.
        sigma: from `noise_level`; without it 48, 49 and 53 are left out.
        magnitude_sigma: from `noise_level` with `magnitude`; without it 56, 57 and 61 are left out.
        initial: the parameters at the start, of the same structure; without it 48, 56 and 57 are left out.

    Raises:
        ValueError: a sigma that is not positive, or parameters at the start of another size.
    """
    for name, value in {"sigma": sigma, "magnitude_sigma": magnitude_sigma}.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
    w = _vector(params)
    moved = None
    if initial is not None:
        w0 = _vector(initial)
        if w0.shape != w.shape:
            raise ValueError(f"initial must have the {w.size} parameters of the network, got {w0.size}")
        moved = w - w0
    values: dict[str, float] = {}
    if sigma is not None:
        if moved is not None:
            values["PACBAYES_INIT"] = float(moved @ moved) / (4 * sigma**2) + math.log(m / sigma) + 10
        values["PACBAYES_ORIG"] = float(w @ w) / (4 * sigma**2) + math.log(m / sigma) + 10
        values["PACBAYES_FLATNESS"] = 1 / sigma**2
    if magnitude_sigma is not None:
        if moved is not None:
            values["PACBAYES_MAG_INIT"] = _by_magnitude(moved, moved, magnitude_sigma, m)
            values["PACBAYES_MAG_ORIG"] = _by_magnitude(w, moved, magnitude_sigma, m)
        values["PACBAYES_MAG_FLATNESS"] = 1 / magnitude_sigma**2
    return printed(values, m)


def _by_magnitude(ref: np.ndarray, moved: np.ndarray, sigma: float, m: int) -> float:
    A = E**2 + (sigma**2 + 1) * float(ref @ ref) / ref.size
    B = E**2 + sigma**2 * moved**2
    return 0.25 * float(np.sum(np.log(A / B))) + math.log(m / sigma) + 10


def _vector(params: PyTree) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(leaf, float)) for leaf in jax.tree.leaves(params)])
