"""The drift of label noise: two layers in closed form, a linear model, Hessian-vector products, one tanh unit."""

from __future__ import annotations

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from biassay.assays.label_noise.networks import Network, tanh_network
from biassay.dynamics import LabelNoise
from biassay.problem import Problem, half_squared_error, squared_error
from biassay.references import (
    drift,
    drift_flow,
    drift_time,
    label_noise_drift,
    output_jacobian,
    regularizer,
    residuals,
    tangent_part,
    to_zero_error,
)
from biassay.simulation import simulate

pytestmark = pytest.mark.usefixtures("x64")


def product(w, x):
    """h = u v x."""
    return w[0] * w[1] * x


def product_problem(loss=squared_error):
    return Problem(product, jnp.ones(1), jnp.ones(1), loss)


def balance(problem, w):
    """u^2 - v^2."""
    return w[..., 0] ** 2 - w[..., 1] ** 2


def tanh_points(seed=10_000):
    """Four points of the plane, 6 tanh units; the targets are the outputs, so that this is zero error."""
    rng = np.random.default_rng(seed)
    params = Network(jnp.asarray(rng.normal(size=(6, 2))), jnp.asarray(rng.normal(size=6)))
    x = jnp.asarray(rng.normal(size=(4, 2)))
    return Problem(tanh_network, x, tanh_network(params, x), squared_error), params


def norm(params):
    return float(jnp.linalg.norm(ravel_pytree(params)[0]))


# --- two layers of one unit, where everything is known ----------------------------------------------------------------


@pytest.mark.parametrize("u", [2.0, -0.3])
def test_the_flow_balances_two_layers_by_exp_of_minus_four_tau(u):
    start = jnp.asarray([u, 1 / u])
    flow = jax.jit(lambda tau: drift_flow(product_problem(), start, tau, steps=2000))
    for tau in (0.1, 0.5):
        end = flow(tau)
        left = float(balance(None, end) / balance(None, start))
        assert left == pytest.approx(np.exp(-4 * tau), rel=2e-3)
        assert left != pytest.approx(np.exp(-2 * tau), rel=0.1)
        assert float(end[0] * end[1]) == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize(("loss", "c"), [(squared_error, 1.0), (half_squared_error, 0.5)])
def test_label_noise_has_that_constant_for_either_loss(loss, c):
    """u^2 - v^2 after SGD against exp(-4 tau), with the c of the loss, and not with that of the other."""
    lr, std, steps = 0.01 / c, 0.5, 4000
    start = jnp.asarray([2.0, 0.5])
    run = simulate(product_problem(loss), LabelNoise(lr, std), start, steps=steps, record=1, seeds=64, seed=10_000)
    left = np.asarray(balance(None, run.params) / balance(None, start))
    tau, error = drift_time(steps, lr, std, batch_size=1, c=c), left.std() / 8
    # The rest of the error of zero error adds 4 c eta s^2 / 4 and more to E r^2: a few per cent of the exponent.
    assert np.log(left.mean()) == pytest.approx(-4 * tau, rel=0.06 + 2 * error)
    other = drift_time(steps, lr, std, batch_size=1, c=1.5 - c)
    assert np.log(left.mean()) != pytest.approx(-4 * other, rel=0.5)


def test_a_step_multiplies_the_balance_exactly():
    """1 - (2 c eta r)^2 with r = u v - y - eps: the identity that the text's derivation rests on."""
    dynamics = LabelNoise(0.1, 1.0)
    w, eps = jnp.asarray([2.0, 0.7]), jnp.asarray([0.3])
    after, _ = dynamics.step(product_problem(), w, (), (None, eps))
    r = float(w[0] * w[1] - 1 - eps[0])
    assert float(balance(None, after) / balance(None, w)) == pytest.approx(1 - (2 * 0.1 * r) ** 2, rel=1e-13)


def test_drift_time():
    assert drift_time(1000, 0.1, 0.5, batch_size=5) == pytest.approx(0.5)
    assert drift_time(1000, 0.1, 0.5, batch_size=5, c=0.5) == pytest.approx(0.125)


# --- the velocity -----------------------------------------------------------------------------------------------------


def test_a_model_linear_in_its_parameters_does_not_drift():
    rng = np.random.default_rng(10_001)
    X, w = jnp.asarray(rng.normal(size=(3, 8))), jnp.asarray(rng.normal(size=8))
    problem = Problem(lambda w, x: x @ w, X, X @ w, squared_error)
    assert not np.any(drift(problem, w))
    squares = Problem(lambda w, x: x @ w**2, X, X @ w**2, squared_error)
    assert norm(drift(squares, w)) > 1


