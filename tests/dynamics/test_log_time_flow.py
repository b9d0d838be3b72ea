"""The flow in logarithmic time: against descent in ordinary time, and against the laws of separable data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
from biassay.assays.max_margin.flow import LOG_TIMES, flow_laws, polynomial_laws, polynomial_log_slope
from biassay.assays.max_margin.panel import Points
from biassay.assays.max_margin.separable import draw_generic, draw_symmetric, draw_wide
from biassay.dynamics import LogTimeFlow
from biassay.models.linear_classifier import linear_classifier
from biassay.probes import weights
from biassay.references import hard_margin

SEED = 10_000
pytestmark = pytest.mark.usefixtures("x64")


def classifier(points):
    return linear_classifier(jnp.asarray(points.x[0]), jnp.asarray(points.y[0]))


def follow(problem, log_times, start, **options):
    run = ba.simulate(
        problem,
        LogTimeFlow(jnp.asarray(log_times), **options),
        start,
        steps=len(log_times),
        record=range(len(log_times) + 1),
        probes={"w": weights},
    )
    return run.data["w"].values[0], run


@pytest.fixture(scope="module")
def laws():
    with jax.enable_x64(True):
        return flow_laws(draw_generic(SEED, 2))


def slope(error, above):
    """Slope of log error against log log t."""
    kept = error.log_time >= above
    return np.polyfit(np.log(error.log_time[kept]), np.log(error[:, kept]).T, 1)[0]


def test_it_is_the_limit_of_gradient_descent_at_equal_time():
    """The distance to descent with steps eta at t = 10 and 300 halves with eta: descent is of first order."""
    points = draw_generic(SEED, 1)
    problem, start = classifier(points), jnp.asarray(np.random.default_rng(0).normal(size=10))
    times = np.array([10.0, 300.0])
    flow, run = follow(problem, np.log1p(times), start)
    np.testing.assert_allclose(run.data["time"], [0, *np.log1p(times)], rtol=1e-12)
    gaps = []
    for eta in (0.01, 0.005, 0.0025):
        steps = np.round(times / eta).astype(int)
        # The problem is the mean of the losses, the flow that of their sum.
        descent = ba.simulate(
            problem, ba.GradientDescent(40 * eta), start, steps=steps[-1], record=steps, probes={"w": weights}
        )
        gaps.append(np.linalg.norm(descent.data["w"].values[0] - flow[1:], axis=1))
    gaps = np.array(gaps)
    assert (gaps[-1] < 1e-2).all()
    ratios = gaps[:-1] / gaps[1:]
    assert ((ratios > 1.9) & (ratios < 2.1)).all(), ratios


@pytest.mark.nightly
def test_save_points_change_nothing():
    problem = classifier(draw_generic(SEED, 1))
    even, _ = follow(problem, np.linspace(100, 1e4, 30), jnp.zeros(10))
    growing, _ = follow(problem, np.geomspace(0.1, 1e4, 30), jnp.zeros(10))
    np.testing.assert_allclose(even[-1], growing[-1], rtol=1e-11)


def test_the_exponential_loss_has_a_flow_in_closed_form():
    """One point of length 1 and l = exp(-m): w(t) = log(1 + t), so that w = s."""
    problem = linear_classifier(jnp.ones((1, 1)), jnp.ones(1))
    w, _ = follow(problem, np.array([1.0, 10.0, 1e3, 1e6]), jnp.zeros(1), log_slope=jnp.negative)
    np.testing.assert_allclose(w[1:, 0], [1.0, 10.0, 1e3, 1e6], rtol=1e-9)


def test_a_lane_without_save_points_or_solver_steps_diverges():
    problem = classifier(draw_generic(SEED, 1))
    few = LogTimeFlow(jnp.array([0.01, 1e3]), rtol=1e-5, atol=1e-5, max_steps=40)
    ends = [ba.simulate(problem, few, jnp.zeros(10), steps=steps).data["diverged"].item() for steps in (1, 2)]
    assert ends == [False, True]
    short = LogTimeFlow(jnp.array([0.01, 0.02]), rtol=1e-5, atol=1e-5, max_steps=40)
    ends = [ba.simulate(problem, short, jnp.zeros(10), steps=steps).data["diverged"].item() for steps in (2, 3)]
    assert ends == [False, True]


@pytest.mark.nightly
def test_save_points_may_be_a_list():
    problem = classifier(draw_generic(SEED, 1))
    run = ba.simulate(problem, LogTimeFlow([0.5, 1.0]), jnp.zeros(10), steps=2)
    np.testing.assert_allclose(run.params[0], follow(problem, np.array([0.5, 1.0]), jnp.zeros(10))[0][-1], rtol=1e-14)


@pytest.mark.parametrize("times", [[], 3.0, [0.0, 1.0], [2.0, 1.0], [1.0, 1.0], [1.0, np.inf], [np.nan], [-1.0, 2.0]])
def test_what_are_no_save_points_is_refused(times):
    with pytest.raises(ValueError, match="log_times"):
        LogTimeFlow(times)


def test_tolerances_that_single_precision_cannot_meet_are_refused():
    points = draw_generic(SEED, 1)
    with jax.enable_x64(False):
        problem, start = classifier(points), jnp.zeros(10)
        with pytest.raises(ValueError, match="double precision"):
            ba.simulate(problem, LogTimeFlow([0.5, 1.0]), start, steps=2)
        rough = ba.simulate(problem, LogTimeFlow([0.5, 1.0], rtol=1e-4, atol=1e-4), start, steps=2)
    exact = ba.simulate(classifier(points), LogTimeFlow([0.5, 1.0]), jnp.zeros(10), steps=2)
    np.testing.assert_allclose(rough.params, exact.params, rtol=1e-3, atol=1e-4)


# --- the laws ---------------------------------------------------------------------------------------------------------


def test_the_direction_and_the_margin_come_in_at_one_over_log_t(laws):
    for name in ("direction_error", "margin_gap"):
        measured = slope(laws[name], 1e4)
        assert ((measured > -1.01) & (measured < -0.99)).all(), name
    # The constant, too: the part of rho across w over |w| log t.
    np.testing.assert_allclose(laws["direction_error"][:, -1], laws["predicted_error"][:, -1], rtol=1e-5)


@pytest.mark.nightly
def test_over_times_that_an_iteration_reaches_the_slope_is_not_one():
    short = flow_laws(draw_generic(SEED, 5), np.geomspace(1, np.log(1e6), 61))
    measured = slope(short["direction_error"], np.sqrt(np.log(1e6)))
    assert ((measured < -1.01) | (measured > -0.99)).all()


def test_the_loss_times_t_tends_to_the_square_of_w(laws):
    at = laws.sel(log_time=1e4, method="nearest")
    assert at.log_time == pytest.approx(1e4)
    assert (abs(at["loss_excess"]) < 1e-6).all()
    assert (abs(laws["loss_excess"].isel(log_time=0)) > 1e-3).all()


def test_the_residual_tends_to_its_limit_and_not_to_another(laws):
    at = laws.sel(log_time=1e4, method="nearest")
    assert (at["residual"] < 1e-6).all()
    assert (at["shuffled_residual"] > 0.1).all()


@pytest.mark.nightly
def test_more_dimensions_than_points_obey_the_same_laws():
    wide = flow_laws(draw_wide(SEED, 1))
    assert -1.01 < slope(wide["direction_error"], 1e4)[0] < -0.99
    assert (wide.sel(log_time=1e4, method="nearest")["residual"] < 1e-6).all()


def test_a_polynomial_tail_goes_elsewhere():
    points = draw_generic(SEED, 2)
    tail = polynomial_laws(points)
    late = tail["angle"].values[:, 20:]
    assert (late > 5).all()
    assert np.ptp(late, axis=1).max() < 1e-3
    np.testing.assert_allclose(tail["exponent"], 1 / 3, atol=1e-4)
    assert (np.diff(tail["loss_excess"].values) > 0).all()
    with pytest.raises(ValueError, match="1000"):
        polynomial_laws(points, LOG_TIMES)


def test_the_polynomial_tail_is_the_slope_of_its_loss():
    def loss(m):
        return jnp.where(m > 1, 1 / jnp.maximum(m, 1.0), 2 - m)

    m = jnp.array([-2.0, 0.5, 1.5, 40.0])
    np.testing.assert_allclose(jnp.exp(polynomial_log_slope(m)), -jax.vmap(jax.grad(loss))(m), rtol=1e-14)


# --- the data ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [None, pytest.param(np.array([[1.0, -0.5]]), marks=pytest.mark.nightly)])
def test_a_symmetry_of_the_support_vectors_hides_the_law_from_any_start(start):
    """They span the plane, so that the limit of w - w_hat log t is the same from any start: parallel to w_hat."""
    law = flow_laws(draw_symmetric(SEED, 1), start=start)
    assert law["direction_error"][0, -1] < 1e-12
    assert (law.sel(log_time=1e4, method="nearest")["residual"] < 1e-6).all()
    assert law["support_vectors"].item() == 4


def test_copies_of_a_support_vector_move_the_limit():
    """Unequal multiplicities break the symmetry, and the limit is computed with the weight split among the copies."""
    points = draw_symmetric(SEED, 1)
    copied = Points(np.append(points.x, points.x[:, :1], axis=1), np.append(points.y, points.y[:, :1], axis=1), SEED)
    law = flow_laws(copied)
    assert -1.01 < slope(law["direction_error"], 1e4)[0] < -0.99
    assert (law.sel(log_time=1e4, method="nearest")["residual"] < 1e-6).all()


def test_the_data_are_what_they_are_said_to_be():
    symmetric, generic, wide = draw_symmetric(SEED, 3), draw_generic(SEED, 3), draw_wide(SEED, 3)
    assert [points.x.shape for points in (symmetric, generic, wide)] == [(3, 16, 2), (3, 40, 10), (3, 20, 30)]
    for x, y in zip(symmetric.x, symmetric.y, strict=True):
        found = hard_margin(x, y)
        assert found.margin == pytest.approx(2**0.5, rel=1e-14)
        np.testing.assert_allclose(found.w, [0.5, 0.5], rtol=1e-14)
        assert found.support.sum() == 4
    for points in (symmetric, generic, wide):
        assert set(points.y.ravel()) == {-1.0, 1.0}
        second = type(points)(points.x[1:2], points.y[1:2], SEED + 1)
        draw = {2: draw_symmetric, 10: draw_generic, 30: draw_wide}[points.x.shape[2]]
        np.testing.assert_array_equal(draw(SEED + 1, 1).x, second.x)
