"""The sizes that rescaling a neuron leaves unchanged."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models.two_layer import TwoLayer, predict
from biassay.probes import distance, l1_path_norm, l2_path_norm, norm, product_norm

pytestmark = pytest.mark.usefixtures("x64")

NORMS = (product_norm, l1_path_norm, l2_path_norm)


def network() -> TwoLayer:
    rng = np.random.default_rng(0)
    return TwoLayer(jnp.asarray(rng.normal(size=(4, 3))), jnp.asarray(rng.normal(size=(4, 2))))


def test_path_norms_are_sums_over_paths():
    W, V = map(np.asarray, network())
    paths = [W[j, i] * V[j, k] for j, i, k in itertools.product(range(4), range(3), range(2))]
    np.testing.assert_allclose(l1_path_norm(None, network()), np.sum(np.abs(paths)))
    np.testing.assert_allclose(l2_path_norm(None, network()), np.linalg.norm(paths))
    by_hand = sum(np.linalg.norm(w) * np.linalg.norm(v) for w, v in zip(W, V, strict=True))
    np.testing.assert_allclose(product_norm(None, network()), by_hand)


def test_a_neuron_rescaled_has_the_same_size_but_lies_elsewhere():
    params = network()
    c = jnp.array([0.2, 3.0, 1.5, 10.0])[:, None]
    moved = TwoLayer(c * params.W, params.V / c)
    x = jax.random.normal(jax.random.key(1), (5, 3))
    np.testing.assert_allclose(predict(moved, x), predict(params, x), rtol=1e-12)
    for size in NORMS:
        np.testing.assert_allclose(size(None, moved), size(None, params), rtol=1e-12)
    assert abs(norm(moved) - norm(params)) > 1
    assert distance(moved, params) > 1


def test_weight_decay_is_at_least_the_product_norm_and_reaches_it():
    W, V = network()
    assert norm(network()) ** 2 / 2 > product_norm(None, network())
    c = jnp.sqrt(jnp.linalg.norm(V, axis=1) / jnp.linalg.norm(W, axis=1))[:, None]
    balanced = TwoLayer(c * W, V / c)
    np.testing.assert_allclose(norm(balanced) ** 2 / 2, product_norm(None, network()), rtol=1e-12)
