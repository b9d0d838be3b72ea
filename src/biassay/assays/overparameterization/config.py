"""The configuration of the assay `overparameterization`."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEAST_N = 64
"""The exponent of m*(n) is fitted from so many points on: below it a few neurons are needed whatever n is."""
_REAL = ("step_factor", "adam_lr", "gd_lr", "theory_exponents")
_LEAST_CONFLICT = 8


@dataclass(frozen=True)
class Config:
    """Part one: how gradient descent walks to a solution. Part two: how wide a network must be to fit."""

    n: int = 30
    """Part one: points on the unit sphere, with targets N(0, 1)."""
    d: int = 10
    """Input dimension, of both parts."""
    wide: tuple[int, ...] = (100, 400)
    """Part one: widths m at which the statements are made, increasing."""
    narrow: tuple[int, ...] = (12, 25)
    """Part one: narrower widths beside them; the controls of what is said of distances."""
    collapsed: int = 6
    """Part one: a width at which the Jacobian loses its rank on the way."""
    near_width: int = 400
    """Part one: the width, one of `wide`, at which the distance is judged against the nearest solution."""
    step_factor: float = 0.5
    """Part one: the step size is eta = step_factor / beta_0^2, beta_0 the largest singular value of J at the start."""
    steps: int = 5_000
    """Part one: gradient steps."""
    collapsed_steps: int = 20_000
    """Part one: gradient steps of the collapsed width."""
    collapsed_seeds: int = 20
    """Part one: seeds of the collapsed width, where only some collapse."""
    checkpoints: int = 25
    """Part one: how many times, evenly spaced, the spectrum of J is taken; fourteen more fall before the first."""
    slides: int = 1_200
    """Part one: iterations of each search for the nearest solution, at most."""
    law_n: tuple[int, ...] = (32, 64, 128, 256)
    """Part two: numbers of points N(0, I) with random labels -1 and +1; the exponent is fitted from 64 on."""
    widths: tuple[int, ...] = (3, 4, 5, 7, 9, 12, 16, 21, 28, 38)
    """Part two: widths that are tried, the same for every n."""
    law_steps: int = 4_000
    """Part two: steps of the law m*(n)."""
    adam_lr: float = 1e-2
    """Part two: first step size of Adam, decaying to 0 by a cosine."""
    budget_n: int = 64
    """Part two: points, one of `law_n`, for which budgets are compared."""
    adam_budgets: tuple[int, ...] = (500, 1_000, 4_000)
    """Part two: steps of Adam at `budget_n`, one run each; the least is that of `gd_budgets`."""
    gd_n: tuple[int, ...] = (64,)
    """Part two: numbers of points for gradient descent, `budget_n` among them."""
    gd_lr: tuple[float, ...] = (0.05, 0.1)
    """Part two: step sizes of gradient descent, of which the best is taken at each width and budget."""
    gd_budgets: tuple[int, ...] = (500, 1_000, 2_000, 4_000, 8_000)
    """Part two: steps of gradient descent, all recorded in one run; `law_steps` is one of them."""
    batches: tuple[int, ...] = ()
    """Part two: batch sizes of SGD at `budget_n`, with the step sizes and budgets of gradient descent."""
    theory_n: int = 32
    """Part two: points for the widths that theorems ask for."""
    theory_exponents: tuple[float, ...] = (1.0, 1.5, 2.0)
    """Part two: the exponents p of the widths n^p that are trained."""
    conflicts: int = 2
    """Part two: seeds of the control in which a quarter of the points are pairs with opposite labels."""
    law_seeds: int = 10
    """Part two: seeds, from `seed` on."""
    seed: int = 0
    """First seed."""
    seeds: int = 8
    """Part one: seeds."""

    def __post_init__(self) -> None:
        if not 2 <= self.d < self.n:
            raise ValueError(f"d must be at least 2 and below n, got d={self.d}, n={self.n}")
        for name, value in vars(self).items():
            values = value if isinstance(value, tuple) else (value,)
            if name != "batches" and not values:
                raise ValueError(f"{name} must name at least one value")
            if not all(math.isfinite(v) and (v > 0 or name == "seed") for v in values):
                raise ValueError(f"{name} must be positive and finite, got {value}")
            if name not in _REAL and any(v != int(v) for v in values):
                raise ValueError(f"{name} must be whole, got {value}")
            if isinstance(value, tuple) and list(value) != sorted(set(value)):
                raise ValueError(f"{name} must increase, got {value}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        for name in ("steps", "collapsed_steps"):
            if getattr(self, name) < 20 * self.checkpoints:
                raise ValueError(f"{name} must be at least 20 checkpoints, got {getattr(self, name)}")
        ordered = (self.collapsed, *self.narrow, *self.wide)
        if list(ordered) != sorted(set(ordered)):
            raise ValueError(f"collapsed, narrow and wide must increase in this order, got {ordered}")
        if self.collapsed * self.d < self.n:
            raise ValueError(f"collapsed must be at least n / d neurons, got {self.collapsed}")
        if len(self.wide) < 2:
            raise ValueError(f"wide needs at least two widths, got {self.wide}")
        for name, value, among in (
            ("near_width", self.near_width, "wide"),
            ("budget_n", self.budget_n, "law_n"),
            ("budget_n", self.budget_n, "gd_n"),
            ("law_steps", self.law_steps, "gd_budgets"),
            ("law_steps", self.law_steps, "adam_budgets"),
        ):
            if value not in getattr(self, among):
                raise ValueError(f"{name} must be one of {among} {getattr(self, among)}, got {value}")
        if not 0 < self.step_factor < 2:
            raise ValueError(f"step_factor must lie between 0 and 2, got {self.step_factor}")
        for name in ("widths", "gd_budgets", "adam_budgets"):
            if len(getattr(self, name)) < 2:
                raise ValueError(f"{name} needs at least two values, got {getattr(self, name)}")
        if min(self.adam_budgets) != min(self.gd_budgets):
            raise ValueError(
                f"adam_budgets and gd_budgets must begin alike, got {self.adam_budgets} and {self.gd_budgets}"
            )
        if min(self.adam_budgets) == self.law_steps or max(self.gd_budgets) == self.law_steps:
            raise ValueError(
                f"law_steps must lie between the least and the largest of gd_budgets {self.gd_budgets}, "
                f"got {self.law_steps}"
            )
        if min(self.law_n) < _LEAST_CONFLICT:
            raise ValueError(f"law_n must be at least {_LEAST_CONFLICT} for two conflicting points, got {self.law_n}")
        if round(2 * self.theory_n / self.d) < 1:
            raise ValueError(f"theory_n must be so large that 2 theory_n / d rounds to a neuron, got {self.theory_n}")
        if sum(n >= LEAST_N for n in self.law_n) < 2:
            raise ValueError(f"law_n needs two values from {LEAST_N} on for an exponent, got {self.law_n}")
        if self.conflicts > self.law_seeds:
            raise ValueError(f"conflicts must be at most law_seeds = {self.law_seeds}, got {self.conflicts}")
        if any(batch > self.budget_n for batch in self.batches):
            raise ValueError(f"batches must be at most budget_n = {self.budget_n}, got {self.batches}")
        if len(self.batches) > 2:
            raise ValueError(f"batches may name two sizes at most, got {self.batches}")
        if len(self.narrow) < 2:
            raise ValueError(f"narrow needs at least two widths, got {self.narrow}")
