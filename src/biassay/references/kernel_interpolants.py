"""The minimum-norm interpolant of a kernel: what fits any labels exactly, without training.

For distinct inputs the Gaussian kernel's matrix K_ij = k(x_i, x_j) is positive definite. Among all functions of the
kernel's Hilbert space with f(x_i) = y_i the one of smallest norm is f(x) = sum_i c_i k(x, x_i) with K c = y. NumPy and
SciPy in float64, sharing no code with the training that it is compared with.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist


class KernelInterpolant(NamedTuple):
    """x: (n, d) the inputs; coefficients: c, (n, k), one column a target; bandwidth: bw of exp(-bw |x - x'|^2)."""

    x: Float[np.ndarray, "n d"]
    coefficients: Float[np.ndarray, "n k"]
    bandwidth: float

    def __call__(self, x: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m k"]:
        """f at new inputs."""
        return gaussian_kernel(x, self.x, self.bandwidth) @ self.coefficients


def gaussian_kernel(
    a: Float[np.ndarray, "m d"], b: Float[np.ndarray, "n d"], bandwidth: float
) -> Float[np.ndarray, "m n"]:
    """exp(-bandwidth |a_i - b_j|^2). A permutation of the coordinates of a and b together changes nothing."""
    return np.exp(-bandwidth * cdist(a, b, "sqeuclidean"))


def interpolate(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n k"], bandwidth: float) -> KernelInterpolant:
    """The interpolant of smallest norm with f(x_i) = y_i, by a Cholesky factorisation and one step of refinement.

    Raises:
        ValueError: the kernel matrix is singular to working precision: two inputs are equal, or too near for this
            bandwidth.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    K = gaussian_kernel(x, x, bandwidth)
    try:
        factor = cho_factor(K)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"the kernel matrix is singular at bandwidth {bandwidth}: inputs repeat, or lie too near"
        ) from None
    c = cho_solve(factor, y)
    return KernelInterpolant(x, c + cho_solve(factor, y - K @ c), bandwidth)


def one_vs_all(labels: Int[np.ndarray, " n"], classes: int) -> Float[np.ndarray, "n classes"]:
    """Targets for labels 0..classes-1: 1 in the label's column, 0 elsewhere; argmax of f is the predicted class."""
    return np.eye(classes)[labels]
