"""The largest margin of separable data in any p-norm and in the spectral norm, each with a certificate.

The margin of a direction w in a norm is min_n a_n . w / |w|, with rows a_n = y_n x_n as in `margins`: X has shape
(n, d), its rows are the points, and there is no intercept. By duality its largest value is

    gamma = max_{|w| <= 1} min_n a_n . w = min_{p in the simplex} |sum_n p_n a_n|_*,

with |.|_* the dual norm: the p-norm's dual is the q-norm, 1/p + 1/q = 1, the spectral norm's the nuclear norm. A pair
(w, p) therefore brackets gamma, and the bracket is evaluated from that pair alone, whoever found it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from .margins import least_distance, scaled_rows

_GAP = 1e-7
_SHRINK = 0.1
_CENTRED = 1e-20
_NEWTON_STEPS = 30

Derivatives: TypeAlias = tuple[float, np.ndarray, np.ndarray]
Barrier: TypeAlias = Callable[[np.ndarray], Derivatives]


class NormMargin(NamedTuple):
    """The maximum-margin solution in a norm and the bracket margin <= gamma <= bound that certifies it.

    Args:
        w: the solution (d,), of norm 1 / margin: its smallest a_n . w is 1.
        margin: min_n a_n . w / |w|, what w attains.
        bound: |sum_n p_n a_n|_* of the weights p that were found with w: no direction has a larger margin.
    """

    w: Float[np.ndarray, " d"]
    margin: float
    bound: float


def l1_margin(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> NormMargin:
    """The maximum margin in the 1-norm: min sum(u + v) subject to A (u - v) >= 1 and u, v >= 0, a linear program.

    Raises:
        ValueError: as `hard_margin`.
        RuntimeError: the linear program was not solved.
    """
    A, scale = _separable(X, y)
    d = A.shape[1]
    w, weights = _linear_program(np.ones(2 * d), np.hstack([A, -A]), np.ones(len(A)))
    return _bracket(A, scale, w[:d] - w[d:], weights, 1)


def linf_margin(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> NormMargin:
    """The maximum margin in the largest-entry norm: min m subject to A w >= 1 and |w_i| <= m, a linear program.

    With u = m + w and v = m - w, both in [0, 2m]: w = u - m, and A u - m A 1 >= 1, u <= 2m.

    Raises:
        ValueError: as `hard_margin`.
        RuntimeError: the linear program was not solved.
    """
    A, scale = _separable(X, y)
    n, d = A.shape
    rows = np.block([[A, -A.sum(axis=1)[:, None]], [-np.eye(d), 2 * np.ones((d, 1))]])
    solved, weights = _linear_program(np.append(np.zeros(d), 1.0), rows, np.append(np.ones(n), np.zeros(d)))
    return _bracket(A, scale, solved[:d] - solved[d], weights[:n], np.inf)


def lp_margin(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], p: float) -> NormMargin:
    """The maximum margin in the p-norm, 1 < p < inf, by the central path of a self-concordant barrier.

    The ball is sum_i r_i <= 1 with |w_i|^p <= r_i, and -2 log r - log(r^{2/p} - w^2) is a barrier of the latter for
    every p >= 1 (Nesterov and Nemirovskii, Interior-Point Polynomial Algorithms in Convex Programming, 1994).

    Raises:
        ValueError: p is not above 1 and finite (`l1_margin` and `linf_margin` are the ends), or as `hard_margin`.
        RuntimeError: the bracket is wider than 1e-6 of the margin.
    """
    if not 1 < p < np.inf:
        raise ValueError(f"p must be above 1 and finite, got {p}")
    A, scale = _separable(X, y)
    d = A.shape[1]
    start = np.concatenate([np.zeros(d), np.full(d, 0.5 / d)])
    w, weights = _central_path(A, _p_ball(d, p), start, 3 * d + 1)
    return _narrow(_bracket(A, scale, w, weights, p))


def spectral_margin(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], shape: tuple[int, int]) -> NormMargin:
    """The maximum margin in the spectral norm of w read as a matrix of this shape, row by row.

    A semidefinite program: |W| <= 1 when [[I, W], [W^T, I]] is positive semidefinite, whose barrier is minus its log
    determinant. Its dual norm is the nuclear norm.

    Raises:
        ValueError: the shape does not hold d numbers, or as `hard_margin`.
        RuntimeError: the bracket is wider than 1e-6 of the margin.
    """
    A, scale = _separable(X, y)
    if shape[0] * shape[1] != A.shape[1]:
        raise ValueError(f"a matrix of shape {shape} does not hold {A.shape[1]} numbers")
    w, weights = _central_path(A, _spectral_ball(shape), np.zeros(A.shape[1]), sum(shape))
    return _narrow(_bracket(A, scale, w, weights, "spectral", shape))


def margin_norm(w: Float[np.ndarray, " d"], norm: float | str, shape: tuple[int, int] | None = None) -> float:
    """|w| in the p-norm for a number `norm`, or the "spectral" or "nuclear" norm of w as a matrix of this shape."""
    if isinstance(norm, str):
        assert shape is not None
        s = np.linalg.svd(w.reshape(shape), compute_uv=False)
        return float(s[0] if norm == "spectral" else s.sum())
    return float(np.linalg.norm(w, norm))


# --- certificates -----------------------------------------------------------------------------------------------------


def _separable(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """The rows a_n over the length of the longest, and that length; `least_distance` refuses what is not separable."""
    rows, scale = scaled_rows(X, y)
    least_distance(rows)
    return rows, scale


def _bracket(
    A: np.ndarray,
    scale: float,
    w: np.ndarray,
    weights: np.ndarray,
    norm: float | str,
    shape: tuple[int, int] | None = None,
) -> NormMargin:
    """The bracket of (w, weights), in the units of the data."""
    dual = "nuclear" if isinstance(norm, str) else np.inf if norm == 1 else 1 / (1 - 1 / norm)
    weights = np.maximum(weights, 0)
    smallest = float((A @ w).min())
    margin = scale * smallest / margin_norm(w, norm, shape)
    bound = scale * margin_norm(weights / weights.sum() @ A, dual, shape)
    return NormMargin(w / (scale * smallest), margin, bound)


def _narrow(found: NormMargin) -> NormMargin:
    if not 0 < found.bound <= (1 + 1e-6) * found.margin:
        raise RuntimeError(f"the margin was only bracketed in {found.margin:.9g}..{found.bound:.9g}")
    return found


def _linear_program(cost: np.ndarray, rows: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """argmin cost . v subject to rows v >= least and v >= 0, and the multipliers of the rows."""
    found = linprog(cost, A_ub=-rows, b_ub=-least, method="highs")
    if not found.success:
        raise RuntimeError(f"the linear program was not solved: {found.message}")
    return found.x, -found.ineqlin.marginals


# --- the central path -------------------------------------------------------------------------------------------------


def _central_path(A: np.ndarray, ball: Barrier, start: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """max t subject to A w >= t and z in the ball, where z begins with w: w and the weights of the rows.

    Newton's method on -t/mu - sum_n log(a_n . w - t) + ball(z) while mu shrinks. At its minimum the weights
    mu / (a_n . w - t) sum to 1 and t is within mu (n + order) of the optimum; they approach the best weights of the
    dual. Below a gap of 1e-7 the differences a_n . w - t drown in round-off and the weights get worse again.
    """
    n, d = A.shape
    rows = np.zeros((n, len(start) + 1))
    rows[:, :d], rows[:, -1] = A, -1

    def potential(z: np.ndarray, mu: float) -> Derivatives:
        slack = rows @ z
        if slack.min() <= 0:
            return np.inf, z, z
        value, gradient, hessian = ball(z[:-1])
        if not np.isfinite(value):
            return np.inf, z, z
        whole = (rows / slack[:, None]).T @ (rows / slack[:, None])
        whole[:-1, :-1] += hessian
        slope = -(1 / slack) @ rows
        slope[:-1] += gradient
        slope[-1] -= 1 / mu
        return float(value - z[-1] / mu - np.log(slack).sum()), slope, whole

    z, mu = np.append(start, -1.0), 1.0
    while True:
        for _ in range(_NEWTON_STEPS):
            value, slope, hessian = potential(z, mu)
            unit = 1 / np.sqrt(np.diag(hessian))
            direction = -unit * np.linalg.solve(unit[:, None] * hessian * unit, unit * slope)
            decrement = float(-slope @ direction)
            if decrement < _CENTRED:
                break
            step = 1.0
            # Self-concordance: a full step is safe below a quarter, where differences of values drown in round-off.
            while decrement > 1 / 16 and potential(z + step * direction, mu)[0] > value - 0.1 * step * decrement:
                step /= 2
            z = z + step * direction
        if mu * (n + order) < _GAP * abs(z[-1]):
            return z[:d], mu / (rows @ z)
        mu *= _SHRINK


def _p_ball(d: int, p: float) -> Barrier:
    """-log(1 - sum r) - sum_i [2 log r_i + log(r_i^{2/p} - w_i^2)] at z = (w, r)."""

    def barrier(z: np.ndarray) -> Derivatives:
        w, r = z[:d], z[d:]
        left = 1 - r.sum()
        if left <= 0 or r.min() <= 0:
            return np.inf, z, z
        power = r ** (2 / p)
        inside = power - w**2
        if inside.min() <= 0:
            return np.inf, z, z
        first, second = 2 / p * power / r, 2 / p * (2 / p - 1) * power / r**2
        value = -np.log(left) - 2 * np.log(r).sum() - np.log(inside).sum()
        gradient = np.concatenate([2 * w / inside, 1 / left - 2 / r - first / inside])
        hessian = np.zeros((2 * d, 2 * d))
        hessian[:d, :d] = np.diag(2 / inside + (2 * w / inside) ** 2)
        hessian[d:, d:] = np.diag(2 / r**2 - second / inside + (first / inside) ** 2) + 1 / left**2
        hessian[:d, d:] = np.diag(-2 * w * first / inside**2)
        hessian[d:, :d] = hessian[:d, d:]
        return float(value), gradient, hessian

    return barrier


def _spectral_ball(shape: tuple[int, int]) -> Barrier:
    """-log det [[I, W], [W^T, I]] at W."""
    a, b = shape

    def barrier(z: np.ndarray) -> Derivatives:
        W = z.reshape(shape)
        inside = np.eye(a + b)
        inside[:a, a:], inside[a:, :a] = W, W.T
        try:
            root = np.linalg.cholesky(inside)
        except np.linalg.LinAlgError:
            return np.inf, z, z
        inverse = np.linalg.inv(inside)
        P, Q, R = inverse[:a, :a], inverse[:a, a:], inverse[a:, a:]
        # Second derivative along D and E: tr(inverse D' inverse E'), D' = [[0, D], [D^T, 0]].
        hessian = 2 * (np.einsum("ik,jl->ijkl", P, R) + np.einsum("il,kj->ijkl", Q, Q))
        return -2 * float(np.log(np.diag(root)).sum()), -2 * Q.ravel(), hessian.reshape(a * b, a * b)

    return barrier
