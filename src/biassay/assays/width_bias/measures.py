"""The measures of the assay `width-bias`, one number for every seed, and those of its controls.

Widths are compared in pairs, on the same split, flips and batches. Where a sentence speaks of several widths or rates,
the one that agrees least is judged: the largest of several mean rises is on average too large, which can only speak
against the sentence. A network that diverged is NaN and agrees least of all: nothing here skips it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

Samples = Iterable[np.ndarray]
"""Samples of one number a seed, of which one is to be judged."""

MEMORIZATION = 0.01
"""Test error that the fit to the labels may cost and still be called free."""


def largest(samples: Samples, size: Callable[[float], float] = float) -> np.ndarray:
    """The sample of the largest mean; one that holds NaN before all others, and NaN where there is none."""
    return _first(samples, lambda mean: -size(mean))


def smallest(samples: Samples, size: Callable[[float], float] = float) -> np.ndarray:
    """The sample of the smallest mean; one that holds NaN before all others, and NaN where there is none."""
    return _first(samples, size)


def _first(samples: Samples, order: Callable[[float], float]) -> np.ndarray:
    found = list(samples)
    broken = [sample for sample in found if not np.isfinite(sample).all()]
    return broken[0] if broken else min(found, key=lambda sample: order(sample.mean()), default=np.array([np.nan]))


# --- the trained networks ---------------------------------------------------------------------------------------------


def of_seeds_run(data: xr.Dataset, name: str, rate: float, width: int) -> np.ndarray:
    """`name` at a width and rate, for the seeds that were trained."""
    own = data.sel(rate=rate, width=width)
    return own[name].values[: int(own["ran"])]


def change(data: xr.Dataset, rate: float, narrow: int, wide: int) -> np.ndarray:
    """test(wide) - test(narrow), for the seeds that ran both."""
    first, second = (of_seeds_run(data, "test", rate, width) for width in (narrow, wide))
    both = min(len(first), len(second))
    return second[:both] - first[:both]


def widths_run(data: xr.Dataset, rate: float) -> list[int]:
    """The widths that were trained at a rate."""
    return data["width"].values[data["ran"].sel(rate=rate).values > 0].tolist()


def rates_of(data: xr.Dataset, *widths: int) -> list[float]:
    """The rates at which all of these widths were trained."""
    ran = (data["ran"].sel(width=list(widths)) > 0).all("width")
    return data["rate"].values[ran.values].tolist()


def fitting_width(data: xr.Dataset, rate: float) -> int | None:
    """H_0, the smallest width with training error 0 on every seed; None if there is none."""
    fitted = (H for H in widths_run(data, rate) if (of_seeds_run(data, "train", rate, H) == 0).all())
    return next(fitted, None)


def rises_beyond_fit(data: xr.Dataset, rate: float) -> list[np.ndarray]:
    """The rise from H_0 to every greater width; one sample of NaN where a network of the rate diverged or there is
    nothing to compare: no width fits the training set, or the largest alone."""
    ran = widths_run(data, rate)
    first = fitting_width(data, rate)
    diverged = any(np.isnan(of_seeds_run(data, name, rate, H)).any() for name in ("train", "test") for H in ran)
    if first is None or first == ran[-1] or diverged:
        return [np.full(data.sizes["seed"], np.nan)]
    return [change(data, rate, first, H) for H in ran[ran.index(first) + 1 :]]


def rise_beyond_fit(data: xr.Dataset) -> np.ndarray:
    """The largest mean rise from H_0 to a greater width, over widths and rates."""
    return largest(rise for rate in data["rate"].values for rise in rises_beyond_fit(data, rate))


def fall(data: xr.Dataset) -> np.ndarray:
    """test(32) - test(256) at the rate where it is least."""
    return smallest(-change(data, rate, 32, 256) for rate in rates_of(data, 32, 256))


def _low_rates(data: xr.Dataset, *widths: int) -> list[float]:
    return [rate for rate in rates_of(data, *widths) if rate <= 0.1]


def late_change(data: xr.Dataset) -> np.ndarray:
    """test(512) - test(1024), at the rate up to 10 % where it is largest in size."""
    return largest((-change(data, rate, 512, 1024) for rate in _low_rates(data, 512, 1024)), abs)


def early_change(data: xr.Dataset) -> np.ndarray:
    """test(8) - test(32), at the rate up to 10 % where it is smallest in size."""
    return smallest((-change(data, rate, 8, 32) for rate in _low_rates(data, 8, 32)), abs)


def adjacent_rise(data: xr.Dataset) -> np.ndarray:
    """The largest mean rise from one narrow width to the next, with noise, after the long runs."""
    error = data["long_test"].values[:, data["narrow"].values >= 4]
    return largest(np.diff(error, axis=1).T)


def memorization_cost(data: xr.Dataset, rate: float, widths: Iterable[int]) -> np.ndarray:
    """Test error at the end minus that of the best checkpoint, at the width where it costs most."""
    costs = (of_seeds_run(data, "test", rate, H) - of_seeds_run(data, "best", rate, H) for H in widths)
    return largest(cost for cost in costs if cost.size)


def wide_cost(data: xr.Dataset, rate: float) -> np.ndarray:
    """The cost of the fit at the widths from 256 on."""
    return memorization_cost(data, rate, [H for H in data["width"].values if H >= 256])


def free_without_noise(data: xr.Dataset) -> np.ndarray:
    """Whether the fit to labels of which none is flipped is on average free: one boolean."""
    return np.array([wide_cost(data, 0.0).mean() < MEMORIZATION])


# --- sizes against errors ---------------------------------------------------------------------------------------------


def rank_correlation(data: xr.Dataset, error: str, size: str) -> np.ndarray:
    """Spearman's correlation over the widths from 32 on of `error` with `size`, without flips, for every seed."""
    return np.array([_spearman(errors, sizes) for errors, sizes in _from_32(data, error, size)])


