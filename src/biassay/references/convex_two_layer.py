"""The optimum over all two-layer ReLU networks with weight decay, of any width, as a convex program.

For f(x) = sum_j v_j relu(w_j . x) with one output, n points x_i and targets y_i,

    min over H, w, v of  (1/2n) sum_i (f(x_i) - y_i)^2 + (decay/2) sum_j (|w_j|^2 + v_j^2)

equals the minimum over signed measures a on the unit sphere of

    (1/2n) sum_i (int relu(u . x_i) da(u) - y_i)^2 + decay |a|,

since |w|^2 + v^2 >= 2 |w| |v|, with equality after rescaling to (c w, v / c). In the plane the sphere is a circle,
which the points cut into arcs where every relu(u . x_i) is linear in u. Two facts follow:

- atoms of one sign in one arc can be merged into one that computes the same and is not larger;
- the dual constraint |g(u)| <= decay, with g(u) = (1/n) sum_i r_i relu(u . x_i) and r the residual y - f, reads
  |p . u| <= decay in an arc, for one p: |p . u| is largest at p / |p| or -p / |p| if that lies in the arc, else at an
  end of it.

So directions that violate the constraint most, found exactly and not on a grid, are added until none does: the dual
bound holds for the whole circle. As a finite program this is due to Pilanci and Ergen, ICML 2020, arXiv 2002.10553.
NumPy and SciPy in float64; nothing here trains a network.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

_ROUNDS = 500
_GAP = 1e-10
"""The gap to close, as a share of the targets' mean square; rounding leaves some 1e-12 of it."""
_TURN = 2 * np.pi


class ConvexNetwork(NamedTuple):
    """The optimal network: one neuron an atom.

    u: unit directions, (atom, 2); a: their amplitudes, (atom,), so that f(x) = sum_k a_k relu(u_k . x).
    objective: its value; bound: a lower bound on the objective of every network, from duality.
    certificate: g at each angle of `angles`, which nowhere leaves [-decay, decay]; both (720,).
    """

    u: Float[np.ndarray, "atom 2"]
    a: Float[np.ndarray, " atom"]
    objective: float
    bound: float
    angles: Float[np.ndarray, " angle"]
    certificate: Float[np.ndarray, " angle"]


def convex_two_layer(X: Float[np.ndarray, "n 2"], y: Float[np.ndarray, " n"], decay: float) -> ConvexNetwork:
    """The optimum over two-layer networks of any width on points in the plane, without biases.

    Raises:
        ValueError: the points do not lie in the plane, there is none, a number is not finite, or decay is not positive.
        ArithmeticError: the duality gap did not close.
    """
    if X.ndim != 2 or X.shape[1] != 2 or y.shape != X.shape[:1]:
        raise ValueError(f"X must have shape (n, 2) and y shape (n,), got {X.shape} and {y.shape}")
    if not len(y):
        raise ValueError("X and y must hold at least one point, got none")
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise ValueError("X and y must be finite, got nan or inf")
    if not 0 < decay < np.inf:
        raise ValueError(f"decay must be positive and finite, got {decay}")
    # The problem for X / spread and y / scale is the same one, with decay / (spread scale) and a spread / scale.
    spread, scale = (float(size) or 1.0 for size in (np.linalg.norm(X, axis=1).max(), np.sqrt(np.mean(y**2))))
    z, signs, objective, bound, r = _solved(X / spread, y / scale, decay / (spread * scale))
    a = np.linalg.norm(z, axis=1)
    angles = np.linspace(0, _TURN, 720, endpoint=False)
    certificate = np.maximum(_directions(angles) @ X.T, 0) @ r * scale / len(y)
    return ConvexNetwork(
        u=z / a[:, None],
        a=signs * a * scale / spread,
        objective=float(objective) * scale**2,
        bound=float(bound) * scale**2,
        angles=angles,
        certificate=certificate,
    )


