"""The configuration of the assay `weight-normalization`."""

from __future__ import annotations

import math
from dataclasses import dataclass

PRACTICAL = 0.07
"""An initialization of practical size: about 1 / sqrt(2d) for d = 100, so that r0 is about 1."""
TINY = 1e-3
"""A tiny initialization."""
JUDGED_Q = (0.4, 0.6, 0.8, 1.0, 1.2, 2.0, 5.0, 10.0)
"""Points along q that the claims look at, and no others; they run whatever the config names, as do the two above."""
JUDGED_ETA = (1.0, 0.1)
"""Ratios that the claims look at."""
SPEED_LR = 0.04
"""The step size at which the claims compare speeds."""


@dataclass(frozen=True)
class Config:
    """Sparse systems A x = y, fitted by diagonal linear networks of 2d weights that start at w = alpha (1, ..., 1).

    eta is the magnitude's speed over the direction's; q = 2 d alpha^2 / |x*|_1 is the start's squared norm over the
    size of the sparse solution.
    """

    d: int = 100
    """Unknowns."""
    m: int = 40
    """Equations."""
    sparsity: int = 5
    """Entries of x* that are +-1; the others are 0, so that |x*|_1 is this number."""

    alpha: tuple[float, ...] = (1e-3, 0.01, 0.03, 0.07, 0.1)
    """Initializations whose exact limits are computed, any positive numbers."""
    q: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
    """More of them, named by q; on either side of the threshold q = 1."""
    eta: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03)
    """Ratios of the linear form, r = g, whose exact limits are computed."""
    exponential_eta: tuple[float, ...] = (0.3, 0.1)
    """Ratios of the exponential form, r = e^g, likewise."""

    flow_alpha: tuple[float, ...] = (0.1, 0.2)
    """Initializations from which the flow is integrated."""
    flow_eta: tuple[float, ...] = (1.0, 0.1)
    """Ratios of the linear form at which it is."""
    flow_exponential_eta: tuple[float, ...] = ()
    """Ratios of the exponential form at which it is."""
    flow_depth: tuple[int, ...] = (2,)
    """Depths L at which it is; there are exact limits for L = 2."""
    horizon: float = 3000.0
    """Time for which it is, on the clock of plain flow: weight normalization moves r^2 times as fast. With a small
    ratio the residual falls slowly, so that it is not finished then, and is shown beside the error."""

    identity_d: int = 20
    """Unknowns of the small systems on which the conserved quantities and the effective start are measured."""
    identity_m: int = 10
    """Equations of these."""
    identity_sparsity: int = 2
    """Entries of their x* that are +-1."""
    identity_depth: tuple[int, ...] = (2, 3)
    """Depths L of their networks."""
    identity_alpha: tuple[float, ...] = (0.2, 0.4)
    """Their initialization, one for each depth."""
    identity_horizon: float = 4000.0
    """Time for which their flows run at most, on the clock of plain flow."""

    descent_alpha: tuple[float, ...] = (1e-3, 0.07)
    """Initializations of discrete gradient descent."""
    descent_eta: tuple[float, ...] = (1.0, 0.1)
    """Its ratios."""
    descent_lr: tuple[float, ...] = (0.01, 0.04, 0.16)
    """Its step sizes."""
    descent_steps: int = 20_000
    """Its steps."""
    descent_depth: tuple[int, ...] = (2,)
    """Depths L of its networks."""
    descent_seeds: int = 16
    """Systems on which it is run."""

    seed: int = 0
    """First seed; a seed is one system A x = y."""
    seeds: int = 8
    """Systems for everything else."""

    def __post_init__(self) -> None:
        for name in _SEVERAL:
            values = getattr(self, name)
            if not values:
                raise ValueError(f"{name} needs one or more values, got {values}")
        for name in (*_SEVERAL, "exponential_eta", "flow_exponential_eta", *_ONE):
            value = getattr(self, name)
            values = value if isinstance(value, tuple) else (value,)
            if not all(0 < v < 1e100 for v in values):
                raise ValueError(f"{name} must be positive and below 1e100, got {value}")
            if name != "identity_alpha" and len(set(values)) < len(values):
                raise ValueError(f"{name} must not name a value twice, got {value}")
        for name in ("eta", "exponential_eta", "flow_eta", "flow_exponential_eta"):
            if any(value > 1e6 for value in getattr(self, name)):
                raise ValueError(f"{name} must be at most 1e6, for the exact limits, got {getattr(self, name)}")
        for name in ("flow_depth", "identity_depth", "descent_depth"):
            if min(getattr(self, name)) < 2:
                raise ValueError(f"{name} must be at least 2, got {getattr(self, name)}")
        if len(self.identity_alpha) != len(self.identity_depth):
            raise ValueError(
                f"identity_alpha needs one value for each of the {len(self.identity_depth)} depths in identity_depth, "
                f"got {self.identity_alpha}"
            )
        for part in ("", "identity_"):
            d, m, sparsity = (getattr(self, part + name) for name in ("d", "m", "sparsity"))
            if not 1 <= sparsity <= d:
                raise ValueError(f"{part}sparsity must lie in 1..{part}d={d}, got {sparsity}")
            if not 1 <= m < d:
                raise ValueError(f"{part}m must be at least 1 and below {part}d={d}, got {m}")
        for name in ("descent_steps", "descent_seeds", "seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def starts(self) -> tuple[float, ...]:
        """Every initialization whose exact limits are computed: those named, and those the claims look at."""
        named = (*self.alpha, PRACTICAL, TINY, *(self.alpha_at(q) for q in (*self.q, *JUDGED_Q)))
        # 0.1 and q = 0.4 are one start, and so are numbers that differ by rounding.
        return tuple(sorted({f"{a:.12g}": a for a in named}.values()))

    @property
    def ratios(self) -> tuple[float, ...]:
        """Every ratio of the linear form, largest first: those named, and those the claims look at."""
        return tuple(sorted({*self.eta, *JUDGED_ETA}, reverse=True))

    def alpha_at(self, q: float) -> float:
        """The alpha at which r0^2 = 2 d alpha^2 is q |x*|_1."""
        return math.sqrt(q * self.sparsity / (2 * self.d))

    def q_at(self, alpha: float) -> float:
        """q = r0^2 / |x*|_1."""
        return 2 * self.d * alpha**2 / self.sparsity


_SEVERAL = (
    "alpha",
    "q",
    "eta",
    "flow_alpha",
    "flow_eta",
    "flow_depth",
    "identity_depth",
    "identity_alpha",
    "descent_alpha",
    "descent_eta",
    "descent_lr",
    "descent_depth",
)
_ONE = ("horizon", "identity_horizon")