def moved_correlation(data: xr.Dataset, error: str, size: str) -> np.ndarray:
    """The same with every width's error beside the size of another: the mean of two turns of the list of sizes, by i
    and by i + m/2 places for seed i of m widths, counted so that no turn leaves the list as it is."""

    def moved(i: int, errors: np.ndarray, sizes: np.ndarray) -> float:
        m = len(sizes)
        turns = [1 + place % (m - 1) for place in (i, i + m // 2)]
        return float(np.mean([_spearman(errors, np.roll(sizes, turn)) for turn in turns]))

    return np.array([moved(i, *pair) for i, pair in enumerate(_from_32(data, error, size))])


def _spearman(errors: np.ndarray, sizes: np.ndarray) -> float:
    """NaN where either holds NaN."""
    finite = np.isfinite(errors).all() and np.isfinite(sizes).all()
    return float(np.asarray(spearmanr(errors, sizes)[0])) if finite else np.nan


def _from_32(data: xr.Dataset, error: str, size: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """The errors and sizes at the widths from 32 on, for every seed that ran them all."""
    widths = [H for H in widths_run(data, 0.0) if H >= 32]
    own = data.sel(rate=0.0, width=widths)
    seeds = range(int(own["ran"].min()))
    return [(own[error].values[i], own[size].values[i]) for i in seeds]


# --- the controls -----------------------------------------------------------------------------------------------------


def feature_rise(data: xr.Dataset, rates: Iterable[float], narrow: int, wide: int) -> np.ndarray:
    """The mean rise between two numbers of random features, at the rate where it is least."""
    error = data["feature_test"]
    return smallest((error.sel(rate=r, feature=wide) - error.sel(rate=r, feature=narrow)).values for r in rates)


def control_change(data: xr.Dataset, family: str, rate: float, narrow: int, wide: int) -> np.ndarray:
    """test(wide) - test(narrow) of a family whose output weights are not scaled."""
    error = data[f"{family}_test"].sel(control_rate=rate)
    return (error.sel(control_width=wide) - error.sel(control_width=narrow)).values


def control_rise(data: xr.Dataset, family: str, rates: Iterable[float]) -> np.ndarray:
    """The largest mean rise of such a family from 32 units to a greater width, over widths and rates."""
    wider = [H for H in data["control_width"].values if H > 32]
    return largest(control_change(data, family, rate, 32, H) for rate in rates for H in wider)


def rise_without_output(data: xr.Dataset) -> np.ndarray:
    """The larger of `rise_beyond_fit` and the rise of the networks of large output weights that start at f = 0."""
    return largest([rise_beyond_fit(data), control_rise(data, "antisymmetric", data["control_rate"].values)])


def start_output_cost(data: xr.Dataset, width: int, rates: Iterable[float]) -> np.ndarray:
    """Test error with unscaled output weights minus that with the antisymmetric start, where it is least over rates."""
    cost = (data["unscaled_test"] - data["antisymmetric_test"]).sel(control_width=width)
    return smallest(cost.sel(control_rate=rate).values for rate in rates)


# --- matrices and the convex program ----------------------------------------------------------------------------------


def matrix_error(data: xr.Dataset, k: int, noisy: bool, smallest_scale: bool) -> np.ndarray:
    """The relative test error at the inner dimension k, at the smallest or the largest scale of the start."""
    fits = data["fit"].values[data["noisy"].values == noisy]
    return data["matrix_test"].sel(fit=fits[0 if smallest_scale else -1], k=k).values


def clean_rise(data: xr.Dataset) -> np.ndarray:
    """The relative test error at k = 80 minus that at the true rank, without noise, from the smallest start."""
    return matrix_error(data, 80, False, True) - matrix_error(data, 2, False, True)


def objective_gap(data: xr.Dataset, widths: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """|least objective over the starts - convex optimum| / optimum, the largest over the widths, for every set."""
    own = data["objective"].min("start", skipna=False).sel(convex_width=widths(data["convex_width"].values))
    return (abs(own - data["optimum"]) / data["optimum"]).max("convex_width", skipna=False).values


def end_imbalance(data: xr.Dataset) -> np.ndarray:
    """The largest |‖w_j‖ - |v_j|| over neurons, starts and widths, with weight decay, for every set."""
    return data["imbalance"].max(("start", "convex_width"), skipna=False).values


def conserved_share(data: xr.Dataset) -> np.ndarray:
    """Without decay, max_j |‖w_j‖² - v_j²| at the end over the same at the start, at the start where it moved most."""
    share = (data["conserved_end"] / data["conserved_start"]).transpose("dataset", "start").values
    moved = np.where(np.isfinite(share), abs(share - 1), np.inf)
    return np.take_along_axis(share, moved.argmax(axis=1, keepdims=True), axis=1)[:, 0]
