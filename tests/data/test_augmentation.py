"""Shifts, crops and mirror images: each image by a draw of its own, exactly one of what there can be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.data import augmentation


def _moved(image: np.ndarray, down: int, right: int, fill: float) -> np.ndarray:
    padded = np.pad(image, 1, constant_values=fill)
    return padded[1 - down : 1 - down + image.shape[0], 1 - right : 1 - right + image.shape[1]]


def test_every_image_is_one_of_its_nine_shifts_and_all_nine_occur():
    image = np.arange(1.0, 13.0, dtype=np.float32).reshape(3, 4)
    shifts = [_moved(image, i, j, -2.0) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    batch = jnp.tile(image[None, :, :, None], (900, 1, 1, 1))
    out = np.asarray(augmentation.shift(jax.random.key(0), batch, fill=-2.0))[..., 0]
    which = np.array([[np.array_equal(one, shift) for shift in shifts] for one in out])
    np.testing.assert_array_equal(which.sum(1), 1)
    assert which.sum(0).min() > 60
    assert which.sum(0).max() < 140


def test_channels_of_a_pixel_move_together():
    x = jax.random.normal(jax.random.key(0), (5, 6, 6, 1))
    both = augmentation.shift(jax.random.key(1), jnp.concatenate([x, 2 * x], -1))
    np.testing.assert_array_equal(2 * both[..., 0], both[..., 1])


def test_no_reach_changes_nothing():
    x = jax.random.normal(jax.random.key(0), (5, 6, 6, 2))
    np.testing.assert_array_equal(augmentation.shift(jax.random.key(1), x, reach=0), x)


def test_every_channel_can_have_its_own_fill():
    fill = jnp.array([-2.5, 0.1])
    out = jax.jit(augmentation.shift)(jax.random.key(0), jnp.ones((200, 3, 3, 2)), fill=fill)
    came_in = np.asarray(out)[..., 0] != 1
    assert came_in.any()
    np.testing.assert_array_equal(np.asarray(out)[came_in], np.broadcast_to(fill, (came_in.sum(), 2)))


def _crops(image: np.ndarray, pad: int, fill: float, mirrored: bool) -> list[np.ndarray]:
    """All crops of the padded image, by NumPy, each mirrored or not."""
    h, w, _ = image.shape
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), constant_values=fill)
    crops = [padded[i : i + h, j : j + w] for i in range(2 * pad + 1) for j in range(2 * pad + 1)]
    return [crop[:, ::-1] for crop in crops] if mirrored else crops


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_crops_and_mirror_images_are_exactly_those_there_are_and_all_occur(dtype):
    image = np.arange(10, 10 + 5 * 4 * 3).reshape(5, 4, 3).astype(dtype)
    plain, mirrored = (_crops(image, 2, 7, mirror) for mirror in (False, True))
    crop = jax.jit(lambda key, x: augmentation.crop_and_flip(key, x, pad=2, fill=7))
    out = crop(jax.random.key(3), np.tile(image, (2000, 1, 1, 1)))
    assert out.dtype == dtype
    images = np.asarray(out)
    counts = np.array([(images == one).all((1, 2, 3)).sum() for one in (*plain, *mirrored)])
    assert counts.sum() == 2000  # every image is one of the 50, and no two of those are equal
    expected = 2000 / 50
    assert counts.min() > expected - 5 * np.sqrt(expected)
    assert counts.max() < expected + 5 * np.sqrt(expected)
    # Controls: with another padding, or of the image turned upside down, it would be none of them.
    for other in (_crops(image, 2, 8, False)[0], _crops(image[::-1], 2, 7, False)[12]):
        assert not (images == other).all((1, 2, 3)).any()


def test_a_draw_belongs_to_its_key_and_to_its_place_in_the_batch():
    x = np.tile(np.random.default_rng(0).normal(size=(8, 8, 3)).astype(np.float32), (64, 1, 1, 1))
    crop = jax.jit(augmentation.crop_and_flip)
    first, again, other = (np.asarray(crop(jax.random.key(k), x)) for k in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any((1, 2, 3)).sum() > 55  # equal with probability 1/162 each
    assert (first[0] != first).any((1, 2, 3)).sum() > 55


def test_mirror_images_are_half_and_twice_is_once():
    x = np.random.default_rng(0).normal(size=(4000, 2, 3, 1)).astype(np.float32)
    flip = jax.jit(augmentation.flip)
    out = np.asarray(flip(jax.random.key(1), x))
    mirrored = (out == np.asarray(x)[:, :, ::-1]).all((1, 2, 3))
    np.testing.assert_array_equal(out[~mirrored], np.asarray(x)[~mirrored])
    assert abs(mirrored.mean() - 0.5) < 5 * 0.5 / np.sqrt(4000)
    np.testing.assert_array_equal(flip(jax.random.key(1), out), x)
