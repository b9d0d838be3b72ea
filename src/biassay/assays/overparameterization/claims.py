"""What the assay `overparameterization` claims, and the control of each claim."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...claims import Claim, Outcome
from . import path_measures as path
from . import width_measures as width
from .config import LEAST_N

SHORTEST: dict[str, Any] = {"cite": "oymak2019shortest"}
MEASURED: dict[str, Any] = {"cite": "lecture_sgd", "provenance": "derived", "statistic": "mean", "min_seeds": 5}
EVERY: dict[str, Any] = {"statistic": "every", "min_seeds": 5}
CONFLICT = "the same networks where a quarter of the points are pairs with opposite labels: no width fits"

SAVING = float(np.log2(1.25))
"""Above it steps save width, below it they do not: a factor 1.25 of the width, 0.32 doublings."""
NO_MORE = float(np.log2(1.15))
"""What later steps may save at most: a factor 1.15 of the width, 0.20 doublings."""

PART_ONE = (
    Claim(
        name="geometric-rate",
        says="Gradient descent decreases the residual at least at the rate eta alpha^2 a step, up to every checkpoint.",
        provenance="derived",
        measure=lambda data: path.rate_over_bound(data).min("m"),
        region=(0.99, np.inf),
        control=path.collapsed_rate,
        control_says="a narrow network, held to the alpha of its start: for some seeds J loses its rank on the way",
        control_needs="some",
        **SHORTEST,
        **EVERY,
    ),
    Claim(
        name="global-minimum",
        says="Wide networks reach a global minimum: of the residual only round-off is left.",
        provenance="read",
        measure=lambda data: path.residual_left(path.wide(data)["residual"]).max("m"),
        region=(-np.inf, path.SOLVED),
        control=lambda data: path.residual_left(data["collapsed_residual"]),
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
        measure=lambda data: path.conditioning_kept(path.wide(data)["alpha"]).min("m"),
        region=(0.5, np.inf),
        control=lambda data: path.conditioning_kept(data["collapsed_alpha"]),
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
        measure=lambda data: data["pl_ratio"].min(("m", "checkpoint")),
        region=(1 - 1e-10, np.inf),
        control=lambda data: data["pl_ratio_largest"].min("checkpoint").max("m"),
        control_says="lambda_max in the place of lambda_min",
        **EVERY,
    ),
    Claim(
        name="path-bound",
        says="The path of gradient descent is no longer than |r_0| / alpha.",
        provenance="derived",
        measure=lambda data: path.path_over_bound(data, "alpha").max("m"),
        region=(-np.inf, 1.0),
        control=lambda data: path.path_over_bound(data, "beta").min("m"),
        control_says="beta in the place of alpha",
        **SHORTEST,
        **EVERY,
    ),
    Claim(
        name="distance-bound",
        says="Gradient descent ends no closer than (|r_0| - |r_T|) / beta to its start.",
        provenance="derived",
        measure=lambda data: path.distance_over_bound(data, "beta").min("m"),
        region=(1.0, np.inf),
        control=lambda data: path.distance_over_bound(data, "alpha").max("m"),
        control_says="alpha in the place of beta",
        **SHORTEST,
        **EVERY,
    ),
    Claim(
        name="near-minimal-distance",
        says="Gradient descent ends at most 3 % further off than the nearest global minimum (400 neurons, on average).",
        provenance="read",
        measure=lambda data: path.at_near_width(path.over_nearest(data), data),
        region=(1 - 1e-6, 1.03),
        control=lambda data: path.over_nearest(data).isel(m=0),
        control_says="the narrowest network, which must end more than 10 % too far",
        control_region=(1.1, np.inf),
        statistic="mean",
        min_seeds=5,
        premise=lambda data: path.at_near_width(data["nearest_converged"], data),
        premise_says="the search for the nearest minimum has converged",
        **SHORTEST,
    ),
    Claim(
        name="nearer-when-wider",
        says="Among the wide networks distance over nearest distance falls from each width to the next.",
        provenance="derived",
        measure=lambda data: path.growth(path.wide(data)),
        region=(-np.inf, -1e-6),
        control=path.narrow_growth,
        control_says="the narrow networks, where for some seeds it must grow by more than 0.01",
        control_region=(0.01, np.inf),
        control_needs="some",
        premise=lambda data: path.wide(data)["nearest_converged"].all("m"),
        premise_says="the search for the nearest minimum has converged at all wide widths",
        **SHORTEST,
        **EVERY,
    ),
    Claim(
        name="shortest-path-literally",
        says="The path is hardly longer than the straight line to its end: by at most 5 %.",
        provenance="read",
        measure=lambda data: path.at_near_width(path.bend(data), data),
        region=(1 - 1e-6, 1.05),
        control=lambda data: path.at_near_width(path.bend(data, "linear_"), data),
        control_says="the linearised network, in closed form: its path is as much longer",
        statistic="mean",
        min_seeds=5,
        **SHORTEST,
    ),
    Claim(
        name="bend-is-the-spectrum",
        says="The path is longer than straight by as much as the linearised network's, to 0.02 of the distance.",
        provenance="derived",
        measure=lambda data: path.at_near_width(abs(path.bend(data) - path.bend(data, "linear_")), data),
        region=(0.0, 0.02),
        control=lambda data: path.at_near_width(path.bend(data) - 1, data),
        control_says="a linear model whose eigenvalues are all equal: a straight path",
        **SHORTEST,
        **EVERY,
    ),
)


def _law(criterion: str, words: str) -> tuple[Claim, ...]:
    """The exponent and the parameters a point under one criterion."""
    suffix = "" if criterion == "accuracy" else "-small-error"
    return (
        Claim(
            name=f"width-exponent{suffix}",
            says=f"From n = {LEAST_N} on the width that Adam needs for {words} grows about like n.",
            measure=lambda data: width.exponent(data, "adam_fits", criterion),
            region=(0.8, 1.2),
            control=lambda data: width.exponent(data, "conflict_fits", criterion),
            control_says=CONFLICT,
            **MEASURED,
        ),
        Claim(
            name=f"parameters-per-point{suffix}",
            says=f"One to three parameters a point are enough for {words}.",
            measure=lambda data: width.parameters_per_point(data, "adam_fits", criterion),
            region=(1.0, 3.0),
            control=lambda data: width.parameters_per_point(data, "conflict_fits", criterion),
            control_says=CONFLICT,
            **MEASURED,
        ),
    )


def _budget(criterion: str, words: str) -> tuple[Claim, ...]:
    """The budget's claims under one criterion, at one n. "Saves" and "does not" share an edge, so that each optimizer
    is the other's control."""
    suffix = "" if criterion == "accuracy" else "-small-error"
    doublings: dict[str, Any] = MEASURED | {"unit": "doublings of the width"}
    return (
        Claim(
            name=f"budget-saves-width{suffix}",
            says=f"With the steps of the law gradient descent needs less width for {words} than with the least budget: "
            "by a factor of 1.25 or more.",
            measure=lambda data: width.saved_by_descent(data, criterion),
            region=(SAVING, np.inf),
            control=lambda data: width.saved_by_adam(data, criterion),
            control_says="Adam over the same budgets, which must save less",
            **doublings,
        ),
        Claim(
            name=f"then-flat{suffix}",
            says=f"Beyond the steps of the law more of them save gradient descent little width for {words}: "
            "a factor of 1.15 at most.",
            measure=lambda data: width.saved_later(data, criterion),
            region=(-np.inf, NO_MORE),
            control=lambda data: width.saved_by_descent(data, criterion),
            control_says="from the least budget to the steps of the law",
            **doublings,
        ),
        Claim(
            name=f"adam-nearly-flat{suffix}",
            says=f"With the steps of the law Adam needs hardly less width for {words} than with the least budget: "
            "by a factor of 1.25 at most.",
            measure=lambda data: width.saved_by_adam(data, criterion),
            region=(-np.inf, SAVING),
            control=lambda data: width.saved_by_descent(data, criterion),
            control_says="gradient descent with the best step size, over the same budgets",
            **doublings,
        ),
    )


PART_TWO = (
    Claim(
        name="theory-widths-suffice",
        says="At the widths n^p that were proved to suffice (those small enough to train) every seed fits the labels.",
        cite="lecture_sgd,song2021subquadratic",
        provenance="seed",
        measure=lambda data: data["theory_fits"].all("exponent"),
        region=(1.0, 1.0),
        control=lambda data: data["practice_fits"],
        control_says="gradient descent at width 2 n / d, which no row of the table names",
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
    "budget-saves-width": "vacuous",
    "then-flat": "holds",
    "adam-nearly-flat": "unclear",
    "budget-saves-width-small-error": "vacuous",
    "then-flat-small-error": "unclear",
    "adam-nearly-flat-small-error": "fails",
}
"""What each claim came to when it was last reviewed."""

CLAIMS = tuple(replace(claim, recorded=REVIEWED[claim.name]) for claim in (*PART_ONE, *PART_TWO))
