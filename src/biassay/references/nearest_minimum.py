"""The global minimum of a nonlinear least-squares problem that is nearest to a point.

For a residual r(theta) in R^n of p > n parameters with a Jacobian J of full rank, the solutions r = 0 form a manifold
of dimension p - n, and J^+ J = J^T (J J^T)^{-1} J projects onto its normal space. From a solution u the nearest one to
the anchor a is found by sliding along the manifold towards a, and returning to it:

    u <- u - damping (I - J^+ J)(u - a),     then `retractions` times     u <- u - J^T (J J^T)^{-1} r(u).

At the nearest solution u - a is normal: the tangential part (I - J^+ J)(u - a) is zero. That is a condition of first
order, so that the answer is a local minimum of the distance and an upper bound on the least one: start from several
points and take the smallest. The undamped method (Gauss-Newton for min |u - a| subject to r = 0) diverges where J turns
fast. NumPy in float64, sharing no code with the training that it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_MANIFOLD = 1e-13
_FIRST_RETRACTIONS = 50


class NearestMinimum(NamedTuple):
    """theta: (p,) the solution; distance: |theta - anchor|; residual: |r(theta)|; tangential: the norm of the part of
    theta - anchor along the manifold, zero at a nearest solution; iterations: how many were taken.
    """

    theta: Float[np.ndarray, " p"]
    distance: float
    residual: float
    tangential: float
    iterations: int


def nearest_minimum(
    residual: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    start: Float[np.ndarray, " p"],
    anchor: Float[np.ndarray, " p"],
    *,
    damping: float = 0.3,
    retractions: int = 2,
    iterations: int = 400,
    tolerance: float = 1e-6,
) -> NearestMinimum:
    """The zero of `residual` nearest to `anchor` among those that sliding from `start` leads to.

    Args:
        residual: theta (p,) -> r (n,), n < p.
        jacobian: theta (p,) -> dr/dtheta (n, p).
        start: a point on or near the solution manifold; Newton's method takes it there.
        anchor: where the distance is measured from.
        damping: the share of the tangential part that one slide removes, in (0, 1].
        retractions: Newton steps back to the manifold after each slide.
        iterations: at most so many slides.
        tolerance: stop when the tangential part is below this.

    Returns:
        The last point, whether or not it met the tolerance: read `residual` and `tangential`. Where J loses its rank or
        the iteration diverges both are infinite.

    Raises:
        ValueError: damping outside (0, 1], or a count below 1.
    """
    if not 0 < damping <= 1:
        raise ValueError(f"damping must lie in (0, 1], got {damping}")
    for name, count in {"retractions": retractions, "iterations": iterations}.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    theta, taken, tangent = np.asarray(start, float), 0, np.full_like(start, np.inf, float)
    try:
        for _ in range(_FIRST_RETRACTIONS):
            r = residual(theta)
            if np.linalg.norm(r) <= _MANIFOLD:
                break
            theta = theta - _normal_step(jacobian(theta), r)
        for taken in range(iterations + 1):
            J = jacobian(theta)
            away = theta - anchor
            tangent = away - _normal_step(J, J @ away)
            if taken == iterations or np.linalg.norm(tangent) < tolerance:
                break
            theta = theta - damping * tangent
            for _ in range(retractions):
                theta = theta - _normal_step(jacobian(theta), residual(theta))
    except np.linalg.LinAlgError:
        return NearestMinimum(theta, np.inf, np.inf, np.inf, taken)
    numbers = (np.linalg.norm(theta - anchor), np.linalg.norm(residual(theta)), np.linalg.norm(tangent))
    distance, left, along = (float(value) if np.isfinite(value) else np.inf for value in numbers)
    return NearestMinimum(theta, distance, left, along, taken)


def _normal_step(J: Float[np.ndarray, "n p"], r: Float[np.ndarray, " n"]) -> Float[np.ndarray, " p"]:
    """J^T (J J^T)^{-1} r = J^+ r, the least change of the parameters that changes the outputs by r to first order."""
    gram = J @ J.T
    if not np.isfinite(gram).all():
        raise np.linalg.LinAlgError("the iteration diverged")
    return J.T @ np.linalg.solve(gram, r)
