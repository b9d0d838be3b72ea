"""The figure of the part `stability` of the assay `label-noise`: the test along the drift flow."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, quantile_band

_EXACT_ZERO = 1e-16
"""A ratio of exactly 0 is drawn here, and smaller ones too."""


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The ratio and reg along the drift flow of every network."""
    later = data.isel(stability_tau=slice(1, None))
    tau = later["stability_tau"].values
    ends = tau[[0, -1]]
    ratio = np.maximum(later["stability_ratio"].transpose("seed", ...).values, _EXACT_ZERO)
    reg = later["stability_reg"].transpose("seed", ...).values
    linear = np.maximum(data["stability_linear"].values, _EXACT_ZERO)
    called = later["stability_stable"].transpose("seed", ...).values
    times = np.broadcast_to(tau, called.shape)
    start = data["stability_ratio"].isel(stability_tau=0).values
    return (
        Figure(
            name="stability",
            title="The stability test along the drift flow",
            caption=(
                f"{data.sizes['seed']} tanh networks of ten units on one point, from random zero-error points (ratios "
                f"{start.min():.2g} to {start.max():.2g}) to where the drift flow ends; medians and 90 % bands. Left: "
                "the share of ∇reg that keeps zero error; below 0.001 a point is called stable. What is claimed of the "
                "ends is shaded. The control is linear in its parameters: its ratio is exactly 0, and drawn at "
                f"{_EXACT_ZERO:g}. Right: the points that were called stable have reached the least reg, "
                "2 √3.75 − 3."
            ),
            panels=(
                Panel(
                    title="What the test measures",
                    xlabel="drift time τ",
                    ylabel="‖P_N ∇reg‖ / ‖∇reg‖",
                    xscale="log",
                    yscale="log",
                    region=(_EXACT_ZERO, 1e-6),
                    region_label="claimed at the end",
                    series=(
                        quantile_band(tau, ratio, "tanh network"),
                        Line(ends, [1e-3, 1e-3], "called stable below", "reference"),
                        Line(ends, [linear.max(), linear.max()], "outer layer alone: exactly 0", "control"),
                    ),
                ),
                Panel(
                    title="reg along the flow",
                    xlabel="drift time τ",
                    ylabel="reg",
                    xscale="log",
                    yscale="log",
                    series=(
                        *(
                            Line(tau, row, "one line a network" if i == 0 else "", "result")
                            for i, row in enumerate(reg)
                        ),
                        Points(times[called], reg[called], "called stable", "second"),
                        Line(ends, [2 * 3.75**0.5 - 3] * 2, "least reg", "reference"),
                    ),
                ),
            ),
        ),
    )
