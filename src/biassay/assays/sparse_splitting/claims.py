"""What the assay `sparse-splitting` claims, and the control of each claim.

The neuron is judged in the variant "normalised" at the spring beta = 0.04 and, where nothing else is said, at
lambda = 1e-4. "Every start" is one random start for each of the random truths.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure
from .claims_digits import NETWORK
from .config import BETA, LAM, LOST_LAM
from .predictions import OPEN, SAFE, support_rule

SOFT = ["l1", "transformed l1"]
"""The penalties that shrink what they keep."""
BIAS_REGION = (0.95, 1.15)
"""The angle over its prediction."""

AT_REST = 1e-9
"""The gradient of the Lagrangian below which a run has arrived at its limit."""

PAPER: dict[str, Any] = {"cite": "dinh2018splitting", "statistic": "every", "min_seeds": 64}


def judged(data: xr.Dataset, name: str, compare: str = "equal lambda") -> xr.DataArray:
    """A variable of the neuron at the judged spring and variant, (penalty, lam, seed) in this order."""
    chosen = {"compare": compare, "beta": BETA} | ({"variant": "normalised"} if "variant" in data[name].dims else {})
    return data[name].sel(chosen, drop=True).transpose("penalty", "lam", ...)


def _arrived(data: xr.Dataset) -> np.ndarray:
    """Whether every judged run of a seed with a penalty is at rest, one boolean a seed."""
    left = judged(data, "left").sel(lam=sorted({LAM, LOST_LAM}))
    return (left.max(["penalty", "lam"]) < AT_REST).values


LIMITS: dict[str, Any] = {
    "premise": _arrived,
    "premise_says": f"the gradient of the Lagrangian has fallen below {AT_REST:g}: the runs are at their limit",
}


# --- recovery (R1) ----------------------------------------------------------------------------------------------------


def _every_support(penalties: list[str], lam: float) -> Measure:
    """Whether the support is exact with each of the penalties, one number a seed."""
    return lambda data: judged(data, "exact").sel(penalty=penalties, lam=lam).all("penalty").astype(float)


def _worst(name: str, penalties: list[str], lam: float) -> Measure:
    """The largest over the penalties, one number a seed."""
    return lambda data: judged(data, name).sel(penalty=penalties, lam=lam).max("penalty")


RECOVERY = (
    Claim(
        name="recovers-l1-tl1",
        says=f"With l1 and with transformed l1, λ = {LAM:g}, u has exactly the support of the truth, from every start.",
        provenance="seed",
        measure=_every_support(SOFT, LAM),
        region=(1.0, 1.0),
        control=_every_support(SOFT, 0.0),
        control_says="λ = 0: never the support",
        control_region=(0.0, 0.0),
        unit="1 where the support is exact",
        recorded="holds",
        **LIMITS,
        **PAPER,
    ),
    Claim(
        name="recovers-l1-tl1-direction",
        says=f"With l1 and with transformed l1, λ = {LAM:g}, w points along the truth up to a small angle.",
        provenance="derived",
        measure=_worst("angle", SOFT, LAM),
        region=(-math.inf, 3e-3),
        control=_worst("angle", SOFT, LOST_LAM),
        control_says="a penalty twenty times as large",
        unit="radians, the larger of the two",
        recorded="fails",
        **LIMITS,
        **PAPER,
    ),
    Claim(
        name="recovers-l0",
        says=f"With l0, λ = {LAM:g}, u has exactly the support of the truth, from every start.",
        provenance="seed",
        measure=_every_support(["l0"], LAM),
        region=(1.0, 1.0),
        control=_every_support(["l0"], LOST_LAM),
        control_says="l0 with a penalty twenty times as large, which loses the support",
        control_region=(0.0, 0.0),
        unit="1 where the support is exact",
        recorded="holds",
        **LIMITS,
        **PAPER,
    ),
    Claim(
        name="recovers-l0-direction",
        says=f"With l0, λ = {LAM:g}, w points along the truth without a bias.",
        provenance="derived",
        measure=_worst("angle", ["l0"], LAM),
        region=(-math.inf, 1e-7),
        control=_worst("angle", ["l0"], LOST_LAM),
        control_says="l0 with a penalty twenty times as large, which loses the support",
        unit="radians",
        recorded="holds",
        **LIMITS,
        **PAPER,
    ),
)


# --- the limit (R2) ---------------------------------------------------------------------------------------------------


def _positive(data: xr.Dataset, largest: float) -> np.ndarray:
    """The lambdas above 0 up to `largest`."""
    lams = data["lam"].values
    return lams[(lams > 0) & (lams <= largest)]


def furthest_from_one(ratios: xr.DataArray) -> np.ndarray:
    """Of each seed's ratios the one furthest from 1 as a factor."""
    values = ratios.transpose("seed", ...).values.reshape(ratios.sizes["seed"], -1)
    return values[np.arange(len(values)), np.abs(np.log(values)).argmax(axis=1)]


