"""The memorizing network: exact in rationals, right to round-off in float64, small, and what it refuses."""

from __future__ import annotations

import builtins
import sys
from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biassay.errors import UserError
from biassay.references import memorize, memorize_line
from biassay.references._direction import project
from biassay.references.memorizing_plateaus import (
    _positions,
    hard_tanh,
    nodes_per_segment,
    padded,
    plateaus,
    segments,
)


def drawn(n, d=10, seed=10_000, signs=False):
    rng = np.random.default_rng([seed, n])
    x = rng.normal(size=(n, d))
    return x, rng.choice([-1.0, 1.0], n) if signs else rng.uniform(-1, 1, n)


def rationals(values):
    return np.array([Fraction(v) for v in np.ravel(values)], object).reshape(np.shape(values))


# --- the construction -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["balanced", "zigzag"])
@pytest.mark.parametrize("n", [1, 2, 3, 16, 60, 100])
def test_it_is_exact_in_rationals(n, order):
    x, y = drawn(n, 1)
    c, y = rationals(x[:, 0]), rationals(y)[:, None]
    network = memorize_line(c, y, order)
    assert network.V.dtype == object
    assert (network(c) == y).all()
    assert all(isinstance(v, Fraction) for v in network.V.ravel())
    # The check can fail: one weight of the second layer, off by a thousandth.
    network.V[0, 0, 0] += Fraction(1, 1000)
    assert (network(c) != y).any()


def test_it_is_exact_for_several_outputs():
    c, y = rationals(drawn(40, 1)[0][:, 0]), rationals(np.random.default_rng(10_000).choice([-1.0, 1.0], (40, 3)))
    network = memorize_line(c, y)
    assert network.V.shape == (3, 4, 10)
    assert (network(c) == y).all()
    assert (network(c) != y[::-1]).any()


@pytest.mark.parametrize("q", [2, 4, 10, 32])
def test_saturated_nodes_add_up_to_one(q):
    """On the signs alone: at every position the q - 1 nodes that do not serve it sum to +1, whoever serves whom."""
    rng = np.random.default_rng(q)
    P = rng.permutation(np.where(np.arange(q) % 2 == 0, -1.0, 1.0) * rng.uniform(1, 9, q))
    at = _positions(P[None], 0, "balanced")[0]
    assert sorted(at) == list(range(q))
    # A node from a negative plateau is -1 to the left of the point it serves and +1 to the right of it.
    sums = [sum(np.sign(P[k]) * (1 if m < at[k] else -1) for k in range(q) if at[k] != m) for m in range(q)]
    assert sums == [1] * q
    # Nodes served by the wrong parity do not.
    wrong = [sum(np.sign(-P[k]) * (1 if m < at[k] else -1) for k in range(q) if at[k] != m) for m in range(q)]
    assert wrong == [-1] * q


@pytest.mark.parametrize("order", ["balanced", "zigzag"])
@pytest.mark.parametrize("n", [7, 101, 1000])
def test_plateaus_flip_and_every_node_gives_its_label(n, order):
    x, y = drawn(n, 1)
    at = np.argsort(x[:, 0])
    q = nodes_per_segment(n)
    c, labels = padded(x[at, 0], y[at, None], q)
    layer = segments(c, q)
    found = plateaus(layer, labels, order)
    P = found.P[:, 0]
    assert (np.abs(layer.t) < 1).all()
    assert ((P[1:] > 0) != (P[:-1] > 0)).all()
    assert (np.abs(P) >= 1).all()
    for j in range(len(P) - 1):
        served = found.served[j, 0]
        assert sorted(served) == list(range(q))
        assert (served % 2 == (P[j] > 0)).all()
        t, label = layer.t[j, served], labels.reshape(-1, q)[j, served]
        g = (P[j] * (1 - t) + P[j + 1] * (1 + t)) / 2
        np.testing.assert_allclose(g, label, atol=1e-12 * np.abs(P).max())
        # Saturated at the neighbours of the point that it serves.
        for step in (-1, 1):
            near = served + step
            inside = (near >= 0) & (near < q)
            other = layer.t[j, near[inside]]
            assert (np.abs(P[j, inside] * (1 - other) + P[j + 1, inside] * (1 + other)) / 2 >= 1 - 1e-9).all()


