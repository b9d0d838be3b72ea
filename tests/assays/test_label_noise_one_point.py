"""The part `one_point` of the assay label-noise: SGD beside the drift equation, what is left at its end, the claims."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax.flatten_util import ravel_pytree

import small
from biassay.assays.label_noise import claims_one_point
from biassay.assays.label_noise import one_point as part
from biassay.assays.label_noise.config import Config
from biassay.assays.label_noise.figures_one_point import figures
from biassay.assays.label_noise.networks import logistic_network, tanh_network
from biassay.errors import UserError
from biassay.problem import Problem, squared_error
from biassay.report import to_matplotlib

SMALL = small.CONFIGS["label-noise"]
CLAIMS = {claim.name: claim for claim in claims_one_point.CLAIMS}
TANH, LOGISTIC, LOGISTIC_3 = (setting.name for setting in part.SETTINGS)

pytestmark = pytest.mark.xdist_group("label-noise")


@pytest.fixture(scope="module")
def data():
    return small.run("label-noise")


# --- the experiment ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("network", "gradient"), [(tanh_network, part.tanh_gradient), (logistic_network, part.logistic_gradient)]
)
def test_gradients(network, gradient):
    rng = np.random.default_rng(10_000)
    params = part.Network(jnp.asarray(rng.normal(size=(6, 3))), jnp.asarray(rng.normal(size=6)))
    plain = Problem(network, jnp.asarray(rng.normal(size=(4, 3))), jnp.asarray(rng.normal(size=4)), squared_error)
    expected, _ = ravel_pytree(plain.gradient(params))
    found, _ = ravel_pytree(gradient(params, plain.x, plain.y))
    np.testing.assert_allclose(found, expected, rtol=1e-11)
    other = {tanh_network: part.logistic_gradient, logistic_network: part.tanh_gradient}[network]
    assert np.abs(ravel_pytree(other(params, plain.x, plain.y))[0] - expected).max() > 0.01


@pytest.mark.usefixtures("x64")
def test_starts():
    """At zero error, as networks and as units; the same whichever others are drawn; off the point nothing moved."""
    setting = part.SETTINGS[2]
    params, units = part.draw_starts(SMALL, setting)
    for w, c in zip(*params, strict=True):
        assert float(logistic_network(part.Network(w, c), jnp.asarray(part.POINT[None]))[0]) == pytest.approx(3.0)
    np.testing.assert_allclose(np.asarray(params.w) @ part.POINT, units.u, atol=1e-12)
    alone, _ = part.draw_starts(dataclasses.replace(SMALL, seed=10_001, point_starts=1), setting)
    np.testing.assert_array_equal(params.c[1:], alone.c)
    tanh, _ = part.draw_starts(SMALL, part.SETTINGS[0])
    across = np.cross(part.POINT, [0.0, 0.0, 1.0])
    np.testing.assert_allclose(params.w @ across, tanh.w @ across, atol=1e-12)


def test_times():
    sgd, equation = part.drift_times(SMALL)
    assert sgd[-1] == pytest.approx(30.0)
    np.testing.assert_allclose(sgd[1:] / sgd[:-1], 2, rtol=5e-3)
    np.testing.assert_array_equal(equation[: len(sgd)], sgd)
    np.testing.assert_allclose(equation[len(sgd)], 60.0)
    assert equation[-1] == SMALL.point_horizon
    assert (np.diff(equation) > 0).all()


def test_no_noise_stays_where_it_was_put(data):
    assert data["point_quiet_moved"].max() < 1e-12
    assert (data["point_quiet_reg"] > 1.1 * data["point_reg"].sel(point_setting=TANH).isel(point_tau=0)).all()
    moved = np.abs(data["point_sgd_a"].sel(point_setting=TANH) - data["point_quiet_a"])
    assert moved.max("point_unit").min() > 0.1


def test_the_equation_stays_at_zero_error_and_goes_down(data):
    assert data["point_error"].max() < 1e-6
    assert (data["point_reg"].diff("point_tau") < 1e-7).all()
    assert (data["point_reg"] > data["point_least"] - 1e-7).all()


def test_sgd_follows_the_equation_and_not_one_twice_as_fast(data):
    """Within 10 %, as the noise here is twice that of the default: as far in a quarter of the steps."""
    last = data.sizes["point_sgd_tau"]
    equation = data["point_reg"].sel(point_setting=[LOGISTIC, LOGISTIC_3]).values
    sgd = data["point_sgd_reg"].sel(point_setting=[LOGISTIC, LOGISTIC_3]).values
    off, doubled = (np.abs(sgd / equation[..., i : last + i] - 1).max(axis=-1) for i in (0, 1))
    assert off.max() < 0.1
    assert (doubled > 3 * off).all()


def test_what_is_left(data):
    a, c = np.abs(data["point_a"].sel(point_setting=TANH)), np.abs(data["point_c"].sel(point_setting=TANH))
    np.testing.assert_allclose(a.max("point_unit"), 0.6**0.25, rtol=1e-6)
    np.testing.assert_allclose(c.max("point_unit"), 0.6**-0.25, rtol=1e-6)
    np.testing.assert_allclose(data["point_a"].sel(point_setting=LOGISTIC), 1.5 / 101.5, rtol=1e-4)
    ends = data["point_reg"].isel(point_tau=-1)
    np.testing.assert_allclose(ends.sel(point_setting=[TANH, LOGISTIC]).T, 2 * [[2 * 3.75**0.5 - 3, 15 / 101.5]], 1e-6)
    for end in ends.sel(point_setting=LOGISTIC_3).values:
        assert min(abs(end - 0.92790), abs(end - 135 / 113.5)) < 1e-4, "the least, or ten equal units"


def test_shapes_words_and_figures(data):
    assert data["point_reg"].dims == ("point_setting", "point_start", "point_tau")
    assert data["point_sgd_a"].shape == (3, 2, 10)
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())
    drawn = figures(data)
    assert [figure.name for figure in drawn] == ["one-point-reg", "one-point-units"]
    assert all(to_matplotlib(figure).axes for figure in drawn)


# --- claims -----------------------------------------------------------------------------------------------------------


def many(data, starts=4):
    """The same starts again and again, for claims that ask for eight."""
    return data.isel(point_start=np.tile(np.arange(data.sizes["point_start"]), starts))


@pytest.mark.parametrize(
    "name", ["tanh-one-unit", "tanh-one-unit-sgd", "tanh-one-unit-reg", "logistic-two", "logistic-two-at-rest"]
)
def test_a_claim_holds_and_not_of_its_control(name, data):
    claim = CLAIMS[name]
    assert claim.judge(many(data)).outcome == "holds"
    assert dataclasses.replace(claim, measure=claim.control).judge(many(data)).outcome == "fails"
    assert dataclasses.replace(claim, control=claim.measure, control_region=None).judge(data).outcome == "vacuous"


def test_too_few_starts_decide_nothing(data):
    for name in ("tanh-one-unit", "tanh-one-unit-sgd", "tanh-one-unit-reg"):
        assert CLAIMS[name].judge(data).outcome == "unclear"


def test_one_per_cent_is_told_from_two(data):
    """Data made up: SGD where the drift equation is, or not."""
    claim, last = CLAIMS["one-point-ode"], data.sizes["point_sgd_tau"]
    spread = xr.DataArray(1 + 0.004 * np.linspace(-1, 1, 8), dims="point_start")
    there = many(data)["point_reg"].isel(point_tau=slice(last)).rename(point_tau="point_sgd_tau") * spread
    right = many(data).drop_vars("point_sgd_reg").assign(point_sgd_reg=there.drop_vars("point_sgd_tau"))
    assert claim.judge(right).outcome == "holds"
    assert claim.judge(right.assign(point_sgd_reg=1.02 * right["point_sgd_reg"])).outcome == "fails"
    ahead = many(data)["point_reg"].isel(point_tau=slice(1, last + 1)).rename(point_tau="point_sgd_tau")
    fast = right.assign(point_sgd_reg=ahead.drop_vars("point_sgd_tau"))
    assert claim.judge(fast).outcome == "vacuous", "SGD twice as fast: the control is in its place"


def test_what_sgd_leaves_is_judged_of_sgd_alone(data):
    """Ten active units at the end of SGD are not excused by the drift equation, nor the other way round."""
    ten = many(data).assign({f"point_sgd_{name}": many(data)[f"point_sgd_{name}"] + 1 for name in "ac"})
    assert CLAIMS["tanh-one-unit-sgd"].judge(ten).outcome != "holds"
    assert CLAIMS["tanh-one-unit"].judge(ten).outcome == "holds"
    other = many(data).assign({f"point_{name}": many(data)[f"point_{name}"] + 1 for name in "ac"})
    assert CLAIMS["tanh-one-unit-sgd"].judge(other).outcome == "holds"


def test_off_its_rest_a_network_says_nothing_of_two(data):
    early = many(data.isel(point_tau=slice(0, data.sizes["point_sgd_tau"])))
    assert CLAIMS["logistic-two"].judge(early).outcome == "vacuous"
    assert CLAIMS["logistic-two-at-rest"].judge(early).outcome == "fails"


def test_counting():
    a, c = np.array([0.5, 0.5002, 0.1, 1e-3, 0.0]), np.array([2.0, 2.001, 2.0, 0.5, 1e-3])
    np.testing.assert_array_equal(claims_one_point.active_units(a[None], c[None]), [4])
    assert claims_one_point.distinct_pairs(a[:2], c[:2]) == 1
    assert claims_one_point.distinct_pairs(a, c) == 4
    assert claims_one_point.distinct_pairs(a[:2], np.array([2.0, 2.1])) == 2
    assert claims_one_point.distinct_pairs(np.full(3, np.nan), np.ones(3)) == 3


# --- wrong input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"point_std": -0.5}, "point_std must be positive, got -0.5"),
        ({"point_units": 0}, "point_units must be at least 1, got 0"),
        ({"point_steps": 100}, "point_steps must be at least 2048, got 100"),
        ({"point_horizon": 100.0}, "point_horizon must be at least 120, four times the drift time of SGD, got 100"),
    ],
)
def test_config_errors(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)


@pytest.mark.usefixtures("x64")
def test_a_step_size_that_is_too_large_is_refused():
    with pytest.raises(UserError, match=r"point_lr must be below 0\.\d+, where SGD on tanh, y = 1 is stable, got 0.5"):
        part.check_one_point(dataclasses.replace(SMALL, point_lr=0.5, point_horizon=1e9))
    part.check_one_point(SMALL)
