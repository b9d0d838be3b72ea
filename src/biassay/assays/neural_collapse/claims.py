"""What the assay `neural-collapse` claims, and the control of each claim. All measure the last step.

Only the premise of `nc2-at-rest` is about earlier ones, those before the step size first drops; some controls are the
first.

What is small in every network that fits its training set is not claimed: `text` has the list.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure

COLLAPSED = 0.1
"""NC1 relative to plain SGD without decay, at most, where the classes have collapsed."""
DUAL = 0.15
"""NC3, at most, where the last layer has become the class means."""
NOT_DUAL = 0.5
"""NC3, at least, where it has not."""
SIMPLEX = 0.1
"""Distance from the simplex equiangular tight frame, at most, where the class means are one."""
AT_REST = 0.05
"""Relative change over the last third of the steps before the first drop, at most, where a run is at rest."""

BASE = "plain, no decay"
BEFORE = "before training: this could pass only where plain SGD without decay ends ten times above its start"


def at_end(name: str, arm: str) -> Measure:
    """A measure of one arm after its last step, one number a seed."""
    return lambda data: data[name].sel(arm=arm).isel(step=-1)


def at_start(name: str, arm: str) -> Measure:
    """The same before the first step."""
    return lambda data: data[name].sel(arm=arm).isel(step=0)


def relative_to_base(measure: Measure) -> Measure:
    """tr S_W / tr S_B over that of plain SGD without decay at its end."""
    return lambda data: np.asarray(measure(data)) / np.asarray(at_end("nc1_quotient", BASE)(data))


def last_change(data: xr.Dataset, arm: str) -> np.ndarray:
    """Relative change of the distance from the simplex over the last third of the steps before the first drop.

    One number a seed; NaN where no two records lie there.
    """
    drop = float(data["first_drop"])
    steps = data["step"].values
    before = steps[(steps >= 2 / 3 * drop) & (steps <= drop)]
    if len(before) < 2:
        return np.full(data.sizes["seed"], np.nan)
    error = data["etf"].sel(arm=arm)
    return np.abs(error.sel(step=before[-1]).values / error.sel(step=before[0]).values - 1)


def _collapses(name: str, says: str, arm: str, **more: Any) -> Claim:
    return Claim(
        name=name,
        says=says,
        measure=relative_to_base(at_end("nc1_quotient", arm)),
        region=(0.0, COLLAPSED),
        statistic="every",
        min_seeds=5,
        unit="tr S_W / tr S_B, relative to plain SGD without decay",
        **more,
    )


def _dual(name: str, says: str, arm: str, control: str, **more: Any) -> Claim:
    return Claim(
        name=name,
        says=says,
        measure=at_end("nc3", arm),
        region=(0.0, DUAL),
        control=at_end("nc3", control),
        control_says=control,
        statistic="every",
        min_seeds=5,
        unit="|W/|W| − M/|M||²",
        **more,
    )


def _simplex(name: str, says: str, arm: str, **more: Any) -> Claim:
    return Claim(
        name=name,
        says=says,
        measure=at_end("etf", arm),
        region=(0.0, SIMPLEX),
        control=at_start("etf", arm),
        control_says="the same before training",
        statistic="every",
        min_seeds=5,
        unit="|K/|K| − E/|E||",
        **more,
    )


PAPER: dict[str, Any] = {"cite": "xu2023dynamics, papyan2020collapse", "provenance": "seed"}
DERIVED: dict[str, Any] = {"cite": "xu2023dynamics", "provenance": "derived"}

CLAIMS = (
    _collapses(
        "nc1",
        "With weight decay the features of a class come together (NC1): their variance within the classes, over that "
        "between them, is at most a tenth of what it is without decay.",
        "plain, decay",
        control=relative_to_base(at_start("nc1_quotient", "plain, decay")),
        control_says=BEFORE,
        recorded="holds",
        **PAPER,
    ),
    _dual(
        "nc3",
        "With weight decay the last layer becomes the class means, up to its scale (NC3).",
        "plain, decay",
        "normalised, no decay",
        recorded="holds",
        **PAPER,
    ),
    Claim(
        name="nc3-needs-wd",
        says="Without weight decay plain SGD leaves the last layer far from the class means.",
        measure=at_end("nc3", BASE),
        region=(NOT_DUAL, math.inf),
        control=at_end("nc3", "plain, decay"),
        control_says="with weight decay",
        control_region=(0.0, DUAL),
        statistic="every",
        min_seeds=5,
        unit="|W/|W| − M/|M||²",
        recorded="holds",
        **DERIVED,
    ),
    _dual(
        "nc3-normalised",
        "With normalised layers too it is weight decay that makes the last layer the class means.",
        "normalised, decay",
        "normalised, no decay",
        recorded="holds",
        **PAPER,
    ),
    Claim(
        name="nc1-needs-wd",
        says=(
            "Without weight decay the features of a class do not come together, with normalised layers no more than "
            "with plain ones."
        ),
        measure=relative_to_base(at_end("nc1_quotient", "normalised, no decay")),
        region=(COLLAPSED, math.inf),
        control=relative_to_base(at_end("nc1_quotient", "plain, decay")),
        control_says="plain SGD with weight decay, which collapses",
        statistic="every",
        min_seeds=5,
        unit="tr S_W / tr S_B, relative to plain SGD without decay",
        recorded="fails",
        **DERIVED,
    ),
    _collapses(
        "nc1-from-small-start",
        "Neither decay nor normalisation is needed for NC1: plain SGD without decay that starts with layers of equal "
        "norm, the start of the normalised runs, collapses as well.",
        "small start, no decay",
        control=relative_to_base(at_start("nc1_quotient", "small start, no decay")),
        control_says=BEFORE,
        recorded="holds",
        **DERIVED,
    ),
    _simplex(
        "nc2",
        "With weight decay the class means become a simplex equiangular tight frame (NC2) within the run's steps.",
        "plain, decay",
        recorded="fails",
        **DERIVED,
    ),
    _simplex(
        "nc2-at-rest",
        "The class means of a run with strong decay, which is at rest before its step size first drops, are a simplex "
        "equiangular tight frame.",
        "plain, strong decay",
        premise=lambda data: last_change(data, "plain, strong decay") <= AT_REST,
        premise_says=(
            f"the distance from the simplex changed by at most {AT_REST:.0%} over the last third of the steps before "
            "the first drop"
        ),
        recorded="vacuous",
        **PAPER,
    ),
)
