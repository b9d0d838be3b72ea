"""The set-ups of the assay `adversarial-init` for deep classifiers on images, in the protocol of the authors' code.

Step size .1, divided by 10 after 150 and 250 of 350 epochs, batches of 128; momentum .9 and weight decay 5e-4 on all
parameters, those of batch normalisation too; augmentation is a crop from 4 pixels of padding and a mirror image
(https://github.com/chao1224/BadGlobalMinima, for CIFAR-10; for the other data sets the same is an assumption).
Pre-training on random labels ends at the first check that finds 99.99% of the confusion set fitted, and pre-training on
true labels, NC1's start, after as many epochs; no other run ends early.

The networks have batch normalisation. Where training goes on from another start, its batch statistics go with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import Any, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, PyTree

from ...models.classifiers import Name, Precision, classifier
from ...probes import distance, norm
from ...problem import Problem
from .complexity_of_minima import NAMES
from .config import Config
from .controls import norm_matched
from .image_complexity import complexity_of
from .image_data import SOURCES, Images, Loaded, drawn
from .image_network import Weights, fit, held_out
from .image_training import Outcome, Stream, Study, confusion, key, require_attainable

REGULARISERS = tuple("+".join(parts) for size in (1, 2, 3) for parts in combinations(("DA", "M", "L2"), size))
"""Every subset of the three but the empty one, which S0 and S2 are."""
REPLICATED = ("C", "C true", "S2", "NC1")
"""The set-ups that depend on the confusion set."""
SETUPS = (
    *("C", "C true", "S0", "S1", "S2", "NC1", "NC2"),
    *(f"{start}[{name}]" for start in ("S0", "S3") for name in REGULARISERS),
)
SCORES = ("train", "test", "fit")


def images_study(config: Config) -> xr.Dataset:
    """Every set-up on every data set with every network, all variables named `image_...`.

    Raises:
        UserError: a data set is not there and cannot be fetched.
        ValueError: fewer images than are asked for, or a confusion set that cannot be fitted.
    """
    # Whatever may be refused is refused before anything is trained.
    loaded = {name: SOURCES[name].load(config.image_pixels) for name in config.image_data_sets}
    seeds = range(config.seed, config.seed + min(config.image_seeds, config.seeds))
    attainable = {(name, seed): _attainable(config, name, loaded[name], seed) for name in loaded for seed in seeds}

    def place(name: str, network: str, seed: int, images: Images) -> xr.Dataset:
        net = classifier(
            _name(network), SOURCES[name].classes, config.image_width, SOURCES[name].form, _precision(config)
        )
        study = Study(config, f"{name}, {network}, seed {seed}", net, SOURCES[name], images, seed)
        return every_setup(study).assign(image_attainable=attainable[name, seed])

    def along(axis: str, values: Iterable[Any], each: Callable[[Any], xr.Dataset]) -> xr.Dataset:
        values = list(values)
        return xr.concat([each(value) for value in values], axis, join="outer").assign_coords({axis: values})

    def of_seed(name: str, seed: int) -> xr.Dataset:
        # Pictures on a disk are decoded once for all networks; one seed's are in memory at a time.
        images = _images(config, loaded[name], seed)
        return along("image_network", config.image_networks, lambda network: place(name, network, seed, images))

    data = along("image_data", loaded, lambda name: along("image_seed", seeds, lambda seed: of_seed(name, seed)))
    return data.transpose("image_data", "image_network", "image_seed", ...).pipe(_described)


def _name(network: str) -> Name:
    names: dict[str, Name] = {name: name for name in get_args(Name)}
    return names[network]


def _precision(config: Config) -> Precision:
    return "bfloat16" if config.image_precision == "bfloat16" else "float32"


def _images(config: Config, loaded: Loaded, seed: int) -> Images:
    return drawn(key(seed, Stream.SPLIT), loaded, config.image_train, config.image_test)


def _pairs(config: Config) -> list[tuple[int, float]]:
    """Every (R, N) once: the headline, other R at its N, other N at its R."""
    headline = (config.image_replication, config.image_fraction)
    copies = [(copies, config.image_fraction) for copies in config.image_replications]
    fractions = [(config.image_replication, fraction) for fraction in config.image_fractions]
    return list(dict.fromkeys([headline, *copies, *fractions]))


def _attainable(config: Config, name: str, loaded: Loaded, seed: int) -> float:
    """The attainable accuracy of the headline's confusion set, once none is found that cannot be fitted."""
    images, classes = _images(config, loaded, seed), SOURCES[name].classes
    if len(images.y) < config.image_batch:
        raise ValueError(f"image_batch must be at most {len(images.y)}, the training images, got {config.image_batch}")
    found = [
        require_attainable(config, name, *confusion(config, images, classes, seed, *pair)) for pair in _pairs(config)
    ]
    return found[0]


