"""Figures of the assay `min-norm`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Bars, Figure, Line, Panel, Points, Role, quantile_band

_ROUND_OFF = 1e-17
"""Zeros are drawn here on logarithmic axes."""
_RULE = {"distance": (0.0, 1e-8), "span": (0.0, 1e-10), "residual": (0.0, 1e-10)}


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The table of algorithms as a picture, their paths, the norms they end at, and the geometries."""
    drawn = (which(data), paths(data), norms(data), geometry(data))
    return (*drawn, sweep(data)) if "epsilon" in data.coords else drawn


def _over_seeds(values: xr.DataArray, label: str, role: Role) -> Points:
    """The median over seeds for each algorithm, with the range."""
    samples = np.maximum(values.transpose("seed", "algorithm").values, _ROUND_OFF)
    low, middle, high = np.quantile(samples, [0, 0.5, 1], axis=0)
    return Points(values["title"].values.tolist(), middle, label, role, low, high)


def which(data: xr.Dataset) -> Figure:
    """Distance, part outside the span and residual of every algorithm: N1 and N2 side by side."""
    groups: tuple[tuple[str, Role, xr.DataArray], ...] = (
        ("keeps to the span", "result", data["span_preserving"] & (data["aside"] == "")),
        ("leaves the span", "control", ~data["span_preserving"] & (data["aside"] == "")),
        ("not compared: an error left, a limit, a control", "reference", data["aside"] != ""),
    )
    titles = {
        "distance": "Distance to the minimum-norm solution",
        "span": "Part of w outside the span of the data",
        "residual": "Residual",
    }
    panels = tuple(
        Panel(
            title=titles[name],
            xlabel="",
            ylabel=f"{name} (relative)",
            series=tuple(
                _over_seeds(data[name].isel(checkpoint=-1).sel(algorithm=chosen), label, role)
                for label, role, chosen in groups
            ),
            yscale="log",
            region=_RULE[name],
            region_label="claimed inside the span",
        )
        for name in titles
    )
    return Figure(
        name="which-interpolator",
        title="Which interpolator each algorithm finds",
        caption=(
            "Gradient descent finds the minimum-norm solution, and so does everything else that stays in the span of "
            "the data; what leaves the span fits equally well and lies elsewhere. Medians and ranges over regressions."
        ),
        panels=panels,
        columns=1,
    )


def paths(data: xr.Dataset) -> Figure:
    """Distance and residual along the way."""
    shown: tuple[tuple[str, Role], ...] = (
        ("gd", "result"), ("sgd-1", "second"), ("cg", "third"), ("adam", "control"), ("sign", "fourth"),
        ("gd-start", "reference"),
    )  # fmt: skip

    def path(variable: str, name: str, role: Role) -> Line:
        row = data[variable].sel(algorithm=name).isel(checkpoint=slice(1, None)).transpose("seed", "checkpoint")
        return quantile_band(row["step"].values, np.maximum(row.values, _ROUND_OFF), row["title"].item(), role)

    def panel(variable: str, title: str) -> Panel:
        return Panel(
            title=title,
            xlabel="steps",
            ylabel=f"{variable} (relative)",
            series=tuple(path(variable, name, role) for name, role in shown),
            xscale="log",
            yscale="log",
        )

    return Figure(
        name="paths",
        title="The error vanishes everywhere, the distance only inside the span",
        caption=(
            "Every algorithm shown reaches zero error (right). Only those in the span of the data approach the "
            "minimum-norm solution (left). Bands: 90 % of the regressions."
        ),
        panels=(panel("distance", "Distance to the minimum-norm solution"), panel("residual", "Residual")),
    )


