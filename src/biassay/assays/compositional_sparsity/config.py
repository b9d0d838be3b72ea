"""The configuration of the assay `compositional-sparsity`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...data.digits import TOTAL

TREE, LITERAL, DEEP, SHALLOW = "tree-4", "tree-1", "deep", "shallow"
"""The networks on R^d: trees with four and with one output a node, and dense ones of log2 d layers and of one."""
CONV, LOCAL, DENSE, DENSE_WIDE = "conv", "local", "dense", "dense-wide"
"""The networks on the digits, beside a `SHALLOW` one: with and without shared weights, and dense ones."""

MOST_ROWS = 2**17
"""Training sets of every size are repeated to one common number of rows; it may not be larger than this."""
_REAL = ("step_sizes", "small_step_sizes", "digits_step_sizes")
_MAY_BE_EMPTY = ("wide_sizes", "other_dims", "other_budgets", "smoothness")
_NAMES = {
    # Field -> the names it may hold, and those it must.
    "architectures": ((TREE, DEEP, SHALLOW, LITERAL), (TREE, SHALLOW)),
    "digits_networks": ((CONV, LOCAL, DENSE, SHALLOW, DENSE_WIDE), (CONV,)),
}


@dataclass(frozen=True)
class Config:
    """Part one: targets composed along a tree, on R^d. Part two: the 8x8 digits."""

    d: int = 8
    """Input dimension, a power of 2 from 4 on."""
    budget: int = 900
    """Parameters of every network; its width is the one that comes nearest."""
    sizes: tuple[int, ...] = (256, 1024, 4096, 16384)
    """Sizes n of the training sets, increasing."""
    size: int = 4096
    """The size, one of `sizes`, at which the controls, other dimensions and other budgets are run."""
    architectures: tuple[str, ...] = (TREE, DEEP, SHALLOW)
    """Networks compared: "tree-4" and "shallow", and of "deep" and "tree-1" those wanted."""
    wide_sizes: tuple[int, ...] = (4096,)
    """The sizes at which the dense network that contains the tree is trained."""
    other_dims: tuple[int, ...] = ()
    """Dimensions beside d, at `budget` and at a budget in proportion to d - 1."""
    other_budgets: tuple[int, ...] = ()
    """Budgets beside `budget`."""
    smoothness: tuple[int, ...] = ()
    """Numbers of derivatives m of further targets, whose constituents are of finite smoothness."""
    steps: int = 2_000
    """Steps of Adam, its step size falling to 0 by a cosine."""
    batch: int = 256
    """Examples a step, drawn with replacement."""
    checkpoints: int = 10
    """How many times, evenly spaced, the errors are taken after the start; in both parts."""
    step_sizes: tuple[float, ...] = (3e-3, 1e-2, 3e-2, 1e-1)
    """Step sizes, of which one is chosen for every architecture, target and size."""
    small_step_sizes: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)
    """Those for training sets of fewer than 1024 points, where large ones overfit."""
    tuning_seeds: int = 2
    """Seeds, other than those judged, on which step sizes are chosen; in both parts."""
    validation: int = 1_000
    """Points that choose the step size and the checkpoint."""
    test: int = 4_000
    """Points of the reported errors."""
    digits_sizes: tuple[int, ...] = (1_000,)
    """Digits: sizes of the training set, increasing."""
    digits_networks: tuple[str, ...] = (CONV, LOCAL, DENSE, SHALLOW)
    """Digits: "conv", and of "local", "dense", "shallow" and "dense-wide" those wanted."""
    digits_steps: int = 1_000
    """Digits: steps of Adam."""
    digits_batch: int = 64
    """Digits: examples a step."""
    digits_step_sizes: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)
    """Digits: step sizes to choose from."""
    digits_validation: int = 200
    """Digits: images that choose the step size and the checkpoint."""
    digits_test: int = 597
    """Digits: images of the reported errors."""
    seed: int = 0
    """First seed."""
    seeds: int = 8
    """Seeds: targets, and splits of the digits."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            values = value if isinstance(value, tuple) else (value,)
            if not values and name not in _MAY_BE_EMPTY:
                raise ValueError(f"{name} must name at least one value")
            if name in _NAMES:
                _check_names(name, value)
                continue
            if not all(math.isfinite(v) and (v > 0 or name == "seed") for v in values):
                raise ValueError(f"{name} must be positive and finite, got {value}")
            if name not in _REAL and any(v != int(v) for v in values):
                raise ValueError(f"{name} must be whole, got {value}")
            if isinstance(value, tuple) and list(value) != sorted(set(value)):
                raise ValueError(f"{name} must increase, got {value}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        for name, dims in {"d": (self.d,), "other_dims": self.other_dims}.items():
            if any(d < 4 or d & (d - 1) for d in dims):
                raise ValueError(f"{name} must be powers of 2 from 4 on, got {dims}")
        if self.d in self.other_dims:
            raise ValueError(f"other_dims must not hold d = {self.d}, got {self.other_dims}")
        if self.budget in self.other_budgets:
            raise ValueError(f"other_budgets must not hold budget = {self.budget}, got {self.other_budgets}")
        for name, value in {"size": (self.size,), "wide_sizes": self.wide_sizes}.items():
            if not set(value) <= set(self.sizes):
                raise ValueError(f"{name} must be among sizes {self.sizes}, got {value}")
        for name, sizes in {"sizes": self.sizes, "digits_sizes": self.digits_sizes}.items():
            if math.lcm(*sizes) > MOST_ROWS:
                raise ValueError(f"{name} must have a common multiple of at most {MOST_ROWS}, got {sizes}")
        for name, steps in {"steps": self.steps, "digits_steps": self.digits_steps}.items():
            if steps < self.checkpoints:
                raise ValueError(f"{name} must be at least checkpoints = {self.checkpoints}, got {steps}")
        needed = max(self.digits_sizes) + self.digits_validation + self.digits_test
        if needed > TOTAL:
            raise ValueError(
                f"digits_sizes, digits_validation and digits_test must add up to at most {TOTAL} digits, got {needed}"
            )
        if self.digits_validation < 2 or self.validation < 2:
            raise ValueError(
                f"validation and digits_validation must be at least 2, got {self.validation}, {self.digits_validation}"
            )


def _check_names(field: str, names: tuple[str, ...]) -> None:
    allowed, needed = _NAMES[field]
    if len(set(names)) != len(names) or not set(needed) <= set(names) <= set(allowed):
        raise ValueError(f"{field} must name {' and '.join(needed)}, once, and may name {allowed}, got {names}")