def every_setup(study: Study) -> xr.Dataset:
    """Every set-up at one place of the grid.

    Returns:
        dims (image_setup): `train` and `test` accuracy, `fit` on the labels trained on, `d_init`, `d_adv`, `norm`,
        `epochs`, `diverged`; over the checks `curve_fit` and `curve_test` (image_setup, image_epoch);
        `replicated_test` and `replicated_fit` (image_replication, image_replicated), `erased_test` and `erased_fit`
        (image_fraction, image_replicated); and the complexity measures where they are asked for.
    """
    headline, *others = _pairs(study.config)
    start, rows, curves = study.start, {}, {}
    adversarial: Weights | None = None

    def kept(setup: str, outcome: Outcome) -> Weights:
        rows[setup] = _row(study, outcome, start, adversarial or outcome.end)
        curves[setup] = outcome.history
        return outcome.end

    bad, good = _starts(study, *headline)
    adversarial = kept("C", bad)
    informed = kept("C true", good)
    kept("S0", study.on_true_labels("S0", start))
    kept("S1", study.train("S1", study.images.x, study.random_labels(), start))
    kept("S2", study.on_true_labels("S2", adversarial))
    kept("NC1", study.on_true_labels("NC1", informed))
    matched = Weights(jax.jit(norm_matched)(start.params, adversarial.params), start.statistics)
    kept("NC2", study.on_true_labels("NC2", matched))
    for origin, name in ((start, "S0"), (adversarial, "S3")):
        for regularisers in REGULARISERS:
            setup = f"{name}[{regularisers}]"
            kept(setup, study.on_true_labels(setup, origin, regularisers))

    copies = {headline: {setup: rows[setup] for setup in REPLICATED}}
    for pair in others:
        copies[pair] = _replicated(study, pair)
    data = xr.Dataset(coords={"image_setup": list(SETUPS)})
    for name in rows["C"]:
        values = np.array([rows[setup][name] for setup in SETUPS])
        data[f"image_{name}"] = ("image_setup", *["image_measure"] * (values.ndim - 1)), values
    if study.config.image_measured:
        data = data.assign_coords(image_measure=list(NAMES))
    histories = xr.concat([curves[setup] for setup in SETUPS], "image_setup", join="outer")
    names = {"fit": "image_curve_fit", "test": "image_curve_test", "epoch": "image_epoch"}
    return data.merge(histories.rename(names)).merge(_by_copies(study.config, copies))


def _starts(study: Study, replication: int, fraction: float) -> tuple[Outcome, Outcome]:
    """The model fitted to the confusion set, and NC1's start: trained for as many epochs on the same copies with their
    true labels."""
    words = f"R = {replication}, N = {fraction:g}"
    items, labels = confusion(study.config, study.images, study.source.classes, study.seed, replication, fraction)
    bad = study.pretrained(f"pre-training on random labels, {words}", items, labels)
    true = jnp.repeat(study.images.y, replication)
    return bad, study.pretrained(f"pre-training on true labels, {words}", items, true, like=bad)


