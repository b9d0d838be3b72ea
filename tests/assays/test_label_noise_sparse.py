"""The part `sparse` of the assay label-noise: its dynamics, its oracles with controls, and its claims."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.optimize import linprog

import small
from biassay.assays.label_noise.claims_sparse import CLAIMS
from biassay.assays.label_noise.config import Config
from biassay.assays.label_noise.figures_sparse import figures
from biassay.assays.label_noise.sparse import (
    ARMS,
    NoisyGradient,
    check_sparse,
    draw_equations,
    equations_problem,
    sparse,
    sparse_coords,
    stability_limit,
)
from biassay.errors import UserError
from biassay.models.diagonal import diagonal, quarter_squared_error
from biassay.problem import Batch, Problem
from biassay.report import to_matplotlib

JUDGE = {claim.name: claim.judge for claim in CLAIMS}
SMALL = small.CONFIGS["label-noise"]

pytestmark = pytest.mark.xdist_group("label-noise")


@pytest.fixture(scope="module")
def data():
    return small.run("label-noise")


def swapped(data, arm, control):
    """The data with one arm in another's place."""
    place = [ARMS.index(control if name == arm else name) for name in ARMS]
    return data.isel(sparse_arm=place).assign_coords(sparse_arm=list(ARMS))


# --- the dynamics -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_the_step_is_the_full_gradient_and_the_noise_of_single_examples():
    """By hand: -eps x_i.v of the noisy label, (h_j - y_j) x_j.v - (h_k - y_k) x_k.v of the exchanged examples."""
    rng = np.random.default_rng(10_000)
    x, y, v = rng.normal(size=(5, 7)), rng.normal(size=5), rng.normal(size=7)
    problem = Problem(diagonal, jnp.asarray(x), jnp.asarray(y), quarter_squared_error)
    single = (x @ v**2 - y)[:, None] * x * v
    noise = jnp.array([3, 1, 4]), jnp.asarray(0.8), jnp.arange(7.0)

    @jax.jit
    def step(label_std, exchanged, langevin_std):
        moved, _ = NoisyGradient(0.1, label_std, exchanged, langevin_std).step(problem, jnp.asarray(v), (), noise)
        return (v - moved) / 0.1

    np.testing.assert_allclose(step(0.0, 0.0, 0.0), single.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(step(2.0, 0.0, 0.0), single.mean(axis=0) - 1.6 * x[3] * v, rtol=1e-12)
    np.testing.assert_allclose(step(0.0, 1.0, 0.0), single.mean(axis=0) + single[1] - single[4], rtol=1e-12)
    np.testing.assert_allclose(step(0.0, 0.0, 0.5), single.mean(axis=0) + np.arange(7) / 2, rtol=1e-12)
    alone = jax.grad(problem.risk)(jnp.asarray(v), Batch(problem.x[3:4], problem.y[3:4] + 1.6))
    np.testing.assert_allclose(step(2.0, 0.0, 0.0), single.mean(axis=0) + np.asarray(alone) - single[3], rtol=1e-12)


@pytest.mark.usefixtures("x64")
def test_the_noise_is_fresh_and_has_the_covariance_of_one_noisy_label():
    """Mean zero, covariance (1/n) sum_i (x_i.v)(x_i.v)^T to four standard errors; not that of noise in all labels."""
    rng = np.random.default_rng(10_001)
    x, v = rng.normal(size=(4, 3)), jnp.asarray(rng.normal(size=3))
    problem = Problem(diagonal, jnp.asarray(x), diagonal(v, jnp.asarray(x)), quarter_squared_error)
    dynamics, length = NoisyGradient(1.0, 1.0, 0.0, 0.0), 40_000

    @jax.jit
    def draw():
        drawn = dynamics.noise(problem, jax.random.key(0), jnp.asarray(0), length)
        return jax.vmap(lambda noise: dynamics.step(problem, v, (), noise)[0] - v)(drawn)

    moves = np.asarray(draw())
    products = moves[:, :, None] * moves[:, None, :]
    error = 4 * products.std(axis=0) / np.sqrt(length)
    g = x * np.asarray(v)
    assert (np.abs(moves.mean(axis=0)) < 4 * moves.std(axis=0) / np.sqrt(length)).all()
    assert (np.abs(products.mean(axis=0) - g.T @ g / 4) < error).all()
    assert not (np.abs(products.mean(axis=0) - g.T @ g / 16) < error).all()


def test_the_limit_of_stability():
    """Gradient descent near the start v = 1 contracts below the limit and not above it."""
    config = dataclasses.replace(SMALL, sparse_sets=1)
    x, truth = draw_equations(config)
    limit = stability_limit(x)
    hessian = 2 * x[0].T @ x[0] / x.shape[1]
    assert np.linalg.norm(np.eye(40) - 0.99 * limit * hessian, 2) < 1 + 1e-12
    assert np.linalg.norm(np.eye(40) - 1.01 * limit * hessian, 2) > 1.01
    with pytest.raises(UserError, match=r"sparse_lr must be below 0\.\d+, where gradient descent on these data is"):
        check_sparse(dataclasses.replace(config, sparse_lr=1.01 * limit))
    check_sparse(dataclasses.replace(config, sparse_lr=0.99 * limit))
    with jax.enable_x64(True):
        assert float(jnp.sum(equations_problem(x, truth).y ** 2)) > 0


# --- oracles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [10_000, 10_100])
def test_the_linear_program_returns_the_target(seed):
    """Weighted or not, on the data of the default size; with as few equations as ones in the target it does not."""
    config = Config(seed=seed)
    (x, *_), truth = draw_equations(config)
    for weights in (np.mean(x**2, axis=0), np.ones(config.sparse_d)):
        assert ((linprog(weights, A_eq=x, b_eq=x @ truth).x - truth) ** 2).sum() < 1e-20
    few = x[: config.sparse_support]
    assert ((linprog(np.ones(config.sparse_d), A_eq=few, b_eq=few @ truth).x - truth) ** 2).sum() > 0.1


def test_gradient_descent_ends_where_the_path_begins(data):
    """To about 1.5% at this step size, half of that at half the step, and nowhere else on the path."""
    end = data["sparse_test"].isel(sparse_record=-1)
    gaps = [
        np.abs(end.sel(sparse_arm=arm) / data["sparse_exact_test"].isel(sparse_point=0) - 1).values
        for arm in ("gradient descent", "gradient descent, half step")
    ]
    assert gaps[0].max() < 0.03
    assert np.median(gaps[0] / gaps[1]) == pytest.approx(2, abs=0.5)
    later = data["sparse_exact_test"].isel(sparse_point=20)
    assert (np.abs(end.sel(sparse_arm="gradient descent") / later - 1) > 0.2).all()


def test_label_noise_follows_the_exact_path(data):
    """The sum of squares at equal drift times, within a few per cent; with twice the constant it is off by far more."""
    run = data.sel(sparse_arm="label noise, half step")
    time = run["sparse_step"].values * float(data["sparse_a_step"]) / 4
    until = time < 0.3 * float(data["sparse_tau"][-1])

    def gap(constant):
        exact = [np.interp(constant * time[until], data["sparse_tau"], row) for row in data["sparse_exact_l1"].values]
        return np.abs(run["sparse_l1"].values[:, until] / np.stack(exact) - 1)[:, 20:].mean()

    assert gap(1.0) < 0.05
    assert gap(2.0) > 0.15
    assert gap(0.5) > 0.15


def test_the_training_error_has_the_floor_of_the_stationary_noise(data):
    """(1/n) tr(J C J^T) = c eta s^2 reg with c = 1/4, reg = 4 k.w, to first order in the step size."""
    late = data.sel(sparse_arm="label noise, half step").isel(sparse_record=slice(-300, None))
    k = (draw_equations(SMALL)[0] ** 2).mean(axis=1)
    floor = 0.25 * SMALL.sparse_lr / 2 * 4 * (k * late["sparse_solution"].values).sum(axis=1).mean()
    ratio = float(late["sparse_train"].mean() / floor)
    assert ratio == pytest.approx(1, abs=0.35)
    assert ratio / 2 != pytest.approx(1, abs=0.35)
    assert ratio * 2 != pytest.approx(1, abs=0.35)


def test_noise_that_carries_no_labels_does_not_recover(data):
    end = data["sparse_test"].isel(sparse_record=-1)
    assert (end.sel(sparse_arm="label noise") < 0.2).all()
    assert (end.sel(sparse_arm=["gradient descent", "Langevin"]) > 15).all()
    assert (data["sparse_train"].sel(sparse_arm="gradient descent").isel(sparse_record=-1) < 1e-10).all()


# --- claims and figures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arm", "control"),
    [
        ("vv-recovery", "label noise", "gradient descent"),
        ("vv-recovery", "label noise", "Langevin"),
        ("vv-clock", "label noise, half step", "label noise"),
        ("vv-clock-exact", "label noise", "label noise, half step"),
    ],
)
def test_a_control_in_the_place_of_the_result_fails(data, name, arm, control):
    verdict = JUDGE[name](swapped(data, arm, control))
    assert verdict.outcome in ("fails", "vacuous")
    assert not verdict.region[0] <= verdict.value <= verdict.region[1]


