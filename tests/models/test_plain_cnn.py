"""The plain network without biases: patches times kernel is the library's convolution; shapes, scales, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import plain_cnn
from biassay.models.plain_cnn import Architecture

GEOMETRIES = [(2, 1, 0), (2, 2, 0), (3, 1, 1), (3, 2, 1), (3, 2, 0), (5, 3, 2), (1, 1, 0)]


@pytest.mark.parametrize(("kernel", "stride", "padding"), GEOMETRIES)
def test_the_convolution_equals_the_library(kernel, stride, padding):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 7, 3)).astype(np.float32)
    w = rng.normal(size=(kernel, kernel, 3, 4)).astype(np.float32) / kernel**2
    expected = jax.lax.conv_general_dilated(
        jnp.asarray(x),
        jnp.asarray(w),
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    weight = w.reshape(-1, 4)
    found = plain_cnn.convolve(jnp.asarray(x), jnp.asarray(weight), kernel, stride, padding)
    np.testing.assert_allclose(found, expected, atol=5e-6)
    np.testing.assert_array_equal(plain_cnn.filters(weight, kernel), w.transpose(3, 2, 0, 1))
    if kernel > 1:
        wrong = jnp.asarray(w.swapaxes(0, 1).reshape(-1, 4))
        off = plain_cnn.convolve(jnp.asarray(x), wrong, kernel, stride, padding) - expected
        assert float(jnp.abs(off).max()) > 0.1


def test_filters_keep_leading_axes():
    weight = np.arange(2 * 5 * 18 * 4).reshape(2, 5, 18, 4)
    np.testing.assert_array_equal(plain_cnn.filters(weight, 3)[1, 2], plain_cnn.filters(weight[1, 2], 3))
    assert plain_cnn.filters(weight, 3).shape == (2, 5, 4, 2, 3, 3)


def test_the_network_is_its_layers_in_order():
    network = Architecture(kernel=3, stride=2, padding=1, channels=(4, 6))
    params = network.init(jax.random.key(0), side=8, colours=3, outputs=2)
    assert network.sides(8) == (8, 4, 2)
    assert [leaf.shape for leaf in jax.tree.leaves(params)] == [(27, 4), (36, 6), (24, 2)]
    x = jax.random.normal(jax.random.key(1), (5, 8, 8, 3))
    z = x
    for weight in params.kernels:
        z = jax.nn.relu(plain_cnn.convolve(z, weight, 3, 2, 1))
    np.testing.assert_allclose(network(params, x), z.reshape(5, -1) @ params.top, atol=1e-6)
    doubled = params._replace(kernels=(2 * params.kernels[0], params.kernels[1]))
    np.testing.assert_allclose(network(doubled, x), 2 * network(params, x), rtol=1e-5)


def test_the_initial_weights_have_their_deviation():
    params = Architecture(kernel=3, stride=1, padding=1, channels=(64, 64)).init(jax.random.key(0), side=8)
    assert float(params.kernels[1].var()) == pytest.approx(2 / 576, rel=0.05)
    assert float(params.top.var()) == pytest.approx(1 / 4096, rel=0.1)


def test_equal_architectures_are_one_function():
    assert Architecture(3, 1, 1, (8, 8)) == Architecture(3, 1, 1, (8, 8))
    assert hash(Architecture(3, 1, 1, (8, 8))) == hash(Architecture(3, 1, 1, (8, 8)))
    assert Architecture(3, 1, 1, (8, 8)) != Architecture(3, 2, 1, (8, 8))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((0, 1, 0, (8,)), "kernel and stride must be at least 1, got 0 and 1"),
        ((3, 0, 0, (8,)), "kernel and stride must be at least 1, got 3 and 0"),
        ((3, 1, 3, (8,)), r"padding must lie in 0\.\.2"),
        ((3, 1, -1, (8,)), r"padding must lie in 0\.\.2"),
        ((3, 1, 1, ()), "channels must be one or more"),
        ((3, 1, 1, (8, 0)), "channels must be one or more"),
    ],
)
def test_impossible_networks_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        Architecture(*given)


def test_an_image_that_becomes_too_small_is_refused():
    with pytest.raises(ValueError, match="a 2x2 kernel does not fit into 1 pixels with a padding of 0"):
        Architecture(2, 2, 0, (8, 8, 8, 8)).sides(8)