def _replicated(study: Study, pair: tuple[int, float]) -> dict[str, dict[str, Any]]:
    """The rows of `REPLICATED` with another confusion set."""
    words = f"R = {pair[0]}, N = {pair[1]:g}"
    bad, good = _starts(study, *pair)
    repaired = study.on_true_labels(f"S2, {words}", bad.end), study.on_true_labels(f"NC1, {words}", good.end)
    outcomes = dict(zip(REPLICATED, (bad, good, *repaired), strict=True))
    return {setup: _scores(study, outcome, study.start, bad.end) for setup, outcome in outcomes.items()}


def _by_copies(config: Config, rows: Mapping[tuple[int, float], Mapping[str, Mapping[str, Any]]]) -> xr.Dataset:
    """Test accuracy and fit over R at the headline's N, and over N at its R."""
    axes = {
        "replicated": ("image_replication", sorted({config.image_replication, *config.image_replications})),
        "erased": ("image_fraction", sorted({config.image_fraction, *config.image_fractions})),
    }
    data = xr.Dataset(coords={"image_replicated": list(REPLICATED)})
    for name, (axis, values) in axes.items():
        data = data.assign_coords({axis: values})
        pairs = [(v, config.image_fraction) if name == "replicated" else (config.image_replication, v) for v in values]
        for score in ("test", "fit"):
            table = np.array([[rows[pair][setup][score] for setup in REPLICATED] for pair in pairs])
            data[f"image_{name}_{score}"] = (axis, "image_replicated"), table
    return data


@eqx.filter_jit
def _measured(problem: Problem, params: PyTree, start: PyTree, adversarial: PyTree) -> dict[str, Array]:
    return {
        "train": fit(problem, params),
        "test": held_out(problem, params),
        "d_init": distance(params, start),
        "d_adv": distance(params, adversarial),
        "norm": norm(params),
    }


def _scores(study: Study, outcome: Outcome, start: Weights, adversarial: Weights) -> dict[str, Any]:
    """Accuracies on the true labels, distances and norm of a model; NaN where it diverged."""
    true = study.problem(study.images.x, study.images.y, outcome.end)
    found = _measured(true, outcome.end.params, start.params, adversarial.params)
    numbers = {name: float(value) for name, value in found.items()} | {"fit": float(outcome.history.fit[-1])}
    return {name: np.nan if outcome.diverged else value for name, value in numbers.items()}


def _row(study: Study, outcome: Outcome, start: Weights, adversarial: Weights) -> dict[str, Any]:
    """What is kept of one set-up."""
    row = _scores(study, outcome, start, adversarial)
    row |= {"epochs": float(outcome.history.epoch[-1]), "diverged": outcome.diverged}
    if images := study.config.image_measured:
        measures = complexity_of(study, outcome.end, images)
        row |= {"complexity": [measures.values[name] for name in NAMES], "margin": measures.g}
    return row


def _described(data: xr.Dataset) -> xr.Dataset:
    for name, words in LONG_NAMES.items():
        if f"image_{name}" in data:
            data[f"image_{name}"].attrs["long_name"] = f"images: {words}"
    return data


LONG_NAMES = {
    "data": "data set",
    "network": "network",
    "seed": "seed",
    "setup": "set-up",
    "epoch": "epochs trained",
    "replication": "replication factor R",
    "fraction": "fraction N of a copy that is erased",
    "replicated": "set-up, by confusion set",
    "measure": "complexity measure",
    "train": "accuracy on the training images with their true labels",
    "test": "test accuracy",
    "fit": "accuracy on the images and labels that the set-up was trained on",
    "d_init": "distance from the random initialisation",
    "d_adv": "distance from the adversarial initialisation",
    "norm": "norm of all parameters",
    "epochs": "epochs trained",
    "diverged": "final parameters or batch statistics not finite",
    "curve_fit": "accuracy on what is trained on, at the checks",
    "curve_test": "test accuracy at the checks",
    "attainable": "attainable accuracy on the confusion set",
    "replicated_test": "test accuracy by replication factor",
    "replicated_fit": "accuracy on what was trained on, by replication factor",
    "erased_test": "test accuracy by the fraction erased",
    "erased_fit": "accuracy on what was trained on, by the fraction erased",
    "complexity": "complexity measure on the true training labels, as its public code prints it",
    "margin": "10th percentile of the margin on the true training labels",
}
