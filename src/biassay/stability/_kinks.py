"""Does the derivative of a model jump at a point, or near it? Asked of any model, from its slopes alone.

For a displacement u of the parameters let s(e) = J(theta + e u) u, one slope for each output, and a(e) = s(e) - s(-e).
Where the outputs are smooth, a is odd, a(e) = 2 e s'(0) + O(e^3), so that

    jump(e) = |a(e) - 4 a(e/4)| / 3

is of third order. Where a kink lies at theta itself, a(e) and a(e/4) are both what the slope jumps by, and jump(e) is
the size of that, however small e is; a kink between the two scales leaves a third of it. So one number separates kinks
from curvature, and neither the model's layers nor its activations need be known. What jumps only in its second
derivative is not seen.

The displacements are Gaussian, of length |theta|, so that e is relative to |theta|. Of such a displacement a share of
about 1 / sqrt(p) points across a given kink.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree, Scalar

from ..problem import Problem

DIRECTIONS = 3


@jax.jit
def _slopes(problem: Problem, params: PyTree, u: Float[Array, " p"], e: Scalar) -> Float[Array, " N"]:
    """s(e) = J(theta + e u) u."""
    theta, unravel = ravel_pytree(params)
    return jax.jvp(lambda w: problem.predict(unravel(w), problem.x).ravel(), (theta + e * u,), (u,))[1]


def kinks(problem: Problem, params: PyTree, scales: tuple[float, ...], seed: int = 0) -> tuple[float, ...]:
    """The share of J that jumps within each of `scales`, which are relative to |theta|: the largest |jump(e)| / |s|."""
    theta = np.asarray(ravel_pytree(params)[0])
    draw, jumps, size = np.random.default_rng(seed), np.zeros((len(scales), DIRECTIONS)), 0.0
    for direction in range(DIRECTIONS):
        drawn = draw.normal(size=theta.size)
        u = (drawn * (np.linalg.norm(theta) or 1.0) / np.linalg.norm(drawn)).astype(theta.dtype)
        for row, e in enumerate(scales):
            steps = [jnp.asarray(step, theta.dtype) for step in (e, -e, e / 4, -e / 4)]
            right, left, near_right, near_left = (np.asarray(_slopes(problem, params, u, e), float) for e in steps)
            jumps[row, direction] = np.linalg.norm((right - left) - 4 * (near_right - near_left)) / 3
            size = max(size, float(np.linalg.norm(near_right)))
    return tuple(float(jump) / size if size > 0 else 0.0 for jump in jumps.max(axis=1))
