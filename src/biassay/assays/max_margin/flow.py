"""Gradient flow on separable data up to t = exp(10^6): the laws of w(t) = w_hat log t + rho(t), and their controls.

w_hat = argmin |w|^2 subject to a_n . w >= 1 with the rows a_n = y_n x_n; the flow is that of the *sum* of the losses.
With an exponential tail rho converges in the span of the support vectors to w_tilde, exp(-a_n . w_tilde) = alpha_n
where w_hat = sum_n alpha_n a_n. It follows (all for log t -> infinity)

    |w/|w| - w_hat/|w_hat||  ->  |rho_perp| / (|w_hat| log t)      rho_perp the part of rho across w_hat,
    gamma - min_n a_n . w / |w|  ~  1 / log t,                      gamma = 1 / |w_hat|,
    t L(w(t))  ->  sum_n alpha_n = |w_hat|^2.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from ...dynamics import LogTimeFlow, logistic_log_slope
from ...probes import weights
from ...references.margins import HardMargin, hard_margin, residual_limit
from ...simulation import PerSeed, simulate
from .panel import Points

LOG_TIMES = np.geomspace(1, 1e6, 61)
"""Ten save points a decade of log t, so that 10^4 is one of them."""
SHORT_LOG_TIMES = np.geomspace(1, np.log(1e6), 61)
"""As many up to t = 10^6, which an iteration reaches; the same compiled program serves both."""
TAIL_LOG_TIMES = np.linspace(2, 200, 61)
"""Save points of the polynomial tail, whose weights grow like a power of t."""

_WORDS = {
    "direction_error": "distance between the directions of w and of the maximum-margin solution",
    "predicted_error": "part of ρ across ŵ, over |ŵ| log t",
    "angle": "angle to the maximum-margin solution [degrees]",
    "margin_gap": "largest margin less the margin of w / |w|",
    "loss_excess": "t L / |ŵ|² − 1",
    "size": "logarithm of |w|",
}
_RESIDUAL_WORDS = {
    "residual": "distance of ρ from its limit, in the span of the support vectors",
    "shuffled_residual": "the same for a limit computed from shuffled weights",
    "outside": "part of ρ outside the span of the support vectors",
}


def flow_laws(
    points: Points,
    log_times: Float[np.ndarray, " time"] = LOG_TIMES,
    label: str = "",
    start: Float[np.ndarray, "seed d"] | None = None,
) -> xr.Dataset:
    """The logistic flow of every data set, and what the laws say of it.

    Args:
        points: separable data, vectors.
        log_times: log t of the save points, increasing.
        label: what the progress display calls the run.
        start: w at t = 0; zero by default.

    Returns:
        Variables (seed, log_time): `direction_error` |w/|w| - w_hat/|w_hat||, `predicted_error` its limit form with
        the rho of the moment, `angle` in degrees, `margin_gap`, `loss_excess` t L / |w_hat|^2 - 1, `size` log |w|,
        `residual` |P (rho - w_tilde)| with P the projection to the span of the support vectors, `shuffled_residual`
        the same with the weights alpha shifted by one among the support vectors, `outside` |(1 - P) rho|; and
        `support_vectors` (seed).

    Raises:
        ValueError: data that are not separable, or that let rho grow (`residual_limit`).
    """
    w = _follow(points, log_times, logistic_log_slope, label, start)
    laws = _laws(points, log_times, w, _log_logistic)
    rows = []
    for x, y, path in zip(points.x, points.y, w, strict=True):
        found = hard_margin(x, y)
        rows.append([_residuals(x, y, found, path - np.outer(log_times, found.w)), found.support.sum()])
    residuals = np.stack([row[0] for row in rows], axis=1)
    axes = ("seed", "log_time")
    variables = zip(_RESIDUAL_WORDS.items(), residuals, strict=True)
    return laws.assign(
        {name: (axes, values, {"long_name": words}) for (name, words), values in variables}
        | {"support_vectors": ("seed", [row[1] for row in rows], {"long_name": "support vectors"})}
    )


def polynomial_laws(
    points: Points, log_times: Float[np.ndarray, " time"] = TAIL_LOG_TIMES, label: str = ""
) -> xr.Dataset:
    """The same flow for a loss with a polynomial tail, l(m) = 1/m for m > 1 and 2 - m below: the control.

    Its weights grow like t^{1/3} and their direction does not tend to the maximum margin.

    Returns:
        `direction_error`, `predicted_error`, `angle`, `margin_gap`, `loss_excess` and `size` as `flow_laws`, with this
        loss in the place of L; and `exponent` (seed), the slope of log |w| against log t over the last half.

    Raises:
        ValueError: data that are not separable, or a log time above 1000, where t L overflows.
    """
    if log_times[-1] > 1000:
        raise ValueError(f"log_times of the polynomial tail must not exceed 1000, got {log_times[-1]}")
    laws = _laws(points, log_times, _follow(points, log_times, polynomial_log_slope, label, None), _log_polynomial)
    late = len(log_times) // 2
    exponent = np.polyfit(log_times[late:], laws["size"].values[:, late:].T, 1)[0]
    return laws.assign(exponent=("seed", exponent, {"long_name": "exponent of |w| in t"}))


def polynomial_log_slope(margins: Float[Array, " n"]) -> Float[Array, " n"]:
    """log(-l'(m)) for -l'(m) = m^-2 above m = 1 and 1 below."""
    return -2 * jnp.log(jnp.maximum(margins, 1.0))


# --- the run ----------------------------------------------------------------------------------------------------------


def _follow(
    points: Points,
    log_times: Float[np.ndarray, " time"],
    log_slope: Callable[[Array], Array],
    label: str,
    start: Float[np.ndarray, "seed d"] | None,
) -> Float[np.ndarray, "seed time d"]:
    """w at every save point. The solver's clock is log(1 + t)."""
    seeds, _, d = points.x.shape
    run = simulate(
        points.problem("logistic"),
        LogTimeFlow(jnp.logaddexp(0.0, jnp.asarray(log_times)), log_slope),
        PerSeed(jnp.zeros((seeds, d)) if start is None else jnp.asarray(start)),
        steps=len(log_times),
        record=range(1, len(log_times) + 1),
        probes={"w": weights},
        seeds=seeds,
        seed=points.seed,
        label=label,
    )
    return run.data["w"].values


# --- what the laws say of it ------------------------------------------------------------------------------------------


def _laws(
    points: Points,
    log_times: Float[np.ndarray, " time"],
    w: Float[np.ndarray, "seed time d"],
    log_loss: Callable[[np.ndarray], np.ndarray],
) -> xr.Dataset:
    def one(x: np.ndarray, y: np.ndarray, path: np.ndarray) -> list[np.ndarray]:
        best, A = hard_margin(x, y), y[:, None] * x
        # Margins and directions of a common size, as |w| may be beyond the range of its own square.
        largest = np.abs(path).max(axis=1)
        size = largest * np.linalg.norm(path / largest[:, None], axis=1)
        unit, target = path / size[:, None], best.w * best.margin
        error = np.linalg.norm(unit - target, axis=1)
        rho = path - np.outer(log_times, best.w)
        across = np.linalg.norm(rho - np.outer(rho @ target, target), axis=1)
        return [
            error,
            across * best.margin / log_times,
            np.degrees(2 * np.arcsin(np.minimum(error / 2, 1))),
            best.margin - (unit @ A.T).min(axis=1),
            np.expm1(log_times + log_loss(path @ A.T) + 2 * np.log(best.margin)),
            np.log(size),
        ]

    values = np.stack([one(*data) for data in zip(points.x, points.y, w, strict=True)], axis=1)
    return xr.Dataset(
        {
            name: (("seed", "log_time"), part, {"long_name": words})
            for (name, words), part in zip(_WORDS.items(), values, strict=True)
        },
        coords={
            "seed": np.arange(points.seed, points.seed + len(w)),
            "log_time": ("log_time", log_times, {"long_name": "logarithm of t"}),
        },
    )


def _residuals(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    found: HardMargin,
    rho: Float[np.ndarray, "time d"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance of rho from w_tilde in the span, from the w_tilde of shuffled weights, and the part outside."""
    limit = residual_limit(x, y, found)
    S = (y[:, None] * x)[found.support]
    shuffled = np.linalg.pinv(S) @ -np.log(np.roll(limit.alpha[found.support], 1))
    inside = rho @ limit.span
    apart = [np.linalg.norm(inside - v @ limit.span, axis=1) for v in (limit.w, shuffled)]
    return apart[0], apart[1], np.linalg.norm(rho - inside @ limit.span.T, axis=1)


def _log_logistic(margins: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "..."]:
    """log sum_n log(1 + exp(-m_n)), also where exp(-m_n) underflows: there log log(1 + exp(-m)) = -m."""
    tail = np.where(margins > 40, -margins, np.log(np.logaddexp(0, -np.minimum(margins, 40))))
    return np.logaddexp.reduce(tail, axis=-1)


def _log_polynomial(margins: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "..."]:
    """log sum_n l(m_n), l(m) = 1/m above 1 and 2 - m below."""
    return np.log(np.where(margins > 1, 1 / np.maximum(margins, 1), 2 - margins).sum(axis=-1))
