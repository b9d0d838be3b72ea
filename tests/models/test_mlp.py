"""The multi-layer perceptron by hand, and the laws of its initialisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import mlp


def test_the_network_by_hand():
    first = mlp.Layer(jnp.array([[1.0, -1.0], [2.0, 0.0]]), jnp.array([0.5, 1.0]))
    second = mlp.Layer(jnp.array([[3.0], [4.0]]), jnp.array([-1.0]))
    # x = (1, 2): hidden = relu(1 + 4 + .5, -1 + 1) = (5.5, 0); output = 16.5 - 1.
    out = mlp.predict((first, second), jnp.array([[1.0, 2.0]]))
    np.testing.assert_allclose(out, [[15.5]])
    np.testing.assert_allclose(mlp.predict_scalar((first, second), jnp.array([[1.0, 2.0]])), [15.5])


def test_images_are_flattened():
    params = mlp.init(jax.random.key(0), (12, 5, 3))
    x = jax.random.normal(jax.random.key(1), (4, 2, 3, 2))
    np.testing.assert_array_equal(mlp.predict(params, x), mlp.predict(params, x.reshape(4, 12)))


def test_he_weights_have_variance_two_over_fan_in_and_zero_biases():
    params = mlp.init(jax.random.key(0), (400, 300, 10))
    assert [layer.weight.shape for layer in params] == [(400, 300), (300, 10)]
    assert float(params[0].weight.var()) == pytest.approx(2 / 400, rel=0.03)
    assert all((layer.bias == 0).all() for layer in params)


def test_uniform_weights_fill_their_interval():
    weight, bias = mlp.init(jax.random.key(0), (100, 500), "uniform")[0]
    assert 0.099 < float(jnp.abs(weight).max()) <= 0.1
    assert 0.09 < float(jnp.abs(bias).max()) <= 0.1
    assert float(weight.var()) == pytest.approx(0.1**2 / 3, rel=0.03)


@pytest.mark.parametrize("sizes", [(3,), (3, 0)])
def test_impossible_widths_are_refused(sizes):
    with pytest.raises(ValueError, match="widths"):
        mlp.init(jax.random.key(0), sizes)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="scheme must be"):
        mlp.init(jax.random.key(0), (2, 2), "glorot")  # pyright: ignore
