"""The assay `sparse-splitting`: what it runs, what is predicted of it, and that its claims can fail."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import small
from biassay import configs
from biassay.assays.sparse_splitting import ASSAY, Config
from biassay.assays.sparse_splitting.claims import judged, ruled
from biassay.assays.sparse_splitting.claims_digits import MANY_ZEROS, cost, sparse_enough
from biassay.assays.sparse_splitting.config import BETA, LAM, LOST_LAM
from biassay.assays.sparse_splitting.digits_cnn import OneOf, kernels, pruned, zeros
from biassay.assays.sparse_splitting.neuron import draw, lams_at_equal_threshold, record_steps, safe_lr
from biassay.assays.sparse_splitting.predictions import (
    LOST,
    OPEN,
    PENALTIES,
    SAFE,
    first_order_angle,
    penalty_named,
    support_rule,
)
from biassay.dynamics import RelaxedSplitting, sparse_params
from biassay.models import conv_neuron, small_cnn
from biassay.models.conv_neuron import population_problem
from biassay.simulation import PerSeed, simulate

NAME = "sparse-splitting"
SMALL = small.CONFIGS[NAME]
CLAIMS = {claim.name: claim for claim in ASSAY.claims}
NEURON = [name for name in CLAIMS if not name.startswith("cnn")]

pytestmark = pytest.mark.xdist_group(NAME)


@pytest.fixture(scope="module")
def data():
    return small.run(NAME)


# --- what is predicted ------------------------------------------------------------------------------------------------


def test_a_truth_is_the_same_whichever_others_are_drawn():
    many, one = draw(10_000, 5, 50, 5), draw(10_003, 1, 50, 5)
    for of_many, alone in zip(many, one, strict=True):
        np.testing.assert_array_equal(of_many[3], alone[0])
    np.testing.assert_array_equal((many.truth != 0).sum(axis=1), 5)
    for part in many:
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1, atol=1e-14)
    sizes = np.sort(np.abs(many.truth), axis=1)[:, -5:]
    assert (sizes[:, -1] <= 3 * sizes[:, 0]).all()


@pytest.mark.usefixtures("x64")
def test_the_bias_in_closed_form():
    """lambda k sqrt(s - |w*|_1^2) for l1, P' = a(a+1)/(a+|w|)^2 for transformed l1, 0 for l0; shapes of lambda."""
    truth, k, a = draw(10_000, 6, 50, 5).truth, 20, 0.7
    lam = np.array([1e-4, 3e-3])[:, None]
    l1 = lam * k * np.sqrt(5 - np.abs(truth).sum(axis=1) ** 2)
    np.testing.assert_allclose(first_order_angle(penalty_named("l1", a), truth, lam, k), l1, rtol=1e-9)
    slope = np.where(truth != 0, np.sign(truth) * a * (a + 1) / (a + np.abs(truth)) ** 2, 0)
    across = slope - (slope * truth).sum(axis=1, keepdims=True) * truth
    found = first_order_angle(penalty_named("transformed l1", a), truth, lam, k)
    np.testing.assert_allclose(found, lam * k * np.linalg.norm(across, axis=1), rtol=1e-9)
    assert np.abs(found / l1 - 1).min() > 0.05, "another penalty would be seen"
    assert not first_order_angle(penalty_named("l0", a), truth, lam, k).any()


def test_the_support_rule():
    smallest, k, beta = np.array([0.09, 0.11, 0.17, 0.19]), 20, 0.04
    np.testing.assert_array_equal(support_rule(smallest, np.array(0.1), k, beta), [LOST, OPEN, OPEN, SAFE])
    np.testing.assert_array_equal(support_rule(smallest, np.array(0.1), k, 0.0), [LOST, SAFE, SAFE, SAFE])


@pytest.mark.usefixtures("x64")
def test_an_entry_without_a_copy_is_pulled_down_to_what_the_rule_says():
    """Starting with an entry of u at zero, just below and just above (1 + k beta) threshold: held, and free again."""
    k, beta, d = 20, 0.04, 50
    penalty, t = penalty_named("l0", 1.0), 0.01
    threshold = float(penalty.threshold(t))
    truths = []
    for small_one in (0.95, 1.05):
        entry = small_one * (1 + k * beta) * threshold
        truths.append(np.append(np.zeros(d - 2), [(1 - entry**2) ** 0.5, entry]))
    truth = jnp.asarray(np.stack(truths))
    start = truth.at[:, -1].set(0)
    run = simulate(
        PerSeed(population_problem(truth, k)),
        RelaxedSplitting(0.5, penalty, t * beta, beta),
        PerSeed(start),
        steps=3000,
        seeds=2,
    )
    u = np.asarray(sparse_params(run.state))
    assert u[0, -1] == 0 < u[1, -1]
    assert threshold < float(truth[0, -1]), "the naive rule would find both"
    assert float(run.params[0, -1]) == pytest.approx(float(truth[0, -1]) / (1 + k * beta), rel=0.02)


