"""Discrete runs on generic data: how far from the max-margin directions each rule is after steps one can afford.

The tail of the loss makes |w| grow like log t only, and the direction of gradient descent approach its limit like
1 / log t. A rule that normalises its gradient has no such clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Float

from ...dynamics import (
    AbstractDynamics,
    GradientDescent,
    NormalisedSteepestDescent,
    PowerDecay,
    SignDescent,
    TunedOptax,
)
from ...models.linear_classifier import Loss
from ...references.margins import hard_margin
from ...references.norm_margins import l1_margin, linf_margin
from ...simulation import PerSeed, log_steps
from .panel import VECTOR_NORMS, Points, train

CHECKPOINTS = 40


@dataclass(frozen=True)
class Rule:
    """One discrete run: `make` gives its dynamics for eta = 1 / sigma_max(X)^2 of shape (seed,) and the size n."""

    title: str
    loss: Loss
    make: Callable[[np.ndarray, int], AbstractDynamics]


def _adam(lr: float, power: float, eps: float) -> AbstractDynamics:
    return TunedOptax(optax.adam, learning_rate=PowerDecay(lr, 1.0, power), eps=eps)


# The theorem's step size is for the sum of the losses; the problem is their mean, so that eta is multiplied by n. The
# gradient of log-sum-exp is that of the sum of exponentials divided by its value: normalised gradient descent.
RULES: dict[str, Rule] = {
    "gd": Rule("gradient descent", "logistic", lambda eta, n: GradientDescent(n * eta, 0.0)),
    "heavy-ball": Rule("heavy ball 0.9", "logistic", lambda eta, n: GradientDescent(n * eta, 0.9)),
    "ngd": Rule("normalised GD", "log_sum_exp", lambda eta, n: GradientDescent(PowerDecay(eta, 1.0, 0.0))),
    "ngd-sqrt": Rule("normalised GD, 1/√t", "log_sum_exp", lambda eta, n: GradientDescent(PowerDecay(eta, 1.0, 0.5))),
    "adam": Rule("Adam 1e-3, eps 1e-8", "logistic", lambda eta, n: _adam(1e-3, 0.0, 1e-8)),
    "adam-sqrt": Rule("Adam 0.1/√t, eps 0", "logistic", lambda eta, n: _adam(0.1, 0.5, 0.0)),
    "sign": Rule("sign descent 0.01/√t", "logistic", lambda eta, n: SignDescent(PowerDecay(0.01, 10.0))),
    "coordinate": Rule(
        "greedy coordinate 0.02/√t", "logistic", lambda eta, n: NormalisedSteepestDescent(PowerDecay(0.02, 10.0), 1.0)
    ),
    "adagrad": Rule("AdaGrad 0.1", "logistic", lambda eta, n: TunedOptax(optax.adagrad, learning_rate=0.1)),
}


def max_margin_directions(points: Points) -> tuple[Float[np.ndarray, "seed norm d"], Float[np.ndarray, "seed norm"]]:
    """The unit vectors of largest margin in L1, L2, Linf, and those margins gamma."""
    found = [
        [solve(x, y) for solve in (l1_margin, hard_margin, linf_margin)]
        for x, y in zip(points.x, points.y, strict=True)
    ]
    w = np.array([[row.w for row in rows] for rows in found])
    return w / np.linalg.norm(w, axis=-1, keepdims=True), np.array([[row.margin for row in rows] for rows in found])


def descend(points: Points, steps: int) -> xr.Dataset:
    """Where every rule is along the way: `descent_angle` and `descent_ratio` (seed, rule, checkpoint, target), ..."""
    seeds, n = points.y.shape
    eta = 1 / np.linalg.norm(points.x, 2, axis=(1, 2)) ** 2
    target, largest = max_margin_directions(points)

    def per_seed(leaf: Any) -> Any:
        return jnp.asarray(np.broadcast_to(leaf, (seeds,)), float)

    kept = log_steps(steps, CHECKPOINTS)[1:]
    w, margin = [], []
    for rule in RULES.values():
        dynamics = PerSeed(jax.tree.map(per_seed, rule.make(eta, n)))
        run = train(points, dynamics, loss=rule.loss, steps=steps, record=kept, label=rule.title)
        w.append(run["w"].values)
        margin.append(run["margin"].values)
    found = _where(np.stack(w, 1), np.stack(margin, 1), target, largest, points.seed, kept)
    words = {"long_name": "time η t of gradient descent, in the clock of the flow"}
    return found.assign(descent_time=(("seed", "checkpoint"), np.outer(eta, kept), words))


def _where(
    w: Float[np.ndarray, "seed rule checkpoint d"],
    margin: Float[np.ndarray, "seed rule checkpoint"],
    target: Float[np.ndarray, "seed norm d"],
    largest: Float[np.ndarray, "seed norm"],
    seed: int,
    kept: tuple[int, ...],
) -> xr.Dataset:
    unit = w / np.linalg.norm(w, axis=-1, keepdims=True)
    # |u - v| = 2 sin(angle / 2), which is exact for small angles where arccos(u.v) is not.
    apart = np.linalg.norm(unit[:, :, :, None] - target[:, None, None], axis=-1)
    norms = np.stack([np.linalg.norm(w, order, axis=-1) for order in VECTOR_NORMS.values()], -1)
    axes = ("seed", "rule", "checkpoint", "target")
    ratio = margin[..., None] / norms / largest[:, None, None]
    angle = np.degrees(2 * np.arcsin(np.minimum(apart / 2, 1)))
    return xr.Dataset(
        {
            "descent_angle": (
                axes,
                angle,
                {"long_name": "angle to the direction of largest margin", "units": "degrees"},
            ),
            "descent_ratio": (axes, ratio, {"long_name": "margin over the largest margin in a norm"}),
            "descent_margin": (axes[:3], margin, {"long_name": "margin"}),
            "descent_error": (axes[:3], apart[..., 1], {"long_name": "|w/|w| - u|, u of largest L2 margin"}),
            "descent_gap": (
                axes[:3],
                largest[:, 1, None, None] * (1 - ratio[..., 1]),
                {"long_name": "largest L2 margin less that of w / |w|"},
            ),
        },
        coords={
            "seed": np.arange(seed, seed + len(w)),
            "rule": list(RULES),
            "rule_title": ("rule", [rule.title for rule in RULES.values()]),
            "target": list(VECTOR_NORMS),
            "descent_step": ("checkpoint", list(kept), {"long_name": "steps"}),
        },
    )
