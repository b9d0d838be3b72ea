"""The confusion set: how many entries are erased, how labels are drawn, and what of it can be fitted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.data import confusion, digits


def test_every_copy_loses_exactly_the_stated_number_of_entries():
    copies = confusion.corrupted_copies(jax.random.key(0), jnp.ones((5, 4, 4, 3)), 7, 0.3)
    assert copies.shape == (35, 4, 4, 3)
    np.testing.assert_array_equal((copies == 0).sum((1, 2, 3)), int(0.3 * 48))


def test_pixels_lose_all_their_channels():
    key, x = jax.random.key(0), jnp.ones((5, 4, 4, 3))
    erased = np.asarray(confusion.corrupted_copies(key, x, 7, 0.3, "pixels") == 0)
    np.testing.assert_array_equal(erased.all(-1).sum((1, 2)), int(0.3 * 16))
    np.testing.assert_array_equal(erased.any(-1), erased.all(-1))
    by_entry = np.asarray(confusion.corrupted_copies(key, x, 7, 0.3) == 0)
    assert (by_entry.any(-1) != by_entry.all(-1)).any()


def test_the_erased_places_are_uniform_and_differ_from_copy_to_copy():
    copies = np.asarray(confusion.corrupted_copies(jax.random.key(1), jnp.ones((1, 64)), 4000, 0.3))
    expected, deviation = 19 / 64, np.sqrt(19 / 64 * 45 / 64 / 4000)
    np.testing.assert_allclose((copies == 0).mean(0), expected, atol=5 * deviation)
    assert len(np.unique(copies, axis=0)) == 4000


def test_copies_of_an_input_follow_each_other_and_keep_what_is_not_erased():
    x = jnp.arange(1.0, 31).reshape(3, 10)
    copies = np.asarray(confusion.corrupted_copies(jax.random.key(0), x, 4, 0.5))
    original = np.repeat(np.asarray(x), 4, axis=0)
    np.testing.assert_array_equal(copies[copies != 0], original[copies != 0])


def test_one_copy_with_nothing_erased_is_the_input():
    x = jax.random.normal(jax.random.key(0), (6, 8, 8, 1))
    np.testing.assert_array_equal(confusion.confusion_set(jax.random.key(1), x, 1, 0.0, 10).x, x)


def test_labels_are_uniform_and_independent_from_copy_to_copy():
    y = np.asarray(confusion.confusion_set(jax.random.key(2), jnp.ones((500, 4)), 20, 0.0, 10).y)
    assert y.shape == (10_000,)
    np.testing.assert_allclose(np.bincount(y, minlength=10) / y.size, 0.1, atol=5 * np.sqrt(0.09 / y.size))
    copies = y.reshape(500, 20)
    same = (copies[:, :-1] == copies[:, 1:]).mean()
    assert abs(same - 0.1) < 5 * np.sqrt(0.09 / 9500)


def test_a_confusion_set_belongs_to_its_key():
    first, again, other = (confusion.confusion_set(jax.random.key(k), jnp.ones((9, 16)), 3, 0.5, 10) for k in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.y, other.y)


def test_attainable_accuracy_by_hand():
    x = np.array([[0, 1], [0, 1], [0, 1], [1, 0], [1, 0], [2, 2]], np.float32)
    assert confusion.attainable_accuracy(x, [3, 3, 5, 1, 2, 0]) == pytest.approx((2 + 1 + 1) / 6)
    assert confusion.attainable_accuracy(x, [3, 3, 3, 1, 1, 0]) == 1


def _on_digits(fraction: float) -> tuple[list[int], list[float]]:
    distinct, attainable = [], []
    for seed in range(10):
        key, other = jax.random.split(jax.random.key(seed))
        x, y = confusion.confusion_set(other, digits.split(key, 200, 1).x, 20, fraction, 10)
        distinct.append(len(np.unique(np.asarray(x).reshape(4000, -1), axis=0)))
        attainable.append(confusion.attainable_accuracy(x, y))
    return distinct, attainable


def test_copies_of_digits_collide_when_few_entries_are_erased():
    distinct, attainable = _on_digits(0.1)
    # Twelve draws with NumPy's generator, an independent choice without replacement, gave 3963 to 3985, mean 3976.
    assert 3971 <= np.mean(distinct) <= 3981
    assert all(0.99 <= accuracy <= 0.997 for accuracy in attainable)


def test_copies_of_digits_hardly_ever_collide_when_a_third_is_erased():
    distinct, attainable = _on_digits(0.3)
    assert np.median(distinct) == 4000
    assert np.median(attainable) == 1


def test_a_set_that_cannot_be_fitted_is_refused_in_one_line():
    x = jnp.zeros((4, 2))
    confusion.require_attainable(x, jnp.array([1, 1, 1, 1]))
    with pytest.raises(ValueError, match=r"at most 0\.7500 of the confusion set can be fitted") as error:
        confusion.require_attainable(x, jnp.array([1, 1, 1, 2]))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("copies", "fraction", "words"), [(0, 0.3, "replication must"), (1, 1.5, "fraction must")])
def test_impossible_corruptions_are_refused(copies, fraction, words):
    with pytest.raises(ValueError, match=words):
        confusion.corrupted_copies(jax.random.key(0), jnp.ones((2, 3)), copies, fraction)


def test_an_unknown_way_to_erase_is_refused():
    with pytest.raises(ValueError, match="erase must be"):
        confusion.corrupted_copies(jax.random.key(0), jnp.ones((2, 3)), 1, 0.5, "rows")  # pyright: ignore
