r"""The path of label noise for h(x) = <x, v.v>, exact: a least relative entropy, and in the limit a linear program.

v in R^d, n examples x_i as rows of X, w = v.v the squares of the parameters. Here the regularizer of label noise is
linear in w,

    reg = (1/n) sum_i |2 x_i.v|^2 = 4 k.w,        k_j = (1/n) sum_i x_ij^2,

and so is the error X w - y. Both flows of the theory are therefore w' = w.(a combination of the rows of X, and k):
gradient flow from v_0 to zero error, then the drift d v / d tau = -P_N grad reg along the solutions (derived here; the
drift is in `label_noise_drift`). Integrated, for every drift time tau >= 0,

    log w(tau) = log w_0 + X^T lambda(tau) - 16 tau k,        X w(tau) = y,

which are the conditions of optimality of

    w(tau) = argmin { sum_j w_j log(w_j / w_0j) - w_j + 16 tau k_j w_j  :  X w = y, w > 0 }.

At tau = 0 that is the solution nearest to w_0 in relative entropy, where gradient flow ends; as tau grows w tends to a
solution of the linear program min k.w, X w = y, w >= 0. The multipliers lambda minimise a smooth convex function of n
variables, which Newton's method does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, linprog

_NEWTON_STEPS = 200
_HALVINGS = 60


def diagonal_drift(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    taus: Sequence[float] | Float[np.ndarray, " t"],
    *,
    start: Float[np.ndarray, " d"] | None = None,
    tolerance: float = 1e-9,
) -> Float[np.ndarray, "t d"]:
    """The squares v.v on the path of label noise at the drift times `taus`, in float64.

    Args:
        x: examples as rows.
        y: their targets.
        taus: drift times, not negative and in increasing order; 0 is the end of gradient flow without noise.
        start: w_0, the squares v_0.v_0 of the parameters at the start, all positive; ones by default.
        tolerance: of the error |X w - y|, as a share of the largest |y|.

    Returns:
        One row of squares for each tau.

    Raises:
        ValueError: a tau that is negative or smaller than the one before, a start that is not positive, or no positive
            solution of X w = y found (there may be none; or tau is so large that w has left the range of float64: take
            `least_regularizer`, the limit).

    Example:
        >>> import numpy as np
        >>> import biassay as ba
        >>> x = np.array([[1.0, 2.0]])
        >>> ba.references.diagonal_drift(x, np.array([2.0]), [0.0, 1.0]).round(3)
        array([[0.781, 0.61 ],
               [2.   , 0.   ]])
    """
    x, y, taus = np.asarray(x, float), np.asarray(y, float), np.asarray(taus, float)
    log_start = np.zeros(x.shape[1]) if start is None else _log(np.asarray(start, float))
    if (taus < 0).any() or (np.diff(taus) < 0).any():
        raise ValueError(f"taus must be at least 0 and increase, got {taus.tolist()}")
    k, multipliers, path = np.mean(x**2, axis=0), np.zeros(len(y)), []
    for tau in taus:
        multipliers = _dual(x, y, log_start - 16 * tau * k, multipliers, tolerance)
        path.append(np.exp(x.T @ multipliers + log_start - 16 * tau * k))
    return np.stack(path)


def least_regularizer(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """argmin { k.w : X w = y, w >= 0 }, k_j = (1/n) sum_i x_ij^2: where label noise tends to, as a linear program.

    Raises:
        ValueError: X w = y has no solution without negative entries.
    """
    found = linprog(np.mean(np.asarray(x, float) ** 2, axis=0), A_eq=x, b_eq=y, bounds=(0, None))
    if not found.success:
        raise ValueError("X w = y has no solution w with all entries at least 0")
    return found.x


def first_drift_time(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    excess: Callable[[Float[np.ndarray, " d"]], float],
    *,
    latest: float,
    start: Float[np.ndarray, " d"] | None = None,
) -> float:
    """The drift time in [0, latest] at which excess(v.v) changes sign on the path; NaN when it does not.

    `excess` is to be continuous; where it changes sign several times one of the times is given.
    """

    def at(tau: float) -> float:
        return excess(diagonal_drift(x, y, [tau], start=start)[0])

    if at(0.0) * at(latest) >= 0:
        return float("nan")
    return cast(float, brentq(at, 0.0, latest, xtol=1e-6 * latest))


def _log(start: np.ndarray) -> np.ndarray:
    if not (start > 0).all():
        raise ValueError(f"start must be positive in every entry, its smallest is {start.min()}")
    return np.log(start)


def _dual(x: np.ndarray, y: np.ndarray, log_w: np.ndarray, begin: np.ndarray, tolerance: float) -> np.ndarray:
    """argmin over lambda of D(lambda) = sum_j exp((X^T lambda)_j + log_w_j) - lambda.y, whose gradient is X w - y."""

    def value(multipliers: np.ndarray) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(x.T @ multipliers + log_w).sum() - multipliers @ y)

    multipliers = begin
    for _ in range(_NEWTON_STEPS):
        w = np.exp(x.T @ multipliers + log_w)
        gradient = x @ w - y
        if np.abs(gradient).max() <= tolerance * max(np.abs(y).max(), 1e-300):
            return multipliers
        # Near a sparse w the matrix loses rank: least squares takes the step of smallest norm.
        step = -np.linalg.lstsq((x * w) @ x.T, gradient, rcond=None)[0]
        here, slope, share = value(multipliers), float(gradient @ step), 1.0
        for _ in range(_HALVINGS):
            if value(multipliers + share * step) <= here + 1e-4 * share * slope + 1e-13 * abs(here):
                break
            share /= 2
        multipliers = multipliers + share * step
    raise ValueError("no solution of X w = y with positive w was found: there is none, or tau is too large for float64")
