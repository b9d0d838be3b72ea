"""The configuration of the assay `adversarial-init`."""

from __future__ import annotations

from dataclasses import dataclass

from ...data import confusion, digits


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
