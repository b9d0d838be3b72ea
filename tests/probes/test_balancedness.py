"""Balancedness: read off any two-layer network, and conserved by gradient flow but not by coarse steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.dynamics import GradientDescent
from biassay.models import two_layer
from biassay.probes import balancedness
from biassay.problem import Problem, half_squared_error
from biassay.simulation import simulate


def draw(seed=0):
    rng = np.random.default_rng(seed)
    W, V, x, y = (jnp.asarray(rng.normal(size=shape)) for shape in ((6, 3), (6, 2), (5, 3), (5, 2)))
    return Problem(two_layer.predict, x, y, half_squared_error), two_layer.TwoLayer(W / 2, V / 2)


def mlp(params, bias):
    """The same weights as an Equinox network."""
    net = eqx.nn.MLP(3, 2, 6, 1, use_bias=bias, use_final_bias=bias, key=jax.random.key(0))
    return eqx.tree_at(lambda net: (net.layers[0].weight, net.layers[1].weight), net, (params.W, params.V.T))


@pytest.mark.usefixtures("x64")
def test_by_hand_and_on_other_networks():
    problem, params = draw()
    expected = [float(w @ w - v @ v) for w, v in zip(params.W, params.V, strict=True)]
    np.testing.assert_allclose(balancedness(problem, params), expected, rtol=1e-14)
    np.testing.assert_allclose(balancedness(problem, (params.W, params.V)), expected, rtol=1e-14)
    np.testing.assert_allclose(balancedness(problem, mlp(params, False)), expected, rtol=1e-14)


@pytest.mark.usefixtures("x64")
def test_a_hidden_bias_is_an_incoming_weight():
    problem, params = draw()
    net = mlp(params, True)
    without = eqx.tree_at(lambda net: net.layers[1].bias, net, jnp.full(2, 7.0))
    expected = balancedness(problem, params) + net.layers[0].bias ** 2
    np.testing.assert_allclose(balancedness(problem, net), expected, rtol=1e-14)
    np.testing.assert_array_equal(balancedness(problem, without), balancedness(problem, net))


@pytest.mark.usefixtures("x64")
def test_a_vector_of_outgoing_weights_and_a_sequence_of_layers():
    problem, params = draw()
    v = params.V[:, 0]
    expected = jnp.sum(params.W**2, axis=1) - v**2
    np.testing.assert_allclose(balancedness(problem, (params.W, v)), expected, rtol=1e-14)
    net = mlp(params, True)
    sequence = eqx.nn.Sequential([net.layers[0], eqx.nn.Lambda(jax.nn.relu), net.layers[1]])
    np.testing.assert_array_equal(balancedness(problem, sequence), balancedness(problem, net))


def test_weights_that_do_not_belong_together():
    problem, params = draw()
    for pair in ((params.W, params.V[:4]), (params.W[0], params.V), (params.W, params.V[None])):
        with pytest.raises(ValueError, match=r"into and \(H,\) or \(H, k\) out of H units, got"):
            balancedness(problem, pair)


def test_only_two_layers():
    net = eqx.nn.MLP(3, 2, 6, 2, key=jax.random.key(0))
    with pytest.raises(ValueError, match="two layers, got 3"):
        balancedness(draw()[0], net)


def drift(problem, params, lr):
    """How far D moves at the most in the time 1 of gradient descent."""
    run = simulate(problem, GradientDescent(lr), params, steps=round(1 / lr), probes={"D": balancedness})
    assert not run.data["diverged"].any()
    return np.abs(run.data["D"].values[0, -1] - run.data["D"].values[0, 0]).max()


@pytest.mark.usefixtures("x64")
def test_small_steps_conserve_it_and_coarse_ones_do_not():
    problem, params = draw()
    coarse, small, smaller = (drift(problem, params, lr) for lr in (1e-1, 1e-3, 1e-4))
    assert coarse > 1e-2
    assert 8 < small / smaller < 12


@pytest.mark.usefixtures("x64")
def test_it_is_read_off_an_equinox_network_in_training():
    problem, params = draw()
    net, static = eqx.partition(mlp(params, True), eqx.is_array)
    whole = Problem(lambda p, x: jax.vmap(eqx.combine(p, static))(x), problem.x, problem.y, half_squared_error)
    assert drift(whole, net, 1e-4) < 1e-3 < drift(whole, net, 1e-1)
