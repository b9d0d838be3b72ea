"""Plain and weight-normalized gradient flow of a diagonal linear network, in coordinates with a linear invariant.

With D = [A, -A], h = D^T (D w^L - y), w = r u, |u| = 1 and the magnitude eta times as fast as the direction,

    linear         r = g        g' = -eta <u, grad f>
    exponential    r = e^g      g' = -eta <w, grad f>        u' = -r (I - u u^T) grad f,     grad f = L w^(L-1) h.

In l = log u and R = r^2 / (2 eta) ("linear") or (log r) / eta ("exponential"), with s = L sum_i u_i^L h_i,

    R' = -r^L s,        l' = -r^L (L u^(L-2) h - s).

So for z with D z = 0 the flow conserves z . (l + R) at L = 2, and z . (u e^R)^(2-L) above. Plain flow,
(log w)' = -L w^(L-2) h, is the case r = 1 without s, where l = log w; it conserves z . log w or z . w^(2-L).

The logarithms are taken before the integration: a small u would lose its digits, and the invariant with them.

`GradientFlow` integrates minus the gradient of a problem. The problem here hands it minus the velocity above. What a
lane is (its form, eta, L and unit of time) travels with its coordinates and stands still, so that one compiled program
serves all of them; the clock of plain flow, int r^2 dt, runs along.

The unit of time is that of a lane's fastest motion: Diffrax 0.7 begins every integration with a step of 0.01, and one
that overflows is not recovered from.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models.linear_regression import sum_of_squares
from ...problem import Problem
from ...simulation import PerSeed

PLAIN, LINEAR, EXPONENTIAL = 0.0, 1.0, 2.0
FORMS = {"plain": PLAIN, "linear": LINEAR, "exponential": EXPONENTIAL}


class Coordinates(NamedTuple):
    """R (0 for plain flow), l = log u of length n = 2d (log w for plain flow), the clock of plain flow; and what stands
    still: form (a value of `FORMS`), eta, the depth L and the rate, units of time in a time of 1.
    """

    R: Float[Array, "*lanes"]
    log_u: Float[Array, "*lanes n"]
    clock: Float[Array, "*lanes"]
    form: Float[Array, "*lanes"]
    eta: Float[Array, "*lanes"]
    depth: Float[Array, "*lanes"]
    rate: Float[Array, "*lanes"]


class Flow(NamedTuple):
    """Flows to integrate, one a lane: their problems, where they begin, and about how many times as fast as plain flow
    the weight-normalized ones will move, r^2 = max(r0^2, |x*|_1).
    """

    problem: PerSeed[Problem]
    begin: PerSeed[Coordinates]
    speed: Float[np.ndarray, " lane"]


def flows(
    A: Float[np.ndarray, "lane m d"],
    y: Float[np.ndarray, "lane m"],
    size: float,
    alpha: Float[np.ndarray, " lane"],
    form: Float[np.ndarray, " lane"],
    eta: Float[np.ndarray, " lane"],
    depth: Float[np.ndarray, " lane"],
) -> Flow:
    """The flows from w = alpha (1, ..., 1), where |x*|_1 = `size` and no entry of x* is larger than 1."""
    n = 2 * A.shape[-1]
    r0 = alpha * np.sqrt(n)
    R = np.where(form == LINEAR, r0**2 / (2 * eta), np.where(form == EXPONENTIAL, np.log(r0) / eta, 0.0))
    log_u = np.where(form == PLAIN, np.log(alpha), -np.log(n) / 2)[:, None] * np.ones(n)
    speed = np.where(form == PLAIN, 1.0, np.maximum(r0**2, size))
    # log w moves at the rate L w^(L-2) h, and h answers to it by L w^L |A|^2.
    w = np.maximum(alpha, 1.0)
    steep, curved = np.abs(np.einsum("lmd,lm->ld", A, y)).max(axis=-1), np.linalg.norm(A, 2, axis=(-2, -1)) ** 2
    rate = speed * depth * w ** (depth - 2) * (steep + depth * w**depth * curved)
    begin = Coordinates(*(jnp.asarray(part) for part in (R, log_u, np.zeros(len(R)), form, eta, depth, rate)))
    return Flow(
        PerSeed(Problem(outputs, jnp.asarray(A), jnp.asarray(y), sum_of_squares, minus_velocity)), PerSeed(begin), speed
    )


def log_radius(p: Coordinates) -> Float[Array, ""]:
    """log r; 0 for plain flow."""
    linear = jnp.log(jnp.where(p.form == LINEAR, 2 * p.eta * p.R, 1.0)) / 2
    return jnp.where(p.form == EXPONENTIAL, p.eta * p.R, linear)


def coefficients(p: Coordinates) -> Float[Array, " d"]:
    """x = w_+^L - w_-^L."""
    plus, minus = jnp.split(jnp.exp(p.depth * (log_radius(p) + p.log_u)), 2)
    return plus - minus


def outputs(p: Coordinates, A: Float[Array, "m d"]) -> Float[Array, " m"]:
    """A x = D w^L."""
    return A @ coefficients(p)


def minus_velocity(p: Coordinates, A: Float[Array, "m d"], y: Float[Array, " m"]) -> Coordinates:
    """Minus the right-hand sides above, in the lane's unit of time and in the place of a gradient."""
    L, plain = p.depth, p.form == PLAIN
    r_to_L, u_to_L = jnp.exp(L * log_radius(p)), jnp.exp(L * p.log_u)
    plus, minus = jnp.split(r_to_L * u_to_L, 2)
    a = (A @ (plus - minus) - y) @ A
    h = jnp.concatenate([a, -a])
    s = jnp.where(plain, 0.0, L * jnp.sum(u_to_L * h))
    still = jnp.zeros_like(L)
    return Coordinates(
        R=r_to_L * s / p.rate,
        log_u=r_to_L * (L * jnp.exp((L - 2) * p.log_u) * h - s) / p.rate,
        clock=-jnp.exp(2 * log_radius(p)) / p.rate,
        form=still,
        eta=still,
        depth=still,
        rate=still,
    )


