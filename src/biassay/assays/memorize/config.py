"""The configuration of the assay `memorize`."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt


def construction_width(n: int) -> int:
    """2 ceil(sqrt n), about the width of both hidden layers of the construction for n points."""
    return 2 * ceil(sqrt(n))


@dataclass(frozen=True)
class Config:
    """The data that are memorized, the trained counterparts, and the budgets of the width comparison."""

    d: int = 10
    """Input coordinates; the inputs are N(0, I)."""
    draws: int = 3
    """Data sets drawn for each number of points that the construction is given."""
    exact_points: tuple[int, ...] = (16, 60, 100)
    """Numbers of points of the check in rational arithmetic."""
    points: tuple[int, ...] = (101, 1_000, 10_000, 100_000)
    """Numbers of points in float64, at least two and at least 100 each; the errors at the largest two are judged."""
    checked: int = 20_000
    """Points at which an error is measured, where there are more."""
    other_sizes: tuple[tuple[int, int], ...] = ((10_000, 784),)
    """Further pairs of a number of points and of input coordinates, for the figure of the errors."""
    counted_points: tuple[int, ...] = (10_000, 30_000, 100_000)
    """Numbers of points for which the operations of the construction are counted, at least three."""
    dense_points: tuple[int, ...] = (100, 200, 400)
    """Numbers of points for which those of a dense solve are counted too, at least two."""
    class_points: int = 10_000
    """Points of the classification with several outputs."""
    classes: int = 10
    """Classes, one output each."""
    bad_points: int = 1_000
    """Points of the bad minimum, labelled by the sign of a linear function."""
    fresh: int = 5_000
    """Fresh points on which it is tested."""
    noise: float = 1e-3
    """Standard deviation of the noise added to its inputs in a second test."""
    batch: int = 100
    """Examples a step of Adam on the bad minimum's architecture."""
    adam_steps: int = 3_000
    """The most steps it may take to fit them."""
    sizes: tuple[int, ...] = (64,)
    """Numbers of points n, with random labels, in the comparison of widths; the largest is judged."""
    width_factors: tuple[float, ...] = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4)
    """Widths tried, over the construction's 2 ceil(sqrt n), increasing."""
    budget: int = 4_000
    """Full-batch steps at which the widths are compared; the control takes four times as many."""
    adam_budgets: tuple[int, ...] = (250, 1_000, 4_000)
    """Budgets of Adam, `budget` among them; its schedule ends with the budget, so that each is a run of its own."""
    lr: float = 0.05
    """Step size of gradient descent."""
    adam_lr: float = 0.01
    """First step size of Adam, which a cosine takes to 0."""
    seed: int = 0
    """First seed."""
    seeds: int = 5
    """Seeds of what is trained, each with its own data."""

    def __post_init__(self) -> None:
        for name in ("d", "draws", "checked", "fresh", "batch", "adam_steps", "seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("noise", "lr", "adam_lr"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name, least in {"bad_points": 100, "class_points": 100, "classes": 2, "budget": 16}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.batch > self.bad_points:
            raise ValueError(f"batch must be at most bad_points={self.bad_points}, got {self.batch}")
        for name, few, least in (
            ("exact_points", 1, 1),
            ("points", 2, 100),
            ("counted_points", 3, 100),
            ("dense_points", 2, 2),
            ("sizes", 1, 4),
            ("adam_budgets", 1, 1),
            ("width_factors", 2, 0.1),
        ):
            values = getattr(self, name)
            if len(values) < few or min(values) < least or list(values) != sorted(set(values)):
                raise ValueError(f"{name} must be {few} or more increasing numbers from {least} on, got {values}")
        if any(len(pair) != 2 or pair[0] < 100 or pair[1] < 1 for pair in self.other_sizes):
            raise ValueError(f"other_sizes must be pairs (N >= 100, d >= 1), got {self.other_sizes}")
        if self.budget not in self.adam_budgets:
            raise ValueError(f"adam_budgets must hold budget={self.budget}, got {self.adam_budgets}")

    @property
    def gd_budgets(self) -> tuple[int, ...]:
        """The steps at which gradient descent is recorded: up to four times `budget`, halved six times."""
        return tuple(4 * self.budget // 2**k for k in range(6, -1, -1))

    def widths(self, n: int) -> tuple[int, ...]:
        """The widths tried for n points."""
        return tuple(max(2, round(factor * construction_width(n))) for factor in self.width_factors)
