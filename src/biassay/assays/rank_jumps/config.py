"""What a user may vary in the assay `rank-jumps`."""

from __future__ import annotations

from dataclasses import dataclass

RECORDS = 240
"""How many times every experiment is recorded, evenly spaced, the end included and the start not."""


@dataclass(frozen=True)
class Config:
    """Hyper-parameters of the assay; `lambda` is the coefficient of |theta|^2, the package's weight decay is 2 lambda.

    seed, seeds: first seed, and how many for every cell and arm.
    trials: seeds of the claims about rare events: the cell of largest eta and lambda, the two-layer control, closure.
    epsilon: observed value at (1, 0); the rank-one completion has 1/epsilon at (0, 1).
    layers: L, at least 3 (two layers are the control).
    etas, lambdas: the jump map's axes.
    steps: SGD steps of the jump map, and of gradient descent beside it.
    trial_steps: SGD steps of the trials in the cell of largest eta and lambda, and the time in which jumps of another
        cell must be rare.
    settle_steps: gradient-descent steps from the start to the rank-2 minimum.
    gone_lambda: a lambda at which there is no rank-2 minimum.
    demo_eta, demo_lambda: the cell of the offshoots, isotropic noise, adversary, demo regime and widths.
    checkpoints, checkpoint_every: number and spacing in steps of the main run's checkpoints.
    anneal_eta, anneal_lambdas, anneal_steps: how an offshoot goes on, one lambda after the other.
    forced_eta, forced_lambda, forced_steps, free_steps: forced column for T steps, T in increasing order, and the free
        steps after the longest.
    sigmas, langevin_steps: noise a step and parameter, in increasing order, and steps.
    adversarial_s2, adversarial_steps: second singular values planted, the small one first, and steps.
    depth_eta, depth_noise, depth_steps: two layers against L from rank 1 plus noise.
    closure_eta, closure_noise, closure_steps, weak_lambda: the theorem's regime, the spread of the starts, and a
        lambda too small for it.
    width, width_steps: of the wide network.
    """

    seed: int = 0
    seeds: int = 64
    trials: int = 384
    epsilon: float = 0.25
    layers: int = 3
    etas: tuple[float, ...] = (0.3, 0.4, 0.5)
    lambdas: tuple[float, ...] = (0.022, 0.024)
    steps: int = 50_000
    trial_steps: int = 50_000
    settle_steps: int = 20_000
    gone_lambda: float = 0.026
    demo_eta: float = 0.4
    demo_lambda: float = 0.024
    checkpoints: int = 12
    checkpoint_every: int = 5_000
    anneal_eta: float = 0.1
    anneal_lambdas: tuple[float, ...] = (1e-3, 1e-4)
    anneal_steps: tuple[int, ...] = (40_000, 60_000)
    forced_eta: float = 0.1
    forced_lambda: float = 0.024
    forced_steps: tuple[int, ...] = (50, 100, 200)
    free_steps: int = 30_000
    sigmas: tuple[float, ...] = (1e-3, 0.03, 0.05, 0.08)
    langevin_steps: int = 20_000
    adversarial_s2: tuple[float, ...] = (0.02, 0.07)
    adversarial_steps: int = 2_000
    depth_eta: float = 0.2
    depth_noise: float = 1e-3
    depth_steps: int = 10_000
    closure_eta: float = 0.02
    closure_noise: float = 0.01
    closure_steps: int = 60
    weak_lambda: float = 1e-3
    width: int = 10
    width_steps: int = 5_000

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if self.layers < 3:
            raise ValueError(f"layers must be at least 3 (two layers are the control), got {self.layers}")
        if self.width < 2:
            raise ValueError(f"width must be at least 2, got {self.width}")
        for name in ("seeds", "trials", "checkpoints"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, value in vars(self).items():
            values = value if isinstance(value, tuple) else (value,)
            if not values:
                raise ValueError(f"{name} must name at least one value")
            if name.endswith(("steps", "every")) and min(values) < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
            if name not in ("seed", "layers", "width") and min(values) <= 0:
                raise ValueError(f"{name} must be positive, got {value}")
            if isinstance(value, tuple) and not name.startswith("anneal") and list(value) != sorted(set(value)):
                raise ValueError(f"{name} must increase, got {value}")
        if len(self.anneal_steps) != len(self.anneal_lambdas):
            raise ValueError(f"anneal_steps needs one number per anneal_lambdas, got {self.anneal_steps}")
        if self.closure_steps > RECORDS:
            raise ValueError(
                f"closure_steps must be at most {RECORDS} (each one is examined), got {self.closure_steps}"
            )
        for name in ("etas", "demo_eta", "anneal_eta", "forced_eta", "depth_eta", "closure_eta"):
            value = getattr(self, name)
            if max(value if isinstance(value, tuple) else (value,)) >= 1:
                raise ValueError(f"{name} must be below 1 (SGD diverges), got {value}")
