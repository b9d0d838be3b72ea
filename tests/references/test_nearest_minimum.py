"""The nearest solution of a nonlinear system, against answers known in closed form and a search by SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from biassay.references import min_norm, nearest_minimum


def circle(theta):
    return np.array([theta @ theta - 1.0])


def circle_jacobian(theta):
    return 2 * theta[None, :]


def test_on_a_sphere_it_is_the_radial_projection():
    rng = np.random.default_rng(10_000)
    anchor, start = rng.normal(size=(2, 5))
    found = nearest_minimum(circle, circle_jacobian, start, anchor, tolerance=1e-12)
    np.testing.assert_allclose(found.theta, anchor / np.linalg.norm(anchor), atol=1e-11)
    np.testing.assert_allclose(found.distance, abs(np.linalg.norm(anchor) - 1), rtol=1e-11)
    assert found.residual < 1e-12
    assert found.tangential < 1e-12


def test_on_a_linear_system_it_is_the_projection_at_once():
    rng = np.random.default_rng(10_001)
    X, y, anchor, start = rng.normal(size=(8, 3)), rng.normal(size=3), rng.normal(size=8), rng.normal(size=8)
    found = nearest_minimum(lambda w: X.T @ w - y, lambda w: X.T, start, anchor, tolerance=1e-12)
    np.testing.assert_allclose(found.theta, anchor + min_norm(X, y - X.T @ anchor), atol=1e-12)
    assert found.slides <= 2
    unfinished = nearest_minimum(lambda w: X.T @ w - y, lambda w: X.T, start, anchor, damping=0.3, slides=1)
    assert unfinished.residual < 1e-12
    assert unfinished.distance > found.distance + 1e-3


def test_it_agrees_with_a_constrained_search():
    rng = np.random.default_rng(10_002)
    A, y, anchor = rng.normal(size=(2, 6)), rng.normal(size=2), rng.normal(size=6)

    def residual(theta):
        return np.sinh(A @ theta) + A @ theta**2 - y

    def jacobian(theta):
        return np.cosh(A @ theta)[:, None] * A + 2 * A * theta

    found = nearest_minimum(residual, jacobian, anchor, anchor, tolerance=1e-10)
    searched = minimize(
        lambda t: np.sum((t - anchor) ** 2),
        found.theta + 0.1 * rng.normal(size=6),
        jac=lambda t: 2 * (t - anchor),
        constraints={"type": "eq", "fun": residual, "jac": jacobian},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.residual < 1e-12
    np.testing.assert_allclose(found.distance, np.linalg.norm(searched.x - anchor), rtol=1e-6)


def test_two_starts_may_end_at_two_local_minima_of_the_distance():
    # The curve theta_1 = theta_0^3 - 3 theta_0 seen from a point on the axis of symmetry of its two bumps.
    def residual(theta):
        return np.array([theta[1] - theta[0] ** 3 + 3 * theta[0]])

    def jacobian(theta):
        return np.array([[-3 * theta[0] ** 2 + 3, 1.0]])

    anchor = np.array([0.3, 2.5])
    starts = (np.array([-1.2, 2.0]), np.array([2.1, 3.0]))
    near, far = (nearest_minimum(residual, jacobian, start, anchor, damping=0.1) for start in starts)
    assert max(near.tangential, far.tangential) < 1e-3
    assert max(near.residual, far.residual) < 1e-12
    assert abs(near.distance - far.distance) > 0.1


def test_the_safeguard_takes_back_slides_that_lose_the_manifold():
    # A curve that turns back on itself: the whole tangential step leads where Newton's method does not return.
    def residual(theta):
        return np.array([theta[1] - np.sin(6 * theta[0])])

    def jacobian(theta):
        return np.array([[-6 * np.cos(6 * theta[0]), 1.0]])

    anchor = np.array([0.0, 4.0])
    found = nearest_minimum(residual, jacobian, np.array([1.9, np.sin(6 * 1.9)]), anchor)
    assert found.residual < 1e-12
    assert found.tangential < 1e-6
    assert found.slides > 2


def test_no_solution_is_told_as_infinite():
    def residual(theta):
        return np.array([theta @ theta + 1.0])

    for start in (np.zeros(3), np.ones(3)):
        found = nearest_minimum(residual, circle_jacobian, start, np.ones(3))
        assert found.distance == found.residual == found.tangential == np.inf


@pytest.mark.parametrize(("option", "words"), [({"damping": 0.0}, "damping"), ({"slides": 0}, "slides")])
def test_options_are_checked(option, words):
    with pytest.raises(ValueError, match=words):
        nearest_minimum(circle, circle_jacobian, np.ones(2), np.ones(2), **option)
