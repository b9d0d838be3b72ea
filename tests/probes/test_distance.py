"""Distances over all leaves."""

import jax.numpy as jnp
import numpy as np

from biassay.probes import distance, norm


def test_distance_and_norm_run_over_all_leaves():
    a = {"w": jnp.array([[1.0, 2.0], [0.0, 0.0]]), "b": (jnp.array([2.0]),)}
    zero = {"w": jnp.zeros((2, 2)), "b": (jnp.zeros(1),)}
    np.testing.assert_allclose(norm(a), 3.0)
    np.testing.assert_allclose(distance(a, zero), 3.0)
    np.testing.assert_allclose(distance(zero, a), 3.0)
    assert distance(a, a) == 0
