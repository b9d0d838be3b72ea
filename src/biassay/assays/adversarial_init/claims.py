"""The claims of the assay `adversarial-init`, each beside its control.

Every comparison is paired by seed. "Repaired" is judged against the random start with the *same* regularisers, as these
raise the test accuracy from every start. The share of the gap that is mere weight scale stands beside the gap.
"""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from ...claims import Claim, Measure, Outcome
from .claims_complexity import COMPLEXITY
from .on_digits import PAIRS, VANILLA

POSITIVE = (1e-9, math.inf)
"""More than 0: a mean difference of test accuracies is 0 or at least one image in all of them."""
GROWING = (0.03, math.inf)
"""More than what a control may lose: one without growth scatters around 0, so that "above 0" would not tell it off."""
REPAIRED = (-0.02, 0.02)


def _test(setup: str, network: str = "") -> Measure:
    return lambda data: data[f"{network}test"].sel({f"{network}setup": setup})


def _difference(first: str, second: str, network: str = "") -> Measure:
    """test(first) - test(second), seed by seed."""
    return lambda data: np.asarray(_test(first, network)(data)) - np.asarray(_test(second, network)(data))


def _fits(*setups: str, network: str = "") -> Measure:
    """Whether each of `setups` is right on everything it was trained on."""
    return lambda data: (data[f"{network}fit"].sel({f"{network}setup": list(setups)}) == 1).all(f"{network}setup")


def _growth(setup: str) -> Measure:
    """How much more `setup` loses to S0 at the full than at half the replication; test(S0) cancels."""

    def growth(data: xr.Dataset) -> xr.DataArray:
        test = data.replicated_test.sel(replicated=setup)
        return test.isel(replication=0) - test.isel(replication=1)

    return growth


def _share_of_gap(setup: str) -> Measure:
    """(test(S0) - test(setup)) / (test(S0) - test(S2)): the share of the gap that `setup` reproduces."""

    def share(data: xr.Dataset) -> np.ndarray:
        gap = np.asarray(_difference("S0", "S2")(data), float)
        loss = np.asarray(_difference("S0", setup)(data), float)
        return np.divide(loss, gap, out=np.full_like(gap, np.nan), where=gap != 0)

    return share


def _both_fit(regulariser: str) -> Measure:
    return _fits(f"S3[{regulariser}]", f"S0[{regulariser}]")


def _fitting_pairs(data: xr.Dataset) -> list[np.ndarray]:
    """test(S3[pair]) - test(S0[pair]), shape (seed,), of the pairs with which both starts fit on every seed."""
    fitting = [pair for pair in PAIRS if np.all(_both_fit(pair)(data))]
    return [np.asarray(_difference(f"S3[{pair}]", f"S0[{pair}]")(data)) for pair in fitting]


def _worst_pair(data: xr.Dataset) -> np.ndarray:
    """The difference of the fitting pair whose mean difference is largest, NaN when no pair fits."""
    nothing = np.full(data.sizes["seed"], np.nan)
    return max(_fitting_pairs(data), key=lambda difference: abs(difference.mean()), default=nothing)


def _pairs_decide(data: xr.Dataset) -> np.ndarray:
    """One pair that fits and is not repaired refutes the sentence; to confirm it all three must fit."""
    refuted = abs(_worst_pair(data).mean()) > REPAIRED[1]
    return np.full(data.sizes["seed"], refuted or len(_fitting_pairs(data)) == len(PAIRS))


def _toy_ratio(variable: str, setup: str) -> Measure:
    """The variable of the toy's `setup` over that of S0, NaN where S0 has none."""

    def ratio(data: xr.Dataset) -> np.ndarray:
        value = data[variable].sel(toy_setup=setup).values.astype(float)
        reference = data[variable].sel(toy_setup="S0").values.astype(float)
        return np.divide(value, reference, out=np.full_like(value, np.nan), where=reference > 0)

    return ratio


def _toy_length(setup: str) -> Measure:
    return lambda data: data.toy_length.sel(toy_setup=setup)


def _toy_fits(*setups: str) -> Measure:
    return lambda data: (data.toy_train.sel(toy_setup=list(setups)) == 1).all("toy_setup")


