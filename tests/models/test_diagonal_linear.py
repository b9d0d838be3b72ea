"""The diagonal linear network: its coefficients, its closed gradient, and compiled programs that are shared."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models.diagonal_linear import coefficients, diagonal_linear

pytestmark = pytest.mark.usefixtures("x64")


def system(depth):
    rng = np.random.default_rng(10_000)
    A, y, w = rng.normal(size=(4, 6)), rng.normal(size=4), rng.uniform(0.2, 1.0, 12)
    return diagonal_linear(jnp.asarray(A), jnp.asarray(y), depth), A, y, w


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_outputs_and_risk_are_those_of_the_doubled_matrix(depth):
    problem, A, y, w = system(depth)
    D = np.hstack([A, -A])
    np.testing.assert_allclose(problem.predict(jnp.asarray(w), problem.x), D @ w**depth, rtol=1e-12)
    assert float(problem.risk(jnp.asarray(w))) == pytest.approx(np.sum((D @ w**depth - y) ** 2) / 2, rel=1e-12)
    np.testing.assert_allclose(coefficients(jnp.asarray(w), depth), w[:6] ** depth - w[6:] ** depth, rtol=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_closed_gradient_is_the_automatic_one(depth):
    problem, _, _, w = system(depth)
    expected = jax.grad(problem.risk)(jnp.asarray(w))
    np.testing.assert_allclose(problem.gradient(jnp.asarray(w)), expected, rtol=1e-12)
    other = system(depth + 1)[0]
    assert np.abs(other.gradient(jnp.asarray(w)) - expected).max() > 1e-2, "another depth has another gradient"


def test_problems_of_one_depth_share_a_program():
    traced = []

    @jax.jit
    def risk(problem, w):
        traced.append(problem)
        return problem.risk(w)

    for depth in (2, 2, 3):
        problem, _, _, w = system(depth)
        risk(problem, jnp.asarray(w))
    assert len(traced) == 2


def test_a_depth_below_one_is_told():
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        diagonal_linear(jnp.ones((1, 2)), jnp.ones(1), 0)
