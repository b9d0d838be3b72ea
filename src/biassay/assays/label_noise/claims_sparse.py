"""What the part `sparse` claims: recovery by h(v) = <x, v.v>, and the clock of label noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure

EVERY_SET: dict[str, Any] = {"statistic": "every", "min_seeds": 4, "recorded": "holds"}
RECOVERABLE: dict[str, Any] = {
    "premise": lambda data: data["sparse_program_error"].values < 1e-12,
    "premise_says": "the linear program returns the target",
}
NEVER = "gradient descent, which never gets there: its time is the length of the run"


def final_error(*arms: str) -> Measure:
    """|v.v - w*|^2 after the last step, one number a data set and arm."""
    return lambda data: data["sparse_test"].sel(sparse_arm=list(arms)).isel(sparse_record=-1).values.ravel()


def reached(data: xr.Dataset, arm: str) -> np.ndarray:
    """The step at which the squared error falls below 1, one a data set; NaN where it does not."""
    return data["sparse_reached"].sel(sparse_arm=arm).values


def _reached_or_end(data: xr.Dataset, arm: str) -> np.ndarray:
    last = float(data["sparse_step"].isel(sparse_record=-1))
    return np.nan_to_num(reached(data, arm), nan=last)


def _clock(data: xr.Dataset) -> np.ndarray:
    return np.log2(reached(data, "label noise, half step") / reached(data, "label noise"))


def _clock_of_descent(data: xr.Dataset) -> np.ndarray:
    half, whole = (_reached_or_end(data, f"gradient descent{words}") for words in (", half step", ""))
    return np.log2(half / whole)


CLAIMS = (
    Claim(
        name="vv-recovery",
        says="With noise in the labels, squared parameters recover a sparse target from a large start.",
        cite="haochen2021",
        provenance="read",
        measure=final_error("label noise"),
        region=(-np.inf, 0.01),
        control=final_error("gradient descent", "Langevin"),
        control_says="gradient descent, and Langevin noise of 0.01, from the same start",
        control_region=(30.0, np.inf),
        unit="|v.v − w*|²",
        **EVERY_SET,
        **RECOVERABLE,
    ),
    Claim(
        name="vv-clock",
        says="The time that label noise takes is proportional to 1/η²: half the step size, four times the steps.",
        cite="blanc2020, haochen2021",
        provenance="derived",
        measure=_clock,
        region=(1.85, 2.15),
        control=_clock_of_descent,
        control_says=NEVER,
        control_region=(-0.1, 0.1),
        unit="log₂ of the ratio of the steps to a squared error below 1",
        **EVERY_SET,
        **RECOVERABLE,
    ),
    Claim(
        name="vv-clock-exact",
        says="The time that label noise takes is that of the drift equation.",
        cite="blanc2020, haochen2021",
        provenance="derived",
        measure=lambda data: reached(data, "label noise") / data["sparse_exact_reached"].values,
        region=(0.95, 1.12),
        control=lambda data: _reached_or_end(data, "gradient descent") / data["sparse_exact_reached"].values,
        control_says=NEVER,
        control_region=(4.0, np.inf),
        unit="steps to a squared error below 1, SGD over drift equation",
        **EVERY_SET,
        **RECOVERABLE,
    ),
)
