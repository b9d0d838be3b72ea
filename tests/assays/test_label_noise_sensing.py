"""Matrix sensing with and without label noise: the recovery, its clock and their controls at a small size."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import small
from biassay.assays.label_noise.claims_sensing import CLAIMS
from biassay.assays.label_noise.config import Config
from biassay.assays.label_noise.figures_sensing import figures
from biassay.assays.label_noise.sensing import (
    check_sensing,
    check_stable,
    data_set,
    first_below,
    large,
    record_steps,
    sensing,
    sensing_coords,
    train,
)
from biassay.assays.label_noise.sensing_flow import drift_curve
from biassay.errors import UserError
from biassay.models.matrix_sensing import relative_error
from biassay.references import drift_flow, to_zero_error
from biassay.report import to_matplotlib

CONFIG = small.CONFIGS["label-noise"]

pytestmark = pytest.mark.xdist_group("label-noise")


def dataset(config):
    with jax.enable_x64(True):
        found = sensing(config)
    arrays = {name: (axes, values, {"long_name": words}) for name, (axes, values, words) in found.items()}
    return xr.Dataset(arrays, coords=sensing_coords(config))


@pytest.fixture(scope="module")
def data():
    return small.run("label-noise")


def at_small_size(name):
    """The claim with as many seeds as there are. Errors without noise grow with d: at d = 10 they are about 4."""
    claim = next(claim for claim in CLAIMS if claim.name == name)
    region = (1.0, np.inf) if name == "sensing-recovery" else claim.control_region
    return dataclasses.replace(claim, min_seeds=1, control_region=region)


# --- claims -----------------------------------------------------------------------------------------------------------

JUDGED = ("sensing-recovery", "sensing-no-noise", "sensing-clock")


@pytest.mark.parametrize("name", JUDGED)
def test_a_claim_holds_and_does_not_hold_of_its_control(name, data):
    claim = at_small_size(name)
    assert claim.judge(data).outcome == "holds", claim.judge(data)
    assert dataclasses.replace(claim, measure=claim.control).judge(data).outcome == "fails"
    assert dataclasses.replace(claim, control=claim.measure, control_region=None).judge(data).outcome == "vacuous"


@pytest.mark.parametrize("name", JUDGED)
def test_without_a_choice_nothing_is_claimed(name, data):
    closed = data.assign(sensing_open=~data["sensing_open"])
    verdict = at_small_size(name).judge(closed)
    assert verdict.outcome == "vacuous"
    assert "fewer measurements than unknowns" in verdict.reason


def test_a_data_set_without_a_choice_is_not_judged(data):
    first = data["sensing_open"].values.copy()
    first[1] = False
    for name in JUDGED:
        verdict = at_small_size(name).judge(data.assign(sensing_open=("sensing_set", first)))
        assert 2 * verdict.n == at_small_size(name).judge(data).n


def test_the_control_at_the_default_size_is_asked_for_ten(data):
    """Errors without noise above 10 on every data set, or no verdict: one at 9 is enough."""
    claim = next(claim for claim in CLAIMS if claim.name == "sensing-recovery")
    enough = dataclasses.replace(claim, min_seeds=1)
    quiet = xr.full_like(data["sensing_test_quiet"], 11.0)
    assert enough.judge(data.assign(sensing_test_quiet=quiet)).outcome == "holds"
    quiet[0] = 9.0
    verdict = enough.judge(data.assign(sensing_test_quiet=quiet))
    assert (verdict.outcome, verdict.reason) == ("unclear", "the control did not do what a control must")


def test_the_large_claim_asks_for_the_large_problem(data):
    claim = next(claim for claim in CLAIMS if claim.name == "sensing-recovery-large")
    assert claim.judge(data).outcome == "vacuous"
    ran = data.assign(sensing_large_test=("k", [9.0, 0.04]), sensing_large_test_quiet=("k", [9.0, 7.0]))
    assert claim.judge(ran).outcome == "holds"
    assert claim.judge(ran.assign(sensing_large_test=("k", [9.0, 0.06]))).outcome == "fails"
    assert claim.judge(ran.assign(sensing_large_test_quiet=("k", [9.0, 4.0]))).outcome == "unclear"


def test_a_clock_that_is_not_there_is_not_found(data):
    """Times that do not depend on the step size, in steps and in steps x step size."""
    same = data["sensing_clock"].isel(sensing_lr=0).broadcast_like(data["sensing_clock"])
    for factor in ([1.0, 1.0], [1.0, 2.0]):
        clock = same * xr.DataArray(factor, dims="sensing_lr")
        assert at_small_size("sensing-clock").judge(data.assign(sensing_clock=clock)).outcome == "fails"


# --- what is measured -------------------------------------------------------------------------------------------------


def test_the_runs_start_at_the_identity_and_only_noise_moves_them_on(data):
    np.testing.assert_allclose(data["sensing_test"][..., 0], 9.0, rtol=1e-12)
    np.testing.assert_allclose(data["sensing_trace_quiet"][..., 0], 10.0, rtol=1e-12)
    assert data["sensing_open"].all()
    late = data["sensing_step"][0] > 10_000
    still = data["sensing_test_quiet"][:, 0, late.values]
    moving = data["sensing_test"][:, :, 0, late.values]
    assert (still.max("sensing_record") / still.min("sensing_record") < 1.05).all()
    assert (moving.max("sensing_record") / moving.min("sensing_record") > 20).all()


def test_sgd_follows_the_drift_equation(data):
    """Times to the error 1 within a quarter at eta and nearer at eta / 2; with a doubled constant they would not be."""
    tau, drift = data["sensing_tau"].values, data["sensing_drift"].values
    ends = first_below(tau, drift, 1.0)[:, None]
    scale = tau[-1] / data["sensing_step"][0, -1].values
    ratio = data["sensing_clock"].values * scale * np.array([1, 1 / 4]) / ends[..., None]
    assert ((ratio > 0.75) & (ratio < 1.1)).all()
    assert (np.abs(np.log(ratio[..., 1])) < np.abs(np.log(ratio[..., 0]))).all()
    assert not ((2 * ratio > 0.75) & (2 * ratio < 1.1)).any()


@pytest.mark.usefixtures("x64")
def test_the_drift_curve_is_the_drift_flow():
    problem = data_set(10_000, 5, 1, 7)
    start = to_zero_error(problem, jnp.eye(5))
    tau = 0.005
    end = drift_flow(problem, start, tau, steps=200, polish=2)
    curve = drift_curve(problem, np.asarray(start), np.array([0.0, tau, 2 * tau]))
    assert curve[0] == pytest.approx(float(relative_error(problem, start)), rel=1e-10)
    assert curve[1] == pytest.approx(float(relative_error(problem, end)), rel=2e-3)
    assert curve[2] < 0.9 * curve[1], "another time constant would be seen"


def test_times_are_read_between_records():
    steps = np.array([0, 10, 20, 40])
    values = np.array([[8.0, 4.0, 2.0, 0.5], [8.0, 4.0, 2.0, 1.5], [0.5, 0.4, 0.3, 0.2]])
    found = first_below(steps, values, 1.0)
    assert found[0] == pytest.approx(30.0)
    assert np.isnan(found[1]), "never reached"
    np.testing.assert_allclose(first_below(np.stack([steps, 2 * steps]), values[[0, 0]], 1.0), [30.0, 60.0])
    for count in (1000, 1234, 200_000):
        record = record_steps(count)
        assert (record[0], record[-1]) == (0, count)
        assert (np.diff(record) > 0).all()
        assert (np.diff(np.rint(1.5 * record)) > 0).all()


# --- wrong and odd input ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_a_step_size_above_the_stability_limit_is_told_with_the_limit():
    problem = data_set(10_000, 10, 1, 27)
    limit = check_stable("sensing_lr", 1e-3, [problem], 10, 6)
    assert check_stable("sensing_lr", 0.999 * limit, [problem], 10, 6) == limit
    config = dataclasses.replace(CONFIG, sensing_lr=0.05)
    with pytest.raises(UserError, match=r"^sensing_lr must be at most 0\.01\d*, got 0\.05: above it SGD with") as told:
        check_sensing(config)
    check_sensing(CONFIG)
    assert "independently drawn batches of 6 need not" in str(told.value)
    large_config = dataclasses.replace(
        CONFIG,
        sensing_large=True,
        sensing_large_d=6,
        sensing_large_measurements=10,
        sensing_large_batch=5,
        sensing_large_lr=1.0,
    )
    with pytest.raises(UserError, match=r"sensing_large_lr must be at most 0\.\d+, got 1:") as told:
        check_sensing(large_config)
    assert "\n" not in str(told.value)


def test_more_measurements_than_unknowns_warn_and_leave_every_claim_vacuous():
    config = Config(
        sensing_d=4, sensing_measurements=10, sensing_batch=5, sensing_steps=1000, sensing_sets=1, sensing_runs=1
    )
    with pytest.warns(UserWarning, match="nothing is left to choose: 10 measurements for the 10 unknowns"):
        found = dataset(config)
    assert not found["sensing_open"].any()
    assert {claim.judge(found).outcome for claim in CLAIMS} == {"vacuous"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(figures(found)) == 2


@pytest.mark.nightly
def test_rank_two_at_d_20_leaves_no_choice():
    """200 measurements for 210 unknowns: both arms find the target, and the noise explains nothing."""
    config = Config(sensing_rank=2, sensing_measurements=200, sensing_sets=2, sensing_runs=1, seed=10_000)
    found = dataset(config)
    assert (found["sensing_test_quiet"][:, 0, -1] < 0.01).all()
    assert {claim.judge(found).outcome for claim in CLAIMS} == {"vacuous"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sensing_variance": -0.1}, "sensing_variance must not be negative, got -0.1"),
        ({"sensing_rank": 21}, "sensing_rank must lie in 1..sensing_d, got 21 and sensing_d=20"),
        ({"sensing_large_rank": 0}, "sensing_large_rank must lie in 1..sensing_large_d, got 0"),
        ({"sensing_measurements": 0}, "sensing_measurements must be at least 1, got 0"),
        ({"sensing_large_batch": 0}, "sensing_large_batch must be at least 1, got 0"),
        ({"sensing_large_batch": 2501}, "sensing_large_batch must be at most sensing_large_measurements"),
        ({"sensing_lr": 0.0}, "sensing_lr must be positive, got 0.0"),
        ({"sensing_steps": 10}, "sensing_steps must be at least 1000, got 10"),
        ({"sensing_sets": 0}, "sensing_sets must be at least 1, got 0"),
        ({"sensing_runs": 0}, "sensing_runs must be at least 1, got 0"),
    ],
)
def test_config_errors(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)


# --- the large problem and the pictures -------------------------------------------------------------------------------


@pytest.mark.nightly
def test_the_large_problem_runs_in_single_precision(data):
    config = Config(
        seed=10_000,
        sensing_large=True,
        sensing_large_d=12,
        sensing_large_rank=1,
        sensing_large_measurements=38,
        sensing_large_batch=12,
        sensing_large_lr=5e-3,
        sensing_large_steps=1000,
    )
    with jax.enable_x64(True):
        found = large(config)
        problem, start = data_set(10_000, 12, 1, 38, np.float32), np.eye(12, dtype=np.float32)
        again = train([problem], start, 5e-3, 0.1**0.5, 12, record_steps(1000), runs=1, seed=10_000, sampling="window")
    assert again.fitted.dtype == np.float32
    np.testing.assert_array_equal(again.noisy["test"][0, 0], found["sensing_large_test"][1])
    assert found["sensing_large_train"][1][-1] > found["sensing_large_train_quiet"][1][-1]
    arrays = {name: (axes, values) for name, (axes, values, _) in found.items()}
    drawn = figures(data.assign(arrays))
    assert [figure.name for figure in drawn] == ["sensing", "sensing-clock", "sensing-large"]
    for figure in drawn:
        to_matplotlib(figure)


def test_every_variable_says_what_it_is(data):
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())
    assert data["sensing_test"].dims == ("sensing_set", "sensing_run", "sensing_lr", "sensing_record")
    assert data["sensing_test_quiet"].dims == ("sensing_set", "sensing_lr", "sensing_record")