def _over_bias(share: float) -> Measure:
    """The angle of l1 over `share` of its first-order formula, for lambda up to the judged largest, one a seed."""

    def measure(data: xr.Dataset) -> np.ndarray:
        lams = _positive(data, LOST_LAM)
        angle, bias = (judged(data, name).sel(penalty="l1", lam=lams) for name in ("angle", "bias"))
        return furthest_from_one(angle / (share * bias))

    return measure


def _from_threshold(name: str) -> Measure:
    """|u - prox(w*)| over the predicted angle: of l1 and transformed l1 at lambdas up to the judged one the largest.

    For a control the least is what counts, as each of them must fail.
    """

    def measure(data: xr.Dataset) -> np.ndarray:
        chosen = {"penalty": SOFT, "lam": _positive(data, LAM)}
        ratio = judged(data, name).sel(chosen) / judged(data, "bias").sel(chosen)
        over = ("penalty", "lam")
        return (ratio.max(over) if name == "from_threshold" else ratio.min(over)).values

    return measure


def _l0_from_threshold(above: bool) -> Measure:
    """|u - prox_t(w*)| of l0, the largest over lambdas up to the judged one, or at the one that loses the support."""

    def measure(data: xr.Dataset) -> xr.DataArray:
        lams = [LOST_LAM] if above else _positive(data, LAM)
        return judged(data, "from_threshold").sel(penalty="l0", lam=lams).max("lam")

    return measure


LIMIT = (
    Claim(
        name="bias-formula",
        says=f"The angle of l1 is λk √(s − ‖w*‖₁²), for λ up to {LOST_LAM:g}.",
        provenance="derived",
        measure=_over_bias(1.0),
        region=BIAS_REGION,
        control=_over_bias(0.5),
        control_says="the formula with k/2",
        unit="angle / formula, furthest from 1 over λ",
        recorded="holds",
        **LIMITS,
        **PAPER,
    ),
    Claim(
        name="limit-is-threshold",
        says="With l1 and transformed l1 u ends at the thresholded truth prox_t(w*), t = λ/β, up to the known bias.",
        provenance="seed",
        measure=_from_threshold("from_threshold"),
        region=(-math.inf, 1.2),
        control=_from_threshold("from_half_threshold"),
        control_says="the truth thresholded at half the strength",
        control_region=(1.5, math.inf),
        unit="|u − prox(w*)| / bias, largest over λ",
        recorded="holds",
        **LIMITS,
        **PAPER,
    ),
    Claim(
        name="limit-is-threshold-l0",
        says="With l0 u ends at the thresholded truth prox_t(w*), t = λ/β, to rounding.",
        provenance="derived",
        measure=_l0_from_threshold(above=False),
        region=(-math.inf, 1e-12),
        control=_l0_from_threshold(above=True),
        control_says="l0 with a penalty twenty times as large, which loses the support",
        control_region=(1e-3, math.inf),
        unit="|u − prox(w*)|, largest over λ",
        recorded="holds",
        **LIMITS,
        **PAPER,
    ),
)


# --- the support ------------------------------------------------------------------------------------------------------


