"""The dynamics of least squares and of other geometries, against hand-written updates and exact limits."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
from biassay.dynamics import (
    CoordinateDescent,
    ExponentialDecay,
    FullMatrixAdaGrad,
    GradientDescent,
    Kaczmarz,
    MirrorDescent,
    Optax,
    PreconditionedDescent,
    SignDescent,
    SteepestDescent,
    TunedOptax,
)
from biassay.models.linear_regression import linear_regression
from biassay.references import interpolators as reference
from biassay.simulation import PerSeed

pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def data():
    rng = np.random.default_rng(10_000)
    return rng.normal(size=(12, 5)) / 3, rng.normal(size=5), rng.normal(size=12)


@pytest.fixture
def problem(data):
    X, y, _ = data
    return linear_regression(jnp.asarray(X.T), jnp.asarray(y))


def end(problem, dynamics, start, steps, **options):
    return np.asarray(ba.simulate(problem, dynamics, jnp.asarray(start), steps=steps, record=1, **options).params)[0]


def test_mirror_descent_moves_the_dual_variable(problem, data):
    X, y, start = data
    w, theta = start, reference.dual_map(start, 3.0)
    for _ in range(20):
        theta = theta - 0.01 * X @ (X.T @ w - y)
        w = np.sign(theta) * np.abs(theta) ** 0.5
    np.testing.assert_allclose(end(problem, MirrorDescent(0.01, 3.0), start, 20), w, rtol=1e-11)


@pytest.mark.parametrize("p", [1.5, 3.0])
def test_mirror_descent_finds_the_smallest_p_norm(problem, data, p):
    X, y, _ = data
    w = end(problem, MirrorDescent(0.05, p), np.zeros(12), 20_000)
    np.testing.assert_allclose(w, reference.min_p_norm(X, y, p), atol=1e-8)
    assert np.linalg.norm(w - reference.min_norm(X, y)) > 1e-2


def test_a_fixed_mirror_step_cycles_around_a_small_entry():
    """p = 3: dw/dtheta = |theta|^{-1/2} / 2 is unbounded, and lr |x|^2 / (2 |w|) > 2 overshoots for ever."""
    problem = linear_regression(jnp.ones((1, 1)), jnp.array([1e-2]))
    cycling = end(problem, MirrorDescent(0.05, 3.0), np.zeros(1), 20_000)
    assert abs(cycling[0] - 1e-2) > 1e-3
    np.testing.assert_allclose(end(problem, MirrorDescent(0.02, 3.0), np.zeros(1), 20_000), 1e-2, rtol=1e-10)


def test_steepest_descent_step_maximises_its_model(problem, data):
    X, y, start = data
    g = X @ (X.T @ start - y)
    for p in (4 / 3, 3.0):
        v = (start - end(problem, SteepestDescent(0.1, p), start, 1)) / 0.1

        def model(v, p=p):
            return g @ v - np.linalg.norm(v, p) ** 2 / 2

        rng = np.random.default_rng(10_001)
        assert all(model(v) > model(v + 1e-2 * rng.normal(size=12)) for _ in range(100))
        assert model(v) == pytest.approx(np.linalg.norm(g, p / (p - 1)) ** 2 / 2, rel=1e-12)


def test_steepest_and_mirror_descent_are_gradient_descent_for_p_2(problem, data):
    _, _, start = data
    expected = end(problem, GradientDescent(0.1), start, 50)
    np.testing.assert_allclose(end(problem, SteepestDescent(0.1, 2.0), start, 50), expected, rtol=1e-11)
    np.testing.assert_allclose(end(problem, MirrorDescent(0.1, 2.0), start, 50), expected, rtol=1e-11)
    assert np.abs(end(problem, SteepestDescent(0.1, 3.0), start, 50) - expected).max() > 1e-2


def test_steepest_descent_rests_at_a_minimum(data):
    X, _, start = data
    fitted = linear_regression(jnp.asarray(X.T), jnp.asarray(X.T @ np.ones(12)))
    np.testing.assert_array_equal(end(fitted, SteepestDescent(0.1, 1.5), np.ones(12), 3), np.ones(12))
    assert np.abs(end(fitted, SteepestDescent(0.1, 1.5), start, 3) - start).max() > 1e-3


def test_sign_descent_with_a_staircase(problem, data):
    X, y, start = data
    w = start
    for k in range(25):
        w = w - 0.1 * 0.5 ** (k // 10) * np.sign(X @ (X.T @ w - y))
    staircase = ExponentialDecay(0.1, 0.5, 10.0, staircase=True)
    run = ba.simulate(problem, SignDescent(staircase), jnp.asarray(start), steps=25, record=[25])
    np.testing.assert_allclose(run.params[0], w, rtol=1e-12)
    assert run.elapsed[0] == pytest.approx(0.1 * 10 * (1 + 0.5) + 0.1 * 5 * 0.25)


def test_exponential_decay():
    decay = ExponentialDecay(1e-2, 1e-4, 100.0, end=1.0)
    np.testing.assert_allclose([decay(k) for k in (0, 50, 100)], [1 + 1e-2, 1 + 1e-4, 1 + 1e-6], rtol=1e-14)


def test_kaczmarz_projects_on_the_drawn_equation(problem, data):
    X, y, start = data
    dynamics = Kaczmarz()
    for i in range(5):
        w, _ = dynamics.step(problem, jnp.asarray(start), (), jnp.asarray(i))
        assert X[:, i] @ w == pytest.approx(y[i], abs=1e-13)
        moved = np.asarray(w) - start
        np.testing.assert_allclose(moved, (moved @ X[:, i]) / (X[:, i] @ X[:, i]) * X[:, i], atol=1e-13)
    np.testing.assert_allclose(end(problem, dynamics, np.zeros(12), 5000), reference.min_norm(X, y), atol=1e-10)


def test_coordinate_descent_minimises_the_drawn_coordinate(problem, data):
    X, y, start = data
    dynamics = CoordinateDescent()
    state = dynamics.init(problem, jnp.asarray(start))
    for j in range(12):
        w, after = dynamics.step(problem, jnp.asarray(start), state, jnp.asarray(j))
        assert problem.gradient(w)[j] == pytest.approx(0, abs=1e-13)
        assert np.flatnonzero(np.asarray(w) != start).tolist() == [j]
        np.testing.assert_allclose(after.residual, X.T @ np.asarray(w) - y, atol=1e-13)
    w = end(problem, dynamics, np.zeros(12), 20_000)
    assert np.linalg.norm(X.T @ w - y) < 1e-10
    assert np.linalg.norm(w - reference.min_norm(X, y)) > 0.1


def test_a_preconditioner_changes_the_norm(problem, data):
    X, y, _ = data
    D = np.linspace(0.1, 10, 12)
    lr = 1 / np.linalg.norm(np.sqrt(D)[:, None] * X, 2) ** 2
    w = end(problem, PreconditionedDescent(lr, jnp.asarray(D)), np.zeros(12), 50_000)
    np.testing.assert_allclose(w, reference.weighted_min_norm(X, y, D), atol=1e-10)
    assert np.linalg.norm(w - reference.min_norm(X, y)) > 0.1


def adagrad_by_hand(X, y, steps, epsilon):
    w, G = np.zeros(len(X)), np.zeros((len(X), len(X)))
    for _ in range(steps):
        g = X @ (X.T @ w - y)
        G += np.outer(g, g)
        spectrum, V = np.linalg.eigh(G + epsilon * np.eye(len(X)))
        w = w - 0.5 * V @ ((V.T @ g) / np.sqrt(spectrum))
    return w


def test_full_matrix_adagrad_equals_the_inverse_root(problem, data):
    X, y, _ = data
    w = end(problem, FullMatrixAdaGrad(0.5, 1e-4), np.zeros(12), 15)
    np.testing.assert_allclose(w, adagrad_by_hand(X, y, 15, 1e-4), rtol=1e-6)


def test_round_off_in_the_null_space_looks_like_a_counterexample():
    """The pitfall: epsilon outside the root multiplies the round-off in null(G) by 1/epsilon; inside it does not."""
    rng = np.random.default_rng(10_000)
    X, y = rng.normal(size=(40, 10)) / np.sqrt(40), rng.normal(size=10)
    problem = linear_regression(jnp.asarray(X.T), jnp.asarray(y))
    Q, _ = np.linalg.qr(X)

    def span(dynamics):
        w = end(problem, dynamics, np.zeros(40), 500)
        return np.linalg.norm(w - Q @ (Q.T @ w)) / np.linalg.norm(w)

    assert span(FullMatrixAdaGrad(0.5, 1e-4, inside=True)) < 1e-10
    assert span(FullMatrixAdaGrad(0.5, 1e-8, inside=False)) > 1e-7


def test_tuned_optax_is_optax(problem, data):
    _, _, start = data
    expected = end(problem, Optax(optax.adam(1e-2, b1=0.5, eps=1e-3)), start, 100)
    tuned = TunedOptax(optax.adam, learning_rate=1e-2, b1=0.5, eps=1e-3)
    np.testing.assert_allclose(end(problem, tuned, start, 100), expected, rtol=1e-12)
    other = TunedOptax(optax.adam, learning_rate=1e-2, b1=0.5, eps=1e-1)
    assert np.abs(end(problem, other, start, 100) - expected).max() > 1e-3


def test_hyper_parameters_may_differ_from_seed_to_seed(problem, data):
    _, _, start = data
    lr = jnp.array([0.01, 0.1, 0.2])
    both = ba.simulate(problem, PerSeed(GradientDescent(lr)), jnp.asarray(start), steps=30, record=1, seeds=3)
    for i, own in enumerate(lr):
        np.testing.assert_allclose(both.params[i], end(problem, GradientDescent(float(own)), start, 30), rtol=1e-12)
    np.testing.assert_allclose(both.data["time"].isel(step=-1), 30 * lr)
    decayed = PerSeed(SignDescent(ExponentialDecay(lr, jnp.full(3, 0.5), jnp.full(3, 10.0), jnp.zeros(3))))
    schedule = ba.simulate(problem, decayed, jnp.asarray(start), steps=30, record=1, seeds=3)
    alone = SignDescent(ExponentialDecay(0.1, 0.5, 10.0))
    np.testing.assert_allclose(schedule.params[1], end(problem, alone, start, 30), rtol=1e-12)


def test_the_closed_gradient_is_the_automatic_one(problem, data):
    _, _, start = data
    w = jnp.asarray(start)
    np.testing.assert_allclose(problem.gradient(w), jax.grad(problem.risk)(w), rtol=1e-12)
    batch = problem.batch(jnp.array([1, 3]))
    np.testing.assert_allclose(problem.gradient(w, batch), jax.grad(problem.risk)(w, batch), rtol=1e-12)
    X, y, _ = data
    assert problem.risk(w) == pytest.approx(np.sum((X.T @ start - y) ** 2) / 2, rel=1e-12)
