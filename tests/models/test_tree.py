"""Trees of tanh nodes against a node-by-node evaluation, and the dense network that contains them."""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.data.compositional import inputs, wrong_order
from biassay.models import tree
from biassay.models.mlp import Layer


def points(d, n=40):
    return jnp.asarray(inputs(np.random.default_rng(10_000), n, d).astype(np.float32))


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def by_slices(params, x):
    """The tree with one output a node: left children in the even columns, right ones in the odd."""
    for level in params:
        pair = np.stack([x[:, 0::2], x[:, 1::2]], axis=2)
        hidden = np.tanh(np.sum(pair[..., None] * np.asarray(level.W), axis=2) + np.asarray(level.b))
        x = np.sum(hidden * np.asarray(level.V)[..., 0], axis=2) + np.asarray(level.c)[:, 0]
    return x[:, 0]


def by_nodes(params, x):
    """Node after node."""
    for level in params:
        i = level.W.shape[1]
        x = np.concatenate(
            [
                np.tanh(x[:, j * i : (j + 1) * i] @ np.asarray(W) + np.asarray(b)) @ np.asarray(V) + np.asarray(c)
                for j, (W, b, V, c) in enumerate(zip(*level, strict=True))
            ],
            axis=1,
        )
    return x[:, 0]


@pytest.mark.parametrize("d", [2, 8])
def test_a_tree_is_its_nodes(d):
    params = tree.init(np.random.default_rng(10_001), d, 4, 5)
    x = points(d)
    np.testing.assert_allclose(tree.predict(params, x), by_nodes(params, x), atol=1e-5)
    assert np.abs(tree.predict(params, x) - by_nodes(params, x[:, ::-1])).max() > 0.1, "the order matters"


def test_the_literal_tree_by_strided_slices():
    params = tree.init(np.random.default_rng(10_002), 8, 1, 6)
    x = points(8)
    np.testing.assert_allclose(tree.predict(params, x), by_slices(params, x), atol=1e-5)
    assert np.abs(tree.predict(params, x) - by_slices(params, x[:, list(wrong_order(8))])).max() > 0.1


def test_parameters_are_counted_by_hand():
    rng = np.random.default_rng(0)
    assert count(tree.init(rng, 8, 1, 32)) == 903
    assert count(tree.init(rng, 8, 4, 14)) == 921
    assert count(tree.init_dense(rng, (8, 56, 56, 56, 1))) == 6945


@pytest.mark.parametrize(("d", "channels"), [(4, 1), (16, 2)])
def test_a_dense_network_contains_the_tree(d, channels):
    params = tree.init(np.random.default_rng(10_003), d, channels, 7)
    dense = tree.embed(params)
    sizes = [d, *[d // 2 * 7] * (d.bit_length() - 1), 1]
    assert [layer.weight.shape for layer in dense] == list(pairwise(sizes))
    x = points(d)
    value = tree.predict(params, x)
    np.testing.assert_allclose(tree.predict_dense(dense, x), value, atol=1e-6 * max(1, np.abs(value).max()))

    first = dense[0]
    crossed = Layer(first.weight.at[d - 1, 0].set(1.0), first.bias)
    assert np.abs(tree.predict_dense((crossed, *dense[1:]), x) - value).max() > 1e-3, "an edge that is not the tree's"


def test_what_no_edge_joins_does_not_interact():
    """The first level alone: its first node reads coordinates 0 and 1, and no other."""
    params = tree.init(np.random.default_rng(10_004), 4, 3, 5)
    x = points(4, 6)

    def change(levels, coordinate):
        moved = x.at[:, coordinate].add(1.0)
        return np.abs(tree.predict(levels, moved) - tree.predict(levels, x))

    first_node = params[:1]
    for joined in (0, 1):
        assert change(first_node, joined).max() > 0.1
    for apart in (2, 3):
        assert change(first_node, apart).max() == 0
        assert change(params, apart).max() > 0.01, "the root reads them all"


def test_starts_have_the_variances_asked_for():
    rng = np.random.default_rng(10_005)
    params = jax.tree.map(np.asarray, tree.init(rng, 64, 4, 100))
    assert np.var(params[0].W) == pytest.approx(1.96 / 2, rel=0.05)
    assert np.var(params[1].W) == pytest.approx(1.96 / 8, rel=0.05)
    assert np.var(params[0].V) == pytest.approx(1 / 100, rel=0.05)
    dense = jax.tree.map(np.asarray, tree.init_dense(rng, (50, 200, 100, 1)))
    assert np.var(dense[0].weight) == pytest.approx(1.96 / 50, rel=0.05)
    assert np.var(dense[1].weight) == pytest.approx(1.96 / 200, rel=0.05)
    assert np.var(dense[2].weight) == pytest.approx(1 / 100, rel=0.3)
    for bias in (params[0].b, dense[1].bias):
        assert -1 <= bias.min() < -0.9 < 0.9 < bias.max() <= 1
    assert not np.any(params[0].c)
    assert not np.any(dense[2].bias)


def test_bad_sizes_are_told_in_one_line():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="d must be a power of 2, at least 2, got 6"):
        tree.init(rng, 6, 1, 3)
    with pytest.raises(ValueError, match="channels must be at least 1, got 0"):
        tree.init(rng, 4, 0, 3)
    with pytest.raises(ValueError, match="hidden must be at least 1, got 0"):
        tree.init(rng, 4, 1, 0)
    with pytest.raises(ValueError, match="needs a hidden layer"):
        tree.init_dense(rng, (4, 1))
