"""What the assay `overparameterization` claims, and the control of each claim."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from ...claims import Claim, Outcome
from .config import LEAST_N
from .thresholds import best_of_grid, exponents, parameters, threshold

ROUND_OFF = 1e-10
"""A residual below this share of the first one is round-off, and says nothing of a rate."""

Spectrum = Literal["alpha", "beta"]


# --- part one -------------------------------------------------------------------------------------------------------


def lowest(data: xr.Dataset) -> xr.DataArray:
    """alpha: the smallest singular value of J over the checkpoints of a run."""
    return data["alpha"].min("checkpoint")


def extreme(data: xr.Dataset, which: Spectrum) -> xr.DataArray:
    """alpha, or beta: the largest singular value of J over the checkpoints."""
    return lowest(data) if which == "alpha" else data["beta"].max("checkpoint")


def path_over_bound(data: xr.Dataset, which: Spectrum) -> np.ndarray:
    """path alpha / |r_0|, or the same with beta, one number a run (seed and width)."""
    path, first = data["path"].isel(checkpoint=-1), data["residual"].isel(checkpoint=0)
    return (path * extreme(data, which) / first).values.ravel()


def distance_over_bound(data: xr.Dataset, which: Spectrum) -> np.ndarray:
    """dist beta / (|r_0| - |r_T|), or the same with alpha, one number a run."""
    lost = data["residual"].isel(checkpoint=0) - data["residual"].isel(checkpoint=-1)
    return (data["distance"].isel(checkpoint=-1) * extreme(data, which) / lost).values.ravel()


def decay_rate(residual: xr.DataArray, step: xr.DataArray) -> xr.DataArray:
    """The least of log(|r_0| / |r_k|) / k over the checkpoints k > 0 whose residual is not round-off."""
    first = residual.isel(checkpoint=0)
    rate = xr.DataArray(-np.log(residual / first)) / step.where(step > 0)
    return rate.where(residual > ROUND_OFF * first).min("checkpoint")


def rate_over_bound(data: xr.Dataset) -> np.ndarray:
    """The decay rate over eta alpha^2, one number a run."""
    rate = decay_rate(data["residual"], data["step"])
    return (rate / (data["eta"] * lowest(data) ** 2)).values.ravel()


def collapsed_rate(data: xr.Dataset) -> np.ndarray:
    """The collapsed width's decay rate over eta alpha^2, with the mean alpha of the widest network."""
    rate = decay_rate(data["collapsed_residual"], data["collapsed_step"])
    alpha = lowest(data).isel(m=-1).mean("seed")
    return (rate / (data["collapsed_eta"] * alpha**2)).values.ravel()


def residual_left(residual: xr.DataArray) -> np.ndarray:
    """|r_T| / |r_0|."""
    return (residual.isel(checkpoint=-1) / residual.isel(checkpoint=0)).values.ravel()


def conditioning_kept(alpha: xr.DataArray) -> np.ndarray:
    """The least of alpha over the checkpoints, as a share of alpha at the start."""
    return (alpha.min("checkpoint") / alpha.isel(checkpoint=0)).values.ravel()


def wide(data: xr.Dataset) -> xr.Dataset:
    """The widths at which the statements are made."""
    return data.isel(m=np.flatnonzero(data["wide"].values))


def over_nearest(data: xr.Dataset) -> xr.DataArray:
    """dist / nearest, (seed, m)."""
    return data["distance"].isel(checkpoint=-1) / data["nearest"]


def bend(data: xr.Dataset, prefix: Literal["", "linear_"] = "") -> xr.DataArray:
    """path / dist, (seed, m), of the network or of its linearisation at the start."""
    return (data[f"{prefix}path"] / data[f"{prefix}distance"]).isel(checkpoint=-1)


def at_near_width(values: xr.DataArray, data: xr.Dataset) -> np.ndarray:
    """The seeds' values at the width where near-minimality is judged."""
    return values.sel(m=int(data["near_width"])).values


# --- part two -------------------------------------------------------------------------------------------------------


def thresholds(data: xr.Dataset, variable: str, criterion: str) -> xr.DataArray:
    """Each seed's own threshold width; the other axes are kept."""
    fits = data[variable].sel(criterion=criterion).transpose(..., "width")
    return fits.isel(width=0, drop=True).copy(data=threshold(fits.values, data["width"].values))


