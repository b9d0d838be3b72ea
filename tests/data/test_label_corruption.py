"""Corrupted labels: how many are wrong, what stays, and how draws at several p belong together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.data.label_corruption import corrupt, wrong_fraction

N = 20_000


def _labels(classes: int) -> jax.Array:
    return jnp.arange(N) % classes


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("p", [0.25, 0.5, 0.75, 1.0])
def test_the_wrong_fraction_is_p_times_k_minus_one_over_k(p, classes):
    y = _labels(classes)
    wrong = float((corrupt(jax.random.key(10_000), y, p, classes) != y).mean())
    expected = wrong_fraction(p, classes)
    assert expected == pytest.approx(p * (1 - 1 / classes))
    error = np.sqrt(expected * (1 - expected) / N)
    assert abs(wrong - expected) < 4 * error
    # A flip to another class would be wrong with probability p: the test tells the two apart.
    assert abs(wrong - p) > 4 * error


def test_without_corruption_the_labels_are_unchanged():
    y = _labels(10)
    np.testing.assert_array_equal(corrupt(jax.random.key(0), y, 0.0, 10), y)
    assert corrupt(jax.random.key(0), y, 1.0, 10).dtype == y.dtype


def test_random_labels_are_uniform_and_independent_of_the_old_ones():
    old = _labels(10)
    new = corrupt(jax.random.key(0), old, 1.0, 10)
    table = np.histogram2d(old, new, bins=10)[0] / N
    np.testing.assert_allclose(table, 0.01, atol=5 * np.sqrt(0.01 / N))


def test_what_is_replaced_at_one_p_is_replaced_alike_at_every_larger_p():
    y, key = _labels(10), jax.random.key(3)
    few, many, other = (np.asarray(corrupt(k, y, p, 10)) for k, p in ((key, 0.3), (key, 0.8), (jax.random.key(4), 0.8)))
    changed = few != np.asarray(y)
    np.testing.assert_array_equal(few[changed], many[changed])
    assert (few[changed] != other[changed]).any()


@pytest.mark.parametrize(("p", "classes", "words"), [(-0.1, 10, "p must"), (1.1, 10, "p must"), (0.5, 1, "classes")])
def test_impossible_fractions_are_refused(p, classes, words):
    with pytest.raises(ValueError, match=words):
        wrong_fraction(p, classes)
