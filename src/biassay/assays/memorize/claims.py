"""What the assay `memorize` claims, and the control of each claim."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from ...claims import Claim, Measure, bootstrap_interval
from .config import Config

MOST_WEIGHTS = 4.3
"""Hidden weights per point: 4, and what filling up the last segment costs."""
MORE_THAN_ONE = (float(np.nextafter(1.0, 2.0)), np.inf)


def error(variant: str, points: int) -> Measure:
    """The largest error of a variant, at the number of points with this index."""
    return lambda data: data["error"].sel(variant=variant).isel(points=points)


def right(variant: str) -> Measure:
    """The share of random signs that a variant reproduces at the largest number of points."""
    return lambda data: data["right"].sel(variant=variant).isel(points=-1)


def weights_per_fit(data: xr.Dataset, variant: str) -> xr.DataArray:
    """Hidden weights per point that is fitted, (draw, points)."""
    return data["weights_per_point"] / np.maximum(data["fitted"].sel(variant=variant), 1e-6)


def class_weights_per_fit(labels: str) -> Measure:
    """Hidden weights per output that is fitted."""
    return lambda data: data["class_weights"] / data["class_fitted"].sel(labels=labels)


def slope(counts: str, points: str) -> Measure:
    """The exponent b of a fit counts ~ points^b, one for each draw."""

    def measure(data: xr.Dataset) -> np.ndarray:
        operations = np.log(data[counts].transpose(points, "draw").values)
        return np.polyfit(np.log(data[points].values), operations, 1)[0]

    return measure


def accuracy(network: str, sample: str = "fresh") -> Measure:
    """The accuracy of a network on its training set or on fresh examples."""
    return lambda data: data["accuracy"].sel(network=network, sample=sample)


def away_from_half(network: str) -> Measure:
    """How far 1/2 lies outside the 95 % interval of the mean fresh accuracy; 0 inside. One number for all seeds."""

    def measure(data: xr.Dataset) -> np.ndarray:
        low, high = bootstrap_interval(data["accuracy"].sel(network=network, sample="fresh").values)
        return np.array([max(low - 0.5, 0.5 - high, 0.0)])

    return measure


def relative_width(optimizer: Literal["gd", "adam"], criterion: int, times: int = 1) -> Measure:
    """w* over the construction's width, for the most points, at `times` the stated budget; NaN where none fits."""

    def measure(data: xr.Dataset) -> xr.DataArray:
        at = {f"{optimizer}_budget": times * data.attrs["budget"]}
        return data[f"{optimizer}_width"].isel(size=-1, criterion=criterion).sel(at)

    return measure


FITS_TOO: dict[str, Any] = {
    "premise": lambda data: (data["accuracy"].sel(sample="training") == 1).all("network"),
    "premise_says": "both networks fit every training label",
}
YUN: dict[str, Any] = {"cite": "yun2019memorizers", "statistic": "every", "min_seeds": 3}


_QUICK = Config()


def _more_width(criterion: int, says: str, by_steps: bool) -> Claim:
    name = ("accuracy", "error")[criterion]
    role = "the control is the budget" if by_steps else "the control is the optimizer"
    return Claim(
        name=f"gd-needs-more-width-{name}" + ("-steps" if by_steps else ""),
        says=(
            f"Full-batch gradient descent, standing in for SGD, with {_QUICK.budget} steps of size {_QUICK.lr:g} on "
            f"the most points tried ({_QUICK.sizes[-1]} in the quick profile) needs a wider network than the "
            f"construction {says}; {role}."
        ),
        cite="lecture_sgd",
        provenance="seed",
        measure=relative_width("gd", criterion),
        region=MORE_THAN_ONE,
        control=relative_width("gd", criterion, 4) if by_steps else relative_width("adam", criterion),
        control_says="gradient descent with four times the steps" if by_steps else "Adam at the same budget",
        statistic="mean",
        min_seeds=5,
        recorded="fails",
        unit="widths of the construction",
    )


