"""Gradient descent on the linearised network, in closed form: the control for "the shortest path".

With J_0 the Jacobian and r_0 the residual at the start the linear model is f(theta_0) + J_0 (theta - theta_0). Let
lambda_i be the eigenvalues of J_0 J_0^T and c_i the coordinates of r_0 in its eigenvectors. Step k of gradient descent
with step size eta then has the length eta sqrt(sum_i lambda_i (1 - eta lambda_i)^{2k} c_i^2), and after T steps

    |theta_T - theta_0|^2 = sum_i (1 - (1 - eta lambda_i)^T)^2 c_i^2 / lambda_i,
    |r_T|^2 = sum_i (1 - eta lambda_i)^{2T} c_i^2.

It ends at the nearest solution, yet its path bends: the directions of large lambda_i are walked first. Only if all
lambda_i with c_i != 0 are equal is it straight.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class LinearDescent(NamedTuple):
    """path, distance, along, residual: length of the path, distance from the start, displacement in the direction of
    the nearest solution, and |r|, after each of T given steps."""

    path: Float[np.ndarray, " T"]
    distance: Float[np.ndarray, " T"]
    along: Float[np.ndarray, " T"]
    residual: Float[np.ndarray, " T"]


def linear_descent(
    K: Float[np.ndarray, "n n"], r: Float[np.ndarray, " n"], eta: float, steps: Int[np.ndarray, " T"]
) -> LinearDescent:
    """Gradient descent on a linear least-squares problem with J J^T = K of full rank, from the residual r."""
    eigenvalues, basis = np.linalg.eigh(K)
    c = basis.T @ r
    kept = (1 - eta * eigenvalues) ** np.arange(int(np.max(steps)))[:, None]
    lengths = eta * np.sqrt((eigenvalues * (kept * c) ** 2).sum(axis=1))
    left = (1 - eta * eigenvalues) ** np.asarray(steps)[:, None]
    nearest = c / np.sqrt(eigenvalues)
    moved = (1 - left) * nearest
    return LinearDescent(
        path=np.append(0.0, np.cumsum(lengths))[np.asarray(steps)],
        distance=np.linalg.norm(moved, axis=1),
        along=moved @ nearest / np.linalg.norm(nearest),
        residual=np.sqrt(((left * c) ** 2).sum(axis=1)),
    )
