"""The configuration of the assay `relu-neuron`."""

from __future__ import annotations

from dataclasses import dataclass

G_RANGE = (0.02, 100.0)
"""The g that can be followed: below, the linear neuron is too slow; far above, the flow is too stiff."""


@dataclass(frozen=True)
class Config:
    """The witness, the random realizable sets, and the networks whose balancedness is followed."""

    g: tuple[float, ...] = (1.0, 2.0, 3.0)
    """Values of the witness's parameter, x_3 = (0, g, g), in `G_RANGE`."""
    alpha: tuple[float, ...] = (1.0, 0.1)
    """Scales of the witness's labels, any positive numbers; a single one is compared with a tenth of it."""
    start: float = 1e-6
    """Small starts are w_0 = start X^T y, in the witness and in the random sets."""
    horizon: float = 50.0
    """Time that the witness is trained for, by gradient flow and by gradient descent."""
    sets: int = 500
    """Random realizable sets."""
    points: int = 5
    """Points of a random set."""
    d: int = 6
    """Parameters of the neuron on a random set."""
    set_lr: float = 5e-3
    """Step size on the random sets."""
    set_steps: int = 40_000
    """Steps on the random sets."""
    hidden: int = 50
    """Hidden units of the networks whose balancedness is followed."""
    samples: int = 20
    """Points that these networks are trained on."""
    inputs: int = 5
    """Inputs of these networks."""
    balance_lr: tuple[float, ...] = (0.03, 0.01, 0.003)
    """Step sizes of these networks; at least two are at most 0.01."""
    balance_time: float = 60.0
    """Time that these networks are trained for, steps x step size."""
    decay: float = 1e-2
    """Weight decay of the control with a known law."""
    momentum: float = 0.9
    """Momentum of heavy ball, run at the step size lr (1 - momentum)."""
    seed: int = 0
    """First seed, of the random sets and of the networks."""
    seeds: int = 5
    """Networks drawn."""

    def __post_init__(self) -> None:
        for name in ("g", "alpha", "balance_lr"):
            values = getattr(self, name)
            if len(values) == 0 or min(values) <= 0:
                raise ValueError(f"{name} needs one or more positive numbers, got {values}")
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must not name a value twice, got {values}")
        if min(self.g) < G_RANGE[0] or max(self.g) > G_RANGE[1]:
            raise ValueError(f"g must lie in {G_RANGE[0]:g}..{G_RANGE[1]:g}, which can be followed, got {self.g}")
        for name in ("start", "horizon", "set_lr", "decay", "balance_time"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("sets", "points", "set_steps", "hidden", "samples", "inputs", "seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.d < self.points:
            raise ValueError(f"d must be at least the number of points, got d={self.d}, points={self.points}")
        if not 0 < self.momentum < 1:
            raise ValueError(f"momentum must lie between 0 and 1, got {self.momentum}")
        if sum(lr <= 0.01 for lr in self.balance_lr) < 2:
            raise ValueError(f"balance_lr needs at least two step sizes up to 0.01, got {self.balance_lr}")

    @property
    def scales(self) -> tuple[float, ...]:
        """The scales of the labels that run: at least two."""
        first, *others = self.alpha
        return self.alpha if others else (first, first / 10)
