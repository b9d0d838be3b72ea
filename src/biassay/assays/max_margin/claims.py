"""What the assay `max-margin` claims, and the control of each claim."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure

INF = np.inf


def at_end(variable: str, rule: str, target: str) -> Measure:
    """`variable` of a discrete run at its last checkpoint, one number a seed."""
    return lambda data: data[variable].sel(rule=rule, target=target).isel(checkpoint=-1).values


def _nearer(rule: str) -> Measure:
    """angle to Linf / (angle to Linf + angle to L2) at the end: 0 at the Linf direction, 1 at the L2 direction."""

    def measure(data: xr.Dataset) -> np.ndarray:
        linf, l2 = (at_end("angle", rule, target)(data) for target in ("Linf", "L2"))
        return np.asarray(linf) / (np.asarray(linf) + np.asarray(l2))

    return measure


def card_ratio(optimizer: str, norm: str) -> Measure:
    """The card's final ratio on log-sum-exp, one number a seed."""
    return lambda data: data["ratio"].sel(optimizer=optimizer, norm=norm, loss="log_sum_exp").values


def _claimed(own: bool) -> Measure:
    """Over the rows with a claimed geometry: the smallest ratio in it, or the largest in any other, one a seed."""

    def measure(data: xr.Dataset) -> np.ndarray:
        ratio = data["ratio"].sel(loss="log_sum_exp", optimizer=data["claimed"] != "")
        is_own = ratio["norm"] == ratio["claimed"]
        chosen = ratio.where(is_own if own else ~is_own)
        over = ("optimizer", "norm")
        return (chosen.min(over) if own else chosen.max(over)).values

    return measure


def _p_norm(own: bool) -> Measure:
    """Over p and step sizes: steepest descent's smallest ratio for its own p, or its largest for another, one a seed."""

    def measure(data: xr.Dataset) -> np.ndarray:
        ratio = data["steepest_ratio"]
        is_own = ratio["p"] == ratio["other_p"]
        chosen = ratio.where(is_own if own else ~is_own)
        over = ("p", "other_p", "step_scale")
        return (chosen.min(over) if own else chosen.max(over)).values

    return measure


def _growth(b2: float, unit: str) -> Measure:
    """Adam's measured growth a step in units of the formula or the cap for b2 = 0.999, of every run with this b2."""

    def measure(data: xr.Dataset) -> np.ndarray:
        grown = data["growth"].sel(adam=data["adam_b2"] == b2)
        if unit == "cap":
            slow = data["growth_cap"].sel(adam=data["adam_b2"] == SLOW).values[0]
            return (grown.sel(adam=grown["adam_lr"] == data["adam_lr"].max()) / slow).values.ravel()
        formula = data["growth_formula"].sel(adam=data["adam_b2"] == SLOW)
        by_lr = [(grown.sel(adam=g), formula.sel(adam=f)) for g, f in _same_lr(grown, formula)]
        return np.concatenate([(g / f.values).values.ravel() for g, f in by_lr])

    return measure


def _same_lr(one: xr.DataArray, other: xr.DataArray) -> list[tuple[Any, Any]]:
    """The runs of `one` and of `other` with the same step size."""
    lr = other["adam_lr"].values.tolist()
    return [
        (name, other["adam"].values[lr.index(own)])
        for name, own in zip(one["adam"].values, one["adam_lr"].values.tolist(), strict=True)
        if own in lr
    ]


SLOW, FAST = 0.999, 0.9
"""The two b2 of Adam's growth."""


def _claim(name: str, says: str, region: tuple[float, float], measure: Measure, **more: Any) -> Claim:
    """A claim on at least five data sets, about each of them unless another statistic is given."""
    usual: dict[str, Any] = {"statistic": "every", "min_seeds": 5}
    return Claim(name=name, says=says, region=region, measure=measure, **(usual | more))


SOUDRY: dict[str, Any] = {"cite": "soudry2018", "provenance": "seed"}
RATE: dict[str, Any] = {"cite": "ji2021primaldual", "provenance": "read"}
STEEPEST: dict[str, Any] = {"cite": "gunasekar2018geometry", "provenance": "read"}
ADAM: dict[str, Any] = {"cite": "zhang2024adam", "provenance": "read"}
MUON: dict[str, Any] = {"cite": "fan2025spectral", "provenance": "read"}

