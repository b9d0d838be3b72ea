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


@pytest.mark.parametrize("seed", range(50_000, 50_060))
def test_the_gap_closes_whatever_the_size_of_points_targets_and_decay(seed):
    """Sizes over eight decades, and a point that has two targets."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    X, y = 10 ** rng.uniform(-4, 4) * rng.normal(size=(n, 2)), 10 ** rng.uniform(-4, 4) * rng.normal(size=n)
    if seed % 5 == 0:
        X, y = np.vstack([X, X[:1]]), np.append(y, -y[0])
    found = convex_two_layer(X, y, 10 ** rng.uniform(-4, 0) * np.abs(y).max() * np.abs(X).max())
    assert found.objective - found.bound <= 1e-9 * np.mean(y**2)
    assert found.objective <= np.mean(y**2) / 2 * (1 + 1e-12), "the network that is 0 is one of them"


def test_a_rescaled_problem_has_the_rescaled_answer():
    X, y = points(10_004)
    one, other = convex_two_layer(X, y, DECAY), convex_two_layer(3 * X, 10 * y, 30 * DECAY)
    assert other.objective == pytest.approx(100 * one.objective, rel=1e-8)
    np.testing.assert_allclose(other.a, 10 / 3 * one.a, rtol=1e-4)
    np.testing.assert_allclose(other.certificate, 30 * one.certificate, atol=1e-4)


def test_targets_of_zero_need_no_network():
    found = convex_two_layer(np.eye(2), np.zeros(2), DECAY)
    assert found.objective == found.bound == 0
    assert len(found.a) == 0


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(broken):
    X, y = points(10_000)
    X[3, 1] = broken
    with pytest.raises(ValueError, match="finite"):
        convex_two_layer(X, y, DECAY)
    with pytest.raises(ValueError, match="finite"):
        convex_two_layer(np.nan_to_num(X), np.append(y[1:], broken), DECAY)
    with pytest.raises(ValueError, match="decay must be positive and finite"):
        convex_two_layer(*points(10_000), broken)


def test_a_slip_is_named():
    X, y = points(10_000)
    with pytest.raises(ValueError, match="decay must be positive"):
        convex_two_layer(X, y, 0.0)
    with pytest.raises(ValueError, match="shape"):
        convex_two_layer(np.ones((4, 3)), np.ones(4), DECAY)
    with pytest.raises(ValueError, match="at least one point"):
        convex_two_layer(np.zeros((0, 2)), np.zeros(0), DECAY)
