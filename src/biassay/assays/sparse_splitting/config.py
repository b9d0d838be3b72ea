"""The configuration of the assay `sparse-splitting`."""

from __future__ import annotations

from dataclasses import dataclass

from ...data.digits import check_sizes

BETA = 0.04
"""The spring at which the claims are judged; it always runs."""
LAM, LOST_LAM = 1e-4, 2e-3
"""The penalty's weight at which recovery is judged, and the one at which l0 loses the support; both always run."""

RECORDS = 40
"""Records of the neuron along its way."""


@dataclass(frozen=True)
class Config:
    """The convolutional neuron with a sparse truth, and a small network on the digits."""

    d: int = 50
    """Entries of a patch, and of the weights w."""
    k: int = 20
    """Patches, none overlapping another."""
    nonzeros: int = 5
    """Entries of the truth that are not zero."""
    shape: float = 1.0
    """Shape a of the transformed l1 penalty, in both parts."""
    lr: float = 0.5
    """Step size η of the neuron."""
    steps: int = 4000
    """Steps of the neuron."""
    betas: tuple[float, ...] = (BETA,)
    """Springs β, beside the one the claims are judged at."""
    lams: tuple[float, ...] = (1e-5, LAM, LOST_LAM)
    """Weights λ of the penalty, beside those the claims are judged at and 0."""
    unstable_lr: float = 8.0
    """Step size at which the Lagrangian rises, the control."""
    edge_steps: int = 100
    """Steps at this step size, and at the largest one that is claimed to be safe."""
    channels: tuple[int, ...] = (4, 8, 8)
    """Channels of the network's three convolutions."""
    train: int = 800
    """Digits it is trained on."""
    test: int = 600
    """Digits held out."""
    batch: int = 32
    """Digits a step."""
    epochs: int = 12
    """Epochs of the network."""
    cnn_lr: float = 0.03
    """Its step size."""
    momentum: float = 0.9
    """Its momentum."""
    cnn_beta: float = 0.3
    """Its spring β."""
    cnn_lams: tuple[float, ...] = (0.002, 0.005, 0.01)
    """Its weights λ of the penalty; 0, dense training, always runs."""
    cnn_seeds: int = 6
    """Networks: those of the first seeds."""
    seed: int = 0
    """First seed."""
    seeds: int = 64
    """Truths of the neuron, each with a start of its own."""

    def __post_init__(self) -> None:
        for name in ("betas", "lams", "cnn_lams"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise ValueError(f"{name} needs one or more positive numbers (0 always runs), got {values}")
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must not name a value twice, got {values}")
        for name in ("shape", "lr", "unstable_lr", "cnn_lr", "cnn_beta"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("k", "nonzeros", "batch", "epochs", "cnn_seeds", "seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("steps", "edge_steps"):
            if getattr(self, name) < RECORDS:
                raise ValueError(f"{name} must be at least {RECORDS}, one a record, got {getattr(self, name)}")
        if self.nonzeros >= self.d:
            raise ValueError(f"nonzeros must be below d, got nonzeros={self.nonzeros}, d={self.d}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must lie in 0..1, 1 excluded, got {self.momentum}")
        if len(self.channels) != 3 or min(self.channels) < 1:
            raise ValueError(f"channels must be 3 numbers of at least 1, got {self.channels}")
        if self.batch > self.train:
            raise ValueError(f"batch must be at most train, got batch={self.batch}, train={self.train}")
        check_sizes(self.train, self.test)

    @property
    def all_betas(self) -> tuple[float, ...]:
        """The springs that run, rising."""
        return tuple(sorted({BETA, *self.betas}))

    @property
    def all_lams(self) -> tuple[float, ...]:
        """The weights of the penalty that run, rising from 0."""
        return tuple(sorted({0.0, LAM, LOST_LAM, *self.lams}))