# --- what is recorded -------------------------------------------------------------------------------------------------


def x(problem: Problem, p: Coordinates) -> Float[Array, " d"]:
    """x = w_+^L - w_-^L."""
    return coefficients(p)


def residual(problem: Problem, p: Coordinates) -> Float[Array, ""]:
    """|A x - y|."""
    return jnp.linalg.norm(outputs(p, problem.x) - problem.y)


def radius(problem: Problem, p: Coordinates) -> Float[Array, ""]:
    """r = |w|."""
    return jnp.where(p.form == PLAIN, jnp.linalg.norm(jnp.exp(p.log_u)), jnp.exp(log_radius(p)))


def unit_error(problem: Problem, p: Coordinates) -> Float[Array, ""]:
    """| |u|^2 - 1 |, 0 for plain flow: what the integrator did wrong."""
    return jnp.where(p.form == PLAIN, 0.0, jnp.abs(jnp.sum(jnp.exp(2 * p.log_u)) - 1))


def clock(problem: Problem, p: Coordinates) -> Float[Array, ""]:
    """Time on the clock of plain flow."""
    return p.clock


def conserved(problem: Problem, p: Coordinates) -> Float[Array, "3 n"]:
    """What z sees: the conserved vector, the same with half of R (a wrong eta), and plain flow's."""

    def vector(log_q: Float[Array, " n"]) -> Float[Array, " n"]:
        return jnp.where(p.depth == 2, log_q, jnp.exp((2 - p.depth) * log_q))

    return jnp.stack([vector(p.log_u + p.R), vector(p.log_u + p.R / 2), vector(p.log_u + log_radius(p))])


PROBES = {
    "x": x,
    "residual": residual,
    "radius": radius,
    "unit_error": unit_error,
    "clock": clock,
    "conserved": conserved,
}
