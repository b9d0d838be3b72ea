"""The global minimum of a nonlinear least-squares problem that is nearest to a point.

For a residual r(theta) in R^n of p > n parameters with a Jacobian J of full rank, the solutions r = 0 form a manifold
of dimension p - n, and J^+ J = J^T (J J^T)^{-1} J projects onto its normal space. From a solution u the nearest one to
the anchor a is found by sliding along the manifold towards a, and returning to it by Newton's method:

    u <- u - damping (I - J^+ J)(u - a),     then     u <- u - J^T (J J^T)^{-1} r(u)     until r(u) = 0.

A slide after which Newton's method does not return, or that does not come nearer, is taken back and halved; after one
that does, the damping doubles again, up to where it began. Without that safeguard (Gauss-Newton for min |u - a| subject
to r = 0) the iteration diverges where J turns fast.

At the nearest solution u - a is normal: the tangential part (I - J^+ J)(u - a) is zero. That is a condition of first
order, so that the answer is a local minimum of the distance and an upper bound on the least one: start from several
points and take the smallest. NumPy in float64, sharing no code with the training that it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

ON_THE_MANIFOLD = 1e-12
"""A point with |r| below this counts as a solution."""
_NEWTON_STEPS = 8
_FIRST_NEWTON_STEPS = 50
_LEAST_DAMPING = 1e-6
_FAR = 1e9


class NearestMinimum(NamedTuple):
    """theta: (p,) the solution; distance: |theta - anchor|; residual: |r(theta)|; tangential: the norm of the part of
    theta - anchor along the manifold, zero at a nearest solution; slides: how many were tried.
    """

    theta: Float[np.ndarray, " p"]
    distance: float
    residual: float
    tangential: float
    slides: int


def nearest_minimum(
    residual: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    start: Float[np.ndarray, " p"],
    anchor: Float[np.ndarray, " p"],
    *,
    damping: float = 1.0,
    slides: int = 400,
    tolerance: float = 1e-6,
) -> NearestMinimum:
    """The zero of `residual` nearest to `anchor` among those that sliding from `start` leads to.

    Args:
        residual: theta (p,) -> r (n,), n < p.
        jacobian: theta (p,) -> dr/dtheta (n, p).
        start: a point on or near the solution manifold; Newton's method takes it there.
        anchor: where the distance is measured from.
        damping: the share of the tangential part that a slide removes at most, in (0, 1].
        slides: at most so many are tried.
        tolerance: stop when the tangential part is below this.

    Returns:
        The last solution, whether or not it met the tolerance: read `tangential`. Where Newton's method does not get
        from `start` to a solution, `distance`, `residual` and `tangential` are infinite.

    Raises:
        ValueError: damping outside (0, 1], or slides below 1.
    """
    if not 0 < damping <= 1:
        raise ValueError(f"damping must lie in (0, 1], got {damping}")
    if slides < 1:
        raise ValueError(f"slides must be at least 1, got {slides}")

    def returned(theta: np.ndarray, steps: int) -> np.ndarray | None:
        """The solution that Newton's method finds, or None."""
        for left in reversed(range(steps + 1)):
            # A step from where J has nearly lost its rank may be beyond all numbers.
            if not (np.abs(theta) < _FAR).all():
                return None
            r = residual(theta)
            if not np.isfinite(r).all():
                return None
            if np.linalg.norm(r) <= ON_THE_MANIFOLD:
                return theta
            if left:
                theta = theta - _normal_step(jacobian(theta), r)
        return None

    theta = returned(np.asarray(start, float), _FIRST_NEWTON_STEPS)
    if theta is None:
        return NearestMinimum(np.asarray(start, float), np.inf, np.inf, np.inf, 0)
    share, tried = damping, 0
    away, along = _split(theta, anchor, jacobian)
    while tried < slides and np.linalg.norm(along) >= tolerance and share > _LEAST_DAMPING:
        tried += 1
        there = returned(theta - share * along, _NEWTON_STEPS)
        gained = -np.inf if there is None else away @ away - np.sum((there - anchor) ** 2)
        if there is None or gained < 0.5 * share * (along @ along):
            share /= 2
            continue
        theta, share = there, min(damping, 2 * share)
        away, along = _split(theta, anchor, jacobian)
    distance, left, tangential = (float(np.linalg.norm(v)) for v in (away, residual(theta), along))
    return NearestMinimum(theta, distance, left, tangential, tried)


def _split(
    theta: Float[np.ndarray, " p"], anchor: Float[np.ndarray, " p"], jacobian: Callable[[np.ndarray], np.ndarray]
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """theta - anchor, and its part along the manifold."""
    J, away = jacobian(theta), theta - anchor
    return away, away - _normal_step(J, J @ away)


def _normal_step(J: Float[np.ndarray, "n p"], r: Float[np.ndarray, " n"]) -> Float[np.ndarray, " p"]:
    """J^+ r = J^T (J J^T)^{-1} r, the least change of the parameters that changes the outputs by r to first order.

    Not finite where J has lost its rank.
    """
    try:
        return J.T @ np.linalg.solve(J @ J.T, r)
    except np.linalg.LinAlgError:
        return np.full(J.shape[1], np.nan)
