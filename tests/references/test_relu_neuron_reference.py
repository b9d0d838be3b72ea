"""The exact answers on a single ReLU neuron, each against a computation that shares nothing with it."""

import math
import time

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import linprog

from biassay.references import min_norm_zero_loss, nearest_zero_loss, witness, witness_limit

TRIAL = {1.0: (-0.04077292, 0.16965), 2.0: (-0.11069646, 0.13832), 3.0: (-0.16227474, 0.11365)}


def loss(X, y, w):
    return np.sum((np.maximum(X @ w, 0) - y) ** 2) / 2


def realizable(seed, n=5, d=6):
    rng = np.random.default_rng(seed)
    X, planted = rng.normal(size=(n, d)), rng.normal(size=d)
    return X, np.maximum(X @ planted, 0), planted, 5 * rng.normal(size=d)


@pytest.mark.parametrize("g", TRIAL)
def test_witness_limit_at_known_values(g):
    w, death = witness_limit(g)
    np.testing.assert_allclose(w, [5, -1, TRIAL[g][0]], atol=1e-8)
    assert death == pytest.approx(TRIAL[g][1], abs=1e-5)


@pytest.mark.parametrize(("g", "alpha"), [(0.05, 1.0), (1.0, 1.0), (2.5, 0.1), (12.0, 3.0), (40.0, 1.0)])
def test_witness_limit_is_where_the_flow_ends(g, alpha):
    """Against SciPy's integrator, split at the kink where x_3 dies."""
    X, y = witness(g, alpha)

    def velocity(t, w):
        z = X @ w
        return -((z - y) * (z > 0)) @ X

    def dies(t, w):
        return w[1] + w[2]

    vars(dies).update(terminal=True, direction=-1)
    to = {"rtol": 1e-10, "atol": 1e-13, "method": "DOP853"}
    first = solve_ivp(velocity, (0, 1), 1e-9 * X.T @ y, events=dies, **to)
    assert first.status == 1
    rest = solve_ivp(velocity, (0, 20), first.y[:, -1] - [0, 1e-13, 0], **to)
    w, death = witness_limit(g, alpha)
    assert first.t[-1] == pytest.approx(death, abs=1e-6)
    np.testing.assert_allclose(rest.y[:, -1], w, atol=1e-6 * alpha)


@pytest.mark.parametrize("g", [1e-4, 1e-2, 1.0, 1e2, 1e4])
def test_witness_limit_in_forty_digits(g):
    """Far and near values of g keep eight digits; the time of death too."""
    mp = pytest.importorskip("mpmath")
    found = witness_limit(g)
    with mp.workdps(40):
        X = mp.matrix([[3, -1, 0], [4, 2, 0], [0, g, g]])
        rates, Q = mp.eigsy(X.T * X)
        amplitudes = Q.T * -mp.matrix([5, -1, 1])

        def moved(t, weights):
            return sum(mp.expm1(-rates[k] * t) * amplitudes[k] * sum(Q[i, k] for i in weights) for k in range(3))

        near = found.death * (1 - 1e-3), found.death * (1 + 1e-3)
        death = mp.findroot(lambda t: moved(t, (1, 2)), near, solver="anderson")
        assert found.death == pytest.approx(float(death), rel=1e-8)
        assert found.w[2] == pytest.approx(float(moved(death, (2,))), rel=1e-8)


def test_witness_limit_scales_with_the_labels_and_depends_on_the_start():
    w, death = witness_limit(2.0)
    scaled = witness_limit(2.0, 0.1)
    np.testing.assert_allclose(scaled.w, 0.1 * w, rtol=1e-12)
    assert scaled.death == pytest.approx(death, rel=1e-10)
    X, y = witness(3.0)
    shifts = [witness_limit(3.0, start=c * X.T @ y).w[2] - witness_limit(3.0).w[2] for c in (1e-6, 1e-4, 1e-3, 1e-2)]
    np.testing.assert_allclose(shifts, [0, -1.5e-7, -1.5e-5, -1.5e-3], rtol=0.1, atol=1e-9)


def test_witness_limit_where_x3_never_dies_is_the_linear_one():
    w, death = witness_limit(1.0, start=np.array([5.0, -1.0, 3.0]))
    assert death == math.inf
    np.testing.assert_allclose(w, [5, -1, 1], rtol=1e-12)