@pytest.mark.usefixtures("x64")
def test_equal_thresholds_are_equal():
    config = Config()
    reference = np.array(config.all_lams) / BETA
    for name in PENALTIES:
        penalty = penalty_named(name, config.shape)
        lams = lams_at_equal_threshold(config, penalty, BETA)
        np.testing.assert_allclose(penalty.threshold(lams / BETA), reference, rtol=1e-12)
    np.testing.assert_allclose(lams[1:], np.array(config.all_lams[1:]) / 2, rtol=1e-12, err_msg="transformed l1")


# --- the neuron -------------------------------------------------------------------------------------------------------


def test_the_copy_is_the_one_of_the_algorithm_and_zeros_are_exact(data):
    assert (judged(data, "zeros").sel(lam=0) == 0).all(), "without a penalty u = w"
    np.testing.assert_allclose(judged(data, "zeros").sel(lam=LAM), 1 - SMALL.nonzeros / SMALL.d)
    assert judged(data, "exact").sel(lam=LAM).all()
    assert not judged(data, "exact").sel(lam=0).any()
    assert not judged(data, "exact").sel(lam=LOST_LAM, penalty="l0").any()
    assert judged(data, "exact").sel(lam=LOST_LAM, penalty=["l1", "transformed l1"]).all()


def test_both_variants_point_the_same_way_and_differ_in_length(data):
    at = data.sel(compare="equal lambda", beta=BETA, lam=LAM, penalty="l1")
    free, unit = (at.sel(variant=name) for name in ("free", "normalised"))
    np.testing.assert_allclose(free["angle"], unit["angle"], rtol=1e-6)
    assert (free["weight_error"] > 1.05 * unit["weight_error"]).all()


def test_the_prediction_holds_to_first_order_and_not_of_another_penalty(data):
    angle, predicted = (judged(data, name).sel(lam=1e-5) for name in ("angle", "bias"))
    soft = ["l1", "transformed l1"]
    np.testing.assert_allclose(angle.sel(penalty=soft), predicted.sel(penalty=soft), rtol=2e-3)
    crossed = angle.sel(penalty="l1") / predicted.sel(penalty="transformed l1")
    assert (abs(crossed - 1) > 0.1).all()
    assert (predicted.sel(penalty="l0") == 0).all()
    assert (angle.sel(penalty="l0") < 1e-13).all()


def test_the_refit_removes_the_bias_exactly_where_the_support_is_right(data):
    refit, exact = data["refit_error"].values, data["exact"].values
    assert exact.any()
    assert refit[exact].max() < 1e-13
    missed = (data["exact"] == 0) & (data["zeros"] > 1 - SMALL.nonzeros / SMALL.d)
    assert missed.any()
    assert data["refit_error"].where(missed).min() > 0.05
    shrunk = judged(data, "error").sel(penalty="l1", lam=LAM)
    assert (shrunk > 1e-3).all(), "which is there before the refit"


def test_at_equal_threshold_l1_is_compared_with_itself(data):
    for name in ("angle", "error", "zeros", "rise"):
        mine, other = (judged(data, name, compare).sel(penalty="l1") for compare in data["compare"].values)
        np.testing.assert_array_equal(mine, other)
    lam = data["lam_used"].sel(penalty="transformed l1", beta=BETA)
    np.testing.assert_allclose(lam.sel(compare="equal threshold"), lam.sel(compare="equal lambda") / 2)
    threshold = data["threshold"].sel(compare="equal threshold", beta=BETA)
    np.testing.assert_allclose(threshold, threshold.sel(penalty="l1").broadcast_like(threshold), rtol=1e-12)


