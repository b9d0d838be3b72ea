"""What the assay `min-norm` claims, and the control of each claim.

Exact statements hold on *every* regression, to round-off; the value shown is the worst of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure


def final(variable: str, algorithm: str) -> Callable[[xr.Dataset], xr.DataArray]:
    """`variable` of `algorithm` at its last checkpoint, one number a seed."""
    return lambda data: data[variable].sel(algorithm=algorithm).isel(checkpoint=-1)


def apart(algorithm: str, reference: str) -> Callable[[xr.Dataset], xr.DataArray]:
    """The relative distance of what `algorithm` found from `reference`, one number a seed."""
    return lambda data: data["distance_to"].sel(algorithm=algorithm, reference=reference)


def _worst(variable: str) -> Measure:
    """The largest `variable` among the span-preserving algorithms that take part in the claim."""
    return lambda data: _rows(data, variable, True).max("algorithm")


def _least(variable: str) -> Measure:
    """The smallest `variable` among the algorithms that leave the span, of those at zero error on the regression."""
    return lambda data: _rows(data, variable, False).where(_rows(data, "residual", False) < 1e-6).min("algorithm")


def _rows(data: xr.Dataset, variable: str, span_preserving: bool) -> xr.DataArray:
    chosen = (data["span_preserving"] == span_preserving) & (data["aside"] == "")
    return data[variable].isel(checkpoint=-1).sel(algorithm=chosen)


def _mirror(own: bool, at_zero_error: bool = False) -> Measure:
    """The largest distance, over p, to the smallest p-norm solution: of mirror descent for p, or for 2.

    With `at_zero_error` instead one distance a run, over p and seeds, of the runs whose residual is below 1e-10.
    """

    def measure(data: xr.Dataset) -> np.ndarray:
        names = {p: f"mirror-{p:g}" if own else "mirror-2" for p in data["p"].values}
        distances = np.array([apart(name, f"min-{p:g}-norm")(data).values for p, name in names.items()])
        residuals = np.array([final("residual", name)(data).values for name in names.values()])
        return distances[residuals < 1e-10] if at_zero_error else distances.max(axis=0)

    return measure


def _mirror_dual(data: xr.Dataset, own: bool) -> np.ndarray:
    """The largest part, over p, of grad psi_p(w) outside the span: of mirror descent for p, or for 2."""
    pairs = [(f"mirror-{p:g}" if own else "mirror-2", p) for p in data["p"].values]
    return np.max([data["dual_span"].sel(algorithm=name, p=p).values for name, p in pairs], axis=0)


def _spread(variable: str) -> Measure:
    return lambda data: np.ptp(data[variable].sel(entry=1).values, keepdims=True)


def _both_interpolate(data: xr.Dataset) -> np.ndarray:
    worst = max(float(data["steepest_residual"].max()), float(data["mirror_residual"].max()))
    missed = float(np.abs(data["mirror"] - data["two_points_minimum"]).max())
    return np.array([worst < 1e-10 and missed < 1e-4])


def _exact(
    name: str, says: str, measure: Measure, below: float, control: Measure, control_says: str, **more: Any
) -> Claim:
    """A claim that a number is zero to round-off on each of at least 10 regressions."""
    usual: dict[str, Any] = {"cite": "lecture_sgd", "provenance": "seed", "min_seeds": 10, "recorded": "holds"}
    return Claim(
        name=name,
        says=says,
        measure=measure,
        region=(-np.inf, below),
        control=control,
        control_says=control_says,
        statistic="every",
        **(usual | more),
    )


FROM_START = "gradient descent from a start outside the span, at the same residual"
OTHERS = "the nearest of the algorithms that leave the span and reach zero error"
INTERPOLATES: dict[str, Any] = {
    "premise": lambda data: final("residual", "gd-start")(data) < 1e-10,
    "premise_says": "gradient descent from the other start interpolates as well",
}
EUCLIDEAN_MIRROR = "mirror descent with p = 2, which returns the minimum-norm solution"
EUCLIDEAN_IS_MIN_NORM: dict[str, Any] = {
    "premise": lambda data: apart("mirror-2", "min-norm")(data) < 1e-8,
    "premise_says": "with p = 2 the minimum-norm solution is returned",
}
READ: dict[str, Any] = {"cite": "gunasekar2018geometry", "provenance": "read"}
RECALLED: dict[str, Any] = {"cite": "gunasekar2018geometry", "provenance": "memory"}

CLAIMS = (
    _exact(
        "gd-min-norm",
        "Gradient descent from zero converges to the minimum-norm solution.",
        final("distance", "gd"),
        1e-8,
        final("distance", "gd-start"),
        FROM_START,
        control_region=(0.1, np.inf),
        **INTERPOLATES,
    ),
    _exact(
        "gd-in-span",
        "Gradient descent from zero never leaves the span of the data.",
        final("span", "gd"),
        1e-10,
        final("span", "gd-start"),
        FROM_START,
        control_region=(0.1, np.inf),
        **INTERPOLATES,
    ),
    _exact(
        "gd-interpolates",
        "Gradient descent from zero reaches zero error.",
        final("residual", "gd"),
        1e-10,
        final("residual", "gd-decay"),
        "gradient descent with weight decay",
    ),
    _exact(
        "span-rule-distance",
        "Every algorithm that reaches zero error inside the span returns the same minimum-norm solution.",
        _worst("distance"),
        1e-8,
        _least("distance"),
        OTHERS,
        control_region=(0.1, np.inf),
    ),
    _exact(
        "span-rule-span",
        "The algorithms whose update maps the span into itself stay in it.",
        _worst("span"),
        1e-10,
        _least("span"),
        OTHERS,
        control_region=(0.1, np.inf),
    ),
    _exact(
        "span-rule-residual",
        "The algorithms inside the span that are compared have all reached zero error.",
        _worst("residual"),
        1e-10,
        final("residual", "gd-decay"),
        "gradient descent with weight decay, inside the span as well",
    ),
    Claim(
        name="zero-error-needed",
        says="Inside the span but not at zero error the solution is another one: weight decay moves it.",
        cite="lecture_sgd",
        provenance="derived",
        measure=final("distance", "gd-decay"),
        region=(1e-3, np.inf),
        control=final("distance", "gd"),
        control_says="the same algorithm with decay 0",
        control_region=(-np.inf, 1e-8),
        statistic="every",
        min_seeds=10,
        recorded="holds",
    ),
    _exact(
        "decay-in-span",
        "Weight decay keeps gradient descent in the span of the data.",
        final("span", "gd-decay"),
        1e-10,
        final("span", "gd-start"),
        FROM_START,
        provenance="derived",
    ),
    _exact(
        "decay-is-ridge",
        "Gradient descent with weight decay converges to ridge regression.",
        apart("gd-decay", "ridge"),
        1e-10,
        apart("gd", "ridge"),
        "the same algorithm with decay 0",
        provenance="derived",
    ),
    _exact(
        "projection-of-start",
        "From any start gradient descent converges to the nearest solution, the start's projection.",
        apart("gd-start", "projection"),
        1e-10,
        apart("gd-start", "min-norm"),
        "its distance to the minimum-norm solution",
        control_region=(0.1, np.inf),
        provenance="derived",
    ),
    _exact(
        "preconditioner-changes-norm",
        "Gradient descent preconditioned by D converges to the solution of smallest wᵀD⁻¹w.",
        apart("preconditioned", "weighted"),
        1e-10,
        apart("preconditioned-identity", "weighted"),
        "the same algorithm with D = I, which returns the minimum-norm solution",
        provenance="derived",
        premise=lambda data: apart("preconditioned-identity", "min-norm")(data) < 1e-10,
        premise_says="with D = I the minimum-norm solution is returned",
    ),
    _exact(
        "mirror-min-p-norm",
        "Mirror descent with the potential |w|_p^p / p, at a fixed step size converges to the smallest p-norm.",
        _mirror(own=True),
        1e-4,
        _mirror(own=False),
        EUCLIDEAN_MIRROR,
        **RECALLED,
        **EUCLIDEAN_IS_MIN_NORM,
        recorded="fails",
    ),
    _exact(
        "mirror-min-p-norm-at-zero-error",
        "Each run of mirror descent with the potential |w|_p^p / p at zero error has found the smallest p-norm.",
        _mirror(own=True, at_zero_error=True),
        1e-4,
        _mirror(own=False, at_zero_error=True),
        EUCLIDEAN_MIRROR,
        **RECALLED,
        **EUCLIDEAN_IS_MIN_NORM,
    ),
    _exact(
        "mirror-dual-in-span",
        "In mirror descent it is the gradient of the potential, not w, that stays in the span of the data.",
        lambda data: _mirror_dual(data, True),
        1e-6,
        lambda data: _mirror_dual(data, False),
        "the gradient of the same potentials at what mirror descent with p = 2 found",
        **READ,
    ),
    Claim(
        name="steepest-depends-on-step",
        says="For regression, steepest descent in a norm ends at a solution that depends on its step size.",
        measure=_spread("steepest"),
        region=(0.05, np.inf),
        control=_spread("mirror"),
        control_says="mirror descent for the same norm, over step sizes",
        control_region=(-np.inf, 1e-4),
        statistic="every",
        min_seeds=1,
        premise=_both_interpolate,
        premise_says="both have residuals below 1e-10, and mirror descent finds the smallest norm, at every step size",
        recorded="holds",
        **READ,
    ),
)
