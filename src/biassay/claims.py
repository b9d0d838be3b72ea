"""Claims and verdicts: a published sentence, what is measured, and what the measurement says.

A `Claim` is one sentence from a paper together with a *measure* (one number per seed), the *region* of values that
agree with the sentence, and a *control*: the same measure where the sentence must not hold. `Claim.judge` turns the
dataset of an assay into a `Verdict`. This module knows NumPy, SciPy and xarray, and nothing of JAX.

How the outcome is decided, in this order:

1. the premise does not hold on every seed                            -> `vacuous`
2. control not finite                                                 -> `unclear` (nothing to compare with)
3. control inside the claim's own region                              -> `vacuous` (the check cannot fail)
4. control outside what it was promised, or its interval crosses in   -> `unclear`
5. fewer seeds than `min_seeds`, or some diverged                     -> at most `unclear`
6. interval inside the region / disjoint from it / across its edge    -> `holds` / `fails` / `unclear`

A statement about every seed asks as much of its control: every control seed must lie outside the region, unless the
claim says that some need to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import stats

Outcome: TypeAlias = Literal["holds", "fails", "unclear", "vacuous"]
Provenance: TypeAlias = Literal["seed", "read", "memory", "derived"]
Statistic: TypeAlias = Literal["proportion", "mean", "every"]
Measure: TypeAlias = Callable[[xr.Dataset], ArrayLike]

CONFIDENCE = 0.95
_BOOTSTRAP_DRAWS = 9999
_BOOTSTRAP_LEAST = 8
# A skewed sample may ask for an infinite end: none is further from the mean than so many times the t interval's.
_WIDEST = 3.0


@dataclass(frozen=True)
class Estimate:
    """A number over seeds with its interval.

    value: the statistic; interval: its confidence interval (the range over the seeds for the statistic "every");
    n: seeds used; diverged: seeds that gave no finite number (counted in n).
    """

    value: float
    interval: tuple[float, float]
    n: int
    diverged: int

    @property
    def finite(self) -> bool:
        """Whether there is a value at all, with no seed diverged."""
        return self.diverged == 0 and self.n > 0 and math.isfinite(self.value)


@dataclass(frozen=True)
class Verdict:
    """What a claim's measurement said, as plain data. `region` and `interval` are closed, their ends may be inf."""

    claim: str
    says: str
    cite: str
    provenance: Provenance
    outcome: Outcome
    reason: str
    statistic: Statistic
    unit: str
    value: float
    interval: tuple[float, float]
    region: tuple[float, float]
    n: int
    diverged: int
    control_says: str
    control: float
    control_interval: tuple[float, float]
    n_control: int
    recorded: Outcome | None

    @property
    def as_recorded(self) -> bool:
        """Whether the outcome is the one recorded when the claim was reviewed (true when none was recorded)."""
        return self.recorded is None or self.outcome == self.recorded

    def to_json(self) -> dict[str, Any]:
        """The verdict as JSON data: a number that is not finite becomes None."""
        return {name: _jsonable(value) for name, value in self.__dict__.items()}


