"""The configuration of the assay `random-labels`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ...data import digits

_PIXELS = 64
CIFAR_NETWORKS = ("mlp", "wrn")
"""Networks that CIFAR-10 can be run with: dense with one hidden layer, and wide residual."""


def parameter_count(sizes: tuple[int, ...]) -> int:
    """Weights and biases of an MLP with layers of widths sizes[0], ..., sizes[-1]."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


@dataclass(frozen=True, kw_only=True)
class Config:
    """The digits with corrupted labels and with corrupted inputs, and CIFAR-10 where it is asked for."""

    seed: int = 0
    """First seed; a seed has its own split of the digits, corruption, initialisation and order of the batches."""
    seeds: int = 6
    """Seeds."""
    train: int = 500
    """Digits to train on in the study of the labels."""
    test: int = 700
    """Digits held out, in both studies; their labels are never corrupted."""
    corruption: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    """Corruption ratios p, increasing, 0 and 1 among them, 4 to 40."""
    width: int = 128
    """Width of the two hidden layers in the study of the labels."""
    lr: float = 0.02
    """Step size of vanilla SGD there."""
    batch: int = 32
    """Examples a step, in both studies."""
    check_epochs: int = 5
    """Epochs between two checks there; epochs-to-fit are multiples of it."""
    max_epochs: int = 600
    """Epochs after which a run that does not fit is given up, in both studies."""
    small_width: int = 5
    """Width of the two hidden layers of the undersized network, which has fewer parameters than `train`."""
    bandwidth: float = 2e-2
    """bw of the kernel baseline's exp(-bw |x - x'|²), for normalised inputs."""
    input_train: int = 1000
    """Digits to train on in the study of the inputs."""
    input_width: int = 256
    """Width of the two hidden layers in the study of the inputs."""
    input_lr: float = 0.05
    """Step size of vanilla SGD there."""
    input_check_epochs: int = 2
    """Epochs between two checks there."""
    cifar: bool = False
    """Whether CIFAR-10 is run too; `biassay.data.cifar10` says where its images come from. No claim is judged on it."""
    cifar_seeds: int = 2
    """How many of the seeds CIFAR-10 is run on, at most `seeds`."""
    cifar_networks: tuple[str, ...] = CIFAR_NETWORKS
    """Networks on CIFAR-10: "mlp", one hidden layer without biases, and "wrn", a wide residual network."""
    cifar_width: int = 512
    """Width of the hidden layer of the dense one."""
    cifar_depth: int = 28
    """Depth of the wide residual network, 4 and a multiple of 6."""
    cifar_widening: float = 1.0
    """Its widening factor: depth 28 and factor 1 are WRN-28-1."""
    cifar_corruption: tuple[float, ...] = (0.0, 0.5, 1.0)
    """Corruption ratios on CIFAR-10, increasing, 0 and 1 among them, 2 to 4."""
    cifar_lr: float = 0.01
    """First step size of the dense network's SGD on CIFAR-10."""
    cifar_wrn_lr: float = 0.1
    """First step size of the wide residual network's."""
    cifar_drops: tuple[int, ...] = (150, 225)
    """Epochs at which these step sizes are divided by 10."""
    cifar_momentum: float = 0.9
    """Momentum of SGD on CIFAR-10."""
    cifar_decay: float = 1e-4
    """Weight decay of the runs on CIFAR-10 that have any: true labels and random labels again."""
    cifar_batch: int = 128
    """Images a step on CIFAR-10."""
    cifar_check_epochs: int = 1
    """Epochs between two checks on CIFAR-10."""
    cifar_epochs: int = 300
    """Epochs after which a run on CIFAR-10 that does not fit is given up."""

    def __post_init__(self) -> None:
        digits.check_sizes(self.train, self.test)
        digits.check_sizes(self.input_train, self.test)
        counts = ("seeds", "width", "small_width", "input_width", "cifar_seeds", "cifar_width", "cifar_batch")
        counts += ("check_epochs", "input_check_epochs", "cifar_check_epochs")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("lr", "input_lr", "cifar_lr", "cifar_wrn_lr", "cifar_widening", "bandwidth"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        examples = min(self.train, self.input_train)
        if not 1 <= self.batch <= examples:
            raise ValueError(f"batch must lie in 1..{examples} (the examples), got {self.batch}")
        most = max(self.check_epochs, self.input_check_epochs)
        if self.max_epochs < most:
            raise ValueError(f"max_epochs must be at least {most}, the epochs between checks, got {self.max_epochs}")
        if self.cifar_epochs < self.cifar_check_epochs:
            raise ValueError(f"cifar_epochs must be at least {self.cifar_check_epochs}, got {self.cifar_epochs}")
        # At most as many as there are streams of randomness for the controls, and curves that a panel tells apart.
        for name, (least, most) in {"corruption": (4, 40), "cifar_corruption": (2, 4)}.items():
            ratios = getattr(self, name)
            increasing = list(ratios) == sorted(set(ratios))
            if not least <= len(ratios) <= most or not increasing or ratios[0] != 0 or ratios[-1] != 1:
                raise ValueError(f"{name} must be {least} to {most} values increasing from 0 to 1, got {ratios}")
        some = set(self.cifar_networks) <= set(CIFAR_NETWORKS)
        if not self.cifar_networks or not some or len(set(self.cifar_networks)) < len(self.cifar_networks):
            raise ValueError(f"cifar_networks must be some of {CIFAR_NETWORKS}, each once, got {self.cifar_networks}")
        if self.cifar_depth < 10 or (self.cifar_depth - 4) % 6:
            raise ValueError(f"cifar_depth must be 4 and a multiple of 6 (10, 16, 28, ...), got {self.cifar_depth}")
        if not 0 <= self.cifar_momentum < 1:
            raise ValueError(f"cifar_momentum must lie in [0, 1), got {self.cifar_momentum}")
        if self.cifar_decay < 0:
            raise ValueError(f"cifar_decay must not be negative, got {self.cifar_decay}")
        if list(self.cifar_drops) != sorted(set(self.cifar_drops)) or min(self.cifar_drops, default=1) < 1:
            raise ValueError(f"cifar_drops must be increasing epochs of at least 1, got {self.cifar_drops}")
        if (small := parameter_count(self.small_sizes)) >= self.train:
            raise ValueError(
                f"small_width must leave fewer than {self.train} parameters (the examples), got {self.small_width} "
                f"with {small}"
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of the network in the study of the labels."""
        return (_PIXELS, self.width, self.width, digits.CLASSES)

    @property
    def small_sizes(self) -> tuple[int, ...]:
        """Widths of the undersized network."""
        return (_PIXELS, self.small_width, self.small_width, digits.CLASSES)

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """Widths of the network in the study of the inputs."""
        return (_PIXELS, self.input_width, self.input_width, digits.CLASSES)
