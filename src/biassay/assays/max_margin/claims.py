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


def _clock(data: xr.Dataset, variable: str) -> str:
    """The axis of log t of a flow's variable: every flow has its own save points."""
    return next(str(dim) for dim in data[variable].dims if str(dim).endswith("log_time"))


def slope(variable: str, start: float = 0.0) -> Measure:
    """The slope of log `variable` against the logarithm of its log time from `start` on, over every set of points."""

    def measure(data: xr.Dataset) -> np.ndarray:
        clock = _clock(data, variable)
        values, log_t = data[variable].transpose(..., clock), data[clock].values
        late = log_t >= (start or np.sqrt(log_t[0] * log_t[-1]))
        rows = np.log(values.values[..., late].reshape(-1, late.sum()))
        return np.polyfit(np.log(log_t[late]), rows.T, 1)[0]

    return measure


def at_log_time(variable: str, log_t: float = np.inf) -> Measure:
    """`variable` at the save point nearest to `log_t` (by default the last), over every set of points."""

    def measure(data: xr.Dataset) -> np.ndarray:
        clock = _clock(data, variable)
        times = data[clock].values
        index = int(np.argmin(np.abs(np.log(times / min(log_t, times[-1])))))
        return data[variable].isel({clock: index}).values.ravel()

    return measure


def _nearer(rule: str) -> Measure:
    """angle to Linf / (angle to Linf + angle to L2) at the end: 0 at the Linf direction, 1 at the L2 direction."""

    def measure(data: xr.Dataset) -> np.ndarray:
        linf, l2 = (at_end("descent_angle", rule, target)(data) for target in ("Linf", "L2"))
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
    """Over p and step sizes: steepest descent's smallest ratio for its own p, or its largest for another, a seed."""

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
    usual: dict[str, Any] = {"statistic": "every", "min_seeds": 5, "recorded": "holds"}
    return Claim(name=name, says=says, region=region, measure=measure, **(usual | more))


SOUDRY: dict[str, Any] = {"cite": "soudry2018", "provenance": "seed"}
RECALLED: dict[str, Any] = {"cite": "soudry2018", "provenance": "memory"}
RATE: dict[str, Any] = {"cite": "ji2021primaldual", "provenance": "read"}
STEEPEST: dict[str, Any] = {"cite": "gunasekar2018geometry", "provenance": "read"}
ADAM: dict[str, Any] = {"cite": "zhang2024adam", "provenance": "read"}
MUON: dict[str, Any] = {"cite": "fan2025spectral", "provenance": "read"}

CLAIMS = (
    _claim(
        "direction-law",
        "The direction of gradient flow approaches the maximum margin like 1 / log t.",
        (-1.01, -0.99),
        slope("flow_direction_error", start=1e4),
        control=slope("tail_direction_error"),
        control_says="the flow of a loss with a polynomial tail",
        **SOUDRY,
    ),
    _claim(
        "direction-limit",
        "The direction of gradient flow tends to the maximum margin.",
        (-INF, 0.01),
        at_log_time("flow_angle"),
        control=at_log_time("tail_angle"),
        control_says="the flow of a loss with a polynomial tail",
        control_region=(5.0, INF),
        unit="degrees",
        **SOUDRY,
    ),
    _claim(
        "margin-gap-law",
        "The margin of gradient flow approaches the largest like 1 / log t.",
        (-1.01, -0.99),
        slope("flow_margin_gap", start=1e4),
        control=slope("short_margin_gap"),
        control_says="the same fit over t up to 10^6, which a computer can iterate",
        **RECALLED,
        recorded="vacuous",
    ),
    _claim(
        "residual-limit",
        "In the span of the support vectors w - w_hat log t tends to the point that their weights determine.",
        (-INF, 1e-6),
        at_log_time("flow_residual", 1e4),
        control=at_log_time("flow_shuffled_residual", 1e4),
        control_says="the point that the same weights in another order determine",
        control_region=(0.1, INF),
        **RECALLED,
    ),
    _claim(
        "loss-constant",
        "The loss falls like 1 / t with the squared norm of the maximum-margin solution as its constant.",
        (-1e-6, 1e-6),
        at_log_time("flow_loss_excess", 1e4),
        control=at_log_time("tail_loss_excess"),
        control_says="the flow of a loss with a polynomial tail, for which t L grows without limit",
        control_region=(1.0, INF),
        cite="soudry2018",
        provenance="derived",
    ),
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
        "The smallest margin of the reference is 1, before its round-off is scaled away.",
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
        at_end("descent_angle", "adam-sqrt", "Linf"),
        control=at_end("descent_angle", "gd", "Linf"),
        control_says="gradient descent",
        control_region=(10.0, INF),
        statistic="mean",
        unit="degrees",
        **ADAM,
        recorded="unclear",
    ),
    _claim(
        "adam-far-from-l2",
        "Adam with eps = 0 and a decaying step stays away from the direction of largest L2 margin.",
        (10.0, INF),
        at_end("descent_angle", "adam-sqrt", "L2"),
        control=at_end("descent_angle", "gd", "L2"),
        control_says="gradient descent",
        control_region=(-INF, 10.0),
        statistic="mean",
        unit="degrees",
        **ADAM,
        recorded="unclear",
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
        recorded="unclear",
    ),
    _claim(
        "own-geometry",
        "On the normalised loss SGD and heavy ball (L2), Adam, sign descent, Lion and RMSProp (Linf), greedy "
        "coordinate descent (L1) and spectral descent (spectral) reach the largest margin in their geometry; Muon is "
        "judged separately.",
        (0.98, INF),
        _claimed(own=True),
        control=_claimed(own=False),
        control_says="the largest of the same optimizers' ratios in the other geometries",
        control_region=(-INF, 0.96),
        cite="gunasekar2018geometry,zhang2024adam,fan2025spectral",
        provenance="read",
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
        recorded="fails",
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
