r"""Solving J J^T y = b with products by J and J^T alone.

Golub and Kahan's bidiagonalization from b gives orthonormal u_1, u_2, ... in R^N and v_1, v_2, ... in R^p with

    beta_1 u_1 = b,     alpha_j v_j = J^T u_j - beta_j v_{j-1},     beta_{j+1} u_{j+1} = J v_j - alpha_j u_j,

that is J^T U = V L^T, L (k, k) lower bidiagonal with alpha on and beta_2, ..., beta_k below its diagonal. With
L f = beta_1 e_1 and y = U L^{-T} f, which is the k-th iterate of conjugate gradients on J J^T y = b,

    J^T y = V f,     |b - J J^T y| = beta_{k+1} |f_k|,     |J^T y - J^T (J J^T)^+ b|^2 = f_{k+1}^2 + f_{k+2}^2 + ...,

so that the last few f_j bound the error of the step before them (Hestenes and Stiefel 1952). The condition of J is
not squared on the way, and the singular values of L approach those of J, the extreme ones first.

The u_j are short: all are kept, in double precision, and orthogonalised twice against each other. Of the v_j, which are
as long as theta, only the last is held; they may be arrays of any library, used with `*`, `-` and `@` alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_banded

_DELAY = 4
"""The last so many f_j tell the error of the iterate before them."""


class GramSolution(NamedTuple):
    """y: (N,); residual: |b - J J^T y|; error: estimate of |J^T y - J^T (J J^T)^+ b|; largest, smallest: singular
    values of L; iterations: products by J, and by J^T.
    """

    y: Float[np.ndarray, " N"]
    residual: float
    error: float
    largest: float
    smallest: float
    iterations: int


def solve_gram(
    push: Callable[[Any], np.ndarray],
    pull: Callable[[np.ndarray], Any],
    b: Float[np.ndarray, " N"],
    *,
    residual: float = 0.0,
    error: float = 0.0,
    rank_tolerance: float,
    iterations: int,
    largest: float = 0.0,
) -> GramSolution:
    """(J J^T)^+ b for b in the range of J, up to a residual or an error, whichever is met first.

    Args:
        push: v (p,) -> J v (N,).
        pull: u (N,) -> J^T u (p,).
        b: right-hand side.
        residual: stop at |b - J J^T y| below this.
        error: stop at an estimated |J^T y - J^T (J J^T)^+ b| below this.
        rank_tolerance: stop where alpha_j falls below this share of the largest singular value, as far as known: the
            rest of b is out of reach.
        iterations: stop after so many.
        largest: what is known of the largest singular value; the alpha_j add to it.
    """
    b = np.asarray(b, float)
    first = float(np.linalg.norm(b))
    if first == 0:
        return GramSolution(np.zeros_like(b), 0.0, 0.0, 0.0, math.inf, 0)
    steps = min(iterations, len(b))
    U = np.empty((steps + 1, len(b)))
    U[0] = b / first
    alpha: list[float] = []
    beta, f = [first], []
    v: Any = None
    left, missing = first, math.inf
    for j in range(steps):
        w = pull(U[j]) if v is None else pull(U[j]) - v * beta[j]
        size = math.sqrt(float(w @ w))
        if not size > rank_tolerance * max(largest, *alpha, 0.0):
            break
        alpha.append(size)
        v = w * (1 / size)
        f.append(first / size if j == 0 else -beta[j] * f[-1] / size)
        u = _orthogonal_to(U[: j + 1], push(v) - size * U[j])
        beta.append(float(np.linalg.norm(u)))
        left = beta[-1] * abs(f[-1])
        missing = math.inf if j < _DELAY else float(np.linalg.norm(f[-_DELAY:]))
        if left <= residual or missing <= error or beta[-1] <= np.finfo(float).eps * first:
            break
        U[j + 1] = u / beta[-1]
    k = len(alpha)
    if k == 0:
        return GramSolution(np.zeros_like(b), first, math.inf, 0.0, math.inf, 0)
    below = np.array(beta[1:k])
    # L^T is upper bidiagonal: its superdiagonal in the first row of the band, its diagonal in the second.
    t = solve_banded((0, 1), np.stack([np.r_[0.0, below], alpha]), np.array(f))
    s = np.linalg.svd(np.diag(alpha) + np.diag(below, -1), compute_uv=False)
    return GramSolution(t @ U[:k], left, missing, float(s[0]), float(s[-1]), k)


def _orthogonal_to(U: Float[np.ndarray, "k N"], u: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """What of u is orthogonal to the rows of U, twice, as once leaves rounding behind."""
    for _ in range(2):
        u = u - (U @ u) @ U
    return u
