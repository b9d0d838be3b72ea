"""Margins of separable data: each against its optimality conditions, another solver, and data that must fail."""

import time

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.svm import SVC, LinearSVC

from biassay.references import norm_margins
from biassay.references.margins import hard_margin, kkt_residual, residual_limit, signed_rows
from biassay.references.norm_margins import l1_margin, linf_margin, lp_margin, margin_norm, spectral_margin


def separable(seed, n=40, d=10):
    rng = np.random.default_rng(10_000 + seed)
    teacher, X = rng.normal(size=d), rng.normal(size=(n, d))
    y = np.sign(X @ teacher)
    return X + 0.3 * y[:, None] * teacher / np.linalg.norm(teacher), y


def mirrored():
    """Support vectors (.5, 1.5) and (1.5, .5), each mirrored with the other label; the margin is sqrt 2."""
    X = np.array([[0.5, 1.5], [1.5, 0.5], [-0.5, -1.5], [-1.5, -0.5], [2.0, 3.0], [-3.0, -1.0]])
    return X, np.array([1.0, 1.0, -1.0, -1.0, 1.0, -1.0])


# --- L2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "d"), [(40, 10), (20, 30), (200, 50), (20, 2000), (1, 3), (5, 1)])
def test_hard_margin_meets_its_optimality_conditions(n, d):
    X, y = separable(n, n, d)
    found = hard_margin(X, y)
    assert np.min(y * (X @ found.w)) == pytest.approx(1, abs=1e-12)
    assert found.kkt < 1e-10
    assert (found.alpha >= 0).all()
    np.testing.assert_allclose(found.alpha @ (y[:, None] * X), found.w, atol=1e-12 * np.linalg.norm(found.w))
    assert found.margin == pytest.approx(1 / np.linalg.norm(found.w), rel=1e-14)
    # Strong duality: the sum of the weights is |w|^2. Weights live on the support vectors only.
    assert found.alpha.sum() == pytest.approx(found.w @ found.w, rel=1e-12)
    assert not found.alpha[~found.support].any()


@pytest.mark.parametrize("seed", range(5))
def test_hard_margin_agrees_with_liblinear_without_an_intercept(seed):
    X, y = separable(seed)
    found = hard_margin(X, y)
    machine = LinearSVC(loss="hinge", C=1e4, fit_intercept=False, tol=1e-10, max_iter=2_000_000, random_state=0)
    w = machine.fit(X, y).coef_[0]
    assert w @ found.w / np.linalg.norm(w) / np.linalg.norm(found.w) > 1 - 1e-10


@pytest.mark.parametrize("seed", range(5))
def test_a_machine_with_an_intercept_is_another_problem_and_is_flagged(seed):
    X, y = separable(seed)
    found = hard_margin(X, y)
    machine = SVC(kernel="linear", C=1e10, tol=1e-10).fit(X, y)
    alpha = np.zeros(len(y))
    alpha[machine.support_] = np.abs(machine.dual_coef_[0])
    w = machine.coef_[0]
    assert w @ found.w / np.linalg.norm(w) / np.linalg.norm(found.w) < 1 - 1e-6
    assert kkt_residual(X, y, w, alpha) > 1e-3
    # The same machine is right about the problem that it does solve: its weights also sum to zero over the labels.
    assert abs(alpha @ y) < 1e-6 * alpha.sum()


def test_an_intercept_is_a_constant_column():
    X, y = separable(0)
    shifted = np.hstack([X, np.ones((len(X), 1))])
    assert hard_margin(shifted, y).margin > hard_margin(X, y).margin


def test_each_optimality_condition_is_checked():
    X, y = separable(1)
    found = hard_margin(X, y)
    w, alpha = found.w, found.alpha
    assert kkt_residual(X, y, 0.99 * w, 0.99 * alpha) == pytest.approx(0.01, rel=0.1)
    assert kkt_residual(X, y, 1.01 * w, 1.01 * alpha) > 1e-3
    assert kkt_residual(X, y, w, np.zeros_like(alpha)) == pytest.approx(1)
    assert kkt_residual(X, y, np.zeros_like(w), alpha) == np.inf
    for broken in ((w * np.nan, alpha), (w, alpha * np.nan), (w * np.inf, alpha), (np.append(np.nan, w[1:]), alpha)):
        assert kkt_residual(X, y, *broken) == np.inf
    negative = alpha - 0.1 * alpha.max()
    assert kkt_residual(X, y, negative @ signed_rows(X, y), negative) > 1e-3
    loose = np.argmax(signed_rows(X, y) @ w)
    heavy = alpha + np.where(np.arange(len(alpha)) == loose, 1e-3 * alpha.sum(), 0)
    assert kkt_residual(X, y, w, heavy) > 1e-3


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e5, 1e12])
def test_margins_scale_with_the_data(scale):
    X, y = separable(2, 15, 6)
    here, there = hard_margin(X, y), hard_margin(scale * X, y)
    np.testing.assert_allclose(there.w, here.w / scale, rtol=1e-12)
    np.testing.assert_allclose(there.alpha, here.alpha / scale**2, rtol=1e-10)
    assert there.kkt < 1e-10
    assert (there.support == here.support).all()
    for largest in (
        l1_margin,
        linf_margin,
        lambda X, y: lp_margin(X, y, 3.0),
        lambda X, y: spectral_margin(X, y, (2, 3)),
    ):
        assert largest(scale * X, y).margin == pytest.approx(scale * largest(X, y).margin, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-160, 1e200])