def test_the_lagrangian_along_the_way_falls_and_with_a_large_step_does_not(data):
    falls = data["path_lagrangian"].isel(path=slice(2)).diff("record")
    assert falls.max() < 1e-12
    unstable = data["path_lagrangian"].sel(path="unstable step size").diff("record")
    assert (unstable.max("record") > 1e-3).all()
    assert data["safe_lr"].values[0] == pytest.approx(safe_lr(BETA, SMALL.k))
    assert safe_lr(BETA, 20) == pytest.approx(1 / (0.04 + 0.3524), abs=1e-3)
    usual, edge = record_steps(SMALL)
    assert len(usual) == len(edge) == len(set(edge.tolist()))


@pytest.mark.usefixtures("x64")
def test_a_dead_start_is_counted_and_nothing_is_undefined():
    """A threshold above every entry leaves u = 0: its risk and its refit are numbers."""
    zero, truth = jnp.zeros(50), jnp.asarray(draw(10_000, 1, 50, 5).truth[0])
    assert float(conv_neuron.population_risk(zero, truth, 20)) > 0.1
    assert float(jnp.linalg.norm(conv_neuron.best_on_support(zero, truth, 20) - truth)) == pytest.approx(1)


# --- the network on the digits ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_one_of_three_penalties():
    w = jnp.linspace(-1, 1, 11)
    for number, name in enumerate(PENALTIES):
        mixed, alone = OneOf(jnp.asarray(float(number)), 0.7), penalty_named(name, 0.7)
        np.testing.assert_allclose(mixed.prox(w, 0.1), alone.prox(w, 0.1), atol=1e-15)
        assert float(mixed.value(w)) == pytest.approx(float(alone.value(w)))
        assert float(mixed.threshold(0.1)) == pytest.approx(float(alone.threshold(0.1)))


