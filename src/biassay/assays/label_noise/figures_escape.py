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


_CLAIMED, _CONTROL = slice(0, 3), slice(3, 4)
"""The distances from the unstable start, and that from the stable start."""


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """One figure of four panels."""
    return (escape(data),)


def _standard_error(samples: np.ndarray) -> np.ndarray:
    """Of the mean over the last axis, (..., run); 0 where there is one run."""
    runs = samples.shape[-1]
    return samples.std(axis=-1, ddof=1) / np.sqrt(runs) if runs > 1 else np.zeros(samples.shape[:-1])


def escape(data: xr.Dataset) -> Figure:
    """Unstable and stable starts side by side."""
    lr = np.sort(data["escape_lr"].values)[::-1]
    tangent = distances(data, "escape_tangent", "unstable")
    flow = data.sortby("escape_lr", ascending=False)["escape_flow"].transpose("escape_run", "escape_lr").values
    power = np.median(tangent[-1]) * (lr / lr[-1]) ** 0.4

    found = np.stack([slopes(data, name, start) for _, name, start in _SHOWN_SLOPES])
    mean, error = found.mean(axis=1), _standard_error(found)

    def exponents(which: slice) -> Points:
        """Mean exponent and two standard errors of some of the distances."""
        words = [words for words, *_ in _SHOWN_SLOPES[which]]
        role = "control" if which == _CONTROL else "result"
        return Points(words, mean[which], "", role, (mean - 2 * error)[which], (mean + 2 * error)[which])

    loss = distances(data, "escape_loss", "unstable")
    mean_loss = loss.mean(axis=1)
    # Standard errors of the mean's logarithm: on this axis a bar of mean - 2 s.e. could end below 0.
    factor = np.exp(2 * _standard_error(loss) / mean_loss)
    line = np.exp(np.mean(np.log(mean_loss / lr))) * lr
    wide = (lr[-1] / 3, 3 * lr[0])
    return Figure(
        name="escape",
        title="Label noise leaves an unstable zero-error point, and stays at a stable one",
        caption=(
            f"A tanh network on one point, η⁻¹·⁶ steps, {tangent.shape[1]} starts. Upper left: distance from the "
            "start; bands hold 90 % of the runs. Along the zero-error set the unstable start is left as the drift flow "
            "says and the stable one is not; the whole distance from the stable start is the noise's width across the "
            "set. Upper right: exponents of η, one slope a run, mean and two standard errors; the first is claimed to "
            "lie in the region. Lower left: the same of the control, on a scale of its own. Lower right: the squared "
            "error at the end, which is of the order of η; mean over the runs, two standard errors of its logarithm."
        ),
        panels=(
            Panel(
                title="Distance after η⁻¹·⁶ steps",
                xlabel="step size η",
                ylabel="distance from the start",
                xscale="log",
                yscale="log",
                xlim=wide,
                series=(
                    quantile_band(lr, tangent.T, "unstable, along the set", "result"),
                    Points(lr, np.median(flow, axis=0), "drift flow, median", "third"),
                    Line(lr, power, "∝ η⁰·⁴", "reference"),
                    quantile_band(lr, distances(data, "escape_raw", "stable").T, "stable, whole distance", "second"),
                    quantile_band(
                        lr, distances(data, "escape_tangent", "stable").T, "stable, along the set", "control"
                    ),
                ),
            ),
            Panel(
                title="Exponents of η, unstable start",
                xlabel="start, what is measured",
                ylabel="exponent",
                region=(0.38, 0.42),
                series=(exponents(_CLAIMED),),
            ),
            Panel(
                title="Exponent of η, stable start",
                xlabel="start, what is measured",
                ylabel="exponent",
                ylim=(0.0, 2.0),
                region=(0.6, np.inf),
                region_label="asked of the control",
                series=(exponents(_CONTROL),),
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
                        mean_loss / factor,
                        mean_loss * factor,
                    ),
                ),
            ),
        ),
    )
