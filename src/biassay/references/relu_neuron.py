"""A single ReLU neuron under the square loss, exactly: where its gradient flow ends, and its smallest solution.

f(x) = relu(w . x). X of shape (n, d) has the points as *rows*, z = X w; y has shape (n,); w has shape (d,). The
zero-loss set is the convex polyhedron { w : w . x_i = y_i where y_i > 0, w . x_i <= 0 where y_i = 0 }. Everything is
NumPy and SciPy in float64 and shares no code with the training that it is compared with.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls, root_scalar

WITNESS_G = (1e-4, 1e4)
"""The g of `witness_limit`; beyond them too many digits cancel in double precision."""

_GRID = 4000
_DECAYED = 60.0
_INFEASIBLE = 1e-12


class WitnessLimit(NamedTuple):
    """w (3,): the limit of the gradient flow; death: the time t* at which x_3 becomes inactive, inf if never."""

    w: Float[np.ndarray, " 3"]
    death: float


def witness(g: float, alpha: float = 1.0) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """Three points (rows of X) and their labels y: x_3 = (0, g, g) has the label 0, the others depend on alpha alone.

    The zero-loss set is { alpha (5, -1, s) : s <= 1 } whatever g > 0 is. After Vardi and Shamir 2021.

    Raises:
        ValueError: g or alpha is not positive.
    """
    if g <= 0 or alpha <= 0:
        raise ValueError(f"g and alpha must be positive, got g={g}, alpha={alpha}")
    return np.array([[3.0, -1.0, 0.0], [4.0, 2.0, 0.0], [0.0, g, g]]), alpha * np.array([16.0, 18.0, 0.0])


def witness_limit(g: float, alpha: float = 1.0, start: Float[np.ndarray, " 3"] | None = None) -> WitnessLimit:
    """The limit of the gradient flow on `witness(g, alpha)`, by one 3 x 3 eigendecomposition and one root search.

    While all three points are active the flow is linear, with fixed point alpha (5, -1, 1):

        w(t) = w_fix + exp(-X^T X t) (w_0 - w_fix).

    x_3 becomes inactive at the first t* > 0 with w_2 + w_3 = 0. From there on w_3 does not move and (w_1, w_2) goes to
    alpha (5, -1) by the 2 x 2 flow of the first two points. That x_3 stays inactive and the others active is checked.

    start: w_0, by default the limit of small starts, 0; any other must activate all three points.

    Raises:
        ValueError: g outside `WITNESS_G`, alpha not positive, or a start that leaves a point inactive.
        RuntimeError: a point changes its activity at another time than t*, so that the formula does not apply.
    """
    if not WITNESS_G[0] <= g <= WITNESS_G[1]:
        raise ValueError(f"g must be positive and lie in {WITNESS_G[0]:g}..{WITNESS_G[1]:g}, got g={g}")
    X, y = witness(g, alpha)
    w0 = np.zeros(3) if start is None else np.asarray(start, float)
    if w0.any() and not (X @ w0 > 0).all():
        raise ValueError(f"the start must activate all three points, got X w_0 = {X @ w0}")
    rates, modes = np.linalg.eigh(X.T @ X)
    fixed = np.linalg.solve(X, y)
    amplitudes = modes.T @ (w0 - fixed)

    def before(t: np.ndarray | float) -> np.ndarray:
        # As a change since the start: for small g it is far smaller than w_fix.
        return w0 + (np.expm1(-np.multiply.outer(t, rates)) * amplitudes) @ modes.T

    def activity(t: np.ndarray | float) -> np.ndarray | np.floating:
        """w_2 + w_3 along the linear flow: a sum of three exponentials, with at most two roots."""
        return (np.exp(-np.multiply.outer(t, rates)) * amplitudes) @ (modes[1] + modes[2])

    times = np.geomspace(1e-6 / rates[-1], _DECAYED / rates[0], _GRID)
    dead = np.flatnonzero(activity(times) < 0)
    if not dead.size:
        return WitnessLimit(fixed, math.inf)
    if dead[0] == 0:
        raise RuntimeError("x_3 is inactive from the beginning")
    alive, gone = times[dead[0] - 1 : dead[0] + 1]
    death = float(root_scalar(lambda t: float(activity(t)), bracket=(alive, gone), xtol=1e-16).root)
    _check(X[:2] @ before(times[times < death]).T > 0, "x_1 or x_2 becomes inactive before x_3")

    at_death = before(death)
    rates, modes = np.linalg.eigh(X[:2, :2].T @ X[:2, :2])
    times = np.geomspace(1e-6 / rates[-1], _DECAYED / rates[0], _GRID)
    after = fixed[:2] + (np.exp(-np.outer(times, rates)) * (modes.T @ (at_death[:2] - fixed[:2]))) @ modes.T
    _check(X[:2, :2] @ after.T > 0, "x_1 or x_2 becomes inactive after x_3")
    _check(after[:, 1] + at_death[2] < 0, "x_3 becomes active again")
    return WitnessLimit(np.array([fixed[0], fixed[1], at_death[2]]), death)


def _check(holds: np.ndarray, otherwise: str) -> None:
    if not holds.all():
        raise RuntimeError(f"the flow is not of the form that has a closed solution: {otherwise}")


def nearest_zero_loss(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], point: Float[np.ndarray, " d"] | None = None
) -> Float[np.ndarray, " d"]:
    """The zero-loss solution of a ReLU neuron that is nearest to `point`; by default nearest to 0, of minimum norm.

    With w = point + v this is a least-distance problem, min |v| subject to G v >= h with G = [X_+; -X_+; -X_0] and
    h = [y_+; -y_+; 0] - G point, and one non-negative least-squares problem solves it (Lawson and Hanson 1974,
    chapter 23): E = [G^T; h^T], f = e_{d+1}, u = argmin over u >= 0 of |E u - f|, r = E u - f, v = -r[:d] / r[d].

    Raises:
        ValueError: a label is negative, or no w has zero loss.
    """
    if (y < 0).any():
        raise ValueError(f"the labels of a ReLU neuron must not be negative, got {y.min()}")
    d, fitted = X.shape[1], y > 0
    at = np.zeros(d) if point is None else np.asarray(point, float)
    G = np.vstack([X[fitted], -X[fitted], -X[~fitted]])
    h = np.concatenate([y[fitted], -y[fitted], np.zeros(int((~fitted).sum()))]) - G @ at
    # Rows of length 1 turn h into distances. In units of the largest the residual's last entry, 1 / (1 + |v|^2), stays
    # away from round-off, whatever the units of X and y.
    lengths = np.linalg.norm(G, axis=1)
    lengths[lengths == 0] = 1.0
    G, h = G / lengths[:, None], h / lengths
    unit = np.abs(h).max()
    if unit == 0:
        return at
    E = np.vstack([G.T, h / unit])
    f = np.append(np.zeros(d), 1.0)
    u, _ = nnls(E, f)
    r = E @ u - f
    if abs(r[d]) < _INFEASIBLE:
        raise ValueError("no w has zero loss on these points")
    return at - unit * r[:d] / r[d]


def min_norm_zero_loss(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """argmin |w| over the zero-loss solutions of a ReLU neuron: the pseudo-inverse X^+ y where every y_i > 0.

    Raises:
        ValueError: a label is negative, or no w has zero loss.
    """
    return nearest_zero_loss(X, y)