DISCRETE = (
    _claim(
        "hard-margin-optimal",
        "The reference direction is the maximum-margin solution: it satisfies the optimality conditions.",
        (-INF, 1e-10),
        lambda data: data["kkt"].values,
        control=lambda data: data["svc_kkt"].values,
        control_says="scikit-learn's SVC, which fits an intercept",
        cite="soudry2018",
        provenance="derived",
    ),
    _claim(
        "hard-margin-feasible",
        "The smallest margin of the reference is 1.",
        (-1e-10, 1e-10),
        lambda data: data["slack"].values,
        control=lambda data: data["svc_slack"].values,
        control_says="scikit-learn's SVC, which fits an intercept",
        cite="soudry2018",
        provenance="derived",
    ),
    _claim(
        "aggressive-step",
        "Normalised gradient descent with a constant step reaches the largest L2 margin in steps one can afford.",
        (0.999, INF),
        at_end("descent_ratio", "ngd", "L2"),
        control=at_end("descent_ratio", "gd", "L2"),
        control_says="gradient descent with a constant step, as many steps",
        control_region=(-INF, 0.95),
        statistic="mean",
        **RATE,
    ),
    _claim(
        "adam-near-linf",
        "Adam with eps = 0 and a decaying step comes to the direction of largest Linf margin.",
        (-INF, 2.0),
        at_end("angle", "adam-sqrt", "Linf"),
        control=at_end("angle", "gd", "Linf"),
        control_says="gradient descent",
        control_region=(10.0, INF),
        statistic="mean",
        unit="degrees",
        **ADAM,
    ),
    _claim(
        "adam-far-from-l2",
        "Adam with eps = 0 and a decaying step stays away from the direction of largest L2 margin.",
        (10.0, INF),
        at_end("angle", "adam-sqrt", "L2"),
        control=at_end("angle", "gd", "L2"),
        control_says="gradient descent",
        control_region=(-INF, 10.0),
        statistic="mean",
        unit="degrees",
        **ADAM,
    ),
    _claim(
        "adam-nearer-linf",
        "Adam ends nearer to the direction of largest Linf margin than to that of largest L2 margin.",
        (0.0, 1 / 3),
        _nearer("adam-sqrt"),
        control=_nearer("gd"),
        control_says="gradient descent",
        control_region=(0.5, 1.0),
        statistic="mean",
        **ADAM,
    ),
    _claim(
        "own-geometry",
        "On the normalised loss each optimizer of the card reaches the largest margin in its own geometry.",
        (0.98, INF),
        _claimed(own=True),
        control=_claimed(own=False),
        control_says="the largest of the same optimizers' ratios in the other geometries",
        control_region=(-INF, 0.96),
        **STEEPEST,
    ),
    _claim(
        "steepest-p-norm",
        "Steepest descent in a p-norm reaches the largest margin in that norm, whatever its step size.",
        (0.98, INF),
        _p_norm(own=True),
        control=_p_norm(own=False),
        control_says="the same runs' ratios in the other p-norm",
        control_region=(-INF, 0.96),
        **STEEPEST,
    ),
    _claim(
        "spectral-descent",
        "Spectral descent with the exact polar factor reaches the largest margin in the spectral norm.",
        (0.99, INF),
        card_ratio("spectral", "spectral"),
        control=card_ratio("sgd", "spectral"),
        control_says="SGD",
        control_region=(-INF, 0.96),
        **MUON,
    ),
    _claim(
        "muon-as-shipped",
        "Optax's Muon with its default five steps reaches the largest margin in the spectral norm.",
        (0.99, INF),
        card_ratio("muon", "spectral"),
        control=card_ratio("sgd", "spectral"),
        control_says="SGD",
        control_region=(-INF, 0.96),
        **MUON,
    ),
    _claim(
        "muon-converged",
        "The same Muon with an iteration that converges to the polar factor reaches it.",
        (0.99, INF),
        card_ratio("muon-cubic", "spectral"),
        control=card_ratio("muon", "spectral"),
        control_says="Muon with its default polynomial and five steps",
        control_region=(-INF, 0.96),
        **MUON,
    ),
    _claim(
        "adam-growth-formula",
        "On the logistic loss Adam's margin grows at the rate that its second moment allows.",
        (0.9, 1.1),
        _growth(SLOW, "formula"),
        control=_growth(FAST, "formula"),
        control_says="Adam with b2 = 0.9 over the rate for b2 = 0.999",
        control_region=(1.1, INF),
        cite="zhang2024adam",
        provenance="derived",
    ),
    _claim(
        "adam-growth-cap",
        "On the logistic loss Adam's margin does not grow faster than -ln(b2) / 2 per step.",
        (0.0, 1.0),
        _growth(SLOW, "cap"),
        control=_growth(FAST, "cap"),
        control_says="Adam with b2 = 0.9, in units of the cap for b2 = 0.999",
        control_region=(1.1, INF),
        cite="zhang2024adam",
        provenance="derived",
    ),
)
