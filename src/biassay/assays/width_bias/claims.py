"""What the assay `width-bias` claims, and the control of each claim.

Widths are compared in pairs, on the same split, flips and batches. Where a sentence speaks of several widths or rates,
the one that agrees least is judged: the largest of several mean rises is on average too large, which can only speak
against the sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from ...claims import Claim, Measure

Samples = Iterable[np.ndarray]


def _largest(samples: Samples, size: Callable[[float], float] = float) -> np.ndarray:
    """The sample, one number a seed, of the largest mean; NaN where there is none."""
    return max(samples, key=lambda sample: size(sample.mean()), default=np.array([np.nan]))


def _smallest(samples: Samples, size: Callable[[float], float] = float) -> np.ndarray:
    """The sample of the smallest mean."""
    return min(samples, key=lambda sample: size(sample.mean()), default=np.array([np.nan]))


# --- the trained networks ---------------------------------------------------------------------------------------------


def change(data: xr.Dataset, rate: float, narrow: int, wide: int) -> np.ndarray:
    """test(wide) - test(narrow), for the seeds that ran both."""
    own = data.sel(rate=rate, width=[narrow, wide])
    first, second = own["test"].values.T[:, : int(own["ran"].min())]
    return second - first


def rates_of(data: xr.Dataset, *widths: int) -> list[float]:
    """The rates at which all of these widths were trained."""
    ran = (data["ran"].sel(width=list(widths)) > 0).all("width")
    return data["rate"].values[ran.values].tolist()


def fitting_width(data: xr.Dataset, rate: float) -> int | None:
    """H_0, the smallest width with training error 0 on every seed; None if there is none."""
    own = data.sel(rate=rate)
    fitted = (own["ran"] > 0) & ((own["train"] == 0).sum("seed") >= own["ran"])
    return int(data["width"].values[fitted.values][0]) if fitted.any() else None


def rise_beyond_fit(data: xr.Dataset) -> np.ndarray:
    """The largest mean rise from H_0 to a greater width, over widths and rates."""
    rises = []
    for rate in data["rate"].values:
        first = fitting_width(data, rate)
        ran = data["width"].values[data["ran"].sel(rate=rate).values > 0]
        rises += [change(data, rate, first, H) for H in ran if first is not None and first < H]
    return _largest(rises)


def fall(data: xr.Dataset) -> np.ndarray:
    """test(32) - test(256) at the rate where it is least."""
    return _smallest(-change(data, rate, 32, 256) for rate in rates_of(data, 32, 256))


def _low_rates(data: xr.Dataset, *widths: int) -> list[float]:
    return [rate for rate in rates_of(data, *widths) if rate <= 0.1]


def late_change(data: xr.Dataset) -> np.ndarray:
    """test(512) - test(1024), at the rate up to 10 % where it is largest in size."""
    return _largest((-change(data, rate, 512, 1024) for rate in _low_rates(data, 512, 1024)), abs)


def early_change(data: xr.Dataset) -> np.ndarray:
    """test(8) - test(32), at the rate up to 10 % where it is smallest in size."""
    return _smallest((-change(data, rate, 8, 32) for rate in _low_rates(data, 8, 32)), abs)


def adjacent_rise(data: xr.Dataset) -> np.ndarray:
    """The largest mean rise from one narrow width to the next, with noise, after the long runs."""
    error = data["long_test"].values[:, data["narrow"].values >= 4]
    return _largest(np.diff(error, axis=1).T)


def memorization_cost(data: xr.Dataset, rate: float, widths: Iterable[int]) -> np.ndarray:
    """Test error at the end minus that of the best checkpoint, at the width where it costs most."""
    own = data.sel(rate=rate)
    cost = own["test"] - own["best"]
    return _largest(cost.sel(width=H).values[: int(own["ran"].sel(width=H))] for H in widths if own["ran"].sel(width=H))


def _wide(data: xr.Dataset) -> list[int]:
    return [H for H in data["width"].values if H >= 256]


def _narrow_cost(data: xr.Dataset) -> np.ndarray:
    return memorization_cost(data, data["rate"].values[-1], [8])


def _free_without_noise(data: xr.Dataset) -> np.ndarray:
    return np.array([memorization_cost(data, 0.0, _wide(data)).mean() < MEMORIZATION])


def rank_correlation(data: xr.Dataset, error: str, size: str) -> np.ndarray:
    """Spearman's correlation over the widths from 32 on of `error` with `size`, without flips, for every seed."""
    return np.array([spearmanr(errors, sizes)[0] for errors, sizes in _from_32(data, error, size)])


def shuffled_correlation(data: xr.Dataset, error: str, size: str) -> np.ndarray:
    """The same with the widths of `size` shuffled, the mean of 200 shuffles."""
    rng = np.random.default_rng(0)
    return np.array(
        [
            np.mean(np.array([spearmanr(errors, rng.permutation(sizes))[0] for _ in range(200)], float))
            for errors, sizes in _from_32(data, error, size)
        ]
    )


