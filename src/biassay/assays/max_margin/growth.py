"""How fast Adam can grow the margin of an exponential-tailed loss: the cap -ln(b2) / 2 per step, and the rate below it.

Let the margin grow by r a step, so that gradients shrink as g_t ~ exp(-r t). With eps = 0 the second moment is

    v_t / g_t^2 = (1 - b2) sum_k (b2 e^{2r})^k = (1 - b2) / (1 - b2 e^{2r}),

which diverges as 2r approaches -ln b2: v remembers gradients that were much larger, and the step g / sqrt(v) shrinks.
A coordinate moves by lr g / sqrt(v), the margin by gamma = margin / |w|_inf times that, hence

    r = lr gamma sqrt((1 - b2 e^{2r}) / (1 - b2)).

(The first moment averages over some ten steps, in which gradients hardly change; it is left out.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import optax
import xarray as xr
from scipy.optimize import brentq

from ...dynamics import TunedOptax
from .panel import Points, follow, maximum_margins


def growth_cap(b2: float) -> float:
    """-ln(b2) / 2: the margin cannot keep growing faster, per step."""
    return -float(np.log(b2)) / 2


def growth_rate(lr: float, gamma: float, b2: float) -> float:
    """The r in (0, -ln(b2) / 2) with r = lr gamma sqrt((1 - b2 e^{2r}) / (1 - b2)); NaN where no margin is positive."""
    if not gamma > 0:
        return float("nan")

    def excess(r: float) -> float:
        return r - lr * gamma * np.sqrt(max(0.0, 1 - b2 * np.exp(2 * r)) / (1 - b2))

    return cast(float, brentq(excess, 0.0, growth_cap(b2), xtol=1e-15))


class AdamRun(NamedTuple):
    """One run of Adam (eps = 0) on the logistic loss."""

    lr: float
    b2: float
    steps: int

    @property
    def title(self) -> str:
        """As shown."""
        return f"lr {self.lr:g}, b2 {self.b2:g}"


def measured_growth(steps: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """The slope of margin (seed, step) against the step over the second half of the run, by least squares."""
    late = steps >= steps[-1] / 2
    x = steps[late] - steps[late].mean()
    return (margin[:, late] @ x) / (x @ x)


def adam_growth(points: Points, runs: Sequence[AdamRun]) -> xr.Dataset:
    """Growth of the margin per step, measured and by the formula, and the margins along the way, over (seed, run)."""
    linf = points.geometries.index("Linf")
    largest = maximum_margins(points)[:, linf]
    grown, formula, ratios, paths, times = [], [], [], [], []
    for run in runs:
        adam = TunedOptax(optax.adam, learning_rate=run.lr, b2=run.b2, eps=0.0)
        data = follow(points, adam, loss="logistic", steps=run.steps, record=40, label=f"Adam {run.title}")
        ratio = data["ratio"].isel(step=-1).values[:, linf]
        grown.append(measured_growth(data["step"].values, data["margin"].values))
        formula.append([growth_rate(run.lr, gamma, run.b2) for gamma in ratio * largest])
        ratios.append(ratio)
        paths.append(data["margin"].values)
        times.append(data["step"].values)
    records = min(map(len, times))
    own, path = ("seed", "adam"), ("seed", "adam", "growth_record")
    return xr.Dataset(
        {
            "growth": (own, np.stack(grown, 1), {"long_name": "growth of the margin per step of Adam, measured"}),
            "growth_formula": (own, np.array(formula).T, {"long_name": "growth of the margin per step, formula"}),
            "growth_linf": (own, np.stack(ratios, 1), {"long_name": "margin over the largest in Linf"}),
            "growth_margin": (path, np.stack([p[:, :records] for p in paths], 1), {"long_name": "margin"}),
            "growth_cap": ("adam", [growth_cap(run.b2) for run in runs], {"long_name": "largest lasting growth"}),
        },
        coords={
            "adam": [run.title for run in runs],
            "adam_lr": ("adam", [run.lr for run in runs]),
            "adam_b2": ("adam", [run.b2 for run in runs]),
            "growth_step": (("adam", "growth_record"), np.stack([t[:records] for t in times])),
        },
    )