def test_the_first_layer_is_flat_outside_its_segment():
    c = np.sort(drawn(60, 1)[0][:, 0])
    layer = segments(c, 10)
    T = hard_tanh(c[:, None] * layer.a + layer.b)
    for j in range(6):
        np.testing.assert_allclose(T[: 10 * j, j], -1, atol=1e-12)
        np.testing.assert_allclose(T[10 * j + 10 :, j], 1, atol=1e-12)
        assert (np.diff(T[10 * j : 10 * j + 10, j]) > 0).all()


def test_a_plateau_that_does_not_flip_restarts_the_pass():
    """The last point of a segment next to the first of the following one: the first scale is far too small there."""
    even = np.arange(16.0)
    close = np.where(even == 4, 3 + 1e-6, even)
    y = np.random.default_rng(10_000).uniform(0.5, 1, (16, 1))
    assert memorize_line(even, y).passes < 5
    network = memorize_line(close, y)
    assert network.passes > 10
    np.testing.assert_allclose(network(close), y, atol=1e-8)
    unequal = np.array([[-3.0, -2.0, -1.0, 5.0]])
    assert sorted(_positions(unequal, 0, "balanced")[0]) == [0, 1, 2, 3]


# --- the network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize(("n", "d", "widths"), [(101, 10, (18, 24)), (1000, 10, (64, 64)), (10_000, 784, (200, 200))])
def test_it_fits_with_four_weights_a_point(n, d, widths, signs):
    x, y = drawn(n, d, signs=signs)
    network = memorize(x, y)
    assert np.abs(network(x) - y).max() < 1e-7
    assert network.widths == widths
    assert network.hidden_weights / n <= 4.3
    assert network.points == n
    assert 0 < network.gap < 1
    assert network.largest_weight > 1 / network.gap**0.5
    # Permuting the labels after the build fails.
    assert np.abs(network(x) - np.random.default_rng(0).permutation(y)).max() > 0.5


@given(st.integers(100, 100_000), st.integers(1, 12))
def test_the_size_bound_holds_for_every_number_of_points(n, outputs):
    q = nodes_per_segment(n, outputs)
    assert q % 2 == 0
    assert 4 * q * -(-n // q) <= 4.3 * n


def test_it_classifies_with_several_outputs():
    rng = np.random.default_rng(10_000)
    x, labels = rng.normal(size=(1000, 10)), rng.integers(0, 10, 1000)
    y = 2.0 * np.eye(10)[labels] - 1
    network = memorize(x, y)
    f = network(x)
    assert f.shape == (1000, 10)
    assert np.abs(f - y).max() < 1e-7
    assert (f.argmax(1) == labels).all()
    assert network.widths == (200, 200)
    assert network.hidden_weights == 4 * 1000 * 10
    assert abs((f.argmax(1) == rng.permutation(labels)).mean() - 0.1) < 0.05


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=24, unique=True),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
)
def test_any_few_points_are_fitted(points, outputs, seed):
    y = np.random.default_rng(seed).normal(size=(len(points), outputs))
    network = memorize(np.array(points), y, seed=seed)
    assert np.abs(network(points) - y).max() < 1e-6
    assert network.widths[0] * network.widths[1] == network.hidden_weights


def test_labels_of_any_size():
    x, y = drawn(200)
    y = np.stack([1e6 * y, 0.1 * y, 0 * y], axis=1)
    network = memorize(x, y)
    np.testing.assert_array_equal(network.factor, [np.abs(y[:, 0]).max(), 1, 1])
    assert (np.abs(network(x) - y) < 1e-8 * network.factor).all()


def test_inputs_of_one_dimension_and_of_other_types():
    x, y = np.arange(50)[:, None], np.tile([1, -1], 25)
    for inputs in (x, x.astype(np.float32), x.astype(bool)[:2], x.tolist()):
        network = memorize(inputs, y[: len(inputs)])
        assert np.abs(network(inputs) - y[: len(inputs)]).max() < 1e-9


def test_an_input_that_u_ignores_changes_nothing():
    x, y = drawn(200)
    network = memorize(x, y)
    wider = network._replace(u=np.append(network.u, 0.0))
    more = np.column_stack([x, 1e3 * np.random.default_rng(0).normal(size=200)])
    np.testing.assert_array_equal(wider(more), network(x))
    noticed = network._replace(u=np.append(network.u, 1e-3))
    assert np.abs(noticed(more) - y).max() > 0.5