def test_the_drift_is_that_of_hessian_vector_products():
    """grad reg = (2/n) sum_i H_i g_i, forward over reverse, projected with NumPy's pseudo-inverse."""
    problem, params = tanh_points()
    theta, unravel = ravel_pytree(params)

    def output(t, i):
        return problem.predict(unravel(t), problem.x)[i]

    def product_of(i):
        slope = jax.grad(lambda t: output(t, i))
        return jax.jvp(slope, (theta,), (slope(theta),))[1]

    whole = 2 / 4 * np.sum(jax.jit(jax.vmap(product_of))(jnp.arange(4)), axis=0)
    J = np.asarray(output_jacobian(problem, params))
    along = whole - np.linalg.pinv(J) @ J @ whole
    velocity = ravel_pytree(drift(problem, params))[0]
    np.testing.assert_allclose(velocity, -along, atol=1e-11)
    assert np.abs(velocity + whole).max() > 0.01, "without the projector"
    assert float(jnp.abs(J @ velocity).max()) < 1e-11


def test_the_drift_of_squares_in_closed_form():
    """h = <x, v.v>: reg = 4 sum_j k_j v_j^2 with k_j = mean_i x_ij^2."""
    rng = np.random.default_rng(10_002)
    X, v = rng.normal(size=(3, 7)), rng.normal(size=7)
    problem = Problem(lambda v, x: x @ v**2, jnp.asarray(X), jnp.asarray(X @ v**2), squared_error)
    k = np.mean(X**2, axis=0)
    assert float(regularizer(problem, jnp.asarray(v))) == pytest.approx(4 * k @ v**2, rel=1e-12)
    expected = -tangent_part(2 * jnp.asarray(X * v), jnp.asarray(8 * k * v))
    np.testing.assert_allclose(drift(problem, jnp.asarray(v)), expected, atol=1e-12)


# --- the flow ---------------------------------------------------------------------------------------------------------


def test_forty_steps_suffice_for_a_short_drift():
    """reg falls, zero error is kept, and 40 Euler steps are within 0.3 % of 640; a single one is not."""
    problem, start = tanh_points()
    flows = {n: jax.jit(lambda tau, n=n: drift_flow(problem, start, tau, steps=n)) for n in (1, 40, 640)}
    ends = {steps: flow(0.01) for steps, flow in flows.items()}
    moved = {steps: ravel_pytree(end)[0] - ravel_pytree(start)[0] for steps, end in ends.items()}
    length = float(jnp.linalg.norm(moved[640]))
    assert length > 0.005
    assert float(jnp.linalg.norm(moved[40] - moved[640])) < 3e-3 * length
    assert float(jnp.linalg.norm(moved[1] - moved[640])) > 3e-3 * length
    assert float(jnp.abs(residuals(problem, ends[640])).max()) < 1e-12
    later = [float(regularizer(problem, flows[40](tau))) for tau in (0.0, 0.01, 0.1, 1.0)]
    assert (np.diff(later) < 0).all()
    assert float(regularizer(problem, flows[40](-0.01))) > later[0]


def test_the_flow_ends_at_one_tanh_unit():
    """|x|^2 = 1.5, y = 1: the least reg is 2 sqrt(1.5 * 2.5) - 3, of one unit, and there the drift is zero."""
    x = jnp.asarray([[1.0, 0.5, -0.5]])
    rng = np.random.default_rng(10_003)
    drawn = Network(jnp.asarray(rng.normal(size=(10, 3))), jnp.asarray(rng.normal(size=10)))
    least = 2 * np.sqrt(1.5 * 2.5) - 3
    problem = Problem(tanh_network, x, jnp.ones(1), squared_error)
    start = to_zero_error(problem, drawn)
    end = jax.jit(lambda p: drift_flow(problem, p, 80.0, steps=8000, polish=1))(start)
    assert float(regularizer(problem, end)) == pytest.approx(least, abs=1e-7)
    assert norm(drift(problem, end)) < 1e-6 < norm(drift(problem, start))
    np.testing.assert_allclose(np.sort(np.abs(end.c))[:-1], 0, atol=1e-6)
    assert float(regularizer(problem, start)) > 2 * least


def test_bad_input_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^steps must be at least 1, got 0$"):
        drift_flow(product_problem(), jnp.ones(2), 1.0, steps=0)
    with pytest.raises(ValueError, match=r"^batch_size must be at least 1, got 0$"):
        drift_time(1, 0.1, 0.1, batch_size=0)


def test_the_examples_in_the_docstrings():
    assert doctest.testmod(label_noise_drift).failed == 0
