"""The set of zero error: how to reach it, and which directions stay in it.

For outputs h(theta) in R^N of a problem (all its examples, all their entries) and targets y, the solutions of
h(theta) = y near a point with a Jacobian J (N, p) of full row rank form a manifold of dimension p - N. Its tangent
space is the null space of J; with J^+ the pseudo-inverse,

    theta <- theta - J^+ (h(theta) - y)      returns to the manifold by the shortest step (minimum-norm Gauss-Newton),
    P_N v = v - J^+ J v                      is what of a direction v keeps zero error.

Everything here forms J: it is for models with few parameters. `biassay.stability` does without it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..problem import Problem


def residuals(problem: Problem, params: PyTree) -> Float[Array, " N"]:
    """h(theta) - y, over all examples and the entries of their outputs."""
    return (problem.predict(params, problem.x) - problem.y).ravel()


def output_jacobian(problem: Problem, params: PyTree) -> Float[Array, "N p"]:
    """J: one row per example and entry of its output, the parameters in the order of `ravel_pytree`."""
    theta, unravel = ravel_pytree(params)
    return jax.jacrev(lambda t: problem.predict(unravel(t), problem.x).ravel())(theta)


def pseudo_solve(J: Float[Array, "N p"], rhs: Float[Array, " N"], rank_tolerance: float = 1e-10) -> Float[Array, " p"]:
    """J^+ rhs; singular values below rank_tolerance times the largest count as zero."""
    U, s, Vt = jnp.linalg.svd(J, full_matrices=False)
    kept = s > rank_tolerance * s[0]
    return ((U.T @ rhs) * jnp.where(kept, 1 / jnp.where(kept, s, 1.0), 0.0)) @ Vt


def tangent_part(J: Float[Array, "N p"], v: Float[Array, " p"], rank_tolerance: float = 1e-10) -> Float[Array, " p"]:
    """P_N v: the part of v in the null space of J. Directions of singular values below rank_tolerance times the
    largest count as null."""
    _, s, Vt = jnp.linalg.svd(J, full_matrices=False)
    kept = Vt * (s > rank_tolerance * s[0])[:, None]
    return v - (kept @ v) @ kept


def to_zero_error(problem: Problem, params: PyTree, *, steps: int = 20) -> PyTree:
    """`steps` minimum-norm Gauss-Newton steps from `params`; with full rank they converge quadratically.

    Nothing says whether zero error was reached: look at `residuals` of what is returned.
    """

    def step(theta: Array, _: None) -> tuple[Array, None]:
        J = output_jacobian(problem, unravel(theta))
        return theta - pseudo_solve(J, residuals(problem, unravel(theta))), None

    theta, unravel = ravel_pytree(params)
    theta, _ = jax.lax.scan(step, theta, None, length=steps)
    return unravel(theta)
