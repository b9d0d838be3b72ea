"""The configuration of the assay `label-noise`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

DRIFT_LIMIT = 0.05
"""Above this step size SGD may be unstable on a data set of the experiment on drift."""


@dataclass(frozen=True)
class Config:
    """Six settings of one dynamics; `lr` is eta, `std` the standard deviation s of the noise in the labels."""

    # drift: tanh network of 6 units on 4 points in the plane
    drift_sets: int = 4
    """Data sets (points, network, zero-error start)."""
    drift_runs: int = 256
    """Runs of SGD from each start."""
    drift_lr: tuple[float, ...] = (8e-3, 4e-3, 2e-3, 1e-3)
    """Step sizes, each half of the one before."""
    drift_std: float = 0.3
    drift_steps: int = 1250
    """Steps at the largest step size; smaller ones take as many as cover the same drift time."""

    # escape: tanh network of 10 units on one point
    escape_lr: tuple[float, ...] = (4e-3, 2e-3, 1e-3, 5e-4, 2.5e-4)
    """Step sizes eta; each runs for eta^-1.6 steps."""
    escape_std: float = 0.5
    escape_runs: int = 16
    """Starts, each run once from there and once from the end of its drift flow."""

    # sensing: a positive semi-definite matrix from n Gaussian measurements
    sensing_d: int = 20
    """Size of the matrix, which has d (d + 1) / 2 unknowns."""
    sensing_rank: int = 1
    """Rank of the target."""
    sensing_measurements: int = 100
    """Measurements n."""
    sensing_batch: int = 10
    """Examples a step, with replacement."""
    sensing_variance: float = 0.1
    """Variance of the label noise."""
    sensing_lr: float = 4e-3
    """Step size eta; the clock is read at eta and eta / 2."""
    sensing_steps: int = 200_000
    """Steps at eta; eta / 2 takes half as many again."""
    sensing_sets: int = 7
    """Data sets; those that leave no choice are set apart."""
    sensing_runs: int = 3
    """Runs of SGD on each data set."""
    sensing_large: bool = False
    """Whether a large problem is run too, in single precision."""
    sensing_large_d: int = 100
    sensing_large_rank: int = 5
    sensing_large_measurements: int = 2500
    sensing_large_batch: int = 250
    """Examples a step, neighbours in the order of the measurements."""
    sensing_large_lr: float = 7e-3
    sensing_large_steps: int = 200_000

    # curve: one-dimensional interpolation by a ReLU network
    curve_units: int = 60
    """Hidden units, beside one linear and one constant unit."""
    curve_lr: float = 3e-3
    curve_std: float = 0.7
    curve_steps: int = 320_000
    """Steps, the last quarter of them without noise."""
    curve_pairs: int = 30
    """Starts, each run with and without noise, and with noise and one layer trained."""

    # one point: two-layer networks with tanh and logistic units
    point_units: int = 10
    point_lr: float = 1e-2
    point_std: float = 0.5
    point_steps: int = 1_200_000
    """Steps of SGD."""
    point_horizon: float = 1e7
    """Drift time to which the drift equation is followed."""
    point_starts: int = 8
    """Starts, each followed by the drift equation and by SGD."""

    # sparse recovery by h(v) = <x, v . v>
    sparse_d: int = 100
    """Parameters."""
    sparse_measurements: int = 40
    """Examples."""
    sparse_support: int = 5
    """Ones in the target; its other entries are zero."""
    sparse_lr: float = 1e-2
    """Step size, divided by ten after each third of the steps; the clock is also read at half of it."""
    sparse_steps: int = 300_000
    """Steps."""
    sparse_sets: int = 4
    """Data sets."""

    # stability: the test on tanh networks of 10 units on one point
    stability_time: float = 160.0
    """Drift time after which the drift flow has ended."""

    seed: int = 0
    """First seed of everything that is drawn."""
    seeds: int = 8
    """Networks on which the stability test is checked."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        # drift
        if len(self.drift_lr) < 2 or any(abs(b / a - 0.5) > 1e-9 for a, b in pairwise(self.drift_lr)):
            raise ValueError(f"drift_lr needs two or more step sizes, each half of the one before, got {self.drift_lr}")
        if not 0 < min(self.drift_lr) <= max(self.drift_lr) <= DRIFT_LIMIT:
            raise ValueError(
                f"drift_lr must be positive and at most {DRIFT_LIMIT:g}, up to which SGD is surely stable, "
                f"got {self.drift_lr}"
            )
        for name in ("drift_std", "escape_std"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name, least in {"drift_sets": 1, "drift_runs": 2, "drift_steps": 1, "escape_runs": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        # escape
        if len(self.escape_lr) < 2 or len(set(self.escape_lr)) < len(self.escape_lr) or min(self.escape_lr) <= 0:
            raise ValueError(f"escape_lr needs two or more different positive step sizes, got {self.escape_lr}")
        # sensing
        for size in ("sensing", "sensing_large"):
            d, rank = getattr(self, f"{size}_d"), getattr(self, f"{size}_rank")
            if not 1 <= rank <= d:
                raise ValueError(f"{size}_rank must lie in 1..{size}_d, got {rank} and {size}_d={d}")
            for name in (f"{size}_measurements", f"{size}_batch"):
                if getattr(self, name) < 1:
                    raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
            if getattr(self, f"{size}_lr") <= 0:
                raise ValueError(f"{size}_lr must be positive, got {getattr(self, f'{size}_lr')}")
            if getattr(self, f"{size}_steps") < 1000:
                raise ValueError(f"{size}_steps must be at least 1000, got {getattr(self, f'{size}_steps')}")
        if self.sensing_large_batch > self.sensing_large_measurements:
            raise ValueError(
                "sensing_large_batch must be at most sensing_large_measurements, "
                f"got {self.sensing_large_batch} and {self.sensing_large_measurements}"
            )
        if self.sensing_variance < 0:
            raise ValueError(f"sensing_variance must not be negative, got {self.sensing_variance}")
        for name in ("sensing_sets", "sensing_runs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        # sparse
        if not 1 <= self.sparse_support <= self.sparse_measurements < self.sparse_d:
            raise ValueError(
                "sparse recovery needs sparse_support <= sparse_measurements < sparse_d, or nothing is left to choose, "
                f"got {self.sparse_support}, {self.sparse_measurements}, {self.sparse_d}"
            )
        if self.sparse_lr <= 0:
            raise ValueError(f"sparse_lr must be positive, got {self.sparse_lr}")
        if self.sparse_steps < 1200:
            raise ValueError(f"sparse_steps must be at least 1200, as many as are recorded, got {self.sparse_steps}")
        if self.sparse_sets < 1:
            raise ValueError(f"sparse_sets must be at least 1, got {self.sparse_sets}")
        # curve and one point
        for name in ("curve_lr", "curve_std", "point_lr", "point_std"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name, least in {
            "curve_units": 1,
            "curve_pairs": 1,
            "curve_steps": 4000,
            "point_units": 1,
            "point_starts": 1,
            "point_steps": 2048,
        }.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        reached = (self.point_lr * self.point_std) ** 2 * self.point_steps
        if not self.point_horizon >= 4 * reached:
            raise ValueError(
                f"point_horizon must be at least {4 * reached:g}, four times the drift time of SGD, "
                f"got {self.point_horizon:g}"
            )

        # stability
        if not 1 <= self.stability_time <= 1e4:
            raise ValueError(f"stability_time must lie in 1..10000, got {self.stability_time}")
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")

    def steps_of_drift(self, lr: float) -> int:
        """Steps at the step size lr in the experiment on drift, all of the same drift time lr^2 s^2 steps."""
        return round(self.drift_steps * (max(self.drift_lr) / lr) ** 2)
