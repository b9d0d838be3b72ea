"""Figures of the assay `relu-neuron`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, Series

_ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth")
_EXACT_ZERO = 1e-12
"""Smaller sizes, and zeros, are drawn here on logarithmic axes."""


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The witness's paths and limits, the norms on random sets, and balancedness."""
    return trajectories(data), limits(data), norms(data), balancedness(data)


def _chosen_g(data: xr.Dataset) -> list[tuple[Role, float]]:
    """Up to four values of g, evenly among those that were run, each with its role."""
    g = np.sort(data["g"].values)
    picked = g[np.unique(np.linspace(0, len(g) - 1, min(4, len(g))).round().astype(int))]
    return list(zip(_ROLES, picked.tolist(), strict=False))


def trajectories(data: xr.Dataset) -> Figure:
    """How x_3 dies, and where that leaves w_3."""
    time = data["flow_time"].values
    early = time <= 3 * data["death"].values.max()
    chosen = _chosen_g(data)
    activity: list[Series] = [Line(time[early][[0, -1]], [0, 0], "x₃ dies below", "reference")]
    third: list[Series] = []
    for role, g in chosen:
        w = data["path"].sel(g=g).isel(time=early)
        exact = data.sel(g=g)
        activity.append(Line(time[early], (w.sel(entry=2) + w.sel(entry=3)).values, f"g = {g:g}", role))
        third.append(Line(time[early], w.sel(entry=3).values, f"g = {g:g}", role))
        death = float(exact["death"])
        third.append(Points([death], [float(exact["exact"].sel(entry=3))], "", role))
    return Figure(
        name="trajectories",
        title="The point with label 0 dies, and the third weight freezes",
        caption=(
            "Gradient flow from a small start. At first w₂ rises and activates x₃ = (0, g, g), which pushes w₃ down; "
            "then w₂ turns, x₃ dies where w₂ + w₃ = 0, and w₃ never moves again. Markers: time of death and final w₃ "
            "from the matrix exponential. Where w₃ freezes depends on g; the zero-loss set does not."
        ),
        panels=(
            Panel(title="Activity of x₃", xlabel="time", ylabel="(w₂ + w₃) / α", series=tuple(activity)),
            Panel(title="The third weight", xlabel="time", ylabel="w₃ / α", series=tuple(third)),
        ),
    )


def limits(data: xr.Dataset) -> Figure:
    """One zero-loss set, many limits; the limits as a function of g; and how little the start matters."""
    chosen = _chosen_g(data)
    s = np.linspace(-0.4, 1.4, 91)
    profile: list[Series] = []
    shift: list[Series] = []
    for role, g in chosen:
        loss = g**2 * np.maximum(s - 1, 0) ** 2 / 2
        profile.append(Line(s, loss, f"loss, g = {g:g}", role))
        end = float(data["limit"].isel(alpha=0).sel(g=g, entry=3))
        profile.append(Points([end], [0.0], f"limit, g = {g:g}", role))
        size = np.maximum(np.abs(data["start_shift"].sel(g=g).values), _EXACT_ZERO)
        shift.append(Line(data["start_scale"].values, size, f"g = {g:g}", role))
    linear = data["linear"].sel(entry=3).values
    profile.append(Points(linear, np.zeros(len(linear)), "linear neuron, every g", "control"))

    g = data["g"].values
    coarse = data["gd"].isel(alpha=0).sel(lr=1e-2, entry=3).values
    curve = data["g_curve"].values
    return Figure(
        name="limits",
        title="The same zero-loss set, different limits",
        caption=(
            "Left: loss along α (5, −1, s). It is zero for s ≤ 1 whatever g is; markers on the axis are the limits of "
            "gradient flow, and of the linear neuron, whose limit does not depend on g. Middle: the limit as a "
            "function of g; gradient descent with a step size of 0.01 is off by an error that is proportional to it. "
            "Right: how far a start of size ε moves the limit, its size whatever the direction; below "
            f"{_EXACT_ZERO:g} it is drawn there."
        ),
        panels=(
            Panel(
                title="Loss on the line (5, −1, s)",
                xlabel="s = w₃ / α",
                ylabel="loss / α²",
                ylim=(-0.03, 0.4),
                series=tuple(profile),
            ),
            Panel(
                title="Where the third weight ends",
                xlabel="g",
                ylabel="final w₃ / α",
                xscale="log",
                series=(
                    Line(curve, data["exact_curve"].values, "matrix exponential", "reference"),
                    Points(g, data["limit"].isel(alpha=0).sel(entry=3).values, "gradient flow", "result"),
                    Points(g, coarse, "gradient descent, lr 0.01", "second"),
                    Points(g, data["removed"].sel(entry=3).values, "x₃ removed", "control"),
                ),
            ),
            Panel(
                title="A small start is small enough",
                xlabel="ε of the start ε Xᵀy",
                ylabel="|change of the final w₃ / α|",
                xscale="log",
                yscale="log",
                series=tuple(shift),
            ),
        ),
        columns=3,
    )


