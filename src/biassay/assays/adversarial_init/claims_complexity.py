"""The claims about the complexity of the found minima, each beside its control.

Measures are compared as the positive numbers sqrt(v / m), of which the public code prints the logarithm where a name
begins with LOG_. Only networks that interpolate (g > 0) are judged. What these measures get wrong is no claim: it
stands in the figures and in the text.
"""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from jaxtyping import Float

from ...claims import Claim, Measure, Outcome

JUDGED = {
    "spectral": "LOG_PROD_OF_SPEC_OVER_MARGIN",
    "Frobenius": "LOG_PROD_OF_FRO_OVER_MARGIN",
    "path": "PATH_NORM_OVER_MARGIN",
    "PAC-Bayes": "PACBAYES_ORIG",
    "sharpness": "PACBAYES_FLATNESS",
}
"""The measures that the claims speak of, by what is measured."""
OTHERS = ("S0", "S3[M+L2]")
"""The set-ups that S2 is compared with."""
LARGEST = (1 + 1e-9, math.inf)
RANKING = (0.1, 1.0)
"""More than permuted runs reach: their mean scatters around 0, so that "above 0" would not tell them off."""
NOT_MINIMA = ("C", "C true", "S1")
"""Set-ups trained on other labels or on other images than the true training set."""
PERMUTATIONS = 200


def sizes(data: xr.Dataset, *measures: str) -> xr.DataArray:
    """sqrt(v / m) of the measures, dims (seed, setup, measure)."""
    values = data.complexity.sel(measure=list(measures))
    logarithmic = [name.startswith("LOG_") for name in measures]
    return xr.where(xr.DataArray(logarithmic, dims="measure"), np.exp(values), values).transpose(*values.dims)


def excess(setup: str, others: tuple[str, ...] = OTHERS) -> Measure:
    """By which factor the setup's measures exceed the largest of the others, at least: the smallest over `JUDGED`."""

    def smallest(data: xr.Dataset) -> xr.DataArray:
        found = sizes(data, *JUDGED.values())
        factors = found.sel(setup=setup) / found.sel(setup=list(others)).max("setup", skipna=False)
        return factors.min("measure", skipna=False)

    return smallest


def kendall(a: Float[np.ndarray, "*runs n"], b: Float[np.ndarray, "*runs n"]) -> Float[np.ndarray, "*runs"]:
    """Kendall's tau_b of two rankings of n things, along the last axis; NaN where one of them does not rank at all."""
    A, B = (np.sign(values[..., :, None] - values[..., None, :]) for values in (a, b))
    # Over ordered pairs: those ranked alike minus those ranked apart, over the geometric mean of the pairs not tied.
    pairs = np.sqrt((A**2).sum((-1, -2)) * (B**2).sum((-1, -2)))
    agreement = (A * B).sum((-1, -2))
    return np.divide(agreement, pairs, out=np.full_like(agreement, np.nan), where=pairs > 0)


def minima(data: xr.Dataset) -> list[str]:
    """The set-ups trained on the true labels of the training images."""
    return [str(name) for name in data.setup.values if name not in NOT_MINIMA]


def ranked(data: xr.Dataset, measure: str) -> Float[np.ndarray, " seed"]:
    """Kendall's tau of the measure and the test error over all minima, for every seed."""
    return kendall(*_rankings(data, measure))


def ranked_without_decay(data: xr.Dataset, measure: str) -> Float[np.ndarray, " seed"]:
    """The same over the minima found without weight decay, which cannot rank by whether there was any."""
    return ranked(data.sel(setup=[name for name in minima(data) if "L2" not in name]), measure)


def permuted(data: xr.Dataset, measure: str) -> Float[np.ndarray, " seed"]:
    """The same with the test errors permuted among the minima: the mean over `PERMUTATIONS`, others for every seed."""
    values, errors = _rankings(data, measure)
    shuffled = np.broadcast_to(errors, (PERMUTATIONS, *errors.shape))
    shuffled = np.random.default_rng(0).permuted(shuffled, axis=-1)
    return kendall(np.broadcast_to(values, shuffled.shape), shuffled).mean(0)


def _rankings(data: xr.Dataset, measure: str) -> tuple[np.ndarray, np.ndarray]:
    found = data.sel(setup=minima(data))
    values = found.complexity.sel(measure=measure).transpose("seed", "setup")
    return np.asarray(values, float), 1 - np.asarray(found.test.transpose("seed", "setup"), float)


def _interpolate(*setups: str) -> Measure:
    """Whether the set-ups have a positive margin; without names, whether all minima have."""
    return lambda data: data.margin.sel(setup=list(setups) or minima(data)).notnull().all("setup")


def _rank_agrees(words: str, recorded: Outcome) -> Claim:
    measure = JUDGED[words]
    return Claim(
        name=f"rank-agrees-{words.lower()}",
        says=f"The measure {measure} ranks the set-ups as their test errors do, seed by seed (threshold ours: "
        "Kendall's tau above 0.1, more than permuted runs reach).",
        cite="jiang2020fantastic",
        provenance="read",
        measure=lambda data: ranked(data, measure),
        region=RANKING,
        control=lambda data: permuted(data, measure),
        control_says=f"test errors permuted among the set-ups, the mean of {PERMUTATIONS} permutations a seed",
        control_region=(-0.1, 0.1 - 1e-9),
        premise=_interpolate(),
        premise_says="every set-up trained on the true labels interpolates (g > 0)",
        min_seeds=8,
        recorded=recorded,
        unit="Kendall's tau",
    )


COMPLEXITY = (
    Claim(
        name="most-complex",
        says="The minimum found from the adversarial start (S2) has larger complexity measures than those found from "
        "the random start and with regularisers, S0 and S3[M+L2]: " + ", ".join(JUDGED.values()) + " (the number is "
        "the smallest of the five factors).",
        cite="liu2020bad, jiang2020fantastic",
        provenance="seed",
        measure=excess("S2"),
        region=LARGEST,
        control=excess("NC2"),
        control_says="the norm-matched random start (NC2), which memorised nothing: a measure that is as large there "
        "sees the scale of the weights, not what was memorised",
        premise=_interpolate("S2", "NC2", *OTHERS),
        premise_says="S0, S2, NC2 and S3[M+L2] interpolate (g > 0)",
        statistic="every",
        min_seeds=4,
        recorded="vacuous",
        unit="factor",
    ),
    *(_rank_agrees(words, "unclear" if words == "sharpness" else "holds") for words in JUDGED),
)
