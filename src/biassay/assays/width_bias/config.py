"""The configuration of the assay `width-bias`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...data.label_flips import check_rates

TRAIN, TEST = 400, 1397
"""Digits trained on and held out: all 1797."""


@dataclass(frozen=True)
class Config:
    """The networks on the digits, the random features, the factorisation of matrices and the convex program."""

    rates: tuple[float, ...] = (0.0, 0.2)
    """Shares of the training labels that are flipped, rising from 0; the highest is "with noise" in the claims."""
    batch: int = 50
    """Images a step."""
    momentum: float = 0.9
    """Momentum of SGD, on the digits and on the matrices."""
    lr: float = 0.02
    """Step size at every width."""
    steps: int = 4000
    """Steps at every width."""
    checkpoint: int = 100
    """Steps between two looks at a run."""
    narrow: tuple[int, ...] = (4, 6, 8, 10, 12, 16)
    """Widths around the fitting threshold; at the highest rate they go on to `long_steps`."""
    long_steps: int = 12_000
    """Steps of the narrow networks at the highest rate."""
    widths: tuple[int, ...] = (24, 32, 64, 128, 256)
    """Further widths, for all seeds."""
    wide: tuple[int, ...] = (512, 1024)
    """Widths for the first `wide_seeds` seeds only."""
    wide_rates: tuple[float, ...] = (0.0,)
    """Rates at which the widths `wide` are trained."""
    wide_seeds: int = 6
    """Seeds of the widths `wide`, and of the networks with output weights that are not scaled."""
    control_widths: tuple[int, ...] = (32, 128, 512)
    """Widths of the networks with output weights that are not scaled."""
    control_rates: tuple[float, ...] = (0.0,)
    """Rates at which these are trained."""
    features: tuple[int, ...] = (25, 50, 100, 200, 360, 400, 800, 4000)
    """Numbers of random features."""
    matrix_size: int = 40
    """Rows and columns d of the matrix."""
    matrix_rank: int = 2
    """Its rank."""
    matrix_entries: int = 700
    """Entries observed."""
    matrix_noise: float = 0.3
    """Standard deviation of the noise in an observed entry; the entries' own is 1."""
    matrix_lr: float = 0.2
    """Step size of gradient descent."""
    matrix_steps: int = 20_000
    """Steps of gradient descent."""
    matrix_seeds: int = 6
    """Matrices: those of the first seeds."""
    factor_widths: tuple[int, ...] = (2, 8, 80)
    """Inner dimensions k of the factors."""
    scales: tuple[float, ...] = (1e-3, 1.0)
    """Scales alpha of the initial factors; with noise only the first is run."""
    points: int = 12
    """Points in the plane of the convex program."""
    decay: float = 0.02
    """Weight decay there."""
    convex_widths: tuple[int, ...] = (1, 2, 4, 16, 64)
    """Widths of the networks that are compared with the convex optimum."""
    convex_starts: int = 10
    """Starts of each of them."""
    convex_steps: int = 40_000
    """Steps of gradient descent from each start."""
    convex_sets: int = 3
    """Sets of points: those of the first seeds."""
    seed: int = 0
    """First seed."""
    seeds: int = 10
    """Splits of the digits, one a seed."""

    def __post_init__(self) -> None:
        check_rates(self.rates)
        if self.rates[:1] != (0.0,) or len(self.rates) < 2 or list(self.rates) != sorted(set(self.rates)):
            raise ValueError(f"rates must rise from 0 and hold another, got {self.rates}")
        for name in ("wide_rates", "control_rates"):
            if not getattr(self, name) or not set(getattr(self, name)) <= set(self.rates):
                raise ValueError(f"{name} must be some of the rates {self.rates}, got {getattr(self, name)}")
            if 0.0 not in getattr(self, name):
                raise ValueError(f"{name} must contain 0, got {getattr(self, name)}")
        needed = {"narrow": (8,), "widths": (32, 256), "wide": (512, 1024), "control_widths": (32, 128, 512)}
        needed |= {"features": (200, 360, 400), "factor_widths": (2, 80), "convex_widths": (1, 16)}
        for name, values in needed.items():
            found = getattr(self, name)
            if not set(values) <= set(found) or list(found) != sorted(set(found)) or found[0] < 1:
                raise ValueError(f"{name} must rise and contain {values}, which the claims compare, got {found}")
        if sum(width >= 4 for width in self.narrow) < 2:
            raise ValueError(f"narrow needs two widths from 4 on, which a claim compares, got {self.narrow}")
        every = (*self.narrow, *self.widths, *self.wide)
        if list(every) != sorted(set(every)):
            raise ValueError(f"narrow, widths and wide must follow each other, got {every}")
        if any(width % 2 for width in self.control_widths):
            raise ValueError(f"control_widths must be even, got {self.control_widths}")
        if len(self.scales) < 2 or list(self.scales) != sorted(set(self.scales)) or self.scales[0] <= 0:
            raise ValueError(f"scales must be at least two, rising and positive, got {self.scales}")
        for name in ("lr", "matrix_lr", "decay", "matrix_noise"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        counts = ("seeds", "wide_seeds", "matrix_seeds", "convex_sets", "convex_starts", "matrix_steps")
        for name in (*counts, "convex_steps", "steps", "checkpoint", "points"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("wide_seeds", "matrix_seeds", "convex_sets"):
            if getattr(self, name) > self.seeds:
                raise ValueError(f"{name} must be at most seeds ({self.seeds}), got {getattr(self, name)}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {self.momentum}")
        if not 1 <= self.batch <= TRAIN:
            raise ValueError(f"batch must lie in 1..{TRAIN} (the images), got {self.batch}")
        if self.steps % self.checkpoint:
            raise ValueError(f"steps must be a multiple of checkpoint ({self.checkpoint}), got {self.steps}")
        if self.long_steps <= self.steps:
            raise ValueError(f"long_steps must exceed steps ({self.steps}), got {self.long_steps}")
        if self.matrix_rank != 2:
            raise ValueError(f"matrix_rank must be 2, which the claims take for the true rank, got {self.matrix_rank}")
        if not 2 <= self.matrix_size < 80:
            raise ValueError(f"matrix_size must lie in 2..79, below the inner dimension 80, got {self.matrix_size}")
        if not 1 <= self.matrix_entries < self.matrix_size**2:
            raise ValueError(f"matrix_entries must lie in 1..{self.matrix_size**2 - 1}, got {self.matrix_entries}")
