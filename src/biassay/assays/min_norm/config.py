"""The configuration of the assay `min-norm`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """The regressions, the algorithms' settings, and the two-point example of steepest descent."""

    d: int = 100
    """Parameters."""
    n: int = 30
    """Points; n < d."""
    steps: int = 20_000
    """Steps of gradient descent. SGD and the adaptive methods take 2, the slow ones 5 times as many."""
    adagrad_steps: int = 1_500
    """Steps of full-matrix AdaGrad."""
    mirror_steps: int = 20_000
    """Steps of mirror descent."""
    mirror_p: tuple[float, ...] = (1.5, 3.0)
    """Exponents of mirror descent's potential |w|_p^p / p, in 1.1 ... 5 and not 2."""
    mirror_lr: tuple[float, ...] = (0.02, 0.05)
    """Step size of mirror descent for each of `mirror_p`."""
    decay: float = 1e-2
    """Weight decay of GD + weight decay, the ridge parameter it converges to."""
    noise: float = 1e-2
    """Standard deviation of the isotropic noise in a coordinate of the gradient."""
    start_scale: float = 0.3
    """Standard deviation of the coordinates of the non-zero start w_0."""
    epsilons: tuple[float, ...] = ()
    """Adam's epsilon in the sweep from Adam to gradient descent; empty: no sweep."""
    ambient: bool = False
    """Whether full-matrix AdaGrad also runs in the d coordinates of w (a d x d eigenproblem a step)."""
    steepest_lr: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 0.03, 0.1)
    """Step sizes of steepest descent in the two-point example."""
    steepest_mirror_lr: tuple[float, ...] = (1e-3, 5e-3)
    """Step sizes of mirror descent in the two-point example."""
    steepest_steps: int = 400_000
    """Steps in the two-point example; steepest descent stops earlier, at 60 / step size."""
    seed: int = 0
    """First seed."""
    seeds: int = 10
    """Regressions drawn, one a seed."""

    def __post_init__(self) -> None:
        if not 5 <= self.n < self.d:
            raise ValueError(f"n must be at least 5 and below d, got n={self.n}, d={self.d}")
        for name in ("adagrad_steps", "mirror_steps", "seeds", "decay", "start_scale"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("steps", "steepest_steps"):
            if getattr(self, name) < 10:
                raise ValueError(f"{name} must be at least 10, got {getattr(self, name)}")
        if self.noise < 0:
            raise ValueError(f"noise must not be negative, got {self.noise}")
        if not self.mirror_p or len(self.mirror_p) != len(self.mirror_lr):
            raise ValueError(f"mirror_p and mirror_lr need one value each, got {self.mirror_p} and {self.mirror_lr}")
        for p in self.mirror_p:
            if not 1.1 <= p <= 5 or p == 2:
                raise ValueError(f"mirror_p must lie in 1.1 ... 5 and not be 2, got {p}")
        for name in ("mirror_lr", "epsilons", "steepest_lr", "steepest_mirror_lr"):
            if any(value <= 0 for value in getattr(self, name)):
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("steepest_lr", "steepest_mirror_lr"):
            if len(set(getattr(self, name))) < 2:
                raise ValueError(f"{name} needs at least two step sizes, got {getattr(self, name)}")
