"""What the assay `relu-neuron` claims, and the control of each claim.

The witness has no randomness: its numbers are exact up to integration, one for each g (and scale of the labels). The
random sets are judged one by one, and so are the networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure

_SMALL_LR = 0.01

VARDI: dict[str, Any] = {"cite": "vardi2021relu", "statistic": "every", "recorded": "holds"}
BALANCED: dict[str, Any] = {"cite": "du2018balanced", "statistic": "every", "min_seeds": 5, "recorded": "holds"}
SEVERAL_G: dict[str, Any] = {
    "premise": lambda data: np.array([data.sizes["g"] > 1]),
    "premise_says": "at least two values of g are run",
}
OTHERS = "the linear neuron, whose limit does not depend on g, and the ReLU neuron without x₃"


# --- the witness ------------------------------------------------------------------------------------------------------


def third_entry(data: xr.Dataset, name: str) -> np.ndarray:
    """w_3 / alpha by increasing g, (..., g)."""
    return data[name].sel(entry=3).sortby("g").transpose(..., "g").values


def _spread(data: xr.Dataset) -> np.ndarray:
    return np.ptp(third_entry(data, "limit"), axis=-1)


def _spread_of_controls(data: xr.Dataset) -> np.ndarray:
    return np.array([np.ptp(third_entry(data, name)) for name in ("linear", "removed")])


def _rises(data: xr.Dataset) -> np.ndarray:
    return np.diff(third_entry(data, "limit"), axis=-1).ravel()


def _rises_of_controls(data: xr.Dataset) -> np.ndarray:
    return np.concatenate([np.diff(third_entry(data, name)) for name in ("linear", "removed")])


def _off_the_line(name: str) -> Measure:
    """The larger of |w_1 - 5 alpha| and |w_2 + alpha|, over alpha, one number a g (and alpha)."""

    def measure(data: xr.Dataset) -> np.ndarray:
        w = data[name].transpose(..., "entry").values
        return np.abs(w[..., :2] - [5, -1]).max(axis=-1).ravel()

    return measure


def _from_exact(data: xr.Dataset) -> np.ndarray:
    return np.abs(third_entry(data, "limit") - third_entry(data, "exact")).ravel()


def _coarse_steps_from_exact(data: xr.Dataset) -> np.ndarray:
    return np.abs(third_entry(data.sel(lr=1e-2), "gd") - third_entry(data, "exact")).ravel()


def between_scales(data: xr.Dataset, name: str) -> np.ndarray:
    """The largest difference of w / alpha from that at the first alpha, one number a g (and step size)."""
    w = data[name].transpose(..., "alpha", "entry").values
    return np.abs(w - w[..., :1, :]).max(axis=(-2, -1)).ravel()


WITNESS = (
    Claim(
        name="limit-depends-on-g",
        says="The limit of gradient flow from a small start depends on g, which the zero-loss set does not know.",
        provenance="seed",
        measure=_spread,
        region=(0.1, np.inf),
        control=_spread_of_controls,
        control_says=OTHERS,
        control_region=(-np.inf, 1e-6),
        unit="w₃ / α, largest minus smallest over g",
        min_seeds=1,
        **VARDI,
        **SEVERAL_G,
    ),
    Claim(
        name="limit-decreases-in-g",
        says="The larger g is, the lower the third weight of the limit.",
        provenance="derived",
        measure=_rises,
        region=(-np.inf, -1e-5),
        control=_rises_of_controls,
        control_says=OTHERS,
        control_region=(-1e-6, 1e-6),
        min_seeds=1,
        unit="change of w₃ / α from one g to the next",
        **VARDI,
        **SEVERAL_G,
    ),
    Claim(
        name="same-zero-loss-set",
        says="For every g the points α (5, −1, s) with s ≤ 1 have zero loss: the set does not depend on g.",
        provenance="derived",
        measure=lambda data: data["segment_loss"].max("s").values.ravel(),
        region=(-np.inf, 1e-20),
        control=lambda data: data["beyond_loss"].values.ravel(),
        control_says="the point with s = 1.1",
        min_seeds=1,
        unit="loss / α²",
        **VARDI,
    ),
    Claim(
        name="reaches-the-set",
        says="Gradient flow from a small start ends on the line α (5, −1, s).",
        provenance="derived",
        measure=_off_the_line("limit"),
        region=(-np.inf, 1e-6),
        control=_off_the_line("dead"),
        control_says="a start at which no point is active",
        control_region=(0.1, np.inf),
        min_seeds=1,
        unit="distance in w₁, w₂ / α",
        **VARDI,
    ),
    Claim(
        name="reaches-zero-loss",
        says="Gradient flow from a small start reaches zero loss.",
        provenance="derived",
        measure=lambda data: data["loss"].values.ravel(),
        region=(-np.inf, 1e-16),
        control=lambda data: data["dead_loss"].values.ravel(),
        control_says="a start at which no point is active: the loss stays at |y|² / 2 = 290 α²",
        control_region=(289.99, 290.01),
        min_seeds=1,
        unit="loss / α²",
        **VARDI,
    ),
    Claim(
        name="matrix-exponential",
        says="The limit is the one computed from a matrix exponential and the time at which x₃ becomes inactive.",
        provenance="derived",
        measure=_from_exact,
        region=(-np.inf, 1e-5),
        control=_coarse_steps_from_exact,
        control_says="gradient descent with step size 0.01 in place of the flow",
        control_region=(1e-3, np.inf),
        min_seeds=1,
        unit="difference of w₃ / α",
        **VARDI,
    ),
    Claim(
        name="exact-homogeneity",
        says="Labels scaled by α scale the limit by α.",
        provenance="derived",
        measure=lambda data: np.concatenate([between_scales(data, name) for name in ("limit", "gd")]),
        region=(-np.inf, 1e-6),
        control=lambda data: between_scales(data, "softplus"),
        control_says="the neuron softplus(4z) / 4, which is not homogeneous",
        control_region=(1.0, np.inf),
        min_seeds=1,
        unit="difference of w / α between scales",
        **VARDI,
    ),
)


# --- the random sets --------------------------------------------------------------------------------------------------


def reached(data: xr.Dataset, start: int) -> np.ndarray:
    """The norm ratio on every set where the neuron from that start reached zero loss."""
    return data["ratio"].isel(start=start).values[data["converged"].isel(start=start).values]


def _norms_from_small_starts(data: xr.Dataset) -> np.ndarray:
    """The norm ratio at the end on every set with a label that is not 0, at zero loss or not: the proof bounds all."""
    return data["norm"].isel(start=0).values[data["usable"].values]


def _increases(data: xr.Dataset) -> np.ndarray:
    return data["increase"].max("solution").values[data["usable"].values]


def _increases_from_mirrored(data: xr.Dataset) -> np.ndarray:
    return data["increase_mirrored"].values[data["usable"].values]


def _linear_ratio(data: xr.Dataset) -> np.ndarray:
    ratio = data["linear_ratio"].values
    return ratio[np.isfinite(ratio)]


SETS = (
    Claim(
        name="norm-at-most-twice",
        says="From a small start the norm at the end is at most twice the smallest norm of a zero-loss solution.",
        provenance="memory",
        measure=_norms_from_small_starts,
        region=(-np.inf, 2.0),
        control=lambda data: reached(data, -1),
        control_says="starts far from zero, 5 N(0, I), where they reach zero loss: some end above the bound",
        control_needs="some",
        min_seeds=300,
        unit="norm / smallest norm",
        **VARDI,
    ),
    Claim(
        name="approaches-every-solution",
        says="The distance to every zero-loss solution never increases, from one recorded step to the next.",
        provenance="derived",
        measure=_increases,
        region=(-np.inf, 1e-9),
        control=_increases_from_mirrored,
        control_says="the distance to −w*, which is no solution",
        control_region=(1e-6, np.inf),
        min_seeds=300,
        unit="largest increase between records, over three solutions",
        **VARDI,
    ),
    Claim(
        name="not-minimum-norm",
        says="The limit is not the minimum-norm solution: of the sets that reach zero loss it is larger by over 1e-6 "
        "on more than a tenth.",
        cite="vardi2021relu",
        provenance="derived",
        measure=lambda data: reached(data, 0) > 1 + 1e-6,
        region=(0.1, 1.0),
        control=lambda data: _linear_ratio(data) > 1 + 1e-6,
        control_says="a linear neuron, beside its own smallest solution",
        statistic="proportion",
        min_seeds=300,
        recorded="holds",
        unit="share of sets",
    ),
)


# --- the networks -----------------------------------------------------------------------------------------------------


def slopes(data: xr.Dataset, optimizer: str) -> np.ndarray:
    """Slope of log max |Delta D| in log lr over the step sizes up to 0.01, one number a seed."""
    drift = data["drift"].sel(optimizer=optimizer, balance_lr=data["balance_lr"] <= _SMALL_LR)
    drift = drift.transpose("balance_lr", "seed")
    return np.polyfit(np.log(drift["balance_lr"].values), np.log(drift.values), 1)[0]


def _from_law(optimizer: str) -> Measure:
    """The largest distance of D from e^(-2 lambda T) D(0) over the small step sizes, one number a seed."""

    def measure(data: xr.Dataset) -> np.ndarray:
        chosen = data["from_law"].sel(optimizer=optimizer, balance_lr=data["balance_lr"] <= _SMALL_LR)
        return chosen.max("balance_lr").values

    return measure


NETWORKS = (
    Claim(
        name="balancedness",
        says="Gradient descent conserves |w|² − v² of every hidden unit up to a drift proportional to the step size.",
        provenance="read",
        measure=lambda data: slopes(data, "gradient descent"),
        region=(0.9, 1.2),
        control=lambda data: np.concatenate([slopes(data, name) for name in ("Adam", "weight decay")]),
        control_says="Adam, and gradient descent with weight decay, which move it whatever the step size",
        control_region=(-0.5, 0.5),
        unit="slope of log drift in log step size",
        **BALANCED,
    ),
    Claim(
        name="weight-decay-law",
        says="With weight decay λ the difference |w|² − v² shrinks by exp(−2 λ T).",
        provenance="derived",
        measure=_from_law("weight decay"),
        region=(-np.inf, 0.01),
        control=_from_law("gradient descent"),
        control_says="gradient descent without weight decay",
        unit="largest deviation, relative",
        **BALANCED,
    ),
)

CLAIMS = (*WITNESS, *SETS, *NETWORKS)
