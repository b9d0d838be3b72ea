"""What the part `one_point` of the assay `label-noise` claims, and the control of each claim.

What label noise ends at is judged where the drift equation ends, at times that SGD does not reach; of SGD itself, at
the drift time where it ends, the number of active tanh units and that it follows the drift equation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure

_TANH = "tanh, y = 1"
_LOGISTIC = ("logistic, y = 1", "logistic, y = 3")
_ACTIVE = 1e-2
"""A unit is active when its activation or its outer weight is larger than this."""
_ALIKE = 1e-2
"""Two numbers are alike when they differ by less than this share of the larger one."""
_AT_REST = 1e-3
"""Stable: the part of the gradient of reg that keeps zero error is less than this share of it."""


def active_units(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """How many units are active; a, c (..., unit)."""
    return np.sum(np.maximum(np.abs(a), np.abs(c)) > _ACTIVE, axis=-1)


def distinct_pairs(a: np.ndarray, c: np.ndarray) -> int:
    """How many different (activation, outer weight) there are among units, (unit,): a unit that is not like any one
    before it counts. NaN is like nothing."""
    kinds: list[np.ndarray] = []
    for unit in np.stack([a, c], axis=-1):
        if not any((np.abs(unit - kind) <= _ALIKE * np.maximum(np.abs(unit), np.abs(kind))).all() for kind in kinds):
            kinds.append(unit)
    return len(kinds)


def pairs_of_logistic(prefix: str) -> Measure:
    """Different (activation, outer weight) of the logistic networks, one number a target and start."""

    def measure(data: xr.Dataset) -> np.ndarray:
        a, c = (_logistic(data, f"{prefix}_{name}").reshape(-1, data.sizes["point_unit"]) for name in "ac")
        return np.array([distinct_pairs(*unit) for unit in zip(a, c, strict=True)])

    return measure


def _logistic(data: xr.Dataset, name: str) -> np.ndarray:
    """A variable of the logistic networks, (target, start, ...)."""
    return data[name].sel(point_setting=list(_LOGISTIC)).values


def slope_at_end(data: xr.Dataset, name: str) -> np.ndarray:
    """|P_N grad reg| / |grad reg| of the logistic networks at the last drift time, one number a target and start."""
    return _logistic(data, name)[..., -1].ravel()


def tanh_units(prefix: str) -> Measure:
    """Active tanh units at the end of the drift equation (`point`) or of SGD (`point_sgd`), one number a start."""

    def measure(data: xr.Dataset) -> np.ndarray:
        end = data.sel(point_setting=_TANH)
        return active_units(end[f"{prefix}_a"].values, end[f"{prefix}_c"].values)

    return measure


def quiet_units(data: xr.Dataset) -> np.ndarray:
    """Active tanh units at the end of SGD without noise."""
    return active_units(data["point_quiet_a"].values, data["point_quiet_c"].values)


def reg_ratio(doublings: int) -> Measure:
    """reg of SGD at its last drift time over that of the drift equation at 2^doublings times it, minus 1."""

    def measure(data: xr.Dataset) -> np.ndarray:
        last = data.sizes["point_sgd_tau"] - 1
        sgd, equation = _logistic(data, "point_sgd_reg"), _logistic(data, "point_reg")
        return (sgd[..., last] / equation[..., last + doublings] - 1).ravel()

    return measure


ONE_POINT: dict[str, Any] = {"cite": "blanc2020", "statistic": "every", "min_seeds": 8, "recorded": "holds"}
NO_NOISE = "SGD without noise, which stays where it was put"

CLAIMS = (
    Claim(
        name="tanh-one-unit",
        says="On one point the drift equation of label noise ends with one active tanh unit; the others become zero.",
        provenance="derived",
        measure=tanh_units("point"),
        region=(1.0, 1.0),
        control=quiet_units,
        control_says=NO_NOISE,
        control_region=(3.0, np.inf),
        unit="units larger than 0.01",
        **ONE_POINT,
    ),
    Claim(
        name="tanh-one-unit-sgd",
        says="On one point SGD with noisy labels has come to one active tanh unit by the drift time where it ends.",
        provenance="derived",
        measure=tanh_units("point_sgd"),
        region=(1.0, 1.0),
        control=quiet_units,
        control_says=NO_NOISE,
        control_region=(3.0, np.inf),
        unit="units larger than 0.01",
        **ONE_POINT,
    ),
    Claim(
        name="tanh-one-unit-reg",
        says="With y = 1 and |x|² = 1.5 the drift of a tanh network ends at the least reg, 2 √3.75 − 3 = 0.8730.",
        provenance="derived",
        measure=lambda data: data["point_reg"].sel(point_setting=_TANH).isel(point_tau=-1).values,
        region=(0.8710, 0.8750),
        control=lambda data: data["point_quiet_reg"].values,
        control_says=NO_NOISE,
        control_region=(1.0, np.inf),
        unit="reg",
        **ONE_POINT,
    ),
    Claim(
        name="logistic-two",
        says="On one point the units of a logistic network where its drift ends take at most two values.",
        provenance="read",
        measure=pairs_of_logistic("point"),
        region=(-np.inf, 2.0),
        control=pairs_of_logistic("point_sgd"),
        control_says="the end of SGD, which is not stable yet",
        control_region=(3.0, np.inf),
        premise=lambda data: slope_at_end(data, "point_slope") < _AT_REST,
        premise_says=f"at the end of the drift equation the slope left along zero error is below {_AT_REST:g}",
        unit="different (activation, outer weight)",
        **ONE_POINT,
    ),
    Claim(
        name="logistic-two-at-rest",
        says="On one point a logistic network comes to rest, at drift times far beyond those of SGD.",
        provenance="derived",
        measure=lambda data: slope_at_end(data, "point_slope"),
        region=(-np.inf, _AT_REST),
        control=lambda data: slope_at_end(data, "point_sgd_slope"),
        control_says="the end of SGD, which is not stable yet",
        unit="|P_N ∇reg| / |∇reg|",
        **ONE_POINT,
    ),
    Claim(
        name="one-point-ode",
        says="The drift equation predicts the reg that SGD has reached, within one per cent.",
        provenance="derived",
        measure=reg_ratio(0),
        region=(-0.01, 0.01),
        control=reg_ratio(1),
        control_says="the drift equation with a constant that is twice as large",
        control_region=(0.02, np.inf),
        unit="reg of SGD / reg of the drift equation − 1",
        **ONE_POINT | {"statistic": "mean", "min_seeds": 3},
    ),
)
