"""Networks on one point: the formulas against brute force and automatic differentiation, the path against the general
drift equation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from biassay.problem import Problem, squared_error
from biassay.references import OnePoint, PointUnits, drift, drift_flow, regularizer

X = np.array([1.0, 0.5, -0.5])
K = 1.5
ACTIVATIONS = {"tanh": jnp.tanh, "logistic": jax.nn.sigmoid}


def start(network, seed, units=10):
    rng = np.random.default_rng(seed)
    return network.to_zero_error(PointUnits(K**0.5 * rng.normal(size=units), rng.normal(size=units)))


# --- the least --------------------------------------------------------------------------------------------------------


def test_the_least_in_closed_form():
    tanh = OnePoint("tanh", K, 1.0).least_regularizer(10)
    assert tanh.reg == pytest.approx(2 * 3.75**0.5 - 3, abs=1e-12) == pytest.approx(0.8729833, abs=1e-7)
    np.testing.assert_allclose(tanh.p, [1] + 9 * [0], atol=1e-9)
    for units in (1, 3, 10):
        equal = OnePoint("logistic", K, 1.0).least_regularizer(units)
        assert equal.reg == pytest.approx(units * K / (units**2 + K), rel=1e-9)
    assert equal.reg == pytest.approx(0.1477833, abs=1e-7)
    two = OnePoint("logistic", K, 3.0).least_regularizer(10)
    assert two.reg == pytest.approx(0.92790, abs=1e-5)
    assert two.reg < 0.9 * 10 * 13.5 / (100 + 13.5), "ten equal units are not the least"
    assert two.p[0] > 100 * two.p[1] > 0
    np.testing.assert_allclose(two.p[1:], two.p[1], rtol=1e-9)
    assert two.p.sum() == pytest.approx(3.0, rel=1e-9)
    mirrored = OnePoint("logistic", K, -3.0).least_regularizer(10)
    assert mirrored.reg == two.reg
    np.testing.assert_array_equal(mirrored.p, -two.p)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("p", [0.05, 0.7, -1.3])
def test_the_cost_of_a_unit_is_the_least_over_its_activation(activation, p):
    network = OnePoint(activation, K, p)

    def reg(u):
        return float(network.regularizer(PointUnits(np.array([u]), p / network.act(np.array([u]))[0])))

    grid = np.linspace(-12, 12, 2001) + 1e-3
    best = grid[np.argmin([reg(u) for u in grid])]
    found = minimize_scalar(reg, bounds=(best - 0.02, best + 0.02), method="bounded", options={"xatol": 1e-10})
    assert found.fun == pytest.approx(float(network.cost(np.array(p))), rel=1e-7)


@pytest.mark.parametrize(("activation", "y"), [("tanh", 1.0), ("logistic", 1.0), ("logistic", 3.0)])
def test_no_search_finds_less(activation, y):
    """Over u and c of four units at zero error, from many starts; and the least of those is the least."""
    network, found = OnePoint(activation, K, y), []
    for seed in range(10_000, 10_012):
        first = start(network, seed, units=4)

        def units(z):
            return PointUnits(*np.split(z, 2))

        search = minimize(
            lambda z: float(network.regularizer(units(z))),
            np.concatenate(first),
            constraints={"type": "eq", "fun": lambda z: float(network.error(units(z)))},
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        if abs(network.error(units(search.x))) < 1e-8:
            found.append(search.fun)
    assert len(found) >= 8
    assert min(found) == pytest.approx(network.least_regularizer(4).reg, abs=2e-4)
    assert min(found) > network.least_regularizer(4).reg - 1e-6


# --- the path ---------------------------------------------------------------------------------------------------------


def as_problem(activation, y, units):
    """The same network as a `Problem` in the weights (w, c), at the units' u and c."""

    def predict(params, x):
        w, c = params
        return ACTIVATIONS[activation](x @ w.T) @ c

    problem = Problem(predict, jnp.asarray(X[None]), jnp.asarray([y]), squared_error)
    return problem, (jnp.asarray(np.outer(units.u, X) / K), jnp.asarray(units.c))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_it_is_the_drift_of_the_network(activation):
    network = OnePoint(activation, K, 1.0)
    units = start(network, 10_020)
    assert abs(network.error(units)) < 1e-12
    problem, params = as_problem(activation, 1.0, units)
    assert regularizer(problem, params) == pytest.approx(float(network.regularizer(units)), rel=1e-12)
    w, c = drift(problem, params)
    expected = np.concatenate([np.asarray(w) @ X / K**0.5, c])
    np.testing.assert_allclose(network.drift(units), expected, rtol=1e-8, atol=1e-10)
    assert np.abs(np.asarray(w) - np.outer(w @ X, X) / K).max() < 1e-12, "nothing moves across x"
    output, reg = network.gradients(units)
    assert abs(network.drift(units) @ output) < 1e-12 * np.linalg.norm(reg) * np.linalg.norm(output)
    assert 0 < network.slope_left(units) < 1