def _from_32(data: xr.Dataset, error: str, size: str) -> list[tuple[np.ndarray, np.ndarray]]:
    own = data.sel(rate=0.0, width=data["width"] >= 32)
    seeds = range(int(own["ran"].min()))
    return [(own[error].values[i], own[size].values[i]) for i in seeds]


# --- the controls -----------------------------------------------------------------------------------------------------


def feature_rise(data: xr.Dataset, rates: Iterable[float], narrow: int, wide: int) -> np.ndarray:
    """The mean rise between two numbers of random features, at the rate where it is least."""
    error = data["feature_test"]
    return _smallest((error.sel(rate=r, feature=wide) - error.sel(rate=r, feature=narrow)).values for r in rates)


def unscaled_change(data: xr.Dataset, rate: float, narrow: int, wide: int) -> np.ndarray:
    """test(wide) - test(narrow) of the networks whose output weights are not scaled."""
    error = data["unscaled_test"].sel(control_rate=rate)
    return (error.sel(control_width=wide) - error.sel(control_width=narrow)).values


def start_output_cost(data: xr.Dataset, width: int, rates: Iterable[float]) -> np.ndarray:
    """Test error with unscaled output weights minus that with the antisymmetric start, where it is least over rates."""
    cost = (data["unscaled_test"] - data["antisymmetric_test"]).sel(control_width=width)
    return _smallest(cost.sel(control_rate=rate).values for rate in rates)


# --- matrices and the convex program ----------------------------------------------------------------------------------


def matrix_error(data: xr.Dataset, k: int, noisy: bool, smallest_scale: bool) -> np.ndarray:
    """The relative test error at the inner dimension k, at the smallest or the largest scale of the start."""
    fits = data["fit"].values[data["noisy"].values == noisy]
    return data["matrix_test"].sel(fit=fits[0 if smallest_scale else -1], k=k).values