def gd_thresholds(data: xr.Dataset, criterion: str) -> xr.DataArray:
    """Thresholds (budget, law_seed) of gradient descent with the best step size, at `budget_n` points."""
    fits = data["gd_fits"].sel(gd_n=int(data["budget_n"]), criterion=criterion)
    fits = fits.transpose("lr", "budget", "law_seed", "width")
    best = fits.isel(lr=0, width=0, drop=True)
    return best.copy(data=threshold(best_of_grid(fits.values), data["width"].values))


def law(data: xr.Dataset, variable: str, criterion: str) -> tuple[np.ndarray, np.ndarray]:
    """The n from `LEAST_N` on, and the thresholds (n, seed)."""
    large = thresholds(data, variable, criterion).isel(law_n=np.flatnonzero(data["law_n"].values >= LEAST_N))
    return large["law_n"].values, large.values


def exponent(data: xr.Dataset, variable: str, criterion: str) -> np.ndarray:
    """The slope of log threshold in log n, one number a seed."""
    n, found = law(data, variable, criterion)
    return exponents(found, n)


def parameters_per_point(data: xr.Dataset, variable: str, criterion: str) -> np.ndarray:
    """(m (d + 2) + 1) / n at the thresholds, averaged over the n, one number a seed."""
    n, found = law(data, variable, criterion)
    return (parameters(found, int(data["d"])) / n[:, None]).mean(axis=0)


def saved(found: xr.DataArray, few: int, many: int, axis: str = "budget") -> np.ndarray:
    """log2 of the threshold after `few` steps over that after `many`: doublings of the width, one number a seed."""
    return np.log2((found.sel({axis: few}) / found.sel({axis: many})).values)


def smallest_step(data: xr.Dataset, criterion: str) -> xr.DataArray:
    """Thresholds (budget, law_seed) of gradient descent at the smallest step size of the grid."""
    return thresholds(data.isel(lr=0), "gd_fits", criterion).sel(gd_n=int(data["budget_n"]))


def adam_ends(data: xr.Dataset) -> tuple[int, int]:
    """Adam's least budget, and the steps of the law."""
    return int(data["adam_budget"].min()), int(data["law_steps"])


def gd_ends(data: xr.Dataset) -> tuple[int, int, int]:
    """The least budget of gradient descent that is not 0, the steps of the law, and the largest budget."""
    budgets = data["budget"].values
    return int(budgets[budgets > 0].min()), int(data["law_steps"]), int(budgets.max())


SHORTEST: dict[str, Any] = {"cite": "oymak2019shortest"}
MEASURED: dict[str, Any] = {"cite": "lecture_sgd", "provenance": "derived", "statistic": "mean", "min_seeds": 5}
EVERY: dict[str, Any] = {"statistic": "every", "min_seeds": 5}
CONFLICT = "the same networks where a quarter of the points are pairs with opposite labels: no width fits"

