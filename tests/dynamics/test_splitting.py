"""Relaxed variable splitting: the wrapper against the iteration written out, and its Lagrangian at every step."""

from __future__ import annotations

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
from biassay.dynamics import (
    L0,
    L1,
    RelaxedSplitting,
    SplittingState,
    TransformedL1,
    _splitting,
    relaxed_splitting,
    sparse_params,
    sparsify,
)
from biassay.problem import half_squared_error

pytestmark = pytest.mark.usefixtures("x64")

PENALTIES = {"l1": L1(), "l0": L0(), "transformed l1": TransformedL1(1.0)}


def linear(params, x):
    return x @ params["w"] + params["b"]


def flat(problem, params):
    return jnp.append(params["w"], params["b"])


def regression(dtype=float):
    rng = np.random.default_rng(10_000)
    x, y = rng.normal(size=(30, 8)), rng.normal(size=30)
    start = {"w": jnp.asarray(rng.normal(size=8), dtype), "b": jnp.asarray(0.5, dtype)}
    return ba.Problem(linear, jnp.asarray(x, dtype), jnp.asarray(y, dtype), half_squared_error), start


def trained(optimizer, problem, params, steps=50):
    state = optimizer.init(params)

    @jax.jit
    def step(params, state):
        updates, state = optimizer.update(problem.gradient(params), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(steps):
        params, state = step(params, state)
    return params, state


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("name", PENALTIES)
def test_the_iteration_written_out(name, normalise):
    problem, start = regression()
    penalty, lam, beta, lr, momentum = PENALTIES[name], 0.02, 0.1, 0.05, 0.5
    optimizer = relaxed_splitting(
        optax.sgd(lr, momentum=momentum),
        penalty=penalty,
        lam=lam,
        beta=beta,
        mask={"w": True, "b": False},
        normalise=normalise,
    )
    end, state = trained(optimizer, problem, start)
    w, b, v = np.asarray(start["w"]), 0.5, np.zeros(9)
    x, y = np.asarray(problem.x), np.asarray(problem.y)
    for _ in range(50):
        u = np.asarray(penalty.prox(jnp.asarray(w), lam / beta))
        residual = (x @ w + b - y) / len(y)
        v = momentum * v + np.append(x.T @ residual + beta * (w - u), residual.sum())
        w, b = w - lr * v[:-1], b - lr * v[-1]
        if normalise:
            w = w / np.linalg.norm(w)
    np.testing.assert_allclose(end["w"], w, atol=1e-12)
    np.testing.assert_allclose(end["b"], b, atol=1e-12)
    np.testing.assert_allclose(state.sparse["w"], penalty.prox(end["w"], lam / beta), atol=1e-15)
    np.testing.assert_array_equal(state.sparse["b"], end["b"])
    assert (np.asarray(state.sparse["w"]) == 0).any()
    assert (np.asarray(end["w"]) != 0).all(), "the zeros are in u, never in w"
    if normalise:
        assert float(jnp.linalg.norm(end["w"])) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("name", PENALTIES)
def test_it_ends_where_the_lagrangian_is_stationary(name):
    """grad L(w) + beta (w - u) = 0 with u = prox(w)."""
    problem, start = regression()
    penalty, lam, beta = PENALTIES[name], 0.05, 0.2
    w, state = trained(relaxed_splitting(optax.sgd(0.3), penalty=penalty, lam=lam, beta=beta), problem, start, 3000)
    u = sparse_params(state)
    left = jax.tree.map(lambda g, w, u: jnp.abs(g + beta * (w - u)).max(), problem.gradient(w), w, u)
    assert max(map(float, jax.tree.leaves(left))) < 1e-12
    assert float(jnp.abs(problem.gradient(w)["w"]).max()) > 1e-3, "which is not where the risk is"


def test_without_a_penalty_it_is_the_optimizer_inside():
    problem, start = regression()
    for inner in (optax.adam(0.05), optax.sgd(0.1, momentum=0.9, nesterov=True)):
        plain, _ = trained(inner, problem, start)
        split, state = trained(relaxed_splitting(inner, penalty=L1(), lam=0.0, beta=0.3), problem, start)
        for found in (split, sparse_params(state)):
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-14), found, plain)
        other, _ = trained(relaxed_splitting(inner, penalty=L1(), lam=0.1, beta=0.3), problem, start)
        assert float(jnp.abs(other["w"] - plain["w"]).max()) > 1e-2