def ruled(data: xr.Dataset, factor: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """What the rule says of every run with a penalty, and whether its support is exact.

    The normalised runs at every spring and lambda, at equal lambda and, but for l1, at equal threshold. `factor` in
    place of 1 + k beta, 1 for the naive rule.
    """
    exact = data["exact"].sel(variant="normalised", lam=data["lam"] > 0)
    beta = data["beta"] if factor is None else (factor - 1) / data.attrs["k"]
    threshold = data["threshold"].sel(lam=data["lam"] > 0)
    smallest, threshold, beta, exact = xr.broadcast(data["smallest"], threshold, xr.DataArray(beta), exact)
    said = xr.apply_ufunc(support_rule, smallest, threshold, data.attrs["k"], beta)
    twice = (said["compare"] == "equal threshold") & (said["penalty"] == "l1")
    kept = ~twice.broadcast_like(said).transpose(*said.dims).values
    return said.values[kept], exact.transpose(*said.dims).values[kept]


def _violations(data: xr.Dataset) -> np.ndarray:
    """1 where a run contradicts the rule, 0 where it does what the rule says, one a run that it speaks of."""
    said, exact = ruled(data)
    return (exact != (said == SAFE))[said != OPEN].astype(float)


def _naive_violations(data: xr.Dataset) -> np.ndarray:
    """The same of the rule that the support is found where the smallest entry is above the threshold."""
    said, exact = ruled(data, factor=1.0)
    return (exact != (said == SAFE))[said != OPEN].astype(float)


SUPPORT = Claim(
    name="support-rule",
    says="The support is found from every start run if min|w*ᵢ| > (1 + kβ) threshold, lost if min|w*ᵢ| < threshold.",
    cite="dinh2018splitting",
    provenance="derived",
    measure=_violations,
    region=(0.0, 0.0),
    control=_naive_violations,
    control_says="the naive rule, found if min|w*ᵢ| > threshold: violated by some runs",
    control_needs="some",
    statistic="every",
    min_seeds=500,
    unit="1 where a run violates it",
    recorded="holds",
)


# --- the Lagrangian ---------------------------------------------------------------------------------------------------


def _largest_rise(data: xr.Dataset) -> xr.DataArray:
    """Over all cells, both variants, the step size of the config and the largest safe one: one number a seed."""
    rises = data[["rise", "rise_limit"]].to_array("step_size")
    return rises.max([axis for axis in rises.dims if axis != "seed"], skipna=False)


def _least_unstable_rise(data: xr.Dataset) -> xr.DataArray:
    """Over all cells without normalisation, at the unstable step size: one number a seed."""
    free = data["rise_unstable"].sel(variant="free")
    return free.min([axis for axis in free.dims if axis != "seed"], skipna=False)


MONOTONE = Claim(
    name="monotone",
    says="The Lagrangian never rises: at no step of the runs, nor in the first steps at η = 1 / (β + 2a/k²).",
    provenance="memory",
    measure=_largest_rise,
    region=(-math.inf, 1e-12),
    control=_least_unstable_rise,
    control_says="a step size beyond the largest stable one, without normalisation, in every cell",
    control_region=(1e-6, math.inf),
    premise=lambda data: (data.attrs["lr"] <= data["safe_lr"]).values,
    premise_says="the step size η is at most 1 / (β + 2a/k²)",
    unit="largest rise in one step, over all cells",
    recorded="holds",
    **PAPER,
)


# --- the trade-off (R3) -----------------------------------------------------------------------------------------------


def _angle_ratio(compare: str) -> Measure:
    """The angle of transformed l1 over that of l1 at the judged lambda of l1, one number a seed."""

    def measure(data: xr.Dataset) -> xr.DataArray:
        angle = judged(data, "angle", compare).sel(lam=LAM)
        return angle.sel(penalty="transformed l1", drop=True) / angle.sel(penalty="l1", drop=True)

    return measure


def _zero_error(name: str) -> Measure:
    """A variable of l0 at the threshold that l1 has where its own claim is lost, one number a seed."""
    return lambda data: judged(data, name, "equal threshold").sel(penalty="l0", lam=LOST_LAM)


TRADE_OFF = (
    Claim(
        name="l0-fails-first",
        says="Where l1 and transformed l1 keep the support on every seed, λ = 0.002, l0 has lost it on every seed.",
        provenance="derived",
        measure=_every_support(["l0"], LOST_LAM),
        region=(0.0, 0.0),
        control=_every_support(SOFT, LOST_LAM),
        control_says="l1 and transformed l1 at the same λ",
        control_region=(1.0, 1.0),
        unit="1 where the support is exact",
        recorded="holds",
        **LIMITS,
        **PAPER,
    ),
    Claim(
        name="l0-at-equal-threshold",
        says="At the threshold that l1 has there, l0 finds the truth without a bias: only its threshold was too large.",
        provenance="derived",
        measure=_zero_error("error"),
        region=(-math.inf, 1e-7),
        control=lambda data: judged(data, "error", "equal threshold").sel(penalty="l1", lam=LOST_LAM),
        control_says="l1 at the same threshold, which shrinks what it keeps",
        control_region=(1e-3, math.inf),
        unit="|u − w*|",
        recorded="holds",
        **LIMITS,
        **PAPER,
    ),
    Claim(
        name="tl1-more-biased",
        says=f"At equal λ = {LAM:g} transformed l1 with a₁ = 1 is more biased than l1, not less.",
        cite="dinh2018splitting",
        provenance="derived",
        measure=_angle_ratio("equal lambda"),
        region=(1.0, math.inf),
        control=_angle_ratio("equal threshold"),
        control_says="both at the same threshold, where it is less biased",
        min_seeds=64,
        premise=lambda data: _arrived(data) & (data.attrs["shape"] == 1),
        premise_says="the shape is a₁ = 1, and the runs are at their limit",
        unit="angle of transformed l1 / angle of l1",
        recorded="holds",
    ),
)


CLAIMS = (*RECOVERY, *LIMIT, SUPPORT, MONOTONE, *TRADE_OFF, *NETWORK)
