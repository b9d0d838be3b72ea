"""Small systems whose flows end within reach: what is conserved, and where plain flow would have had to start.

Weight-normalized flow in both forms and at several ratios, early finely and then to its end; plain flow from each of
the effective initializations that these ends give; and, for the exponential form, plain flow to the very times on its
own clock at which the weight-normalized one was recorded. All of them are lanes of one program.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ...references.weight_normalization import log_effective_initialization
from ...simulation import Simulation
from .config import Config
from .flows import integrate
from .polar import FORMS, PLAIN, Flow, flows
from .systems import Systems, Variables, draw_systems

SETTINGS = (
    ("linear", 2.0),
    ("linear", 1.0),
    ("linear", 0.5),
    ("exponential", 1.0),
    ("exponential", 0.5),
)
"""(form, eta) along the axis `setting`."""
NAMES = tuple(f"{form}, η = {eta:g}" for form, eta in SETTINGS)
AS_PLAIN = 3
"""The setting that is plain flow on another clock: the exponential form with ratio 1."""
NOT_PLAIN = 4
"""One of the exponential form that is not."""
ENDED = 5e-10
"""The flows are stopped when all residuals are below this."""
FINISHED = 1e-9
"""Ends are compared where both residuals are below this."""

_EARLY = 10.0
_ON_PATH = (4, 8, 12, 16, 20)


class _Lanes(NamedTuple):
    """Lanes (depth, setting, seed) as one axis: their A, y, alpha, form, eta and depth."""

    A: Float[np.ndarray, "lane m d"]
    y: Float[np.ndarray, "lane m"]
    alpha: Float[np.ndarray, " lane"]
    form: Float[np.ndarray, " lane"]
    eta: Float[np.ndarray, " lane"]
    depth: Float[np.ndarray, " lane"]

    def flow(self, size: float) -> Flow:
        return flows(self.A, self.y, size, self.alpha, self.form, self.eta, self.depth)


def _lanes(config: Config, systems: Systems, shape: tuple[int, int, int]) -> _Lanes:
    def along(axis: int, values: object) -> Float[np.ndarray, " lane"]:
        own = [1, 1, 1]
        own[axis] = -1
        return np.broadcast_to(np.asarray(values, float).reshape(own), shape).ravel()

    copies = shape[0] * shape[1]
    return _Lanes(
        np.concatenate([systems.A] * copies),
        np.concatenate([systems.y] * copies),
        along(0, config.identity_alpha),
        along(1, [FORMS[form] for form, _ in SETTINGS]),
        along(1, [eta for _, eta in SETTINGS]),
        along(0, config.identity_depth),
    )


def identity(config: Config) -> Variables:
    """The conserved vectors, the effective start, and the exponential form beside plain flow."""
    n, size = 2 * config.identity_d, config.identity_sparsity
    systems = draw_systems(config.seed, config.seeds, config.identity_d, config.identity_m, size)
    shape = len(config.identity_depth), len(SETTINGS), config.seeds
    lanes = _lanes(config, systems, shape)

    def split(values: np.ndarray) -> np.ndarray:
        """(lane, ...) -> (seed, depth, setting, ...)."""
        return np.moveaxis(values.reshape(*shape, *values.shape[1:]), 2, 0)

    flow = lanes.flow(size)
    early = integrate(flow, flow.begin, _EARLY / flow.speed, "identity, early")
    time = config.identity_horizon / flow.speed
    late = integrate(flow, early.select(), time, "identity, late", ended=ENDED)
    x, residual, r, unit_error = (
        split(late.data[name].values[:, -1]) for name in ("x", "residual", "radius", "unit_error")
    )

    alpha = np.array(config.identity_alpha)[:, None]
    of_setting = [
        log_effective_initialization(alpha[:, 0], r[:, :, k], n, eta, "linear" if form == "linear" else "exponential")
        for k, (form, eta) in enumerate(SETTINGS)
    ]
    log_alpha = np.stack(of_setting, axis=-1)
    at_effective = lanes._replace(
        alpha=np.exp(np.moveaxis(log_alpha, 0, 2).ravel()), form=np.full_like(lanes.form, PLAIN)
    ).flow(size)
    time = config.identity_horizon / at_effective.speed
    effective = integrate(
        at_effective, at_effective.begin, time, "identity, plain from the effective start", ended=ENDED
    )
    x_effective, residual_effective = (split(effective.data[name].values[:, -1]) for name in ("x", "residual"))
    # Where the setting is plain flow on another clock, the effective start is the start.
    x_plain = x_effective[:, :, [AS_PLAIN]]

    floor = n * alpha**2
    drift = split(_drift(lanes.depth, systems, early, late))
    own = ("seed", "identity_depth", "setting")
    return {
        "drift": (own, drift[..., 0], "change of the conserved vector across ker D"),
        "drift_wrong_eta": (own, drift[..., 1], "change across ker D of the vector with twice the η"),
        "drift_plain": (own, drift[..., 2], "change across ker D of what plain flow conserves"),
        "identity_residual": (own, np.maximum(residual, residual_effective), "larger residual of the two flows"),
        "identity_unit_error": (own, unit_error, "||u|² − 1| at the end"),
        "to_effective": (own, np.linalg.norm(x - x_effective, axis=-1), "distance to the end of plain flow from α_eff"),
        "to_plain": (own, np.linalg.norm(x - x_plain, axis=-1), "distance to the end of plain flow from α"),
        "identity_mass_above": (own, (r**2 - floor) / floor, "(|w|² − r₀²) / r₀² at the end"),
        "identity_l1_above": (own, (np.abs(x).sum(axis=-1) - floor) / floor, "(|x|₁ − r₀²) / r₀² at the end"),
        "effective_ratio": (own, np.exp(log_alpha) / alpha, "α_eff / α"),
        **_paths(lanes, size, split(np.arange(len(lanes.form)))[:, 0], early),
    }


def _drift(
    depth: Float[np.ndarray, " lane"], systems: Systems, early: Simulation, late: Simulation
) -> Float[np.ndarray, "lane 3"]:
    """The largest change, over the records and over unit z with D z = 0, of z . v for the three vectors `conserved`.

    Above L = 2, where v is a power, in units of its entries at the start, which are equal.
    """
    D = np.concatenate([systems.A, -systems.A], axis=-1)
    across = np.eye(D.shape[-1]) - np.linalg.pinv(D) @ D
    v = np.concatenate([run.data["conserved"].values for run in (early, late)], axis=1)
    change = v - v[:, :1]
    change = np.where(depth[:, None, None, None] == 2, change, change / v[:, :1])
    seen = np.einsum("sij,csrkj->csrki", across, change.reshape(-1, len(across), *change.shape[1:]))
    return np.linalg.norm(seen, axis=-1).max(axis=2).reshape(len(v), 3)


def _paths(lanes: _Lanes, size: float, shallow: Int[np.ndarray, "seed setting"], early: Simulation) -> Variables:
    """x of two settings of the exponential form at five times, beside plain flow at the same times on its own clock.

    shallow: the numbers of the lanes of the first depth.
    """
    chosen, times = shallow[:, [AS_PLAIN, NOT_PLAIN]], len(_ON_PATH)
    x, clock = (early.data[name].values[chosen][:, :, list(_ON_PATH)] for name in ("x", "clock"))
    # Lanes (setting, time, seed), each to its own time.
    lane = np.tile(shallow[:, AS_PLAIN], 2 * times)
    picked = _Lanes(*(part[lane] for part in lanes))
    flow = picked._replace(form=np.full(len(lane), PLAIN)).flow(size)
    run = integrate(flow, flow.begin, clock.transpose(1, 2, 0).ravel(), "identity, plain on its own clock")
    plain = run.data["x"].values[:, -1].reshape(2, times, len(shallow), -1).transpose(2, 0, 1, 3)
    own = ("seed", "path_setting", "path_time")
    return {
        "path_gap": (own, np.linalg.norm(x - plain, axis=-1), "distance of x to plain flow at equal clocks"),
        "path_clock": (own, clock, "time on the clock of plain flow"),
    }
