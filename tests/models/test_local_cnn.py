"""Local networks: with shared weights they are convolutions; without, every position has its own kernel."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import local_cnn
from biassay.models.local_cnn import Local

IMAGES = jnp.asarray(np.random.default_rng(10_000).normal(size=(5, 8, 8, 1)).astype(np.float32))


def start(shared, side=8):
    params = local_cnn.init(np.random.default_rng(10_001), side, (12, 24), 10, shared=shared)
    # Biases of 0 would hide where they are added.
    return jax.tree.map(lambda leaf: leaf if leaf.any() else jnp.full_like(leaf, 0.1), params)


def by_convolutions(params, x):
    for layer in params.local:
        kernel = np.asarray(layer.W[0]).reshape(3, 3, x.shape[-1], -1)
        x = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + layer.b[0])
    return x.reshape(len(x), -1) @ params.head.weight + params.head.bias


def test_shared_weights_are_a_convolution():
    params = start(True)
    np.testing.assert_allclose(local_cnn.predict(params, IMAGES), by_convolutions(params, IMAGES), atol=1e-4)
    assert np.abs(local_cnn.predict(params, IMAGES) - by_convolutions(params, IMAGES[:, ::-1])).max() > 0.1


def test_equal_kernels_everywhere_are_shared_ones():
    shared = start(True)
    copied = shared._replace(
        local=tuple(
            Local(jnp.repeat(layer.W, p, axis=0), jnp.repeat(layer.b, p, axis=0))
            for layer, p in zip(shared.local, (16, 4), strict=True)
        )
    )
    expected = local_cnn.predict(shared, IMAGES)
    np.testing.assert_allclose(local_cnn.predict(copied, IMAGES), expected, atol=1e-4)
    assert np.abs(local_cnn.predict(start(False), IMAGES) - expected).max() > 0.1


def test_a_kernel_acts_at_its_own_position():
    """Position 0 of the first layer sees the corner x[:3, :3] and nothing else."""
    params = start(False)
    first = params.local[0]
    other = params._replace(local=(first._replace(W=first.W.at[0].multiply(-2)), params.local[1]))
    without = IMAGES.at[:, :3, :3].set(0)

    def change(x):
        return np.abs(local_cnn.predict(other, x) - local_cnn.predict(params, x)).max()

    assert change(without) == 0
    assert change(IMAGES) > 1e-3


def test_the_networks_have_their_known_numbers_of_parameters():
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(start(shared))) for shared in (True, False)]
    assert sizes == [3706, 13354]


def test_bad_sizes_are_told_in_one_line():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"channels must be numbers of at least 1, got \(4, 0\)"):
        local_cnn.init(rng, 8, (4, 0), 10, shared=True)
    with pytest.raises(ValueError, match="side must be at least 4 for 2 layers, got 3"):
        local_cnn.init(rng, 3, (4, 4), 10, shared=True)
