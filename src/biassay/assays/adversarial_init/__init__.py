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
check at which all seeds fit all training images; every other run has a fixed number of epochs. All is float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import jax
import numpy as np
import xarray as xr

from ...assay import Assay
from ...data import confusion, digits
from ...models import mlp, small_cnn
from . import on_digits, toy
from .claims import CLAIMS
from .figures import figures

REGULARISERS = ("none", "M", "L2", "DA", *on_digits.PAIRS, "DA+M+L2")


@dataclass(frozen=True, kw_only=True)
class Config:
    """The digits by an MLP and by a small CNN, and the two-dimensional toy.

    seed, seeds: the first seed and how many, for all three parts.
    train, test: digits to train on and held out.
    width: of the MLP's two hidden layers.
    batch: images a step.
    replication, fraction: R and N of the confusion set; the gap is also measured at R // 2.
    colliding_fraction: an N at which copies may collide; only its attainable accuracy is computed.
    pretrain_lr, pretrain_epochs: step size and epochs on the confusion set.
    lr: step size of S0, S1, S2, NC1 and NC2.
    check_epochs, checks, max_epochs: the stop rule.
    effective_lr, momentum, weight_decay, epochs: of the regularised set-ups; their step size is
        effective_lr (1 - momentum).
    cnn_seeds: how many of the seeds the CNN is trained on, at most `seeds`.
    cnn_channels, cnn_replication, cnn_pretrain_lr, cnn_lr, cnn_check_epochs, cnn_effective_lr, cnn_epochs: the same
        for the CNN.
    toy_points, toy_width, toy_scale: points, hidden width and the factor on the inputs of the toy.
    toy_lr: step size for the sum of a batch's losses; toy_batch: points a step.
    toy_pretrain_epochs, toy_epochs: on the coin flips and on the true labels.
    toy_momentum, toy_weight_decay, toy_copies, toy_spread: the toy's regularisers (see `toy.Settings`).

    Raises:
        ValueError: a value out of its range.
    """

    seed: int = 0
    seeds: int = 8
    train: int = 200
    test: int = 700
    width: int = 128
    batch: int = 32
    replication: int = 20
    fraction: float = 0.3
    colliding_fraction: float = 0.1
    pretrain_lr: float = 0.1
    pretrain_epochs: int = 60
    lr: float = 0.01
    check_epochs: int = 10
    checks: int = 3
    max_epochs: int = 300
    effective_lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.01
    epochs: int = 500
    cnn_seeds: int = 3
    cnn_channels: tuple[int, int, int] = (16, 32, 32)
    cnn_replication: int = 10
    cnn_pretrain_lr: float = 0.03
    cnn_lr: float = 0.01
    cnn_check_epochs: int = 20
    cnn_effective_lr: float = 0.05
    cnn_epochs: int = 200
    toy_points: int = 50
    toy_width: int = 100
    toy_scale: float = 4.0
    toy_lr: float = 0.01
    toy_batch: int = 10
    toy_pretrain_epochs: int = 10_000
    toy_epochs: int = 1000
    toy_momentum: float = 0.9
    toy_weight_decay: float = 0.1
    toy_copies: int = 2
    toy_spread: float = 0.1

    def __post_init__(self) -> None:
        digits.check_sizes(self.train, self.test)
        for replication in (self.replication, self.cnn_replication):
            confusion.check_corruption(replication, self.fraction)
        confusion.check_corruption(1, self.colliding_fraction)
        counts = ("seeds", "width", "pretrain_epochs", "checks", "check_epochs", "epochs", "cnn_check_epochs")
        counts += ("cnn_seeds", "cnn_epochs", "toy_width", "toy_pretrain_epochs", "toy_epochs", "toy_copies")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        positive = ("pretrain_lr", "lr", "effective_lr", "cnn_pretrain_lr", "cnn_lr", "cnn_effective_lr")
        for name in (*positive, "toy_scale", "toy_lr"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("weight_decay", "toy_weight_decay", "toy_spread"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("momentum", "toy_momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        if self.toy_points < 2:
            raise ValueError(f"toy_points must be at least 2, got {self.toy_points}")
        for name, examples in {"batch": self.train, "toy_batch": self.toy_points}.items():
            if not 1 <= getattr(self, name) <= examples:
                raise ValueError(f"{name} must lie in 1..{examples} (the examples), got {getattr(self, name)}")
        for name in ("check_epochs", "cnn_check_epochs"):
            if getattr(self, name) > self.max_epochs:
                raise ValueError(f"max_epochs must be at least {name} ({getattr(self, name)}), got {self.max_epochs}")
        if min(self.cnn_channels) < 1:
            raise ValueError(f"cnn_channels must be at least 1, got {self.cnn_channels}")


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
    """
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
    main = on_digits.every_setup(study, sets)
    half = max(config.replication // 2, 1)
    lower = on_digits.replicated(study, on_digits.first_copies(sets, config.replication, half))

    settings = _cnn_settings(config)
    data = jax.tree.map(lambda leaf: leaf[: settings.seeds], data)
    cnn_sets, _ = on_digits.confusion_sets(settings, data)
    cnn = on_digits.every_setup(on_digits.Study(conv, settings, data), cnn_sets).drop_dims(("curve", "epoch"))
    cnn = cnn.rename({name: f"cnn_{name}" for name in (*cnn.data_vars, "setup", "seed")})
    higher = main[["test", "fit"]].sel(setup=list(on_digits.REPLICATED))
    both = xr.concat([lower, higher], "replication", join="exact").assign_coords(replication=[half, config.replication])
    return xr.merge(
        [
            main.assign(
                attainable=("seed", on_digits.attainable(first)),
                attainable_colliding=("seed", on_digits.attainable(colliding)),
                draws=("seed", draws),
            ),
            both.rename(test="replicated_test", fit="replicated_fit", setup="replicated"),
            cnn,
            toy.toy_study(_toy_settings(config)),
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
        data[name].attrs["units"] = UNITS.get(str(name).removeprefix("cnn_"), "1")
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


FULL = Config(
    seeds=16,
    cnn_seeds=8,
    toy_scale=1.0,
    toy_lr=0.003,
    toy_pretrain_epochs=100_000,
    toy_epochs=10_000,
)
"""More seeds, and the toy on unscaled inputs with the pre-training and fine-tuning lengths and step size the authors
used, for all set-ups alike."""

MATHEMATICS = r"""
### The statement

An over-parameterised network can fit its training set in many ways. Random starts lead SGD to solutions that
generalise; Liu, Papailiopoulos and Achlioptas build, from unlabelled images alone, a start from which plain SGD
reaches a solution that fits every training image and generalises badly, and they report that explicit regularisation
undoes the harm.

### The experiment

For $n$ training images with $D$ entries and $K$ classes the *confusion set* $C$ holds $R$ copies of every image. In
each copy $\lfloor N D \rfloor$ entries, drawn without replacement, are set to $0$, and each copy gets its own label,
uniform over the classes. Fitting $C$ from a random start $w_0$ gives the *adversarial initialisation* $w_C$. Training
on the true labels then goes on from $w_C$ with

$$ v \leftarrow \beta v + \nabla R_B(w) + \lambda w, \qquad w \leftarrow w - \eta v, $$

where $R_B$ is the mean cross-entropy of a batch. Vanilla SGD has $\beta = \lambda = 0$ and no augmentation.
Regularisers are compared at one effective step size $\eta / (1 - \beta)$, and each from both starts: the set-up S3[r]
from $w_C$ beside S0[r] from $w_0$.

Two equal copies with different labels cannot both be fitted. The best any function can do on $C$,

$$ \frac{1}{|C|} \sum_{x} \max_{k} \, |\{ i : x_i = x, \; y_i = k \}|, $$

is computed before anything is trained. With a tenth of the entries erased it is below $1$ on the digits, as most of
what is erased is black already. A set that cannot be fitted is drawn again, up to 10 draws, and refused after them;
the variable `draws` counts the draws and the claim `attainable` judges the first. In the quick profile no seed needed a
second one.

### What is measured

The gap is the test accuracy of S0 (from $w_0$) minus that of S2 (from $w_C$), both by vanilla SGD with one step size.
Two controls take it apart. NC1 starts where the same corrupted copies with their *true* labels lead: if corruption or
long training did the harm, NC1 would show it. NC2 starts at $w_0$ with every leaf rescaled to the norm of the same
leaf of $w_C$: it has the scale of the adversarial start and has memorised nothing. The share of the gap that is scale
is

$$ \frac{\mathrm{test}(S0) - \mathrm{test}(NC2)}{\mathrm{test}(S0) - \mathrm{test}(S2)} . $$

Distances run over all parameters, $d(a, b) = \lVert a - b \rVert_2$. In the plane, the length of the decision
boundary and the area of disagreement with the Bayes line say what test accuracy cannot, as the clouds lie far apart.

### What came out, and caveats

The bad minimum is real on the digits: vanilla SGD fits every image and moves little from $w_C$, and NC1 loses
nothing. But **most of the gap is weight scale**: large weights alone make training lazy, and a random start of the
same norms loses most of what the adversarial one loses. What the memorised labels add beyond that is a few points.
(Pre-training left one copy of 4000 unfitted on one of eight seeds.)

Weight decay does the repair: it shrinks the weights until the start is forgotten, which takes $\eta \lambda t / (1 -
\beta)$ of about $3$ or more after $t$ steps. Momentum alone acts mostly as a larger step size. So on the digits it is
not true that any two of the three regularisers suffice: augmentation with momentum leaves a gap. Augmentation with
weight decay does not fit every image on every seed, so that pair decides nothing. One strength of augmentation and
one schedule were tried, on small networks without batch normalisation: this does not refute the paper's networks,
whose weights are scale-invariant.

Stopping at the first fit or training on changes the size of the gap, so the stop rule is fixed: S0, S2, NC1 and NC2
stop at the third check at which all seeds fit all images.

More copies at the same number of epochs are more steps: $R = 20$ has twice the pre-training steps of $R = 10$. NC1 has
the same two lengths, so steps by themselves do no harm, but the norm that longer fitting of random labels adds is not
separated from the number of copies.

On the toy, pre-training fits 90 to 100 % of the coin flips, not all of them (variable `toy_fit`): the adversarial
start has memorised most of the random labels.
"""

ASSAY = Assay(
    name="adversarial-init",
    sentence="Bad global minima exist, and SGD started next to one converges to it.",
    mathematics=MATHEMATICS,
    papers=("liu2020bad", "lecture_sgd"),
    profiles={"quick": Config(), "full": FULL},
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float32",
    seconds=140.0,
)
