"""Every dynamics against its oracle: a closed form, an exact mean, a limit and its order."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
from biassay.dynamics._sampling import _uniform, batch_indices
from biassay.problem import half_squared_error

pytestmark = pytest.mark.usefixtures("x64")


def linear(w, x):
    return x @ w


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(8, 12)), rng.normal(size=8), rng.normal(size=12)


@pytest.fixture
def problem(data):
    x, y, _ = data
    return ba.Problem(linear, jnp.asarray(x), jnp.asarray(y), half_squared_error)


def end(problem, dynamics, start, steps, **options):
    return np.asarray(ba.simulate(problem, dynamics, jnp.asarray(start), steps=steps, record=1, **options).params)[0]


@pytest.mark.parametrize("steps", [1, 2, 50, 3000])
def test_gradient_descent_equals_its_closed_form(problem, data, steps):
    x, y, start = data
    lam, V = np.linalg.eigh(x.T @ x / 8)
    fixed = np.linalg.pinv(x) @ y
    lr = 0.9 / lam.max()
    expected = fixed + V @ ((1 - lr * lam) ** steps * (V.T @ (start - fixed)))
    assert np.abs(end(problem, ba.GradientDescent(lr), start, steps) - expected).max() < 1e-12


def test_momentum_and_decay_equal_the_hand_written_update(problem, data):
    x, y, start = data
    w, v = start.copy(), np.zeros(12)
    u, s = start.copy(), np.zeros(12)
    for _ in range(20):
        v = 0.8 * v + x.T @ (x @ w - y) / 8 + 0.1 * w
        w = w - 0.03 * v
        g = x.T @ (x @ u - y) / 8 + 0.1 * u
        s = 0.8 * s + g
        u = u - 0.03 * (g + 0.8 * s)
    np.testing.assert_allclose(end(problem, ba.GradientDescent(0.03, 0.8, weight_decay=0.1), start, 20), w, rtol=1e-12)
    nesterov = ba.GradientDescent(0.03, 0.8, nesterov=True, weight_decay=0.1)
    np.testing.assert_allclose(end(problem, nesterov, start, 20), u, rtol=1e-12)


def test_a_schedule_sets_the_step_size_and_the_time(problem, data):
    schedule = optax.piecewise_constant_schedule(0.1, {10: 0.5})
    run = ba.simulate(problem, ba.GradientDescent(schedule), jnp.asarray(data[2]), steps=30, record=[10, 30])
    np.testing.assert_allclose(run.data.time, [1.0, 2.0])
    first = end(problem, ba.GradientDescent(0.1), data[2], 10)
    np.testing.assert_allclose(run.params[0], end(problem, ba.GradientDescent(0.05), first, 20), rtol=1e-12)


def test_mean_of_all_single_example_steps_is_the_gradient_step(problem, data):
    start = jnp.asarray(data[2])
    sgd, gd = ba.SGD(0.05, 1), ba.GradientDescent(0.05)
    each = [sgd.step(problem, start, sgd.init(problem, start), (jnp.array([i]), None))[0] for i in range(8)]
    full = gd.step(problem, start, gd.init(problem, start), None)[0]
    assert np.abs(np.mean(each, axis=0) - np.asarray(full)).max() < 1e-12


def test_gradient_descent_tends_to_the_flow_at_first_order(problem, data):
    x, y, start = data
    lam, V = np.linalg.eigh(x.T @ x / 8)
    fixed = np.linalg.pinv(x) @ y
    exact = fixed + V @ (np.exp(-lam) * (V.T @ (start - fixed)))
    flow = end(problem, ba.GradientFlow(0.1), start, 10)
    stiff = end(problem, ba.GradientFlow(0.5, solver=diffrax.Kvaerno5()), start, 2)
    assert np.abs(flow - exact).max() < 1e-8
    assert np.abs(stiff - exact).max() < 1e-8
    errors = [np.linalg.norm(end(problem, ba.GradientDescent(1 / n), start, n) - exact) for n in (1000, 2000, 4000)]
    ratios = np.array(errors[:-1]) / errors[1:]
    assert (np.abs(ratios / 2 - 1) < 0.05).all()


def test_a_flow_whose_solver_gives_up_counts_as_diverged(problem, data):
    run = ba.simulate(problem, ba.GradientFlow(100.0, max_steps=3), jnp.asarray(data[2]), steps=1)
    assert run.data.diverged.all()


def test_optax_matches_our_own_descent(problem, data):
    ours = end(problem, ba.SGD(0.02, 2, momentum=0.9), data[2], 50)
    rule = ba.SGD(0.02, 2)
    key = jax.random.split(jax.random.fold_in(jax.random.key(0), 0))[1]
    order = rule.noise(problem, key, jnp.array(0), 1024)[0]
    w, state = jnp.asarray(data[2]), None
    tx = optax.sgd(0.02, momentum=0.9)
    state = tx.init(w)
    for t in range(50):
        update, state = tx.update(problem.gradient(w, problem.batch(order[t])), state)
        w = optax.apply_updates(w, update)
    np.testing.assert_allclose(ours, w, rtol=1e-12)
    np.testing.assert_allclose(
        end(problem, ba.Optax(optax.sgd(0.02, momentum=0.9)), data[2], 50),
        end(problem, ba.GradientDescent(0.02, 0.9), data[2], 50),
        rtol=1e-12,
    )


def test_label_noise_of_no_size_is_sgd_and_its_mean_step_is_the_gradient_step(problem, data):
    start = jnp.asarray(data[2])
    np.testing.assert_allclose(
        end(problem, ba.LabelNoise(0.05, 0.0), start, 30), end(problem, ba.GradientDescent(0.05), start, 30), rtol=1e-12
    )
    one_step = ba.simulate(problem, ba.LabelNoise(0.05, 0.5, law="sign"), start, steps=1, seeds=4000).params
    full = end(problem, ba.GradientDescent(0.05), start, 1)
    error = np.std(one_step, axis=0) / 4000**0.5
    assert (np.abs(np.mean(one_step, axis=0) - full) < 5 * error).all()
    # The covariance of one step is (lr^2 std^2 / n) G with G = (1/n) sum x x^T: the noise lives in the data's span.
    x = data[0]
    expected = 0.05**2 * 0.5**2 / 8 * (x.T @ x / 8)
    assert np.linalg.norm(np.cov(one_step.T) - expected) < 0.1 * np.linalg.norm(expected)
    assert np.linalg.matrix_rank(np.cov(one_step.T), tol=1e-12) == 8


def test_isotropic_noise_is_isotropic_and_repeats_with_its_seed(problem, data):
    start = jnp.asarray(data[2])
    quiet = ba.IsotropicNoise(0.05, 0.0, weight_decay=0.1)
    np.testing.assert_allclose(
        end(problem, quiet, start, 30), end(problem, ba.GradientDescent(0.05, weight_decay=0.1), start, 30), rtol=1e-12
    )
    one_step = ba.simulate(problem, ba.IsotropicNoise(0.05, 0.3), start, steps=1, seeds=4000).params
    np.testing.assert_allclose(np.cov(one_step.T), 0.09 * np.eye(12), atol=0.012)
    again = ba.simulate(problem, ba.IsotropicNoise(0.05, 0.3), start, steps=1, seeds=4000).params
    np.testing.assert_array_equal(one_step, again)


def test_epochs_visit_every_example_once_and_do_not_depend_on_the_window():
    key = jax.random.key(3)
    long = batch_indices(key, jnp.array(0), 96, 10, 3, "epochs")
    pieces = [batch_indices(key, jnp.array(s), 32, 10, 3, "epochs") for s in (0, 32, 64)]
    np.testing.assert_array_equal(long, np.concatenate(pieces))
    for epoch in np.asarray(long).reshape(32, 9):
        assert len(set(epoch.tolist())) == 9
    assert len({tuple(epoch) for epoch in np.asarray(long).reshape(32, 9).tolist()}) == 32


def test_subsets_repeat_no_example_and_independent_draws_do():
    subsets = np.asarray(batch_indices(jax.random.key(0), jnp.array(0), 500, 6, 4, "subset"))
    assert all(len(set(row)) == 4 for row in subsets.tolist())
    draws = np.asarray(batch_indices(jax.random.key(0), jnp.array(0), 5000, 6, 4, "independent"))
    assert any(len(set(row)) < 4 for row in draws.tolist())
    counts = np.bincount(draws.ravel(), minlength=6)
    assert ((counts - 20000 / 6) ** 2 / (20000 / 6)).sum() < 20.5  # chi-square, 5 degrees of freedom, p = 0.001


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ba.SGD(0.1, 0), "batch_size must be at least 1"),
        (lambda: ba.SGD(0.1, 2, sampling="epoch"), "sampling must be"),
        (lambda: ba.LabelNoise(0.1, -1.0), "std must not be negative"),
        (lambda: ba.LabelNoise(0.1, 1.0, law="cauchy"), "law must be"),
        (lambda: ba.IsotropicNoise(0.1, -1.0), "std must not be negative"),
        (lambda: ba.LabelNoise(0.1, np.float32(-0.1)), "std must not be negative"),
        (lambda: ba.IsotropicNoise(0.1, np.float32(-0.1)), "std must not be negative"),
    ],
)
def test_impossible_settings_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_batch_larger_than_the_data_is_refused(problem, data):
    with pytest.raises(ValueError, match="without replacement from 8 examples"):
        end(problem, ba.SGD(0.1, 9), data[2], 1)


def test_uniform_integers_are_the_high_half_of_the_product():
    key = jax.random.key(1)
    bits = np.asarray(jax.random.bits(key, (1000,), jnp.uint32)).astype(np.uint64)
    for size in (1, 3, 700, 2**16 - 1):
        np.testing.assert_array_equal(_uniform(key, (1000,), size), (bits * size) >> 32)
    assert int(_uniform(key, (1000,), 2**20).max()) < 2**20
