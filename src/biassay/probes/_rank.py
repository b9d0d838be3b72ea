"""The rank of a product of matrices, made smooth enough to be followed along a run.

The parameters are the factors (W_1, ..., W_L) of A = W_L ... W_1.
"""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree, Scalar

from ..problem import Problem


def end_to_end(params: PyTree) -> Float[Array, "m n"]:
    """A = W_L ... W_1, written as multiply-and-sum."""
    return reduce(lambda A, W: jnp.sum(W[:, :, None] * A[None, :, :], axis=1), params[1:], params[0])


def singular_values(A: Float[Array, "m n"]) -> Float[Array, " k"]:
    """Singular values in decreasing order; of a 2x2 in closed form.

    There s1 + s2 and s1 - s2 are sqrt(|A|_F^2 +- 2 |det A|), and s2 = |det A| / s1 keeps its digits when it is small.
    """
    if A.shape != (2, 2):
        return jnp.linalg.svd(A, compute_uv=False)
    square, det = jnp.sum(A**2), jnp.abs(A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0])
    s1 = (jnp.sqrt(square + 2 * det) + jnp.sqrt(jnp.maximum(square - 2 * det, 0))) / 2
    return jnp.stack([s1, jnp.where(s1 > 0, det / jnp.where(s1 > 0, s1, 1), 0)])


def singular_ratio(problem: Problem, params: PyTree) -> Scalar:
    """Ratio s2/s1 of the singular values of A = W_L ... W_1."""
    s = singular_values(end_to_end(params))
    return s[1] / s[0]


def second_singular_value(problem: Problem, params: PyTree) -> Scalar:
    """Second singular value s2 of A = W_L ... W_1."""
    return singular_values(end_to_end(params))[1]


def f_alpha(x: Float[Array, "..."], alpha: float) -> Float[Array, "..."]:
    """z (2 - z) with z = min(x / alpha, 1): concave and increasing from f(0) = 0 to f(x) = 1 for x >= alpha."""
    z = jnp.minimum(x / alpha, 1)
    return z * (2 - z)


def smooth_rank(W: Float[Array, "m n"], alpha: float) -> Scalar:
    """sum_i f_alpha(s_i(W^T W)): the rank of W, where a singular value below sqrt(alpha) counts in part."""
    return jnp.sum(f_alpha(singular_values(W) ** 2, alpha))


def imbalance(params: PyTree) -> Float[Array, " pairs"]:
    """|W_{l+1}^T W_{l+1} - W_l W_l^T|_F^2 for l = 1..L-1."""

    def gap(lower: Array, upper: Array) -> Scalar:
        inner = jnp.sum(upper[:, :, None] * upper[:, None, :], axis=0)
        outer = jnp.sum(lower[:, None, :] * lower[None, :, :], axis=2)
        return jnp.sum((inner - outer) ** 2)

    return jnp.stack([gap(lower, upper) for lower, upper in pairwise(params)])


class LowRankRegion(NamedTuple):
    """B_r: factors that are balanced, of rank about r and bounded (Wang and Jacot, arXiv 2305.16038).

    |W_{l+1}^T W_{l+1} - W_l W_l^T|_F^2 <= eps1,  sum_i f_alpha(s_i(W_l^T W_l)) <= r + eps2  and  |W_l|_F^2 <= C for
    every l. `f_alpha` above is one function with the properties that the paper asks for, not the paper's own.
    """

    r: int
    alpha: float
    eps1: float
    eps2: float
    C: float

    def contains(self, params: PyTree) -> Bool[Array, ""]:
        """Whether the factors lie in the region."""
        ranks = jnp.stack([smooth_rank(W, self.alpha) for W in params])
        sizes = jnp.stack([jnp.sum(W**2) for W in params])
        flat = jnp.all(imbalance(params) <= self.eps1)
        return flat & jnp.all(ranks <= self.r + self.eps2) & jnp.all(sizes <= self.C)
