"""What the assay `weight-normalization` claims, and the control of each claim.

Errors are |x - x*| / |x*|, and q = r0^2 / |x*|_1. Wherever no flow is named the error is that of the exact limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure
from .config import JUDGED_Q, PRACTICAL, SPEED_LR, TINY
from .descent import LEFT
from .flows import COMPARABLE, DISTINCT
from .identity import AS_PLAIN, FINISHED, NOT_PLAIN

PLAIN = "plain"
ONE, TENTH = "linear, η = 1", "linear, η = 0.1"
FOUND = 1e-3
"""The sparse solution is found where the error is below this."""
_LOST = 1e-2

SPARSEST: dict[str, Any] = {
    "premise": lambda data: (data["least_l1_error"] < 1e-6).values,
    "premise_says": "the sparse vector is the solution of least L1 norm",
}
CHOU: dict[str, Any] = {"cite": "chou2024weight", "min_seeds": 8}
DERIVED: dict[str, Any] = {"provenance": "derived", **CHOU}
EVERY: dict[str, Any] = {"statistic": "every", **DERIVED}


# --- the exact limits -------------------------------------------------------------------------------------------------


def error(data: xr.Dataset, arm: str, axis: str, value: float) -> np.ndarray:
    """The error of one arm from the start with this "alpha" or "q", a number a seed."""
    start = int(np.abs(data[axis].values - value).argmin())
    return data["error"].sel(arm=arm).isel(alpha=start).values


def _error(arm: str, axis: str, value: float) -> Measure:
    return lambda data: error(data, arm, axis, value)


def at_judged(data: xr.Dataset) -> xr.Dataset:
    """The starts at the points `JUDGED_Q`, in their order: whatever else the config names does not enter a claim."""
    q = data["q"].values
    return data.isel(alpha=[int(np.abs(q - judged).argmin()) for judged in JUDGED_Q])


def crossing(data: xr.Dataset, arm: str) -> np.ndarray:
    """The q at which the error first exceeds 1e-2, between two starts on logarithmic axes; NaN if it never does."""
    log_q = np.log(data["q"].values)
    log_error = np.log(data["error"].sel(arm=arm).transpose("seed", "alpha").values)
    crossed = []
    for row in log_error:
        lost = np.flatnonzero(row > np.log(_LOST))
        if not lost.size:
            crossed.append(np.nan)
        elif lost[0] == 0:
            crossed.append(log_q[0])
        else:
            crossed.append(np.interp(np.log(_LOST), row[lost[0] - 1 : lost[0] + 1], log_q[lost[0] - 1 : lost[0] + 1]))
    return np.exp(crossed)


def _over_plain(data: xr.Dataset, low: float, high: float) -> xr.DataArray:
    """Error over that of plain flow, for the judged starts with q from `low` to `high`."""
    q = np.array(JUDGED_Q)
    chosen = at_judged(data)["error"].isel(alpha=np.flatnonzero((q >= low) & (q <= high)))
    return chosen / chosen.sel(arm=PLAIN, drop=True)


def _least_over_plain(data: xr.Dataset) -> np.ndarray:
    """The smallest over every weight-normalized arm and the judged starts from q = 2 on."""
    ratio = _over_plain(data, 2.0, np.inf)
    return ratio.sel(arm=ratio["arm"] != PLAIN).min(["arm", "alpha"]).values


def _found(axis: str, *starts: float) -> Callable[[xr.Dataset], bool]:
    """Whether ratio 0.1 finds the sparse solution from these starts: a median error below 1e-3 from each."""
    return lambda data: all(np.median(error(data, TENTH, axis, start)) < FOUND for start in starts)


def _if(found: Callable[[xr.Dataset], bool], control: Measure) -> Measure:
    """A control that is none (NaN) where the sparse solution is not found."""
    return lambda data: np.where(found(data), control(data), np.nan)


def _log_ratio(arm: str) -> Measure:
    """log10 of the error of an arm over that of plain flow, at the tiny start."""
    return lambda data: np.log10(error(data, arm, "alpha", TINY) / error(data, PLAIN, "alpha", TINY))


def _least_above(data: xr.Dataset) -> np.ndarray:
    exact = at_judged(data)["mass_above"].sel(arm=data["arm"] != PLAIN).min(["arm", "alpha"])
    flow = data["identity_mass_above"].min(["identity_depth", "setting"])
    return np.minimum(exact.values, flow.values)


def _least_l1_above(data: xr.Dataset) -> np.ndarray:
    return at_judged(data)["l1_above"].sel(arm=data["arm"] != PLAIN).min(["arm", "alpha"]).values


LIMITS = (
    Claim(
        name="robust-at-practical-scale",
        says=(
            "With ratio 0.1 the sparse solution is found from a start of practical size, "
            f"α = {PRACTICAL:g} (mean error)."
        ),
        provenance="seed",
        measure=_error(TENTH, "alpha", PRACTICAL),
        region=(-np.inf, 1e-3),
        control=_error(PLAIN, "alpha", PRACTICAL),
        control_says="plain flow from the same start",
        control_region=(0.2, np.inf),
        unit="relative error",
        recorded="holds",
        **SPARSEST,
        **CHOU,
    ),
    Claim(
        name="robust-below-threshold",
        says="With ratio 0.1 the sparse solution is found from q = 0.4 (mean error).",
        measure=_error(TENTH, "q", 0.4),
        region=(-np.inf, 1e-3),
        control=_error(PLAIN, "q", 0.4),
        control_says="plain flow from the same start",
        control_region=(0.2, np.inf),
        unit="relative error",
        recorded="holds",
        **SPARSEST,
        **DERIVED,
    ),
    Claim(
        name="robustness-ends",
        says="Robustness ends near q = 1: with ratio 0.1 the error exceeds 1e-2 from a q between 0.6 and 1.2 on.",
        measure=lambda data: crossing(at_judged(data), TENTH),
        region=(0.6, 1.2),
        control=_if(_found("q", 0.4, 0.6), lambda data: crossing(at_judged(data), PLAIN)),
        control_says=(
            "plain flow, whose error exceeds 1e-2 at q = 0.4 already; none unless the median error with ratio 0.1 is "
            "below 1e-3 up to q = 0.6"
        ),
        control_region=(-np.inf, 0.5),
        unit="q",
        recorded="holds",
        **SPARSEST,
        **DERIVED,
    ),
    Claim(
        name="nothing-helps-beyond",
        says="From q = 2 on (2, 5 and 10) the error is at least 0.7 times plain flow's with every ratio that was run.",
        measure=_least_over_plain,
        region=(0.7, np.inf),
        control=_if(_found("q", 0.4, 0.6), lambda data: _over_plain(data, 0.0, 0.6).sel(arm=TENTH).max("alpha").values),
        control_says="ratio 0.1 up to q = 0.6, where its median error has to be below 1e-3",
        unit="smallest error / error of plain flow",
        recorded="holds",
        **SPARSEST,
        **DERIVED,
    ),
    Claim(
        name="ratio-matters",
        says=f"With ratio 1 weight normalization is worse than plain flow from a tiny start, α = {TINY:g}.",
        measure=_log_ratio(ONE),
        region=(0.0, np.inf),
        control=_if(_found("alpha", TINY), _log_ratio(TENTH)),
        control_says="ratio 0.1 from the same start, where its median error has to be below 1e-3",
        control_region=(-np.inf, -0.5),
        unit="log₁₀ of error / error of plain flow",
        recorded="holds",
        **SPARSEST,
        **DERIVED,
    ),
    Claim(
        name="mass-floor",
        says="The mass |w|² at the limit is never below the start's.",
        measure=_least_above,
        region=(-1e-8, np.inf),
        control=_least_l1_above,
        control_says="|x|₁ of the signed vector in place of the mass",
        control_region=(-np.inf, -0.1),
        unit="smallest (mass − r₀²) / r₀²",
        recorded="holds",
        **EVERY,
    ),
)


# --- the flows --------------------------------------------------------------------------------------------------------


def _compared(name: str, largest: bool) -> Measure:
    """A gap's largest or smallest value over the flows that ended and whose limit another arm's is well away from."""

    def measure(data: xr.Dataset) -> np.ndarray:
        gap = data[name].where((data["flow_residual"] < COMPARABLE) & data["flow_gap_other"].notnull())
        over = ["flow_arm", "flow_alpha", "flow_depth"]
        return (gap.max(over) if largest else gap.min(over)).values

    return measure


def _wrong_vectors(data: xr.Dataset) -> np.ndarray:
    of_plain = data["drift_plain"].drop_isel(setting=AS_PLAIN).min(["identity_depth", "setting"])
    wrong_eta = data["drift_wrong_eta"].min(["identity_depth", "setting"])
    return np.minimum(wrong_eta.values, of_plain.values)


def _to_plain(setting: int) -> Measure:
    return lambda data: data["to_plain"].isel(setting=setting).max("identity_depth").values


FINISHED_FLOWS: dict[str, Any] = {
    "premise": lambda data: (data["identity_residual"] < FINISHED).all(["identity_depth", "setting"]).values,
    "premise_says": f"both flows have a residual below {FINISHED:g}",
}

FLOWS = (
    Claim(
        name="invariant",
        says="The flow conserves z · (log u + R) for all z with D z = 0; above depth 2, z · (u eᴿ)²⁻ᴸ.",
        measure=lambda data: data["drift"].max(["identity_depth", "setting"]).values,
        region=(-np.inf, 1e-10),
        control=_wrong_vectors,
        control_says="the same with twice the η, and what plain flow conserves",
        control_region=(1e-2, np.inf),
        unit="largest change",
        recorded="holds",
        **EVERY,
    ),
    Claim(
        name="effective-init",
        says="Weight-normalized flow ends where plain flow from the effective initialization ends.",
        measure=lambda data: data["to_effective"].max(["identity_depth", "setting"]).values,
        region=(-np.inf, 1e-6),
        control=lambda data: data["to_plain"].drop_isel(setting=AS_PLAIN).min(["identity_depth", "setting"]).values,
        control_says="plain flow from the same initialization",
        control_region=(1e-3, np.inf),
        unit="distance",
        recorded="holds",
        **FINISHED_FLOWS,
        **EVERY,
    ),
    Claim(
        name="exp-eta1-is-plain",
        says="With r = eᵍ and ratio 1 weight-normalized flow ends where plain flow ends.",
        measure=_to_plain(AS_PLAIN),
        region=(-np.inf, 1e-8),
        control=_to_plain(NOT_PLAIN),
        control_says="r = eᵍ with ratio 0.5",
        control_region=(1e-2, np.inf),
        unit="distance, the larger of the depths",
        recorded="holds",
        **FINISHED_FLOWS,
        **EVERY,
    ),
    Claim(
        name="exp-eta1-takes-the-path",
        says="With r = eᵍ and ratio 1 it takes plain flow's path, at the speed r².",
        measure=lambda data: data["path_gap"].isel(path_setting=0).max("path_time").values,
        region=(-np.inf, 1e-8),
        control=lambda data: data["path_gap"].isel(path_setting=1).max("path_time").values,
        control_says="r = eᵍ with ratio 0.5, at its own clock",
        control_region=(1e-2, np.inf),
        unit="largest distance at equal clocks",
        recorded="holds",
        **EVERY,
    ),
    Claim(
        name="flow-reaches-its-limit",
        says=(
            "A flow whose residual has fallen below 1e-6 is where the exact limit says, looked at where the limits of "
            f"two arms are more than {DISTINCT:g} apart."
        ),
        measure=_compared("flow_gap", largest=True),
        region=(-np.inf, 1e-5),
        control=_compared("flow_gap_other", largest=False),
        control_says="the exact limit furthest away, of another arm from the same start",
        control_region=(DISTINCT / 2, np.inf),
        unit="distance / |x*|",
        recorded="holds",
        **EVERY,
    ),
)


# --- the speed of gradient descent ------------------------------------------------------------------------------------


def steps_needed(
    data: xr.Dataset, arm: str, alpha: float, own_step: bool = False, counted: str = "descent_steps"
) -> np.ndarray:
    """Steps to the residual 1e-6 at depth 2, inf where it was not reached and NaN where this was not run.

    With `own_step` the fewest over all step sizes, else those at the step size of the comparison.
    """
    wanted = {"descent_arm": arm, "descent_alpha": alpha, "descent_depth": 2}
    if not own_step:
        wanted["descent_lr"] = SPEED_LR
    steps = data[counted]
    if any(not (steps[name] == value).any() for name, value in wanted.items()):
        return np.full(steps.sizes["descent_seed"], np.nan)
    steps = steps.sel(wanted).fillna(np.inf)
    return (steps.min("descent_lr") if own_step else steps).values


def _faster(arm: str, alpha: float, own_step: bool = False, counted: str = "descent_steps") -> Measure:
    """Whether weight normalization needs fewer steps than plain descent.

    NaN, which way it is not known, where neither arrived or where both did between the same two records.
    """

    def measure(data: xr.Dataset) -> np.ndarray:
        normalized, plain = (steps_needed(data, name, alpha, own_step, counted) for name in (arm, PLAIN))
        known = ~(np.isnan(normalized) | np.isnan(plain)) & (normalized != plain)
        return np.where(known, normalized < plain, np.nan)

    return measure


SPEED: dict[str, Any] = {
    "cite": "chou2024weight",
    "provenance": "seed",
    "region": (0.5, 1.0),
    "statistic": "proportion",
    "min_seeds": 16,
    "unit": "share of the systems",
}
_TINY_SAYS = f"ratio 0.1 from a tiny start, α = {TINY:g}, which it leaves late: steps to the residual {LEFT:g}"
ONE_STEP: dict[str, Any] = {
    "control": _faster(TENTH, TINY, counted="descent_left"),
    "control_says": _TINY_SAYS,
    **SPEED,
}
OWN_STEP: dict[str, Any] = {
    "control": _faster(TENTH, TINY, own_step=True, counted="descent_left"),
    "control_says": _TINY_SAYS + ", each at its best step size",
    **SPEED,
}
_SAYS = "Gradient descent reaches the residual 1e-6 in fewer steps with weight normalization, "

DESCENT = (
    Claim(
        name="speed-practical",
        says=_SAYS + f"ratio 1, than without, from α = {PRACTICAL:g} at the same step size {SPEED_LR:g}.",
        measure=_faster(ONE, PRACTICAL),
        recorded="unclear",
        **ONE_STEP,
    ),
    Claim(
        name="speed-practical-small-ratio",
        says=_SAYS + f"ratio 0.1, than without, from α = {PRACTICAL:g} at the same step size {SPEED_LR:g}.",
        measure=_faster(TENTH, PRACTICAL),
        recorded="fails",
        **ONE_STEP,
    ),
    Claim(
        name="speed-practical-own-step",
        says=_SAYS + f"ratio 1, than without, from α = {PRACTICAL:g}, each at its best step size.",
        measure=_faster(ONE, PRACTICAL, own_step=True),
        recorded="fails",
        **OWN_STEP,
    ),
    Claim(
        name="speed-tiny",
        says=_SAYS + f"ratio 1, than without, from α = {TINY:g} at the same step size {SPEED_LR:g}.",
        measure=_faster(ONE, TINY),
        recorded="unclear",
        **ONE_STEP,
    ),
)

CLAIMS = (*LIMITS, *FLOWS, *DESCENT)
