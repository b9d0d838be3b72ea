"""The figure of the escape: distances against the step size, their exponents, and the error that is left."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, quantile_band
from .claims_escape import distances, slopes

_SHOWN_SLOPES = (
    ("unstable,\nalong the set", "escape_tangent", "unstable"),
    ("unstable,\nwhole distance", "escape_raw", "unstable"),
    ("unstable,\nfall of reg", "escape_fallen", "unstable"),
    ("stable,\nalong the set", "escape_tangent", "stable"),
)


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """One figure of three panels."""
    return (escape(data),)


def escape(data: xr.Dataset) -> Figure:
    """Unstable and stable starts side by side."""
    lr = np.sort(data["escape_lr"].values)[::-1]
    tangent = distances(data, "escape_tangent", "unstable")
    flow = data.sortby("escape_lr", ascending=False)["escape_flow"].transpose("escape_run", "escape_lr").values
    power = np.median(tangent[-1]) * (lr / lr[-1]) ** 0.4

    found = np.stack([slopes(data, name, start) for _, name, start in _SHOWN_SLOPES])
    error = found.std(axis=1, ddof=1) / np.sqrt(found.shape[1]) if found.shape[1] > 1 else np.zeros(len(found))

    loss = distances(data, "escape_loss", "unstable")
    loss_error = loss.std(axis=1) / np.sqrt(loss.shape[1])
    mean_loss = loss.mean(axis=1)
    line = np.exp(np.mean(np.log(mean_loss / lr))) * lr
    wide = (lr[-1] / 3, 3 * lr[0])
    return Figure(
        name="escape",
        title="Label noise leaves an unstable zero-error point, and stays at a stable one",
        caption=(
            f"A tanh network on one point, η^−1.6 steps, {tangent.shape[1]} starts. Left: distance from the start; "
            "bands hold 90 % of the runs. Along the zero-error set the unstable start is left as the drift flow says "
            "and the stable one is not; the whole distance from the stable start is the noise's width across the set. "
            "Middle: exponents of η, one slope a run, mean and two standard errors; the first is claimed to lie in the "
            "region, the last is the control. Right: the squared error at the end, which is of the order of η."
        ),
        panels=(
            Panel(
                title="Distance after η^−1.6 steps",
                xlabel="step size η",
                ylabel="distance from the start",
                xscale="log",
                yscale="log",
                xlim=wide,
                series=(
                    quantile_band(lr, tangent.T, "unstable, along the set", "result"),
                    Points(lr, np.median(flow, axis=0), "drift flow, median", "third"),
                    Line(lr, power, "∝ η^0.4", "reference"),
                    quantile_band(lr, distances(data, "escape_raw", "stable").T, "stable, whole distance", "second"),
                    quantile_band(
                        lr, distances(data, "escape_tangent", "stable").T, "stable, along the set", "control"
                    ),
                ),
            ),
            Panel(
                title="Exponents of η",
                xlabel="start, what is measured",
                ylabel="exponent",
                region=(0.38, 0.42),
                series=(
                    Points(
                        [words for words, _, _ in _SHOWN_SLOPES],
                        found.mean(axis=1),
                        "",
                        "result",
                        found.mean(axis=1) - 2 * error,
                        found.mean(axis=1) + 2 * error,
                    ),
                ),
            ),
            Panel(
                title="Error left, unstable start",
                xlabel="step size η",
                ylabel="(h − y)² at the end",
                xscale="log",
                yscale="log",
                xlim=wide,
                series=(
                    Line(lr, line, "∝ η", "reference"),
                    Points(
                        lr,
                        mean_loss,
                        "mean over the runs",
                        "result",
                        np.maximum(mean_loss - 2 * loss_error, mean_loss / 4),
                        mean_loss + 2 * loss_error,
                    ),
                ),
            ),
        ),
        columns=3,
    )