def _jsonable(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def binomial_interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact two-sided interval of a proportion (Clopper and Pearson, Biometrika 26, 1934).

    With 0 or all of `trials` the one-sided bound is used at the end that can move, so 0 of M reads [0, about 3/M].
    """
    if trials < 1:
        raise ValueError(f"an interval needs at least one trial, got {trials}")
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must lie in 0..{trials}, got {successes}")
    tail = 1 - confidence
    if successes == 0:
        return 0.0, float(1 - tail ** (1 / trials))
    if successes == trials:
        return float(tail ** (1 / trials)), 1.0
    low = stats.beta.ppf(tail / 2, successes, trials - successes + 1)
    high = stats.beta.ppf(1 - tail / 2, successes + 1, trials - successes)
    return float(low), float(high)


def bootstrap_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Studentised bootstrap interval of the mean (Efron and Tibshirani 1993, section 12.5), reproducible.

    Below 8 values resamples that repeat few values make the bootstrap as wide as it is loose: the t interval is given.
    One value has no interval: (-inf, inf) unless it is exact by construction (use the statistic "every").
    """
    sample = np.asarray(values, float)
    n = sample.size
    if n == 0:
        raise ValueError("an interval needs at least one value")
    if n == 1:
        return -math.inf, math.inf
    mean, spread = sample.mean(), sample.std(ddof=1)
    if spread == 0:
        return float(mean), float(mean)
    error = spread / math.sqrt(n)
    tail = (1 - confidence) / 2
    if n < _BOOTSTRAP_LEAST:
        half = float(stats.t.ppf(1 - tail, n - 1)) * error
        return float(mean - half), float(mean + half)
    draws = sample[np.random.default_rng(0).integers(0, n, (_BOOTSTRAP_DRAWS, n))]
    errors = draws.std(axis=1, ddof=1) / math.sqrt(n)
    # A resample of one value repeated, to rounding, has no spread: its studentised mean is infinite, or 0 where that
    # value is the mean itself.
    gap, spread_out = draws.mean(axis=1) - mean, errors > 1e-3 * error
    gap = np.where(np.abs(gap) > 1e-9 * error, gap, 0.0)
    t = np.where(spread_out, gap / np.where(spread_out, errors, 1.0), np.where(gap == 0, 0.0, np.copysign(np.inf, gap)))
    low_t, high_t = np.quantile(t, [tail, 1 - tail], method="inverted_cdf")
    normal = float(stats.t.ppf(1 - tail, n - 1))
    low_t, high_t = max(low_t, -_WIDEST * normal), min(high_t, _WIDEST * normal)
    return float(mean - high_t * error), float(mean - low_t * error)


def estimate(values: ArrayLike, statistic: Statistic, region: tuple[float, float], nearest: bool = False) -> Estimate:
    """One number over seeds.

    values: one per seed, NaN where the seed diverged. "proportion" takes booleans (or 0/1) and gives an exact binomial
    interval in which a diverged seed may count either way; "mean" gives the mean and its bootstrap interval; "every"
    is for statements about each seed: the value deepest outside (or nearest the edge of) `region`, or with `nearest`
    the value deepest inside (or nearest to it), and the range.
    """
    sample = np.asarray(values, float).ravel()
    n, finite = sample.size, sample[np.isfinite(sample)]
    diverged = n - finite.size
    if finite.size == 0:
        return Estimate(math.nan, (math.nan, math.nan), n, diverged)
    if statistic == "proportion":
        if not np.isin(finite, (0.0, 1.0)).all():
            raise ValueError("a proportion needs one yes or no per seed")
        yes = int(finite.sum())
        low, _ = binomial_interval(yes, n)
        _, high = binomial_interval(yes + diverged, n)
        return Estimate(yes / finite.size, (low, high), n, diverged)
    if statistic == "mean":
        return Estimate(float(finite.mean()), bootstrap_interval(finite), n, diverged)
    if statistic == "every":
        low, high = region
        room = np.minimum(finite - low, high - finite)
        told = np.argmax(room) if nearest else np.argmin(room)
        return Estimate(float(finite[told]), (float(finite.min()), float(finite.max())), n, diverged)
    raise ValueError(f"unknown statistic {statistic!r}; one of proportion, mean, every")


def _inside(value: float, region: tuple[float, float]) -> bool:
    return region[0] <= value <= region[1]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One published sentence as an executable claim.

    Args:
        name: short and unique within the assay.
        says: the sentence, in our own words.
        cite: BibTeX key(s) of the source, comma-separated.
        provenance: "seed" (the documents this collection started with), "read" (the named public source), "derived"
            (worked out here), "memory" (recalled and unverified: never printed as a quotation).
        measure: dataset -> one number per seed (one boolean per seed for the statistic "proportion").
        region: the closed interval of values that agree with the sentence; either end may be infinite.
        control: the same measure where the sentence must *not* hold.
        control_says: what the control is.
        control_region: values the control must show to be a control at all; by default anything outside `region`.
        control_needs: for the statistic "every", whether "every" control seed must lie outside `region` and inside
            `control_region` (the one nearest to breaking this is told), or "some" (the furthest outside is told).
        statistic: "mean" (bootstrap), "proportion" (exact binomial) or "every" (each seed lies in the region).
        min_seeds: with fewer seeds the verdict is at most `unclear`.
        premise: dataset -> one boolean per seed; where it fails the sentence speaks of nothing (`vacuous`).
        premise_says: the premise in words.
        recorded: the outcome when the claim was last reviewed, for `biassay run --check`.
        unit: unit of the measure, "" for a pure number.

    Raises:
        TypeError: no control or no measure is given.
        ValueError: the region is empty, or `premise` comes without words.
    """

    name: str
    says: str
    cite: str
    provenance: Provenance
    measure: Measure
    region: tuple[float, float]
    control: Measure
    control_says: str
    control_region: tuple[float, float] | None = None
    control_needs: Literal["every", "some"] = "every"
    statistic: Statistic = "mean"
    min_seeds: int = 2
    premise: Measure | None = None
    premise_says: str = ""
    recorded: Outcome | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        for part in ("measure", "control"):
            if not callable(getattr(self, part)):
                raise TypeError(f"claim {self.name!r} needs a {part}: a function of the dataset, one number per seed")
        if not self.control_says:
            raise TypeError(f"claim {self.name!r} must say what its control is")
        if not self.region[0] <= self.region[1]:
            raise ValueError(f"claim {self.name!r} has the empty region {self.region}")
        if (self.premise is None) != (not self.premise_says):
            raise ValueError(f"claim {self.name!r}: a premise and its words come together")

    @property
    def _each_control_seed(self) -> bool:
        return self.statistic == "every" and self.control_needs == "every"

    def judge(self, data: xr.Dataset) -> Verdict:
        """Measures the claim and its control on `data` and says what came out."""
        value = estimate(self.measure(data), self.statistic, self.region)
        control = estimate(self.control(data), self.statistic, self.region, nearest=self._each_control_seed)
        outcome, reason = self._decide(data, value, control)
        return Verdict(
            claim=self.name,
            says=self.says,
            cite=self.cite,
            provenance=self.provenance,
            outcome=outcome,
            reason=reason,
            statistic=self.statistic,
            unit=self.unit,
            value=value.value,
            interval=value.interval,
            region=self.region,
            n=value.n,
            diverged=value.diverged,
            control_says=self.control_says,
            control=control.value,
            control_interval=control.interval,
            n_control=control.n,
            recorded=self.recorded,
        )

    def _decide(self, data: xr.Dataset, value: Estimate, control: Estimate) -> tuple[Outcome, str]:
        if self.premise is not None:
            met = np.asarray(self.premise(data), float).ravel() == 1
            if not (met.size and met.all()):
                return "vacuous", f"the premise fails on {int((~met).sum())} of {met.size} seeds: {self.premise_says}"
        if not control.finite:
            return "unclear", "the control gave no finite value"
        if _inside(control.value, self.region):
            return "vacuous", "the control satisfies the claim too"
        shown = control.interval if self._each_control_seed else (control.value,)
        if self.control_region is not None and not all(_inside(value, self.control_region) for value in shown):
            return "unclear", "the control did not do what a control must"
        low, high = control.interval
        if self.statistic != "every" and control.n > 1 and low <= self.region[1] and self.region[0] <= high:
            return "unclear", "the control's interval reaches into the region"
        if value.n < self.min_seeds:
            return "unclear", f"{value.n} seeds, at least {self.min_seeds} are needed"
        if not math.isfinite(value.value):
            return "unclear", "every seed diverged"
        low, high = value.interval
        if self.statistic == "every" and not _inside(value.value, self.region):
            return "fails", "a seed lies outside the region"
        if high < self.region[0] or low > self.region[1]:
            return "fails", "the interval lies outside the region"
        if value.diverged:
            return "unclear", f"{value.diverged} of {value.n} seeds diverged"
        if self.region[0] <= low and high <= self.region[1]:
            return "holds", "the interval lies inside the region"
        return "unclear", "the interval crosses the edge of the region"