def norms(data: xr.Dataset) -> Figure:
    """How much larger than necessary each interpolator is, in three norms."""
    # One bar for all that keep to the span: they find the same solution.
    outside = ~data["span_preserving"] & (data["aside"] == "")
    ratio = data["ratio"].sel(algorithm=outside | (data["algorithm"] == "gd"))
    roles: dict[str, Role] = {"L1": "second", "L2": "result", "Linf": "third"}
    names = tuple(ratio["title"].values.tolist())
    series = []
    for norm, role in roles.items():
        low, middle, high = np.quantile(ratio.sel(norm=norm).values, [0.05, 0.5, 0.95], axis=0)
        series.append(Bars(names, middle, norm, role, low, high))
    return Figure(
        name="norms",
        title="Each interpolator's size in three norms",
        caption=(
            "Norm of the solution over the smallest norm of any solution (L1 and Linf by linear programs). Sign "
            "descent and Adam pay in L2 and save in Linf. Gradient descent stands for all that keep to the span. Bars: "
            "90 % of the regressions."
        ),
        panels=(Panel(title="Norm over minimum norm", xlabel="", ylabel="ratio (1 = smallest)", series=tuple(series)),),
        columns=1,
    )


def geometry(data: xr.Dataset) -> Figure:
    """What decides outside the span: each algorithm's own minimum, and steepest descent's step size."""
    own = {
        "gd-start": "projection",
        "preconditioned": "weighted",
        "gd-decay": "ridge",
        **{f"mirror-{p:g}": f"min-{p:g}-norm" for p in data["p"].values},
    }

    def distances(reference: dict[str, str], label: str, role: Role) -> Points:
        rows = [data["distance_to"].sel(algorithm=name, reference=target) for name, target in reference.items()]
        samples = np.maximum([row.values for row in rows], _ROUND_OFF)
        low, middle, high = np.quantile(samples, [0, 0.5, 1], axis=1)
        return Points([row["title"].item() for row in rows], middle, label, role, low, high)

    lr, mirror_lr = data["lr"].values, data["mirror_lr"].values
    ends = [min(lr.min(), mirror_lr.min()), max(lr.max(), mirror_lr.max())]
    smallest = float(data["two_points_minimum"].sel(entry=1))
    return Figure(
        name="geometry",
        title="Outside the span the geometry decides",
        caption=(
            "Left: each algorithm finds the minimum that its own geometry prescribes, not the minimum-norm solution. "
            "Right: on two points steepest descent for the 4/3-norm ends at a solution that depends on its step size, "
            "mirror descent for the same norm at the smallest."
        ),
        panels=(
            Panel(
                title="Its own minimum",
                xlabel="",
                ylabel="distance (relative)",
                yscale="log",
                series=(
                    distances(own, "to its own minimum", "result"),
                    distances(dict.fromkeys(own, "min-norm"), "to the minimum-norm solution", "control"),
                ),
            ),
            Panel(
                title="Two points in three dimensions",
                xlabel="step size",
                ylabel="first entry of the solution",
                xscale="log",
                series=(
                    Line(lr, data["steepest"].sel(entry=1).values, "steepest descent", "result"),
                    Points(mirror_lr, data["mirror"].sel(entry=1).values, "mirror descent", "control"),
                    Line(ends, [smallest, smallest], "smallest 4/3-norm", "reference"),
                ),
            ),
        ),
    )


def sweep(data: xr.Dataset) -> Figure:
    """From Adam to gradient descent."""
    epsilon = data["epsilon"].values

    def line(name: str, label: str, role: Role) -> Line:
        samples = data[f"epsilon_{name}"].transpose("seed", "epsilon").values
        return quantile_band(epsilon, np.maximum(samples, _ROUND_OFF), label, role)

    return Figure(
        name="adam-to-gd",
        title="From Adam to gradient descent",
        caption=(
            "Adam without momentum, its step size growing with epsilon: while the residual stays at round-off, the "
            "solution moves from Adam's to the minimum-norm one. Bands: 90 % of the regressions."
        ),
        panels=(
            Panel(
                title="Adam without momentum",
                xlabel="Adam's epsilon (units of the gradient)",
                ylabel="relative to the minimum-norm solution",
                xscale="log",
                yscale="log",
                series=(line("distance", "distance", "result"), line("residual", "residual", "reference")),
            ),
        ),
        columns=1,
    )