def test_float32_fails_and_is_refused():
    x, y = drawn(10_000)
    with pytest.raises(ValueError, match=r"float32 cannot hold the weights .* use float64"):
        memorize(x, y, dtype="float32")
    few = memorize(x[:10], y[:10], dtype="float32")
    assert np.abs(few(x[:10]) - y[:10]).max() < few.rounding_error < 1e-2
    network = memorize(x, y, dtype="float32", check=False)
    assert network.u.dtype == network(x).dtype == np.float32
    assert (np.abs(network(x) - y) > 1e-2).mean() > 0.5
    np.testing.assert_array_equal(memorize(x, y).astype(np.float32)(x), network(x))


def test_zigzag_has_larger_weights():
    x, y = drawn(1000)
    balanced, zigzag = memorize(x, y), memorize(x, y, order="zigzag")
    assert zigzag.largest_weight > 10 * balanced.largest_weight
    assert np.abs(zigzag(x) - y).max() < 1e-3
    x, y = drawn(30_000)
    assert np.abs(memorize(x, y)(x) - y).max() < 1e-5
    assert np.abs(memorize(x, y, order="zigzag", check=False)(x) - y).max() > 0.1
    with pytest.raises(ValueError, match="float64 cannot hold the weights"):
        memorize(x, y, order="zigzag")


def test_a_point_has_one_projection_wherever_it_stands():
    x = np.random.default_rng(10_000).normal(size=(5000, 7))
    U = np.random.default_rng(1).normal(size=(7, 3))
    together = project(x, U)
    alone = np.concatenate([project(x[i : i + 1], U[:, 1:2]) for i in range(4090, 4110)], axis=1)
    np.testing.assert_array_equal(alone[0], together[1, 4090:4110])
    np.testing.assert_allclose(together, (x @ U).T, atol=1e-13)


def test_more_directions_leave_a_larger_gap():
    x, y = drawn(2000)
    assert memorize(x, y, projections=32).gap > memorize(x, y, projections=1).gap
    assert np.abs(memorize(x, y, projections=1)(x) - y).max() < 1e-3


# --- rounding ---------------------------------------------------------------------------------------------------------


def clusters(width, rng):
    return np.repeat(rng.normal(size=(20, 5)), 25, axis=0) + width * rng.normal(size=(500, 5))


def two_clusters(distance, rng):
    return rng.normal(size=(500, 5)) + distance * (np.arange(500) < 250)[:, None] * np.eye(5)[0]


def an_outlier(size, rng):
    return rng.normal(size=(500, 5)) * np.where(np.arange(500) == 7, size, 1.0)[:, None]


def powers_of_two(most, rng):
    return 2.0 ** -np.arange(most)[:, None]


def last_digits_apart(offset, rng):
    return (offset + np.spacing(offset) * np.arange(50))[:, None]


def a_pair(dimensions, rng):
    x = rng.normal(size=(50, dimensions))
    x[1] = np.nextafter(x[0], 9)
    return x


def far_from_zero(spread, rng):
    return 1e6 + spread * rng.normal(size=(60, 3))


@pytest.mark.parametrize(
    ("points", "size", "fitted"),
    [
        (clusters, 1e-2, True),
        (clusters, 1e-3, None),
        (clusters, 1e-4, None),
        (clusters, 1e-5, False),
        (two_clusters, 1e4, True),
        (two_clusters, 1e6, True),
        (two_clusters, 1e8, True),
        (an_outlier, 1e6, True),
        (an_outlier, 1e8, True),
        (an_outlier, 1e12, True),
        (powers_of_two, 20, True),
        (powers_of_two, 50, True),
        (powers_of_two, 100, False),
        (last_digits_apart, 1.0, False),
        (last_digits_apart, 1e9, False),
        (a_pair, 1, False),
        (a_pair, 3, False),
        (far_from_zero, 1e-4, True),
        (far_from_zero, 1e-8, None),
    ],
)
@pytest.mark.parametrize("seed", [10_000, 10_001])
def test_hard_points_are_fitted_or_refused(points, size, fitted, seed):
    rng = np.random.default_rng(seed)
    x = points(size, rng)
    y = np.stack([rng.uniform(-1, 1, len(x)), 1e6 * rng.choice([-1, 1], len(x))], axis=1)
    network, refusal = None, ""
    try:
        network = memorize(x, y, seed=seed)
    except ValueError as error:
        refusal = str(error)
    if network is None:
        assert not fitted
        assert "close" in refusal or "equal" in refusal
        assert "\n" not in refusal
        return
    assert fitted is not False
    errors = np.abs(network(x) - y).max(axis=0) / [1, 1e6]
    assert errors.max() < 1e-2
    assert (errors <= network.line.rounding_error()).all()
    assert relu_error(network, x, y) <= network.relu_rounding_error


