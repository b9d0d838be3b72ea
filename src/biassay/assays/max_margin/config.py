"""The configuration of the assay `max-margin`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """The data, the flow in logarithmic time, the discrete runs, and the optimizer card."""

    descent_steps: int = 300_000
    """Steps of the discrete runs on the generic data."""
    card_steps: int = 200_000
    """Steps of the card's vector optimizers, and of Adam's growth."""
    matrix_steps: int = 25_000
    """Steps of the optimizers that factorise a matrix; their step size is 200 / steps, so that paths are as long."""
    n: int = 30
    """Points of the card."""
    shape: tuple[int, int] = (6, 10)
    """Rows and columns of the card's parameter."""
    whole_card: bool = False
    """Whether every row of the card runs on both losses, and Muon with ten steps as well."""
    per_example: bool = False
    """Whether the card is also filled with one example a step."""
    wide: bool = False
    """Whether the flow also runs on data with more dimensions than points."""
    p_norms: tuple[float, ...] = (4 / 3, 4.0)
    """The p-norms of steepest descent; at least two, in 1.1 ... 10 and not 2."""
    p_steps: int = 50_000
    """Steps of steepest and mirror descent for the p-norms."""
    seed: int = 0
    """First seed."""
    seeds: int = 5
    """Data sets drawn, one of each kind a seed."""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")
        for name in ("descent_steps", "card_steps", "matrix_steps", "p_steps"):
            if getattr(self, name) < 100:
                raise ValueError(f"{name} must be at least 100, got {getattr(self, name)}")
        if len(self.shape) != 2 or min(self.shape) < 2:
            raise ValueError(f"shape must be two numbers of at least 2, got {self.shape}")
        if not 2 <= self.n <= self.shape[0] * self.shape[1]:
            raise ValueError(f"n must be at least 2 and at most the product of shape, got n={self.n}, {self.shape}")
        if len(set(self.p_norms)) < 2:
            raise ValueError(f"p_norms needs at least two norms, got {self.p_norms}")
        for p in self.p_norms:
            if not 1.1 <= p <= 10 or p == 2:
                raise ValueError(f"p_norms must lie in 1.1 ... 10 and not be 2, got {p}")