CLAIMS = (
    Claim(
        name="exact",
        says="The network's outputs equal the labels, in rational arithmetic.",
        provenance="derived",
        measure=lambda data: data["missed"].sel(weights="exact").max("exact_n"),
        region=(0, 0),
        control=lambda data: data["missed"].sel(weights="one off by 1/1000").min("exact_n"),
        control_says="one weight of the second layer off by 1/1000",
        unit="points missed",
        recorded="holds",
        **YUN,
    ),
    Claim(
        name="float64-error",
        says="In double precision the labels are fitted to 1e-5 at the second largest number of points.",
        provenance="derived",
        measure=error("balanced", -2),
        region=(-np.inf, 1e-5),
        control=error("float32", -2),
        control_says="the same weights in single precision",
        recorded="holds",
        **YUN,
    ),
    Claim(
        name="float64-signs",
        says="In double precision every one of the random signs is right at the largest number of points.",
        provenance="derived",
        measure=right("balanced"),
        region=(1, 1),
        control=right("float32"),
        control_says="the same weights in single precision",
        recorded="holds",
        **YUN,
    ),
    Claim(
        name="balanced-order",
        says="What keeps the weights in range is which node serves which point: balanced, the largest error is small.",
        provenance="derived",
        measure=error("balanced", -1),
        region=(-np.inf, 0.1),
        control=error("zigzag", -1),
        control_says="the paper's order of the nodes",
        control_region=(0.1, np.inf),
        recorded="holds",
        **YUN,
    ),
    Claim(
        name="size",
        says="Any N >= 100 points are fitted with at most 4.3 hidden weights a point.",
        provenance="seed",
        measure=lambda data: weights_per_fit(data, "balanced").max("points"),
        region=(-np.inf, MOST_WEIGHTS),
        control=lambda data: weights_per_fit(data, "unit dropped").min("points"),
        control_says="one unit of the first layer dropped: weights per point that is still fitted",
        premise=lambda data: (data["fitted"].sel(variant="balanced") == 1).all("points"),
        premise_says="every output checked is within 0.1 of its label",
        unit="weights per fitted point",
        recorded="holds",
        **YUN,
    ),
    Claim(
        name="every-unit-needed",
        says="Without any one unit of the first layer some output is off by more than 1.",
        provenance="derived",
        measure=lambda data: data["error_without_a_unit"].min("points"),
        region=(1, np.inf),
        control=lambda data: data["error"].sel(variant="balanced").max("points"),
        control_says="all units in place",
        recorded="holds",
        **YUN,
    ),
    Claim(
        name="linear-operations",
        says="On the line, after the projection, the construction takes O(N) operations up to the logarithm of a sort.",
        provenance="seed",
        measure=slope("operations", "counted_n"),
        region=(-np.inf, 1.3),
        control=slope("dense_operations", "dense_n"),
        control_says="a dense N x N solve for the weights of random features",
        control_region=(2, np.inf),
        unit="exponent of N",
        recorded="holds",
        **YUN,
    ),
    Claim(
        name="several-outputs-error",
        says="One-hot labels of several outputs are fitted as well.",
        provenance="memory",
        measure=lambda data: data["class_error"].sel(labels="own"),
        region=(-np.inf, 1e-5),
        control=lambda data: data["class_error"].sel(labels="permuted"),
        control_says="against permuted labels",
        recorded="holds",
        **YUN,
    ),
    Claim(
        name="several-outputs-decisions",
        says="The largest output names the label of every point.",
        provenance="memory",
        measure=lambda data: data["class_right"].sel(labels="own"),
        region=(1, 1),
        control=lambda data: data["class_right"].sel(labels="permuted"),
        control_says="against permuted labels",
        control_region=(0, 0.2),
        recorded="holds",
        **YUN,
    ),
    Claim(
        name="several-outputs-size",
        says="That takes at most 4.3 hidden weights for each point and output.",
        provenance="memory",
        measure=class_weights_per_fit("own"),
        region=(-np.inf, MOST_WEIGHTS),
        control=class_weights_per_fit("permuted"),
        control_says="against permuted labels: weights per output that still fits",
        premise=lambda data: data["class_fitted"].sel(labels="own") == 1,
        premise_says="every output is within 0.1 of its label",
        unit="weights per fitted output",
        recorded="holds",
        **YUN,
    ),
    Claim(
        name="bad-minimum",
        says="The memorizer of labels that a linear rule gives predicts fresh ones as a coin does.",
        cite="liu2020bad, lecture_sgd",
        provenance="derived",
        measure=accuracy("memorizer"),
        region=(0.47, 0.53),
        control=accuracy("Adam"),
        control_says="the same architecture trained by Adam on the same data",
        control_region=(0.9, 1.0),
        min_seeds=5,
        unit="fresh accuracy",
        recorded="holds",
        **FITS_TOO,
    ),
    Claim(
        name="bad-minimum-interval",
        says="The interval of its fresh accuracy over the data sets contains one half.",
        cite="liu2020bad, lecture_sgd",
        provenance="derived",
        measure=away_from_half("memorizer"),
        region=(0, 0),
        control=away_from_half("Adam"),
        control_says="the same architecture trained by Adam on the same data",
        statistic="every",
        min_seeds=1,
        unit="distance of 1/2 from the interval",
        recorded="holds",
        **FITS_TOO,
    ),
    _more_width(0, "to have every sign right", by_steps=False),
    _more_width(0, "to have every sign right", by_steps=True),
    _more_width(1, "for a mean squared error below 1e-2", by_steps=False),
    _more_width(1, "for a mean squared error below 1e-2", by_steps=True),
)
