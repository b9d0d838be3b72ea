"""The exact interpolators: each against its definition, found another way."""

import numpy as np
import pytest
from scipy.optimize import minimize

from biassay.references import interpolators as reference
from biassay.references import iterative_solvers


@pytest.fixture
def regression():
    rng = np.random.default_rng(10_000)
    return rng.normal(size=(12, 5)), rng.normal(size=5), rng


def smallest(X, y, size):
    """argmin size(w) on X^T w = y by searching the null space of X^T, from its particular solution."""
    fixed = np.linalg.lstsq(X.T, y, rcond=None)[0]
    null = np.linalg.svd(X)[0][:, X.shape[1] :]
    found = minimize(lambda a: size(fixed + null @ a), np.zeros(null.shape[1]), method="BFGS", options={"gtol": 1e-9})
    return fixed + null @ found.x


def test_min_norm_is_the_smallest_solution(regression):
    X, y, rng = regression
    w = reference.min_norm(X, y)
    np.testing.assert_allclose(X.T @ w, y, atol=1e-13)
    np.testing.assert_allclose(w, X @ np.linalg.solve(X.T @ X, y), atol=1e-13)
    null = np.linalg.svd(X)[0][:, 5:]
    assert all(np.linalg.norm(w + null @ rng.normal(size=7)) > np.linalg.norm(w) for _ in range(20))


def test_ridge_solves_the_normal_equations_in_d_dimensions(regression):
    X, y, _ = regression
    w = reference.ridge(X, y, 0.3)
    np.testing.assert_allclose((X @ X.T + 0.3 * np.eye(12)) @ w, X @ y, atol=1e-12)
    assert np.linalg.norm(X.T @ w - y) > 1e-2


def test_ridge_tends_to_the_minimum_norm_solution(regression):
    X, y, _ = regression
    gaps = [np.linalg.norm(reference.ridge(X, y, decay) - reference.min_norm(X, y)) for decay in (1e-3, 1e-4)]
    assert 9.5 < gaps[0] / gaps[1] < 10.5


def test_projection_is_the_nearest_solution(regression):
    X, y, rng = regression
    start = rng.normal(size=12)
    w = reference.projection(X, y, start)
    np.testing.assert_allclose(X.T @ w, y, atol=1e-13)
    np.testing.assert_allclose(w, smallest(X, y, lambda v: np.sum((v - start) ** 2)), atol=1e-6)
    assert np.linalg.norm(w - reference.min_norm(X, y)) > 0.1


def test_weighted_min_norm_is_the_smallest_in_the_weighted_norm(regression):
    X, y, rng = regression
    D = rng.uniform(0.1, 10, size=12)
    w = reference.weighted_min_norm(X, y, D)
    np.testing.assert_allclose(w, D * (X @ np.linalg.solve(X.T @ (D[:, None] * X), y)), atol=1e-12)
    np.testing.assert_allclose(w, smallest(X, y, lambda v: v @ (v / D)), atol=1e-6)
    np.testing.assert_allclose(reference.weighted_min_norm(X, y, np.ones(12)), reference.min_norm(X, y), atol=1e-13)
    with pytest.raises(ValueError, match="must be positive"):
        reference.weighted_min_norm(X, y, -D)


@pytest.mark.parametrize("p", [1.2, 4 / 3, 1.5, 2.0, 3.0, 4.0])
def test_min_p_norm_meets_its_optimality_condition(regression, p):
    X, y, _ = regression
    w = reference.min_p_norm(X, y, p)
    np.testing.assert_allclose(X.T @ w, y, atol=1e-10)
    gradient = reference.dual_map(w, p)
    Q, _ = np.linalg.qr(X)
    assert np.linalg.norm(gradient - Q @ (Q.T @ gradient)) < 1e-8 * np.linalg.norm(gradient)


@pytest.mark.parametrize("p", [1.5, 3.0])
def test_min_p_norm_agrees_with_a_search_of_the_solutions(regression, p):
    X, y, _ = regression
    w = reference.min_p_norm(X, y, p)
    np.testing.assert_allclose(w, smallest(X, y, lambda v: np.sum(np.abs(v) ** p)), atol=1e-4)
    assert np.linalg.norm(w - reference.min_norm(X, y)) > 1e-2


def test_min_p_norm_refuses_what_it_cannot_do(regression):
    X, y, _ = regression
    with pytest.raises(ValueError, match="p must be above 1"):
        reference.min_p_norm(X, y, 1.0)


def test_min_p_norm_on_the_two_published_points():
    X, y = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 0.0]]), np.array([1.0, 10.0])
    np.testing.assert_allclose(reference.min_p_norm(X, y, 4 / 3), [2.3e-4, 4.99988, -4.00012], atol=6e-6)


def test_l1_and_linf_minima_are_certified_by_duality(regression):
    """max y.a subject to |X a|_dual <= 1 equals the minimum; the p-norm minima approach it from the inside."""
    X, y, _ = regression
    one, largest = reference.min_l1_norm(X, y), reference.min_linf_norm(X, y)
    for w in (one, largest):
        np.testing.assert_allclose(X.T @ w, y, atol=1e-9)
    assert np.sum(np.abs(one) > 1e-9) <= 5
    assert np.sum(np.abs(np.abs(largest) - np.abs(largest).max()) < 1e-9) >= 12 - 5 + 1
    near = reference.min_p_norm(X, y, 1.1)
    a = np.linalg.lstsq(X, reference.dual_map(near, 1.1), rcond=None)[0]
    bound = y @ a / np.abs(X @ a).max()
    assert bound <= np.abs(one).sum() <= np.abs(near).sum()
    near = reference.min_p_norm(X, y, 4.0)
    a = np.linalg.lstsq(X, reference.dual_map(near, 4.0), rcond=None)[0]
    bound = y @ a / np.abs(X @ a).sum()
    assert bound <= np.abs(largest).max() <= np.abs(near).max()


def test_the_spectral_filter_equals_the_matrix_sum(regression):
    X, y, rng = regression
    gamma, k = 0.9 / np.linalg.norm(X, 2) ** 2, 40
    shrink = np.eye(12) - gamma * X @ X.T
    total = sum(np.linalg.matrix_power(shrink, i) for i in range(k))
    np.testing.assert_allclose(reference.gradient_descent_iterate(X, y, gamma, k), gamma * total @ X @ y, atol=1e-12)
    start = rng.normal(size=12)
    moved = np.linalg.matrix_power(shrink, k) @ start + gamma * total @ X @ y
    np.testing.assert_allclose(reference.gradient_descent_iterate(X, y, gamma, k, start), moved, atol=1e-12)
    one_less = sum(np.linalg.matrix_power(shrink, i) for i in range(k - 1))
    assert np.abs(reference.gradient_descent_iterate(X, y, gamma, k) - gamma * one_less @ X @ y).max() > 1e-6


@pytest.mark.parametrize("solver", [iterative_solvers.conjugate_gradients, iterative_solvers.lbfgs])
def test_iterative_solvers_find_the_minimum_norm_solution(regression, solver):
    X, y, _ = regression
    iterates = solver(X, y, 100)
    assert np.all(iterates[0] == 0)
    errors = np.linalg.norm(iterates - reference.min_norm(X, y), axis=1)
    assert errors[-1] < 1e-10 < 1e-2 < errors[1]