def relu_error(network, x, y):
    h = x
    for i, (weight, bias) in enumerate(network.relu_layers()):
        h = h @ weight.T + bias
        h = np.maximum(h, 0) if i < 2 else h
    return np.abs(h.reshape(y.shape) - y).max()


def test_without_the_check_hard_points_are_wrong():
    """What the check is for: the same clusters, built whatever their rounding error."""
    rng = np.random.default_rng(10_000)
    x, y = clusters(1e-4, rng), rng.uniform(-1, 1, 500)
    network = memorize(x, y, check=False)
    assert np.abs(network(x) - y).max() > 1
    assert network.rounding_error > 1e2


@pytest.mark.parametrize("n", [3, 30, 300, 3000, 30_000])
def test_the_rounding_error_is_estimated(n):
    for seed in range(10_000, 10_004):
        x, y = drawn(n, seed=seed)
        network = memorize(x, y, seed=seed)
        error = np.abs(network(x) - y).max()
        assert network.rounding_error / 1000 < error < network.rounding_error
        assert relu_error(network, x[:3000], y[:3000]) < network.relu_rounding_error
        single = network.astype(np.float32)
        assert np.abs(single(x) - y).max() < single.rounding_error


def test_a_refusal_names_the_closest_points():
    x, y = drawn(40, 1)
    x[31] = np.nextafter(x[12], 9)
    with pytest.raises(ValueError, match=r"the closest, 12 and 31, are .* move close points apart"):
        memorize(x, y)


def test_a_network_is_printed_in_one_line():
    x, y = drawn(1000)
    network = memorize(x, y)
    told = repr(network)
    assert told.startswith("MemorizingNetwork(points=1000, inputs=10, outputs=1, widths=(64, 64), hidden_weights=4096")
    assert f"rounding_error={network.rounding_error:.1e}" in told
    assert repr(network.line) == "LineNetwork(p=32, q=32, d_y=1, dtype=float64)"


# --- as a network of other libraries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [0, 3])
def test_the_equinox_network_gives_the_same_outputs(x64, outputs):
    x, y = drawn(150)
    y = np.stack([y, -y, y**2], axis=1) if outputs else y
    network = memorize(x, y)
    mlp = network.to_equinox()
    assert isinstance(mlp, eqx.nn.MLP)
    assert mlp.width_size == max(network.widths)
    assert network.widths[0] != network.widths[1]
    tolerance = 1e-13 * network.largest_weight
    f = jax.jit(jax.vmap(mlp))(jnp.asarray(x))
    np.testing.assert_allclose(f, network(x), atol=tolerance)
    np.testing.assert_allclose(mlp(jnp.asarray(x[0])), network(x[:1])[0], atol=tolerance)
    # The hidden layers' idle units are really idle, and the others are the network's own.
    used = [int(jnp.any(layer.weight != 0, axis=1).sum()) for layer in mlp.layers[:2]]
    assert tuple(used) == network.widths
    other = network.to_equinox()
    broken = eqx.tree_at(lambda m: m.layers[1].weight, other, other.layers[1].weight.at[0, 0].add(1.0))
    assert np.abs(jax.vmap(broken)(jnp.asarray(x)) - network(x)).max() > tolerance


