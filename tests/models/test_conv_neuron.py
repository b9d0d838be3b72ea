"""The closed form of the convolutional ReLU network against automatic differentiation, sampling and search."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from biassay.dynamics import GradientDescent
from biassay.models import conv_neuron
from biassay.simulation import PerSeed, simulate

pytestmark = pytest.mark.usefixtures("x64")

K, D = 20, 50


def drawn(seed, d=D):
    rng = np.random.default_rng(10_000 + seed)
    w, truth = rng.normal(size=(2, d))
    return jnp.asarray(w), jnp.asarray(truth / np.linalg.norm(truth))


@pytest.mark.parametrize("k", [1, 3, K])
def test_the_gradient_is_that_of_the_risk(k):
    for seed in range(5):
        w, truth = drawn(seed)
        closed = np.asarray(conv_neuron.population_gradient(w, truth, k))
        automatic = np.asarray(jax.grad(conv_neuron.population_risk)(w, truth, k))
        np.testing.assert_allclose(closed, automatic, atol=1e-12)
        other = np.asarray(conv_neuron.population_gradient(w, truth, k + 1))
        assert np.abs(other - automatic).max() > 1e-4, "another k would be seen"


def test_risk_and_gradient_are_those_of_samples():
    """2e6 inputs with k = 3 patches in d = 4, in 100 parts: within four standard errors; a wrong k is far outside."""
    k, d, parts, n = 3, 4, 100, 20_000
    pair = drawn(7, d)
    w, truth = (v.astype(jnp.float32) for v in pair)

    def sampled(key):
        x = jax.random.normal(key, (n, k, d), jnp.float32)
        return jax.value_and_grad(lambda w: jnp.mean((conv_neuron.predict(w, x) - conv_neuron.predict(truth, x)) ** 2))(
            w
        )

    keys = jax.random.split(jax.random.key(10_000), parts)
    values = np.column_stack([np.asarray(part, float) for part in jax.jit(lambda: jax.lax.map(sampled, keys))()])

    def deviations(k):
        exact = jax.value_and_grad(conv_neuron.population_risk)(*pair, k)
        gaps = values.mean(axis=0) - np.append(*map(np.asarray, exact))
        return np.abs(gaps) / (values.std(axis=0, ddof=1) / parts**0.5)

    assert deviations(k).max() < 4
    assert deviations(k + 1).min() > 10


def test_the_hessian_at_the_truth():
    """Central differences of the gradient; eigenvalues 1/k, d - 1 times, and 2a/k^2."""
    _, truth = drawn(1)
    H = np.asarray(conv_neuron.hessian_at_truth(truth, K))
    h = 1e-5
    moved = jax.vmap(lambda e: conv_neuron.population_gradient(truth + e, truth, K))
    differences = np.asarray(moved(h * jnp.eye(D)) - moved(-h * jnp.eye(D))) / (2 * h)
    # L has kinks in its third derivative at w*: the differences are of first order in h.
    np.testing.assert_allclose(H, differences, atol=2 * h)
    eigenvalues = np.linalg.eigvalsh(H)
    np.testing.assert_allclose(eigenvalues[:-1], 1 / K, rtol=1e-12)
    a, _ = conv_neuron.constants(K)
    assert eigenvalues[-1] == pytest.approx(2 * a / K**2, rel=1e-12)
    assert (1 / K, 2 * a / K**2) == (0.05, pytest.approx(0.3524, abs=5e-5))
    assert np.abs(np.asarray(conv_neuron.hessian_at_truth(truth, K + 1)) - differences).max() > 1e-3


def test_the_truth_is_the_minimum_and_the_opposite_a_saddle():
    w, truth = drawn(2)
    assert float(conv_neuron.population_risk(truth, truth, K)) == pytest.approx(0, abs=1e-15)
    assert float(jnp.abs(conv_neuron.population_gradient(truth, truth, K)).max()) < 1e-15
    assert float(conv_neuron.population_risk(w, truth, K)) > 0.1
    # On the ray through -w* the gradient points along it, so that descent cannot turn.
    across = conv_neuron.population_gradient(-0.7 * truth, truth, K)
    assert float(jnp.linalg.norm(across - (across @ truth) * truth)) < 1e-15
    assert float(conv_neuron.angle(-truth, truth)) == pytest.approx(np.pi, abs=1e-15)


def test_nothing_is_undefined_at_zero():
    _, truth = drawn(3)
    zero = jnp.zeros(D)
    a, _ = conv_neuron.constants(K)
    assert float(conv_neuron.population_risk(zero, truth, K)) == pytest.approx(a / K**2, rel=1e-12)
    assert np.isfinite(conv_neuron.population_gradient(zero, truth, K)).all()
    assert float(conv_neuron.angle(zero, truth)) == 0


def test_small_angles_keep_their_digits():
    """An arccos of the cosine gives 0 or 2e-8 for them."""
    _, truth = drawn(4)
    across = jnp.asarray(np.linalg.svd(np.asarray(truth)[None])[2][1])
    for size in (1e-4, 1e-9, 1e-14):
        assert float(conv_neuron.angle(truth + size * across, truth)) == pytest.approx(size, rel=0.05)
    near = np.asarray(truth + 1e-9 * across)
    cosine = near @ np.asarray(truth) / np.linalg.norm(near)
    assert abs(np.arccos(min(cosine, 1)) - 1e-9) > 1e-10


def test_the_best_on_a_support():
    _, truth = drawn(5, 12)
    k = 6
    for kept in (range(12), (0, 1, 2), (3, 7), (4,)):
        support = jnp.zeros(12).at[jnp.asarray(list(kept))].set(1)
        best = conv_neuron.best_on_support(support, truth, k)
        inside = np.flatnonzero(support)

        def risk(v, inside=inside):
            w = jnp.zeros(12).at[inside].set(v)
            return float(conv_neuron.population_risk(w, truth, k)), np.asarray(
                conv_neuron.population_gradient(w, truth, k)
            )[inside]

        found = minimize(risk, np.asarray(truth)[inside] / 3, jac=True, options={"gtol": 1e-12})
        np.testing.assert_allclose(np.asarray(best)[inside], found.x, atol=1e-6)
        assert not np.asarray(best)[np.asarray(support) == 0].any()
        missed = float(jnp.linalg.norm(best - truth))
        assert (missed < 1e-14) == (len(inside) == 12)
    assert not conv_neuron.best_on_support(jnp.zeros(12), truth, k).any()


def test_as_a_problem_it_is_trained_without_samples():
    pairs = [drawn(seed) for seed in range(3)]
    w, truth = (jnp.stack(part) for part in zip(*pairs, strict=True))
    problem = PerSeed(conv_neuron.population_problem(truth, K))
    run = simulate(problem, GradientDescent(0.5), PerSeed(w), steps=3000, seeds=3)
    np.testing.assert_allclose(run.params, truth, atol=1e-12)
    alone = conv_neuron.population_problem(truth[0], K)
    assert float(alone.risk(w[0])) == pytest.approx(float(conv_neuron.population_risk(w[0], truth[0], K)), rel=1e-15)
    np.testing.assert_array_equal(alone.gradient(w[0]), conv_neuron.population_gradient(w[0], truth[0], K))
    assert alone.network is conv_neuron.population_problem(truth[1], K).network, "one program for one k"
    with pytest.raises(ValueError, match="k must be at least 1 patch, got 0"):
        conv_neuron.population_problem(truth[0], 0)
