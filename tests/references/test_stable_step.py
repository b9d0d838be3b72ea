"""The largest stable step size: below it runs converge, well above it they do not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
from biassay.models import mlp
from biassay.models.matrix_sensing import matrix_sensing
from biassay.problem import half_squared_error, squared_error
from biassay.references import largest_stable_lr

pytestmark = pytest.mark.usefixtures("x64")


def linear(w, x):
    return x @ w


def regression(loss=squared_error):
    rng = np.random.default_rng(10_000)
    x, w = rng.normal(size=(6, 9)), rng.normal(size=9)
    return ba.Problem(linear, jnp.asarray(x), jnp.asarray(x @ w), loss), x


def sensing():
    rng = np.random.default_rng(10_000)
    q = np.linalg.qr(rng.normal(size=(6, 1)))[0]
    return matrix_sensing(rng.normal(size=(10, 6, 6)), q @ q.T)


def test_it_is_the_formula_on_a_linear_model():
    problem, x = regression()
    curvature = np.linalg.eigvalsh(x @ x.T / 6)[-1]
    longest = np.max(np.sum(x**2, axis=1))
    start = jnp.zeros(9)
    assert largest_stable_lr(problem, start, 2) == pytest.approx(1 / (curvature / 2 + longest / 2), rel=1e-12)
    assert largest_stable_lr(problem, start) == pytest.approx(1 / curvature, rel=1e-12)
    assert largest_stable_lr(problem, start, 2, c=0.5) == pytest.approx(2 / (curvature / 2 + longest / 2), rel=1e-12)
    assert largest_stable_lr(problem, start, 1) == pytest.approx(1 / longest, rel=1e-12), "one example at a time"
    few = ba.Problem(linear, problem.x[:, :3], problem.y, squared_error)
    expected = 1 / np.linalg.eigvalsh(x[:, :3].T @ x[:, :3] / 6)[-1]
    assert largest_stable_lr(few, jnp.zeros(3)) == pytest.approx(expected, rel=1e-12)


def test_gradient_descent_is_stable_up_to_it_and_not_above():
    problem, _ = regression(half_squared_error)
    limit = largest_stable_lr(problem, jnp.zeros(9), c=0.5)
    for factor, stable in ((0.99, True), (1.01, False)):
        end = ba.simulate(problem, ba.GradientDescent(factor * limit), jnp.zeros(9), steps=3000, record=1).params[0]
        assert (float(problem.risk(end)) < 1e-6) == stable


@pytest.mark.parametrize("make", [lambda: regression()[0], sensing])
def test_label_noise_sgd_converges_below_and_not_well_above(make):
    """Without noise in the labels, so that zero error can be reached; from the point where the limit was computed."""
    problem = make()
    start = jnp.zeros(9) if problem.x.shape[1] == 9 else jnp.eye(6)
    limit = largest_stable_lr(problem, start, 2)

    def ends(factor):
        rule = ba.LabelNoise(factor * limit, 0.0, 2)
        run = ba.simulate(problem, rule, start, steps=20_000, record=1, seeds=4, seed=10_000)
        return np.asarray(jax.vmap(problem.risk)(run.params))

    assert (ends(0.99) < 1e-3 * float(problem.risk(start))).all()
    above = ends(6.0)
    assert not (above < float(problem.risk(start))).any()


def test_any_pytree_of_parameters_will_do():
    params = mlp.init(jax.random.key(0), [3, 5, 1])
    x = jnp.asarray(np.random.default_rng(1).normal(size=(7, 3)))
    problem = ba.Problem(mlp.predict_scalar, x, jnp.zeros(7), squared_error)
    J = jax.jacrev(lambda p: mlp.predict_scalar(p, x))(params)
    rows = np.concatenate([np.asarray(leaf).reshape(7, -1) for leaf in jax.tree.leaves(J)], axis=1)
    expected = 1 / (np.linalg.eigvalsh(rows @ rows.T / 7)[-1] * 2 / 3 + np.max(np.sum(rows**2, axis=1)) / 3)
    assert largest_stable_lr(problem, params, 3) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_outputs_without_slopes_allow_any_step(batch_size):
    problem = ba.Problem(lambda w, x: (x @ w) ** 2, regression()[0].x, jnp.zeros(6), squared_error)
    assert largest_stable_lr(problem, jnp.zeros(9), batch_size) == np.inf
    assert largest_stable_lr(problem, jnp.ones(9), batch_size) < 1


def test_the_inequality_holds_for_the_mean_over_all_batches():
    """E|delta'|^2 by enumeration of all 6^2 batches, beside the bound."""
    problem, x = regression()
    B, G = 2, x.T @ x / 6
    eta = 0.7 * largest_stable_lr(problem, jnp.zeros(9), B)
    delta = np.random.default_rng(1).normal(size=9)
    steps = [np.eye(9) - eta * (np.outer(x[i], x[i]) + np.outer(x[j], x[j])) for i in range(6) for j in range(6)]
    mean = np.mean([np.sum((step @ delta) ** 2) for step in steps])
    bound = delta @ delta - 4 * eta * (1 - 0.7) * delta @ G @ delta
    assert mean <= bound < delta @ delta
    assert mean > delta @ delta - 4 * eta * delta @ G @ delta, "the second moment counts"


def test_wrong_input():
    problem, _ = regression()
    with pytest.raises(ValueError, match="batch_size must be an integer, at least 1, got 0"):
        largest_stable_lr(problem, jnp.zeros(9), 0)
    with pytest.raises(ValueError, match=r"got 2\.5"):
        largest_stable_lr(problem, jnp.zeros(9), 2.5)  # pyright: ignore[reportArgumentType]
    many = ba.Problem(linear, problem.x, jnp.zeros((6, 2)), squared_error)
    with pytest.raises(ValueError, match=r"one output an example is needed, got outputs of shape \(6, 2\)"):
        largest_stable_lr(many, jnp.zeros((9, 2)))
