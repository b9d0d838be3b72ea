"""The curves of `label-noise`: the geometry against functions known by hand, the experiment, and its claims."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax.flatten_util import ravel_pytree

import small
from biassay.assays.label_noise import claims_curve, curve_shape
from biassay.assays.label_noise import curve as part
from biassay.assays.label_noise.config import Config
from biassay.assays.label_noise.figures_curve import figures
from biassay.errors import UserError
from biassay.problem import Problem, squared_error
from biassay.references import regularizer
from biassay.report import to_matplotlib

SMALL = small.CONFIGS["label-noise"]
CLAIMS = {claim.name: claim for claim in claims_curve.CLAIMS}

pytestmark = pytest.mark.xdist_group("label-noise")


@pytest.fixture(scope="module")
def data():
    return small.run("label-noise")


# --- geometry ---------------------------------------------------------------------------------------------------------


def tent(height):
    """0 at -1 and 1, `height` at 0."""
    return curve_shape.through(np.array([-1.0, 0.0, 1.0]), np.array([0.0, height, 0.0]))


def test_a_straight_line():
    line = curve_shape.through(np.array([-1.0, 1.0]), np.array([0.0, 1.5]))
    assert curve_shape.length(line) == pytest.approx(2.5)
    assert curve_shape.slope_variation(line) == curve_shape.kinks(line) == curve_shape.convexity_changes(line) == 0
    np.testing.assert_allclose(line(np.array([-1.0, 0.0, 1.0])), [0, 0.75, 1.5])


def test_a_tent():
    assert curve_shape.length(tent(1.0)) == pytest.approx(2 * 2**0.5)
    assert curve_shape.slope_variation(tent(1.0)) == pytest.approx(2)
    assert curve_shape.kinks(tent(1.0)) == 1
    assert curve_shape.convexity_changes(tent(1.0)) == 0
    assert curve_shape.kinks(tent(0.04)) == 0, "a jump of .08 is not counted"


def test_a_wave():
    x, y = np.linspace(-1, 1, 5), np.array([0.0, 1.0, -1.0, 1.0, 0.0])
    wave = curve_shape.through(x, y)
    assert curve_shape.length(wave) == pytest.approx(2 * (0.5**2 + 1) ** 0.5 + 2 * (0.5**2 + 4) ** 0.5)
    assert curve_shape.slope_variation(wave) == pytest.approx(6 + 8 + 6)
    assert (curve_shape.kinks(wave), curve_shape.convexity_changes(wave)) == (3, 2)
    np.testing.assert_allclose(wave(x), y, atol=1e-15)


def test_near_kinks_are_one():
    def pair(gap, second):
        return curve_shape.PiecewiseLinear(0.0, 0.0, np.array([0.0, gap]), np.array([1.0, second]))

    assert curve_shape.kinks(pair(0.02, -2.0)) == 1
    assert curve_shape.convexity_changes(pair(0.02, -2.0)) == 0
    assert curve_shape.kinks(pair(0.04, -2.0)) == 2
    assert curve_shape.convexity_changes(pair(0.04, -2.0)) == 1
    assert curve_shape.kinks(pair(0.02, -0.95)) == 0, "together they hardly bend the curve"
    assert curve_shape.slope_variation(pair(0.02, -0.95)) == pytest.approx(1.95), "which counts in full here"


def test_the_points():
    polyline = curve_shape.through(part.X, part.Y)
    assert curve_shape.length(polyline) == pytest.approx(3.880, abs=5e-4)
    assert curve_shape.convexity_changes(polyline) == 3
    assert curve_shape.slope_variation(polyline) == pytest.approx(98 / 11)


@pytest.mark.usefixtures("x64")
def test_the_shape_of_a_network_is_that_of_its_function():
    """Kinks on both sides, units of either direction, one with its kink at -1, and one that never bends."""
    rng = np.random.default_rng(10_001)
    a, b, c = rng.normal(size=(3, 30))
    a[0], b[0], b[1] = 0.7, 0.7, 5.0
    params = part.Curve(*map(jnp.asarray, (a, b, c, 0.3, -0.2)))
    f = curve_shape.from_units(a, b, c, 0.3, -0.2)
    x = np.linspace(-1, 1, 20_001)
    y = np.asarray(part.curve_network(params, jnp.asarray(x)))
    np.testing.assert_allclose(f(x), y, atol=1e-12)
    assert curve_shape.length(f) == pytest.approx(np.hypot(np.diff(x), np.diff(y)).sum(), rel=1e-4)
    fine = np.diff(y) / np.diff(x)
    assert curve_shape.slope_variation(f) == pytest.approx(np.abs(np.diff(fine)).sum(), rel=1e-6)
    wrong = curve_shape.from_units(a, -b, c, 0.3, -0.2)
    assert np.abs(wrong(x) - y).max() > 0.1


def test_no_curve_through_the_points_is_shorter_than_the_polyline():
    rng = np.random.default_rng(10_002)
    least = curve_shape.length(curve_shape.through(part.X, part.Y))
    for _ in range(20):
        more = np.setdiff1d(rng.uniform(-1, 1, 30), part.X)
        x = np.sort(np.concatenate([part.X, more]))
        y = np.interp(x, part.X, part.Y) + np.where(np.isin(x, part.X), 0.0, 0.05 * rng.normal(size=len(x)))
        assert curve_shape.length(curve_shape.through(x, y)) > least
    shrunk = curve_shape.through(part.X, 0.95 * part.Y)
    assert curve_shape.length(shrunk) < least, "one that misses them is"


# --- the network ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_gradient_and_regularizer():
    config = Config(seed=10_000, curve_units=7, curve_pairs=2)
    params = jax.tree.map(lambda leaf: leaf[1], part.draw_starts(config))
    plain = Problem(part.curve_network, jnp.asarray(part.X), jnp.asarray(part.Y), squared_error)
    expected, _ = ravel_pytree(plain.gradient(params))
    found, _ = ravel_pytree(part.curve_gradient(params, plain.x, plain.y))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.abs(np.asarray(found) / 2 - expected).max() > 0.1

    theta = np.asarray(ravel_pytree(params)[0])
    both, _, outer, inner = (part.squared_gradients(theta, arm).mean() for arm in part.ARMS)
    assert both == pytest.approx(float(regularizer(plain, params)), rel=1e-12)
    assert outer + inner == pytest.approx(both, rel=1e-12)
    assert min(outer, inner) > 0


@pytest.mark.usefixtures("x64")
def test_only_what_is_trained_moves():
    config = Config(seed=10_000, curve_units=7, curve_steps=4000, curve_pairs=2)
    theta = part.train(config)
    moved = (theta[:, :, -1] != theta[:, :, 0]).any(axis=1)
    inner, outer = moved[:, :14], moved[:, 14:]
    np.testing.assert_array_equal(inner.any(axis=1), [True, True, False, True])
    np.testing.assert_array_equal(outer.any(axis=1), [True, True, True, False])
    np.testing.assert_array_equal(theta[:, :, 0], np.broadcast_to(theta[0, :, 0], theta[:, :, 0].shape))


def test_starts_are_the_same_whichever_others_are_drawn():
    many, one = (part.draw_starts(Config(seed=s, curve_units=5, curve_pairs=n)) for s, n in ((10_000, 3), (10_002, 1)))
    for of_many, alone in zip(many, one, strict=True):
        np.testing.assert_array_equal(of_many[2:], alone)
    assert np.abs(many.b / many.a).max() <= 1.3


# --- the experiment ---------------------------------------------------------------------------------------------------


def test_the_noise_goes_off(data):
    """With noise the training error stays at its floor; it falls once the noise is off."""
    error = data["curve_error"].sel(curve_arm="noise").mean("curve_start")
    steps = data["curve_step"].values
    on, off = error.values[(steps > 10_000) & (steps <= 30_000)], error.values[steps > 35_000]
    assert off.max() < 0.2 * on.min()
    assert len(on) > 2
    assert steps[-1] == 40_000


def test_reg_falls_with_noise_in_both_layers_only(data):
    """From when the points are fitted."""
    reg = data["curve_reg"].mean("curve_start")
    change = reg.isel(curve_step=-1) / reg.sel(curve_step=slice(1000, None)).isel(curve_step=0)
    assert change.sel(curve_arm="noise") < 0.6
    assert change.sel(curve_arm="no noise") > 0.95
    assert change.sel(curve_arm="noise, inner layer only") > 0.8
    assert np.max(CLAIMS["relu-shape-outer-layer"].measure(data)) < 1e-12
    assert np.min(CLAIMS["relu-shape-outer-layer"].control(data)) > 0.1


def test_shapes_words_and_figures(data):
    assert data["curve_length"].dims == ("curve_arm", "curve_start", "curve_step")
    assert data["curve_f"].shape == (4, 3, 401)
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())
    drawn = figures(data)
    assert [figure.name for figure in drawn] == ["curves", "curve-shapes"]
    assert all(to_matplotlib(figure).axes for figure in drawn)
    assert figures(data.isel(curve_start=[0]))
    *_, error = drawn[1].panels
    assert error.title == "Training error"
    assert error.yscale == "log"
    assert error.ylim is not None
    assert error.ylim[0] > 0


# --- claims -----------------------------------------------------------------------------------------------------------


def made_up(noise, outer, inner, starts=12):
    """Ends at which each arm has, of what is there without noise, the given share; every start a little its own."""
    spread = 1 + 0.1 * np.linspace(-1, 1, starts)
    shares = np.array([1.0, noise, outer, inner])[:, None] * spread
    own = ("curve_arm", "curve_start", "curve_step")
    names = [arm.name for arm in part.ARMS]
    reg = np.stack([np.full_like(shares, 2.0), 2 * shares], axis=-1)
    reg[2] = 2.0
    return xr.Dataset(
        {
            "curve_length": (own, (4.0 + 0.2 * shares)[..., None]),
            "curve_variation": (own, (20 * shares)[..., None]),
            "curve_turns": (own, np.round(3 + 5 * (shares > 0.5))[..., None]),
            "curve_reg": (("curve_arm", "curve_start", "curve_record"), reg),
            "curve_polyline": 4.0,
            "curve_least_turns": 3,
        },
        coords={"curve_arm": names},
    )


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_holds_where_it_should_and_not_of_its_control(name):
    claim, right = CLAIMS[name], made_up(0.2, 1.1, 1.3)
    assert claim.judge(right).outcome == "holds"
    assert dataclasses.replace(claim, measure=claim.control, control_region=None).judge(right).outcome == "fails"
    assert claim.judge(right.isel(curve_start=slice(0, 5))).outcome == "unclear", "too few starts"


def test_a_finding_that_is_not_there_is_not_found():
    no_effect = made_up(0.95, 1.1, 1.3)
    for name in ("relu-length", "relu-shape", "relu-shape-convexity"):
        assert CLAIMS[name].judge(no_effect).outcome == "fails"
    everywhere = made_up(0.2, 0.2, 0.2)
    assert CLAIMS["relu-length"].judge(everywhere).outcome == "vacuous"
    assert CLAIMS["relu-length-inner-layer"].judge(everywhere).outcome == "fails"
    assert CLAIMS["relu-length"].judge(made_up(0.2, 0.7, 1.3)).outcome == "unclear", "a control that is none"


def test_a_curve_shorter_than_the_polyline_is_not_converged(data):
    right = made_up(0.2, 1.1, 1.3)
    early = right.assign(curve_length=right["curve_length"] - xr.where(right["curve_arm"] == "noise", 0.1, 0.0))
    for name in ("relu-length", "relu-shape", "relu-shape-convexity"):
        assert CLAIMS[name].judge(early).outcome == "vacuous"
    assert not claims_curve.passes_through(data.isel(curve_step=slice(0, 2))).all(), "at the first steps"


def test_the_ratio_of_means_and_its_spread():
    rng = np.random.default_rng(10_003)
    draws = rng.gamma(4.0, size=(2, 4000, 20))
    ratios = np.array([a.mean() / b.mean() for a, b in zip(*draws, strict=True)])
    told = [claims_curve.ratio_of_means(a, b) for a, b in zip(*draws, strict=True)]
    np.testing.assert_allclose([values.mean() for values in told], ratios, rtol=1e-12)
    error = np.median([values.std(ddof=1) / 20**0.5 for values in told])
    assert error == pytest.approx(ratios.std(), rel=0.15)
    fixed = np.median([(a / b.mean()).std(ddof=1) / 20**0.5 for a, b in zip(*draws, strict=True)])
    assert fixed < 0.8 * ratios.std(), "the denominator is uncertain too"


# --- wrong input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"curve_std": -0.1}, "curve_std must be positive, got -0.1"),
        ({"curve_lr": 0.0}, "curve_lr must be positive, got 0.0"),
        ({"curve_pairs": 0}, "curve_pairs must be at least 1, got 0"),
        ({"curve_steps": 100}, "curve_steps must be at least 4000, got 100"),
    ],
)
def test_config_errors(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)


@pytest.mark.usefixtures("x64")
def test_a_step_size_that_is_too_large_is_refused():
    with pytest.raises(UserError, match=r"curve_lr must be below 0\.00\d+, where .* stable, got 0.05"):
        part.check_curve(Config(seed=10_000, curve_lr=0.05, curve_pairs=1))
    part.check_curve(Config(seed=10_000, curve_pairs=1))
