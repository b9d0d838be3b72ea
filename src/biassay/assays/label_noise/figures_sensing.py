"""Figures of matrix sensing: what noise does to the test error, and the clock it does it by."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, quantile_band

_SMALLEST = 1e-32
"""Training errors below this, rounding of zero, are drawn here."""


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """Errors and nuclear norm along the runs, the clock, and the large problem where it was run."""
    opened = data["sensing_open"].values
    drawn = data.isel(sensing_set=opened) if opened.any() else data
    some = f"{opened.sum()} of {len(opened)} data sets leave a choice" + ("" if opened.any() else "; all are drawn")
    return (runs(drawn, some), clock(drawn, some), *((large(data),) if "sensing_large_test" in data else ()))


def _samples(values: xr.DataArray) -> np.ndarray:
    """(set, [run,] record) as (sample, record)."""
    return np.maximum(values.values.reshape(-1, values.shape[-1]), _SMALLEST)


def runs(data: xr.Dataset, some: str) -> Figure:
    """Training error, test error and nuclear norm against the steps, at the first step size."""
    at = data.isel(sensing_lr=0)
    steps = at["sensing_step"].values
    thousands = steps / 1000

    def bands(name: str, x: np.ndarray, first: int = 0) -> tuple[Line, Line]:
        noisy, quiet = (_samples(at[f"sensing_{name}{arm}"])[:, first:] for arm in ("", "_quiet"))
        return quantile_band(x[first:], noisy, "label noise"), quantile_band(x[first:], quiet, "no noise", "control")

    truth = float(data["sensing_truth"])
    return Figure(
        name="sensing",
        title="With label noise SGD finds the low-rank matrix",
        caption=(
            f"Matrix sensing at η = {float(at['sensing_lr']):g}: {some}, those without noise fit exactly. Median and "
            "90 % band over data sets (and runs). Left: both arms fit quickly; fresh noise in every step keeps the "
            "error on clean labels above 0. Middle: without noise the fitted matrix is far from the target, and stays "
            "there; with noise it comes near it, long after the training error has fallen. Right: the nuclear norm "
            "goes down to that of the target."
        ),
        panels=(
            Panel(
                title="Training error",
                xlabel="steps",
                ylabel="mean squared error, clean labels",
                xscale="log",
                yscale="log",
                # A logarithmic axis has no step 0.
                series=bands("train", steps, first=1),
            ),
            Panel(
                title="Test error",
                xlabel="steps, in thousands",
                ylabel="|UUᵀ − X|² / |X|²",
                yscale="log",
                region=(0.0, 0.01),
                region_label="claimed at the end",
                series=bands("test", thousands),
            ),
            Panel(
                title="Nuclear norm",
                xlabel="steps, in thousands",
                ylabel="tr UUᵀ",
                yscale="log",
                series=(*bands("trace", thousands), Line(thousands[[0, -1]], [truth, truth], "target", "reference")),
            ),
        ),
        columns=3,
    )


def clock(data: xr.Dataset, some: str) -> Figure:
    """Both step sizes against the drift time, and the ratio of the times of every data set."""
    lrs = data["sensing_lr"].values
    tau = data["sensing_tau"].values
    # tau = eta^2 s^2 t / B: that of eta / 2 follows from its steps.
    half = tau[-1] * (data["sensing_step"][1] / data["sensing_step"][0, -1]).values / 4
    shown = tau <= half[-1]
    series = [
        quantile_band(tau[shown], _samples(data["sensing_test"][:, :, 0])[:, shown], f"η = {lrs[0]:g}"),
        quantile_band(half, _samples(data["sensing_test"][:, :, 1]), f"η = {lrs[1]:g}", "second"),
        quantile_band(tau[shown], _samples(data["sensing_test_quiet"][:, 0])[:, shown], "no noise", "control"),
    ]
    if np.isfinite(data["sensing_drift"].values).any():
        middle = np.nanmedian(data["sensing_drift"].values, axis=0)
        series.append(Line(tau[shown], middle[shown], "drift equation, η → 0", "reference"))
    names = [str(seed) for seed in data["sensing_set"].values]
    ratio, fit = (
        np.log2(data[name].values[..., 1] / data[name].values[..., 0])
        for name in ("sensing_clock", "sensing_fit_clock")
    )
    return Figure(
        name="sensing-clock",
        title="The clock of label noise is 1/η²",
        caption=(
            f"{some}. Left: test error against the drift time τ = η² s² t / B (t steps, noise of variance s², batches "
            "of B). In this time both step sizes and the drift equation nearly agree; the larger the step size, the "
            "faster SGD is. Without noise nothing drifts. Right: how much longer half the step size takes, to a test "
            "error of 1 with noise (marks: mean of the runs, bars: their range) and to a training error of 1e-6 "
            "without: the first time grows like 1/η², that is by 2 in the logarithm, the second like 1/η."
        ),
        panels=(
            Panel(
                title="Test error in drift time",
                xlabel="drift time τ",
                ylabel="|UUᵀ − X|² / |X|²",
                yscale="log",
                series=tuple(series),
            ),
            Panel(
                title="Half the step size",
                xlabel="data set",
                ylabel="log₂ (time at η/2 ÷ time at η)",
                region=(1.9, 2.2),
                ylim=(0.0, 2.6),
                series=(
                    Points(names, ratio.mean(axis=1), "test error, label noise", "result", ratio.min(1), ratio.max(1)),
                    Points(names, fit, "training error, no noise", "control"),
                ),
            ),
        ),
    )


def large(data: xr.Dataset) -> Figure:
    """Test error and nuclear norm of the large problem."""
    thousands, truth = data["sensing_large_step"].values / 1000, float(data["sensing_large_truth"])

    def lines(name: str) -> tuple[Line, Line]:
        noisy, quiet = (data[f"sensing_large_{name}{arm}"].values for arm in ("", "_quiet"))
        return Line(thousands, noisy, "label noise"), Line(thousands, quiet, "no noise", "control")

    return Figure(
        name="sensing-large",
        title="The same on a large matrix",
        caption="One data set, one run with label noise and one without, in single precision.",
        panels=(
            Panel(
                title="Test error",
                xlabel="steps, in thousands",
                ylabel="|UUᵀ − X|² / |X|²",
                yscale="log",
                region=(0.0, 0.05),
                region_label="claimed at the end",
                series=lines("test"),
            ),
            Panel(
                title="Nuclear norm",
                xlabel="steps, in thousands",
                ylabel="tr UUᵀ",
                yscale="log",
                series=(*lines("trace"), Line(thousands[[0, -1]], [truth, truth], "target", "reference")),
            ),
        ),
    )