def _sorted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the sets and the values in increasing order, those that are finite."""
    found = np.sort(values[np.isfinite(values)])
    return (np.arange(len(found)) + 0.5) / max(len(found), 1), found


def norms(data: xr.Dataset) -> Figure:
    """Norm ratios on the random sets, from small and far starts."""
    ratio, converged = data["ratio"].values, data["converged"].values
    # From the small start every set counts, as in the claim; from far ones those at zero loss.
    ends = (data["norm"].values[0], *ratio[1:])
    roles: tuple[Role, ...] = ("result", "second", "control")
    series: list[Series] = []
    for start, row, role in zip(data["start"].values, ends, roles, strict=True):
        share, found = _sorted(row)
        words = {"small": "small start", "N(0, I)": "start N(0, I)"}.get(str(start), str(start))
        series.append(Line(share, found, f"{words}, n = {len(found)}", role))
    most = np.nanmax(ends[0], initial=0.0)
    share, excess = _sorted(ratio[0] - 1)
    linear_share, linear = _sorted(data["linear_ratio"].values - 1)
    usable, reached = int(data["usable"].sum()), [int(n) for n in converged.sum(axis=1)]
    stuck = int(data["stuck"].sum())
    sets = data.sizes["set"]
    return Figure(
        name="norms",
        title="The norm of the limit beside the smallest norm",
        caption=(
            f"Of {sets} random sets {sets - usable} have labels all zero and are left out; from a small start "
            f"{reached[0]} of the other {usable} reach zero loss, {stuck} rest at a positive loss (a dead point) and "
            f"{usable - reached[0] - stuck} are still on their way. From N(0, I) {reached[1]} and from 5 N(0, I) "
            f"{reached[2]} reach zero loss. Norms are over the smallest norm of a zero-loss solution, sets in "
            f"increasing order. Left: from a small start all {usable} sets, the largest {most:.4f} where the bound is "
            "2; from far starts those at zero loss. Right: those at zero loss, what exceeds 1, drawn at "
            f"{_EXACT_ZERO:g} where it is smaller, beside a linear neuron and its own smallest solution."
        ),
        panels=(
            Panel(
                title="Norm at the end",
                xlabel="share of the sets",
                ylabel="norm / smallest norm",
                yscale="log",
                region=(-np.inf, 2.0),
                series=tuple(series),
            ),
            Panel(
                title="What it exceeds the smallest norm by",
                xlabel="share of the sets at zero loss",
                ylabel="norm / smallest norm − 1",
                yscale="log",
                series=(
                    Line(share, np.maximum(excess, _EXACT_ZERO), f"ReLU neuron, n = {len(share)}", "result"),
                    Line(
                        linear_share,
                        np.maximum(linear, _EXACT_ZERO),
                        f"linear, n = {len(linear_share)}",
                        "control",
                    ),
                    Line([0, 1], [1e-6, 1e-6], "counted as larger", "reference"),
                ),
            ),
        ),
    )


def balancedness(data: xr.Dataset) -> Figure:
    """Drift against step size, and every unit's D before and after."""
    lr = np.sort(data["balance_lr"].values)
    drawn: tuple[tuple[str, Role], ...] = (
        ("gradient descent", "result"),
        ("heavy ball", "second"),
        ("Adam", "third"),
        ("weight decay", "control"),
    )

    def drift(optimizer: str, role: Role) -> Series:
        samples = data["drift"].sel(optimizer=optimizer).sortby("balance_lr").transpose("seed", "balance_lr").values
        # Markers for weight decay, which lies upon Adam's band.
        kind = Points if role == "control" else Line
        return kind(lr, np.median(samples, axis=0), optimizer, role, samples.min(axis=0), samples.max(axis=0))

    middle = float(np.median(data["drift"].sel(optimizer="gradient descent", balance_lr=lr[0])))
    at = float(lr[lr <= 0.01].max())
    first = data.isel(seed=0).sel(balance_lr=at)
    ends = np.array([first["D_start"].min(), first["D_start"].max()])
    factor = data.attrs["decay_factor"]
    units = [
        Points(first["D_start"].sel(optimizer=name).values, first["D_end"].sel(optimizer=name).values, name, role)
        for name, role in drawn
        if name != "heavy ball"
    ]
    return Figure(
        name="balancedness",
        title="What gradient flow conserves in every hidden unit",
        caption=(
            "Left: largest change of D = |w|² − v² over the hidden units, after the same time; median and range over "
            "networks. Gradient descent and heavy ball drift in proportion to the step size, that is, the flow "
            "conserves D; Adam and weight decay change it whatever the step size. Right: D of every unit of the first "
            f"network before and after, at step size {at:g}: unchanged under gradient descent, multiplied by "
            f"{factor:.3f} = exp(−2λT) under weight decay, scattered by Adam."
        ),
        panels=(
            Panel(
                title="Drift against step size",
                xlabel="step size",
                ylabel="largest |change of D|",
                xscale="log",
                yscale="log",
                series=(
                    *(drift(name, role) for name, role in drawn),
                    Line(lr, middle * lr / lr[0], "slope 1", "reference"),
                ),
            ),
            Panel(
                title="D of every unit, before and after",
                xlabel="D at the start",
                ylabel="D at the end",
                series=(
                    *units,
                    Line(ends, ends, "unchanged", "reference"),
                    Line(ends, factor * ends, f"multiplied by {factor:.3f}", "control"),
                ),
            ),
        ),
    )
