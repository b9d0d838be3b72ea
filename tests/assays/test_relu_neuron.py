"""The assay relu-neuron: its oracles, each with a control that fails, and its claims on a small config."""

from __future__ import annotations

import dataclasses

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import small
from biassay import configs
from biassay.assays.relu_neuron import ASSAY, Config
from biassay.assays.relu_neuron.claims import slopes
from biassay.assays.relu_neuron.config import G_RANGE
from biassay.assays.relu_neuron.neuron import neuron_problems, relu_loss, relu_neuron, softplus_neuron
from biassay.assays.relu_neuron.random_sets import SOLUTIONS, draw_sets
from biassay.assays.relu_neuron.witness import gradient_flow, linear_neuron
from biassay.dynamics import GradientFlow
from biassay.probes import weights
from biassay.references import witness, witness_limit
from biassay.simulation import PerSeed, simulate
from small import CONFIGS

SMALL = CONFIGS["relu-neuron"]
CLAIMS = {claim.name: claim for claim in ASSAY.claims}

pytestmark = pytest.mark.xdist_group("relu-neuron")


@pytest.fixture(scope="module")
def data():
    return small.run("relu-neuron")


# --- the witness ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_the_gradient_is_the_flow_of_the_mathematics():
    """-sum_i (relu(z_i) - y_i) 1[z_i > 0] x_i, and nothing moves from 0 exactly."""
    X, y = witness(2.0)
    problem = jax.tree.map(lambda leaf: leaf[0], neuron_problems(relu_neuron, X[None], y[None]).value)
    for w in np.random.default_rng(10_000).normal(size=(20, 3)):
        z = X @ w
        expected = ((np.maximum(z, 0) - y) * (z > 0)) @ X
        np.testing.assert_allclose(problem.gradient(jnp.asarray(w)), expected, atol=1e-12)
        assert float(problem.risk(jnp.asarray(w))) == pytest.approx(relu_loss(X[None], y[None], w[None])[0], abs=1e-12)
    assert not np.any(problem.gradient(jnp.zeros(3)))
    tiny = jnp.asarray(1e-6 * X.T @ y)
    assert np.any(problem.gradient(tiny))


@pytest.mark.usefixtures("x64")
def test_the_softplus_neuron_is_near_relu_and_not_homogeneous():
    w, x = jnp.asarray([1.0, -2.0]), jnp.asarray(np.random.default_rng(0).normal(size=(50, 2)))
    gap = np.asarray(softplus_neuron(w, x) - relu_neuron(w, x))
    assert gap.min() > 0
    assert gap.max() <= np.log(2) / 4
    np.testing.assert_allclose(relu_neuron(10 * w, x), 10 * relu_neuron(w, x), rtol=1e-12)
    assert np.abs(softplus_neuron(10 * w, x) - 10 * softplus_neuron(w, x)).max() > 0.1


def test_the_flow_ends_where_the_matrix_exponential_says(data):
    assert np.abs(data["limit"] - data["exact"]).max() < 1e-6
    assert np.abs(data["gd"] - data["exact"]).sel(entry=3).min() > 1e-4, "gradient descent is not the flow"


@pytest.mark.nightly
def test_the_ends_of_the_range_of_g_can_be_followed():
    config = dataclasses.replace(SMALL, g=G_RANGE)
    with jax.enable_x64(True):
        flow, line = gradient_flow(config), linear_neuron(config)
    np.testing.assert_allclose(flow["limit"][1][0, :, 2], [witness_limit(g).w[2] for g in G_RANGE], atol=1e-6)
    np.testing.assert_allclose(line["linear"][1], [[5, -1, 1]] * 2, atol=1e-6)


def test_the_third_weight_freezes_when_x3_dies(data):
    """Before t* it moves, afterwards it does not; x_3 is inactive from then on."""
    for g in data["g"].values:
        at = data.sel(g=g)
        third = at["path"].sel(entry=3).values
        alive = at["path"].sel(entry=2).values + third > 0
        after = data["flow_time"].values > float(at["death"])
        np.testing.assert_array_equal(alive[1:], ~after[1:])
        assert np.ptp(third[after]) < 1e-12 < np.ptp(third[~after])


def test_gradient_descent_tends_to_the_flow(data):
    """The error ratio between step sizes 0.01 and 0.001 is 10 +- 1, for g up to 3 where the steps are small."""
    chosen = data.sel(g=data["g"] <= 3)
    error = np.abs(chosen["gd"] - chosen["limit"]).sel(entry=3)
    ratio = (error.sel(lr=1e-2) / error.sel(lr=1e-3)).values
    assert ratio.size
    assert ((ratio > 9) & (ratio < 11)).all()


