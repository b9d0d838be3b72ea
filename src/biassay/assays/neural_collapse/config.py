"""The configuration of the assay `neural-collapse`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...data.digits import CLASSES


@dataclass(frozen=True)
class Config:
    """Networks on digits of which every class has as many, with and without weight decay and normalised layers."""

    images: int = 500
    """Images trained on, as many of every class; all others are held out."""
    hidden: tuple[int, ...] = (128, 128, 128)
    """Widths of the hidden layers."""
    lr: float = 0.02
    """Step size before its first drop."""
    drops: tuple[float, ...] = (0.5, 0.8)
    """Shares of the run after which the step size is divided by 10."""
    momentum: float = 0.9
    """Momentum of SGD."""
    batch: int = 100
    """Images a step, drawn with replacement."""
    steps: int = 12_000
    """Steps of every run."""
    decay: float = 2e-3
    """Weight decay of the claims."""
    strong_decay: float = 5e-3
    """A stronger one, which is shown."""
    scale: float = 5.0
    """Norm of every layer at the start of the normalised runs."""
    records: int = 12
    """Times at which a run is recorded after its start, evenly spaced."""
    seed: int = 0
    """First seed."""
    seeds: int = 6
    """Splits of the digits and starts, one a seed."""

    def __post_init__(self) -> None:
        # The rarest digit has 174 images.
        if self.images % CLASSES or not 2 * CLASSES <= self.images <= 170 * CLASSES:
            raise ValueError(f"images must be a multiple of {CLASSES} in 20..1700, as many a class, got {self.images}")
        if not self.hidden or min(self.hidden) < CLASSES:
            raise ValueError(f"hidden needs one or more widths from {CLASSES} on, got {self.hidden}")
        for name in ("lr", "decay", "strong_decay", "scale"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")
        if self.strong_decay <= self.decay:
            raise ValueError(f"strong_decay must exceed decay ({self.decay}), got {self.strong_decay}")
        if list(self.drops) != sorted(set(self.drops)) or not all(0 < share < 1 for share in self.drops):
            raise ValueError(f"drops must rise and lie between 0 and 1, got {self.drops}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {self.momentum}")
        if not 1 <= self.batch <= self.images:
            raise ValueError(f"batch must lie in 1..{self.images} (the images), got {self.batch}")
        if not 1 <= self.records <= self.steps:
            raise ValueError(f"records must lie in 1..steps ({self.steps}), got {self.records}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")
