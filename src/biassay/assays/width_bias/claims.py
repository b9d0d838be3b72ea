"""What the assay `width-bias` claims, and the control of each claim. The measures are in `measures`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...claims import Claim
from . import measures
from .measures import MEMORIZATION

RECALLED: dict[str, Any] = {"cite": "neyshabur2014search", "provenance": "memory"}
DERIVED: dict[str, Any] = {"cite": "neyshabur2014search", "provenance": "derived"}
CONVEX: dict[str, Any] = {"cite": "pilanci2020convex", "provenance": "derived", "statistic": "every", "min_seeds": 3}


def _correlates(name: str, says: str, error: str, size: str, **more: Any) -> Claim:
    return Claim(
        name=name,
        says=says,
        measure=lambda data: measures.rank_correlation(data, error, size),
        region=(0.5, np.inf),
        control=lambda data: measures.moved_correlation(data, error, size),
        control_says="the same with every error beside the size at another width, two turns of the list for every seed",
        control_region=(-0.5, 0.5),
        min_seeds=5,
        **(RECALLED | more),
    )


CLAIMS = (
    Claim(
        name="no-rise",
        says="Beyond the width at which the training error is zero, the test error does not rise with the width.",
        measure=measures.rise_beyond_fit,
        region=(-np.inf, 0.005),
        control=lambda data: measures.feature_rise(data, data["rate"].values, 200, 400),
        control_says="random features with minimum-norm least squares, from 200 to 400 features",
        control_region=(0.3, np.inf),
        min_seeds=5,
        **RECALLED,
        recorded="holds",
    ),
    Claim(
        name="no-rise-needs-its-start",
        says=(
            "The test error does not rise with the width where the outputs at the start do not grow with it: in the "
            "networks above, and with large output weights that cancel."
        ),
        measure=measures.rise_without_output,
        region=(-np.inf, 0.005),
        control=lambda data: measures.control_rise(data, "unscaled", [0.0]),
        control_says="output weights of variance 1 at the start that do not cancel, beyond 32 units, without flips",
        control_region=(0.02, np.inf),
        min_seeds=5,
        **DERIVED,
        recorded="holds",
    ),
    Claim(
        name="keeps-falling",
        says="At every rate of flips the test error at 256 units is below that at 32.",
        measure=measures.fall,
        region=(0.0, np.inf),
        control=lambda data: measures.largest(
            -measures.control_change(data, "unscaled", rate, 128, 512) for rate in data["control_rate"].values
        ),
        control_says="from 128 to 512 units with output weights of variance 1 at the start: it rises",
        control_region=(-np.inf, 0.0),
        min_seeds=10,
        **RECALLED,
        recorded="holds",
    ),
    Claim(
        name="plateau",
        says="From 512 to 1024 units, with at most 10 % of the labels flipped, the test error no longer falls.",
        measure=measures.late_change,
        region=(-0.005, 0.005),
        control=measures.early_change,
        control_says="from 8 to 32 units",
        min_seeds=5,
        **RECALLED,
        recorded="holds",
    ),
    Claim(
        name="no-peak",
        says="With noise, after long training, the test error rises between no two neighbouring narrow widths.",
        measure=measures.adjacent_rise,
        region=(-np.inf, 0.02),
        control=lambda data: measures.feature_rise(data, data["rate"].values[-1:], 360, 400),
        control_says="random features with minimum-norm least squares, from 360 to 400 = n features",
        control_region=(0.2, np.inf),
        min_seeds=10,
        **RECALLED,
        recorded="holds",
    ),
    Claim(
        name="memorization-is-free",
        says="Fitting flipped labels to the end costs a wide network nothing against its best checkpoint.",
        measure=lambda data: measures.wide_cost(data, data["rate"].values[-1]),
        region=(-np.inf, MEMORIZATION),
        control=lambda data: measures.memorization_cost(data, data["rate"].values[-1], [8]),
        control_says="8 units at the same rate",
        premise=measures.free_without_noise,
        premise_says=f"without flips the last iterate is on average within {MEMORIZATION:g} of the best checkpoint",
        min_seeds=5,
        **RECALLED,
        recorded="fails",
    ),
    _correlates(
        "norm-explains-width",
        "Over widths the test error goes with the product norm: the smaller the norm, the smaller the error.",
        "test",
        "product_norm",
        recorded="fails",
    ),
    _correlates(
        "norm-explains-width-at-equal-loss",
        "The same, each width at the checkpoint where its training loss is that of the slowest.",
        "equal_test",
        "equal_product_norm",
        provenance="derived",
        recorded="fails",
    ),
    _correlates(
        "distance-goes-with-error",
        "Over widths the test error goes with the distance that the parameters have moved.",
        "test",
        "distance",
        provenance="derived",
        recorded="holds",
    ),
    Claim(
        name="start-output-does-the-harm",
        says="Wide networks with large output weights have a larger test error than the same whose outputs start at 0.",
        measure=lambda data: measures.start_output_cost(data, 512, data["control_rate"].values),
        region=(0.02, np.inf),
        control=lambda data: measures.start_output_cost(data, 128, [0.0]),
        control_says="128 units without flips, where the outputs at the start are half as large",
        min_seeds=5,
        **DERIVED,
        recorded="holds",
    ),
    Claim(
        name="convex-equivalence",
        says="With weight decay the best network of 16 units or more reaches the optimum of a convex program.",
        measure=lambda data: measures.objective_gap(data, lambda widths: widths[widths >= 16]),
        region=(-np.inf, 1e-5),
        control=lambda data: measures.objective_gap(data, lambda widths: widths[widths == 1]),
        control_says="networks of one unit",
        control_region=(0.05, np.inf),
        **CONVEX,
        recorded="holds",
    ),
    Claim(
        name="convex-balance",
        says="With weight decay every neuron ends with incoming and outgoing weights of one norm.",
        measure=measures.end_imbalance,
        region=(-np.inf, 2e-3),
        control=measures.conserved_share,
        control_says="without decay, 16 units: the largest |‖w‖² - v²| at the end, as a share of that at the start",
        control_region=(0.9, 1.1),
        **CONVEX,
        recorded="holds",
    ),
    Claim(
        name="small-start-small-norm",
        says="From a small start a factorisation of more inner dimensions than the matrix has rows finds the matrix.",
        measure=lambda data: measures.matrix_error(data, 80, False, True),
        region=(0.0, 0.05),
        control=lambda data: measures.matrix_error(data, 80, False, False),
        control_says="the same from a start of scale 1",
        control_region=(1.0, np.inf),
        min_seeds=5,
        **RECALLED,
        recorded="holds",
    ),
    Claim(
        name="noisy-factorisation",
        says="With noise in the entries, 80 inner dimensions from a small start do as well as the true rank.",
        measure=lambda data: measures.matrix_error(data, 80, True, True) - measures.matrix_error(data, 2, True, True),
        region=(-np.inf, 0.05),
        control=lambda data: (
            measures.matrix_error(data, 80, False, False) - measures.matrix_error(data, 2, False, True)
        ),
        control_says="without noise, and the 80 inner dimensions from a start of scale 1",
        premise=lambda data: np.array([measures.clean_rise(data).mean() < 0.05]),
        premise_says="without noise, from a small start, 80 inner dimensions do on average as well as the true rank",
        min_seeds=5,
        **RECALLED,
        recorded="fails",
    ),
)
