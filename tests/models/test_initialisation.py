"""Weights start from the distributions that are named, each entry on its own."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import densenet, vgg
from biassay.models.initialisation import draw, he_fan_out, torch_default


@pytest.fixture(scope="module")
def drawn():
    plan = {
        "a": torch_default((3, 3, 16, 40), 144),
        "b": torch_default((3, 3, 16, 40), 144),
        "he": he_fan_out((3, 3, 16, 40)),
        "kept": jnp.ones(2),
    }
    return jax.jit(partial(draw, plan=plan))(jax.random.key(0))


def test_the_distributions(drawn):
    np.testing.assert_allclose(jnp.abs(drawn["a"]).max(), 1 / 12, rtol=1e-3)
    assert float(drawn["a"].std()) == pytest.approx(1 / 12 / 3**0.5, rel=0.02)
    assert float(drawn["he"].std()) == pytest.approx((2 / 360) ** 0.5, rel=0.03)
    assert float(jnp.mean(drawn["he"] ** 4) / jnp.mean(drawn["he"] ** 2) ** 2) == pytest.approx(3, rel=0.1)
    np.testing.assert_array_equal(drawn["kept"], 1)


def test_arrays_are_drawn_apart(drawn):
    assert abs(np.corrcoef(drawn["a"].ravel(), drawn["b"].ravel())[0, 1]) < 0.05
    assert np.unique(np.concatenate([drawn["a"].ravel(), drawn["b"].ravel()])).size > 11_000


def test_the_networks_start_as_they_should():
    small_vgg = partial(vgg.init, classes=10, width=1 / 4, plan=((64, 128), (512,)))
    small_densenet = partial(densenet.init, classes=10, width=1 / 3, depth=10)
    (params, statistics), (start, _) = jax.jit(lambda key: (small_vgg(key), small_densenet(key)))(jax.random.key(1))
    layer = params.groups[0][1]
    fan_in = 9 * layer.weight.shape[2]
    for part in (layer.weight, layer.bias):
        assert 0.8 * fan_in**-0.5 < float(jnp.abs(part).max()) <= fan_in**-0.5
    assert 0.8 * 128**-0.5 < float(jnp.abs(params.head.weight).max()) <= 128**-0.5
    np.testing.assert_array_equal(layer.norm.scale, 1)
    np.testing.assert_array_equal(layer.norm.shift, 0)
    assert all(bool((s.mean == 0).all() and (s.variance == 1).all()) for s in statistics)
    assert float(start.blocks[1].layers[0].convolution.std()) == pytest.approx((2 / (9 * 4)) ** 0.5, rel=0.1)


def test_single_precision_whatever_the_context(x64):
    """The same numbers, too."""
    init = partial(vgg.init, classes=10, width=1 / 8, plan=((64,), (64,)))
    double = jax.jit(init)(jax.random.key(1))
    assert {leaf.dtype for leaf in jax.tree.leaves(double)} == {jnp.dtype("float32")}
    with jax.enable_x64(False):
        single = jax.jit(init)(jax.random.key(1))
    for one, other in zip(jax.tree.leaves(double), jax.tree.leaves(single), strict=True):
        np.testing.assert_array_equal(one, other)
