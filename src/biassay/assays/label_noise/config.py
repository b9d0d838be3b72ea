"""The configuration of the assay `label-noise`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Six settings of one dynamics; `lr` is eta, `std` the standard deviation s of the noise in the labels."""

    # drift: tanh network of 6 units on 4 points in the plane
    drift_sets: int = 4
    """Data sets (points, network, zero-error start)."""
    drift_runs: int = 256
    """Runs of SGD from each start."""
    drift_lr: tuple[float, ...] = (2e-3, 1e-3)
    """Step sizes, each half of the one before."""
    drift_std: float = 0.3
    drift_steps: int = 20_000
    """Steps at the largest step size; smaller ones take as many as cover the same drift time."""

    # escape: tanh network of 10 units on one point
    escape_lr: tuple[float, ...] = (4e-3, 2e-3, 1e-3, 5e-4, 2.5e-4)
    escape_std: float = 0.5
    escape_runs: int = 16

    # sensing: a positive semi-definite matrix from n Gaussian measurements
    sensing_d: int = 20
    sensing_rank: int = 1
    sensing_measurements: int = 100
    sensing_batch: int = 10
    sensing_variance: float = 0.1
    """Variance of the label noise."""
    sensing_lr: float = 4e-3
    """Step size eta; the clock is read at eta and eta / 2."""
    sensing_steps: int = 200_000
    sensing_sets: int = 5
    """Data sets."""
    sensing_runs: int = 3
    """Runs of SGD on each data set."""

    # curve: one-dimensional interpolation by a ReLU network
    curve_units: int = 60
    curve_lr: float = 3e-3
    curve_std: float = 0.7
    curve_steps: int = 320_000
    curve_pairs: int = 10
    """Starts, each run with and without noise."""

    # one point: two-layer networks with tanh and logistic units
    point_units: int = 10
    point_lr: float = 1e-2
    point_std: float = 0.5
    point_steps: int = 1_200_000
    point_starts: int = 8
    """Starts followed by the drift equation."""
    point_runs: int = 3
    """Starts that SGD is run from as well."""

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
    """Steps of all arms but Langevin noise."""
    sparse_langevin_steps: int = 300_000
    """Steps with Langevin noise."""
    sparse_sets: int = 4
    """Data sets."""

    seed: int = 0
    """First seed of everything that is drawn."""
    seeds: int = 8
    """Points at which the stability test is checked."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        # sparse
        if not 1 <= self.sparse_support <= self.sparse_measurements < self.sparse_d:
            raise ValueError(
                "sparse recovery needs sparse_support <= sparse_measurements < sparse_d, or nothing is left to choose, "
                f"got {self.sparse_support}, {self.sparse_measurements}, {self.sparse_d}"
            )
        if self.sparse_lr <= 0:
            raise ValueError(f"sparse_lr must be positive, got {self.sparse_lr}")
        for name in ("sparse_steps", "sparse_langevin_steps"):
            if getattr(self, name) < 1200:
                raise ValueError(f"{name} must be at least 1200, as many as are recorded, got {getattr(self, name)}")
        if self.sparse_sets < 1:
            raise ValueError(f"sparse_sets must be at least 1, got {self.sparse_sets}")
