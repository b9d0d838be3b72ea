"""Bad global minima exist, and SGD started next to one converges to it.

S. Liu, D. Papailiopoulos, D. Achlioptas, NeurIPS 2020, arXiv 1906.02613.

The experiment, for a training set of n images with D entries and K classes:

1. The *confusion set* C holds n R items: R copies of every image, in each of which int(N D) entries are set to 0 on the
   raw scale; every copy has its own label, uniform over the classes.
2. Vanilla SGD fits C from a random initialisation w_0. Its parameters w_C are the *adversarial initialisation*.
3. SGD trains on the true labels from w_C, with a new optimiser state.

Set-ups: S0 random init, S1 random init and random labels, S2 adversarial init, all vanilla; S3[r] adversarial init with
regularisers r out of data augmentation (DA), momentum (M) and weight decay (L2); S0[r] the same from the random init.
Controls: NC1 starts where the true labels of the same corrupted copies led; NC2 starts at w_0 with every leaf rescaled
to the norm of the same leaf of w_C: the scale of the adversarial initialisation without what it memorised.

    gap = test(S0) - test(S2)            share of scale = (test(S0) - test(NC2)) / (test(S0) - test(S2))

Conventions: the loss is the mean cross-entropy of a batch; v <- beta v + g + wd w, w <- w - lr v, all parameters
decayed; regularisers are compared at one effective step size lr / (1 - beta). S0, S2, NC1 and NC2 stop at the third
check at which all seeds fit all training images; every other run has a fixed number of epochs. All is float32,
but the complexity measures of the minima, which are computed in double precision.
"""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import numpy as np
import xarray as xr

from ...assay import Assay
from ...data import digits
from ...models import mlp, small_cnn
from . import complexity_of_minima, on_digits, toy
from .claims import CLAIMS
from .config import FULL, Config
from .figures import figures
from .on_images import images_study
from .text import MATHEMATICS

REGULARISERS = ("none", "M", "L2", "DA", *on_digits.PAIRS, "DA+M+L2")


def _mlp_settings(config: Config) -> on_digits.Settings:
    def strengths(name: str) -> tuple[float, float, bool]:
        parts = name.split("+")
        return (
            config.momentum if "M" in parts else 0.0,
            config.weight_decay if "L2" in parts else 0.0,
            "DA" in parts,
        )

    return on_digits.Settings(
        seed=config.seed,
        seeds=config.seeds,
        batch=config.batch,
        replication=config.replication,
        fraction=config.fraction,
        pretrain_lr=config.pretrain_lr,
        pretrain_epochs=config.pretrain_epochs,
        lr=config.lr,
        check_epochs=config.check_epochs,
        max_epochs=config.max_epochs,
        checks=config.checks,
        regularisers={name: strengths(name) for name in REGULARISERS},
        effective_lr=config.effective_lr,
        epochs=config.epochs,
    )


def _cnn_settings(config: Config) -> on_digits.Settings:
    settings = _mlp_settings(config)
    return replace(
        settings,
        seeds=min(config.cnn_seeds, config.seeds),
        replication=config.cnn_replication,
        pretrain_lr=config.cnn_pretrain_lr,
        lr=config.cnn_lr,
        check_epochs=config.cnn_check_epochs,
        regularisers={name: settings.regularisers[name] for name in ("L2", "DA+M+L2")},
        effective_lr=config.cnn_effective_lr,
        epochs=config.cnn_epochs,
        random_labels=False,
    )


def _toy_settings(config: Config) -> toy.Settings:
    return toy.Settings(
        seed=config.seed,
        seeds=config.seeds,
        points=config.toy_points,
        width=config.toy_width,
        scale=config.toy_scale,
        lr=config.toy_lr,
        batch=config.toy_batch,
        pretrain_epochs=config.toy_pretrain_epochs,
        epochs=config.toy_epochs,
        momentum=config.toy_momentum,
        weight_decay=config.toy_weight_decay,
        copies=config.toy_copies,
        spread=config.toy_spread,
    )


