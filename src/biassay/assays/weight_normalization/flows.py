"""The flow itself, integrated: does it end where the exact limit says, and how far has it come when it does not end.

Lanes of one program wait for the slowest of them, so that every arm is a simulation of its own; the program is
compiled once. Weight normalization moves r^2 times as fast as plain flow: its time is shortened by the r^2 to come,
max(r0^2, sum_i |x*_i|^(2/L)), which also evens out how stiff the lanes are.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...dynamics import AbstractDynamics, GradientFlow
from ...simulation import PerSeed, Simulation, simulate
from .config import Config
from .polar import FORMS, PROBES, Coordinates, Flow, flows
from .systems import Systems, Variables, arms, limits

ENDED = 1e-7
"""A flow with a residual |A x - y| below this is stopped."""
COMPARABLE = 1e-6
"""A flow with a residual above this is not compared with an exact limit."""
DISTINCT = 1e-3
"""Nor is it where the limits of all arms lie closer together than this (in units of |x*|): any of them would do."""

RECORDS = 20

_MAX_STEPS = 16_384


def integrate(
    flow: Flow, begin: PerSeed[Coordinates], time: Float[np.ndarray, " lane"], label: str, ended: float | None = None
) -> Simulation:
    """The flows from `begin` for a `time`, recorded at equal intervals; they stop once no residual is above `ended`."""
    # In NumPy, so that where an earlier run has left the rates does not compile the program anew.
    dt = jnp.asarray(time * np.asarray(begin.value.rate) / RECORDS)
    dynamics: PerSeed[AbstractDynamics] = PerSeed(GradientFlow(dt, rtol=1e-11, atol=1e-13, max_steps=_MAX_STEPS))
    return simulate(
        flow.problem,
        dynamics,
        begin,
        steps=RECORDS,
        probes=PROBES,
        record=RECORDS,
        seeds=len(time),
        until=None if ended is None else lambda last: bool((last["residual"] < ended).all()),
        label=label,
    )


def furthest_limits(x: Float[np.ndarray, "seed arm alpha d"]) -> Float[np.ndarray, "seed arm alpha d"]:
    """For every arm the limit, of another arm of the same system and start, that is furthest from its own."""
    apart = np.linalg.norm(x[:, :, None] - x[:, None], axis=-1)  # (seed, arm, other arm, alpha)
    return np.take_along_axis(x, apart.argmax(axis=2)[..., None], axis=1)


def integrated(config: Config, systems: Systems) -> Variables:
    """Every arm at every depth from every `flow_alpha`."""
    chosen = arms(config.flow_eta, config.flow_exponential_eta)
    alphas, seeds = np.array(config.flow_alpha), config.seeds
    alpha = np.repeat(alphas, seeds)
    A, y = (np.concatenate([part] * len(alphas)) for part in (systems.A, systems.y))

    def run(name: str, form: str, eta: float, depth: int) -> list[np.ndarray]:
        same = np.ones(len(alpha))
        flow = flows(A, y, config.sparsity, alpha, FORMS[form] * same, eta * same, depth * same)
        time = config.horizon / flow.speed
        outcome = integrate(flow, flow.begin, time, f"flow, {name}, L = {depth}", ended=ENDED)
        ends = (outcome.data[name].values[:, -1] for name in ("x", "residual", "unit_error", "clock"))
        return [end.reshape(len(alphas), seeds, *end.shape[1:]) for end in ends]

    found = [[run(*arm, depth) for depth in config.flow_depth] for arm in chosen]

    def gathered(part: int) -> np.ndarray:
        """(arm, depth, alpha, seed, ...) -> (seed, arm, alpha, depth, ...)."""
        return np.moveaxis(np.array([[end[part] for end in row] for row in found]), (3, 0, 2, 1), (0, 1, 2, 3))

    x, residual, unit_error, clock = map(gathered, range(4))
    exact = limits(systems, alphas, chosen).x
    other = furthest_limits(exact)
    size = np.linalg.norm(systems.x, axis=-1)[:, None, None, None]

    def gap(to: np.ndarray) -> np.ndarray:
        """Distance over |x*| to limits that are those of L = 2."""
        return np.where(np.array(config.flow_depth) == 2, np.linalg.norm(x - to[:, :, :, None], axis=-1) / size, np.nan)

    distinct = np.linalg.norm(other - exact, axis=-1)[..., None] / size > DISTINCT

    own = ("seed", "flow_arm", "flow_alpha", "flow_depth")
    return {
        "flow_error": (own, systems.error(x), "relative error of the flow when it was stopped"),
        "flow_residual": (own, residual, "residual |A x − y| of the flow when it was stopped"),
        "flow_gap": (own, gap(exact), "distance of the flow to its exact limit over |x*|"),
        "flow_gap_other": (
            own,
            np.where(distinct, gap(other), np.nan),
            "the same to the furthest limit of another arm",
        ),
        "flow_unit_error": (own, unit_error, "||u|² − 1| when the flow was stopped"),
        "flow_clock": (own, clock, "time of the flow on the clock of plain flow"),
    }
