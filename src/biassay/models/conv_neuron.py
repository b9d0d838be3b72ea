"""A one-hidden-layer convolutional ReLU network without overlap, and its risk over Gaussian inputs in closed form.

    f(w, x) = (1/k) sum_{j=1..k} relu(w . x_j),     x = (x_1, ..., x_k), the patches x_j ~ N(0, I_d) independent.

The truth is a network of the same form with weights w*. With the angle t between w and w*,

    g(w, w*) = E relu(w . x) relu(w* . x) = |w||w*| (sin t + (pi - t) cos t) / (2 pi),
    b = (k^2 - k) / (2 pi),     a = b + k / 2,

the population risk L(w) = E (f(w, x) - f(w*, x))^2 and its gradient are

    L(w)      = (1/k^2) [ a (|w|^2 + |w*|^2) - 2 k g(w, w*) - 2 b |w||w*| ],
    grad L(w) = (1/k^2) [ 2 a w - (k/pi) (|w*| sin t w/|w| + (pi - t) w*) - 2 b |w*| w/|w| ].

k enters through a and b alone. L(w*) = 0; the Hessian there is 1/k across w* and 2a/k^2 along it. The model is that of
Dinh and Xin, arXiv 1812.05719; the closed form is worked out here.
"""

from __future__ import annotations

from functools import cache
from math import pi
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Scalar

from ..problem import Problem


def predict(w: Float[Array, " d"], x: Float[Array, "n k d"]) -> Float[Array, " n"]:
    """f(w, x) for inputs of k patches."""
    return jnp.mean(jax.nn.relu(x @ w), axis=1)


def constants(k: int) -> tuple[float, float]:
    """a and b for k patches."""
    b = (k**2 - k) / (2 * pi)
    return b + k / 2, b


def angle(u: Float[Array, " d"], v: Float[Array, " d"]) -> Scalar:
    """The angle between u and v in [0, pi], exact to rounding where they are parallel; 0 where one of them is 0.

    2 atan2(|p - q|, |p + q|) with p = |v| u and q = |u| v; an arccos would lose half of the digits at 0 and pi.
    """
    p, q = jnp.linalg.norm(v) * u, jnp.linalg.norm(u) * v
    return 2 * jnp.arctan2(jnp.linalg.norm(p - q), jnp.linalg.norm(p + q))


def population_risk(w: Float[Array, " d"], truth: Float[Array, " d"], k: int) -> Scalar:
    """L(w), the mean squared error over Gaussian inputs of k patches."""
    a, b = constants(k)
    t, r, m = angle(w, truth), jnp.linalg.norm(w), jnp.linalg.norm(truth)
    g = r * m * (jnp.sin(t) + (pi - t) * jnp.cos(t)) / (2 * pi)
    return (a * (r**2 + m**2) - 2 * k * g - 2 * b * r * m) / k**2


def population_gradient(w: Float[Array, " d"], truth: Float[Array, " d"], k: int) -> Float[Array, " d"]:
    """grad L(w). At w = 0, where L has a kink, the terms with w/|w| count as 0."""
    a, b = constants(k)
    t, r, m = angle(w, truth), jnp.linalg.norm(w), jnp.linalg.norm(truth)
    unit = w / jnp.where(r > 0, r, 1)
    return (2 * a * w - k / pi * (m * jnp.sin(t) * unit + (pi - t) * truth) - 2 * b * m * unit) / k**2


def hessian_at_truth(truth: Float[Array, " d"], k: int) -> Float[Array, "d d"]:
    """The Hessian of L at w*: eigenvalue 2a/k^2 along w*, 1/k across it."""
    a, _ = constants(k)
    unit = truth / jnp.linalg.norm(truth)
    along = jnp.outer(unit, unit)
    return 2 * a / k**2 * along + (jnp.eye(len(truth)) - along) / k


def best_on_support(support: Float[Array, " d"], truth: Float[Array, " d"], k: int) -> Float[Array, " d"]:
    """The minimum of L over all w that are zero where `support` is zero; w* itself if its support is among them.

    L depends on |w| and t only, and falls with cos t: the direction is that of w* without the missing entries, the
    length m (k h + b) / a with h = g / (|w||w*|). Zero where the supports do not meet: then no direction is best.
    """
    a, b = constants(k)
    kept = jnp.where(support != 0, truth, 0)
    t, r, m = angle(kept, truth), jnp.linalg.norm(kept), jnp.linalg.norm(truth)
    h = (jnp.sin(t) + (pi - t) * jnp.cos(t)) / (2 * pi)
    return m * (k * h + b) / a * kept / jnp.where(r > 0, r, 1)


@cache
def _closed_form(k: int) -> tuple[Any, Any]:
    """Prediction and gradient of `population_problem`, the same functions for the same k, so that they compile once."""

    def risk(w: Float[Array, " d"], truth: Float[Array, "1 d"]) -> Float[Array, "1"]:
        return population_risk(w, truth[0], k)[None]

    def gradient(w: Float[Array, " d"], truth: Float[Array, "1 d"], y: Float[Array, "1"]) -> Float[Array, " d"]:
        return population_gradient(w, truth[0], k)

    return risk, gradient


def _itself(risk: Float[Array, "1"], y: Float[Array, "1"]) -> Float[Array, "1"]:
    return risk


def population_problem(truth: Float[Array, "*seeds d"], k: int) -> Problem:
    """Minimise L over w in R^d: one "example", x = w*, whose loss is L itself. Nothing is sampled.

    A leading axis of seeds makes the problems of a `PerSeed`.

    Raises:
        ValueError: k below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1 patch, got {k}")
    risk, gradient = _closed_form(k)
    return Problem(risk, truth[..., None, :], jnp.zeros((*truth.shape[:-1], 1), truth.dtype), _itself, gradient)
