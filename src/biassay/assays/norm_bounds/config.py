"""The configuration of the assay `norm-bounds`."""

from __future__ import annotations

from dataclasses import dataclass

from ...data import digits


@dataclass(frozen=True, kw_only=True)
class Config:
    """Four convolutional networks and a dense one on the digits, and three networks on CIFAR-10 where asked for."""

    seed: int = 0
    """First seed; a seed has its own split of the digits, initialisations and order of the batches."""
    seeds: int = 3
    """Seeds."""
    train: int = 1200
    """Digits to train on, m."""
    test: int = 597
    """Digits held out."""
    channels: int = 8
    """Channels of every convolution."""
    lr: float = 0.05
    """Step size of SGD on the convolutional networks."""
    batch: int = 32
    """Digits a step there."""
    steps: int = 1200
    """Steps there."""
    width: int = 128
    """Width of the three hidden layers of the dense network."""
    dense_lr: float = 0.05
    """Step size of SGD on the dense network."""
    dense_batch: int = 64
    """Digits a step there."""
    dense_steps: int = 3000
    """Steps there."""
    weight_decay: float = 1e-3
    """Added to the gradient as weight_decay · w, in all networks."""
    delta: float = 0.05
    """Probability with which the bounds of the generalisation error may fail."""
    small_rho: float = 1e-3
    """Product of the Toeplitz norms to which the scaled networks are brought: so small that some bound is below 1."""
    cifar: bool = False
    """Whether CIFAR-10 is run too; `biassay.data.cifar10` says where its images come from. No claim is judged on it."""
    cifar_seeds: int = 2
    """How many of the seeds CIFAR-10 is run on, at most `seeds`."""
    cifar_classes: tuple[int, ...] = (1, 2)
    """The two classes to tell apart."""
    cifar_width: int = 32
    """h: the three convolutions have h, 2h and 4h channels."""
    cifar_lr: float = 0.01
    """Step size of SGD on CIFAR-10."""
    cifar_momentum: float = 0.9
    """Its momentum."""
    cifar_decay: tuple[float, ...] = (0.01, 0.0)
    """Its weight decays, each a run."""
    cifar_batch: int = 128
    """Images a step on CIFAR-10."""
    cifar_epochs: int = 1000
    """Epochs on CIFAR-10."""

    def __post_init__(self) -> None:
        digits.check_sizes(self.train, self.test)
        counts = ("seeds", "channels", "batch", "steps", "width", "dense_batch", "dense_steps")
        counts += ("cifar_seeds", "cifar_width", "cifar_batch", "cifar_epochs")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("lr", "dense_lr", "small_rho", "cifar_lr"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("batch", "dense_batch"):
            if getattr(self, name) > self.train:
                raise ValueError(f"{name} must be at most train = {self.train}, got {getattr(self, name)}")
        if not self.cifar_decay or len(set(self.cifar_decay)) < len(self.cifar_decay):
            raise ValueError(f"cifar_decay must be one or more different values, got {self.cifar_decay}")
        if min(self.weight_decay, *self.cifar_decay) < 0:
            raise ValueError(f"weight decays must not be negative, got {self.weight_decay} and {self.cifar_decay}")
        if not 0 < self.delta < 1:
            raise ValueError(f"delta must lie between 0 and 1, got {self.delta}")
        if not 0 <= self.cifar_momentum < 1:
            raise ValueError(f"cifar_momentum must lie in [0, 1), got {self.cifar_momentum}")
        if len(set(self.cifar_classes)) != 2 or not set(self.cifar_classes) <= set(range(10)):
            raise ValueError(f"cifar_classes must be two different classes of 0..9, got {self.cifar_classes}")
