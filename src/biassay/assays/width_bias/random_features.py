"""Random features: the first layer frozen, the second by minimum-norm least squares. NumPy in float64.

The features are relu(x W^T) / sqrt(H), W ~ N(0, 2/d), the targets one-hot vectors minus .1. With H <= n features the
singular values of the features are used, with H > n those of their n x n Gram matrix K: the solution is then
features^T K^{-1} targets, and its outputs need nothing but K and the products with the test features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from ...data import digits
from .config import Config
from .digits_widths import Digits, Stream

RIDGES = np.append(0.0, 10.0 ** np.arange(-6, 3))
"""Ridge parameters among which the best is chosen on the test set; 0 is the minimum-norm solution."""


class Solutions(NamedTuple):
    """Least squares with every ridge parameter of `RIDGES`: outputs on the training and test set, and the norm of the
    weights of every output."""

    train: Float[np.ndarray, "ridge n k"]
    test: Float[np.ndarray, "ridge m k"]
    norm: Float[np.ndarray, "ridge k"]


def solve(
    features: Float[np.ndarray, "n H"], test_features: Float[np.ndarray, "m H"], targets: Float[np.ndarray, "n k"]
) -> Solutions:
    """argmin |features V - targets|^2 + ridge |V|^2 for every ridge parameter; for 0 the one of least norm."""
    n, H = features.shape
    if n >= H:
        U, s, Vt = np.linalg.svd(features, full_matrices=False)
        known = test_features @ Vt.T
        rounding = n * np.finfo(float).eps * s.max()
    else:
        squares, U = np.linalg.eigh(features @ features.T)
        s = np.sqrt(np.maximum(squares, np.finfo(float).tiny))
        known = test_features @ features.T @ U / s
        rounding = np.sqrt(n * np.finfo(float).eps) * s.max()
    # A feature that no training input activates has singular value 0, and weight 0 in the solution of least norm.
    inverse = np.where(s > rounding, s / (s**2 + RIDGES[:, None]), 0.0)
    coefficients = inverse[:, :, None] * (U.T @ targets)
    return Solutions(U @ (s[:, None] * coefficients), known @ coefficients, np.linalg.norm(coefficients, axis=1))


def features(
    rng: np.random.Generator, inputs: tuple[Float[np.ndarray, "_ d"], ...], H: int
) -> tuple[Float[np.ndarray, "_ H"], ...]:
    """relu(x W^T) / sqrt(H) for each of the inputs, with one W of shape (H, d)."""
    W = rng.normal(size=(H, inputs[0].shape[1])) * (2 / inputs[0].shape[1]) ** 0.5
    return tuple(np.maximum(x @ W.T, 0) / H**0.5 for x in inputs)


MEASURED = {
    "feature_test": "test error of minimum-norm least squares on random features",
    "feature_train": "training error of minimum-norm least squares on random features",
    "feature_norm": "norm of the minimum-norm output weights",
    "feature_ridge": "test error with the ridge parameter that is best on the test set",
}


@threadpool_limits.wrap(limits=1)
def random_features(config: Config, data: Digits) -> xr.Dataset:
    """`MEASURED` with dimensions (rate, seed, feature).

    On one thread: matrices of this size take several threads five times the processor time, and no less time.
    """
    x, test_x = (np.asarray(part, float) for part in (data.x, data.test_x))
    y, test_y = (np.asarray(part) for part in (data.y, data.test_y))
    rates = y.shape[1]
    found = {name: np.empty((rates, config.seeds, len(config.features))) for name in MEASURED}
    for i in range(config.seeds):
        # All rates share the features: their targets stand side by side.
        targets = np.concatenate(np.eye(digits.CLASSES)[y[i]] - 0.1, axis=1)
        for j, H in enumerate(config.features):
            rng = np.random.default_rng((config.seed + i, Stream.FEATURES, H))
            own_features, test_features = features(rng, (x[i], test_x[i]), H)
            own = solve(own_features, test_features, targets)
            label, test_label = (part.reshape(*part.shape[:2], rates, -1).argmax(-1) for part in (own.train, own.test))
            error = np.mean(test_label != test_y[i][:, None], axis=1)
            found["feature_test"][:, i, j] = error[0]
            found["feature_ridge"][:, i, j] = error.min(axis=0)
            found["feature_train"][:, i, j] = np.mean(label[0] != y[i].T, axis=0)
            found["feature_norm"][:, i, j] = np.linalg.norm(own.norm[0].reshape(rates, -1), axis=1)
    axes = ("rate", "seed", "feature")
    return xr.Dataset(
        {name: (axes, values, {"long_name": MEASURED[name]}) for name, values in found.items()},
        coords={"feature": ("feature", list(config.features), {"long_name": "random features"})},
    )
