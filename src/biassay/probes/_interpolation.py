"""Where a solution of a linear regression lies: does it fit, is it in the span of the data, how far from the smallest.

The problem's x has shape (n, d), its rows are the points; the parameters are a vector (d,).
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Scalar

from ..problem import Problem


def weights(problem: Problem, params: Float[Array, " d"]) -> Float[Array, " d"]:
    """The weights w."""
    return params


def relative_residual(problem: Problem, params: Float[Array, " d"]) -> Scalar:
    """Residual |f(w, x) - y| / |y|."""
    return jnp.linalg.norm(problem.predict(params, problem.x) - problem.y) / jnp.linalg.norm(problem.y)


def out_of_span(problem: Problem, params: Float[Array, " d"]) -> Scalar:
    """Part of w outside the span of the data, |w - Q Q^T w| / |w|."""
    Q, _ = jnp.linalg.qr(problem.x.T)
    outside = jnp.linalg.norm(params - Q @ (Q.T @ params))
    size = jnp.linalg.norm(params)
    return outside / jnp.where(size > 0, size, 1.0)


def distance_to_min_norm(problem: Problem, params: Float[Array, " d"]) -> Scalar:
    """Distance |w - w*| / |w*| to the minimum-norm interpolator w*."""
    nearest = jnp.linalg.pinv(problem.x) @ problem.y
    return jnp.linalg.norm(params - nearest) / jnp.linalg.norm(nearest)