def test_relu_form_equals_the_hard_tanh_form():
    x, y = drawn(500)
    fresh = np.random.default_rng(3).normal(size=(300, 10))
    network = memorize(x, y)
    h = np.concatenate([x, fresh])
    for i, (weight, bias) in enumerate(network.relu_layers()):
        h = h @ weight.T + bias
        h = np.maximum(h, 0) if i < 2 else h
    # Round-off is multiplied by the slope along u: an input coordinate's is that of the two layers' product.
    np.testing.assert_allclose(h[:500, 0], network(x), atol=1e-13 * network.largest_weight)
    differ = np.abs(h[500:, 0] - network(fresh)) > 1e-13 * network.largest_weight
    assert not differ.any()


def test_equinox_in_single_precision_is_refused():
    network = memorize(*drawn(20))
    with pytest.raises(ValueError, match="enable_x64"):
        network.to_equinox()
    assert network.astype(np.float32).to_equinox().layers[0].weight.dtype == jnp.float32


@pytest.mark.parametrize("outputs", [0, 2])
def test_the_torch_network_gives_the_same_outputs(outputs):
    torch = pytest.importorskip("torch")
    x, y = drawn(150)
    y = np.stack([y, 3 * y], axis=1) if outputs else y
    network = memorize(x, y)
    w1, w2 = network.widths
    linear, relu = torch.nn.Linear, torch.nn.ReLU
    module = torch.nn.Sequential(linear(10, w1), relu(), linear(w1, w2), relu(), linear(w2, outputs or 1)).double()
    module.load_state_dict(network.state_dict())
    with torch.no_grad():
        f = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(f.reshape(y.shape), network(x), atol=1e-13 * network.largest_weight)
    assert np.abs(f.reshape(y.shape) - y).max() < 1e-8


def test_without_torch_the_message_says_what_to_install(monkeypatch):
    network = memorize(*drawn(20))
    load = builtins.__import__

    def without(name, *rest, **more):
        if name == "torch":
            raise ImportError(name)
        return load(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install biassay\[torch\]"):
        network.state_dict()


# --- what is refused --------------------------------------------------------------------------------------------------


def test_equal_points_count_once_where_their_labels_agree():
    x, y = drawn(30)
    twice = memorize(np.concatenate([x, x[:7], -0.0 * x[:1], 0.0 * x[:1]]), np.concatenate([y, y[:7], [0.5, 0.5]]))
    assert twice.points == 31
    assert np.abs(twice(x) - y).max() < 1e-9


def test_equal_points_with_different_labels_are_named():
    x, y = drawn(30)
    x[[21, 9]], y[21] = x[4], y[4]
    x[28] = x[2]
    with pytest.raises(ValueError, match="points 2 and 28 are equal and have different labels"):
        memorize(x, y)
    y[28] = y[2]
    with pytest.raises(ValueError, match="points 4 and 9 are equal"):
        memorize(x, y)
    # The first of several equal points is named, also where only the third differs.
    x[5], x[6], y[5], y[6] = x[3], x[3], y[3], y[3] + 1
    x[[21, 9]] = np.random.default_rng(0).normal(size=(2, 10))
    with pytest.raises(ValueError, match="points 3 and 6 are equal"):
        memorize(x, y)


def test_points_that_share_a_projection_get_another_direction(monkeypatch):
    """The first direction drawn ignores the second coordinate, in which the points differ."""
    x = np.array([[0.0, 1.0], [0.0, 2.0], [1.0, 0.0]])
    rng = np.random.default_rng(0)

    class Blind:
        calls = 0

        def normal(self, size):
            self.calls += 1
            return np.array([[1.0] * size[1], [0.0] * size[1]]) if self.calls == 1 else rng.normal(size=size)

    blind = Blind()
    monkeypatch.setattr(np.random, "default_rng", lambda seed=None: blind)
    network = memorize(x, [1.0, -1.0, 0.3])
    assert blind.calls == 2
    np.testing.assert_allclose(network(x), [1, -1, 0.3], atol=1e-12)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1.0, 1.0], [1.0, np.nextafter(1.0, 2.0)], [1e9, 3.0]], "0 and 1"),
        ([[1.0, 0.0], [1.0, 1e-30], [0.0, 3.0]], "points 0 and 1 are too close to be told apart in float64"),
    ],
)
def test_points_too_close_are_refused(x, message):
    with pytest.raises(ValueError, match=message) as error:
        memorize(x, [1.0, -1.0, 0.0])
    assert "\n" not in str(error.value)