def test_the_clock_holds_on_the_small_size(data):
    assert JUDGE["vv-clock"](data).outcome == "holds"
    assert JUDGE["vv-clock"](data).control == 0, "gradient descent never gets there, at either step size"
    assert JUDGE["vv-clock-exact"](data).outcome == "holds"


def test_a_target_that_the_program_does_not_return_is_vacuous(data):
    wrong = data.assign(sparse_program_error=data["sparse_program_error"] + 0.1)
    for name in ("vv-recovery", "vv-clock", "vv-clock-exact"):
        assert JUDGE[name](wrong).outcome == "vacuous"


def test_a_diverged_run_counts(data):
    ends = data["sparse_test"].copy()
    ends[ARMS.index("label noise"), 0] = np.nan
    verdict = JUDGE["vv-recovery"](data.assign(sparse_test=ends))
    assert verdict.diverged == 1
    assert verdict.outcome != "holds"


def test_figures_can_be_drawn_when_an_arm_has_diverged(data):
    lost = data.copy(deep=True)
    lost["sparse_test"][ARMS.index("SGD noise")] = np.nan
    first, *_ = figures(lost)
    assert "SGD noise diverged on 4 of 4" in first.caption
    assert to_matplotlib(first).axes


def test_the_data_say_what_they_are(data):
    assert data["sparse_test"].dims == ("sparse_arm", "sparse_set", "sparse_record")
    assert data["sparse_step"].shape == (1201,)
    assert data["sparse_solution"].shape == (6, SMALL.sparse_sets, SMALL.sparse_d)
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())


