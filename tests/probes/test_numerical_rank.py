"""The numerical rank counts what lies above its tolerance, and nothing else."""

import jax.numpy as jnp
import numpy as np
import pytest

from biassay.probes import normalised_spectrum, numerical_rank, stable_rank

pytestmark = pytest.mark.usefixtures("x64")


def with_spectrum(s, shape=(7, 5), seed=0):
    """A matrix with the singular values s, of any orientation."""
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.normal(size=(side, side)))[0][:, : len(s)] for side in shape)
    return jnp.asarray(U * s @ V.T)


def test_the_rank_at_tolerances_on_both_sides_of_every_singular_value():
    s = np.array([0.8, 0.59, 0.1, 1e-2, 1e-3])
    W = with_spectrum(s / np.linalg.norm(s))
    np.testing.assert_allclose(normalised_spectrum(W), s / np.linalg.norm(s), rtol=1e-9)
    for count, value in enumerate(s / np.linalg.norm(s)):
        assert numerical_rank(W, value * 1.001) == count
        assert numerical_rank(W, value * 0.999) == count + 1


def test_the_size_of_the_matrix_has_no_part_in_it():
    W = with_spectrum(np.array([3.0, 1.0, 0.02]))
    assert numerical_rank(W, 1e-2) == numerical_rank(1e-6 * W, 1e-2) == 2
    assert numerical_rank(W, 5e-3) == 3


def test_the_rank_of_nothing_is_zero_and_of_a_diverged_matrix_unknown():
    assert numerical_rank(jnp.zeros((3, 4)), 1e-2) == 0
    assert np.isnan(numerical_rank(jnp.zeros((3, 4)).at[0, 0].set(jnp.nan), 1e-2))
    assert np.isnan(numerical_rank(jnp.zeros((3, 4)).at[0, 0].set(jnp.inf), 1e-2))


def test_the_stable_rank():
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    assert float(stable_rank(jnp.asarray(Q))) == pytest.approx(6, abs=1e-12)
    assert float(stable_rank(jnp.outer(jnp.arange(1.0, 4), jnp.arange(2.0, 7)))) == pytest.approx(1, abs=1e-12)
    assert float(stable_rank(jnp.diag(jnp.array([2.0, 1.0])))) == pytest.approx(1.25)
    assert np.isnan(stable_rank(jnp.zeros((2, 2))))


def test_leading_axes_are_kept():
    W = jnp.stack([with_spectrum(np.array([1.0, 0.5])), with_spectrum(np.array([1.0, 1e-4]))])[None]
    np.testing.assert_array_equal(numerical_rank(W, 1e-2), [[2, 1]])
    assert stable_rank(W).shape == (1, 2)
