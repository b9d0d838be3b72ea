"""The largest L2 margin of separable data, exactly, and where training on an exponential tail settles around it.

Everywhere in this module X has shape (n, d): its *rows* are the points; y in {-1, +1} has shape (n,); w has shape (d,).
The rows a_n = y_n x_n carry the labels, A = y X of shape (n, d). There is no intercept: the separating planes pass
through the origin, as those of a linear model trained without a bias do. NumPy and SciPy in float64; no code is shared
with the training that it is compared with.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import nnls

_SUPPORT = 1e-9
_NARROWEST = 1e-7
_VANISHED = 1e-10
_NEWTON_STEPS = 60
_EPS = float(np.finfo(float).eps)


class HardMargin(NamedTuple):
    """The maximum-margin solution w = argmin |w|^2 subject to a_n . w >= 1, and its certificate.

    Args:
        w: the solution (d,); its smallest a_n . w is 1.
        margin: 1 / |w|, the largest value of min_n a_n . u over unit vectors u.
        alpha: weights (n,), not negative, with w = sum_n alpha_n a_n. Where they are not unique (copies of a point,
            more support vectors than dimensions) some of the weights are zero; `residual_limit` spreads them.
        support: the support vectors (n,), the rows with a_n . w = 1 whether or not their weight is zero.
        kkt: the residual of the optimality conditions, see `kkt_residual`.
        slack: the smallest a_n . w - 1 of the w that was solved for, before its round-off was scaled away: how exact
            the solution is as it came.
    """

    w: Float[np.ndarray, " d"]
    margin: float
    alpha: Float[np.ndarray, " n"]
    support: Bool[np.ndarray, " n"]
    kkt: float
    slack: float


class ResidualLimit(NamedTuple):
    """Where w(t) - w log t settles in the span of the support vectors.

    Args:
        w: the limit (d,), inside that span.
        alpha: the weights (n,) with exp(-a_n . w) = alpha_n / rate on the support vectors and 0 elsewhere; all copies
            of a point have the same.
        span: an orthonormal basis (d, k) of the span, so that `span @ (span.T @ rho)` is the part of rho to compare.
    """

    w: Float[np.ndarray, " d"]
    alpha: Float[np.ndarray, " n"]
    span: Float[np.ndarray, "d k"]


def signed_rows(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n d"]:
    """A = y X, the points with their labels absorbed.

    Raises:
        ValueError: X is not a matrix with one row per label, there is no point or no dimension, a number is not finite,
            or a label is not -1 or +1.
    """
    X, y = np.asarray(X, float), np.asarray(y, float)
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise ValueError(f"X must have shape (n, d) and y shape (n,), got {X.shape} and {y.shape}")
    if not X.size:
        raise ValueError(f"a margin needs a point and a dimension, got X of shape {X.shape}")
    if not np.isfinite(X).all():
        raise ValueError("X holds a number that is not finite")
    if not (np.abs(y) == 1).all():
        raise ValueError("every label must be -1 or +1")
    return y[:, None] * X


def hard_margin(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> HardMargin:
    """The minimum-norm w with y_n w . x_n >= 1, by one non-negative least-squares problem.

    Least-distance programming (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23): let u >= 0
    minimise |A^T u|^2 + (1 . u - 1)^2. Then w = A^T u / (1 - 1 . u) and alpha = u / (1 - 1 . u). The active set that
    is found has independent rows A_S, and solving A_S w = 1 in their span brings w to round-off.

    This is the reference for a model *without a bias*. A support vector machine with an intercept, such as
    `sklearn.svm.SVC(kernel="linear")`, solves min |w|^2 subject to y_n (w . x_n + b) >= 1 instead: another problem,
    whose w has another direction unless b happens to be 0, while nothing warns of it. `kkt_residual` tells them apart.
    An intercept that is trained like the other weights is a constant column of X, and is then part of |w|.

    Lengths are measured in units of the longest point, so that the size of the data does not matter as long as their
    answer is a number: w goes as 1 / X and alpha as 1 / X^2.

    Raises:
        ValueError: what `scaled_rows` and `least_distance` refuse, or alpha is beyond the range of float64 (entries of
            X below some 1e-150 or above some 1e150).
    """
    rows, scale = scaled_rows(X, y)
    u = least_distance(rows)
    active = np.flatnonzero(u)
    alpha = np.zeros(len(rows))
    alpha[active] = u[active] / (1 - u.sum())
    w, polished = _equalise(rows[active])
    if (polished > 0).all() and (rows @ w).min() > 1 - 1e-9:
        alpha[active] = polished
    else:
        w = alpha @ rows
    # Round-off must not leave a constraint violated: the smallest margin is made 1.
    smallest = float((rows @ w).min())
    w, alpha = w / smallest, alpha / smallest
    kkt = _kkt(rows, w, alpha)
    support, margin = rows @ w < 1 + _SUPPORT, scale / float(np.linalg.norm(w))
    with np.errstate(over="ignore", under="ignore"):
        w, alpha = w / scale, alpha / scale / scale
    heaviest = float(alpha.max())
    if not (np.isfinite(w).all() and np.finfo(float).tiny <= heaviest < np.inf and np.isfinite(kkt)):
        raise ValueError(f"the weights alpha are beyond float64 for points of length {scale:.1g}: rescale X")
    return HardMargin(w, margin, alpha, support, kkt, smallest - 1)


def scaled_rows(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, "n d"], float]:
    """The rows a_n over the length of the longest, and that length; no square of an entry can overflow or vanish.

    Raises:
        ValueError: what `signed_rows` refuses, every point is the origin, or the longest length is no finite number.
    """
    A = signed_rows(X, y)
    largest = float(np.abs(A).max())
    if largest == 0:
        raise ValueError("the data are not separable: every point is the origin")
    A = A / largest
    length = float(np.linalg.norm(A, axis=1).max())
    if not np.isfinite(largest * length):
        raise ValueError(f"X holds points too long for float64, with entries of {largest:.1g}")
    return A / length, largest * length


def least_distance(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """The u >= 0 that minimises |A^T u|^2 + (1 . u - 1)^2, for the rows of A no longer than 1; see `hard_margin`.

    Raises:
        ValueError: the data are not separable by a plane through the origin, or by less than 1e-7 of the longest
            point: to round-off the origin is a convex combination of the rows (Gordan's alternative), that is, the
            least-squares problem has residual 0.
    """
    u, distance = nnls(np.vstack([rows.T, np.ones(len(rows))]), np.append(np.zeros(rows.shape[1]), 1.0))
    if distance < _NARROWEST:
        length = np.linalg.norm(u @ rows) / max(u.sum(), _EPS)
        raise ValueError(
            f"the data are not separable by a plane through the origin, or by less than {_NARROWEST:g} of the longest "
            f"point: a convex combination of the y_n x_n has {length:.1g} of its length"
        )
    return u


def _equalise(S: Float[np.ndarray, "k d"]) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " k"]]:
    """The least-norm w with S w = 1, and weights with S^T weights = w, for independent rows."""
    inverse = np.linalg.pinv(S)
    w = inverse.sum(axis=1)
    return w, w @ inverse


def kkt_residual(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    w: Float[np.ndarray, " d"],
    alpha: Float[np.ndarray, " n"],
) -> float:
    """How far (w, alpha) is from the optimality conditions of min |w|^2 subject to a_n . w >= 1; 0 at the optimum.

    The largest of four numbers without units: stationarity |w - A^T alpha| / |w|; violation max_n (1 - a_n . w);
    negative weight max_n (-alpha_n) / |w|^2; slackness sum_n |alpha_n (a_n . w - 1)| / |w|^2. At the optimum
    sum_n alpha_n = |w|^2. It is infinite for w = 0, and where one of the four is not a finite number.
    """
    return _kkt(signed_rows(X, y), w, alpha)


def _kkt(A: Float[np.ndarray, "n d"], w: Float[np.ndarray, " d"], alpha: Float[np.ndarray, " n"]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        size = float(w @ w)
        if size == 0:
            return float("inf")
        slack = A @ w - 1
        conditions = (
            np.linalg.norm(w - alpha @ A) / np.sqrt(size),
            np.max(-slack),
            np.max(-alpha) / size,
            np.sum(np.abs(alpha * slack)) / size,
        )
    # Python's max would pass over a NaN.
    return float(max(0.0, *conditions)) if np.isfinite(conditions).all() else float("inf")


def residual_limit(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], found: HardMargin, rate: float = 1.0
) -> ResidualLimit:
    """The limit of w(t) - w log t in the span of the support vectors, for a loss with tail l(m) ~ exp(-m).

    With w(t) = w log t + rho(t) the gradient flow of the *sum* of losses has dw/dt ~ (1/t) A_S^T exp(-A_S rho), which
    must be w/t: rho tends to the w_tilde with A_S^T exp(-A_S w_tilde) = w, in the span of the support vectors A_S
    (Soudry, Hoffer, Nacson, Gunasekar and Srebro, JMLR 2018, arXiv:1710.10345). It is the minimiser of the convex
    sum_S exp(-a_n . v) + w . v, found by Newton's method. Where A_S has independent rows the weights are unique and
    w_tilde = pinv(A_S) (-log alpha); exact copies of a point share its weight equally.

    Args:
        X, y: the data.
        found: their `hard_margin`.
        rate: for the flow of the sum of losses in its own time, 1; for gradient descent on that sum with t counting
            steps, the step size; divide by n for the mean of the losses.

    Raises:
        ValueError: a support vector must have weight zero: no such limit exists, and w(t) - w log t is unbounded.
    """
    A = signed_rows(X, y)
    S = A[found.support]
    basis, s, _ = np.linalg.svd(S.T, full_matrices=False)
    span = basis[:, s > s[0] * max(S.shape) * _EPS * 100]
    S, target = S @ span, span.T @ found.w / rate

    def excess(v: np.ndarray) -> float:
        return float(np.exp(-S @ v).sum() + target @ v)

    least = np.linalg.lstsq(S.T, target, rcond=None)[0]
    v = np.linalg.lstsq(S, -np.log(np.maximum(least, 1e-3 * least.max())), rcond=None)[0]
    for _ in range(_NEWTON_STEPS):
        weights = np.exp(-S @ v)
        gap = weights @ S - target
        if np.linalg.norm(gap) <= 1e-14 * np.linalg.norm(target) or weights.min() < _VANISHED * weights.max():
            break
        direction, step = np.linalg.solve(S.T @ (weights[:, None] * S), gap), 1.0
        here = excess(v)
        while excess(v + step * direction) > here + 10 * _EPS * abs(here) and step > 1e-6:
            step /= 2
        v = v + step * direction
    weights = np.exp(-S @ v)
    if weights.min() < _VANISHED * weights.max():
        raise ValueError("a support vector has weight zero: w(t) - w log t has no limit")
    alpha = np.zeros(len(A))
    alpha[found.support] = rate * weights
    return ResidualLimit(span @ v, alpha, span)
