"""The configuration of the assay `square-loss`."""

from __future__ import annotations

import math
from dataclasses import dataclass

RAREST = 174
"""Images of the rarest digit."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Flows of a normalised network, layers under weight decay, the noise of SGD, and CIFAR-10 where asked for."""

    seed: int = 0
    """First seed; a seed has its own digits, weights at the start and batches."""
    seeds: int = 5
    """Seeds."""
    digits: tuple[int, int] = (3, 8)
    """The two digits that the flows tell apart."""
    images: int = 100
    """Images in every experiment on digits, as many of every class."""
    hidden: tuple[int, ...] = (32, 32)
    """Widths of the hidden layers there."""
    lams: tuple[float, ...] = (1e-3, 1e-4)
    """λ of the penalty λ ρ², falling, at least two."""
    dt: float = 0.1
    """Time of a Runge-Kutta step of the flow in ρ and V."""
    time: float = 1500.0
    """Time that this flow is followed; ρ has come to rest where time · λ is well above 1."""
    every: int = 10
    """Steps between two records of it."""
    short_dt: float = 0.05
    """Time of a step where Lagrange multipliers and weight normalization are compared."""
    short_time: float = 150.0
    """Time that they are compared for."""
    long_norm: float = 2.0
    """|v| of the weight normalization that must differ, above 1."""
    norms: tuple[float, ...] = (2.0, 1.0, 0.5)
    """Norms at the start of the layers that are not normalised, one a layer."""
    lr: float = 0.1
    """Step size of gradient descent on them."""
    decays: tuple[float, ...] = (0.0, 2e-3, 5e-3)
    """Weight decay there, rising from 0; two values at least."""
    plain_time: float = 1500.0
    """Time that they are trained for."""
    law_time: float = 20.0
    """Time that their gradient flow is followed, in steps of `short_dt`."""
    law_decay: float = 2e-2
    """Weight decay of that flow; it is followed without, too."""
    noise_digits: tuple[int, ...] = (0, 1, 2, 3)
    """The digits that SGD tells apart."""
    noise_hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers there."""
    noise_lr: float = 0.1
    """Its step size, which never falls."""
    batch: int = 10
    """Images a step, without replacement."""
    relu_decays: tuple[float, ...] = (0.0, 1e-4, 1e-3, 1e-2)
    """Weight decay with relu, rising from 0; three values at least."""
    relu_steps: int = 30_000
    """Steps with relu."""
    all_full: bool = False
    """Whether the full batch is run with relu, too, and at every weight decay."""
    smooth_decays: tuple[float, ...] = (0.0, 1e-2)
    """Weight decay with silu(2 z), rising from 0; two values at least."""
    smooth_steps: int = 30_000
    """Steps with silu(2 z)."""
    samples: int = 100
    """Samples of the displacement at the end, whose median is the floor."""
    sample_every: int = 20
    """Steps between two of them."""
    cifar: bool = False
    """Whether CIFAR-10 is run too; `biassay.data.cifar10` says where its images come from. No claim is judged on it."""
    cifar_classes: tuple[int, int] = (1, 2)
    """The two classes, all of whose images are used."""
    cifar_seeds: int = 1
    """How many of the seeds CIFAR-10 is run on, at most `seeds`."""
    cifar_width: int = 32
    """Channels h of the first of three convolutions, h, 2 h and 4 h."""
    cifar_scales: tuple[float, ...] = (0.01, 0.1, 0.5, 1.0, 3.0, 5.0, 10.0)
    """Norm of every layer at the start."""
    cifar_decays: tuple[float, ...] = (0.0, 1e-2)
    """Weight decay on CIFAR-10."""
    cifar_corruption: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """Shares of the labels that are drawn anew, at norm 1; 0 among them."""
    cifar_lr: float = 0.01
    """Step size on CIFAR-10."""
    cifar_momentum: float = 0.9
    """Momentum on CIFAR-10."""
    cifar_batch: int = 128
    """Images a step on CIFAR-10."""
    cifar_epochs: int = 1000
    """Epochs on CIFAR-10."""
    noise_cifar: bool = False
    """Whether the noise of a deep convolutional network on all ten classes is run too. No claim is judged on it."""
    noise_cifar_width: int = 1000
    """Its channels."""
    noise_cifar_depth: int = 5
    """Its 3x3 convolutions, after two that halve the image's side."""
    noise_cifar_lrs: tuple[float, ...] = (1e-3, 1e-2, 0.1, 0.5, 1.0)
    """Its step sizes."""
    noise_cifar_decays: tuple[float, ...] = (0.0, 1e-6, 1e-5, 1e-4, 1e-3)
    """Its weight decay."""
    noise_cifar_epochs: int = 2000
    """Its epochs."""

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_digits()
        for name, least in {"lams": 2, "decays": 2, "relu_decays": 3, "smooth_decays": 2}.items():
            values = getattr(self, name)
            rising = values[::-1] if name == "lams" else values
            first = rising[:1] != (0.0,) if name != "lams" else rising[:1] <= (0.0,)
            if len(values) < least or list(rising) != sorted(set(rising)) or first:
                how = "fall and be positive" if name == "lams" else "rise from 0"
                raise ValueError(f"{name} must {how}, {least} values at least, got {values}")
        if len(self.norms) != len(self.hidden) + 1 or min(self.norms) <= 0 or len(set(self.norms)) == 1:
            raise ValueError(f"norms must be {len(self.hidden) + 1} positive numbers, not all equal, got {self.norms}")
        for name, span, step in (
            ("time", self.time, self.dt * self.every),
            ("short_time", self.short_time, self.short_dt),
            ("plain_time", self.plain_time, self.lr),
            ("law_time", self.law_time, self.short_dt),
        ):
            if span < 2 * step:
                raise ValueError(f"{name} must be at least {2 * step:g}, two records or steps, got {span}")
        least = self.samples * self.sample_every
        for name in ("relu_steps", "smooth_steps"):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least samples x sample_every = {least}, got {getattr(self, name)}")
        if self.long_norm <= 1:
            raise ValueError(f"long_norm must be above 1, the norm it is compared with, got {self.long_norm}")

    def _check_numbers(self) -> None:
        counts = ("seeds", "every", "batch", "samples", "sample_every", "cifar_seeds", "cifar_width", "cifar_batch")
        counts += ("cifar_epochs", "noise_cifar_width", "noise_cifar_depth", "noise_cifar_epochs")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        rates = ("dt", "time", "short_dt", "short_time", "lr", "plain_time", "law_time", "law_decay", "noise_lr")
        for name in (*rates, "cifar_lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        if not 0 <= self.cifar_momentum < 1:
            raise ValueError(f"cifar_momentum must lie in [0, 1), got {self.cifar_momentum}")
        for name in ("hidden", "noise_hidden", "cifar_scales", "noise_cifar_lrs"):
            values = getattr(self, name)
            if (
                not values
                or min(values) <= 0
                or len(set(values)) < len(values) * (name not in ("hidden", "noise_hidden"))
            ):
                raise ValueError(f"{name} needs one or more positive numbers, none twice, got {values}")
        for name in ("cifar_decays", "noise_cifar_decays", "cifar_corruption"):
            values = getattr(self, name)
            if not values or min(values) < 0 or len(set(values)) < len(values):
                raise ValueError(f"{name} needs one or more numbers of at least 0, none twice, got {values}")
        if max(self.cifar_corruption) > 1 or 0 not in self.cifar_corruption:
            raise ValueError(f"cifar_corruption must lie in 0..1 with 0 among them, got {self.cifar_corruption}")

    def _check_digits(self) -> None:
        if len(set(self.cifar_classes)) < 2 or not all(0 <= own <= 9 for own in self.cifar_classes):
            raise ValueError(f"cifar_classes must be two different ones of 0..9, got {self.cifar_classes}")
        for name in ("digits", "noise_digits"):
            classes = getattr(self, name)
            if len(classes) < 2 or len(set(classes)) < len(classes) or not all(0 <= own <= 9 for own in classes):
                raise ValueError(f"{name} must be two or more different digits, got {classes}")
            if self.images % len(classes) or not 0 < self.images <= RAREST * len(classes):
                raise ValueError(
                    f"images must be a multiple of {len(classes)} (the classes of {name}) up to "
                    f"{RAREST * len(classes)}, got {self.images}"
                )
        if self.batch >= self.images:
            raise ValueError(f"batch must be below the {self.images} images, got {self.batch}")

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the network of one output."""
        return (64, *self.hidden, 1)

    @property
    def noise_widths(self) -> tuple[int, ...]:
        """Widths of the network whose noise is measured."""
        return (64, *self.noise_hidden, len(self.noise_digits))
