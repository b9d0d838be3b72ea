"""Two iterative least-squares solvers of SciPy, with their iterates: they are no training loop, yet keep to the span.

X has shape (d, n), its columns are the points; both minimise |X^T w - y|^2 / 2 from zero.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg


def conjugate_gradients(
    X: Float[Array, "d n"], y: Float[Array, " n"], steps: int, tolerance: float = 1e-14
) -> Float[Array, "k d"]:
    """Iterates 0, ..., k <= steps of conjugate gradients on X X^T w = X y (Hestenes and Stiefel 1952).

    It stops when the gradient has shrunk by `tolerance`. X X^T is singular for d > n, but the system has a solution.
    """
    d = X.shape[0]
    iterates = [np.zeros(d)]
    hessian = LinearOperator((d, d), matvec=lambda v: X @ (X.T @ v), dtype=np.float64)
    cg(hessian, X @ y, rtol=tolerance, maxiter=steps, callback=lambda w: iterates.append(w.copy()))
    return np.stack(iterates)


def lbfgs(X: Float[Array, "d n"], y: Float[Array, " n"], steps: int) -> Float[Array, "k d"]:
    """Iterates 0, ..., k <= steps of L-BFGS, whose first Hessian is a multiple of the identity (Liu and Nocedal 1989)."""
    iterates = [np.zeros(X.shape[0])]

    def risk(w: Array) -> tuple[float, Array]:
        residual = X.T @ w - y
        return residual @ residual / 2, X @ residual

    options = {"maxiter": steps, "maxfun": 10 * steps, "ftol": 1e-30, "gtol": 1e-14}
    minimize(
        risk, iterates[0], jac=True, method="L-BFGS-B", options=options, callback=lambda w: iterates.append(w.copy())
    )
    return np.stack(iterates)