_UNREGULARISED = _difference("S3[none]", "S0[none]")
_UNREGULARISED_SAYS = (
    "no regulariser at the same effective step size, for the same number of epochs: test(S3[none]) - test(S0[none])"
)


def _repair(name: str, regulariser: str, words: str, recorded: Outcome) -> Claim:
    return Claim(
        name=name,
        says=f"With {words} the adversarial start ends where the random start with the same regularisers ends.",
        cite="liu2020bad",
        provenance="seed",
        measure=_difference(f"S3[{regulariser}]", f"S0[{regulariser}]"),
        region=REPAIRED,
        control=_UNREGULARISED,
        control_says=_UNREGULARISED_SAYS,
        premise=_both_fit(regulariser),
        premise_says="both starts fit every training image",
        min_seeds=4,
        recorded=recorded,
        unit="difference of test accuracy",
    )


_INTERPOLATING = _fits(*VANILLA)
_INTERPOLATING_SAYS = "S0, S2, NC1 and NC2 fit every training image"
_CNN_UNREGULARISED_SAYS = "without regularisers: test(S2) - test(S0), both at the main step size and with the stop rule"
_CNN_INTERPOLATING = _fits("S0", "S2", "NC1", network="cnn_")

_DIGITS_AND_TOY = (
    Claim(
        name="interpolation",
        says="Vanilla SGD fits every training image from each of the four starts S0, S2, NC1 and NC2.",
        cite="liu2020bad",
        provenance="seed",
        measure=lambda data: data.train.sel(setup=list(VANILLA)).min("setup"),
        region=(1.0, 1.0),
        control=lambda data: data.train.sel(setup="C"),
        control_says="the adversarial initialisation itself, before it sees a true label",
        statistic="every",
        min_seeds=4,
        recorded="holds",
        unit="train accuracy",
    ),
    Claim(
        name="attainable",
        says="The first confusion set drawn can be fitted: no two equal copies carry different labels.",
        cite="liu2020bad",
        provenance="derived",
        measure=lambda data: data.attainable,
        region=(1.0, 1.0),
        control=lambda data: data.attainable_colliding,
        control_says="with colliding_fraction of the entries erased, where copies collide as many pixels are 0 already",
        statistic="every",
        min_seeds=4,
        recorded="holds",
        unit="attainable accuracy",
    ),
    Claim(
        name="confusion-fitted",
        says="Vanilla SGD from a random start fits the confusion set (to 99.99%, where the authors stop).",
        cite="liu2020bad",
        provenance="read",
        measure=lambda data: data.fit.sel(setup="C"),
        region=(0.9999, 1.0),
        control=lambda data: data.attainable_colliding,
        control_says="the attainable accuracy of a confusion set with too few entries erased, whose copies collide: "
        "no network can fit more than this of a colliding set",
        statistic="every",
        min_seeds=4,
        recorded="fails",
        unit="accuracy on the confusion set",
    ),
    Claim(
        name="adversarial-chance",
        says="A network fitted to the confusion set classifies the test images no better than by chance.",
        cite="liu2020bad",
        provenance="derived",
        measure=_test("C"),
        region=(0.05, 0.15),
        control=_test("C true"),
        control_says="fitted to the same corrupted copies with their true labels",
        control_region=(0.5, 1.0),
        premise=_INTERPOLATING,
        premise_says=_INTERPOLATING_SAYS,
        min_seeds=4,
        recorded="holds",
        unit="test accuracy",
    ),
    Claim(
        name="bad-minimum",
        says="From the adversarial start vanilla SGD fits the training set and loses test accuracy "
        "(threshold ours: 12 points).",
        cite="liu2020bad",
        provenance="seed",
        measure=_difference("S0", "S2"),
        region=(0.12, 1.0),
        control=_difference("S0", "NC1"),
        control_says="started where the true labels of the same corrupted copies led (NC1)",
        control_region=(-1.0, 0.03),
        premise=_INTERPOLATING,
        premise_says=_INTERPOLATING_SAYS,
        min_seeds=4,
        recorded="holds",
        unit="difference of test accuracy",
    ),
    Claim(
        name="bad-minimum-every-seed",
        says="The adversarial start costs test accuracy on every seed (threshold ours: more than 5 points).",
        cite="liu2020bad",
        provenance="seed",
        measure=_difference("S0", "S2"),
        region=(0.05 + 1e-9, 1.0),
        control=_difference("S0", "NC1"),
        control_says="started where the true labels of the same corrupted copies led (NC1)",
        premise=_INTERPOLATING,
        premise_says=_INTERPOLATING_SAYS,
        statistic="every",
        min_seeds=4,
        recorded="holds",
        unit="difference of test accuracy",
    ),
    Claim(
        name="labels-beyond-scale",
        says="The memorised labels do harm beyond the scale of the weights: S2 ends below the norm-matched start NC2.",
        cite="liu2020bad",
        provenance="derived",
        measure=_difference("NC2", "S2"),
        region=POSITIVE,
        control=_difference("NC2", "NC1"),
        control_says="test(NC2) - test(NC1), a start that memorised no random labels: what remains is minus what NC2 "
        "loses to its scale",
        premise=_INTERPOLATING,
        premise_says=_INTERPOLATING_SAYS,
        min_seeds=8,
        recorded="holds",
        unit="difference of test accuracy",
    ),
    Claim(
        name="scale-share",
        says="Most of the gap is weight scale: the norm-matched start NC2 loses more than half of it.",
        cite="liu2020bad",
        provenance="derived",
        measure=_share_of_gap("NC2"),
        region=(0.5, 1.0),
        control=_share_of_gap("NC1"),
        control_says="the share that NC1 explains, pre-trained on the same copies with their true labels",
        premise=_INTERPOLATING,
        premise_says=_INTERPOLATING_SAYS,
        min_seeds=4,
        recorded="holds",
        unit="share of the gap",
    ),
    Claim(
        name="stays-close",
        says="Vanilla SGD repairs the adversarial start only as far as the data ask: it moves little next to the "
        "distance from the random start.",
        cite="liu2020bad",
        provenance="seed",
        measure=lambda data: (data.d_adv / data.d_init).sel(setup="S2"),
        region=(0.0, 0.15),
        control=lambda data: (data.d_adv / data.d_init).sel(setup="S3[M+L2]"),
        control_says="with momentum and weight decay, which leave the adversarial start behind",
        control_region=(1.0, math.inf),
        premise=_INTERPOLATING,
        premise_says=_INTERPOLATING_SAYS,
        min_seeds=4,
        recorded="holds",
        unit="d(adv) / d(init)",
    ),
    _repair("repair-l2", "L2", "weight decay", "holds"),
    _repair("repair-m-l2", "M+L2", "momentum and weight decay", "holds"),
    _repair("repair-da-m", "DA+M", "augmentation and momentum", "fails"),
    _repair("repair-da-l2", "DA+L2", "augmentation and weight decay", "vacuous"),
    Claim(
        name="any-two-suffice",
        says="Any two of augmentation, momentum and weight decay are enough (the number is the worst fitting pair's).",
        cite="liu2020bad",
        provenance="seed",
        measure=_worst_pair,
        region=REPAIRED,
        control=_UNREGULARISED,
        control_says=_UNREGULARISED_SAYS,
        premise=_pairs_decide,
        premise_says="both starts of all three pairs fit every training image, or those of a pair not repaired do",
        min_seeds=4,
        recorded="fails",
        unit="difference of test accuracy",
    ),
    Claim(
        name="replication",
        says="The larger the replication factor, the larger the loss of test accuracy (R against R // 2; by at least "
        "3 points, more than a control may lose).",
        cite="liu2020bad",
        provenance="seed",
        measure=_growth("S2"),
        region=GROWING,
        control=_growth("NC1"),
        control_says="the same copies with their true labels (NC1)",
        premise=lambda data: (data.replicated_fit.sel(replicated=["S2", "NC1"]) == 1).all(
            ["replicated", "replication"]
        ),
        premise_says="S2 and NC1 fit every training image at both replication factors",
        min_seeds=4,
        recorded="holds",
        unit="difference of test accuracy",
    ),
    Claim(
        name="cnn-bad-minimum",
        says="The convolutional network too loses test accuracy from its adversarial start (threshold ours: 6 points).",
        cite="liu2020bad",
        provenance="seed",
        measure=_difference("S0", "S2", "cnn_"),
        region=(0.06, 1.0),
        control=_difference("S0", "NC1", "cnn_"),
        control_says="started where the true labels of the same corrupted copies led (NC1)",
        control_region=(-1.0, 0.03),
        premise=_CNN_INTERPOLATING,
        premise_says="S0, S2 and NC1 fit every training image",
        min_seeds=3,
        recorded="holds",
        unit="difference of test accuracy",
    ),
    Claim(
        name="cnn-repair",
        says="With all three regularisers the convolutional network ends no worse than plain SGD from a random start.",
        cite="liu2020bad",
        provenance="seed",
        measure=_difference("S3[DA+M+L2]", "S0", "cnn_"),
        region=(0.0, 1.0),
        control=_difference("S2", "S0", "cnn_"),
        control_says=_CNN_UNREGULARISED_SAYS,
        premise=_fits("S3[DA+M+L2]", "S0", network="cnn_"),
        premise_says="both fit every training image",
        min_seeds=3,
        recorded="unclear",
        unit="difference of test accuracy",
    ),
    Claim(
        name="cnn-repair-matched",
        says="With all three regularisers the convolutional network ends where the regularised random start ends.",
        cite="liu2020bad",
        provenance="derived",
        measure=_difference("S3[DA+M+L2]", "S0[DA+M+L2]", "cnn_"),
        region=REPAIRED,
        control=_difference("S2", "S0", "cnn_"),
        control_says=_CNN_UNREGULARISED_SAYS,
        premise=_fits("S3[DA+M+L2]", "S0[DA+M+L2]", network="cnn_"),
        premise_says="both fit every training image",
        min_seeds=3,
        recorded="holds",
        unit="difference of test accuracy",
    ),
    Claim(
        name="toy-disagreement",
        says="In the plane, SGD from the adversarial start disagrees with the Bayes line on a larger area "
        "(threshold ours: 2.5 times that from the random start).",
        cite="liu2020bad",
        provenance="read",
        measure=_toy_ratio("toy_disagreement", "S2"),
        region=(2.5, math.inf),
        control=_toy_ratio("toy_disagreement", "S3[DA+M+L2]"),
        control_says="with all three regularisers",
        premise=_toy_fits("S0", "S2", "S3[DA+M+L2]"),
        premise_says="every point is fitted",
        min_seeds=4,
        recorded="holds",
        unit="disagreement, S2 / S0",
    ),
    Claim(
        name="toy-length",
        says="In the plane, the decision boundary from the adversarial start is longer (threshold ours: 1.5 times that "
        "from the random start).",
        cite="liu2020bad",
        provenance="read",
        measure=_toy_ratio("toy_length", "S2"),
        region=(1.5, math.inf),
        control=_toy_ratio("toy_length", "S3[DA+M+L2]"),
        control_says="with all three regularisers",
        control_region=(0.0, 1.3),
        premise=_toy_fits("S0", "S2", "S3[DA+M+L2]"),
        premise_says="every point is fitted",
        min_seeds=4,
        recorded="holds",
        unit="boundary length, S2 / S0",
    ),
    Claim(
        name="toy-repair",
        says="In the plane, all three regularisers straighten the boundary (threshold ours: at most 1.3 heights of the "
        "window).",
        cite="liu2020bad",
        provenance="read",
        measure=_toy_length("S3[DA+M+L2]"),
        region=(0.0, 1.3),
        control=_toy_length("S2"),
        control_says="without regularisers (S2)",
        premise=_toy_fits("S2", "S3[DA+M+L2]"),
        premise_says="every point is fitted",
        min_seeds=4,
        recorded="holds",
        unit="heights of the window",
    ),
)

CLAIMS = (*_DIGITS_AND_TOY, *COMPLEXITY)
