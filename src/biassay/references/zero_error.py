"""The set of zero error: how to reach it, and which directions stay in it.

For outputs h(theta) in R^N of a problem (all its examples, all their entries) and targets y, the solutions of
h(theta) = y near a point with a Jacobian J (N, p) of full row rank form a manifold of dimension p - N. Its tangent
space is the null space of J; with J^+ the pseudo-inverse,

    theta <- theta - J^+ (h(theta) - y)      returns to the manifold by the shortest step (minimum-norm Gauss-Newton),
    P_N v = v - J^+ J v                      is what of a direction v keeps zero error.

Everything here forms J and its singular value decomposition: it is for models with few parameters. `biassay.stability`
does without. Where many lanes are split among devices, fetch their arrays first (`jax.device_get`): on a CPU a
factorisation of arrays that are split may wait for ever.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..problem import Problem

_RANK_TOLERANCE = 1e-10


def residuals(problem: Problem, params: PyTree) -> Float[Array, " N"]:
    """h(theta) - y, over all examples and the entries of their outputs.

    Raises:
        ValueError: outputs and targets of different shapes.
    """
    outputs = problem.predict(params, problem.x)
    if outputs.shape != problem.y.shape:
        raise ValueError(f"outputs of shape {outputs.shape} and targets of shape {problem.y.shape} must have one shape")
    return (outputs - problem.y).ravel()


def output_jacobian(problem: Problem, params: PyTree) -> Float[Array, "N p"]:
    """J: one row per example and entry of its output; its columns in the order of `jax.flatten_util.ravel_pytree`."""
    theta, unravel = ravel_pytree(params)
    return jax.jacrev(lambda t: problem.predict(unravel(t), problem.x).ravel())(theta)


def pseudo_solve(
    J: Float[Array, "N p"], rhs: Float[Array, " N"], rank_tolerance: float | None = None
) -> Float[Array, " p"]:
    """J^+ rhs, the shortest of the solutions of least squares.

    Args:
        J: any matrix.
        rhs: right-hand side.
        rank_tolerance: singular values below this multiple of the largest count as zero; by default 1e-10, or what
            the precision of J can tell from zero where that is more.
    """
    U, s, Vt = jnp.linalg.svd(J, full_matrices=False)
    kept = _kept(s, J, rank_tolerance)
    return ((U.T @ rhs) * jnp.where(kept, 1 / jnp.where(kept, s, 1.0), 0.0)) @ Vt


def tangent_part(
    J: Float[Array, "N p"], v: Float[Array, " p"], rank_tolerance: float | None = None
) -> Float[Array, " p"]:
    """P_N v, the part of v in the null space of J.

    Args:
        J: any matrix.
        v: a direction.
        rank_tolerance: as in `pseudo_solve`; the directions of singular values that count as zero are null.
    """
    _, s, Vt = jnp.linalg.svd(J, full_matrices=False)
    kept = Vt * _kept(s, J, rank_tolerance)[:, None]
    return v - (kept @ v) @ kept


def _kept(s: Float[Array, " k"], J: Float[Array, "N p"], rank_tolerance: float | None) -> Array:
    """Which singular values are not zero."""
    if rank_tolerance is None:
        rank_tolerance = max(_RANK_TOLERANCE, max(J.shape) * float(jnp.finfo(J.dtype).eps))
    return s > rank_tolerance * s[0]


def to_zero_error(problem: Problem, params: PyTree, *, steps: int = 20) -> PyTree:
    """`steps` minimum-norm Gauss-Newton steps from `params`; near solutions with J of full rank they converge
    quadratically, and to first order to the nearest one.

    Nothing says whether zero error was reached: look at `residuals` of what is returned.

    Raises:
        ValueError: a negative number of steps, or outputs and targets of different shapes.
    """
    if steps < 0:
        raise ValueError(f"steps must not be negative, got {steps}")

    def step(theta: Array, _: None) -> tuple[Array, None]:
        J = output_jacobian(problem, unravel(theta))
        return theta - pseudo_solve(J, residuals(problem, unravel(theta))), None

    theta, unravel = ravel_pytree(params)
    theta, _ = jax.lax.scan(step, theta, None, length=steps)
    return unravel(theta)
