"""What is claimed of the escape from zero-error points that are not stable, and of staying at those that are."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim

_RUNS = 16
_STABLE = 1e-6
_UNSTABLE = 0.1

BLANC: dict[str, Any] = {"cite": "blanc2020", "min_seeds": _RUNS}


def distances(data: xr.Dataset, name: str, start: str) -> np.ndarray:
    """A distance at every step size, decreasing, and of every run, (lr, run)."""
    decreasing = data.sortby("escape_lr", ascending=False)
    return decreasing[name].sel(escape_start=start).transpose("escape_lr", "escape_run").values


def slopes(data: xr.Dataset, name: str, start: str) -> np.ndarray:
    """The exponent of the step size in a distance, one a run: the slope of a line fitted to the logarithms."""
    lr = np.sort(data["escape_lr"].values)[::-1]
    return np.polyfit(np.log(lr), np.log(np.abs(distances(data, name, start))), 1)[0]


def _against_unstable(data: xr.Dataset, name: str) -> np.ndarray:
    """The largest distance from the stable start over the step sizes, each as a share of the distance along the set
    from the unstable start; one a run."""
    return (distances(data, name, "stable") / distances(data, "escape_tangent", "unstable")).max(axis=0)


def against_flow(data: xr.Dataset, name: str = "escape_flow") -> np.ndarray:
    """Distance along the set from the unstable start over that of a flow, (lr, run); step sizes decreasing."""
    flow = data.sortby("escape_lr", ascending=False)[name].transpose("escape_lr", "escape_run").values
    return distances(data, "escape_tangent", "unstable") / flow


def _as_premised(data: xr.Dataset) -> np.ndarray:
    """Zero error at both starts, drift at the one and none at the other; one a run."""
    share = data["escape_share"]
    zero = (data["escape_error"] < 1e-12).all("escape_start").values
    drifts, settled = share.sel(escape_start="unstable") > _UNSTABLE, share.sel(escape_start="stable") < _STABLE
    return zero & drifts.values & settled.values


STARTS_AS_CLAIMED: dict[str, Any] = {
    "premise": _as_premised,
    "premise_says": f"both starts have zero error, |P grad reg| / |grad reg| > {_UNSTABLE:g} and < {_STABLE:g}",
}

CLAIMS = (
    Claim(
        name="escape-exponent",
        says="From a zero-error point that is not stable, SGD goes η^0.4 along the zero-error set in η^(−1.6) steps.",
        provenance="memory",
        measure=lambda data: slopes(data, "escape_tangent", "unstable"),
        region=(0.38, 0.42),
        control=lambda data: slopes(data, "escape_tangent", "stable"),
        control_says="the stable start, which only the square of the noise moves along the set",
        control_region=(0.6, np.inf),
        unit="exponent of η",
        recorded="unclear",
        **BLANC,
        **STARTS_AS_CLAIMED,
    ),
    Claim(
        name="escape-not-from-stable",
        says="From a stable point the same noise leads nowhere along the zero-error set.",
        provenance="seed",
        measure=lambda data: _against_unstable(data, "escape_tangent"),
        region=(0.0, 0.01),
        statistic="every",
        control=lambda data: _against_unstable(data, "escape_raw"),
        control_says="the whole distance from the stable start, with the noise's width across the set",
        control_needs="every",
        unit="share of the distance from the unstable start, largest over η",
        recorded="holds",
        **BLANC,
        **STARTS_AS_CLAIMED,
    ),
    Claim(
        name="escape-along-the-flow",
        says="As η → 0 the escape is the drift flow.",
        provenance="derived",
        measure=lambda data: against_flow(data)[-1],
        region=(0.98, 1.02),
        control=lambda data: against_flow(data, "escape_slow_flow")[-1],
        control_says="the flow at half the speed",
        unit="distance / that of the flow, at the smallest η",
        recorded="holds",
        **BLANC,
        **STARTS_AS_CLAIMED,
    ),
)