def _solved(
    X: Float[np.ndarray, "n 2"], y: Float[np.ndarray, " n"], decay: float
) -> tuple[np.ndarray, np.ndarray, float, float, np.ndarray]:
    """Atoms times their amplitudes, their signs, the objective, its bound and the residual, where y has size 1."""
    n = len(y)
    starts = np.sort(np.concatenate([np.arctan2(X[:, 1], X[:, 0]) + turn for turn in (-np.pi / 2, np.pi / 2)]) % _TURN)
    z, signs, r = np.zeros((0, 2)), np.zeros(0), y
    gap = np.inf
    for _ in range(_ROUNDS):
        at, sign, g = _largest(X, r, starts)
        a = np.linalg.norm(z, axis=1)
        objective = r @ r / (2 * n) + decay * a.sum()
        # r / n, shrunk into the dual constraint, bounds the objective of every measure from below.
        q = r / n * (decay / max(g.max(), decay))
        bound = q @ y - n * (q @ q) / 2
        gap = objective - bound
        if gap < _GAP:
            return z, signs, objective, bound, r
        new = g > decay
        u = np.concatenate([z / a[:, None], _directions(at[new])])
        signs = np.concatenate([signs, sign[new]])
        a = _lasso(np.maximum(X @ u.T, 0) * signs, y, n * decay)
        z, signs = _merged(u * a[:, None], signs, starts)
        r = y - np.maximum(X @ z.T, 0) @ signs
    raise ArithmeticError(f"the duality gap did not close: {gap:.1e} of the targets' mean square, {_ROUNDS} rounds")


def _directions(angles: Float[np.ndarray, " k"]) -> Float[np.ndarray, "k 2"]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _largest(
    X: Float[np.ndarray, "n 2"], r: Float[np.ndarray, " n"], starts: Float[np.ndarray, " arc"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where g and -g are largest in every arc: angles, signs and values, each (2 arcs,)."""
    length = np.diff(np.append(starts, starts[0] + _TURN))
    active = _directions(starts + length / 2) @ X.T > 0
    p = active * r @ X / len(r)
    found = []
    for sign in (1.0, -1.0):
        # The angle from the start of the arc to the peak of sign p . u, moved to the nearer end when outside.
        ahead = (np.arctan2(sign * p[:, 1], sign * p[:, 0]) - starts) % _TURN
        beyond = ahead > length
        ahead = np.where(beyond, np.where(ahead - length < _TURN - ahead, length, 0.0), ahead)
        angle = starts + ahead
        found.append((angle, np.full(len(starts), sign), sign * np.sum(p * _directions(angle), axis=1)))
    angles, signs, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return angles, signs, values


def _lasso(features: Float[np.ndarray, "n k"], y: Float[np.ndarray, " n"], weight: float) -> Float[np.ndarray, " k"]:
    """argmin over a >= 0 of |features a - y|^2 / 2 + weight sum_k a_k, by an active set.

    The residual is the point nearest to y with features^T r <= weight: a least-distance problem, which is one of
    non-negative least squares (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23).
    """
    target = np.append(np.zeros(len(y)), 1.0)
    stacked = np.vstack([features, features.T @ y - weight])
    multipliers, _ = nnls(stacked, target)
    return multipliers / (target - stacked @ multipliers)[-1]


def _merged(
    z: Float[np.ndarray, "k 2"], signs: Float[np.ndarray, " k"], starts: Float[np.ndarray, " arc"]
) -> tuple[np.ndarray, np.ndarray]:
    """One atom for all those of a sign in an arc; atoms of no amplitude go."""
    arc = np.searchsorted(starts, np.arctan2(z[:, 1], z[:, 0]) % _TURN, side="right") % len(starts)
    groups = sorted({(k, s) for k, s, size in zip(arc, signs, np.linalg.norm(z, axis=1), strict=True) if size > 0})
    merged = [z[(arc == k) & (signs == s)].sum(axis=0) for k, s in groups]
    return np.reshape(merged, (-1, 2)), np.array([s for _, s in groups])
