"""Matrix sensing: the packed model is that of the matrices, its gradient the derivative, a slip one line."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
from biassay.models.matrix_sensing import (
    gradient,
    matrix_sensing,
    nuclear_norm,
    pack,
    predict,
    relative_error,
    symmetric,
    target_of,
)
from biassay.problem import squared_error
from biassay.references import regularizer


def draw(seed, n, d, rank=1, dtype=np.float64):
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.normal(size=(d, rank)))
    A, U = rng.normal(size=(n, d, d)).astype(dtype), rng.normal(size=(d, d)).astype(dtype)
    return A, (Q @ Q.T).astype(dtype), jnp.asarray(U)


@pytest.mark.usefixtures("x64")
def test_the_outputs_are_inner_products():
    A, X, U = draw(10_000, 7, 5)
    expected = np.einsum("nij,ij->n", A, np.asarray(U @ U.T))
    np.testing.assert_allclose(predict(U, jnp.asarray(pack(A))), expected, rtol=1e-12)
    np.testing.assert_allclose(symmetric(jnp.asarray(pack(A[0]))), A[0] + A[0].T, rtol=1e-12)
    problem = matrix_sensing(A, X)
    np.testing.assert_allclose(problem.y, np.einsum("nij,ij->n", A, X), rtol=1e-12)
    np.testing.assert_allclose(target_of(problem), X, rtol=1e-12)
    with pytest.raises(ValueError, match="no test example that holds its target: build it with matrix_sensing"):
        target_of(ba.Problem(predict, problem.x, problem.y, squared_error))


@pytest.mark.usefixtures("x64")
def test_the_gradient_is_that_of_automatic_differentiation():
    A, X, U = draw(10_001, 9, 6)
    problem = matrix_sensing(A, X)
    exact = jax.grad(problem.risk)(U)
    assert np.abs(problem.gradient(U) - exact).max() < 1e-12 * np.abs(exact).max()
    one = problem.batch(jnp.array([3]))
    np.testing.assert_allclose(problem.gradient(U, one), jax.grad(problem.risk)(U, one), rtol=1e-12)
    half = gradient(U, problem.x, problem.y) / 2
    assert np.abs(half - exact).max() > 0.1 * np.abs(exact).max(), "a factor of two would be seen"
    whole_diagonal = A + A.transpose(0, 2, 1)
    row, column = np.triu_indices(6)
    wrong = gradient(U, jnp.asarray(whole_diagonal[:, row, column]), problem.y)
    assert np.abs(wrong - exact).max() > 0.1 * np.abs(exact).max(), "so would a diagonal counted twice"


@pytest.mark.usefixtures("x64")
def test_the_regularizer_is_the_nuclear_norm_on_average():
    """E |2 S U|_F^2 = (2 d + 2) tr(U U^T); 4000 measurements have a standard error of 1 %."""
    A, _, U = draw(10_002, 4000, 4)
    problem = ba.Problem(predict, jnp.asarray(pack(A)), jnp.zeros(4000), squared_error)
    sizes = np.sum(((A + A.transpose(0, 2, 1)) @ np.asarray(U)) ** 2, axis=(1, 2))
    np.testing.assert_allclose(regularizer(problem, U), sizes.mean(), rtol=1e-10)
    error = sizes.std(ddof=1) / 4000**0.5
    trace = float(nuclear_norm(problem, U))
    assert abs(sizes.mean() - (2 * 4 + 2) * trace) < 4 * error
    assert abs(sizes.mean() - 2 * 4 * trace) > 4 * error, "without the + 2 it would be seen"


@pytest.mark.usefixtures("x64")
def test_the_relative_error_is_that_of_unseen_measurements():
    A, X, U = draw(10_003, 5, 20)
    problem = matrix_sensing(A, X)
    assert float(relative_error(problem, jnp.eye(20))) == pytest.approx(19.0, rel=1e-12)
    assert float(relative_error(problem, jnp.zeros((20, 20)))) == pytest.approx(1.0, rel=1e-12)
    root = jnp.asarray(np.linalg.cholesky(X + 1e-14 * np.eye(20)))
    assert float(relative_error(problem, root)) < 1e-12
    unseen = jnp.asarray(pack(np.random.default_rng(0).normal(size=(20_000, 20, 20))))
    labels = unseen @ X[np.triu_indices(20)]
    relative = np.mean((predict(U, unseen) - labels) ** 2) / np.mean(labels**2)
    assert float(relative_error(problem, U)) == pytest.approx(float(relative), rel=0.05)


@pytest.mark.usefixtures("x64")
def test_single_precision_stays_single():
    A, X, U = draw(10_004, 7, 5, dtype=np.float32)
    problem = matrix_sensing(A, X)
    moved = ba.simulate(problem, ba.LabelNoise(1e-3, 0.1, 4, "window"), U, steps=3, probes={"error": relative_error})
    assert {leaf.dtype for leaf in jax.tree.leaves((problem, moved.params))} == {np.dtype(np.float32)}
    assert moved.data["error"].dtype == np.float32


def test_wrong_targets_are_told_in_one_line():
    A, X, _ = draw(10_005, 7, 5)
    with pytest.raises(ValueError, match=r"must be positive semi-definite, .* smallest eigenvalue is -0.1$"):
        matrix_sensing(A, X - 0.1 * np.eye(5))
    with pytest.raises(ValueError, match=r"must be positive semi-definite"):
        matrix_sensing(A, -X)
    with pytest.raises(ValueError, match=r"must be symmetric, .*: pass \(X \+ Xᵀ\) / 2$"):
        matrix_sensing(A, X + np.triu(np.ones((5, 5)), 1))
    with pytest.raises(ValueError, match=r"got \(7, 5, 5\) and \(4, 4\)$"):
        matrix_sensing(A, X[:4, :4])
    assert matrix_sensing(A, np.zeros((5, 5))).size == 7


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_told(bad):
    A, X, _ = draw(10_005, 7, 5)
    wrong = X.copy()
    wrong[0, 0] = bad
    with pytest.raises(ValueError, match=r"^the target must be finite"):
        matrix_sensing(A, wrong)
    A[3, 1, 2] = bad
    with pytest.raises(ValueError, match=r"^the measurements must be finite"):
        matrix_sensing(A, X)


@pytest.mark.parametrize(
    ("measured", "target"), [((7, 5, 5), ()), ((7, 5, 5), (5,)), ((5, 5), (5, 5)), ((2, 0, 0), (0, 0))]
)
def test_wrong_shapes_are_told(measured, target):
    with pytest.raises(
        ValueError, match=r"^measurements of shape \(n, d, d\) and a target of shape \(d, d\) are needed"
    ):
        matrix_sensing(np.ones(measured), np.ones(target))


def test_the_tolerance_is_the_rounding_of_the_targets_precision():
    """A projector of rank 5 in single precision passes at d = 100; a negative eigenvalue of 5e-6 is not rounding."""
    rng = np.random.default_rng(10_007)
    Q, _ = np.linalg.qr(rng.normal(size=(100, 5)))
    one, A = Q.astype(np.float32), np.ones((3, 100, 100))
    assert matrix_sensing(A, one @ one.T).size == 3
    assert matrix_sensing(A, Q @ Q.T).size == 3
    for target in (np.diag([1e6, -5.0]), np.diag([1e6, -5.0]).astype(np.float32)):
        with pytest.raises(ValueError, match=r"smallest eigenvalue is -5$"):
            matrix_sensing(np.ones((1, 2, 2)), target)
    slanted = np.array([[1.0, 1e-6], [0.0, 1.0]])
    with pytest.raises(ValueError, match="must be symmetric"):
        matrix_sensing(np.ones((1, 2, 2)), slanted)
    slanted[0, 1] = 1e-7
    assert matrix_sensing(np.ones((1, 2, 2)), slanted.astype(np.float32)).size == 1


def test_as_many_measurements_as_unknowns_leave_nothing_to_choose():
    A, X, _ = draw(10_006, 15, 5)
    with pytest.warns(UserWarning, match=r"^nothing is left to choose: 15 measurements for the 15 unknowns") as heard:
        matrix_sensing(A, X)
    assert len(heard) == 1
    assert "\n" not in str(heard[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matrix_sensing(A[:14], X)