def test_pruning_takes_the_smallest_weights_of_all_kernels():
    dense = jax.tree.map(lambda leaf: np.asarray(leaf)[None], small_cnn.init(jax.random.key(0), (2, 2, 2), 8, 10))
    total = sum(kernel[0].size for kernel in kernels(dense))
    counts = np.array([[[0, 1, total // 2, total]]])
    cut = pruned(dense, counts)
    np.testing.assert_array_equal(zeros(cut), counts)
    before = np.concatenate([np.abs(kernel[0]).ravel() for kernel in kernels(dense)])
    after = np.concatenate([kernel[0, 0, 2].ravel() for kernel in kernels(cut)])
    assert before[after == 0].max() < before[after != 0].min()
    np.testing.assert_array_equal(cut.head.bias[0, 0, 3], dense.head.bias[0])


def test_the_network_on_the_digits(data):
    accuracy, share = data["cnn_accuracy"], data["cnn_zeros"]
    assert (share.isel(cnn_lam=0) == 0).all()
    assert (share.diff("cnn_lam") > 0).all()
    assert (data["cnn_zeros_w"] == 0).all()
    dense = accuracy.isel(cnn_lam=0)
    np.testing.assert_array_equal(dense, dense.isel(network=0, penalty=0).broadcast_like(dense))
    assert (dense > 0.8).all()
    for penalty in PENALTIES:
        assert (sparse_enough(data, penalty) > 0).all()
        assert (cost(data, penalty, "u") < cost(data, penalty, "pruned")).all()


def test_a_network_is_judged_where_its_zeros_are_enough():
    share = xr.DataArray([[[0.0, 0.7, 0.9, 0.95]], [[0.0, 0.1, 0.2, 0.3]]], dims=("cnn_seed", "penalty", "cnn_lam"))
    made = xr.Dataset({"cnn_zeros": share}, {"penalty": ["l1"]})
    np.testing.assert_array_equal(sparse_enough(made, "l1"), [2, -1])
    assert MANY_ZEROS > 0.7


# --- claims and config ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NEURON)
def test_a_claim_holds_on_the_small_size_but_for_its_number_of_seeds(name, data):
    assert CLAIMS[name].judge(data).outcome == "unclear"
    claim = dataclasses.replace(CLAIMS[name], min_seeds=1)
    assert claim.judge(data).outcome == "holds", claim.judge(data)


@pytest.mark.parametrize("name", [*NEURON, "cnn-zeros"])
def test_a_claim_does_not_hold_of_its_control(name, data):
    claim = dataclasses.replace(CLAIMS[name], min_seeds=1)
    assert dataclasses.replace(claim, measure=claim.control).judge(data).outcome == "fails"
    assert dataclasses.replace(claim, control=claim.measure, control_region=None).judge(data).outcome in (
        "vacuous",
        "unclear",
    )


def made_up_networks(u, cut):
    """Six seeds with test accuracy 0.95 when dense, `u` and `cut` (pruned) at 90% zeros, give or take 0.01."""
    noise = 0.01 * np.random.default_rng(0).uniform(-1, 1, (6, 1, 1, 1))
    at = np.array([[0.95, 0.95, 0.95], [u, 0.9, cut]])
    accuracy = np.broadcast_to(at, (6, 3, 2, 3)) + noise * np.array([0, 1])[:, None]
    return xr.Dataset(
        {
            "cnn_accuracy": (("cnn_seed", "penalty", "cnn_lam", "network"), accuracy),
            "cnn_zeros": (("cnn_seed", "penalty", "cnn_lam"), np.broadcast_to([0.0, 0.9], (6, 3, 2))),
        },
        {"penalty": list(PENALTIES), "network": ["u", "w", "pruned"]},
    )


@pytest.mark.parametrize("name", ["cnn-l1", "cnn-l0", "cnn-tl1"])
def test_the_cost_of_the_zeros_is_judged_beside_pruning(name):
    claim = CLAIMS[name]
    good = made_up_networks(0.9, 0.5)
    assert claim.judge(good).outcome == "holds"
    assert dataclasses.replace(claim, measure=claim.control).judge(good).outcome == "fails"
    assert claim.judge(made_up_networks(0.6, 0.5)).outcome == "fails"
    assert claim.judge(made_up_networks(0.9, 0.88)).outcome == "vacuous", "pruning would do as well"
    assert claim.judge(good.assign(cnn_zeros=0.8 * good["cnn_zeros"])).outcome == "vacuous", "too few zeros"
    assert claim.judge(good.isel(cnn_seed=slice(4))).outcome == "unclear"


def test_a_support_that_breaks_the_rule_is_found(data):
    said, exact = ruled(data)
    assert (exact[said == SAFE] == 1).all()
    assert (exact[said == LOST] == 0).all()
    assert (said == LOST).any()
    broken = data.assign(exact=data["exact"] ^ (data["seed"] == data["seed"][0]))
    assert dataclasses.replace(CLAIMS["support-rule"], min_seeds=1).judge(broken).outcome == "fails"


def test_a_step_size_beyond_the_safe_one_says_nothing(data):
    large = data.copy()
    large.attrs["lr"] = 5.0
    assert CLAIMS["monotone"].judge(large).outcome == "vacuous"
    rising = data.assign(rise=data["rise"] + 1e-9)
    assert dataclasses.replace(CLAIMS["monotone"], min_seeds=1).judge(rising).outcome == "fails"


def test_the_judged_values_always_run():
    read = configs.replace(Config(), configs.read(Config(), {"lams": "3e-4", "betas": ".1"}))
    assert read.all_lams == (0.0, LAM, 3e-4, LOST_LAM)
    assert read.all_betas == (BETA, 0.1)
    full = ASSAY.profiles["full"]
    assert len(full.all_betas) * len(PENALTIES) * (len(full.all_lams) - 1) >= 48


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lams": ()}, r"lams needs one or more positive numbers \(0 always runs\), got \(\)"),
        ({"betas": (0.1, -1.0)}, "betas needs one or more positive numbers"),
        ({"cnn_lams": (0.1, 0.1)}, "cnn_lams must not name a value twice"),
        ({"shape": 0.0}, "shape must be positive, got 0.0"),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"edge_steps": 10}, "edge_steps must be at least 40, one a record, got 10"),
        ({"nonzeros": 50}, "nonzeros must be below d, got nonzeros=50, d=50"),
        ({"momentum": 1.0}, r"momentum must lie in 0\.\.1, 1 excluded, got 1.0"),
        ({"channels": (4, 8)}, r"channels must be 3 numbers of at least 1, got \(4, 8\)"),
        ({"batch": 900}, "batch must be at most train, got batch=900, train=800"),
        ({"train": 1500}, "train \\+ test must be at most 1797"),
    ],
)
def test_config_errors(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)


def test_shapes_and_words(data):
    cell = ("compare", "penalty", "variant", "beta", "lam", "seed")
    assert data["angle"].dims == cell
    assert data["bias"].dims == ("compare", "penalty", "beta", "lam", "seed")
    assert data["cnn_accuracy"].dims == ("cnn_seed", "penalty", "cnn_lam", "network")
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())
    assert len(ASSAY.figures(data.isel(cnn_seed=[0]))) == 6
