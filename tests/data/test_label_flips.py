"""Flipped labels: as many as asked for, all of them wrong, nested over rates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.data.label_flips import flipped

LABELS = jnp.arange(400) % 10


def test_the_share_is_exact_and_every_flip_is_wrong():
    rates = (0.0, 0.1, 0.2, 1.0)
    found = flipped(jax.random.key(0), LABELS, rates, 10)
    np.testing.assert_array_equal((found != LABELS).sum(axis=1), [0, 40, 80, 400])
    assert set(np.unique(found)) <= set(range(10))


def test_flips_are_nested():
    low, high = flipped(jax.random.key(1), LABELS, (0.1, 0.2), 10)
    wrong = low != LABELS
    np.testing.assert_array_equal(low[wrong], high[wrong])
    other = flipped(jax.random.key(2), LABELS, (0.1,), 10)[0]
    assert (low != other).any(), "flips belong to the key"


def test_the_wrong_class_is_uniform_over_the_others():
    labels = jnp.full(9000, 3)
    counts = np.bincount(flipped(jax.random.key(3), labels, (1.0,), 10)[0], minlength=10)
    assert counts[3] == 0
    assert np.abs(np.delete(counts, 3) - 1000).max() < 150


def test_a_slip_is_named():
    with pytest.raises(ValueError, match="rates must lie"):
        flipped(jax.random.key(0), LABELS, (0.1, 1.2), 10)
    with pytest.raises(ValueError, match="classes must be at least 2"):
        flipped(jax.random.key(0), LABELS, (0.1,), 1)
