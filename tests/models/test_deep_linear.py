"""The deep linear network: its closed-form gradient, its starts, and what a wider network is made of."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.dynamics import SGD, GradientDescent
from biassay.models import deep_linear
from biassay.problem import Problem, half_squared_error

pytestmark = pytest.mark.usefixtures("x64")

OBSERVED, VALUES = ((0, 0), (1, 0), (1, 1)), (1.0, 0.25, 1.0)


def product(params):
    A = params[0]
    for W in params[1:]:
        A = W @ A
    return np.asarray(A)


def problem():
    return deep_linear.completion(OBSERVED, VALUES, (2, 2))


@pytest.mark.parametrize(("layers", "width"), [(2, 2), (3, 2), pytest.param(4, 5, marks=pytest.mark.nightly)])
def test_prediction_and_rank_one_gradient(layers, width):
    given = problem()
    params = deep_linear.random(jax.random.key(layers), (2, 2), layers, width)
    np.testing.assert_allclose(given.predict(params, given.x), [product(params)[i, j] for i, j in OBSERVED], atol=1e-14)
    by_hand = Problem(deep_linear.predict, given.x, given.y, half_squared_error)
    for indices in ([0], [1], [2], [0, 1, 2]):
        batch = given.batch(jnp.array(indices))
        for rule, exact in zip(given.gradient(params, batch), by_hand.gradient(params, batch), strict=True):
            np.testing.assert_allclose(rule, exact, atol=1e-14)


def test_the_gradient_of_another_entry_differs():
    given, params = problem(), deep_linear.random(jax.random.key(1), (2, 2), 3, 2)
    one, other = (given.gradient(params, given.batch(jnp.array([i])))[0] for i in (0, 1))
    assert np.abs(one - other).max() > 1e-3


def test_gradient_descent_is_the_mean_of_the_single_sample_steps():
    given, params = problem(), deep_linear.random(jax.random.key(2), (2, 2), 3, 2)
    gd, sgd = GradientDescent(0.3, weight_decay=0.048), SGD(0.3, 1, "independent", weight_decay=0.048)
    whole, _ = gd.step(given, params, gd.init(given, params), None)
    state = sgd.init(given, params)
    singles = [sgd.step(given, params, state, (jnp.array([i]), None))[0] for i in range(3)]
    for layer, W in enumerate(whole):
        np.testing.assert_allclose(np.mean([single[layer] for single in singles], axis=0), W, atol=1e-14)


def test_a_step_is_the_papers_update():
    """theta <- (1 - 2 eta lambda) theta + eta e b c^T, with the products written out."""
    given, eta, decay = problem(), 0.4, 0.024
    W1, W2, W3 = params = deep_linear.random(jax.random.key(3), (2, 2), 3, 2)
    sgd = SGD(eta, 1, "independent", weight_decay=2 * decay)
    moved, _ = sgd.step(given, params, sgd.init(given, params), (jnp.array([1]), None))
    e = VALUES[1] - product(params)[1, 0]
    rows, columns = [(W3 @ W2)[1], W3[1], jnp.eye(2)[1]], [jnp.eye(2)[0], W1[:, 0], (W2 @ W1)[:, 0]]
    for W, after, b, c in zip(params, moved, rows, columns, strict=True):
        np.testing.assert_allclose(after, (1 - 2 * eta * decay) * W + eta * e * np.outer(b, c), atol=1e-14)


@pytest.mark.parametrize("layers", [2, 3, 5])
def test_balanced(layers):
    A = jnp.array([[1.0, 0.5], [0.25, 1.0]])
    params = deep_linear.balanced(A, layers)
    assert len(params) == layers
    np.testing.assert_allclose(product(params), A, atol=1e-14)
    for lower, upper in pairwise(params):
        np.testing.assert_allclose(upper.T @ upper, lower @ lower.T, atol=1e-14)


def test_embedding_changes_no_step():
    given, narrow = problem(), deep_linear.random(jax.random.key(4), (2, 2), 3, 2)
    wide = deep_linear.embed(narrow, 10)
    assert [W.shape for W in wide] == [(10, 2), (10, 10), (2, 10)]
    np.testing.assert_allclose(product(wide), product(narrow), atol=1e-15)
    for small, large in zip(given.gradient(narrow), given.gradient(wide), strict=True):
        np.testing.assert_allclose(large[: small.shape[0], : small.shape[1]], small, atol=1e-15)
        assert float(jnp.abs(large).sum()) == pytest.approx(float(jnp.abs(small).sum()), abs=1e-13)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: deep_linear.completion(((0, 2),), (1.0,), (2, 2)), r"entry \(0, 2\)"),
        (lambda: deep_linear.completion(((0, 0),), (1.0, 2.0), (2, 2)), "one value per entry"),
        (lambda: deep_linear.balanced(jnp.eye(2), 1), "layers"),
        (lambda: deep_linear.random(jax.random.key(0), (2, 2), 3, 0), "width"),
        (lambda: deep_linear.embed(deep_linear.balanced(jnp.eye(2), 2), 1), "width"),
    ],
)
def test_mistakes(call, words):
    with pytest.raises(ValueError, match=words):
        call()
