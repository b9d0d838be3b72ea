"""Matrix sensing along the drift equation: where label noise of vanishing step size would move U.

    dU / dtau = -P_N grad reg,     reg(U) = tr(U^T K U),  K = (4 / n) sum_i S_i^2,     tau = eta^2 s^2 t / B,

with P_N the projector onto the directions that keep every h_i = <A_i, U U^T>. It is `references.drift_flow` for this
model: grad reg = 2 K U is known in closed form, and P_N by the n x n Gram matrix of the gradients 2 S_i U.
"""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from ...models.matrix_sensing import symmetric, target_of
from ...problem import Problem

_SUBSTEPS = 300


# The matrices are small: threads that wait for one another cost forty times the work.
@threadpool_limits.wrap(limits=1)
def drift_curve(
    problem: Problem, start: Float[np.ndarray, "d d"], times: Float[np.ndarray, " k"]
) -> Float[np.ndarray, " k"]:
    """|U U^T - X|_F^2 / |X|_F^2 at the given times, from a zero-error point at time 0.

    Heun's method with steps even in tau, each followed by one Gauss-Newton step back to zero error; between them the
    logarithm of the error is taken to be linear.
    """
    doubled = np.asarray(jax.vmap(symmetric)(problem.x))
    target = np.asarray(target_of(problem))
    y = np.asarray(problem.y)
    K = np.einsum("nij,nik->jk", doubled, doubled) / len(y)

    def jacobian(U: np.ndarray) -> np.ndarray:
        return (doubled @ U).reshape(len(y), -1)

    def velocity(U: np.ndarray) -> np.ndarray:
        J, push = jacobian(U), -2 * (K @ U).ravel()
        return (push - J.T @ np.linalg.solve(J @ J.T, J @ push)).reshape(U.shape)

    def back(U: np.ndarray) -> np.ndarray:
        J = jacobian(U)
        # <A, U U^T> = <A + A^T, U U^T> / 2
        residual = J @ U.ravel() / 2 - y
        return U - (J.T @ np.linalg.solve(J @ J.T, residual)).reshape(U.shape)

    grid = np.linspace(0, times[-1], _SUBSTEPS + 1)
    U, errors = start, []
    for k in range(len(grid)):
        errors.append(np.sum((U @ U.T - target) ** 2) / np.sum(target**2))
        if k < _SUBSTEPS:
            first = velocity(U)
            moved = U + grid[1] * first
            U = back(U + grid[1] / 2 * (first + velocity(moved)))
    return np.exp(np.interp(times, grid, np.log(errors)))
