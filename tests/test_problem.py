"""Problem: the risk is a mean, a closed-form gradient is used where given, the losses are what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay import Problem
from biassay.problem import cross_entropy, half_squared_error, logistic, negative_margin, squared_error

pytestmark = pytest.mark.usefixtures("x64")


def linear(w, x):
    return x @ w


def test_risk_is_the_mean_loss_and_gradient_its_derivative():
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(6, 3)), rng.normal(size=6), rng.normal(size=3)
    problem = Problem(linear, jnp.asarray(x), jnp.asarray(y), half_squared_error)
    residual = x @ w - y
    assert problem.size == 6
    np.testing.assert_allclose(problem.risk(w), np.mean(residual**2) / 2, rtol=1e-14)
    np.testing.assert_allclose(problem.gradient(w), x.T @ residual / 6, rtol=1e-13)
    batch = problem.batch(jnp.array([4, 1]))
    np.testing.assert_allclose(problem.gradient(w, batch), x[[4, 1]].T @ residual[[4, 1]] / 2, rtol=1e-13)


def test_the_log_sum_exp_of_margins_has_the_gradient_of_a_normalised_exponential_loss():
    rng = np.random.default_rng(2)
    x, y, w = rng.normal(size=(6, 3)), rng.choice([-1.0, 1.0], 6), rng.normal(size=3)
    problem = Problem(linear, jnp.asarray(x), jnp.asarray(y), negative_margin, aggregate=jax.nn.logsumexp)
    losses = np.exp(-y * (x @ w))
    np.testing.assert_allclose(problem.risk(w), np.log(losses.sum()), rtol=1e-14)
    np.testing.assert_allclose(problem.gradient(w), -(x.T @ (y * losses)) / losses.sum(), rtol=1e-13)
    with pytest.raises(ValueError, match="one shape"):
        negative_margin(jnp.ones((6, 1)), jnp.ones(6))


def test_mean_of_single_example_gradients_is_the_full_gradient():
    rng = np.random.default_rng(1)
    x, y, w = rng.normal(size=(5, 3)), rng.normal(size=5), rng.normal(size=3)
    problem = Problem(linear, jnp.asarray(x), jnp.asarray(y), squared_error)
    single = jax.vmap(lambda i: problem.gradient(w, problem.batch(i[None])))(jnp.arange(5))
    np.testing.assert_allclose(single.mean(0), problem.gradient(w), rtol=1e-13)


def test_a_closed_form_gradient_replaces_differentiation():
    def wrong(w, x, y):
        return jnp.full_like(w, 7.0)

    problem = Problem(linear, jnp.eye(2), jnp.ones(2), squared_error, gradient_rule=wrong)
    np.testing.assert_array_equal(problem.gradient(jnp.zeros(2)), [7.0, 7.0])


def test_losses():
    f, y = jnp.array([[1.0, 2.0], [0.0, -1.0]]), jnp.array([[0.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(squared_error(f, y), [5.0, 4.0])
    np.testing.assert_allclose(half_squared_error(f, y), [2.5, 2.0])
    p = np.exp(f) / np.exp(f).sum(1, keepdims=True)
    np.testing.assert_allclose(cross_entropy(f, jnp.array([1, 0])), -np.log([p[0, 1], p[1, 0]]), rtol=1e-14)
    np.testing.assert_allclose(logistic(jnp.array([2.0, 2.0]), jnp.array([1.0, -1.0])), np.log1p(np.exp([-2.0, 2.0])))


@pytest.mark.parametrize("loss", [squared_error, half_squared_error, logistic])
def test_outputs_and_targets_of_different_shapes_are_refused(loss):
    with pytest.raises(ValueError, match="must have one shape"):
        loss(jnp.ones((4, 1)), jnp.ones(4))
