"""The interpolators of a linear regression, exactly: which solution of X^T w = y is smallest, and in which norm.

X has shape (d, n), its columns are the n points, independent (d >= n); y has shape (n,); w has shape (d,).
Everything is NumPy and SciPy in float64 and shares no code with the training that it is compared with.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

_NEWTON_STEPS = 200
_KKT = 1e-11


def min_norm(X: Float[np.ndarray, "d n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """argmin |w|_2 subject to X^T w = y, that is X (X^T X)^{-1} y, from the singular values of X."""
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    return U @ ((Vt @ y) / s)


def ridge(X: Float[np.ndarray, "d n"], y: Float[np.ndarray, " n"], decay: float) -> Float[np.ndarray, " d"]:
    """argmin |X^T w - y|^2 / 2 + decay |w|^2 / 2 = X (X^T X + decay I)^{-1} y."""
    return X @ np.linalg.solve(X.T @ X + decay * np.eye(X.shape[1]), y)


def projection(
    X: Float[np.ndarray, "d n"], y: Float[np.ndarray, " n"], start: Float[np.ndarray, " d"]
) -> Float[np.ndarray, " d"]:
    """The solution of X^T w = y nearest to `start`: start + (X^T)^+ (y - X^T start)."""
    return start + min_norm(X, y - X.T @ start)


def weighted_min_norm(
    X: Float[np.ndarray, "d n"], y: Float[np.ndarray, " n"], D: Float[np.ndarray, " d"]
) -> Float[np.ndarray, " d"]:
    """argmin w^T diag(D)^{-1} w subject to X^T w = y, for D > 0: sqrt(D) times the minimum-norm u of X^T sqrt(D) u = y.

    Raises:
        ValueError: an entry of D is not positive.
    """
    if not (D > 0).all():
        raise ValueError("the weights D must be positive")
    root = np.sqrt(D)
    return root * min_norm(root[:, None] * X, y)


def dual_map(v: Float[np.ndarray, "*shape"], p: float) -> Float[np.ndarray, "*shape"]:
    """The gradient of |v|_p^p / p: sign(v) |v|^{p-1}."""
    return np.sign(v) * np.abs(v) ** (p - 1)


def min_p_norm(X: Float[np.ndarray, "d n"], y: Float[np.ndarray, " n"], p: float) -> Float[np.ndarray, " d"]:
    """argmin |w|_p subject to X^T w = y, for 1 < p < inf.

    The optimality condition is grad |w|_p^p / p = X a for some a in R^n: w = dual_map(X a, q) with 1/p + 1/q = 1, and
    a maximises the concave dual y^T a - |X a|_q^q / q. Newton's method with backtracking, until X^T w = y. Above p of
    about 5 the dual is often too steep for float64.

    Raises:
        ValueError: p is not above 1 and finite.
        RuntimeError: the optimality condition was not met to 1e-11.
    """
    if not 1 < p < np.inf:
        raise ValueError(f"p must be above 1 and finite, got {p}")
    q = p / (p - 1)

    def negative_dual(a: np.ndarray) -> float:
        return float(np.sum(np.abs(X @ a) ** q) / q - y @ a)

    def slack(a: np.ndarray) -> np.ndarray:
        return y - X.T @ dual_map(X @ a, q)

    a = np.linalg.solve(X.T @ X, y)
    for _ in range(_NEWTON_STEPS):
        gap = slack(a)
        if np.linalg.norm(gap) <= _KKT * np.linalg.norm(y):
            return dual_map(X @ a, q)
        curvature = (q - 1) * np.maximum(np.abs(X @ a), 1e-12) ** (q - 2)
        direction = np.linalg.solve(X.T @ (curvature[:, None] * X), gap)
        step, here, slope = 1.0, negative_dual(a), float(gap @ direction)
        # Far away the dual must decrease; near the optimum its decrease drowns in round-off and the gap must halve.
        while negative_dual(a + step * direction) > here - 1e-4 * step * slope and step > 1e-9:
            if np.linalg.norm(slack(a + step * direction)) < np.linalg.norm(gap) / 2:
                break
            step /= 2
        a = a + step * direction
    raise RuntimeError(f"the minimum {p}-norm interpolator was not found: its dual is too steep in float64")


def min_l1_norm(X: Float[np.ndarray, "d n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """argmin |w|_1 subject to X^T w = y, a linear program in w = u - v with u, v >= 0.

    Raises:
        RuntimeError: the linear program was not solved.
    """
    d = X.shape[0]
    solved = _linear_program(np.ones(2 * d), equal=np.hstack([X.T, -X.T]), to=y)
    return solved[:d] - solved[d:]


def min_linf_norm(X: Float[np.ndarray, "d n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """argmin |w|_inf subject to X^T w = y, a linear program in s = t + w >= 0 and t with s <= 2t.

    Raises:
        RuntimeError: the linear program was not solved.
    """
    d = X.shape[0]
    cost = np.append(np.zeros(d), 1.0)
    equal = np.hstack([X.T, -X.sum(axis=0)[:, None]])
    below = np.hstack([np.eye(d), -2 * np.ones((d, 1))])
    solved = _linear_program(cost, equal=equal, to=y, below=below)
    return solved[:d] - solved[d]


def _linear_program(cost: np.ndarray, equal: np.ndarray, to: np.ndarray, below: np.ndarray | None = None) -> np.ndarray:
    """argmin cost . v subject to equal v = to, below v <= 0 and v >= 0."""
    ceiling = None if below is None else np.zeros(len(below))
    found = linprog(cost, A_ub=below, b_ub=ceiling, A_eq=equal, b_eq=to, method="highs")
    if not found.success:
        raise RuntimeError(f"the linear program was not solved: {found.message}")
    return found.x


def gradient_descent_iterate(
    X: Float[np.ndarray, "d n"],
    y: Float[np.ndarray, " n"],
    gamma: float,
    k: int,
    start: Float[np.ndarray, " d"] | None = None,
) -> Float[np.ndarray, " d"]:
    """w_k of w <- w - gamma X (X^T w - y), as a filter of the spectrum, at a cost that does not depend on k.

    With X^T X = V diag(lam) V^T, from zero, w_k = X V diag((1 - (1 - gamma lam)^k) / lam) V^T y: a direction with
    gamma lam k << 1 has not been learned yet. From `start` the same filter moves w from there towards its projection.
    """
    lam, V = np.linalg.eigh(X.T @ X)
    learned = 1 - (1 - gamma * lam) ** k
    target = y if start is None else y - X.T @ start
    moved = X @ (V @ (learned / lam * (V.T @ target)))
    return moved if start is None else start + moved