PART_ONE = (
    Claim(
        name="geometric-rate",
        says="Gradient descent decreases the residual at least at the rate eta alpha^2 a step, up to every checkpoint.",
        provenance="read",
        measure=rate_over_bound,
        region=(0.99, np.inf),
        control=collapsed_rate,
        control_says="a network so narrow that J may lose its rank, against the alpha of the widest",
        **SHORTEST,
        **EVERY,
    ),
    Claim(
        name="global-minimum",
        says="Wide networks reach a global minimum: of the residual only round-off is left.",
        provenance="read",
        measure=lambda data: residual_left(wide(data)["residual"]),
        region=(-np.inf, ROUND_OFF),
        control=lambda data: residual_left(data["collapsed_residual"]),
        control_says="the narrow network, four times as long: some seeds are stuck",
        control_needs="some",
        **SHORTEST,
        **EVERY,
    ),
    Claim(
        name="conditioning-kept",
        says="Along the path of a wide network the smallest singular value of J stays above half of its first value.",
        cite="liu2020landscapes",
        provenance="derived",
        measure=lambda data: conditioning_kept(wide(data)["alpha"]),
        region=(0.5, np.inf),
        control=lambda data: conditioning_kept(data["collapsed_alpha"]),
        control_says="the narrow network: for some seeds it falls more than twentyfold",
        control_region=(-np.inf, 1 / 20),
        control_needs="some",
        **EVERY,
    ),
    Claim(
        name="pl-star",
        says="At every checkpoint |grad L|^2 / 2 is at least lambda_min(J J^T) L.",
        cite="liu2020landscapes",
        provenance="read",
        measure=lambda data: data["pl_ratio"].min("checkpoint").values.ravel(),
        region=(1 - 1e-10, np.inf),
        control=lambda data: data["pl_ratio_largest"].min("checkpoint").values.ravel(),
        control_says="lambda_max in the place of lambda_min",
        **EVERY,
    ),
    Claim(
        name="path-bound",
        says="The path of gradient descent is no longer than |r_0| / alpha.",
        provenance="derived",
        measure=lambda data: path_over_bound(data, "alpha"),
        region=(-np.inf, 1.0),
        control=lambda data: path_over_bound(data, "beta"),
        control_says="beta in the place of alpha",
        **SHORTEST,
        **EVERY,
    ),
    Claim(
        name="distance-bound",
        says="Gradient descent ends no closer than (|r_0| - |r_T|) / beta to its start.",
        provenance="derived",
        measure=lambda data: distance_over_bound(data, "beta"),
        region=(1.0, np.inf),
        control=lambda data: distance_over_bound(data, "alpha"),
        control_says="alpha in the place of beta",
        **SHORTEST,
        **EVERY,
    ),
    Claim(
        name="near-minimal-distance",
        says="Gradient descent ends at most 3 % further off than the nearest global minimum (400 neurons, on average).",
        provenance="read",
        measure=lambda data: at_near_width(over_nearest(data), data),
        region=(1 - 1e-6, 1.03),
        control=lambda data: over_nearest(data).isel(m=0).values,
        control_says="the narrowest network, which must end more than 10 % too far",
        control_region=(1.1, np.inf),
        statistic="mean",
        min_seeds=5,
        premise=lambda data: at_near_width(data["tangential"], data) < 1e-3,
        premise_says="the search for the nearest minimum has converged",
        **SHORTEST,
    ),
    Claim(
        name="nearer-when-wider",
        says="The wider the network, the smaller is distance over nearest distance, from each width to the next.",
        provenance="derived",
        measure=lambda data: np.diff(over_nearest(wide(data)).values, axis=1).max(axis=1),
        region=(-np.inf, -1e-6),
        control=lambda data: np.zeros(data.sizes["seed"]) + _linear_over_nearest(data),
        control_says="the linearised networks, which end at the nearest solution at every width",
        **SHORTEST,
        **EVERY,
    ),
    Claim(
        name="shortest-path-literally",
        says="The path is hardly longer than the straight line to its end: by at most 5 %.",
        provenance="read",
        measure=lambda data: at_near_width(bend(data), data),
        region=(1 - 1e-6, 1.05),
        control=lambda data: at_near_width(bend(data, "linear_"), data),
        control_says="the linearised network, in closed form: its path is as much longer",
        statistic="mean",
        min_seeds=5,
        **SHORTEST,
    ),
    Claim(
        name="bend-is-the-spectrum",
        says="The path is longer than straight by as much as the linearised network's, to 0.02 of the distance.",
        provenance="derived",
        measure=lambda data: at_near_width(abs(bend(data) - bend(data, "linear_")), data),
        region=(0.0, 0.02),
        control=lambda data: at_near_width(bend(data) - 1, data),
        control_says="a linear model whose eigenvalues are all equal: a straight path",
        **SHORTEST,
        **EVERY,
    ),
)


def _linear_over_nearest(data: xr.Dataset) -> np.ndarray:
    """The change of distance over nearest distance from width to width for the linearised networks."""
    ratio = (data["linear_distance"] / data["linear_along"]).isel(checkpoint=-1)
    return np.diff(wide(ratio.to_dataset(name="ratio"))["ratio"].values, axis=1).max(axis=1)


