"""Figures of the part `curve` of the assay `label-noise`: the curves, their shape and their error along the runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, quantile_band

_ROLES: dict[str, Role] = {
    "no noise": "control",
    "noise": "result",
    "noise, outer layer only": "second",
    "noise, inner layer only": "third",
}
_DRAWN = 3
_QUIET_FROM = 0.75
"""The share of the steps after which the noise is off."""


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The curves of a few starts, and the shape of all."""
    return curves(data), shapes(data)


def _function(data: xr.Dataset, start: int, arm: str) -> Line:
    values = data["curve_f"].isel(curve_start=start).sel(curve_arm=arm).values
    return Line(data["curve_x"].values, values, arm, _ROLES[arm])


def _points(data: xr.Dataset) -> Points:
    return Points(data["curve_point"].values, data["curve_y"].values, "data", "reference")


def curves(data: xr.Dataset) -> Figure:
    """What is learned from a few starts, with and without noise, and from the first with one layer trained."""
    drawn = range(min(_DRAWN, data.sizes["curve_start"]))
    first, *others = _ROLES
    return Figure(
        name="curves",
        title="The curves that the networks end at",
        caption=(
            "ReLU networks on 12 points, from the first starts. Without noise (control) the curve keeps bends that the "
            "points do not ask for; with label noise it ends near the polyline. Last panel, the first start again: "
            "with one layer trained noise does not straighten the curve. Every network was trained for as many steps, "
            "the last quarter of them without noise; after noise the curves still miss the points by about 0.02."
        ),
        panels=(
            *(
                Panel(
                    title=f"Start {data['curve_start'].values[start]}, both layers trained",
                    xlabel="x",
                    ylabel="f(x)",
                    series=(*(_function(data, start, arm) for arm in (first, others[0])), _points(data)),
                )
                for start in drawn
            ),
            Panel(
                title=f"Start {data['curve_start'].values[0]}, noise, one layer trained",
                xlabel="x",
                ylabel="f(x)",
                series=(*(_function(data, 0, arm) for arm in others[1:]), _points(data)),
            ),
        ),
    )


def shapes(data: xr.Dataset) -> Figure:
    """The length of every curve at the end; its shape, reg and the training error along the runs."""
    polyline, turns = float(data["curve_polyline"]), float(data["curve_least_turns"])
    shorter = int((data["curve_length"].sel(curve_arm="noise").isel(curve_step=-1) < polyline).sum())
    unshaped = data["curve_variation"].sel(curve_arm="no noise").isel(curve_step=-1).mean().item()
    error = data["curve_error"].sel(curve_arm="noise").median("curve_start").values
    last_noisy = np.flatnonzero(data["curve_step"] <= _QUIET_FROM * data["curve_step"][-1])[-1]
    return Figure(
        name="curve-shapes",
        title="Label noise makes the curve shorter and straighter, while it keeps the training error up",
        caption=(
            f"{data.sizes['curve_start']} starts. Upper left: how much longer than the polyline through the points, of "
            f"length {polyline:.3f}, each curve is at the end, beside the curve without noise from the same start; "
            f"{shorter} of the curves after noise are shorter than the polyline, as they still miss the points a "
            "little. The others: median and 90 % band along the runs. reg, over the trained parameters, and with it "
            "the bends fall while the noise is on, and only with both layers trained. Meanwhile the noise keeps the "
            f"error up: with both layers trained its median is still {error[last_noisy]:.2g} at the last step with "
            f"noise. After the noise is switched off the curve fits, to {error[-1]:.1g} at the end. Shaded: what the "
            "claims ask of the mean at the end."
        ),
        panels=(
            _lengths(data, polyline),
            _along(
                data,
                "variation",
                title="Total variation of the slope",
                ylabel="sum of |jumps of the slope|",
                region=(-np.inf, unshaped / 2),
                region_label="half of no noise, or less",
            ),
            _along(
                data,
                "turns",
                title="Changes of convexity",
                ylabel="changes of convexity",
                region=(turns - 1, turns + 1),
                region_label="least ± 1",
            ),
            _along(data, "reg", title="The regularizer", ylabel="reg"),
            _along(data, "error", title="Training error", ylabel="mean of (f − y)²", yscale="log"),
        ),
        columns=3,
    )


def _lengths(data: xr.Dataset, polyline: float) -> Panel:
    """Length above that of the polyline at the end, of every start, beside that without noise."""
    excess = data["curve_length"].isel(curve_step=-1) - polyline
    without = excess.sel(curve_arm="no noise").values
    ends = np.array([0.0, without.max()])
    return Panel(
        title="Length above the polyline's",
        xlabel="without noise",
        ylabel="with noise",
        series=(
            *(
                Points(without, excess.sel(curve_arm=arm).values, arm, role)
                for arm, role in _ROLES.items()
                if arm != "no noise"
            ),
            Line(ends, ends, "the same", "control"),
            Line(ends, ends / 2, "half", "reference"),
        ),
    )


def _along(data: xr.Dataset, name: str, **words: Any) -> Panel:
    """A measure along the runs, every arm."""
    steps = data["curve_step"].values[1:]
    values = data[f"curve_{name}"].isel(curve_step=slice(1, None)).transpose("curve_start", ...)
    bands = [quantile_band(steps, values.sel(curve_arm=arm).values, arm, role) for arm, role in _ROLES.items()]
    top = 1.05 * float(values.quantile(0.95, "curve_start").max())
    # A logarithmic axis has no 0.
    bottom = float(values.quantile(0.05, "curve_start").min()) if words.get("yscale") == "log" else 0.0
    quiet = Line(2 * [_QUIET_FROM * steps[-1]], [bottom, top], "noise off from here", "reference")
    return Panel(xlabel="steps", xscale="log", ylim=(bottom, top), series=(*bands, quiet), **words)
