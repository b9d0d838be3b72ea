"""The assay overparameterization: closed forms, Jacobians, masks, thresholds, and its claims on a small config."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
import small
from biassay.assays.overparameterization import ASSAY, Config
from biassay.assays.overparameterization.linearised import linear_descent
from biassay.assays.overparameterization.shortest_path import checkpoint_steps, draw, nearest
from biassay.assays.overparameterization.smooth_network import (
    gradient,
    jacobian,
    least_squares,
    outputs,
    predict,
    pull_back,
    tangent_kernel,
)
from biassay.assays.overparameterization.thresholds import (
    best_of_grid,
    exponents,
    parameters,
    smallest_width,
    threshold,
)
from biassay.assays.overparameterization.width_law import draw_labels, fit, lanes, masked_network
from biassay.dynamics import GradientDescent, Travelled, TunedOptax
from biassay.models import mlp
from biassay.models.linear_regression import linear_regression
from biassay.problem import Problem, squared_error
from biassay.references import min_norm
from biassay.simulation import PerSeed

SMALL = small.CONFIGS["overparameterization"]

pytestmark = pytest.mark.xdist_group("overparameterization")


@pytest.fixture(scope="module")
def data():
    return small.run("overparameterization")


# --- part one -------------------------------------------------------------------------------------------------------


def test_jacobian_kernel_and_gradient_are_those_of_automatic_differentiation(x64):
    at = draw(SMALL, 10_000, 7)
    J = jacobian(at.W, at.x)
    exact = jax.jacobian(predict)(jnp.asarray(at.W), jnp.asarray(at.x)).reshape(len(at.x), -1)
    np.testing.assert_allclose(J, exact, atol=1e-14)
    np.testing.assert_allclose(tangent_kernel(at.W, at.x), J @ J.T, atol=1e-13)
    np.testing.assert_allclose(outputs(at.W, at.x), predict(jnp.asarray(at.W), jnp.asarray(at.x)), atol=1e-14)
    problem = least_squares(jnp.asarray(at.x), jnp.asarray(at.y))
    np.testing.assert_allclose(
        problem.gradient(jnp.asarray(at.W)), jax.grad(problem.risk)(jnp.asarray(at.W)), atol=1e-13
    )
    r = outputs(at.W, at.x) - at.y
    np.testing.assert_allclose(gradient(jnp.asarray(at.W), at.x, at.y).ravel(), J.T @ r, atol=1e-13)
    np.testing.assert_allclose(pull_back(at.W, at.x, r).ravel(), J.T @ r, atol=1e-13)
    np.testing.assert_allclose(problem.risk(jnp.asarray(at.W)), r @ r / 2, rtol=1e-13)


def linear_problem(rng, n=5, p=9):
    A, y, start = rng.normal(size=(n, p)) / 3, rng.normal(size=n), rng.normal(size=p)
    eta = 0.5 / np.linalg.norm(A, 2) ** 2
    return A, y, start, eta, linear_regression(jnp.asarray(A), jnp.asarray(y))


def test_the_closed_form_is_gradient_descent_on_a_linear_model(x64):
    A, y, start, eta, problem = linear_problem(np.random.default_rng(10_000))
    r, steps = A @ start - y, np.array([0, 1, 7, 60, 800])
    expected = linear_descent(A @ A.T, r, eta, steps)
    nearest_one = start + min_norm(A.T, -r)
    for i, k in enumerate(steps[1:], 1):
        run = ba.simulate(problem, Travelled(GradientDescent(eta)), jnp.asarray(start), steps=int(k), record=1)
        moved = np.asarray(run.params)[0] - start
        np.testing.assert_allclose(run.state.length[0], expected.path[i], rtol=1e-10)
        np.testing.assert_allclose(np.linalg.norm(moved), expected.distance[i], rtol=1e-10)
        np.testing.assert_allclose(np.linalg.norm(A @ (start + moved) - y), expected.residual[i], rtol=1e-8, atol=1e-13)
        along = moved @ (nearest_one - start) / np.linalg.norm(nearest_one - start)
        np.testing.assert_allclose(along, expected.along[i], rtol=1e-10)
    other = linear_descent(A @ A.T, r, 0.7 * eta, steps)
    assert abs(other.path[2] - expected.path[2]) > 1e-3


def test_a_linear_model_ends_at_the_nearest_solution_and_bends_unless_its_spectrum_is_flat(x64):
    A, y, start, eta, _ = linear_problem(np.random.default_rng(10_001))
    r, long = A @ start - y, np.array([400_000])
    found = linear_descent(A @ A.T, r, eta, long)
    np.testing.assert_allclose(found.distance[0], np.linalg.norm(min_norm(A.T, -r)), rtol=1e-10)
    np.testing.assert_allclose(found.along[0], found.distance[0], rtol=1e-10)
    assert found.path[0] > 1.01 * found.distance[0]
    flat = linear_descent(2 * np.eye(5), r, 0.1, np.array([500]))
    np.testing.assert_allclose(flat.path, flat.distance, rtol=1e-12)


def test_in_one_dimension_both_bounds_are_equalities():
    one = linear_descent(np.array([[4.0]]), np.array([3.0]), 0.01, np.array([5000]))
    alpha = beta = 2.0
    np.testing.assert_allclose(one.path * alpha / 3.0, 1.0, rtol=1e-12)
    np.testing.assert_allclose(one.distance * beta / (3.0 - one.residual), 1.0, rtol=1e-12)


def test_checkpoints_grow_to_the_end_and_begin_at_the_start():
    steps = checkpoint_steps(5000, 25)
    assert steps[0] == 0
    assert steps[-1] == 5000
    assert (np.diff(steps) > 0).all()
    assert len(steps) == len(checkpoint_steps(20_000, 25)) == 34
    assert (np.diff(checkpoint_steps(500, 25)) > 0).all()


def test_a_narrow_network_is_the_first_neurons_of_a_wide_one():
    narrow, wide, other = draw(SMALL, 3, 4), draw(SMALL, 3, 9), draw(SMALL, 4, 4)
    np.testing.assert_array_equal(narrow.W, wide.W[:4])
    np.testing.assert_array_equal(narrow.y, wide.y)
    assert not np.array_equal(narrow.y, other.y)
    np.testing.assert_allclose(np.linalg.norm(wide.x, axis=1), 1.0)


def test_the_nearest_solution_is_one_and_is_nearer(data):
    assert (data["nearest_residual"] < 1e-12).all()
    assert (data["tangential"].isel(m=-1) < 1e-3).all()
    assert (data["nearest"] <= data["distance"].isel(checkpoint=-1) * (1 + 1e-6)).all()
    at = draw(SMALL, SMALL.seed, SMALL.wide[-1])
    off = at.W + 0.3 * np.random.default_rng(1).normal(size=at.W.shape)
    from_elsewhere = nearest(at, off, SMALL.slides)
    np.testing.assert_allclose(from_elsewhere.distance, data["nearest"].isel(seed=0, m=-1), rtol=0.02)


def test_the_spectrum_is_that_of_the_jacobian(data):
    at = draw(SMALL, SMALL.seed, SMALL.narrow[0])
    sigma = np.linalg.svd(jacobian(at.W, at.x), compute_uv=False)
    first = data.isel(seed=0, m=0, checkpoint=0)
    np.testing.assert_allclose(first["alpha"], sigma[-1], rtol=1e-8)
    np.testing.assert_allclose(first["beta"], sigma[0], rtol=1e-12)
    np.testing.assert_allclose(first["eta"], 0.5 / sigma[0] ** 2, rtol=1e-12)
    lowest = data["alpha"].min("checkpoint")
    assert (data["alpha"] ** 2 >= lowest**2).all()
    assert (data["path"] >= data["distance"] * (1 - 1e-12)).all()


# --- part two -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dynamics", [GradientDescent(0.05), TunedOptax(optax.adam, learning_rate=0.01)], ids=["gd", "adam"]
)
def test_a_masked_network_is_the_narrow_one(x64, dynamics):
    labels = draw_labels(10_000, 1, 20, 4)
    problem = Problem(mlp.predict_scalar, jnp.asarray(labels.x[0]), jnp.asarray(labels.y[0]), squared_error)
    ends = [
        jax.tree.map(
            lambda leaf: np.asarray(leaf[0]),
            ba.simulate(problem, dynamics, masked_network(10_000, 4, 5, size), steps=300).params,
        )
        for size in (5, 12)
    ]
    (narrow_in, narrow_out), (wide_in, wide_out) = ends
    np.testing.assert_allclose(wide_in.weight[:, :5], narrow_in.weight, atol=1e-12)
    np.testing.assert_allclose(wide_in.bias[:5], narrow_in.bias, atol=1e-12)
    np.testing.assert_allclose(wide_out.weight[:5], narrow_out.weight, atol=1e-12)
    assert not wide_in.weight[:, 5:].any()
    assert not wide_in.bias[5:].any()
    assert not wide_out.weight[5:].any()
    assert np.abs(narrow_in.weight - masked_network(10_000, 4, 5, 5)[0].weight).max() > 1e-2


def test_a_network_is_drawn_at_its_own_width(x64):
    wide = masked_network(10_000, 10, 400, 500)
    assert not wide[0].weight[:, 400:].any()
    np.testing.assert_allclose(jnp.std(wide[0].weight[:, :400]), (2 / 10) ** 0.5, rtol=0.05)
    np.testing.assert_allclose(jnp.std(wide[1].weight[:400]), 400**-0.5, rtol=0.1)


def test_lanes_are_every_combination(x64):
    labels = draw_labels(10_000, 2, 6, 3)
    runs = lanes(labels, [10_000, 10_001], (2, 4), (0.1, 0.2, 0.3))
    assert runs.shape == (3, 2, 2)
    np.testing.assert_array_equal(runs.lr.reshape(runs.shape)[:, 1, 0], [0.1, 0.2, 0.3])
    x = runs.problem.value.x.reshape(*runs.shape, 6, 3)
    np.testing.assert_array_equal(x[2, 1, 0], labels.x[1])
    weight = runs.params.value[0].weight.reshape(*runs.shape, 3, 4)
    np.testing.assert_array_equal(weight[1, 1, 0], masked_network(10_001, 3, 2, 4)[0].weight)
    np.testing.assert_array_equal(weight[2, 0, 1], masked_network(10_000, 3, 4, 4)[0].weight)


def test_conflicting_points_are_equal_with_opposite_labels_and_never_fitted(data):
    labels = draw_labels(10_000, 2, 16, 3, conflicts=1)
    assert labels.x.shape == (3, 16, 3)
    np.testing.assert_array_equal(labels.x[2, 0:4:2], labels.x[2, 1:4:2])
    np.testing.assert_array_equal(labels.y[2, 0:4:2], -labels.y[2, 1:4:2])
    np.testing.assert_array_equal(labels.x[2, 4:], labels.x[0, 4:])
    np.testing.assert_array_equal(labels.y[2, 4:], labels.y[0, 4:])
    assert not data["conflict_fits"].any()
    assert data["adam_fits"].any()


def test_fit_measures_signs_and_error(x64):
    x, y = jnp.array([[1.0], [2.0], [-1.0]]), jnp.array([1.0, -1.0, -1.0])
    problem = Problem(lambda w, x: x[:, 0] * w, x, y, squared_error)
    np.testing.assert_allclose(fit(problem, jnp.array(1.0)), [2 / 3, 9 / 3])


WIDTHS = np.array([2, 4, 8, 16])


def test_thresholds():
    monotone = np.array([[0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    np.testing.assert_allclose(threshold(monotone, WIDTHS), [8, 4, 2, 32])
    stray = np.array([[0, 1, 0, 1], [1, 0, 0, 1]], bool)
    np.testing.assert_allclose(threshold(stray, WIDTHS), [8, 8])
    assert smallest_width(monotone[:3], WIDTHS) == 4
    assert smallest_width(monotone[[0, 0, 1]], WIDTHS) == 8
    assert smallest_width(monotone[[3, 3, 0]], WIDTHS) == np.inf


def test_the_best_step_size_is_chosen_at_each_width():
    slow = np.array([[0, 0, 1], [0, 1, 1]], bool)
    fast = np.array([[0, 1, 0], [0, 1, 0]], bool)
    np.testing.assert_array_equal(best_of_grid(np.stack([slow, fast])), [[0, 1, 1], [0, 1, 1]])


def test_exponents_and_parameters():
    n = np.array([64, 128, 256])
    np.testing.assert_allclose(exponents(np.stack([n / 10, n**1.5], axis=1), n), [1.0, 1.5])
    np.testing.assert_allclose(exponents(np.full((3, 2), 50.0), n), 0.0, atol=1e-12)
    weights = mlp.init(jax.random.key(0), (10, 7, 1))
    assert parameters(np.array(7), 10) == sum(leaf.size for leaf in jax.tree.leaves(weights))


# --- the claims -----------------------------------------------------------------------------------------------------


def test_the_small_run_says_what_it_must(data):
    outcomes = {verdict.claim: verdict.outcome for verdict in ASSAY.judge(data)}
    for name in ("geometric-rate", "pl-star", "path-bound", "distance-bound"):
        assert outcomes[name] in ("holds", "unclear"), name
    assert outcomes["shortest-path-literally"] in ("fails", "unclear")
    assert outcomes["theory-widths-suffice"] != "fails"


@pytest.mark.parametrize("claim", ASSAY.claims, ids=lambda claim: claim.name)
def test_the_control_in_the_place_of_the_measure_does_not_hold(data, claim):
    swapped = dataclasses.replace(claim, measure=claim.control, min_seeds=1)
    assert swapped.judge(data).outcome != "holds"


@pytest.mark.parametrize(
    ("variable", "claim"),
    [
        ("path", "path-bound"),
        ("pl_ratio", "pl-star"),
        ("residual", "global-minimum"),
        ("nearest", "near-minimal-distance"),
    ],
)
def test_claims_fail_on_wrong_data(data, variable, claim):
    factor = {"path": 1e3, "pl_ratio": 1e-3, "residual": 1.0, "nearest": 0.5}[variable]
    wrong = data.assign({variable: data[variable] * factor})
    if variable == "residual":
        wrong["residual"] = wrong["residual"].clip(min=1e-3)
    judge = {c.name: dataclasses.replace(c, min_seeds=1, control_region=None) for c in ASSAY.claims}[claim]
    assert judge.judge(wrong).outcome == "fails"


def test_shapes(data):
    checkpoints = SMALL.checkpoints + 9
    assert data["alpha"].shape == (SMALL.seeds, len(SMALL.narrow + SMALL.wide), checkpoints)
    assert data["collapsed_alpha"].shape == (SMALL.collapsed_seeds, checkpoints)
    assert data["adam_fits"].shape == (len(SMALL.law_n), 2, SMALL.law_seeds, len(SMALL.widths))
    assert data["gd_fits"].dims == ("gd_n", "budget", "criterion", "lr", "law_seed", "width")
    assert data["sgd_fits"].sizes["batch"] == len(SMALL.batches)
    assert not data["gd_fits"].sel(budget=0, criterion="error").any()
    assert all(data[name].attrs["long_name"] for name in data.data_vars)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"d": 30}, "d must be"),
        ({"steps": 0}, "steps must be positive"),
        ({"steps": 100}, "20 checkpoints"),
        ({"seed": -1}, "seed must not"),
        ({"narrow": (5, 25)}, "in this order"),
        ({"collapsed": 2}, "collapsed must be"),
        ({"wide": (400,)}, "two widths"),
        ({"near_width": 200}, "near_width must be one of wide"),
        ({"law_steps": 3_000}, "law_steps must be one of gd_budgets"),
        ({"law_n": (32, 64)}, "two values from 64"),
        ({"gd_n": (128,)}, "budget_n must be one of gd_n"),
        ({"widths": (4, 3)}, "widths must increase"),
        ({"widths": (4,)}, "widths needs"),
        ({"step_factor": 2.0}, "step_factor"),
        ({"conflicts": 11}, "conflicts"),
        ({"batches": (128,)}, "batches"),
        ({"theory_exponents": ()}, "at least one value"),
    ],
)
def test_a_wrong_config_is_told(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)


def test_a_seed_keeps_its_data_whichever_run_beside_it():
    pair, alone = draw_labels(10_000, 2, 8, 3), draw_labels(10_001, 1, 8, 3)
    np.testing.assert_array_equal(pair.x[1], alone.x[0])
    assert isinstance(lanes(alone, [1], (2,), (0.1,)).problem, PerSeed)
