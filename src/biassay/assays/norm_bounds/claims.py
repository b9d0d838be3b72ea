"""What the assay `norm-bounds` claims, and the control of each claim. All is judged on the digits, 8x8 pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure
from .networks import DENSE, DESIGNS

ABOVE_ONE = (math.nextafter(1.0, 2.0), math.inf)
"""Ratios dense / convolutional at which the convolutional bound is the better one."""
PADDED = [name for name, design in DESIGNS.items() if design.padding]


def ratio_of(network: str) -> Measure:
    """dense / convolutional bound of one network, one number a seed."""
    return lambda data: data["ratio"].sel(network=network)


def smallest_ratio(data: xr.Dataset) -> xr.DataArray:
    """The smallest ratio over the convolutional networks, one number a seed."""
    return data["ratio"].sel(network=list(DESIGNS)).min("network", skipna=False)


def growth(data: xr.Dataset) -> xr.DataArray:
    """The ratio at five convolutions over that at three, one number a seed."""
    return data["ratio"].sel(network="3x3 x5") / data["ratio"].sel(network="3x3 x3").drop_vars("network")


def no_growth(data: xr.Dataset) -> np.ndarray:
    """The same with every filter counted at one location, and that of two networks of three convolutions."""
    alone = data["one_location"]
    one_location = alone.sel(network="3x3 x5").values / alone.sel(network="3x3 x3").values
    shallow = data["ratio"].sel(network="3x3 x3").values
    return np.concatenate([one_location, np.roll(shallow, 1) / shallow])


def furthest_from_one(values: np.ndarray) -> np.ndarray:
    """Of the numbers in a row the one furthest from 1 in proportion, NaN where one is."""
    away = np.abs(np.log(values))
    # argmax finds NaN first.
    return np.take_along_axis(values, away.argmax(axis=-1)[..., None], axis=-1)[..., 0]


def over_factors(data: xr.Dataset, *factors: str, networks: list[str]) -> np.ndarray:
    """ratio / product of these factors, (seed, network)."""
    divided = data["ratio"]
    for name in factors:
        divided = divided / data[name]
    return divided.sel(network=networks).transpose("seed", "network").values


def _over_all_factors(data: xr.Dataset) -> np.ndarray:
    return furthest_from_one(over_factors(data, "closed_form", "padding", "pixel_factor", networks=list(DESIGNS)))


def _over_all_but_one(data: xr.Dataset) -> np.ndarray:
    without_pixels = over_factors(data, "closed_form", "padding", networks=list(DESIGNS))
    without_padding = over_factors(data, "closed_form", "pixel_factor", networks=PADDED)
    return np.concatenate([without_pixels.ravel(), without_padding.ravel()])


def smallest_gap(suffix: str = "") -> Measure:
    """The smallest of all networks' dense and convolutional bounds of test minus training error, one number a seed."""
    both = f"dense_gap{suffix}", f"sparse_gap{suffix}"
    return lambda data: xr.concat([data[name] for name in both], "bound").min(("bound", "network"), skipna=False)


EVERY: dict[str, Any] = {"statistic": "every", "min_seeds": 3}
DENSE_CONTROL: dict[str, Any] = {
    "control": ratio_of(DENSE),
    "control_says": "the dense network, its layers written as convolutions with one location: a ratio that follows "
    "from how it is written, so that this checks the code and not the networks",
}
RATIO = "dense bound / convolutional bound"

CLAIMS = (
    Claim(
        name="toeplitz-identity",
        says="The norm of a convolution's Toeplitz matrix follows from its filters by counting at how many places each "
        "tap falls inside the image, padding and stride included.",
        cite="xu2023dynamics",
        provenance="derived",
        measure=lambda data: data["toeplitz_error"].max("cnn", skipna=False),
        region=(-math.inf, 1e-10),
        control=lambda data: data["no_padding_error"].sel(cnn=PADDED),
        control_says="the number of locations times the filter's squared norm, on the networks with padding",
        control_region=(0.01, math.inf),
        recorded="holds",
        unit="relative difference from the Jacobian's norm",
        **EVERY,
    ),
    Claim(
        name="conv-much-tighter",
        says="For five convolutions of 3x3 on 8x8 digits the convolutional bound is more than 10 times, one order of "
        "magnitude, below the dense one.",
        cite="xu2023dynamics",
        provenance="seed",
        measure=ratio_of("3x3 x5"),
        region=(10.0, math.inf),
        recorded="holds",
        unit=RATIO,
        **EVERY,
        **DENSE_CONTROL,
    ),
    Claim(
        name="conv-tighter-nonoverlap",
        says="For windows of 2x2 that do not overlap, on 8x8 digits, the convolutional bound is below the dense one.",
        cite="xu2023dynamics",
        provenance="seed",
        measure=ratio_of("2x2/2 x3"),
        region=ABOVE_ONE,
        recorded="holds",
        unit=RATIO,
        **EVERY,
        **DENSE_CONTROL,
    ),
    Claim(
        name="conv-tighter-everywhere",
        says="The convolutional bound is below the dense one for every convolutional network on 8x8 digits.",
        cite="xu2023dynamics",
        provenance="derived",
        measure=smallest_ratio,
        region=ABOVE_ONE,
        recorded="fails",
        unit="smallest dense bound / convolutional bound over the networks",
        **EVERY,
        **DENSE_CONTROL,
    ),
    Claim(
        name="ratio-grows-with-depth",
        says="Two convolutions of 3x3 more, on 8x8 digits, make the ratio of the bounds more than 3 times as large.",
        cite="xu2023dynamics",
        provenance="derived",
        measure=growth,
        region=(3.0, math.inf),
        control=no_growth,
        control_says="the same filters counted at one location each, which leaves constants of the geometry that "
        "cannot grow and checks the code alone; and three convolutions on one seed over three on another",
        control_region=(0.0, 1.5),
        recorded="holds",
        unit="ratio at five convolutions / ratio at three",
        **EVERY,
    ),
    Claim(
        name="closed-form",
        says="The ratio of the bounds is a closed form of the geometry, times a factor for padding, times one for "
        "unequal pixels. This is algebra, and checks that the code agrees with it.",
        cite="galanti2023sparse",
        provenance="derived",
        measure=_over_all_factors,
        region=(0.99, 1.01),
        control=_over_all_but_one,
        control_says="the factor for the pixels left out, or that for padding on the networks with padding",
        recorded="holds",
        unit="ratio / product of the three factors, furthest from 1 over the networks",
        **EVERY,
    ),
    Claim(
        name="informative",
        says="Some bound of test minus training error of these networks, dense or convolutional, is below 1, which is "
        "necessary for it to say anything (above 1 a bound is called vacuous).",
        cite="xu2023dynamics",
        provenance="derived",
        measure=smallest_gap(),
        region=(0.0, 1.0),
        control=smallest_gap("_doubled"),
        control_says="the same networks with every layer doubled: no decision changes, and the bounds grow",
        premise=lambda data: np.asarray(smallest_gap("_small")(data)) < 1,
        premise_says="the check can come out either way: with the layers scaled down to a small product of norms, "
        "0.001 by default, the smallest bound is below 1",
        recorded="fails",
        unit="smallest bound of test minus training error over the networks",
        **EVERY,
    ),
)
