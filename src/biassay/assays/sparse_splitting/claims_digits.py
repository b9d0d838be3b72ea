"""What the assay `sparse-splitting` claims of the network on the digits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim

MANY_ZEROS = 0.8
"""The least share of zeros at which the networks on the digits are judged."""
COST = (-math.inf, 0.15)
"""Test accuracy that the zeros may cost."""


def sparse_enough(data: xr.Dataset, penalty: str) -> xr.DataArray:
    """Which lambda each seed is judged at: the one with the fewest zeros that are `MANY_ZEROS` at least, else -1."""
    share = data["cnn_zeros"].sel(penalty=penalty).transpose("cnn_seed", "cnn_lam").values
    enough = np.where(share >= MANY_ZEROS, share, np.inf)
    index = np.where(np.isfinite(enough).any(axis=1), enough.argmin(axis=1), -1)
    return xr.DataArray(index, dims="cnn_seed")


def cost(data: xr.Dataset, penalty: str, network: str) -> np.ndarray:
    """Test accuracy of the dense network minus that of `network`, where it is sparse enough, one number a seed."""
    accuracy = data["cnn_accuracy"].sel(penalty=penalty, network=network).transpose("cnn_seed", "cnn_lam")
    index = sparse_enough(data, penalty)
    return np.where(index >= 0, (accuracy.isel(cnn_lam=0) - accuracy.isel(cnn_lam=index)).values, np.nan)


def _keeps_accuracy(name: str, penalty: str, recorded: Any) -> Claim:
    return Claim(
        name=f"cnn-{name}",
        says=f"Trained with {penalty} to {MANY_ZEROS:.0%} exact zeros or more, a network loses at most {COST[1]} of "
        "test accuracy.",
        cite="dinh2018splitting",
        provenance="derived",
        measure=lambda data: cost(data, penalty, "u"),
        region=COST,
        control=lambda data: cost(data, penalty, "pruned"),
        control_says="the dense network with as many of its smallest weights set to zero afterwards",
        premise=lambda data: (sparse_enough(data, penalty) >= 0).values,
        premise_says=f"{MANY_ZEROS:.0%} of the kernels' weights are zero in u at some λ",
        min_seeds=5,
        unit="test accuracy, dense minus sparse",
        recorded=recorded,
    )


NETWORK = (
    Claim(
        name="cnn-zeros",
        says="The largest λ gives more than half exact zeros with every penalty; they are in u, not in w.",
        cite="dinh2018splitting",
        provenance="derived",
        measure=lambda data: data["cnn_zeros"].isel(cnn_lam=-1).min("penalty"),
        region=(0.5, 1.0),
        control=lambda data: np.concatenate(
            [data["cnn_zeros"].isel(cnn_lam=0).max("penalty"), data["cnn_zeros_w"].isel(cnn_lam=-1).max("penalty")]
        ),
        control_says="dense training, λ = 0, and the weights w themselves: no zero",
        control_region=(0.0, 0.0),
        statistic="every",
        min_seeds=5,
        unit="share of exact zeros in the kernels",
        recorded="holds",
    ),
    _keeps_accuracy("l1", "l1", "holds"),
    _keeps_accuracy("l0", "l0", "holds"),
    _keeps_accuracy("tl1", "transformed l1", "holds"),
)
