"""The digits: a split belongs to its key, and no digit is on both sides."""

import jax
import numpy as np
import pytest

from biassay.data import digits


def test_a_split_holds_different_digits_on_the_raw_scale():
    data = digits.split(jax.random.key(3), 200, 700)
    assert data.x.shape == (200, 8, 8, 1)
    assert data.test_x.shape == (700, 8, 8, 1)
    assert float(data.x.min()) == 0
    assert float(data.x.max()) == 1
    everything = np.concatenate([data.x, data.test_x]).reshape(900, -1)
    assert len(np.unique(everything, axis=0)) == 900


def test_a_split_belongs_to_its_key():
    first, again, other = (digits.split(jax.random.key(k), 50, 50) for k in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.y, other.y)


def test_normalised_digits_have_mean_zero_and_deviation_one():
    data = digits.split(jax.random.key(0), 1000, 797)
    x = np.asarray(digits.normalise(np.concatenate([data.x, data.test_x])))
    assert abs(x.mean()) < 5e-3
    assert abs(x.std() - 1) < 5e-3
    assert x.min() == pytest.approx(digits.BLACK)


@pytest.mark.parametrize(("train", "test", "words"), [(0, 5, "train must"), (5, 0, "test must"), (1700, 98, "1797")])
def test_impossible_sizes_are_refused(train, test, words):
    with pytest.raises(ValueError, match=words):
        digits.split(jax.random.key(0), train, test)