def test_the_mask_is_a_tree_a_prefix_or_a_function():
    params = {"kernels": [jnp.ones(3), jnp.ones((2, 2))], "bias": jnp.ones(2)}
    masks = (
        {"kernels": [True, True], "bias": False},
        {"kernels": True, "bias": False},
        lambda params: jax.tree.map(lambda leaf: leaf.size > 2, params),
    )
    for mask in masks:
        optimizer = relaxed_splitting(optax.sgd(0.1), penalty=L1(), lam=3.0, beta=1.0, mask=mask)
        u = sparse_params(optimizer.init(params))
        assert [float(leaf.sum()) for leaf in jax.tree.leaves(u)] == [2.0, 0.0, 0.0]
        again = sparsify(params, penalty=L1(), lam=3.0, beta=1.0, mask=mask)
        jax.tree.map(np.testing.assert_array_equal, u, again)
    everything = sparsify(params, penalty=L1(), lam=3.0, beta=1.0)
    assert not any(leaf.any() for leaf in jax.tree.leaves(everything))


def test_its_state_is_found_in_that_of_a_larger_optimizer():
    problem, start = regression()
    split = relaxed_splitting(optax.adam(0.05), penalty=L0(), lam=0.05, beta=0.2)
    around = optax.MultiSteps(split, every_k_schedule=2)
    _, state = trained(around, problem, start)
    assert (sparse_params(state)["w"] == 0).any()
    for wrong in (optax.adam(0.1).init(start), (state, state)):
        with pytest.raises(ValueError, match=r"the state of one relaxed_splitting is needed, found [02]"):
            sparse_params(wrong)


def test_in_a_simulation_every_lane_has_its_sparse_parameters():
    problem, start = regression()

    def rule(lam):
        return ba.Optax(relaxed_splitting(optax.sgd(0.1), penalty=L1(), lam=lam, beta=0.2), batch_size=10)

    run = ba.simulate(problem, rule, start, steps=400, seeds=3, sweep={"lam": (0.0, 0.01, 0.04)})
    zeros = np.asarray(sparse_params(run.state)["w"] == 0).sum(axis=2)
    assert zeros.shape == (3, 3)
    assert (zeros[:, 0] == 0).all()
    assert (zeros[:, 0] < zeros[:, 1]).all()
    assert (zeros[:, 1] < zeros[:, 2]).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_precision_is_kept(dtype):
    problem, start = regression(dtype)
    for penalty in PENALTIES.values():
        optimizer = relaxed_splitting(optax.sgd(0.1), penalty=penalty, lam=0.05, beta=0.2, normalise=True)
        updates, state = optimizer.update(problem.gradient(start), optimizer.init(start), start)
        assert {leaf.dtype.name for leaf in jax.tree.leaves((updates, state.sparse))} == {dtype}


def test_a_weight_of_zero_is_not_normalised():
    zero = jnp.zeros(3)
    optimizer = relaxed_splitting(optax.sgd(0.1), penalty=L1(), lam=0.1, beta=1.0, normalise=True)
    updates, _ = optimizer.update(zero, optimizer.init(zero), zero)
    np.testing.assert_array_equal(updates, zero)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lam": -1.0}, "lam must be at least 0 and finite, got -1.0"),
        ({"beta": 0}, "beta must be positive and finite, got 0: it is the stiffness"),
        ({"penalty": "l1"}, r"penalty must have value, prox and threshold, as L1\(\) has, got 'l1'"),
    ],
)
def test_bad_input(change, words):
    with pytest.raises(ValueError, match=words):
        relaxed_splitting(optax.sgd(0.1), **({"penalty": L1(), "lam": 0.1, "beta": 1.0} | change))


def test_update_without_parameters():
    optimizer = relaxed_splitting(optax.sgd(0.1), penalty=L1(), lam=0.1, beta=1.0)
    with pytest.raises(ValueError, match=r"call update\(gradient, state, params\)"):
        optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)))


# --- the dynamics -----------------------------------------------------------------------------------------------------