@pytest.mark.nightly
@pytest.mark.usefixtures("x64")
def test_any_g_and_larger_starts_and_a_tolerance_that_does_not_do():
    """Starts 1e-2 X^T y and 1e-3 (1, 1, 1), then small ones at far values of g, against the matrix exponential."""
    gs = (3.0, 1.0, 0.3, 12.0)
    X, y = (np.stack(part) for part in zip(*(witness(g) for g in gs), strict=True))
    scales = [1e-2, 1e-6, 1e-6, 1e-6]
    starts = np.stack([scale * x.T @ t for scale, x, t in zip(scales, X, y, strict=True)])
    starts[1] = 1e-3
    exact = [witness_limit(g, start=w).w[2] for g, w in zip(gs, starts, strict=True)]
    assert exact[0] - witness_limit(3.0).w[2] == pytest.approx(-1.5e-3, abs=1e-4)
    assert exact[1] - witness_limit(1.0).w[2] == pytest.approx(8e-4, abs=1e-4)

    def third(tolerance):
        flow = GradientFlow(1.0, solver=diffrax.Dopri8(), rtol=tolerance, atol=tolerance / 100)
        problem, start = neuron_problems(relu_neuron, X, y), PerSeed(jnp.asarray(starts))
        run = simulate(problem, flow, start, steps=20, probes={"w": weights}, record=1, seeds=len(gs))
        return run.data["w"].values[:, -1, 2]

    assert np.abs(third(1e-9) - exact).max() < 1e-6
    assert np.abs(third(1e-2) - exact).max() > 1e-5


def test_controls_of_the_witness(data):
    np.testing.assert_allclose(data["linear"], np.broadcast_to([5, -1, 1], data["linear"].shape), atol=1e-9)
    np.testing.assert_allclose(data["removed"], np.broadcast_to([5, -1, 0], data["removed"].shape), atol=1e-6)
    np.testing.assert_allclose(data["dead_loss"], 290, atol=1e-6)
    expected = data["g"] ** 2 * 0.1**2 / 2
    np.testing.assert_allclose(data["beyond_loss"], np.broadcast_to(expected, data["beyond_loss"].shape), rtol=1e-9)
    assert (data["segment_loss"] < 1e-20).all()
    assert (data["smallest_norm"] <= np.linalg.norm(data["exact"], axis=-1) + 1e-12).all()
    np.testing.assert_allclose(data["smallest_norm"], 26**0.5, rtol=1e-12)


# --- the random sets --------------------------------------------------------------------------------------------------


def test_three_different_solutions_of_zero_loss():
    drawn = draw_sets(10_000, 40, 5, 6)
    usable = drawn.usable
    for k in range(len(SOLUTIONS)):
        assert relu_loss(drawn.X, drawn.y, drawn.solutions[:, k]).max() < 1e-20
    assert relu_loss(drawn.X, drawn.y, -drawn.solutions[:, 1])[usable].min() > 1e-6, "the mirrored one is no solution"
    sizes = np.linalg.norm(drawn.solutions, axis=-1)[usable]
    assert (sizes[:, 0] <= sizes.min(axis=1) + 1e-9).all()
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(drawn.solutions[:, i] - drawn.solutions[:, j], axis=-1)[usable].min() > 1e-3


def test_a_set_is_the_same_whichever_others_are_drawn():
    many, one = draw_sets(10_000, 5, 5, 6), draw_sets(10_003, 1, 5, 6)
    for of_many, alone in zip(many, one, strict=True):
        np.testing.assert_array_equal(of_many[3], alone[0])


def test_random_sets(data):
    usable, converged = data["usable"].values, data["converged"].values
    assert 0 < converged[0].sum() < usable.sum(), "some are dropped, some are not"
    assert not (converged & ~usable).any()
    assert not (data["stuck"].values & converged[0]).any()
    np.testing.assert_array_equal(np.isfinite(data["ratio"].values), converged)
    assert (data["set_loss"].values[0][converged[0]] < 1e-16).all()
    ratio = data["ratio"].values[0][converged[0]]
    assert ratio.min() > 1 - 1e-6, "nothing is smaller than the smallest solution"
    norm = data["norm"].values
    np.testing.assert_array_equal(np.isfinite(norm), np.broadcast_to(usable, norm.shape))
    np.testing.assert_array_equal(norm[converged], data["ratio"].values[converged])
    assert CLAIMS["norm-at-most-twice"].judge(data).n == usable.sum() > converged[0].sum()
    assert (data["apart"].values[converged[0]] <= 1 + 1e-9).all()
    assert data["increase"].sizes["solution"] == 3


