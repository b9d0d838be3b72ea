r"""Is grad reg zero up to rounding? Asked of the second derivatives alone, so that no origin of the parameters matters.

With rows g_r of J and Hessians H_r of the outputs, by Cauchy and Schwarz

    |grad reg| = (2/n) |sum_r H_r g_r| <= 2 sqrt(reg) sqrt((1/n) sum_r |H_r|_F^2) = bound,

and rounding leaves a share of about eps of the bound where the sum cancels. For independent standard normal u and v,
E[(u^T H_r v)^2] = |H_r|_F^2: a few such pairs give its size. Where the outputs are linear, all of it is 0.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..problem import Problem

_PAIRS = 3


@jax.jit
def _bilinear(problem: Problem, params: PyTree, u: Float[Array, " p"], v: Float[Array, " p"]) -> Float[Array, " N"]:
    """u^T H_r v."""
    theta, unravel = ravel_pytree(params)

    def slopes(w: Float[Array, " p"]) -> Float[Array, " N"]:
        return jax.jvp(lambda w: problem.predict(unravel(w), problem.x).ravel(), (w,), (u,))[1]

    return jax.jvp(slopes, (theta,), (v,))[1]


def gradient_bound(problem: Problem, params: PyTree, reg: float, seed: int = 0) -> float:
    """2 sqrt(reg) sqrt((1/n) sum_r |H_r|_F^2), its order of magnitude."""
    theta = ravel_pytree(params)[0]
    draw, total = np.random.default_rng(seed), 0.0
    for _ in range(_PAIRS):
        u, v = (jnp.asarray(draw.normal(size=theta.size), theta.dtype) for _ in range(2))
        total += float(np.sum(np.square(np.asarray(_bilinear(problem, params, u, v), float))))
    return 2 * math.sqrt(reg * total / (_PAIRS * problem.size))
