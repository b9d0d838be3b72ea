"""What the assay `compositional-sparsity` claims of the digits: differences of test errors in points, by split."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim
from .config import CONV, DENSE, LOCAL, SHALLOW
from .measures import digits_error, permutation_costs

INF = math.inf
POINTS: dict[str, Any] = {"min_seeds": 8, "unit": "points of the test error"}
NOTICED = 0.3
"""Points of the test error: from here on a permutation of the pixels is said to hurt."""
ALIKE = 0.5
"""Points of the test error: two networks that differ by less are said to be equal."""


def _runs(network: str) -> dict[str, Any]:
    return {
        "premise": lambda data: np.array([network in data["network"].values]),
        "premise_says": f"the network “{network}” is run on the digits",
    }


def _difference(data: xr.Dataset, one: str, other: str, pixels: str = "true") -> np.ndarray:
    return digits_error(data, one, pixels) - digits_error(data, other, pixels)


def _conv_beats(network: str, words: str, recorded: Any) -> Claim:
    return Claim(
        name=f"conv-beats-{network}",
        says=f"On images a convolutional network errs less than {words} of its size.",
        cite="xu2023dynamics",
        provenance="seed",
        measure=lambda data: _difference(data, CONV, network),
        region=(-INF, 0.0),
        control=lambda data: _difference(data, CONV, network, "permuted"),
        control_says="the same images, the pixels permuted",
        recorded=recorded,
        **POINTS,
        **_runs(network),
    )


PIXELS = (
    _conv_beats(DENSE, "a dense network of three layers", "unclear"),
    _conv_beats(SHALLOW, "a dense network of two layers", "unclear"),
    Claim(
        name="permutation-hurts-conv",
        says="Permuting the pixels makes a convolutional network worse.",
        cite="xu2023dynamics",
        provenance="derived",
        measure=lambda data: permutation_costs(data, CONV),
        region=(NOTICED, INF),
        control=lambda data: permutation_costs(data, DENSE, SHALLOW),
        control_says="the dense networks of its size, for which every order of the pixels is the same",
        recorded="unclear",
        **POINTS,
    ),
    Claim(
        name="sharing-is-not-it",
        says="Without sharing weights over positions the local network, of 3.6 times the parameters, errs as the "
        "convolutional one does.",
        cite="poggio2017why",
        provenance="read",
        measure=lambda data: _difference(data, LOCAL, CONV),
        region=(-ALIKE, ALIKE),
        control=lambda data: permutation_costs(data, CONV, LOCAL),
        control_says="what permuting the pixels costs both",
        recorded="vacuous",
        **POINTS,
        **_runs(LOCAL),
    ),
)