def run(config: Config) -> xr.Dataset:
    """The MLP's set-ups (dims seed, setup), the CNN's (`cnn_...`, with cnn_seed and cnn_setup), the toy's (`toy_...`,
    with seed and toy_setup), and the MLP's at half the replication.

    Raises:
        ValueError: a confusion set cannot be fitted, as equal copies carry different labels.
        UserError: image data sets are asked for and cannot be had.
    """
    # The images come first: where they cannot be had, that is told before anything is trained.
    images = [images_study(config)] if config.image_data_sets else []
    settings = _mlp_settings(config)
    data = on_digits.splits(settings, config.train, config.test)
    sizes = (math.prod(data.x.shape[2:]), config.width, config.width, digits.CLASSES)
    dense = on_digits.Network(lambda key: mlp.init(key, sizes), mlp.predict)
    channels, side = config.cnn_channels, data.x.shape[2]
    conv = on_digits.Network(lambda key: small_cnn.init(key, channels, side, digits.CLASSES), small_cnn.predict)

    study = on_digits.Study(dense, settings, data)
    sets, draws = on_digits.confusion_sets(settings, data)
    first = on_digits.drawn_sets(settings, data, np.zeros_like(draws))
    too_few_erased = replace(settings, fraction=config.colliding_fraction)
    colliding = on_digits.drawn_sets(too_few_erased, data, np.zeros_like(draws))
    runs = on_digits.every_run(study, sets)
    main = on_digits.measured(study, runs)
    minima = complexity_of_minima.of_minima(study, runs)
    half = max(config.replication // 2, 1)
    lower = on_digits.replicated(study, on_digits.first_copies(sets, config.replication, half))

    settings = _cnn_settings(config)
    data = jax.tree.map(lambda leaf: leaf[: settings.seeds], data)
    cnn_sets, _ = on_digits.confusion_sets(settings, data)
    study = on_digits.Study(conv, settings, data, curves=False)
    cnn = on_digits.measured(study, on_digits.every_run(study, cnn_sets))
    cnn = cnn.rename({name: f"cnn_{name}" for name in (*cnn.data_vars, "setup", "seed")})
    higher = main[["test", "fit"]].sel(setup=list(on_digits.REPLICATED))
    both = xr.concat([lower, higher], "replication", join="exact").assign_coords(replication=[half, config.replication])
    return xr.merge(
        [
            main.assign(
                attainable=("seed", on_digits.attainable(first)),
                attainable_colliding=("seed", on_digits.attainable(colliding)),
                draws=("seed", draws),
                curve_test=on_digits.curves(runs),
            ),
            minima,
            both.rename(test="replicated_test", fit="replicated_fit", setup="replicated"),
            cnn,
            toy.toy_study(_toy_settings(config)),
            *images,
        ],
        join="exact",
        compat="no_conflicts",
    ).pipe(_described)


def _described(data: xr.Dataset) -> xr.Dataset:
    """The dataset with long names and units; a CNN's variable is named after the MLP's."""
    for name, words in LONG_NAMES.items():
        data[name].attrs["long_name"] = words
        if f"cnn_{name}" in data:
            data[f"cnn_{name}"].attrs["long_name"] = f"CNN: {words}"
    for name in data.data_vars:
        data[name].attrs["units"] = UNITS.get(str(name).removeprefix("cnn_").removeprefix("image_"), "1")
    return data


LONG_NAMES = {
    "seed": "seed",
    "cnn_seed": "seed of the CNN",
    "setup": "set-up",
    "epoch": "epochs of the true labels",
    "train": "accuracy on the training images with their true labels",
    "test": "test accuracy",
    "fit": "accuracy on the images and labels that the set-up was trained on",
    "d_init": "distance from the random initialisation",
    "d_adv": "distance from the adversarial initialisation",
    "norm": "norm of all parameters",
    "epochs": "epochs trained",
    "hit": "first check at which every seed fits all it is trained on",
    "curve_test": "test accuracy at the checks",
    "measure": "complexity measure",
    "equation": "number of the measure's equation in arXiv 1912.02178",
    "complexity": "complexity measure on the training images with their true labels, as printed by its public code",
    "margin": "10th percentile of the margin on the training images",
    "sigma": "standard deviation of the noise at which the train accuracy falls by 0.1",
    "magnitude_sigma": "the same for noise in proportion to each parameter",
    "without_margin": "seeds that do not interpolate the true labels and so have no margin",
    "attainable": "attainable accuracy on the first confusion set drawn",
    "draws": "confusion sets drawn until one could be fitted",
    "attainable_colliding": "attainable accuracy on a confusion set with too few entries erased",
    "replication": "replication factor R",
    "replicated_test": "test accuracy by replication factor",
    "replicated_fit": "accuracy on what was trained on, by replication factor",
    "toy_setup": "set-up of the toy",
    "toy_train": "toy: accuracy on the training points with their true labels",
    "toy_test": "toy: test accuracy",
    "toy_fit": "toy: accuracy on the coin flips after pre-training",
    "toy_disagreement": "toy: fraction of the window labelled unlike the Bayes line",
    "toy_length": "toy: length of the decision boundary",
    "toy_probability": "toy: probability of label +1, first seed",
    "toy_points": "toy: training points, first seed",
    "toy_labels": "toy: labels of the training points, first seed",
    "x0": "first coordinate",
    "x1": "second coordinate",
}
UNITS = {"epochs": "epochs", "hit": "epochs", "toy_length": "heights of the window"}


ASSAY = Assay(
    name="adversarial-init",
    sentence="Bad global minima exist, and SGD started next to one converges to it.",
    mathematics=MATHEMATICS,
    papers=("liu2020bad", "jiang2020fantastic", "lecture_sgd"),
    profiles={"quick": Config(), "full": FULL},
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float32",
    seconds=150.0,
)
