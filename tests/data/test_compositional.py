"""Compositional targets: the tree is in them, constituents are as said, the orders that keep it are counted."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from biassay.data import compositional as c

RNG = np.random.default_rng


@pytest.mark.parametrize(("d", "kept"), [(2, 2), (4, 8), (8, 128)])
def test_the_orders_that_keep_the_tree_are_counted(d, kept):
    orders = list(permutations(range(d)))
    assert sum(map(c.keeps_tree, orders)) == kept == 2 ** (d - 1)
    assert len(orders) == math.factorial(d)


def test_the_wrong_orders():
    assert c.wrong_order(4) == (0, 2, 1, 3)
    assert c.wrong_order(8) == (0, 2, 4, 6, 1, 3, 5, 7)
    assert c.wrong_order(16) == (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)


@pytest.mark.parametrize("d", [4, 8, 16, 32])
def test_no_siblings_survive_a_wrong_order(d):
    order = c.wrong_order(d)
    assert sorted(order) == list(range(d))
    assert not c.keeps_tree(order)
    assert all(a // 2 != b // 2 for a, b in zip(order[::2], order[1::2], strict=True))
    same = [i ^ 1 for i in range(d)]
    assert c.keeps_tree(same), "siblings may change places"


def test_a_tree_keeps_its_value_where_the_nodes_are_swapped_with_it():
    """f composed by hand for d = 4, and not f of the wrong order."""
    f, x = c.tree(RNG(10_000), 4), c.inputs(RNG(10_001), 100, 4)
    (left, right), (root,) = f.levels
    by_hand = root(np.column_stack([left(x[:, :2]), right(x[:, 2:])]))
    np.testing.assert_allclose(f(x), by_hand, rtol=1e-12)
    assert np.abs(f(x[:, list(c.wrong_order(4))]) - by_hand).max() > 0.1


@pytest.mark.parametrize("smoothness", [None, 1, 3])
def test_nodes_are_standardized(smoothness):
    f, x = c.tree(RNG(10_002), 4, smoothness), c.inputs(RNG(10_003), 10_000, 4)
    assert f(x).std() == pytest.approx(1, abs=0.05)
    assert f(x).mean() == pytest.approx(0, abs=0.05)
    assert [len(level) for level in f.levels] == [2, 1]
    node = f.levels[0][0]
    assert abs(node.g(x[:, :2]).std() - 1) > 0.03, "before it is standardized a constituent is not"


def test_constituents_have_the_frequencies_of_their_kind():
    analytic = np.concatenate([n.g.w.ravel() for level in c.tree(RNG(10_012), 32).levels for n in level])
    assert analytic.std() == pytest.approx(c.SCALE, rel=0.12)
    smooth = [n.g for level in c.tree(RNG(10_013), 8, 2).levels for n in level]
    np.testing.assert_allclose(np.linalg.norm(smooth[0].w, axis=1), c.SCALE * np.arange(1, 65), rtol=1e-12)
    sizes = np.sqrt(np.mean([g.c**2 for g in smooth], axis=0))
    slope = np.polyfit(np.log(np.arange(1, 65)), np.log(sizes), 1)[0]
    assert slope == pytest.approx(-2.5, abs=0.15)


def test_gradients_are_differences():
    g, u, step = c.tree(RNG(10_004), 4).levels[0][0].g, c.inputs(RNG(10_005), 50, 2), 1e-5
    for j, e in enumerate(np.eye(2)):
        np.testing.assert_allclose(g.gradient(u)[:, j], (g(u + step * e) - g(u - step * e)) / (2 * step), atol=1e-7)
    f = c.tree(RNG(10_006), 2)
    (node,) = f.levels[0]
    assert f.mean_slope(u) == pytest.approx(np.linalg.norm(node.g.gradient(u), axis=1).mean() / node.deviation)


def test_the_targets_without_a_tree():
    x = c.inputs(RNG(10_007), 30, 8)
    np.testing.assert_allclose(np.linalg.norm(c.generic(RNG(10_008), 8).w, axis=1), 2, rtol=1e-12)
    ridge = c.ridge(RNG(10_009), 8)
    (direction,) = ridge.w / 2
    assert np.linalg.norm(direction) == pytest.approx(1)
    np.testing.assert_allclose(ridge(x), np.sin(2 * x @ direction + 0.5), atol=1e-12)
    across = x - np.outer(x @ direction, direction)
    assert np.ptp(ridge(across)) < 1e-12 < np.ptp(c.generic(RNG(10_008), 8)(across))


def test_the_residual_of_a_linear_fit():
    x = c.inputs(RNG(10_010), 4000, 4)
    assert c.linear_residual(x, x @ np.arange(4.0) + 2) < 1e-20
    assert c.linear_residual(x, x[:, 0] ** 2) > 0.99
    both = x[:, 0] + (x[:, 1] ** 2 - 1) / np.std(x[:, 1] ** 2)
    assert c.linear_residual(x, both) == pytest.approx(0.5, abs=0.03)


def test_points_have_unit_variance():
    x = c.inputs(RNG(10_011), 20_000, 3)
    np.testing.assert_allclose(x.var(axis=0), 1, atol=0.03)
    assert np.abs(x).max() <= c.EDGE


def test_bad_sizes_are_told_in_one_line():
    with pytest.raises(ValueError, match="d must be a power of 2, at least 2, got 3"):
        c.tree(RNG(0), 3)
    with pytest.raises(ValueError, match="smoothness must be at least 1, got 0"):
        c.tree(RNG(0), 4, 0)
    with pytest.raises(ValueError, match="d must be a power of 2, at least 4, got 2"):
        c.wrong_order(2)
