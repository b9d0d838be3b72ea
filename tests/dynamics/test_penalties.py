"""The proximal operators against brute force, and against what must be true of any minimum."""

from __future__ import annotations

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.dynamics import L0, L1, Penalty, TransformedL1, _penalties

pytestmark = pytest.mark.usefixtures("x64")

STRENGTHS = (0.05, 0.3, 0.8)
PENALTIES = {
    "l1": L1(),
    "l0": L0(),
    "transformed l1, a = 0.5": TransformedL1(0.5),
    "transformed l1, a = 1": TransformedL1(1.0),
    "transformed l1, a = 5": TransformedL1(5.0),
}
W = np.concatenate([np.linspace(-3, 3, 241), [1e-12, 1e3]])
"""Points at which the operators are checked, 0 among them."""


def entrywise(penalty, u):
    return np.asarray(jax.vmap(penalty.value)(jnp.asarray(u).ravel()[:, None])).reshape(np.shape(u))


def excess(penalty, prox, t):
    """The largest difference of t P(u) + (u - w)^2 / 2 at the operator's u from its minimum over a grid.

    The grid is 0 and 100,000 points between 0 and w, where the minimum lies; its own error is below 1e-9.
    """
    w = W[:-2:8]
    grid = w[:, None] * np.linspace(0, 1, 100_001)
    least = (t * entrywise(penalty, grid) + (grid - w[:, None]) ** 2 / 2).min(axis=1)
    u = np.asarray(prox(jnp.asarray(w), t))
    return np.abs(t * entrywise(penalty, u) + (u - w) ** 2 / 2 - least).max()


@pytest.mark.parametrize("t", STRENGTHS)
@pytest.mark.parametrize("name", PENALTIES)
def test_the_operator_minimises(name, t):
    penalty = PENALTIES[name]
    assert isinstance(penalty, Penalty)
    assert excess(penalty, penalty.prox, t) < 1e-9
    assert excess(penalty, lambda w, t: penalty.prox(w, t / 4), t) > 1e-5, "a slip in t would be seen"


@pytest.mark.parametrize("t", STRENGTHS)
@pytest.mark.parametrize("name", PENALTIES)
def test_zero_up_to_the_threshold_and_stationary_beyond(name, t):
    penalty = PENALTIES[name]
    u, edge = np.asarray(penalty.prox(jnp.asarray(W), t)), float(penalty.threshold(t))
    np.testing.assert_array_equal(u == 0, np.abs(W) <= edge)
    kept = u != 0
    assert kept.any()
    slope = np.asarray(jax.grad(penalty.value)(jnp.asarray(u)))[kept]
    np.testing.assert_allclose(t * slope + u[kept] - W[kept], 0, atol=1e-12)
    np.testing.assert_array_equal(np.sign(u)[kept], np.sign(W)[kept])
    assert np.abs(2 * t * slope + u[kept] - W[kept]).max() > 0.01 or name == "l0", "another t is not stationary"


@pytest.mark.parametrize("name", PENALTIES)
def test_at_the_threshold_both_minima_are_equal_and_strength_inverts_it(name):
    penalty = PENALTIES[name]
    for t in (1e-6, *STRENGTHS, 4.0):
        edge = float(penalty.threshold(t))
        assert float(penalty.strength(edge)) == pytest.approx(t, rel=1e-12)
        just = np.array([edge * (1 + 1e-9)])
        u = np.asarray(penalty.prox(jnp.asarray(just), t))
        gap = t * entrywise(penalty, u)[0] + (u[0] - just[0]) ** 2 / 2 - just[0] ** 2 / 2
        assert abs(gap) < 1e-7 * max(t, 1)


@pytest.mark.parametrize("name", PENALTIES)
def test_without_strength_nothing_is_changed(name):
    np.testing.assert_array_equal(PENALTIES[name].prox(jnp.asarray(W), 0.0), W)


def test_the_closed_form_of_the_literature():
    """sgn(w) [ (2/3)(a + |w|) cos(phi/3) - 2a/3 + |w|/3 ], the same numbers written with an arccos."""
    a, t = 1.0, 0.3
    w = W[np.abs(W) > float(TransformedL1(a).threshold(t))]
    phi = np.arccos(1 - 27 * t * a * (a + 1) / (2 * (a + np.abs(w)) ** 3))
    expected = np.sign(w) * (2 / 3 * (a + np.abs(w)) * np.cos(phi / 3) - 2 * a / 3 + np.abs(w) / 3)
    np.testing.assert_allclose(TransformedL1(a).prox(jnp.asarray(w), t), expected, atol=1e-12)


def test_single_precision_loses_nothing_for_small_strengths():
    w = jnp.linspace(0.1, 2, 50, dtype=jnp.float32)
    shrunk = np.asarray(TransformedL1(1.0).prox(w, jnp.float32(1e-6)), float)
    exact = np.asarray(TransformedL1(1.0).prox(jnp.asarray(np.asarray(w), float), 1e-6))
    assert np.abs(shrunk - exact).max() < 2e-7
    assert shrunk.dtype == float
    assert TransformedL1(1.0).prox(w, jnp.float32(1e-6)).dtype == jnp.float32


def test_transformed_l1_lies_between_the_two():
    u = jnp.asarray(W[:-2])
    near_zero, near_one = TransformedL1(1e-9), TransformedL1(1e9)
    assert float(near_one.value(u)) == pytest.approx(float(L1().value(u)), rel=1e-6)
    assert float(near_zero.value(u)) == pytest.approx(float(L0().value(u)), rel=1e-6)
    np.testing.assert_allclose(near_one.prox(u, 0.3), L1().prox(u, 0.3), atol=1e-5)
    np.testing.assert_allclose(near_zero.prox(u, 0.3), L0().prox(u, 0.3), atol=1e-4)


@pytest.mark.parametrize("shape", [0, -1.0, float("inf")])
def test_a_shape_out_of_range(shape):
    with pytest.raises(ValueError, match=rf"shape must be positive and at most .*got {shape}"):
        TransformedL1(shape)


def test_the_examples_in_the_docstrings():
    np.testing.assert_array_equal(L1().prox(jnp.array([3.0, -0.5]), 1.0), [2.0, 0.0])
    np.testing.assert_array_equal(L0().prox(jnp.array([3.0, -0.5]), 1.0), [3.0, 0.0])
    np.testing.assert_allclose(TransformedL1(0.5).prox(jnp.array([3.0, -0.3]), 0.2), [2.988, 0.0], atol=1e-3)
    assert doctest.testmod(_penalties).failed == 0