def _law(criterion: str, words: str) -> tuple[Claim, ...]:
    """The exponent and the parameters a point under one criterion."""
    suffix = "" if criterion == "accuracy" else "-small-error"
    return (
        Claim(
            name=f"width-exponent{suffix}",
            says=f"From n = {LEAST_N} on the width that Adam needs for {words} grows about like n.",
            measure=lambda data: exponent(data, "adam_fits", criterion),
            region=(0.8, 1.2),
            control=lambda data: exponent(data, "conflict_fits", criterion),
            control_says=CONFLICT,
            **MEASURED,
        ),
        Claim(
            name=f"parameters-per-point{suffix}",
            says=f"One to three parameters a point are enough for {words}.",
            measure=lambda data: parameters_per_point(data, "adam_fits", criterion),
            region=(1.0, 3.0),
            control=lambda data: parameters_per_point(data, "conflict_fits", criterion),
            control_says=CONFLICT,
            **MEASURED,
        ),
    )


def _budget(criterion: str, words: str) -> tuple[Claim, ...]:
    """The budget's claims under one criterion, at one n. Their regions are factors 1.25, 1.15 and 1.5 of the width."""
    suffix = "" if criterion == "accuracy" else "-small-error"
    doublings: dict[str, Any] = MEASURED | {"unit": "doublings of the width"}
    return (
        Claim(
            name=f"budget-saves-width{suffix}",
            says=f"Gradient descent needs less width for {words} when it may take more steps.",
            measure=lambda data: saved(gd_thresholds(data, criterion), *gd_ends(data)[:2]),
            region=(float(np.log2(1.25)), np.inf),
            control=lambda data: saved(gd_thresholds(data, criterion), 0, 0),
            control_says="networks that take no step: they fit at no width, whatever the budget",
            **doublings,
        ),
        Claim(
            name=f"then-flat{suffix}",
            says="Beyond the steps of the law more of them save little width.",
            measure=lambda data: saved(gd_thresholds(data, criterion), *gd_ends(data)[1:]),
            region=(-np.inf, float(np.log2(1.15))),
            control=lambda data: saved(gd_thresholds(data, criterion), *gd_ends(data)[:2]),
            control_says="from the least budget to the steps of the law",
            **doublings,
        ),
        Claim(
            name=f"adam-nearly-flat{suffix}",
            says=f"For Adam the least budget asks for little more width for {words} than the steps of the law.",
            measure=lambda data: saved(
                thresholds(data, "adam_budget_fits", criterion), *adam_ends(data), axis="adam_budget"
            ),
            region=(-np.inf, float(np.log2(1.5))),
            control=lambda data: saved(smallest_step(data, criterion), *adam_ends(data)),
            control_says="gradient descent at the smallest step size of the grid, over the same budgets",
            **doublings,
        ),
    )


PART_TWO = (
    Claim(
        name="theory-widths-suffice",
        says="At the widths n^p that theorems ask for (those small enough to train) every seed fits the labels.",
        cite="lecture_sgd,song2021subquadratic",
        provenance="seed",
        measure=lambda data: data["theory_fits"].sel(criterion="accuracy").all("exponent"),
        region=(1.0, 1.0),
        control=lambda data: data["practice_fits"].sel(criterion="accuracy"),
        control_says="gradient descent at width 2 n / d, which no theorem allows",
        **EVERY,
    ),
    *_law("accuracy", "accuracy 1"),
    *_law("error", "a mean squared error below 0.01"),
    *_budget("accuracy", "accuracy 1"),
    *_budget("error", "a mean squared error below 0.01"),
)

REVIEWED: dict[str, Outcome] = {
    "geometric-rate": "holds",
    "global-minimum": "holds",
    "conditioning-kept": "holds",
    "pl-star": "holds",
    "path-bound": "holds",
    "distance-bound": "holds",
    "near-minimal-distance": "unclear",
    "nearer-when-wider": "holds",
    "shortest-path-literally": "fails",
    "bend-is-the-spectrum": "holds",
    "theory-widths-suffice": "vacuous",
    "width-exponent": "unclear",
    "parameters-per-point": "holds",
    "width-exponent-small-error": "unclear",
    "parameters-per-point-small-error": "holds",
    "budget-saves-width": "holds",
    "then-flat": "unclear",
    "adam-nearly-flat": "holds",
    "budget-saves-width-small-error": "holds",
    "then-flat-small-error": "unclear",
    "adam-nearly-flat-small-error": "fails",
}
"""What each claim came to when it was last reviewed."""

CLAIMS = tuple(replace(claim, recorded=REVIEWED[claim.name]) for claim in (*PART_ONE, *PART_TWO))
