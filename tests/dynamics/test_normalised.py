"""Normalised steepest descent and its schedule, against maximisers found by other means."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
from biassay.dynamics import GradientDescent, NormalisedSteepestDescent, PowerDecay, SignDescent, SpectralDescent
from biassay.models.linear_classifier import linear_classifier

pytestmark = pytest.mark.usefixtures("x64")

INF = float("inf")


def classifier(shape, loss="log_sum_exp"):
    rng = np.random.default_rng(10_000)
    x, y = rng.normal(size=(9, *shape)), rng.choice([-1.0, 1.0], size=9)
    return linear_classifier(jnp.asarray(x), jnp.asarray(y), loss), rng.normal(size=shape)


def one_step(problem, dynamics, start):
    return np.asarray(ba.simulate(problem, dynamics, jnp.asarray(start), steps=1, record=1).params)[0]


@pytest.mark.parametrize("p", [1.0, 4 / 3, 2.0, 4.0, INF])
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_the_direction_attains_the_dual_norm(p, shape):
    """|v|_p = 1 and g.v = |g|_q, the largest value there is."""
    problem, start = classifier(shape)
    g = np.asarray(problem.gradient(jnp.asarray(start)))
    v = (start - one_step(problem, NormalisedSteepestDescent(0.1, p), start)).ravel() / 0.1
    q = INF if p == 1 else 1.0 if p == INF else p / (p - 1)
    assert np.linalg.norm(v, p) == pytest.approx(1, rel=1e-12)
    assert g.ravel() @ v == pytest.approx(np.linalg.norm(g.ravel(), q), rel=1e-12)
    other = (start - one_step(problem, NormalisedSteepestDescent(0.1, 3.0), start)).ravel() / 0.1
    assert g.ravel() @ other / np.linalg.norm(other, p) < np.linalg.norm(g.ravel(), q) - 1e-3


def test_p_inf_is_sign_descent_and_p_1_moves_one_coordinate():
    problem, start = classifier((6,))
    expected = one_step(problem, SignDescent(0.1), start)
    np.testing.assert_array_equal(one_step(problem, NormalisedSteepestDescent(0.1, INF), start), expected)
    moved = one_step(problem, NormalisedSteepestDescent(0.1, 1.0), start) != start
    g = np.abs(problem.gradient(jnp.asarray(start)))
    assert np.flatnonzero(moved).tolist() == [int(np.argmax(g))]


def test_equal_coordinates_share_the_step():
    problem = linear_classifier(jnp.array([[2.0, 2.0, 1.0]]), jnp.ones(1), "log_sum_exp")
    end = one_step(problem, NormalisedSteepestDescent(0.1, 1.0), np.zeros(3))
    np.testing.assert_allclose(end, [0.05, 0.05, 0.0], rtol=1e-15)


def test_a_tiny_gradient_moves_as_far():
    """The gradient of the logistic loss at margin 600 is some 1e-260; its powers would underflow."""
    problem = linear_classifier(jnp.array([[3.0, 1.0]]), jnp.ones(1), "logistic")
    start = np.array([200.0, 0.0])
    for p in (1.0, 4 / 3, 2.0, 4.0, INF):
        moved = one_step(problem, NormalisedSteepestDescent(0.1, p), start) - start
        assert np.linalg.norm(moved, p) == pytest.approx(0.1, rel=1e-9)
    assert np.abs(one_step(problem, GradientDescent(0.1), start) - start).max() < 1e-250


@pytest.mark.parametrize("dynamics", [*(NormalisedSteepestDescent(0.1, p) for p in (1.0, 2.0, 3.0, INF)),
                                      SpectralDescent(0.1)])  # fmt: skip
def test_rest_where_the_gradient_is_zero(dynamics):
    problem = linear_classifier(jnp.zeros((2, 2, 3)), jnp.ones(2))
    start = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(one_step(problem, dynamics, start), start)


def test_spectral_descent_moves_by_the_polar_factor():
    """Spectral norm 1, and <g, v> is the nuclear norm; (g g^T)^{-1/2} g by an eigendecomposition."""
    problem, start = classifier((3, 4))
    g = np.asarray(problem.gradient(jnp.asarray(start)))
    v = (start - one_step(problem, SpectralDescent(0.1), start)) / 0.1
    spectrum, basis = np.linalg.eigh(g @ g.T)
    np.testing.assert_allclose(v, basis @ np.diag(spectrum**-0.5) @ basis.T @ g, rtol=1e-8)
    assert np.sum(g * v) == pytest.approx(np.linalg.norm(g, "nuc"), rel=1e-12)
    frobenius = one_step(problem, NormalisedSteepestDescent(0.1, 2.0), start)
    assert np.abs(frobenius - start + 0.1 * v).max() > 1e-2


def test_spectral_descent_rests_across_a_gradient_of_low_rank():
    """One point of rank 1: the gradient is a multiple of it, and so is the step; U V^T of a whole basis is not."""
    point = np.outer([1.0, -2.0, 0.5], [0.3, 1.0, -1.0, 2.0])
    problem = linear_classifier(jnp.asarray(point[None]), jnp.ones(1), "log_sum_exp")
    moved = one_step(problem, SpectralDescent(0.1), np.zeros((3, 4)))
    np.testing.assert_allclose(moved, 0.1 * point / np.linalg.norm(point), atol=1e-15)
    U, _, Vt = np.linalg.svd(point, full_matrices=False)
    assert np.abs(0.1 * U @ Vt - moved).max() > 1e-2


def test_spectral_descent_of_a_vector_is_normalised_gradient_descent():
    problem, start = classifier((5,))
    expected = one_step(problem, NormalisedSteepestDescent(0.1, 2.0), start)
    np.testing.assert_allclose(one_step(problem, SpectralDescent(0.1), start), expected, rtol=1e-12)


def test_slips_are_told():
    with pytest.raises(ValueError, match="p must be at least 1"):
        NormalisedSteepestDescent(0.1, 0.5)
    problem, start = classifier((2, 2, 2))
    with pytest.raises(ValueError, match=r"\(2, 2, 2\)"):
        one_step(problem, SpectralDescent(0.1), start)
    with pytest.raises(ValueError, match="hinge"):
        linear_classifier(jnp.ones((1, 1)), jnp.ones(1), "hinge")  # pyright: ignore[reportArgumentType]


def test_power_decay():
    decay = PowerDecay(0.1, 10.0)
    np.testing.assert_allclose([decay(k) for k in (0, 6, 90)], [0.1 / 10**0.5, 0.1 / 4, 0.01], rtol=1e-14)
    assert PowerDecay(0.1, 3.0, 0.0)(5) == pytest.approx(0.1)
    problem, start = classifier((6,))
    w = start
    for k in range(5):
        w = w - 0.1 / np.sqrt(k + 1) * np.sign(problem.gradient(jnp.asarray(w)))
    run = ba.simulate(problem, SignDescent(PowerDecay(0.1)), jnp.asarray(start), steps=5, record=1)
    np.testing.assert_allclose(run.params[0], w, rtol=1e-12)


@pytest.mark.parametrize("loss", ["logistic", "log_sum_exp"])
@pytest.mark.parametrize("shape", [(4,), (2, 3)])
def test_the_closed_gradients_are_the_automatic_ones(loss, shape):
    problem, start = classifier(shape, loss)
    w = jnp.asarray(start)
    np.testing.assert_allclose(problem.gradient(w), jax.grad(problem.risk)(w), rtol=1e-12)
    batch = problem.batch(jnp.array([1, 3]))
    np.testing.assert_allclose(problem.gradient(w, batch), jax.grad(problem.risk)(w, batch), rtol=1e-12)
    margins = np.asarray(problem.y) * np.tensordot(problem.x, start, axes=start.ndim)
    expected = np.mean(np.log1p(np.exp(-margins))) if loss == "logistic" else np.log(np.sum(np.exp(-margins)))
    assert float(problem.risk(w)) == pytest.approx(expected, rel=1e-12)