def objective_gap(data: xr.Dataset, widths: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """|least objective over the starts - convex optimum| / optimum, the largest over the widths, for every set."""
    own = data["objective"].min("start").sel(convex_width=widths(data["convex_width"].values))
    return (abs(own - data["optimum"]) / data["optimum"]).max("convex_width").values


MEMORIZATION = 0.01
RECALLED: dict[str, Any] = {"cite": "neyshabur2014search", "provenance": "memory"}
DERIVED: dict[str, Any] = {"cite": "neyshabur2014search", "provenance": "derived"}
CONVEX: dict[str, Any] = {"cite": "pilanci2020convex", "provenance": "derived", "statistic": "every", "min_seeds": 3}


def _clean_rise(data: xr.Dataset) -> np.ndarray:
    return matrix_error(data, 80, False, True) - matrix_error(data, 2, False, True)


def _correlates(name: str, says: str, error: str, size: str, **more: Any) -> Claim:
    measure: Measure = lambda data: rank_correlation(data, error, size)  # noqa: E731
    return Claim(
        name=name,
        says=says,
        measure=measure,
        region=(0.5, np.inf),
        control=lambda data: shuffled_correlation(data, error, size),
        control_says="the same with the widths shuffled, the mean of 200 shuffles",
        control_region=(-0.2, 0.2),
        min_seeds=5,
        **(RECALLED | more),
    )


CLAIMS = (
    Claim(
        name="no-rise",
        says="Beyond the width at which the training error is zero, the test error does not rise with the width.",
        measure=rise_beyond_fit,
        region=(-np.inf, 0.005),
        control=lambda data: feature_rise(data, data["rate"].values, 200, 400),
        control_says="random features with minimum-norm least squares, from 200 to 400 features",
        control_region=(0.3, np.inf),
        min_seeds=5,
        **RECALLED,
        recorded="holds",
    ),
    Claim(
        name="no-rise-needs-its-start",
        says="The test error does not rise with the width where the outputs at the start do not grow with it.",
        measure=rise_beyond_fit,
        region=(-np.inf, 0.005),
        control=lambda data: _largest(unscaled_change(data, 0.0, 32, H) for H in _unscaled_beyond_32(data)),
        control_says="the same networks with output weights of variance 1 at the start, beyond 32 units, without noise",
        control_region=(0.02, np.inf),
        min_seeds=5,
        **DERIVED,
        recorded="holds",
    ),
    Claim(
        name="keeps-falling",
        says="The test error goes on falling beyond the width that fits the training set, at every rate of flips.",
        measure=fall,
        region=(0.0, np.inf),
        control=lambda data: _largest(-unscaled_change(data, rate, 128, 512) for rate in data["control_rate"].values),
        control_says="from 128 to 512 units with output weights of variance 1 at the start: it rises",
        control_region=(-np.inf, 0.0),
        min_seeds=10,
        **RECALLED,
        recorded="holds",
    ),
    Claim(
        name="plateau",
        says="From 512 units on the test error has stopped falling.",
        measure=late_change,
        region=(-0.005, 0.005),
        control=early_change,
        control_says="from 8 to 32 units",
        min_seeds=5,
        **RECALLED,
        recorded="holds",
    ),
    Claim(
        name="no-peak",
        says="With noise the test error has no peak around the width that just fits the training set.",
        measure=adjacent_rise,
        region=(-np.inf, 0.02),
        control=lambda data: feature_rise(data, data["rate"].values[-1:], 360, 400),
        control_says="random features with minimum-norm least squares, from 360 to 400 = n features",
        control_region=(0.2, np.inf),
        min_seeds=10,
        **RECALLED,
        recorded="holds",
    ),
    Claim(
        name="memorization-is-free",
        says="Fitting flipped labels to the end costs a wide network nothing against its best checkpoint.",
        measure=lambda data: memorization_cost(data, data["rate"].values[-1], _wide(data)),
        region=(-np.inf, MEMORIZATION),
        control=_narrow_cost,
        control_says="8 units at the same rate, which fit the flipped labels least well",
        premise=_free_without_noise,
        premise_says=f"without flips the last iterate is on average within {MEMORIZATION:g} of the best checkpoint",
        min_seeds=5,
        **RECALLED,
        recorded="fails",
    ),
    _correlates(
        "norm-explains-width",
        "Over widths the test error goes with the product norm: the smaller the norm, the smaller the error.",
        "test",
        "product_norm",
        recorded="fails",
    ),
    _correlates(
        "norm-explains-width-at-equal-loss",
        "The same, each width at the checkpoint where its training loss is that of the slowest.",
        "equal_test",
        "equal_product_norm",
        provenance="derived",
        recorded="fails",
    ),
    _correlates(
        "distance-goes-with-error",
        "Over widths the test error goes with the distance that the parameters have moved.",
        "test",
        "distance",
        provenance="derived",
        recorded="holds",
    ),
    Claim(
        name="start-output-does-the-harm",
        says="What makes wide networks with unscaled output weights worse is their output at the start, not its size.",
        measure=lambda data: start_output_cost(data, 512, data["control_rate"].values),
        region=(0.02, np.inf),
        control=lambda data: start_output_cost(data, 128, [0.0]),
        control_says="128 units without noise, where the outputs at the start are half as large",
        min_seeds=5,
        **DERIVED,
        recorded="holds",
    ),
    Claim(
        name="convex-equivalence",
        says="With weight decay the best network of many units reaches the optimum of a convex program.",
        measure=lambda data: objective_gap(data, lambda widths: widths[widths >= 16]),
        region=(0.0, 1e-5),
        control=lambda data: objective_gap(data, lambda widths: widths[widths == 1]),
        control_says="networks of one unit",
        control_region=(0.05, np.inf),
        **CONVEX,
        recorded="holds",
    ),
    Claim(
        name="convex-balance",
        says="With weight decay every neuron ends with incoming and outgoing weights of one norm.",
        measure=lambda data: data["imbalance"].max(("start", "convex_width")).values,
        region=(0.0, 2e-3),
        control=lambda data: data["imbalance_free"].min("start").values,
        control_says="networks of 16 units without decay, the start that ends nearest to balance",
        control_region=(0.1, np.inf),
        **CONVEX,
        recorded="holds",
    ),
    Claim(
        name="small-start-small-norm",
        says="From a small start a factorisation of more inner dimensions than the matrix has rows finds the matrix.",
        measure=lambda data: matrix_error(data, 80, False, True),
        region=(0.0, 0.05),
        control=lambda data: matrix_error(data, 80, False, False),
        control_says="the same from a start of scale 1",
        control_region=(1.0, np.inf),
        min_seeds=5,
        **RECALLED,
        recorded="holds",
    ),
    Claim(
        name="noisy-factorisation",
        says="With noise in the entries, 80 inner dimensions from a small start do as well as the true rank.",
        measure=lambda data: matrix_error(data, 80, True, True) - matrix_error(data, 2, True, True),
        region=(-np.inf, 0.05),
        control=lambda data: matrix_error(data, 80, False, False) - matrix_error(data, 2, False, True),
        control_says="without noise, and the 80 inner dimensions from a start of scale 1",
        premise=lambda data: np.array([_clean_rise(data).mean() < 0.05]),
        premise_says="without noise, from a small start, 80 inner dimensions do on average as well as the true rank",
        min_seeds=5,
        **RECALLED,
        recorded="fails",
    ),
)


def _unscaled_beyond_32(data: xr.Dataset) -> list[int]:
    return [H for H in data["control_width"].values if H > 32]
