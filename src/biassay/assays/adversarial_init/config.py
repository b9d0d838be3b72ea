"""The configuration of the assay `adversarial-init`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from ...data import confusion, digits
from ...models.classifiers import Name, Precision
from .image_data import SOURCES

LEAST_MEASURED = 10
"""Images that a 10th percentile needs."""
_PERCENTILE = "for a percentile of the margin"
VGG_PIXELS = 32
"""Of a side, that VGG16 leaves one pixel of; the other networks take images of any size."""


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
    image_data_sets: image data sets to train deep classifiers on, of `image_data.SOURCES`; none by default.
    image_networks: the classifiers, by their names in `biassay.models.classifiers`.
    image_seeds: how many of the seeds they are trained on, at most `seeds`.
    image_width, image_precision: of the classifiers: a factor on the channels, and "float32" or "bfloat16".
    image_train, image_test: images drawn for each seed, 0 for all.
    image_pixels: of a side, for Restricted ImageNet.
    image_batch: images a step.
    image_replication, image_fraction, image_erase: R and N of the confusion set, and whether "entries" or whole
        "pixels" are erased; image_replications: other R for the gap at that N; image_fractions: other N at that R.
    image_lr, image_drops, image_epochs: step size, the epochs after which it is divided by 10, and epochs at most.
    image_check_epochs: epochs between two measurements.
    image_fit: accuracy on the confusion set with random labels at which its pre-training ends.
    image_momentum, image_weight_decay: of the regularised set-ups; image_momentum_lr: step size of those with momentum.
        The authors' is that of the others; image_lr (1 - image_momentum) has the same effective step size.
    image_measured: training images that the complexity measures are taken on, 0 for no such measures.

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
    image_data_sets: tuple[str, ...] = ()
    image_networks: tuple[str, ...] = ("vgg16", "resnet18", "resnet50", "densenet40")
    image_seeds: int = 4
    image_width: float = 1.0
    image_precision: str = "float32"
    image_train: int = 0
    image_test: int = 0
    image_pixels: int = 224
    image_batch: int = 128
    image_replication: int = 10
    image_fraction: float = 0.1
    image_erase: str = "entries"
    image_replications: tuple[int, ...] = (1, 3)
    image_fractions: tuple[float, ...] = (0.3, 0.5)
    image_lr: float = 0.1
    image_drops: tuple[int, ...] = (150, 250)
    image_epochs: int = 350
    image_check_epochs: int = 25
    image_fit: float = 0.9999
    image_momentum: float = 0.9
    image_momentum_lr: float = 0.1
    image_weight_decay: float = 5e-4
    image_measured: int = 5000

    def __post_init__(self) -> None:
        digits.check_sizes(self.train, self.test)
        if self.train < LEAST_MEASURED:
            raise ValueError(f"train must be at least {LEAST_MEASURED}, {_PERCENTILE}, got {self.train}")
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
        self._check_images()

    def _check_images(self) -> None:
        for name, values, known in (
            ("image_data_sets", self.image_data_sets, tuple(SOURCES)),
            ("image_networks", self.image_networks, get_args(Name)),
            ("image_precision", (self.image_precision,), get_args(Precision)),
            ("image_erase", (self.image_erase,), get_args(confusion.Erase)),
        ):
            if len(set(values)) != len(values) or not set(values) <= set(known):
                raise ValueError(f"{name} must be of {', '.join(known)}, each at most once, got {values}")
        if not self.image_networks:
            raise ValueError("image_networks must name at least one network")
        small = sorted({"densenet40", "wrn28-1"} & set(self.image_networks))
        if "restricted-imagenet" in self.image_data_sets and small:
            raise ValueError(f"image_networks: {small[0]} is for images of 32x32: leave it or restricted-imagenet out")
        imagenet_vgg = "restricted-imagenet" in self.image_data_sets and "vgg16" in self.image_networks
        if imagenet_vgg and self.image_pixels < VGG_PIXELS:
            raise ValueError(f"image_pixels must be at least {VGG_PIXELS} for vgg16, got {self.image_pixels}")
        for name, replications in (
            ("image_replication", (self.image_replication,)),
            ("image_replications", self.image_replications),
        ):
            if min(replications, default=1) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, fractions in (("image_fraction", (self.image_fraction,)), ("image_fractions", self.image_fractions)):
            if not all(0 <= fraction <= 1 for fraction in fractions):
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name, least in {
            **dict.fromkeys(("image_seeds", "image_pixels", "image_epochs", "image_check_epochs"), 1),
            **dict.fromkeys(("image_train", "image_test", "image_weight_decay"), 0),
            "image_batch": 2,  # batch normalisation
        }.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("image_lr", "image_momentum_lr", "image_width"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.image_momentum < 1:
            raise ValueError(f"image_momentum must lie in [0, 1), got {self.image_momentum}")
        if not 0 < self.image_fit <= 1:
            raise ValueError(f"image_fit must lie in (0, 1], got {self.image_fit}")
        if self.image_epochs % self.image_check_epochs:
            raise ValueError(
                f"image_epochs must be a multiple of image_check_epochs ({self.image_check_epochs}), "
                f"got {self.image_epochs}"
            )
        if list(self.image_drops) != sorted(set(self.image_drops)) or min(self.image_drops, default=1) < 1:
            raise ValueError(f"image_drops must be increasing epochs of at least 1, got {self.image_drops}")
        if self.image_measured and self.image_measured < LEAST_MEASURED:
            raise ValueError(
                f"image_measured must be 0 or at least {LEAST_MEASURED}, {_PERCENTILE}, got {self.image_measured}"
            )
        if self.image_measured and 0 < self.image_train < LEAST_MEASURED:
            raise ValueError(
                f"image_train must be at least {LEAST_MEASURED}, {_PERCENTILE}, got {self.image_train}; "
                "image_measured = 0 measures none"
            )


FULL = Config(
    seeds=16,
    cnn_seeds=8,
    toy_scale=1.0,
    toy_lr=0.003,
    toy_pretrain_epochs=100_000,
    toy_epochs=10_000,
    image_data_sets=("cifar-10", "cifar-100", "cinic-10"),
)
"""More seeds, the toy on unscaled inputs with the pre-training and fine-tuning lengths and step size the authors used,
for all set-ups alike, and deep classifiers on the image data sets that can be fetched. Restricted ImageNet, which needs
the user's own copy and for which DenseNet40 has no form, is asked for by name.

While it runs, its checkpoints grow to about 180 GB: parameters and velocity, 8 bytes a parameter, of 37 simulations of
every network (50 million parameters, the four together) on 3 data sets and 4 seeds. They are removed at its end."""
