"""The exact path of label noise for squared parameters, against integrators of the flows, and its limit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import biassay as ba
from biassay.models.diagonal import diagonal, diagonal_gradient, quarter_squared_error
from biassay.references import diagonal_drift, drift, drift_flow, first_drift_time, least_regularizer


def equations(seed, n=6, d=15, support=2):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(n, d)), np.zeros(d)
    w[:support] = 1
    return x, x @ w, w


def problem(x, y):
    return ba.Problem(diagonal, jnp.asarray(x), jnp.asarray(y), quarter_squared_error, diagonal_gradient)


@pytest.mark.usefixtures("x64")
def test_the_gradient_rule_is_the_gradient():
    x, y, _ = equations(10_000)
    v = jnp.asarray(np.random.default_rng(1).normal(size=15))
    by_rule, plain = problem(x, y), ba.Problem(diagonal, jnp.asarray(x), jnp.asarray(y), quarter_squared_error)
    np.testing.assert_allclose(by_rule.gradient(v), plain.gradient(v), rtol=1e-12, atol=1e-13)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("seed", [10_000, 10_001])
def test_time_zero_is_where_gradient_flow_ends(seed):
    x, y, _ = equations(seed)
    w_0 = np.linspace(0.5, 2, 15)
    posed = problem(x, y)
    rule = jax.jit(lambda v: -posed.gradient(v))
    end = solve_ivp(lambda _, v: np.asarray(rule(v)), (0, 3000), np.sqrt(w_0), method="LSODA", rtol=1e-10, atol=1e-13)
    found = diagonal_drift(x, y, [0.0], start=w_0)[0]
    np.testing.assert_allclose(end.y[:, -1] ** 2, found, atol=1e-6)
    assert np.abs(found - diagonal_drift(x, y, [0.0])[0]).max() > 0.1, "the end depends on the start"


@pytest.mark.usefixtures("x64")
def test_the_path_is_that_of_the_drift_equation():
    """Against a stiff integrator of `drift`, and against `drift_flow`, whose Euler steps converge to it."""
    x, y, _ = equations(10_002)
    posed, taus = problem(x, y), [0.0, 0.02, 0.1]
    path = diagonal_drift(x, y, taus)
    velocity, v = jax.jit(drift), np.sqrt(path[0])
    run = solve_ivp(
        lambda _, v: np.asarray(velocity(posed, v)), (0, 0.1), v, method="LSODA", t_eval=taus, rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(run.y.T**2, path, atol=1e-6)
    assert np.abs(run.y[:, 1] ** 2 - diagonal_drift(x, y, [0.04])[0]).max() > 0.01, "a constant twice as large is seen"
    coarse, fine = (
        np.abs(drift_flow(posed, jnp.asarray(v), 0.1, steps=steps) ** 2 - path[2]).max() for steps in (50, 200)
    )
    assert fine < 0.02
    assert 3 < coarse / fine < 5


@pytest.mark.parametrize("seed", range(10_000, 10_004))
def test_the_path_solves_the_equations_and_tends_to_the_linear_program(seed):
    x, y, truth = equations(seed, n=15, d=50, support=2)
    path, limit = diagonal_drift(x, y, [0.0, 0.01, 0.1, 1.0]), least_regularizer(x, y)
    np.testing.assert_allclose(path @ x.T, np.broadcast_to(y, (4, 15)), atol=1e-8)
    reg = 4 * path @ np.mean(x**2, axis=0)
    assert (np.diff(reg) < 0).all()
    np.testing.assert_allclose(limit, truth, atol=1e-9)
    np.testing.assert_allclose(path[-1], limit, atol=0.02)
    assert np.abs(path[0] - limit).max() > 0.1


def test_first_drift_time():
    x, y, truth = equations(10_000, n=15, d=50, support=2)

    def excess(w):
        return np.sum((w - truth) ** 2) - 1

    tau = first_drift_time(x, y, excess, latest=1.0)
    assert abs(excess(diagonal_drift(x, y, [tau])[0])) < 1e-3
    assert np.isnan(first_drift_time(x, y, excess, latest=tau / 2))


def test_errors():
    x, y, _ = equations(10_000)
    with pytest.raises(ValueError, match="taus must be at least 0 and increase"):
        diagonal_drift(x, y, [0.2, 0.1])
    with pytest.raises(ValueError, match="start must be positive in every entry, its smallest is 0"):
        diagonal_drift(x, y, [0.0], start=np.zeros(15))
    positive, negative = np.abs(x), -np.ones(6)
    with pytest.raises(ValueError, match="no solution of X w = y with positive w was found"):
        diagonal_drift(positive, negative, [0.0])
    with pytest.raises(ValueError, match="X w = y has no solution w with all entries at least 0"):
        least_regularizer(positive, negative)
