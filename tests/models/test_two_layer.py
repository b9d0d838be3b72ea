"""The two-layer network: its sum over neurons, its homogeneity, and neurons that stay dead."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models.two_layer import TwoLayer, predict, predict_scalar

pytestmark = pytest.mark.usefixtures("x64")


def network(k: int) -> tuple[TwoLayer, np.ndarray]:
    rng = np.random.default_rng(0)
    return TwoLayer(jnp.asarray(rng.normal(size=(5, 3))), jnp.asarray(rng.normal(size=(5, k)))), rng.normal(size=(4, 3))


def test_it_is_a_sum_over_neurons():
    params, x = network(2)
    by_hand = sum(np.maximum(x @ w, 0)[:, None] * v for w, v in zip(params.W, params.V, strict=True))
    np.testing.assert_allclose(predict(params, x), by_hand, rtol=1e-12)


def test_a_neuron_rescaled_computes_the_same():
    params, x = network(1)
    c = jnp.array([0.5, 2.0, 3.0, 1.0, 4.0])[:, None]
    np.testing.assert_allclose(predict_scalar(TwoLayer(c * params.W, params.V / c), x), predict_scalar(params, x))
    assert not np.allclose(predict_scalar(TwoLayer(-c * params.W, -params.V / c), x), predict_scalar(params, x))


def test_a_neuron_of_zero_weights_has_no_gradient():
    params, x = network(1)
    params = TwoLayer(params.W.at[2].set(0.0), params.V.at[2].set(0.0))
    gradient = jax.grad(lambda p: jnp.sum(predict(p, x) ** 2))(params)
    assert not gradient.W[2].any()
    assert not gradient.V[2].any()
    assert gradient.W[1].any()