@pytest.mark.usefixtures("x64")
def test_the_path_is_that_of_small_steps_of_the_general_drift_flow():
    network = OnePoint("tanh", K, 1.0)
    units = start(network, 10_021)
    problem, params = as_problem("tanh", 1.0, units)
    tau = 0.2
    followed = float(network.regularizer(network.follow(units, np.array([tau])))[0])

    def by_steps(steps, time):
        return float(regularizer(problem, jax.jit(lambda p: drift_flow(problem, p, time, steps=steps))(params)))

    coarse, fine = abs(by_steps(50, tau) - followed), abs(by_steps(200, tau) - followed)
    assert fine < 0.01 * followed
    assert fine < 0.5 * coarse, "the difference is that of the Euler steps"
    assert abs(by_steps(200, 2 * tau) - followed) > 10 * fine, "a doubled constant does not agree"


def test_logistic_units_relax_algebraically_and_need_the_long_time():
    network = OnePoint("logistic", K, 1.0)
    path = network.follow(start(network, 10_022), np.array([60.0, 1e3, 1e6]))
    slope, reg = network.slope_left(path), network.regularizer(path)
    assert slope[0] > 0.1
    assert slope[2] < 1e-6
    assert (np.diff(reg) < 0).all()
    assert reg[2] == pytest.approx(network.least_regularizer(10).reg, rel=1e-6)
    assert reg[0] > 1.1 * reg[2]
    assert np.abs(network.error(path)).max() < 1e-6
    np.testing.assert_allclose(network.act(path.u[2])[0], 0.01478, rtol=1e-3)
    np.testing.assert_allclose(path.c[2], 6.767, rtol=1e-3)


def test_rest_is_not_always_the_least():
    """Ten equal units at y = 3 are a local minimum of reg."""
    network = OnePoint("logistic", K, 3.0)
    p = 0.3
    a = K * p**2 / (1 + K * p**2)
    rng = np.random.default_rng(10_023)
    equal = PointUnits(np.full(10, np.log(a / (1 - a))), np.full(10, p / a))
    assert network.slope_left(equal) < 1e-10
    shaken = network.to_zero_error(PointUnits(*(part + 0.01 * rng.normal(size=10) for part in equal)))
    end = network.follow(shaken, np.array([1e4]))
    assert network.regularizer(end)[0] == pytest.approx(135 / 113.5, abs=1e-4)
    assert network.regularizer(end)[0] > 1.2 * network.least_regularizer(10).reg


# --- wrong input ------------------------------------------------------------------------------------------------------


def test_wrong_input():
    network = OnePoint("tanh", K, 1.0)
    units = start(network, 10_024)
    off = PointUnits(units.u, units.c + 0.1)
    with pytest.raises(ValueError, match=r"starts at zero error, got \|h - y\| = .*: use to_zero_error"):
        network.follow(off, np.array([1.0]))
    with pytest.raises(ValueError, match="taus must be positive and increasing"):
        network.follow(units, np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="units must be at least 1, got 0"):
        network.least_regularizer(0)
    dead = PointUnits(np.zeros((1, 3)), np.zeros((1, 3)))
    assert np.isnan(network.to_zero_error(dead).c).all(), "no slope to follow"
