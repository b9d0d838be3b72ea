"""The optimum over all two-layer networks with weight decay: against a lasso on a grid, and against its own dual."""

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from biassay.references import convex_two_layer

DECAY = 0.02


def points(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(12, 2)), rng.choice([-1.0, 1.0], 12)


def objective(X, y, W, v) -> float:
    outputs = np.maximum(X @ W.T, 0) @ v
    return float(np.mean((outputs - y) ** 2) / 2 + DECAY / 2 * (np.sum(W**2) + np.sum(v**2)))


@pytest.mark.parametrize("seed", range(10_000, 10_006))
def test_the_network_has_the_objective_and_the_gap_is_closed(seed):
    X, y = points(seed)
    found = convex_two_layer(X, y, DECAY)
    root = np.sqrt(np.abs(found.a))
    own = objective(X, y, root[:, None] * found.u, np.sign(found.a) * root)
    assert own == pytest.approx(found.objective, abs=1e-12)
    assert 0 <= found.objective - found.bound < 1e-6
    assert np.abs(found.certificate).max() <= DECAY * (1 + 1e-9)
    np.testing.assert_allclose(np.linalg.norm(found.u, axis=1), 1)
    assert len(found.a) <= len(y) + 1


@pytest.mark.parametrize("seed", [10_000, 10_001])
def test_lassos_on_finer_grids_come_down_to_it(seed):
    X, y = points(seed)
    exact = convex_two_layer(X, y, DECAY).objective
    gaps = []
    for count in (30, 120, 480):
        angles = 2 * np.pi * np.arange(count) / count
        features = np.maximum(X @ np.stack([np.cos(angles), np.sin(angles)]), 0)
        # scikit-learn minimises |y - features a|^2 / (2 n) + alpha |a|_1.
        a = Lasso(DECAY, fit_intercept=False, tol=1e-10, max_iter=10**6).fit(features, y).coef_
        gaps.append(np.mean((features @ a - y) ** 2) / 2 + DECAY * np.abs(a).sum() - exact)
    assert min(gaps) > -1e-9, "a grid cannot be better"
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 3e-4


def test_no_network_is_better_and_a_rescaled_one_is_worse():
    X, y = points(10_002)
    found = convex_two_layer(X, y, DECAY)
    rng = np.random.default_rng(0)
    root = np.sqrt(np.abs(found.a))
    W, v = root[:, None] * found.u, np.sign(found.a) * root
    for _ in range(200):
        moved = objective(X, y, W + 1e-3 * rng.normal(size=W.shape), v + 1e-3 * rng.normal(size=v.shape))
        assert moved > found.bound
    assert objective(X, y, 2 * W, v / 2) > found.objective + 1e-3


def test_targets_that_cost_more_than_they_bring_are_not_fitted():
    X, y = points(10_003)
    found = convex_two_layer(X, y, 1e3)
    assert len(found.a) == 0
    assert found.objective == pytest.approx(0.5)


def test_a_slip_is_named():
    X, y = points(10_000)
    with pytest.raises(ValueError, match="decay must be positive"):
        convex_two_layer(X, y, 0.0)
    with pytest.raises(ValueError, match="shape"):
        convex_two_layer(np.ones((4, 3)), np.ones(4), DECAY)
