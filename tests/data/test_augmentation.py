"""Shifts: every image moves by its own offset, and the fill comes in."""

import jax
import jax.numpy as jnp
import numpy as np

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
