"""Label noise as an Optax transformation: exactly the gradient at noisy labels, in any chain and any loop."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import Array

import biassay as ba
from biassay.dynamics import label_noise
from biassay.problem import half_squared_error, squared_error

pytestmark = pytest.mark.usefixtures("x64")


def network(params, x):
    """Two outputs of a tanh layer, parameters in a dictionary."""
    return jnp.tanh(x @ params["w"] + params["b"]) @ params["v"]


def drawn(seed) -> tuple[Any, Array, Array]:
    rng = np.random.default_rng(seed)
    params = {"w": rng.normal(size=(3, 4)), "b": rng.normal(size=4), "v": rng.normal(size=(4, 2))}
    return jax.tree.map(jnp.asarray, params), jnp.asarray(rng.normal(size=(5, 3))), jnp.asarray(rng.normal(size=(5, 2)))


def distance(a, b):
    return max(float(jnp.abs(x - y).max()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.mark.parametrize("law", ["gaussian", "sign"])
@pytest.mark.parametrize(("loss", "curvature"), [(squared_error, 2.0), (half_squared_error, 1.0)])
def test_it_is_the_gradient_at_noisy_labels(loss, curvature, law):
    params, x, y = drawn(10_000)
    key, std = jax.random.key(7), 0.3
    eps = (jax.random.normal if law == "gaussian" else jax.random.rademacher)(key, y.shape, y.dtype)

    def gradient(labels):
        return jax.grad(lambda p: jnp.mean(loss(network(p, x), labels)))(params)

    def added(curvature):
        noise = label_noise(network, std, law=law, curvature=curvature)
        return noise.update(gradient(y), noise.init(params), params, inputs=x, key=key)[0]

    assert distance(added(curvature), gradient(y + std * eps)) < 1e-12
    assert distance(added(3 - curvature), gradient(y + std * eps)) > 1e-2, "the other loss's curvature"


def test_any_optimizer_takes_it_in_a_loop_of_ones_own():
    """Adam in a jitted loop: the noise is fresh at every step, the same for the same seed, and absent with std 0."""
    params, x, y = drawn(10_001)

    def trained(*, std, seed=0, inputs=True):
        first = label_noise(network, std, seed=seed) if inputs else optax.identity()
        optimizer = optax.chain(first, optax.adam(1e-2))

        @jax.jit
        def step(carry, _):
            params, state = carry
            grads = jax.grad(lambda p: jnp.mean(squared_error(network(p, x), y)))(params)
            updates, state = optimizer.update(grads, state, params, inputs=x)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, optimizer.init(params)), None, length=20)[0][0]

    clean, noisy = trained(std=0.0), trained(std=0.5)
    assert distance(clean, trained(std=0.0, inputs=False)) < 1e-14
    assert distance(noisy, trained(std=0.5)) == 0
    assert distance(noisy, clean) > 1e-3
    assert distance(noisy, trained(std=0.5, seed=1)) > 1e-3


def test_the_noise_of_two_steps_differs_and_has_mean_zero():
    params, x, _ = drawn(10_002)
    noise, zeros = label_noise(network, 1.0), jax.tree.map(jnp.zeros_like, params)

    def step(state, _) -> tuple[Any, Array]:
        added, state = noise.update(zeros, state, params, inputs=x)
        return state, jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(added)])

    _, added = jax.lax.scan(step, noise.init(params), None, length=4000)
    error = added.std(axis=0) / 4000**0.5
    assert (jnp.abs(added.mean(axis=0)) < 4.5 * error).all()
    assert len(np.unique(np.asarray(added[:, 0]))) == 4000
    assert abs(float(jnp.corrcoef(added[:-1, 0], added[1:, 0])[0, 1])) < 0.06


# --- in a simulation --------------------------------------------------------------------------------------------------


def linear(w, x):
    return x @ w


def regression():
    rng = np.random.default_rng(10_003)
    x, y = jnp.asarray(rng.normal(size=(8, 5))), jnp.asarray(rng.normal(size=8))
    return ba.Problem(linear, x, y, half_squared_error), jnp.asarray(rng.normal(size=5))


def chained(std, batch_size: int | None = 4):
    noise = label_noise(linear, std, curvature=1.0)
    return ba.Optax(optax.chain(noise, optax.sgd(0.05)), batch_size, "independent")


def test_no_noise_is_the_bits_of_plain_descent():
    problem, start = regression()
    plain = ba.Optax(optax.sgd(0.05), 4, "independent")
    ends = [ba.simulate(problem, rule, start, steps=50, seeds=3).params for rule in (plain, chained(0.0))]
    np.testing.assert_array_equal(*ends)
    noisy = ba.simulate(problem, chained(0.1), start, steps=50, seeds=3).params
    assert float(jnp.abs(noisy - ends[0]).max()) > 1e-3


def test_its_steps_have_the_mean_and_the_covariance_of_label_noise():
    """Mean: the descent step. Covariance: lr^2 std^2 X^T X / n^2, as of `LabelNoise`, and not twice that."""
    problem, start = regression()
    draws = 20_000
    rule, state = chained(1.0, None), chained(1.0, None).init(problem, start)
    noise = rule.noise(problem, jax.random.key(1), jnp.asarray(0), draws)
    step = jax.jit(jax.vmap(lambda one: rule.step(problem, start, state, one)[0] - start))
    moves = np.asarray(step(noise))
    descent = -0.05 * problem.gradient(start)
    assert (np.abs(moves.mean(axis=0) - descent) < 4.5 * moves.std(axis=0) / draws**0.5).all()
    centred = moves - moves.mean(axis=0)
    products = centred[:, :, None] * centred[:, None, :]
    error = 4.5 * products.std(axis=0) / draws**0.5
    expected = 0.05**2 * np.asarray(problem.x.T @ problem.x) / problem.size**2
    assert (np.abs(products.mean(axis=0) - expected) < error).all()
    assert not (np.abs(products.mean(axis=0) - 2 * expected) < error).all()


def test_the_whole_batch_and_tuned_optimizers_get_it_too():
    problem, start = regression()
    whole = ba.simulate(problem, chained(0.5, None), start, steps=5, seeds=2).params
    assert float(jnp.abs(whole[0] - whole[1]).max()) > 1e-3, "every seed has its own noise"

    def noisy(learning_rate):
        return optax.chain(label_noise(linear, 0.5, curvature=1.0), optax.sgd(learning_rate))

    tuned = ba.simulate(problem, ba.dynamics.TunedOptax(noisy, learning_rate=0.05), start, steps=5, seeds=2).params
    np.testing.assert_allclose(tuned, whole, rtol=1e-12)


def test_errors():
    with pytest.raises(ValueError, match="std must not be negative, got -1"):
        label_noise(linear, -1)
    with pytest.raises(ValueError, match=r"std must not be negative, got -0\.1"):
        label_noise(linear, np.float32(-0.1))
    with pytest.raises(ValueError, match="law must be gaussian or sign, got 'cauchy'"):
        label_noise(linear, 1.0, law="cauchy")  # pyright: ignore[reportArgumentType]
    noise, w = label_noise(linear, 1.0), jnp.ones(3)
    for batch, params in (({}, w), ({"inputs": jnp.eye(3)}, None)):
        with pytest.raises(ValueError, match=r"label_noise needs the batch: call update\(grads, state, params, inputs"):
            noise.update(w, noise.init(w), params, **batch)
