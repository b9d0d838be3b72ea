"""The diagonal linear network x = w_+^L - w_-^L: a linear model whose coefficients are powers of positive weights.

With D = [A, -A] the outputs are A x = D w^L for w = (w_+, w_-) of length n = 2d, powers taken entry by entry, and

    f(w) = |D w^L - y|^2 / 2,        grad f = L w^(L-1) * D^T (D w^L - y).

The gradient at w = 0 is 0 for L >= 2: a start must be away from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..problem import Problem
from .linear_regression import sum_of_squares


def coefficients(w: Float[Array, " n"], depth: int) -> Float[Array, " n//2"]:
    """x = w_+^L - w_-^L, the signed vector of length d = n / 2 for weights w = (w_+, w_-)."""
    plus, minus = jnp.split(w, 2)
    return plus**depth - minus**depth


@dataclass(frozen=True)
class _Outputs:
    """A x. Networks of one depth are equal, so that they share compiled programs."""

    depth: int

    def __call__(self, w: Float[Array, " n"], A: Float[Array, "m d"]) -> Float[Array, " m"]:
        return A @ coefficients(w, self.depth)


@dataclass(frozen=True)
class _Gradient:
    """L w^(L-1) D^T (D w^L - y)."""

    depth: int

    def __call__(self, w: Float[Array, " n"], A: Float[Array, "m d"], y: Float[Array, " m"]) -> Float[Array, " n"]:
        a = (A @ coefficients(w, self.depth) - y) @ A
        return self.depth * w ** (self.depth - 1) * jnp.concatenate([a, -a])


def diagonal_linear(A: Float[Array, "*seeds m d"], y: Float[Array, "*seeds m"], depth: int = 2) -> Problem:
    """Minimise |A x - y|^2 / 2 over the weights w in R^(2d) of x = w_+^L - w_-^L.

    Args:
        A: measurements as rows. A leading axis of seeds makes the problems of a `PerSeed`.
        y: what they should give.
        depth: L, at least 1.

    Raises:
        ValueError: a depth below 1.

    Example:
        >>> import jax.numpy as jnp
        >>> problem = diagonal_linear(jnp.array([[1.0, 2.0]]), jnp.array([1.0]))
        >>> float(problem.risk(jnp.array([1.0, 0.0, 0.0, 0.5])))  # x = (1, -1/4)
        0.125
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    return Problem(_Outputs(depth), A, y, sum_of_squares, _Gradient(depth))
