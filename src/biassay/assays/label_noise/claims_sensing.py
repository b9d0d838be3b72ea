"""What the assay `label-noise` claims of matrix sensing, and the control of each claim.

Only data sets that leave a choice are judged (`sensing_open`): without noise SGD fits them exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim

INF = float("inf")
BLANC: dict[str, Any] = {"cite": "blanc2020", "statistic": "every"}
LEAVES_A_CHOICE: dict[str, Any] = {
    "premise": lambda data: np.array([data["sensing_open"].values.any()]),
    "premise_says": "SGD without noise fits a data set exactly, with fewer measurements than unknowns",
}


def chosen(data: xr.Dataset, name: str) -> np.ndarray:
    """A variable on the data sets that leave a choice, (set, [run,] lr, ...)."""
    return data[name].values[data["sensing_open"].values]


def log_ratio(times: np.ndarray) -> np.ndarray:
    """log2 of the time at eta / 2 over that at eta; times: (..., lr)."""
    return np.log2(times[..., 1] / times[..., 0]).ravel()


def _large(name: str) -> Any:
    """The last value of a variable of the large problem, NaN where it was not run."""

    def measure(data: xr.Dataset) -> np.ndarray:
        return data[name].values[-1:] if name in data else np.array([np.nan])

    return measure


CLAIMS: tuple[Claim, ...] = (
    Claim(
        name="sensing-recovery",
        says="With label noise SGD recovers a low-rank matrix from fewer measurements than it has unknowns.",
        provenance="seed",
        measure=lambda data: chosen(data, "sensing_test")[:, :, 0, -1],
        region=(-INF, 0.01),
        control=lambda data: chosen(data, "sensing_test_quiet")[:, 0, -1],
        control_says="the same SGD without label noise, which fits the measurements exactly",
        control_region=(10.0, INF),
        min_seeds=15,
        unit="|UUᵀ − X|² / |X|²",
        recorded="unclear",
        **BLANC,
        **LEAVES_A_CHOICE,
    ),
    Claim(
        name="sensing-no-noise",
        says="Without label noise the test error stays large: it never falls to that of the zero matrix.",
        provenance="seed",
        measure=lambda data: chosen(data, "sensing_test_quiet").min(axis=(1, 2)),
        region=(1.0, INF),
        control=lambda data: chosen(data, "sensing_test")[:, :, 0].min(axis=-1),
        control_says="SGD with label noise",
        control_region=(-INF, 0.01),
        min_seeds=5,
        unit="least |UUᵀ − X|² / |X|² along the run",
        recorded="holds",
        **BLANC,
        **LEAVES_A_CHOICE,
    ),
    Claim(
        name="sensing-clock",
        says="The time that label noise takes is proportional to 1/η².",
        provenance="seed",
        measure=lambda data: log_ratio(chosen(data, "sensing_clock")),
        region=(1.9, 2.2),
        control=lambda data: log_ratio(chosen(data, "sensing_fit_clock")),
        control_says="the time in which SGD without noise fits, which is proportional to 1/η",
        control_region=(0.8, 1.2),
        min_seeds=3,
        unit="log₂ of the time to |UUᵀ − X|² < |X|² at η/2 over that at η",
        recorded="holds",
        **BLANC,
        **LEAVES_A_CHOICE,
    ),
    # Vacuous in the quick profile, which does not run it.
    Claim(
        name="sensing-recovery-large",
        says="So it does on a matrix of ten thousand entries.",
        provenance="seed",
        measure=_large("sensing_large_test"),
        region=(-INF, 0.05),
        control=_large("sensing_large_test_quiet"),
        control_says="the same SGD without label noise",
        control_region=(5.0, INF),
        min_seeds=1,
        premise=lambda data: np.array(["sensing_large_test" in data]),
        premise_says="the large problem is run (sensing_large)",
        unit="|UUᵀ − X|² / |X|²",
        recorded="vacuous",
        **BLANC,
    ),
)
