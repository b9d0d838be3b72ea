"""Figures of the part `one_point` of the assay `label-noise`: the way down reg, and the units at its end."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Series, quantile_band


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """reg along the drift equation and SGD, and the units that are left."""
    return descent(data), units(data)


def descent(data: xr.Dataset) -> Figure:
    """reg against drift time in every setting, and SGD beside the drift equation."""
    names = data["point_setting"].values
    above = int((data["point_reg"].isel(point_tau=-1) > 1.01 * data["point_least"]).sum())
    return Figure(
        name="one-point-reg",
        title="On one point SGD follows the drift equation, which goes on far beyond it",
        caption=(
            f"{data.sizes['point_start']} starts, medians and 90 % bands. Above: reg at zero error. SGD with noisy "
            "labels ends at the last marker; logistic units go on for decades. A start may come to rest above the "
            f"least reg, with all units equal: {above} of these do. Below: reg of SGD over that of the drift equation "
            "at the same drift time. Where reg is large SGD is ahead, by a share of the clock of order η reg. Control: "
            "a drift equation that is twice as fast. Shaded: what is claimed of the logistic networks at the end."
        ),
        panels=(*(_reg(data, name) for name in names), *(_ratio(data, name) for name in names)),
        columns=3,
    )


def _reg(data: xr.Dataset, name: str) -> Panel:
    own = data.sel(point_setting=name)
    tau, sgd_tau = own["point_tau"].values, own["point_sgd_tau"].values
    low, middle, high = np.nanquantile(own["point_sgd_reg"].values, [0.05, 0.5, 0.95], axis=0)
    least = float(own["point_least"])
    return Panel(
        title=name,
        xlabel="drift time τ",
        ylabel="reg",
        xscale="log",
        yscale="log",
        series=(
            quantile_band(tau, own["point_reg"].values, "drift equation"),
            Points(sgd_tau, middle, "SGD", "second", low, high),
            Line(tau[[0, -1]], [least, least], f"least reg, {least:.4f}", "reference"),
        ),
    )


def _ratio(data: xr.Dataset, name: str) -> Panel:
    own = data.sel(point_setting=name)
    tau = own["point_sgd_tau"].values
    sgd, equation = own["point_sgd_reg"].values, own["point_reg"].values
    return Panel(
        title=f"{name}, SGD beside the equation",
        xlabel="drift time τ",
        ylabel="reg of SGD / reg of the equation",
        xscale="log",
        ylim=(0.8, 1.6),
        region=(0.99, 1.01) if name.startswith("logistic") else None,
        series=(
            quantile_band(tau, sgd / equation[:, : len(tau)], "drift equation"),
            quantile_band(tau, sgd / equation[:, 1 : len(tau) + 1], "twice as fast", "control"),
        ),
    )


def units(data: xr.Dataset) -> Figure:
    """Activation and outer weight of every unit of every start."""

    def panel(name: str) -> Panel:
        own = data.sel(point_setting=name)

        def pairs(prefix: str) -> tuple[np.ndarray, np.ndarray]:
            return own[f"{prefix}_a"].values.ravel(), own[f"{prefix}_c"].values.ravel()

        series: list[Series] = [Points(*pairs("point_sgd"), "end of SGD", "second")]
        if name.startswith("tanh"):
            series.insert(0, Points(*pairs("point_quiet"), "SGD without noise", "control"))
        series.append(Points(*pairs("point"), "end of the drift equation", "result"))
        return Panel(title=name, xlabel="activation of a unit", ylabel="outer weight of the unit", series=tuple(series))

    return Figure(
        name="one-point-units",
        title="On one point the drift of label noise ends at units of one or two kinds",
        caption=(
            f"Every unit of {data.sizes['point_start']} networks. Without noise SGD stays where it was put. At the "
            "end of the drift equation one tanh unit is left, of either sign, and the others are zero; logistic units "
            "are all equal, or one against the others. When SGD ends, tanh units have got there, logistic ones not."
        ),
        panels=tuple(panel(name) for name in data["point_setting"].values),
        columns=3,
    )