def test_data_whose_squares_are_no_numbers(scale):
    """Margins of any norm are numbers still; the weights alpha of `hard_margin` go as 1 / X^2 and are not."""
    X, y = separable(2, 15, 6)
    for largest in (l1_margin, linf_margin, lambda X, y: lp_margin(X, y, 3.0)):
        assert largest(scale * X, y).margin == pytest.approx(scale * largest(X, y).margin, rel=1e-9)
    with pytest.raises(ValueError, match="beyond float64"):
        hard_margin(scale * X, y)
    with pytest.raises(ValueError, match="not separable"):
        hard_margin(scale * np.vstack([X, -X]), np.append(y, y))


def test_points_beyond_the_largest_number_are_refused():
    with pytest.raises(ValueError, match="too long"):
        hard_margin(np.full((2, 4), 1.5e308), np.ones(2))


@pytest.mark.parametrize("scale", [1e-149, 1e149])
def test_a_square_near_the_ends_of_float64_is_no_matter(scale):
    X, y = separable(2, 15, 6)
    found, there = hard_margin(X, y), hard_margin(scale * X, y)
    assert there.margin == pytest.approx(scale * found.margin, rel=1e-12)
    np.testing.assert_allclose(there.w * scale, found.w, rtol=1e-12)
    assert there.kkt < 1e-10


def test_the_slack_is_that_of_the_solution_as_it_came():
    """Round-off and no more, also where w itself is scaled to a smallest margin of exactly 1; not identically 0."""
    found = [hard_margin(*separable(seed)).slack for seed in range(20)]
    assert 0 < np.abs(found).max() < 1e-12


def test_points_of_very_different_lengths_do_not_matter():
    X, y = separable(3)
    found = hard_margin(X, y)
    far = X.copy()
    far[~found.support] *= 1e4
    np.testing.assert_allclose(hard_margin(far, y).w, found.w, rtol=1e-9)


def test_a_narrow_margin_is_still_exact():
    X = np.array([[1.0, 1e-5], [-1.0, 1e-5], [0.3, 1.0]])
    found = hard_margin(X, np.ones(3))
    np.testing.assert_allclose(found.w, [0, 1e5], rtol=1e-9, atol=1e-5)
    assert found.kkt < 1e-10


def test_copies_of_a_point_do_not_change_the_margin():
    X, y = separable(4)
    found = hard_margin(X, y)
    twice = hard_margin(np.vstack([X, X[found.support]]), np.append(y, y[found.support]))
    np.testing.assert_allclose(twice.w, found.w, rtol=1e-11)
    assert twice.support.sum() == 2 * found.support.sum()
    assert hard_margin(*mirrored()).margin == pytest.approx(np.sqrt(2), rel=1e-15)


def test_hard_margin_takes_a_millisecond():
    X, y = separable(0)
    hard_margin(X, y)
    begun = time.process_time()
    for _ in range(100):
        hard_margin(X, y)
    assert (time.process_time() - begun) / 100 < 5e-3


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("largest", [hard_margin, l1_margin, linf_margin, lambda X, y: lp_margin(X, y, 3.0)])
@pytest.mark.parametrize("seed", range(3))
def test_data_that_no_plane_through_the_origin_separates_are_refused(largest, seed):
    rng = np.random.default_rng(10_000 + seed)
    with pytest.raises(ValueError, match="not separable"):
        largest(rng.normal(size=(60, 4)), rng.choice([-1.0, 1.0], size=60))


def test_data_that_only_an_intercept_separates_are_refused():
    X = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 1.0], [4.0, -1.0]])
    y = np.array([-1.0, -1.0, 1.0, 1.0])
    assert SVC(kernel="linear", C=1e10).fit(X, y).score(X, y) == 1
    with pytest.raises(ValueError, match="plane through the origin"):
        hard_margin(X, y)
    with pytest.raises(ValueError, match="not separable"):
        hard_margin(np.zeros((2, 2)), np.array([1.0, -1.0]))


