"""The stability test where the answer is known: random zero-error points, and where the drift flow ends.

    h(x) = sum_j c_j tanh(w_j . x),        ten units, one point x with y = 1, weights ~ N(0, 1) taken to zero error.

`label_noise_stability` is asked along the drift flow of every network: at the start, which label noise leaves, and so
on to the end, which it keeps. The same network with its outer layer alone trained is linear in its parameters: reg is
constant and the ratio exactly 0. A point moved off zero error, by a share of its norm along grad h, must be refused.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ...problem import Problem, squared_error
from ...references.label_noise_drift import drift_flow
from ...references.zero_error import output_jacobian, to_zero_error
from ...stability import NotCoveredError, Stability, label_noise_stability
from .config import Config
from .networks import Network, tanh_network

Variables: TypeAlias = dict[str, tuple[Any, ...]]

X, Y = np.array([[1.0, 0.5, -0.5]]), np.array([1.0])
UNITS = 10
OFF = 0.3
"""How far the points off zero error are moved, in units of their norm."""

_RECORDS = 12
_STEPS = 400
_LONGEST = 20.0
"""Drift time of one call of the flow, in so many Euler steps that each is short beside 1 / the curvature of reg."""


def outer_layer(c: Float[Array, " m"], activations: Float[Array, "b m"]) -> Float[Array, " b"]:
    """The same network with fixed units: linear in its parameters."""
    return activations @ c


def record_times(config: Config) -> np.ndarray:
    """0, and drift times that double up to the last."""
    return np.concatenate([[0.0], config.stability_time / 2.0 ** np.arange(_RECORDS - 1, -1, -1)])


def draw(config: Config) -> Network:
    """Weights ~ N(0, 1), with the leading axis (seed,)."""
    rngs = [np.random.default_rng([config.seed + i, 7]) for i in range(config.seeds)]
    w, c = zip(*((rng.normal(size=(UNITS, X.shape[1])), rng.normal(size=UNITS)) for rng in rngs), strict=True)
    return Network(jnp.asarray(w), jnp.asarray(c))


def _start(problem: Problem, drawn: Network) -> tuple[Network, Network]:
    """The zero-error point that Gauss-Newton steps lead to, and the same moved off it."""
    start = to_zero_error(problem, drawn)
    theta, unravel = ravel_pytree(start)
    across = output_jacobian(problem, start)[0]
    return start, unravel(theta + OFF * jnp.linalg.norm(theta) * across / jnp.linalg.norm(across))


def paths(config: Config) -> tuple[Problem, Network, Network]:
    """The problem; every network at every record, with leading axes (record, seed); and off zero error, (seed,)."""
    problem = Problem(tanh_network, jnp.asarray(X), jnp.asarray(Y), squared_error)
    point, off = jax.jit(jax.vmap(_start, (None, 0)))(problem, draw(config))
    flow = jax.jit(jax.vmap(lambda at, tau: drift_flow(problem, at, tau, steps=_STEPS, polish=2), (0, None)))
    points = [point]
    for time in np.diff(record_times(config)):
        calls = int(np.ceil(time / _LONGEST))
        for _ in range(calls):
            point = flow(point, time / calls)
        points.append(point)
    return problem, jax.tree.map(lambda *leaves: jnp.stack(leaves), *points), off


def ask(problem: Problem, params: Any) -> Stability | None:
    """What the test says, None where it refuses the point."""
    try:
        return label_noise_stability(problem, params)
    except NotCoveredError:
        return None


def stability_coords(config: Config) -> dict[str, Any]:
    """The axes of the variables of `stability`."""
    return {
        "seed": ("seed", np.arange(config.seed, config.seed + config.seeds), {"long_name": "seed"}),
        "stability_tau": ("stability_tau", record_times(config), {"long_name": "drift time"}),
    }


def stability(config: Config) -> Variables:
    """The test along the drift flow, on the linear model, and off zero error."""
    problem, points, off = paths(config)
    seeds = range(config.seeds)

    def at(tree: Network, *index: int) -> Network:
        return jax.tree.map(lambda leaf: leaf[index], tree)

    def linear(start: Network) -> Stability | None:
        units = jnp.tanh(problem.x @ start.w.T)
        return ask(Problem(outer_layer, units, problem.y, squared_error), start.c)

    def ratio(told: Stability | None) -> float:
        return np.nan if told is None else told.ratio

    told = [[ask(problem, at(points, record, seed)) for record in range(_RECORDS + 1)] for seed in seeds]
    reg = [[np.nan if t is None else t.reg for t in row] for row in told]
    called = [[t is not None and t.verdict == "stable" for t in row] for row in told]
    own, alone = ("seed", "stability_tau"), ("seed",)
    return {
        "stability_ratio": (own, np.array([[ratio(t) for t in row] for row in told]), "|P_N ∇reg| / |∇reg|"),
        "stability_reg": (own, np.array(reg), "reg"),
        "stability_stable": (own, np.array(called), "whether the test calls the point stable"),
        "stability_linear": (
            alone,
            np.array([ratio(linear(at(points, 0, seed))) for seed in seeds]),
            "|P_N ∇reg| / |∇reg| of a model linear in its parameters",
        ),
        "stability_refused_on": (
            alone,
            np.array([row[0] is None for row in told]),
            "whether the test refuses a random zero-error point",
        ),
        "stability_refused_off": (
            alone,
            np.array([ask(problem, at(off, seed)) is None for seed in seeds]),
            "whether the test refuses a point off zero error",
        ),
    }
