"""Escape: from a zero-error point that is not stable, how far does label noise go in eta^-1.6 steps?

h: a tanh network of 10 units on the single point x = (1, .5, -.5), y = 1; loss (h - y)^2, label noise s. At the step
size eta SGD runs for t = eta^-1.6 steps, so that the drift covers P_N grad reg eta^2 s^2 t, in proportion to eta^0.4.

    unstable start   a network drawn from N(0, 1), brought to zero error the shortest way
    stable start     where the drift flow from it has ended: P_N grad reg = 0

Draws from which the flow has not ended in the drift time 80 (about one in thirty: a unit is saturated, and its drift
exponentially small) are passed over.

The distance from the start has two parts: across the zero-error set the noise keeps a width of the order of eta^0.5,
at stable points as well; along the set, in the null space of the start's Jacobian, nothing but the drift adds up. The
exponents 0.5 and 0.4 are too near to be told apart, so the second part is judged.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ...dynamics import LabelNoise
from ...errors import UserError
from ...problem import Problem, squared_error
from ...references import drift as drift_velocity
from ...references import drift_flow, drift_time, output_jacobian, regularizer, residuals, tangent_part, to_zero_error
from ...simulation import PerSeed, simulate
from .config import Config
from .limits import rounded_down
from .networks import Network, tanh_network

Variables: TypeAlias = dict[str, tuple[Any, ...]]

UNITS, POINT, TARGET = 10, (1.0, 0.5, -0.5), 1.0
STARTS = ("unstable", "stable")
EXPONENT = 1.6
"""The time in steps is eta^-EXPONENT."""
SETTLED = 1e-6
"""The drift flow has ended where |P_N grad reg| is this share of |grad reg|, or less."""
_SETTLING_TIME, _SETTLING_STEPS = 80.0, 8000
"""Drift time of the flow to a stable point, and its Euler steps."""
_ZERO = 1e-12
_FLOW_STEPS = 40


class Distance(NamedTuple):
    """From a start to an end. tangent: the part in the null space of the start's Jacobian; raw: the whole; fallen: by
    how much reg is less, the end brought to zero error; loss: (h - y)^2 at the end."""

    tangent: Array
    raw: Array
    fallen: Array
    loss: Array


def one_point() -> Problem:
    """h(x) = y with tanh units."""
    return Problem(tanh_network, jnp.array([POINT]), jnp.array([TARGET]), squared_error)


def steps_of(lr: float) -> int:
    """eta^-1.6."""
    return round(lr**-EXPONENT)


@jax.jit
@jax.vmap
def _zero_error(params: Network) -> Network:
    return to_zero_error(one_point(), params)


@jax.jit
@jax.vmap
def _settled(params: Network) -> Network:
    return drift_flow(one_point(), params, _SETTLING_TIME, steps=_SETTLING_STEPS, polish=1)


@jax.jit
@jax.vmap
def _start(params: Network) -> tuple[Array, Array, Array, Array]:
    """reg, |P_N grad reg|, its share of |grad reg|, and |h - y|."""
    problem = one_point()
    theta, unravel = ravel_pytree(params)
    reg, gradient = jax.value_and_grad(lambda t: regularizer(problem, unravel(t)))(theta)
    speed = jnp.linalg.norm(ravel_pytree(drift_velocity(problem, params))[0])
    return reg, speed, speed / jnp.linalg.norm(gradient), jnp.abs(residuals(problem, params)).max()


@jax.jit
@jax.vmap
def _distance(start: Network, end: Network) -> Distance:
    problem = one_point()
    moved = ravel_pytree(end)[0] - ravel_pytree(start)[0]
    return Distance(
        tangent=jnp.linalg.norm(tangent_part(output_jacobian(problem, start), moved)),
        raw=jnp.linalg.norm(moved),
        fallen=regularizer(problem, start) - regularizer(problem, to_zero_error(problem, end)),
        loss=problem.risk(end),
    )


@jax.jit
def _flowed(params: Network, taus: Float[Array, " k"]) -> Float[Array, "run k"]:
    """How far along the set the drift flow has come from every start after every time."""

    def one(start: Network, tau: Array) -> Array:
        moved = ravel_pytree(drift_flow(one_point(), start, tau, steps=_FLOW_STEPS))[0] - ravel_pytree(start)[0]
        return jnp.linalg.norm(tangent_part(output_jacobian(one_point(), start), moved))

    return jax.vmap(jax.vmap(one, (None, 0)), (0, None))(params, taus)


def draw_unstable(config: Config) -> Network:
    """Networks drawn from N(0, 1) and brought to zero error; some more than runs, as not every one can be used."""
    draws = config.escape_runs + config.escape_runs // 4 + 8
    rng = np.random.default_rng([config.seed, 2])
    w, c = rng.normal(size=(draws, UNITS, len(POINT))), rng.normal(size=(draws, UNITS))
    return _zero_error(Network(jnp.asarray(w), jnp.asarray(c)))


def check_escape(config: Config) -> None:
    """SGD is stable at every draw, and so at every start: the drift flow to the stable ones lowers reg.

    Raises:
        UserError: it need not be.
    """
    reg, *_ = _start(draw_unstable(config))
    # One point and h - y -> (1 - 2 eta |grad h|^2) (h - y), where |grad h|^2 = reg.
    limit = 1 / float(reg.max())
    if not max(config.escape_lr) < limit:
        raise UserError(
            f"escape_lr must be below {rounded_down(limit)}, where SGD is stable at every start, "
            f"got {max(config.escape_lr):g}"
        )


def draw_starts(config: Config) -> tuple[Network, np.ndarray]:
    """The unstable starts and then the stable ones, in one leading axis; and which draws they are (0, 1, ...).

    Raises:
        UserError: too few draws can be used.
    """
    runs = config.escape_runs
    unstable = draw_unstable(config)
    draws = len(unstable.c)
    stable = _settled(unstable)
    _, _, share, error = _start(stable)
    chosen = np.flatnonzero((share < SETTLED) & (error < _ZERO))[:runs]
    if chosen.size < runs:
        raise UserError(f"escape_runs={runs}: only {chosen.size} of {draws} starts settle in time, ask for fewer")
    return jax.tree.map(lambda *leaves: np.concatenate([leaf[chosen] for leaf in leaves]), unstable, stable), chosen


def escape(config: Config) -> Variables:
    """Both kinds of starts at every step size; `check_escape` says beforehand whether SGD is stable there.

    Raises:
        UserError: too few draws can be used.
    """
    runs, lrs = config.escape_runs, np.array(config.escape_lr)
    starts, chosen = draw_starts(config)
    reg, speed, share, error = (np.asarray(part).reshape(len(STARTS), runs) for part in _start(starts))

    def distance(lr: float) -> Distance:
        run = simulate(
            one_point(),
            LabelNoise(lr, config.escape_std),
            PerSeed(starts),
            steps=steps_of(lr),
            record=1,
            seeds=2 * runs,
            seed=config.seed,
            label=f"escape, lr {lr:g}",
        )
        # Fetched first: a matrix factorisation of arrays that are split among devices may wait for ever.
        return _distance(starts, jax.device_get(run.params))

    ends = [distance(lr) for lr in lrs]
    found = jax.tree.map(lambda *leaves: np.stack(leaves).reshape(-1, len(STARTS), runs), *ends)
    taus = np.array([drift_time(steps_of(lr), lr, config.escape_std, batch_size=1) for lr in lrs])
    unstable = jax.tree.map(lambda leaf: leaf[:runs], starts)
    each, start = ("escape_lr", "escape_start", "escape_run"), ("escape_start", "escape_run")
    return {
        "escape_draw": (("escape_run",), chosen, "number of the draw"),
        "escape_tangent": (each, found.tangent, "distance from the start along the set of zero error"),
        "escape_raw": (each, found.raw, "distance from the start"),
        "escape_fallen": (each, found.fallen, "decrease of reg"),
        "escape_loss": (each, found.loss, "squared error at the end"),
        "escape_flow": (
            ("escape_lr", "escape_run"),
            np.asarray(_flowed(unstable, taus)).T,
            "the same distance along the set of the drift flow from the unstable start",
        ),
        "escape_slow_flow": (
            ("escape_lr", "escape_run"),
            np.asarray(_flowed(unstable, taus / 2)).T,
            "the same of the flow at half the speed: after half the drift time",
        ),
        "escape_linear": (
            ("escape_lr", "escape_run"),
            taus[:, None] * speed[0],
            "drift at the unstable start x drift time",
        ),
        "escape_speed": (start, speed, "drift |P_N grad reg| at the start"),
        "escape_share": (start, share, "|P_N grad reg| / |grad reg| at the start"),
        "escape_reg": (start, reg, "reg at the start"),
        "escape_error": (start, error, "|h − y| at the start"),
        "escape_steps": (("escape_lr",), np.array([steps_of(lr) for lr in lrs]), "steps"),
    }


def escape_coords(config: Config) -> dict[str, Any]:
    """The axes of `escape`."""
    return {
        "escape_lr": ("escape_lr", list(config.escape_lr), {"long_name": "step size η"}),
        "escape_start": list(STARTS),
        "escape_run": np.arange(config.escape_runs),
    }