@pytest.mark.nightly
def test_the_numbers_of_the_trials_at_the_default_size():
    """On data that were never looked at: the table of trial runs, within what sets of data differ by."""
    config = Config(seed=30_000)
    with jax.enable_x64(True):
        found = sparse(config)
    data = xr.Dataset({n: (a, v) for n, (a, v, _) in found.items()}, coords=sparse_coords(config))
    end, l1 = (data[name].isel(sparse_record=-1) for name in ("sparse_test", "sparse_l1"))
    assert {claim.judge(data).outcome for claim in CLAIMS} == {"holds"}
    assert ((l1.sel(sparse_arm="label noise") > 4.9) & (l1.sel(sparse_arm="label noise") < 5.3)).all()
    for arm in ("gradient descent", "Langevin"):
        assert ((end.sel(sparse_arm=arm) > 40) & (end.sel(sparse_arm=arm) < 100)).all()
    assert not (end.sel(sparse_arm="SGD noise") < 0.01).any(), "it does not recover"
    reached = data["sparse_reached"].sel(sparse_arm="label noise")
    assert ((reached > 20_000) & (reached < 45_000)).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sparse_measurements": 100}, "or nothing is left to choose, got 5, 100, 100"),
        ({"sparse_support": 0}, "sparse recovery needs sparse_support"),
        ({"sparse_lr": 0.0}, "sparse_lr must be positive, got 0.0"),
        ({"sparse_steps": 900}, "sparse_steps must be at least 1200, as many as are recorded, got 900"),
        ({"sparse_sets": 0}, "sparse_sets must be at least 1, got 0"),
    ],
)
def test_config_errors(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)