def lagrangians(problem, path, penalty, lam, beta):
    """L_beta(prox(w), w) along a path (step, 9), written out in NumPy."""
    x, y = np.asarray(problem.x), np.asarray(problem.y)
    values = []
    for w in path:
        u = np.asarray(penalty.prox(jnp.asarray(w), lam / beta))
        risk = np.mean((x @ w[:-1] + w[-1] - y) ** 2) / 2
        values.append(risk + lam * float(penalty.value(jnp.asarray(u))) + beta / 2 * np.sum((w - u) ** 2))
    return np.array(values)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_lagrangian_is_watched_at_every_step(name):
    """Also between two records, and at a step size that makes it rise."""
    problem, start = regression()
    lam, beta, steps = 0.05, 0.2, 40
    for lr in (0.1, 1.2):
        rule = RelaxedSplitting(lr, PENALTIES[name], lam, beta)
        every = ba.simulate(problem, rule, start, steps=steps, probes={"w": flat}, record=range(steps + 1))
        seldom = ba.simulate(problem, rule, start, steps=steps, probes={"w": flat}, record=1)
        expected = lagrangians(problem, every.data["w"].values[0], PENALTIES[name], lam, beta)
        np.testing.assert_allclose(every.state.lagrangian[0], expected[-1], rtol=1e-12)
        np.testing.assert_allclose(every.state.rise[0], np.diff(expected).max(), rtol=1e-7, atol=1e-15)
        np.testing.assert_array_equal(seldom.state.rise, every.state.rise)
        np.testing.assert_array_equal(seldom.state.splitting.sparse["w"], every.state.splitting.sparse["w"])
        assert (float(every.state.rise[0]) <= 1e-12) == (lr == 0.1)


def test_normalisation_can_be_swept():
    problem, start = regression()
    rule = RelaxedSplitting(0.1, L1(), 0.05, 0.2, normalise=0.0)
    both = ba.simulate(problem, rule, start, steps=20, sweep={"normalise": (0.0, 1.0)})
    sizes = np.linalg.norm(both.params["w"][0], axis=-1)
    assert sizes[1] == pytest.approx(1, abs=1e-12)
    assert abs(sizes[0] - 1) > 0.1
    alone = ba.simulate(problem, RelaxedSplitting(0.1, L1(), 0.05, 0.2), start, steps=20)
    np.testing.assert_allclose(both.params["w"][:, 0], alone.params["w"], rtol=1e-12)


def test_the_example_in_the_docstring():
    with jax.enable_x64(False):
        results = doctest.testmod(_splitting)
    assert results.attempted
    assert not results.failed
    assert SplittingState._fields == ("inner", "sparse")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lam": -1.0}, "lam must be"),
        ({"beta": 0.0}, "beta must be"),
        ({"beta": float("inf")}, "beta must be"),
        ({"lam": np.float32(-1)}, "lam must be"),
        ({"penalty": L1}, "penalty must have"),
    ],
)
def test_mistakes_of_the_dynamics(change, words):
    with pytest.raises(ValueError, match=words):
        RelaxedSplitting(**{"lr": 0.1, "penalty": L1(), "lam": 0.1, "beta": 1.0} | change)


def test_a_swept_value_out_of_range_is_refused():
    problem = ba.Problem(lambda w, x: x @ w, jnp.eye(3), jnp.ones(3), half_squared_error)
    for sweep in ({"lam": (0.1, -1.0)}, {"beta": (0.0, 1.0)}):
        with pytest.raises(ValueError, match="must be"):
            ba.simulate(problem, RelaxedSplitting(0.1, L1(), 0.1, 1.0), jnp.ones(3), steps=3, sweep=sweep)


def test_a_mask_that_does_not_fit_is_told():
    optimizer = relaxed_splitting(optax.sgd(0.1), penalty=L1(), lam=0.1, beta=1.0, mask={"a": True})
    with pytest.raises(ValueError, match="the mask must be"):
        optimizer.init({"a": jnp.ones(2), "b": jnp.ones(2)})


def test_half_precision_stays():
    optimizer = relaxed_splitting(optax.sgd(0.1), penalty=L1(), lam=jnp.float32(0.1), beta=np.float64(1.0))
    w = jnp.ones(3, jnp.bfloat16)
    update, state = optimizer.update(w, optimizer.init(w), w)
    assert update.dtype == sparse_params(state).dtype == jnp.bfloat16
