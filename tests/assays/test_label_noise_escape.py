"""Label noise, the escape: its oracles, each with a control that fails, and its claims on a small config."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax.flatten_util import ravel_pytree

import small
from biassay.assays.label_noise import escape as part
from biassay.assays.label_noise.claims_escape import CLAIMS as ESCAPE_CLAIMS
from biassay.assays.label_noise.claims_escape import against_flow, distances, slopes
from biassay.assays.label_noise.config import Config
from biassay.assays.label_noise.escape import POINT, SETTLED, check_escape, draw_starts, one_point, steps_of
from biassay.assays.label_noise.figures_escape import figures
from biassay.errors import UserError
from biassay.references import drift as drift_velocity
from biassay.references import output_jacobian, regularizer, residuals
from biassay.report import to_matplotlib

SMALL = small.CONFIGS["label-noise"]
CLAIMS = {claim.name: claim for claim in ESCAPE_CLAIMS}
K = float(np.dot(POINT, POINT))
ONE_UNIT = 2 * np.sqrt(K * (1 + K)) - 2 * K
"""The least reg at y = 1, of a single tanh unit."""

pytestmark = pytest.mark.xdist_group("label-noise")


@pytest.fixture(scope="module")
def data():
    return small.run("label-noise")


# --- the starts -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_the_stable_start_is_the_one_unit_solution(data):
    """reg = .8729834 and no drift, against 2 sqrt(K (1 + K)) - 2 K; the unstable start has neither."""
    stable, unstable = (data.sel(escape_start=start) for start in ("stable", "unstable"))
    assert (data["escape_error"] < 1e-12).all()
    np.testing.assert_allclose(stable["escape_reg"], ONE_UNIT, atol=1e-7)
    assert (stable["escape_share"] < SETTLED).all()
    assert (unstable["escape_reg"] > 2 * ONE_UNIT).all()
    assert (unstable["escape_share"] > 0.5).all()


@pytest.mark.usefixtures("x64")
def test_the_starts_are_those_that_are_told(data):
    starts, chosen = draw_starts(SMALL)
    np.testing.assert_array_equal(chosen, data["escape_draw"])
    problem = one_point()

    def told(params):
        speed = jnp.linalg.norm(ravel_pytree(drift_velocity(problem, params))[0])
        steepest = jnp.sum(output_jacobian(problem, params) ** 2)
        return regularizer(problem, params), speed, jnp.abs(residuals(problem, params)).max(), steepest

    reg, speed, error, steepest = (np.reshape(part, (2, 3)) for part in jax.jit(jax.vmap(told))(starts))
    np.testing.assert_allclose(reg, data["escape_reg"], rtol=1e-12)
    np.testing.assert_allclose(speed, data["escape_speed"], atol=1e-9)
    np.testing.assert_allclose(steepest, reg, rtol=1e-12, err_msg="one example: |grad h|^2 sets the limit of stability")
    assert (error < 1e-12).all()


# --- what is measured -------------------------------------------------------------------------------------------------


def test_time_is_a_power_of_the_step_size():
    assert [steps_of(lr) for lr in (4e-3, 1e-3, 2.5e-4)] == [6866, 63096, 579824]


def test_the_unstable_start_is_left_and_the_stable_one_is_not(data):
    left, kept = (distances(data, "escape_tangent", start) for start in ("unstable", "stable"))
    assert (kept < 0.01 * left).all()
    assert (distances(data, "escape_raw", "stable").max(axis=0) > 0.01 * left.min(axis=0)).all(), "the noise's width"
    for name in ("unstable", "stable"):
        assert (distances(data, "escape_tangent", name) <= distances(data, "escape_raw", name)).all()
    assert (distances(data, "escape_fallen", "unstable") > 0.05).all()
    assert (np.abs(distances(data, "escape_fallen", "stable")) < 1e-3).all()


def test_it_is_left_along_the_drift_flow(data):
    """To a share of the order of the step size; twice the constant would be off by 100 %."""
    lr = np.sort(data["escape_lr"])[::-1]
    assert (np.abs(against_flow(data) - 1) < 25 * lr[:, None]).all()
    linear = data["escape_linear"]
    # Half the speed is half the drift time, and goes more than half as far: the drift slows down on the way.
    assert (data["escape_slow_flow"] > data["escape_flow"] / 2).all()
    assert (data["escape_slow_flow"] < linear / 2).all()
    # The flow covers speed x time less what it slows down on the way.
    assert (data["escape_flow"] < linear).all()
    assert (data["escape_flow"].isel(escape_lr=-1) > 0.7 * linear.isel(escape_lr=-1)).all()
    tau = data["escape_steps"] * data["escape_lr"] ** 2 * 0.5**2
    np.testing.assert_allclose(linear, tau * data["escape_speed"].sel(escape_start="unstable"), rtol=1e-12)


def test_the_exponents_of_known_powers():
    lr = np.array([1e-3, 4e-3, 2e-3])
    powers = np.array([0.4, 0.5])
    values = lr[:, None, None] ** powers[:, None] * np.array([1.0, 3.0, 0.1])
    given = xr.Dataset(
        {"escape_raw": (("escape_lr", "escape_start", "escape_run"), values)},
        coords={"escape_lr": lr, "escape_start": ["unstable", "stable"]},
    )
    np.testing.assert_allclose(slopes(given, "escape_raw", "unstable"), 0.4, atol=1e-12)
    np.testing.assert_allclose(slopes(given, "escape_raw", "stable"), 0.5, atol=1e-12)


# --- the claims -------------------------------------------------------------------------------------------------------


def fabricated(exponent=0.4, kept=1e-3, share=0.0, runs=16):
    """A dataset in which the unstable start is left by eta^exponent, and the stable one by that share of it."""
    rng = np.random.default_rng(10_000)
    lr = np.array([4e-3, 2e-3, 1e-3, 5e-4, 2.5e-4])
    size = 1 + 0.01 * rng.normal(size=(5, runs))
    flow = 3 * lr[:, None] ** 0.4 * np.ones(runs)
    left = 3 * lr[:, None] ** exponent * lr[-1] ** (0.4 - exponent) * size
    width = 0.5 * lr[:, None] ** 0.5 * size
    each = ("escape_lr", "escape_start", "escape_run")
    start = ("escape_start", "escape_run")
    return xr.Dataset(
        {
            "escape_tangent": (each, np.stack([left, kept * lr[:, None] * size / lr[0]], axis=1)),
            "escape_raw": (each, np.stack([left + width, width], axis=1)),
            "escape_flow": (("escape_lr", "escape_run"), flow),
            "escape_slow_flow": (("escape_lr", "escape_run"), flow / 2),
            "escape_error": (start, np.zeros((2, runs))),
            "escape_share": (start, np.stack([np.full(runs, 0.9), np.full(runs, share)])),
        },
        coords={"escape_lr": lr, "escape_start": ["unstable", "stable"]},
    )


def test_every_claim_holds_on_the_theory():
    outcomes = {name: claim.judge(fabricated()).outcome for name, claim in CLAIMS.items()}
    assert outcomes == dict.fromkeys(CLAIMS, "holds")


def test_claims_fail_where_they_should():
    """Each with its control, or with what the sentence denies, in the place of the result."""

    def outcome(name, data):
        return CLAIMS[name].judge(data).outcome

    for exponent in (0.5, 0.3):
        assert outcome("escape-exponent", fabricated(exponent)) == "fails"
    data = fabricated()
    wide = data.assign(escape_tangent=data["escape_raw"])
    assert outcome("escape-not-from-stable", fabricated(kept=0.1)) == "fails"
    assert np.min(CLAIMS["escape-not-from-stable"].measure(wide)) > 0.01, "the control in the place of the result"
    assert outcome("escape-along-the-flow", data.assign(escape_flow=data["escape_flow"] / 2)) == "fails"
    blind = data.assign(escape_slow_flow=data["escape_flow"])
    assert outcome("escape-along-the-flow", blind) == "vacuous", "the control is the slow flow that is stored"
    assert outcome("escape-exponent", fabricated(runs=8)) == "unclear"
    # A stable start that is not is told.
    for name in CLAIMS:
        assert outcome(name, fabricated(share=0.01)) == "vacuous"


def test_the_small_run_is_judged(data):
    """Three starts are too few to hold, and nothing fails."""
    assert [claim.judge(data).outcome for claim in ESCAPE_CLAIMS] == ["unclear"] * 3
    assert CLAIMS["escape-exponent"].measure(data) == pytest.approx(0.4, abs=0.05)


def test_figures_and_names(data):
    for figure in figures(data):
        assert to_matplotlib(figure).axes
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())


@pytest.mark.usefixtures("x64")
def test_a_step_size_above_the_limit_is_refused_before_any_run():
    with pytest.raises(UserError, match=r"^escape_lr must be below 0\.\d+, where SGD is stable at every"):
        check_escape(dataclasses.replace(SMALL, escape_lr=(1.0, 0.5)))
    check_escape(SMALL)


@pytest.mark.usefixtures("x64")
def test_too_few_starts_that_settle_are_told_in_one_line(monkeypatch):
    monkeypatch.setattr(part, "_settled", lambda unstable: unstable)
    with pytest.raises(UserError, match=r"^escape_runs=3: only 0 of 11 starts settle in time, ask for fewer$"):
        draw_starts(SMALL)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"escape_lr": (2e-3,)}, "escape_lr needs two or more different positive step sizes"),
        ({"escape_lr": (2e-3, 2e-3)}, "escape_lr needs two or more different positive step sizes"),
        ({"escape_lr": (2e-3, -1e-3)}, "escape_lr needs two or more different positive step sizes"),
        ({"escape_std": -0.1}, "escape_std must be positive, got -0.1"),
        ({"escape_runs": 0}, "escape_runs must be at least 1, got 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(given, says):
    with pytest.raises(ValueError, match=says) as refused:
        Config(**given)
    assert "\n" not in str(refused.value)
