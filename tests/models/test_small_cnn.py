"""Patches times kernel is the convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import small_cnn
from biassay.models.mlp import Layer


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [7, 8])
def test_the_convolution_equals_the_library(stride, side):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (5, side, side, 4))
    kernel, bias = jax.random.normal(keys[1], (3, 3, 4, 6)) / 6, jax.random.normal(keys[2], (6,))
    expected = bias + jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    layer = Layer(kernel.reshape(36, 6), bias)
    np.testing.assert_allclose(small_cnn.convolve(x, layer, stride), expected, atol=4e-6)
    wrong = Layer(kernel.swapaxes(0, 1).reshape(36, 6), bias)
    assert float(jnp.abs(small_cnn.convolve(x, wrong, stride) - expected).max()) > 0.1


def test_the_network_maps_images_to_logits():
    params = small_cnn.init(jax.random.key(0), (16, 32, 32), 8, 10)
    assert params.head.weight.shape == (512, 10)
    assert small_cnn.predict(params, jnp.ones((3, 8, 8, 1))).shape == (3, 10)
    assert float(params.convolutions[1].weight.var()) == pytest.approx(2 / 144, rel=0.1)
    assert float(params.head.weight.var()) == pytest.approx(1 / 512, rel=0.1)


@pytest.mark.parametrize(
    ("channels", "side", "words"), [((1, 2), 8, "channels"), ((1, 2, 0), 8, "channels"), ((1, 1, 1), 1, "side")]
)
def test_impossible_networks_are_refused(channels, side, words):
    with pytest.raises(ValueError, match=words):
        small_cnn.init(jax.random.key(0), channels, side, 10)
