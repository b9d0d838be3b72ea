"""Shuffled, random and Gaussian pixels: what each of them keeps."""

import jax
import jax.numpy as jnp
import numpy as np

from biassay.data import pixel_noise

X = jax.random.uniform(jax.random.key(0), (6, 4, 5, 3))


def _pixels(x: jax.Array) -> np.ndarray:
    return np.asarray(x).reshape(6, 20, 3)


def test_one_permutation_shuffles_all_images_and_its_inverse_restores_them():
    order = pixel_noise.permutation(jax.random.key(1), 4, 5)
    moved = pixel_noise.shuffled(order, X)
    assert (moved != X).any()
    np.testing.assert_array_equal(np.sort(order), np.arange(20))
    for image, original in zip(_pixels(moved), _pixels(X), strict=True):
        np.testing.assert_array_equal(image, original[np.asarray(order)])
    np.testing.assert_array_equal(pixel_noise.shuffled(jnp.argsort(order), moved), X)


def test_random_pixels_keep_each_images_pixels_and_not_one_order():
    moved = pixel_noise.random_pixels(jax.random.key(1), X)
    np.testing.assert_array_equal(np.sort(_pixels(moved)[:, :, 0]), np.sort(_pixels(X)[:, :, 0]))
    ranks = [np.argsort(np.argsort(pixels[:, 0])) for pixels in _pixels(X)]
    places = [np.argsort(pixels[:, 0])[rank] for pixels, rank in zip(_pixels(moved), ranks, strict=True)]
    assert len(np.unique(places, axis=0)) == 6
    for image, original, order in zip(_pixels(moved), _pixels(X), places, strict=True):
        np.testing.assert_array_equal(image[order], original)  # the channels of a pixel stay together


def test_an_order_of_its_own_is_not_undone_by_one_inverse():
    order = pixel_noise.permutation(jax.random.key(1), 4, 5)
    moved = pixel_noise.random_pixels(jax.random.key(1), X)
    assert (pixel_noise.shuffled(jnp.argsort(order), moved) != X).any()


def test_gaussian_inputs_have_the_mean_and_deviation_asked_for_and_nothing_of_the_images():
    x = jnp.zeros((500, 8, 8, 1))
    noise = np.asarray(pixel_noise.gaussian(jax.random.key(2), x, 0.305, 0.376))
    assert noise.shape == x.shape
    error = 0.376 / np.sqrt(noise.size)
    assert abs(noise.mean() - 0.305) < 4 * error
    assert abs(noise.std() - 0.376) < 4 * error
    np.testing.assert_array_equal(noise, pixel_noise.gaussian(jax.random.key(2), x + 1, 0.305, 0.376))
