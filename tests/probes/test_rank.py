"""Singular values in closed form, the smooth rank, and the region B_r: it must be able to hold and to be left."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import deep_linear
from biassay.probes import LowRankRegion, end_to_end, f_alpha, imbalance, singular_values, smooth_rank

pytestmark = pytest.mark.usefixtures("x64")

REGION = LowRankRegion(r=1, alpha=0.01, eps1=1e-3, eps2=0.1, C=3.0)


def test_singular_values_of_two_by_two():
    matrices = jax.random.normal(jax.random.key(0), (200, 2, 2))
    closed = jax.vmap(singular_values)(matrices)
    np.testing.assert_allclose(closed, np.linalg.svd(matrices, compute_uv=False), rtol=1e-12, atol=1e-14)


def test_a_small_second_singular_value_keeps_its_digits():
    u, v = np.array([0.6, 0.8]), np.array([0.8, -0.6])
    for small in (1e-3, 1e-8, 1e-12):
        A = jnp.asarray(2 * np.outer(u, v) + small * np.outer([-0.8, 0.6], [0.6, 0.8]))
        assert float(singular_values(A)[1]) == pytest.approx(small, rel=1e-3)
    assert float(singular_values(jnp.zeros((2, 2)))[1]) == 0


def test_larger_matrices():
    A = jax.random.normal(jax.random.key(1), (4, 3))
    np.testing.assert_allclose(singular_values(A), np.linalg.svd(A, compute_uv=False), atol=1e-14)


def test_end_to_end():
    params = deep_linear.random(jax.random.key(2), (3, 4), 3, 5)
    np.testing.assert_allclose(end_to_end(params), params[2] @ params[1] @ params[0], atol=1e-14)


def test_f_alpha():
    alpha = 0.3
    grid = jnp.linspace(0, 3 * alpha, 301)
    f = np.asarray(f_alpha(grid, alpha))
    assert f[0] == 0
    np.testing.assert_allclose(f[100:], 1, atol=1e-12)
    assert (np.diff(f) >= -1e-15).all()
    assert (np.diff(f, 2) <= 1e-15).all()


def test_smooth_rank_counts():
    assert float(smooth_rank(jnp.diag(jnp.array([2.0, 1.0])), 0.01)) == pytest.approx(2)
    assert float(smooth_rank(jnp.diag(jnp.array([2.0, 0.0])), 0.01)) == pytest.approx(1)
    assert 1 < float(smooth_rank(jnp.diag(jnp.array([2.0, 0.05])), 0.01)) < 2


def test_region_holds_rank_one_and_nothing_else():
    rank_one = deep_linear.balanced(jnp.outer(jnp.array([0.9, 0.5]), jnp.array([0.9, 1.5])), 3)
    np.testing.assert_allclose(imbalance(rank_one), 0, atol=1e-28)
    assert bool(REGION.contains(rank_one))
    assert not bool(REGION.contains(deep_linear.balanced(jnp.array([[1.0, 0.5], [0.25, 1.0]]), 3))), "rank 2"
    assert bool(REGION._replace(r=2).contains(deep_linear.balanced(jnp.array([[1.0, 0.5], [0.25, 1.0]]), 3)))
    W1, W2, W3 = rank_one
    assert not bool(REGION.contains((W1 * 1.2, W2, W3 / 1.2))), "not balanced"
    assert not bool(REGION.contains(tuple(2 * W for W in rank_one))), "too large"