# --- balancedness -----------------------------------------------------------------------------------------------------


def test_weight_decay_law(data):
    law = data["from_law"].sel(balance_lr=data["balance_lr"] <= 0.01)
    assert (law.sel(optimizer="weight decay") < 0.01).all()
    assert (law.sel(optimizer="gradient descent") > 0.05).all()


def test_the_drift_is_proportional_to_the_step_size(data):
    assert ((slopes(data, "gradient descent") > 0.9) & (slopes(data, "gradient descent") < 1.2)).all()
    assert (np.abs(slopes(data, "weight decay")) < 0.1).all()
    assert (
        data["drift"].sel(optimizer="gradient descent") < 0.05 * data["moved"].sel(optimizer="gradient descent")
    ).all()
    np.testing.assert_array_equal(data["drift_path"].isel(balance_record=-1), data["drift"])


# --- claims and config ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_holds_on_the_small_size_but_for_its_number_of_seeds(name, data):
    claim = dataclasses.replace(CLAIMS[name], min_seeds=1)
    assert claim.judge(data).outcome == "holds", claim.judge(data)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_does_not_hold_of_its_control(name, data):
    claim = dataclasses.replace(CLAIMS[name], min_seeds=1)
    assert dataclasses.replace(claim, measure=claim.control).judge(data).outcome == "fails"
    assert dataclasses.replace(claim, control=claim.measure, control_region=None).judge(data).outcome == "vacuous"


def test_too_few_sets_or_networks_decide_nothing(data):
    for name in ("norm-at-most-twice", "approaches-every-solution", "not-minimum-norm", "balancedness"):
        assert CLAIMS[name].judge(data).outcome == "unclear"


def test_one_g_says_nothing_of_the_dependence_on_g(data):
    for name in ("limit-depends-on-g", "limit-decreases-in-g"):
        assert CLAIMS[name].judge(data.isel(g=[0])).outcome == "vacuous"


def test_a_finding_that_is_not_there_is_not_found(data):
    """Data made up so that the claims of the witness are wrong."""
    same = data.assign(limit=data["limit"].isel(g=0).broadcast_like(data["limit"]))
    assert CLAIMS["limit-depends-on-g"].judge(same).outcome == "fails"
    upside = data.assign(limit=data["limit"] * [1, 1, -1])
    assert CLAIMS["limit-decreases-in-g"].judge(upside).outcome == "fails"
    assert CLAIMS["matrix-exponential"].judge(upside).outcome == "fails"


def test_g_and_alpha_are_any_positive_numbers():
    read = configs.replace(Config(), configs.read(Config(), {"g": "2.5", "alpha": "3"}))
    assert read.g == (2.5,)
    assert read.scales == (3.0, pytest.approx(0.3))
    several = configs.replace(Config(), configs.read(Config(), {"g": ".5, 7, 12", "alpha": "1,2,.1"}))
    assert (several.g, several.scales) == ((0.5, 7.0, 12.0), (1.0, 2.0, 0.1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"g": ()}, r"g needs one or more positive numbers, got \(\)"),
        ({"g": (1.0, -2.0)}, "g needs one or more positive numbers"),
        ({"g": (1.0, 1000.0)}, r"g must lie in 0\.02\.\.100, which can be followed, got \(1\.0, 1000\.0\)"),
        ({"g": (0.01,)}, "g must lie in"),
        ({"g": (1.0, 1.0)}, "g must not name a value twice"),
        ({"alpha": (0.0,)}, "alpha needs one or more positive numbers"),
        ({"start": 0.0}, "start must be positive, got 0.0"),
        ({"sets": 0}, "sets must be at least 1, got 0"),
        ({"d": 4}, "d must be at least the number of points, got d=4, points=5"),
        ({"momentum": 1.0}, "momentum must lie between 0 and 1, got 1.0"),
        ({"balance_lr": (0.03, 0.01)}, "balance_lr needs at least two step sizes up to 0.01"),
    ],
)
def test_config_errors(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)


def test_shapes_and_words(data):
    assert data["path"].dims == ("g", "time", "entry")
    assert data["limit"].dims == ("alpha", "g", "entry")
    assert data["gd"].dims == ("lr", "alpha", "g", "entry")
    assert data["D_end"].shape == (4, len(SMALL.balance_lr), SMALL.seeds, SMALL.hidden)
    assert data["ratio"].shape == (3, SMALL.sets)
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())


def test_one_g_can_be_drawn(data):
    assert len(ASSAY.figures(data.isel(g=[1]))) == 4