def test_witness_limit_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="must activate all three points"):
        witness_limit(1.0, start=np.array([-1.0, 0.0, 0.0]))
    with pytest.raises(ValueError, match=r"g must be positive .* got g=0"):
        witness_limit(0.0)
    for g in (0.99e-4, 1.01e4, math.nan):
        with pytest.raises(ValueError, match=r"lie in 0\.0001\.\.10000, got"):
            witness_limit(g)
    with pytest.raises(ValueError, match="alpha=-1"):
        witness(1.0, -1.0)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        ((40.0, 58.0, -3.0), "x_1 or x_2 becomes inactive before x_3"),
        ((56.0, 47.0, -39.0), "x_1 or x_2 becomes inactive after x_3"),
        ((43.0, -17.0, 18.0), "x_3 becomes active again"),
    ],
)
def test_witness_limit_of_a_large_start_may_have_no_closed_form(start, what):
    with pytest.raises(RuntimeError, match=what):
        witness_limit(1.0, start=np.array(start))


def test_witness_limit_is_quick():
    clock = time.process_time()
    for _ in range(100):
        witness_limit(2.0)
    assert time.process_time() - clock < 1.0


def test_the_zero_loss_set_is_the_same_for_every_g():
    for g in (0.3, 1.0, 7.0):
        X, y = witness(g)
        assert max(loss(X, y, np.array([5, -1, s])) for s in np.linspace(-3, 1, 9)) < 1e-20
        assert loss(X, y, np.array([5, -1, 1.1])) == pytest.approx(g**2 * 0.01 / 2)


@pytest.mark.parametrize("seed", range(10_000, 10_040))
def test_nearest_zero_loss_solution(seed):
    """Zero loss to 1e-10, and the conditions of Karush, Kuhn and Tucker: point - w lies in the set's normal cone."""
    X, y, planted, far = realizable(seed)
    if not y.any():
        pytest.skip("every label is zero")
    for point in (np.zeros(6), far):
        w = nearest_zero_loss(X, y, point)
        assert loss(X, y, w) < 1e-20
        touched = X[(y > 0) | (np.abs(X @ w) < 1e-9)]
        signs = [(None, None) if label > 0 else (0, None) for label in y[(y > 0) | (np.abs(X @ w) < 1e-9)]]
        size = np.linalg.norm(point - w)
        normal = linprog(np.zeros(len(touched)), A_eq=touched.T, b_eq=(point - w) / size, bounds=signs)
        assert normal.success, "a multiplier has the wrong sign"
        assert size <= np.linalg.norm(point - planted) + 1e-9


def test_the_planted_solution_does_not_meet_the_conditions():
    """The check of the normal cone is one that can fail."""
    X, y, planted, _ = realizable(10_000)
    touched = X[y > 0]
    assert not linprog(np.zeros(len(touched)), A_eq=touched.T, b_eq=-planted, bounds=(None, None)).success


def test_with_all_labels_positive_it_is_the_pseudo_inverse():
    rng = np.random.default_rng(10_000)
    for scale in (1e-6, 1.0, 1e6):
        X, y = rng.normal(size=(4, 7)), scale * rng.uniform(0.1, 2, size=4)
        np.testing.assert_allclose(min_norm_zero_loss(X, y), np.linalg.pinv(X) @ y, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("exponent", range(-8, 9, 2))
def test_the_units_of_the_points_do_not_matter(exponent):
    """All points in other units, and every point in its own with its label: w in the inverse units, or the same."""
    for seed in range(10_000, 10_005):
        X, y, _, _ = realizable(seed)
        w, scale = min_norm_zero_loss(X, y), 10.0**exponent
        np.testing.assert_allclose(scale * min_norm_zero_loss(scale * X, y), w, rtol=1e-10, atol=1e-12)
        own = np.geomspace(1, scale, len(y))
        np.testing.assert_allclose(min_norm_zero_loss(own[:, None] * X, own * y), w, rtol=1e-10, atol=1e-12)


def test_a_point_of_the_set_is_its_own_nearest():
    X, y, planted, _ = realizable(10_001)
    np.testing.assert_allclose(nearest_zero_loss(X, y, planted), planted, atol=1e-12)
    np.testing.assert_array_equal(min_norm_zero_loss(X, np.zeros(5)), np.zeros(6))


def test_no_zero_loss_solution():
    X = np.array([[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="no w has zero loss"):
        min_norm_zero_loss(X, np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        min_norm_zero_loss(X, np.array([1.0, -1.0]))
