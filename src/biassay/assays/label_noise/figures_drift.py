"""The figure of the drift: displacement beside the drift flow, how the difference shrinks, and the controls."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, Series
from .claims_drift import excess, ratios

_ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth")
_SHOWN_SETS = 4


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """One figure of three panels."""
    return (drift(data),)


def _with_errors(samples: np.ndarray, errors: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the last axis, and the mean less and plus so many standard errors."""
    mean = samples.mean(axis=-1)
    half = errors * samples.std(axis=-1, ddof=1) / np.sqrt(samples.shape[-1])
    return mean, mean - half, mean + half


def drift(data: xr.Dataset) -> Figure:
    """Ratio against step size, its excess over 1, and label noise beside isotropic noise and none."""
    lr, ratio = data["drift_lr"].values, ratios(data).values
    sets = range(min(len(ratio), _SHOWN_SETS))

    against_lr: list[Series] = []
    for i, role in zip(sets, _ROLES, strict=False):
        mean, low, high = _with_errors(ratio[i], 2)
        # Next to each other, not on top of each other.
        against_lr.append(Points(lr * 1.04 ** (i - (len(sets) - 1) / 2), mean, f"data set {i + 1}", role, low, high))

    pooled, low, high = _with_errors(excess(data), 2)
    decreasing = np.sort(lr)[::-1]
    floor = 1e-4
    shrinks: list[Series] = [
        Line(decreasing, pooled[0] * decreasing / decreasing[0], "∝ η", "reference"),
        Points(
            decreasing, np.maximum(pooled, floor), "mean over the data sets", "result", np.maximum(low, floor), high
        ),
        Line(decreasing, np.abs(excess(data, 2.0).mean(axis=-1)), "flow with twice the constant", "control"),
    ]

    number = np.arange(1, len(ratio) + 1)
    largest = ratio[:, np.argmax(lr)]
    mean, low, high = _with_errors(largest, 3)
    label = Points(number, mean, "label noise", "result", low, high)
    mean, low, high = _with_errors(data["drift_isotropic"].transpose("drift_set", "drift_run").values, 3)
    isotropic = Points(number + 0.1, mean, "isotropic noise", "control", low, high)
    none = Points(number - 0.1, data["drift_noiseless"].sel(drift_lr=lr.max()).values, "no noise", "second")

    runs = ratio.shape[-1]
    wide = (lr.min() / 2, lr.max() * 2)
    return Figure(
        name="drift",
        title="Label noise moves a zero-error network along the drift flow",
        caption=(
            f"A tanh network on four points, {runs} runs from one zero-error start a data set, each for the same drift "
            "time. Left: mean displacement in the direction of the drift flow over the flow's length, with two "
            "standard errors; the region is drawn across, but is claimed only of the step sizes η ≤ 0.002. Middle: "
            "what exceeds 1 shrinks with the step size, as it would not if the constant of the flow were another. "
            "Right: at the largest step size, with three standard errors; isotropic noise of the same total variance "
            "wanders many times as far without direction."
        ),
        panels=(
            Panel(
                title="Displacement / flow",
                xlabel="step size η",
                ylabel="displacement / flow's length",
                xscale="log",
                xlim=wide,
                region=(0.97, 1.03),
                region_label="claimed for η ≤ 0.002",
                series=tuple(against_lr),
            ),
            Panel(
                title="The correction is of first order",
                xlabel="step size η",
                ylabel="|displacement / flow's length − 1|",
                xscale="log",
                yscale="log",
                xlim=wide,
                series=tuple(shrinks),
            ),
            Panel(
                title="Controls",
                xlabel="data set",
                ylabel="displacement / flow's length",
                xlim=(0, len(ratio) + 1),
                series=(Line(number[[0, -1]] + np.array([-0.3, 0.3]), [0, 0], "", "reference"), label, isotropic, none),
            ),
        ),
        columns=3,
    )
