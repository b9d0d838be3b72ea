"""What the part `curve` of the assay `label-noise` claims, and the control of each claim.

Pairs of runs share their start. How much smaller something is in one arm than in another is the ratio of the means over
the starts, as in the tables of trials: single ratios would blow up where the denominator happens to be small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure

_NO_NOISE, _NOISE, _OUTER, _INNER = "no noise", "noise", "noise, outer layer only", "noise, inner layer only"
_SHORTER = 0.03
"""A curve that is shorter than the polyline by more than this has not converged. A little less than the polyline's
length comes with points that are still missed by about .02."""


def at_end(data: xr.Dataset, name: str, arm: str) -> np.ndarray:
    """What the arm's curves have at the last step, one number a start."""
    return data[f"curve_{name}"].sel(curve_arm=arm).isel(curve_step=-1).values.astype(float)


def excess_length(data: xr.Dataset, arm: str) -> np.ndarray:
    """Length of the curve over that of the polyline through the points, the least at zero error."""
    return at_end(data, "length", arm) - float(data["curve_polyline"])


def ratio_of_means(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """One number a start whose mean is R = mean(above) / mean(below).

    R + (above - R below) / mean(below): the spread of these is that of R, to first order in its error.
    """
    ratio = above.mean() / below.mean()
    return ratio + (above - ratio * below) / below.mean()


def length_ratio(arm: str) -> Measure:
    """Excess length of the arm over that without noise."""
    return lambda data: ratio_of_means(excess_length(data, arm), excess_length(data, _NO_NOISE))


def variation_ratio(arm: str) -> Measure:
    """Total variation of the slope in the arm over that without noise."""
    return lambda data: ratio_of_means(at_end(data, "variation", arm), at_end(data, "variation", _NO_NOISE))


def passes_through(data: xr.Dataset) -> np.ndarray:
    """Whether both curves of a pair are as long as a curve through the points must be."""
    shortest = np.minimum(excess_length(data, _NO_NOISE), excess_length(data, _NOISE))
    return shortest >= -_SHORTER


def turns_beyond_least(arm: str) -> Measure:
    """Changes of convexity, less those of the polyline."""
    return lambda data: at_end(data, "turns", arm) - float(data["curve_least_turns"])


def regularizer_change(arm: str) -> Measure:
    """The largest relative change of reg along the run."""

    def measure(data: xr.Dataset) -> np.ndarray:
        reg = data["curve_reg"].sel(curve_arm=arm).values
        return np.abs(reg / reg[:, :1] - 1).max(axis=1)

    return measure


PAIRS: dict[str, Any] = {
    "cite": "blanc2020",
    "min_seeds": 10,
    "premise": passes_through,
    "premise_says": f"no curve is shorter than the polyline through the points by more than {_SHORTER:g}",
}

CLAIMS = (
    Claim(
        name="relu-length",
        says="Label noise leaves a shorter curve: its length above the least through the points is at most half.",
        provenance="seed",
        measure=length_ratio(_NOISE),
        region=(-np.inf, 0.5),
        control=length_ratio(_OUTER),
        control_says="noise with the outer layer trained only",
        control_region=(0.8, np.inf),
        unit="excess length / that without noise",
        **PAIRS,
        recorded="holds",
    ),
    Claim(
        name="relu-length-inner-layer",
        says="With the inner layer trained only, label noise does not shorten the curve.",
        provenance="seed",
        measure=length_ratio(_INNER),
        region=(0.8, np.inf),
        control=length_ratio(_NOISE),
        control_says="noise with both layers trained",
        control_region=(-np.inf, 0.5),
        unit="excess length / that without noise",
        **PAIRS,
        recorded="holds",
    ),
    Claim(
        name="relu-shape",
        says="Label noise straightens the curve: it at least halves the total variation of the slope.",
        provenance="seed",
        measure=variation_ratio(_NOISE),
        region=(-np.inf, 0.5),
        control=variation_ratio(_OUTER),
        control_says="noise with the outer layer trained only",
        control_region=(0.8, np.inf),
        unit="variation of the slope / that without noise",
        **PAIRS,
        recorded="holds",
    ),
    Claim(
        name="relu-shape-convexity",
        says="Under label noise the mean number of changes of convexity is within one of the polyline's.",
        provenance="read",
        measure=turns_beyond_least(_NOISE),
        region=(-1.0, 1.0),
        control=turns_beyond_least(_NO_NOISE),
        control_says="no noise",
        unit="changes of convexity beyond the least",
        **PAIRS,
        recorded="holds",
    ),
    Claim(
        name="relu-shape-outer-layer",
        says="With the outer layer trained only, the curve is linear in what is trained and reg does not change.",
        cite="blanc2020",
        provenance="derived",
        measure=regularizer_change(_OUTER),
        region=(-np.inf, 1e-12),
        control=regularizer_change(_NOISE),
        control_says="both layers trained",
        control_region=(0.1, np.inf),
        statistic="every",
        min_seeds=10,
        unit="largest relative change of reg",
        recorded="holds",
    ),
)
