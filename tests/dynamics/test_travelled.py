"""The length of a path, and the cosine schedule, against what they are by definition."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
from biassay.dynamics import CosineDecay, GradientDescent, Travelled, TunedOptax
from biassay.problem import half_squared_error


def linear(params, x):
    return x @ params["w"] + params["b"]


def weights_and_bias(problem, params):
    return jnp.append(params["w"], params["b"])


def regression():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(6, 4)), rng.normal(size=6)
    start = {"w": jnp.asarray(rng.normal(size=4)), "b": jnp.asarray(0.5)}
    return ba.Problem(linear, jnp.asarray(x), jnp.asarray(y), half_squared_error), start


INNER = {
    "gd": lambda: GradientDescent(0.1, momentum=0.5),
    "sgd": lambda: ba.SGD(0.05, batch_size=2),
    "adam": lambda: TunedOptax(optax.adam, learning_rate=0.05),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", INNER)
def test_the_length_is_the_sum_of_the_steps_and_the_run_is_the_inner_one(name):
    problem, start = regression()
    steps, probes = 50, {"w": weights_and_bias}
    plain = ba.simulate(problem, INNER[name](), start, steps=steps, seeds=2, probes=probes, record=range(steps + 1))
    walked = ba.simulate(problem, Travelled(INNER[name]()), start, steps=steps, seeds=2, probes=probes, record=steps)
    np.testing.assert_array_equal(plain.data["w"], walked.data["w"])
    np.testing.assert_array_equal(plain.data["time"], walked.data["time"])
    lengths = np.linalg.norm(np.diff(plain.data["w"].values, axis=1), axis=2).sum(axis=1)
    np.testing.assert_allclose(walked.state.length, lengths, rtol=1e-12)
    straight = np.linalg.norm(plain.data["w"].values[:, -1] - plain.data["w"].values[:, 0], axis=1)
    assert (np.asarray(walked.state.length) > 1.01 * straight).all()


@pytest.mark.usefixtures("x64")
def test_a_resumed_walk_goes_on_counting():
    problem, start = regression()
    walk = Travelled(GradientDescent(0.1))
    half = ba.simulate(problem, walk, start, steps=20)
    whole = ba.simulate(problem, walk, start, steps=50, resume=half)
    np.testing.assert_array_equal(whole.state.length, ba.simulate(problem, walk, start, steps=50).state.length)
    assert float(whole.state.length[0]) > float(half.state.length[0]) > 0


@pytest.mark.usefixtures("x64")
def test_in_one_dimension_gradient_descent_walks_straight():
    problem = ba.Problem(lambda w, x: x * w, jnp.ones(1), jnp.array([3.0]), half_squared_error)
    run = ba.simulate(problem, Travelled(GradientDescent(0.1)), jnp.array(0.0), steps=400)
    np.testing.assert_allclose(run.state.length, 3.0, rtol=1e-12)
    there_and_back = ba.simulate(problem, Travelled(GradientDescent(1.9)), jnp.array(0.0), steps=400)
    assert float(there_and_back.state.length[0]) > 30


@pytest.mark.usefixtures("x64")
def test_the_cosine_schedule_is_that_of_optax():
    ours, theirs = CosineDecay(0.3, 40), optax.cosine_decay_schedule(0.3, 40)
    for k in (0, 1, 13, 20, 39, 40, 60):
        np.testing.assert_allclose(ours(jnp.asarray(k)), theirs(k), atol=1e-12)
    assert float(ours(jnp.asarray(40))) == 0.0
    assert float(ours(jnp.asarray(20))) > 0.1


@pytest.mark.usefixtures("x64")
def test_a_cosine_schedule_of_no_steps_is_over():
    for steps in (0, 0.0, jnp.asarray(0)):
        np.testing.assert_array_equal(CosineDecay(0.3, steps)(jnp.asarray(0)), 0.0)
    assert float(CosineDecay(0.3, 1)(jnp.asarray(0))) == 0.3
