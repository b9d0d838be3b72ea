"""Two iterative least-squares solvers of SciPy, with their iterates: they are no training loop, yet keep to the span.

X has shape (d, n), its columns are the points; both minimise |X^T w - y|^2 / 2 from zero.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.sparse.linalg import cg


def conjugate_gradients(
    X: Float[np.ndarray, "d n"], y: Float[np.ndarray, " n"], steps: int, tolerance: float = 1e-14
) -> Float[np.ndarray, "k d"]:
    """Iterates 0, ..., k <= steps of conjugate gradients on X X^T w = X y (Hestenes and Stiefel 1952).

    It stops when the gradient has shrunk by `tolerance`. X X^T is singular for d > n, but the system has a solution.
    """
    iterates = [np.zeros(X.shape[0])]
    cg(X @ X.T, X @ y, rtol=tolerance, maxiter=steps, callback=lambda w: iterates.append(w.copy()))
    return np.stack(iterates)


def lbfgs(X: Float[np.ndarray, "d n"], y: Float[np.ndarray, " n"], steps: int) -> Float[np.ndarray, "k d"]:
    """Iterates 0, ..., k <= steps of L-BFGS (Liu and Nocedal 1989); its first Hessian is a multiple of the identity."""
    iterates = [np.zeros(X.shape[0])]

    def risk(w: np.ndarray) -> tuple[float, np.ndarray]:
        residual = X.T @ w - y
        return float(residual @ residual / 2), X @ residual

    options = {"maxiter": steps, "maxfun": 10 * steps, "ftol": 1e-30, "gtol": 1e-14}

    def keep(w: np.ndarray) -> None:
        iterates.append(w.copy())

    minimize(risk, iterates[0], jac=True, method="L-BFGS-B", options=options, callback=keep)
    return np.stack(iterates)