GOOD = np.eye(4)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.empty((0, 3)), np.empty(0), {}, "N and d_x at least 1"),
        (np.empty((3, 0)), np.ones(3), {}, "N and d_x at least 1"),
        (np.ones(4), np.ones(4), {}, r"x must have the shape \(N, d_x\), got \(4,\): .* x\[:, None\]"),
        (np.ones((2, 2, 2)), np.ones(2), {}, r"x must have the shape \(N, d_x\)"),
        (GOOD, np.ones(3), {}, r"y must have the shape \(4,\)"),
        (GOOD, np.ones((4, 2, 2)), {}, "y must have the shape"),
        (GOOD, np.ones((4, 0)), {}, "y must have the shape"),
        (GOOD, 1.0, {}, "y must have the shape"),
        (np.where(GOOD == 1, np.nan, 0), np.ones(4), {}, "x must be finite, got nan"),
        (GOOD, [1, 2, np.inf, 3], {}, "y must be finite, got inf"),
        ([["a", "b"], ["c", "d"]], [1, 2], {}, "x must be an array of real numbers"),
        (GOOD + 1j, np.ones(4), {}, "x must be an array of real numbers, got dtype complex128"),
        ([[1.0], [1.0, 2.0]], [1, 2], {}, "rows of different lengths"),
        (GOOD * 1.7e308, np.ones(4), {}, "largest entry between 1e-150 and 1e"),
        (GOOD * 1e-300, np.ones(4), {}, "largest entry between 1e-150 and 1e"),
        (GOOD, np.ones(4), {"order": "random"}, "order must be balanced or zigzag, got 'random'"),
        (GOOD, np.ones(4), {"projections": 0}, "projections must be an integer of at least 1, got 0"),
        (GOOD, np.ones(4), {"projections": 1.5}, "projections must be an integer of at least 1, got 1.5"),
        (GOOD, np.ones(4), {"seed": -1}, "seed must be an integer of at least 0, got -1"),
        (GOOD, np.ones(4), {"dtype": "foo"}, "dtype must be float32 or float64, got 'foo'"),
        (GOOD, 1e200 * np.ones(4), {}, r"y must have entries of at most 1e\+150"),
        (GOOD, np.ones(4), {"dtype": "float16"}, "dtype must be float32 or float64, got float16"),
    ],
)
def test_slips_are_told_in_one_line(x, y, options, message):
    with pytest.raises(ValueError, match=message) as error:
        memorize(x, y, **options)
    assert "\n" not in str(error.value)


def test_a_call_with_the_wrong_shape_is_refused():
    network = memorize(GOOD, [1, -1, 1, -1])
    with pytest.raises(ValueError, match=r"x must have the shape \(m, 4\), got \(4,\)"):
        network(GOOD[0])


@pytest.mark.nightly
def test_build_time_grows_linearly():
    """Seconds of the process, best of three, from ten thousand to a million points."""
    import time

    def seconds(n):
        x, y = drawn(n)

        def once():
            begun = time.process_time()
            memorize(x, y)
            return time.process_time() - begun

        return min(once() for _ in range(3))

    sizes = np.array([10_000, 100_000, 1_000_000])
    slope = np.polyfit(np.log(sizes), np.log([seconds(n) for n in sizes]), 1)[0]
    assert slope < 1.3


@pytest.mark.nightly
def test_a_hundred_thousand_signs_in_twenty_seconds():
    import time

    x, y = drawn(100_000, signs=True)
    begun = time.perf_counter()
    f = memorize(x, y)(x)
    assert time.perf_counter() - begun < 20
    assert (np.sign(f) == y).all()


@pytest.mark.nightly
def test_a_million_points_in_fifteen_seconds_and_four_gigabytes():
    """In a process of its own, whose peak memory is the build's."""
    import subprocess

    script = """
import resource, time
import numpy as np
from biassay.references import memorize

rng = np.random.default_rng(10_000)
x, y = rng.normal(size=(1_000_000, 10)), rng.uniform(-1, 1, 1_000_000)
begun = time.process_time()
network = memorize(x, y)
taken = time.process_time() - begun
print(taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, np.abs(network(x[:2000]) - y[:2000]).max())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, kilobytes, error = map(float, done.stdout.split())
    assert seconds < 15
    assert kilobytes < 4e6
    assert error < 1e-2
