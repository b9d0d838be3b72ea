"""Figures of the part `sparse`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, Series, quantile_band

_DRAWN: tuple[tuple[str, Role], ...] = (
    ("label noise", "result"),
    ("SGD noise", "second"),
    ("Langevin", "third"),
    ("gradient descent", "control"),
)
_STEP_SIZES: tuple[tuple[str, str, float, Role], ...] = (
    ("label noise", "label noise, η", 1.0, "result"),
    ("label noise, half step", "label noise, η / 2", 0.5, "second"),
)
_OTHERS = 12
"""Entries drawn beside those of the target."""
_ERRORS = (1e-4, 300.0)
"""The errors drawn."""


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """Recovery, and the clock."""
    return recovery(data), clock(data)


def _over_sets(values: xr.DataArray, x: np.ndarray, label: str, role: Role) -> Line:
    """Median and range over the data sets that have not diverged."""
    samples = values.values[np.isfinite(values.values).all(axis=1)]
    if not len(samples):
        return Line([], [], label, role)
    return quantile_band(x, samples, label, role, level=1.0)


def recovery(data: xr.Dataset) -> Figure:
    """The squared error of every arm, and what was found on one data set."""
    arms: list[Series] = []
    for arm, role in _DRAWN:
        kept = data.sel(sparse_arm=arm).isel(sparse_record=slice(1, None))
        arms.append(_over_sets(kept["sparse_test"], kept["sparse_step"].values, arm, role))
    sets = data.sizes["sparse_set"]
    end = data["sparse_test"].isel(sparse_record=-1)
    diverged = int((~np.isfinite(end.sel(sparse_arm="SGD noise"))).sum())
    target, first = data["sparse_target"].values, data["sparse_solution"].isel(sparse_set=0)
    others = np.flatnonzero(target == 0)
    largest = others[np.argsort(-first.sel(sparse_arm="gradient descent").values[others])][:_OTHERS]
    shown = np.concatenate([np.flatnonzero(target), largest])
    place = np.arange(1, len(shown) + 1)
    found = (
        Points(place, first.sel(sparse_arm=arm).values[shown], arm, role)
        for arm, role in _DRAWN
        if arm in ("label noise", "gradient descent")
    )
    return Figure(
        name="sparse-recovery",
        title="Squared parameters: label noise finds the sparse solution",
        caption=(
            f"Left: squared error of v.v over {sets} data sets, median and range; the step size is divided by ten "
            f"after each third. SGD noise diverged on {diverged} of {sets}, which are left out of its line. Shaded: "
            "what is claimed of label noise at the end. Right: on the first data set, the entries of the target that "
            f"are one, and the {len(largest)} others that gradient descent makes largest. All solve the same "
            "equations."
        ),
        panels=(
            Panel(
                title="Error of what was found",
                xlabel="step",
                ylabel="|v.v − w*|²",
                yscale="log",
                region=(0.0, 0.01),
                ylim=_ERRORS,
                series=tuple(arms),
            ),
            Panel(
                title="Entries at the end",
                xlabel="entry, in the order described",
                ylabel="v.v",
                series=(Points(place - 0.3, target[shown], "target", "reference"), *found),
            ),
        ),
    )


def clock(data: xr.Dataset) -> Figure:
    """Error and L1 norm against the drift time: two step sizes on the path of the drift equation."""
    a_step = float(data["sparse_a_step"])
    tau = data["sparse_tau"].values

    def along_tau(name: str) -> tuple[Series, ...]:
        series: list[Series] = []
        for arm, words, factor, role in _STEP_SIZES:
            run = data.sel(sparse_arm=arm)
            time = run["sparse_step"].values * factor**2 * a_step
            # Later the step size of the first is divided, and the drift time with it.
            kept = (time > tau[1] / 20) & (time <= tau[-1] * (1 + 1e-9))
            series.append(_over_sets(run[f"sparse_{name}"].isel(sparse_record=kept), time[kept], words, role))
        exact = np.median(data[f"sparse_exact_{name}"].values, axis=0)
        return (*series, Line(tau, exact, "drift equation", "reference"))

    reached = data["sparse_reached"].transpose("sparse_arm", ...).sel(sparse_arm=[arm for arm, *_ in _STEP_SIZES])
    ratio = reached.values[1] / reached.values[0]
    return Figure(
        name="sparse-clock",
        title="Squared parameters: the clock of label noise is that of the drift equation",
        caption=(
            "Two step sizes, median and range over the data sets, against the drift time, beside the exact path. Half "
            f"the step size took {float(ratio.min()):.2f} to {float(ratio.max()):.2f} times the steps to a squared "
            "error of 1. At late times the noise that is still on keeps the error above the path, in proportion to η."
        ),
        panels=(
            Panel(
                title="Error",
                xlabel="drift time τ = (η/4)² t",
                ylabel="|v.v − w*|²",
                yscale="log",
                ylim=_ERRORS,
                series=along_tau("test"),
            ),
            Panel(
                title="L1 norm",
                xlabel="drift time τ = (η/4)² t",
                ylabel="sum of v.v",
                series=(
                    *along_tau("l1"),
                    Line(tau[[0, -1]], np.full(2, data["sparse_target"].sum()), "target", "control"),
                ),
            ),
        ),
    )
