"""Batch statistics: carried beside the parameters, seen by probes in evaluation mode."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
from biassay import dynamics
from biassay._lanes import WINDOW
from biassay.problem import half_squared_error
from biassay.simulation import PerSeed, _keys

MOMENTUM = 0.3


def normalise(x, mean, variance):
    return (x - mean) / jnp.sqrt(variance + 1e-3)


def network(w, statistics, x):
    return normalise(x @ w["in"], *statistics) @ w["out"]


def training(w, statistics, x):
    hidden = x @ w["in"]
    now = hidden.mean(axis=0), hidden.var(axis=0)
    after = jax.tree.map(lambda old, new: (1 - MOMENTUM) * old + MOMENTUM * new, statistics, now)
    return normalise(hidden, *now) @ w["out"], after


def draw(seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=12)
    start = {"in": jnp.asarray(rng.normal(size=(3, 4))), "out": jnp.asarray(rng.normal(size=4))}
    statistics = jnp.zeros(4), jnp.ones(4)
    problem = ba.Problem(
        network, jnp.asarray(x), jnp.asarray(y), half_squared_error, statistics=statistics, training=training
    )
    return problem, start


def risk(problem, params):
    """Risk."""
    return problem.risk(params)


def by_hand(problem, params, batches, lr, momentum):
    """SGD written out; returns parameters, statistics and the risk in evaluation mode before every step."""
    statistics, velocity = problem.statistics, jax.tree.map(jnp.zeros_like, params)
    risks = []
    for indices in batches:
        risks.append(float(dataclasses.replace(problem, statistics=statistics).risk(params)))
        x, y = problem.x[indices], problem.y[indices]

        def loss(w, statistics=statistics, x=x, y=y):
            outputs, after = training(w, statistics, x)
            return jnp.mean((outputs - y) ** 2) / 2, after

        gradient, statistics = jax.grad(loss, has_aux=True)(params)
        velocity = jax.tree.map(lambda v, g: momentum * v + g, velocity, gradient)
        params = jax.tree.map(lambda w, v: w - lr * v, params, velocity)
    return params, statistics, risks


@pytest.mark.parametrize(
    ("rule", "driver"),
    [("SGD", "scan"), ("SGD", "host"), ("Optax", "scan"), ("TunedOptax", "scan"), ("GradientDescent", "scan")],
)
def test_a_run_is_the_loop_by_hand(x64, rule, driver):
    problem, start = draw()
    full = rule in ("GradientDescent", "TunedOptax")
    rules = {
        "SGD": lambda: dynamics.SGD(0.1, 4, momentum=0.5),
        "GradientDescent": lambda: dynamics.GradientDescent(0.1, momentum=0.5),
        "Optax": lambda: dynamics.Optax(optax.sgd(0.1, momentum=0.5), 4),
        "TunedOptax": lambda: dynamics.TunedOptax(partial(optax.sgd, momentum=0.5), learning_rate=0.1),
    }
    moved = rules[rule]()
    run = ba.simulate(problem, moved, start, steps=7, record=range(8), probes={"risk": risk}, driver=driver)
    batches = [np.arange(12)] * 7
    if not full:
        key = jax.random.wrap_key_data(jnp.asarray(_keys(0, 1, 0)[0, 1]))
        batches = list(moved.noise(problem, key, jnp.int32(0), WINDOW)[0][:7])
    params, statistics, risks = by_hand(problem, start, batches, 0.1, 0.5)
    for name in start:
        np.testing.assert_allclose(run.params[name][0], params[name], rtol=1e-10)
    for carried, expected in zip(run.statistics, statistics, strict=True):
        np.testing.assert_allclose(carried[0], expected, rtol=1e-12)
    np.testing.assert_allclose(run.data.risk.values[0, :7], risks, rtol=1e-10)
    # Control: with the statistics of the start the probe would have seen other numbers.
    assert abs(float(problem.risk(params)) / float(run.data.risk[0, -1]) - 1) > 1e-2


def test_recording_and_resuming_change_nothing(x64):
    problem, start = draw()
    rule = dynamics.SGD(0.1, 4, "independent")
    whole = ba.simulate(problem, rule, start, steps=30, probes={"risk": risk}, record=30, seeds=3)
    plain = ba.simulate(problem, rule, start, steps=30, seeds=3)
    half = ba.simulate(problem, rule, start, steps=11, seeds=3)
    rest = ba.simulate(problem, rule, start, steps=30, seeds=3, resume=half)
    for other in (plain, rest):
        ends = ((run.params, run.statistics) for run in (whole, other))
        for a, b in zip(*map(jax.tree.leaves, ends), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_next_stage_goes_on_with_the_statistics(x64):
    problem, start = draw()
    swept = ba.simulate(problem, dynamics.SGD(0.1, 4, "independent"), start, steps=5, seeds=2, sweep={"lr": (0.1, 0.2)})
    assert swept.statistics[0].shape == (2, 2, 4)
    first = ba.simulate(problem, dynamics.SGD(0.1, 4, "independent"), start, steps=5, seeds=2)
    np.testing.assert_allclose(first.statistics[0], swept.statistics[0][:, 0], rtol=1e-12)
    own = jax.tree.map(
        lambda leaf: jnp.stack([leaf, leaf]), dataclasses.replace(problem, statistics=None, training=None)
    )
    carried = PerSeed(dataclasses.replace(own, statistics=first.statistics, training=training))
    still = ba.simulate(
        carried,
        dynamics.SGD(0.0, 4, "independent"),
        PerSeed(first.params),
        steps=1,
        record=[0],
        seeds=2,
        probes={"risk": risk},
    )
    for seed in range(2):
        mine = jax.tree.map(lambda leaf, seed=seed: leaf[seed], (first.params, first.statistics))
        expected = dataclasses.replace(problem, statistics=mine[1]).risk(mine[0])
        np.testing.assert_allclose(still.data.risk[seed, 0], expected, rtol=1e-12)


def test_a_network_without_statistics_has_none(x64):
    problem = ba.Problem(lambda w, x: x @ w, jnp.eye(3), jnp.ones(3), half_squared_error)
    assert ba.simulate(problem, dynamics.SGD(0.1), jnp.zeros(3), steps=2).statistics is None
    gradient, none = problem.training_gradient(jnp.zeros(3), None)
    np.testing.assert_array_equal(gradient, problem.gradient(jnp.zeros(3)))
    assert none is None


@pytest.mark.parametrize("rule", [dynamics.GradientFlow(0.1), dynamics.LabelNoise(0.1, 0.1), dynamics.SignDescent(0.1)])
def test_a_dynamics_that_would_lose_them_is_refused(x64, rule):
    problem, start = draw()
    with pytest.raises(ValueError, match=f"{type(rule).__name__} does not carry batch statistics"):
        ba.simulate(problem, rule, start, steps=1)


def test_half_a_description_is_refused(x64):
    problem, _ = draw()
    with pytest.raises(ValueError, match="statistics and training go together"):
        dataclasses.replace(problem, statistics=None)
    with pytest.raises(ValueError, match="statistics and training go together"):
        dataclasses.replace(problem, training=None)
    with pytest.raises(ValueError, match="gradient_rule is for networks without"):
        dataclasses.replace(problem, gradient_rule=lambda w, x, y: w)
