"""The set of zero error: its Jacobian, its projector and the way back to it, each with something that is not it."""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from biassay.problem import Problem, squared_error
from biassay.references import min_norm, output_jacobian, pseudo_solve, residuals, tangent_part, to_zero_error

pytestmark = pytest.mark.usefixtures("x64")


def two_outputs(params, x):
    """A tanh network with two outputs: (b, 3) -> (b, 2)."""
    return jnp.tanh(x @ params["w"]) @ params["c"]


def network():
    """Three examples of two outputs each, 4 hidden units, 20 parameters."""
    rng = np.random.default_rng(10_000)
    params = {"w": jnp.asarray(rng.normal(size=(3, 4))), "c": jnp.asarray(rng.normal(size=(4, 2)))}
    x, y = rng.normal(size=(3, 3)), 0.3 * rng.normal(size=(3, 2))
    return Problem(two_outputs, jnp.asarray(x), jnp.asarray(y), squared_error), params


def linear(w, x):
    return x @ w


def test_the_jacobian_is_that_of_finite_differences():
    problem, params = network()
    J, (theta, unravel) = output_jacobian(problem, params), ravel_pytree(params)
    assert J.shape == (6, 20)
    step = 1e-6

    def shifted(j, by):
        return residuals(problem, unravel(theta.at[j].add(by)))

    central = np.stack([(shifted(j, step) - shifted(j, -step)) / (2 * step) for j in range(20)], axis=1)
    np.testing.assert_allclose(J, central, atol=1e-8)
    assert np.abs(J - central[:, ::-1]).max() > 0.1, "another order of the parameters"


def test_the_pseudo_inverse_and_the_projector_are_those_of_numpy():
    rng = np.random.default_rng(10_001)
    full = rng.normal(size=(3, 7))
    deficient = np.concatenate([full, full[:1] + full[1:2]])
    for J in (full, deficient):
        rhs, v = rng.normal(size=len(J)), rng.normal(size=7)
        inverse = np.linalg.pinv(J, rcond=1e-10)
        np.testing.assert_allclose(pseudo_solve(jnp.asarray(J), jnp.asarray(rhs)), inverse @ rhs, atol=1e-12)
        along = np.asarray(tangent_part(jnp.asarray(J), jnp.asarray(v)))
        np.testing.assert_allclose(along, v - inverse @ J @ v, atol=1e-12)
        np.testing.assert_allclose(J @ along, 0, atol=1e-12)
        np.testing.assert_allclose(tangent_part(jnp.asarray(J), jnp.asarray(along)), along, atol=1e-12)
        assert np.abs(J @ v).max() > 0.1, "the whole direction does not keep zero error"
    gram = v - deficient.T @ np.linalg.lstsq(deficient @ deficient.T, deficient @ v, rcond=1e-12)[0]
    np.testing.assert_allclose(along, gram, atol=1e-10)
    kept = pseudo_solve(jnp.asarray(deficient), jnp.asarray(rhs), rank_tolerance=0.0)
    assert np.abs(kept).max() > 1e8, "without a tolerance the zero singular value is inverted"


def test_the_rank_is_known_in_single_precision_too():
    """Rows that depend on each other to rounding: the default tolerance is that of the precision."""
    rng = np.random.default_rng(10_002)
    full = rng.normal(size=(3, 50))
    J = jnp.asarray(np.concatenate([full, full[:1] / 3 + full[1:2]]), jnp.float32)
    v = jnp.asarray(rng.normal(size=50), jnp.float32)
    exact = v - np.linalg.pinv(full) @ full @ np.asarray(v, float)
    np.testing.assert_allclose(tangent_part(J, v), exact, atol=1e-5)
    assert np.abs(tangent_part(J, v, rank_tolerance=1e-10) - exact).max() > 1e-3, "a fourth direction from rounding"


def test_a_linear_model_is_solved_in_one_step_by_the_nearest_solution():
    rng = np.random.default_rng(10_003)
    X, y, w = rng.normal(size=(3, 8)), rng.normal(size=3), rng.normal(size=8)
    problem = Problem(linear, jnp.asarray(X), jnp.asarray(y), squared_error)
    found = to_zero_error(problem, jnp.asarray(w), steps=1)
    np.testing.assert_allclose(found, w + min_norm(X.T, y - X @ w), atol=1e-12)
    np.testing.assert_allclose(to_zero_error(problem, jnp.asarray(w), steps=0), w)


def test_a_network_is_solved_quadratically():
    problem, params = network()
    near = jax.tree.map(lambda w: w + 0.01, to_zero_error(problem, params, steps=30))
    errors = [float(jnp.abs(residuals(problem, to_zero_error(problem, near, steps=k))).max()) for k in range(4)]
    assert errors[0] > 1e-3
    assert errors[3] < 1e-13
    for before, after in pairwise(errors[:3]):
        assert after < 10 * before**2
    # Twice the pseudo-inverse step only reflects the error.
    J, r = output_jacobian(problem, near), residuals(problem, near)
    theta, unravel = ravel_pytree(near)
    overshot = unravel(theta - 2 * pseudo_solve(J, r))
    assert float(jnp.abs(residuals(problem, overshot)).max()) > 0.5 * errors[0]


def test_it_lands_where_the_displacement_is_normal():
    """To first order the nearest solution: what moves along the set is of the second order in the error."""
    problem, params = network()
    at = to_zero_error(problem, params, steps=30)
    theta, unravel = ravel_pytree(at)
    J = output_jacobian(problem, at)
    normal = np.asarray(J.T @ jnp.ones(6))
    shares = []
    for size in (1e-2, 1e-3):
        back, _ = ravel_pytree(to_zero_error(problem, unravel(theta + size * normal), steps=10))
        shares.append(float(jnp.linalg.norm(tangent_part(J, back - theta))))
    assert shares[0] / shares[1] == pytest.approx(100, rel=0.2)


def test_what_cannot_be_solved_is_not():
    x = jnp.ones((2, 3))
    problem = Problem(linear, x, jnp.asarray([0.0, 1.0]), squared_error)
    found = to_zero_error(problem, jnp.zeros(3))
    np.testing.assert_allclose(residuals(problem, found), [0.5, -0.5], atol=1e-12)


def test_it_maps_over_starts():
    problem, params = network()
    starts = jax.tree.map(lambda w: jnp.stack([w, 0.9 * w]), params)
    together = jax.jit(jax.vmap(lambda p: to_zero_error(problem, p)))(starts)
    alone = to_zero_error(problem, jax.tree.map(lambda w: 0.9 * w, params))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, atol=1e-9), together, alone)


def test_bad_input_is_refused_in_one_line():
    problem, params = network()
    with pytest.raises(ValueError, match=r"steps must not be negative, got -1"):
        to_zero_error(problem, params, steps=-1)
    wrong = Problem(two_outputs, problem.x, problem.y[:, 0], squared_error)
    with pytest.raises(ValueError, match=r"outputs of shape \(3, 2\) and targets of shape \(3,\)"):
        residuals(wrong, params)
