"""What the part `stability` of the assay `label-noise` claims, and the control of each claim."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim


def ratio_at_start(data: xr.Dataset) -> np.ndarray:
    """|P_N grad reg| / |grad reg| at the random zero-error points, one a network."""
    return data["stability_ratio"].isel(stability_tau=0).values


def ratio_at_end(data: xr.Dataset) -> np.ndarray:
    """The same where the drift flow ends."""
    return data["stability_ratio"].isel(stability_tau=-1).values


PROBE: dict[str, Any] = {
    "cite": "blanc2020",
    "provenance": "derived",
    "statistic": "every",
    "min_seeds": 8,
    "recorded": "holds",
}
RANDOM = "the random zero-error points that the flow started from"

CLAIMS = (
    Claim(
        name="probe-random",
        says="The stability test finds random zero-error points unstable.",
        measure=ratio_at_start,
        region=(0.5, np.inf),
        control=lambda data: data["stability_linear"].values,
        control_says="the same networks with the outer layer alone trained, linear in their parameters: exactly 0",
        control_region=(0.0, 0.0),
        unit="|P_N ∇reg| / |∇reg|",
        **PROBE,
    ),
    Claim(
        name="probe-end",
        says="The stability test finds the end points of the drift flow stable.",
        measure=ratio_at_end,
        region=(-np.inf, 1e-6),
        control=ratio_at_start,
        control_says=RANDOM,
        control_region=(0.5, np.inf),
        unit="|P_N ∇reg| / |∇reg|",
        **PROBE,
    ),
    Claim(
        name="probe-refuses",
        says="The stability test refuses points off zero error by 0.3 of their norm; up to 0.1 it would polish.",
        measure=lambda data: data["stability_refused_off"].values.astype(float),
        region=(1.0, 1.0),
        control=lambda data: data["stability_refused_on"].values.astype(float),
        control_says="random zero-error points, of which it must refuse none",
        control_region=(0.0, 0.0),
        unit="1 if refused",
        **PROBE,
    ),
)