def test_a_plane_that_separates_by_less_than_round_off_is_told_so():
    with pytest.raises(ValueError, match="or by less than 1e-07 of the longest"):
        hard_margin(np.array([[1.0, 1e-9], [-1.0, 1e-9]]), np.ones(2))


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (np.ones((3, 2)), np.ones(2), "shape"),
        (np.ones(3), np.ones(3), "shape"),
        (np.ones((0, 2)), np.ones(0), "a point and a dimension"),
        (np.ones((2, 0)), np.ones(2), "a point and a dimension"),
        (np.array([[1.0, np.nan]]), np.ones(1), "not finite"),
        (np.ones((2, 2)), np.array([1.0, 0.0]), "-1 or \\+1"),
        (np.ones((2, 2)), np.array([1.0, np.nan]), "-1 or \\+1"),
    ],
)
def test_what_is_no_data_is_refused(X, y, words):
    with pytest.raises(ValueError, match=words):
        hard_margin(X, y)


# --- where training settles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_residual_limit_is_the_pseudo_inverse_for_independent_support_vectors(seed):
    X, y = separable(seed)
    found = hard_margin(X, y)
    limit = residual_limit(X, y, found)
    S = signed_rows(X, y)[found.support]
    np.testing.assert_allclose(limit.alpha, found.alpha, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(limit.w, np.linalg.pinv(S) @ -np.log(found.alpha[found.support]), rtol=1e-8)
    np.testing.assert_allclose(np.exp(-S @ limit.w), limit.alpha[found.support], rtol=1e-9)


def test_copies_share_their_weight_and_move_the_limit():
    X, y = mirrored()
    found = hard_margin(X, y)
    limit = residual_limit(X, y, found)
    np.testing.assert_allclose(limit.alpha, [0.125, 0.125, 0.125, 0.125, 0, 0], atol=1e-14)
    alone = residual_limit(X[:2], y[:2], hard_margin(X[:2], y[:2]))
    np.testing.assert_allclose(signed_rows(X, y)[:2] @ (limit.w - alone.w), np.log(2), rtol=1e-12)
    # Unequal multiplicities: three copies share one weight, their limit is no longer parallel to w.
    uneven = np.vstack([X[:2], X[:1], X[:1]]), np.ones(4)
    limit = residual_limit(*uneven, hard_margin(*uneven))
    np.testing.assert_allclose(limit.alpha, [0.25 / 3, 0.25, 0.25 / 3, 0.25 / 3], rtol=1e-12)
    assert abs(limit.w @ [1, -1]) > 0.5


def test_more_support_vectors_than_dimensions_have_the_weights_of_an_exponential_family():
    """Three different points on one line: infinitely many weights make w, and the flow selects log alpha = -A_S v."""
    X, y = np.array([[-1.0, 1.0], [0.2, 1.0], [2.0, 1.0]]), np.ones(3)
    found = hard_margin(X, y)
    limit = residual_limit(X, y, found)
    np.testing.assert_allclose(limit.alpha @ X, found.w, atol=1e-12)
    np.testing.assert_allclose(np.exp(-X @ limit.w), limit.alpha, rtol=1e-12)
    least_norm = np.linalg.lstsq(X.T, found.w, rcond=None)[0]
    assert np.abs(np.linalg.lstsq(X, -np.log(least_norm), rcond=None)[0] - limit.w).max() > 1e-3


def test_the_rate_shifts_the_limit_along_w():
    X, y = separable(0)
    found = hard_margin(X, y)
    slow, fast = residual_limit(X, y, found), residual_limit(X, y, found, rate=40.0)
    np.testing.assert_allclose(fast.alpha, slow.alpha, rtol=1e-10)
    np.testing.assert_allclose(fast.w - slow.w, np.log(40) * found.w, rtol=1e-8, atol=1e-9)


def test_a_support_vector_without_weight_has_no_limit():
    X = np.array([[0.0, 1.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match="weight zero"):
        residual_limit(X, np.ones(2), hard_margin(X, np.ones(2)))


# --- other norms ------------------------------------------------------------------------------------------------------

NORMS = {
    "L1": (1, l1_margin),
    "Linf": (np.inf, linf_margin),
    **{f"p={p}": (p, lambda X, y, p=p: lp_margin(X, y, p)) for p in (1.1, 1.5, 2.0, 3.0, 10.0)},
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("shape", [(40, 10), (30, 60)])
def test_norm_margins_are_attained_and_bounded(name, shape):
    p, largest = NORMS[name]
    X, y = separable(5, *shape)
    found = largest(X, y)
    A = signed_rows(X, y)
    assert np.min(A @ found.w) == pytest.approx(1, abs=1e-12)
    assert 1 / np.linalg.norm(found.w, p) == pytest.approx(found.margin, rel=1e-12)
    assert found.margin * (1 - 1e-12) <= found.bound <= found.margin * (1 + 1e-6)
    rng = np.random.default_rng(0)
    others = found.w + 0.1 * np.linalg.norm(found.w) * rng.normal(size=(50, len(found.w))) / len(found.w) ** 0.5
    assert max(np.min(A @ w) / np.linalg.norm(w, p) for w in others) < found.margin


def test_the_p_norm_margin_is_hard_margin_at_two():
    X, y = separable(6)
    found, exact = lp_margin(X, y, 2.0), hard_margin(X, y)
    assert found.margin == pytest.approx(exact.margin, rel=1e-7)
    assert found.bound >= exact.margin * (1 - 1e-14)
    np.testing.assert_allclose(found.w, exact.w, rtol=1e-3, atol=1e-3 * np.abs(exact.w).max())


def test_the_p_norm_margin_approaches_the_linear_programs():
    X, y = separable(7)
    ends = l1_margin(X, y).margin, linf_margin(X, y).margin
    path = [lp_margin(X, y, p).margin for p in (1.01, 1.1, 1.5, 2.0, 4.0, 20.0, 100.0)]
    assert ends[0] < path[0]
    assert (np.diff(path) > 0).all()
    assert path[-1] < ends[1]
    assert path[0] == pytest.approx(ends[0], rel=0.03)
    assert path[-1] == pytest.approx(ends[1], rel=0.03)


def test_the_p_norm_margin_agrees_with_a_general_optimiser():
    X, y = separable(8, 20, 5)
    A = signed_rows(X, y)
    found = lp_margin(X, y, 3.0)
    searched = minimize(
        lambda w: np.sum(np.abs(w) ** 3),
        hard_margin(X, y).w,
        jac=lambda w: 3 * np.sign(w) * w**2,
        constraints={"type": "ineq", "fun": lambda w: A @ w - 1, "jac": lambda w: A},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(found.w, searched.x, atol=1e-4 * np.linalg.norm(found.w))


@pytest.mark.parametrize("seed", range(3))
def test_spectral_margin_is_bracketed(seed):
    X, y = separable(seed, 30, 60)
    found = spectral_margin(X, y, (6, 10))
    assert found.margin < found.bound < (1 + 1e-5) * found.margin
    assert margin_norm(found.w, "spectral", (6, 10)) == pytest.approx(1 / found.margin, rel=1e-12)
    assert np.min(y * (X @ found.w)) == pytest.approx(1, abs=1e-12)
    assert hard_margin(X, y).margin < found.margin < 6**0.5 * hard_margin(X, y).margin


def test_spectral_margin_of_rows_is_that_of_l2_and_of_diagonals_that_of_linf():
    X, y = separable(9, 20, 6)
    assert spectral_margin(X, y, (1, 6)).margin == pytest.approx(hard_margin(X, y).margin, rel=1e-6)
    diagonal = np.zeros((20, 6, 6))
    diagonal[:, np.arange(6), np.arange(6)] = X
    assert spectral_margin(diagonal.reshape(20, 36), y, (6, 6)).margin == pytest.approx(
        linf_margin(X, y).margin, rel=1e-6
    )


def test_spectral_margin_turns_with_the_data():
    X, y = separable(1, 20, 12)
    rng = np.random.default_rng(0)
    left, right = np.linalg.qr(rng.normal(size=(3, 3)))[0], np.linalg.qr(rng.normal(size=(4, 4)))[0]
    turned = (left @ X.reshape(20, 3, 4) @ right).reshape(20, 12)
    here, there = spectral_margin(X, y, (3, 4)), spectral_margin(turned, y, (3, 4))
    assert there.margin == pytest.approx(here.margin, rel=1e-6)
    assert hard_margin(turned, y).margin == pytest.approx(hard_margin(X, y).margin, rel=1e-12)
    assert linf_margin(turned, y).margin != pytest.approx(linf_margin(X, y).margin, rel=1e-2)


def test_a_wide_bracket_is_an_error(monkeypatch):
    monkeypatch.setattr(norm_margins, "_GAP", 1e-2)
    X, y = separable(0)
    with pytest.raises(RuntimeError, match="bracketed"):
        lp_margin(X, y, 3.0)


def test_wrong_exponents_and_shapes_are_refused():
    X, y = separable(0)
    for p in (1.0, 0.5, np.inf):
        with pytest.raises(ValueError, match="above 1 and finite"):
            lp_margin(X, y, p)
    with pytest.raises(ValueError, match="does not hold 10 numbers"):
        spectral_margin(X, y, (3, 4))
