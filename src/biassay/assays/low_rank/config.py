"""The configuration of the assay `low-rank`."""

from __future__ import annotations

from dataclasses import dataclass

from ...data import digits

LAYERS = 3
"""Hidden matrices of the network of the sweep."""
CIFAR_NETWORKS = ("mlp", "mlp-wn", "resnet18", "vgg16")
"""Networks that CIFAR-10 can be run with: dense ones without and with weight normalization, and convolutional ones with
batch normalisation."""
CIFAR_IMAGES = 50_000
"""Its training images."""
MOST = {"weight_decays": 5, "batches": 4, "cifar_batches": 6, "cifar_decays": 6}
"""As many values as a panel tells apart."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The sweep over batch size, step size and weight decay, one output, the bound, and CIFAR-10 where asked for."""

    seed: int = 0
    """First seed; a seed has its own split of the digits, initialisation and batches."""
    seeds: int = 5
    """Seeds of the sweep and of the network with one output."""
    train: int = 1024
    """Digits to train on; the others are tested on."""
    width: int = 64
    """Width of the three hidden layers."""
    lr: float = 0.1
    """Step size of the runs that compare batch sizes."""
    weight_decays: tuple[float, ...] = (0.0, 1e-3, 3e-3, 1e-2)
    """Weight decays of the optimiser, increasing from 0, two to five."""
    judged_decay: float = 3e-3
    """The one of them that batch sizes and step sizes are compared at."""
    batches: tuple[int, ...] = (4, 16, 64)
    """Batch sizes, increasing, two to four; the first and the last are compared."""
    steps: int = 16_000
    """Steps after which they are compared: equal steps at one step size are equal lr·wd·T."""
    epochs: int = 100
    """Epochs of every batch size, for the comparison at equal epochs."""
    lrs: tuple[float, ...] = (0.02, 0.3)
    """A smaller and a larger step size than `lr`, compared at the smallest batch size."""
    lr_steps: int = 8000
    """Steps after which they are compared at equal steps."""
    records: int = 16
    """How many times a run of the sweep is measured after its start."""
    identity_seeds: int = 3
    """Seeds of the bound, at most `seeds`."""
    identity_width: int = 256
    """Width of the two hidden layers of the normalised network on which the bound is checked, in double precision."""
    identity_lr: float = 0.2
    """Its step size."""
    identity_decays: tuple[float, ...] = (0.0, 0.05, 0.2)
    """Weight decays of its hidden matrices, increasing from 0, at least two; the head has 1/200 of it."""
    identity_batches: tuple[int, ...] = (1, 2, 4, 16)
    """Its batch sizes, increasing and below the width."""
    identity_steps: int = 1500
    """Its steps; the bound is checked after each third of them."""
    cifar: bool = False
    """Whether CIFAR-10 is run too; `biassay.data.cifar10` says where its images come from. No claim is judged on it."""
    cifar_seeds: int = 1
    """How many of the seeds CIFAR-10 is run on, at most `seeds`."""
    cifar_networks: tuple[str, ...] = CIFAR_NETWORKS
    """Networks on CIFAR-10: "mlp", "mlp-wn" with weight normalization, "resnet18" and "vgg16"."""
    cifar_width: int = 500
    """Width of the hidden layers of the dense ones."""
    cifar_layers: int = 5
    """How many hidden layers those have, at least two."""
    cifar_channels: float = 1.0
    """What the channels of the convolutional ones are multiplied by."""
    cifar_batches: tuple[int, ...] = (4, 16, 64, 128)
    """Batch sizes on CIFAR-10, increasing, at most six."""
    cifar_lrs: tuple[float, ...] = (0.01, 0.1)
    """Step sizes on CIFAR-10."""
    cifar_decays: tuple[float, ...] = (0.0, 5e-4, 6e-3)
    """Weight decays on CIFAR-10, increasing from 0, two to six."""
    cifar_epochs: int = 500
    """Epochs on CIFAR-10."""
    cifar_drops: tuple[int, ...] = (60, 100, 200)
    """Epochs at which the step size is multiplied by 0.2."""
    cifar_check_epochs: int = 10
    """Epochs between two measurements on CIFAR-10."""

    def __post_init__(self) -> None:
        if not 1 <= self.train < digits.TOTAL:
            raise ValueError(f"train must leave digits to test on, 1..{digits.TOTAL - 1}, got {self.train}")
        counts = ("seeds", "width", "steps", "epochs", "lr_steps", "identity_seeds", "identity_width")
        counts += ("cifar_seeds", "cifar_width", "cifar_epochs", "cifar_check_epochs")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.cifar_epochs < self.cifar_check_epochs:
            raise ValueError(f"cifar_epochs must be at least {self.cifar_check_epochs}, got {self.cifar_epochs}")
        if self.identity_steps < 6:
            raise ValueError(f"identity_steps must be at least 6, got {self.identity_steps}")
        if self.cifar_layers < 2:
            raise ValueError(f"cifar_layers must be at least 2, got {self.cifar_layers}")
        if not 4 <= self.records <= min(self.steps, self.lr_steps):
            least = min(self.steps, self.lr_steps)
            raise ValueError(f"records must lie in 4..{least} (the steps compared), got {self.records}")
        for name in ("lr", "identity_lr", "cifar_channels"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("weight_decays", "identity_decays", "cifar_decays"):
            values = getattr(self, name)
            if len(values) < 2 or list(values) != sorted(set(values)) or values[0] != 0:
                raise ValueError(f"{name} must be at least two values increasing from 0, got {values}")
        if self.judged_decay not in self.weight_decays[1:]:
            raise ValueError(f"judged_decay must be one of {self.weight_decays[1:]}, got {self.judged_decay}")
        if self.identity_lr * self.identity_decays[-1] >= 1:
            raise ValueError(f"identity_decays must stay below 1 / {self.identity_lr}, got {self.identity_decays}")
        for name, least, below in (
            ("batches", 2, self.train + 1),
            ("identity_batches", 1, self.identity_width),
            ("cifar_batches", 1, CIFAR_IMAGES + 1),
        ):
            sizes = getattr(self, name)
            if len(sizes) < least or list(sizes) != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] >= below:
                raise ValueError(f"{name} must be at least {least} increasing sizes in 1..{below - 1}, got {sizes}")
        if len(self.lrs) != 2 or not 0 < self.lrs[0] < self.lr < self.lrs[1]:
            raise ValueError(f"lrs must be a step size below and one above lr = {self.lr}, got {self.lrs}")
        if not self.cifar_lrs or min(self.cifar_lrs) <= 0:
            raise ValueError(f"cifar_lrs must be positive step sizes, got {self.cifar_lrs}")
        for name, most in MOST.items():
            if len(values := getattr(self, name)) > most:
                raise ValueError(f"{name} must be at most {most} values, as many as a figure tells apart, got {values}")
        some = set(self.cifar_networks) <= set(CIFAR_NETWORKS)
        if not self.cifar_networks or not some or len(set(self.cifar_networks)) < len(self.cifar_networks):
            raise ValueError(f"cifar_networks must be some of {CIFAR_NETWORKS}, each once, got {self.cifar_networks}")
        if list(self.cifar_drops) != sorted(set(self.cifar_drops)) or min(self.cifar_drops, default=1) < 1:
            raise ValueError(f"cifar_drops must be increasing epochs of at least 1, got {self.cifar_drops}")

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the hidden part of the network of the sweep, from its 64 inputs on."""
        return (64, *[self.width] * LAYERS)
