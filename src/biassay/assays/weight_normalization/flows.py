"""The flow itself, integrated: does it end where the exact limit says, and how far has it come when it does not end.

Lanes of one program wait for the slowest of them, so that every arm is a simulation of its own; the program is
compiled once. Weight normalization moves r^2 times as fast as plain flow: its time is shortened by the r^2 to come,
max(r0^2, sum_i |x*_i|^(2/L)), which also evens out how stiff the lanes are.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ...dynamics import AbstractDynamics, GradientFlow
from ...simulation import PerSeed, simulate
from .config import Config
from .polar import FORMS, PROBES, flow_problems, start
from .systems import Systems, Variables, arms, limits

ENDED = 1e-7
"""A flow with a residual |A x - y| below this is stopped."""
COMPARABLE = 1e-6
"""A flow with a residual above this is not compared with an exact limit."""

RECORDS = 20

_MAX_STEPS = 16_384


def flow(time: np.ndarray) -> PerSeed[AbstractDynamics]:
    """Gradient flow for a `time` (lane,), in steps from record to record."""
    return PerSeed(GradientFlow(jnp.asarray(time / RECORDS), rtol=1e-11, atol=1e-13, max_steps=_MAX_STEPS))


def integrated(config: Config, systems: Systems) -> Variables:
    """Every arm at every depth from every `flow_alpha`."""
    chosen = arms(config.flow_eta, config.flow_exponential_eta)
    alphas, seeds, n = np.array(config.flow_alpha), config.seeds, 2 * config.d
    lanes = len(alphas) * seeds
    alpha = np.repeat(alphas, seeds)
    problem = flow_problems(*(np.concatenate([part] * len(alphas)) for part in (systems.A, systems.y)))

    def run(name: str, form: str, eta: float, depth: int) -> list[np.ndarray]:
        speed = 1.0 if form == "plain" else np.maximum(n * alpha**2, config.sparsity)
        same = np.ones(lanes)
        outcome = simulate(
            problem,
            flow(config.horizon / speed * same),
            start(n, alpha, FORMS[form] * same, eta * same, depth * same),
            steps=RECORDS,
            probes=PROBES,
            record=RECORDS,
            seeds=lanes,
            until=lambda last: bool((last["residual"] < ENDED).all()),
            label=f"flow, {name}, L = {depth}",
        )
        ends = (outcome.data[name].values[:, -1] for name in ("x", "residual", "unit_error", "clock"))
        return [end.reshape(len(alphas), seeds, *end.shape[1:]) for end in ends]

    found = [[run(*arm, depth) for depth in config.flow_depth] for arm in chosen]

    def gathered(part: int) -> np.ndarray:
        """(arm, depth, alpha, seed, ...) -> (seed, arm, alpha, depth, ...)."""
        return np.moveaxis(np.array([[end[part] for end in row] for row in found]), (3, 0, 2, 1), (0, 1, 2, 3))

    x, residual, unit_error, clock = map(gathered, range(4))
    exact = limits(systems, alphas, chosen).x[:, :, :, None]
    size = np.linalg.norm(systems.x, axis=-1)[:, None, None, None]

    def gap(to: np.ndarray) -> np.ndarray:
        """Distance over |x*| to limits that are those of L = 2."""
        return np.where(np.array(config.flow_depth) == 2, np.linalg.norm(x - to, axis=-1) / size, np.nan)

    own = ("seed", "flow_arm", "flow_alpha", "flow_depth")
    return {
        "flow_error": (own, systems.error(x), "relative error of the flow when it was stopped"),
        "flow_residual": (own, residual, "residual |A x − y| of the flow when it was stopped"),
        "flow_gap": (own, gap(exact), "distance of the flow to its exact limit over |x*|"),
        "flow_gap_other": (own, gap(np.roll(exact, 1, axis=1)), "the same to the exact limit of another arm"),
        "flow_unit_error": (own, unit_error, "||u|² − 1| when the flow was stopped"),
        "flow_clock": (own, clock, "time of the flow on the clock of plain flow"),
    }
