"""The confusion set, whole and made item by item: what is erased, how labels are drawn, and what can be fitted."""

import math
from functools import partial

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


# --- made item by item ------------------------------------------------------------------------------------------------


def _images(n: int) -> np.ndarray:
    """No entry is 0, so that every erased entry is seen."""
    return np.random.default_rng(0).integers(1, 256, (n, 4, 3, 3), np.uint8)


@partial(jax.jit, static_argnums=2)
def _numbers(key: jax.Array, i: int, places: int) -> jax.Array:
    return jax.random.uniform(jax.random.fold_in(key, i), (places,))


def _by_hand(images: np.ndarray, key: jax.Array, copies: int, fraction: float, pixels: bool = False) -> np.ndarray:
    """All copies, one after another in NumPy: the places with the smallest random numbers are set to 0."""
    items = []
    for i in range(len(images) * copies):
        item = images[i // copies].copy().reshape(-1, 3 if pixels else 1)
        item[np.argsort(_numbers(key, i, len(item)), kind="stable")[: int(fraction * len(item))]] = 0
        items.append(item.reshape(images.shape[1:]))
    return np.stack(items)


@pytest.mark.parametrize("erase", ["entries", "pixels"])
def test_the_items_are_those_of_the_whole_set(erase):
    images, key = _images(5), jax.random.key(1)
    lazy = confusion.ConfusionSet(jnp.asarray(images), key, 4, 0.3, erase)
    whole = _by_hand(images, key, 4, 0.3, erase == "pixels")
    assert lazy.shape == whole.shape == (20, 4, 3, 3)
    assert len(lazy) == 20
    items = lazy[jnp.arange(20)]
    assert items.dtype == jnp.uint8
    np.testing.assert_array_equal(items, whole)
    # Controls: another key, other places, the copies in another order.
    assert not np.array_equal(items, _by_hand(images, jax.random.key(2), 4, 0.3, erase == "pixels"))
    assert not np.array_equal(items, _by_hand(images, key, 4, 0.4, erase == "pixels"))
    assert not np.array_equal(items, whole.reshape(5, 4, 4, 3, 3).swapaxes(0, 1).reshape(whole.shape))


def test_an_item_is_the_same_in_every_batch_and_under_jit():
    lazy = confusion.ConfusionSet(jnp.asarray(_images(5)), jax.random.key(1), 4, 0.3)
    whole = np.asarray(lazy[:])
    np.testing.assert_array_equal(lazy[jnp.array([[7, 19], [0, 7]])], whole[np.array([[7, 19], [0, 7]])])
    np.testing.assert_array_equal(lazy[-1], whole[-1])
    np.testing.assert_array_equal(lazy[3:5], whole[3:5])
    compiled = jax.jit(lambda items, indices: items[indices])
    np.testing.assert_array_equal(compiled(lazy, jnp.array([12, 3])), whole[[12, 3]])


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_every_item_loses_exactly_the_stated_number_of_entries(fraction):
    lazy = confusion.ConfusionSet(jnp.asarray(_images(6)), jax.random.key(0), 5, fraction)
    np.testing.assert_array_equal((np.asarray(lazy[:]) == 0).sum((1, 2, 3)), int(fraction * 36))


def test_copies_lose_the_same_places_as_often_as_stated():
    """With D = 4 and two erased, one pair of copies in binomial(4, 2) = 6."""
    n = 6000
    lazy = confusion.ConfusionSet(jnp.ones((n, 2, 2, 1), jnp.uint8), jax.random.key(0), 2, 0.5)
    pairs = np.asarray(lazy[:]).reshape(n, 2, 4)
    same, expected = (pairs[:, 0] == pairs[:, 1]).all(1).mean(), 1 / math.comb(4, 2)
    assert abs(same - expected) < 5 * np.sqrt(expected * (1 - expected) / n)
    assert 1 / math.comb(3072, 307) < 1e-300


def test_only_the_batch_is_in_memory():
    """Compiled for 2000 copies of 100 images of CIFAR's size, a batch of 8 needs 1/100 of one copy of them all."""
    images, copies = jax.ShapeDtypeStruct((100, 32, 32, 3), jnp.uint8), 2000
    items = jax.eval_shape(lambda x: confusion.ConfusionSet(x, jax.random.key(0), copies, 0.1), images)
    needed = jax.jit(lambda x, i: x[i]).lower(items, jax.ShapeDtypeStruct((8,), jnp.int32)).compile().memory_analysis()
    whole = math.prod(items.shape)
    assert whole == 614_400_000
    assert needed.temp_size_in_bytes < whole / 100


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"copies": 0, "fraction": 0.3}, "replication must"),
        ({"copies": 2, "fraction": -0.1}, "fraction must"),
        ({"copies": 2, "fraction": 0.1, "erase": "rows"}, "erase must be"),
        ({"copies": 2**30, "fraction": 0.1}, "at most 2\\^31 - 1 items, got 2147483648"),
    ],
)
def test_a_set_that_cannot_be_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        confusion.ConfusionSet(jnp.ones((2, 3), jnp.uint8), jax.random.key(0), **settings)
