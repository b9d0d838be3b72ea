"""The assay memorize: its claims and their controls on a small config, the counted operations, the padded networks."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

import biassay as ba
import small
from biassay.assays.memorize import ASSAY, Config
from biassay.assays.memorize.config import construction_width
from biassay.assays.memorize.construction import Points, least_error_without_a_unit, without_unit
from biassay.assays.memorize.figures import smallest_width, widths
from biassay.assays.memorize.operations import Tally, eliminate, operations
from biassay.assays.memorize.width_needed import padded_start, random_labels
from biassay.dynamics import GradientDescent, Optax
from biassay.figures import Field
from biassay.models import mlp
from biassay.problem import squared_error
from biassay.references import memorize, memorize_line
from small import CONFIGS

SMALL = CONFIGS["memorize"]
CLAIMS = {claim.name: claim for claim in ASSAY.claims}
TRAINED = [name for name in CLAIMS if name.startswith("gd-needs")]
"""At the small size the budgets decide nothing."""
LARGE = ["balanced-order"]
"""At the small size the zigzag still works."""

pytestmark = pytest.mark.xdist_group("memorize")


@pytest.fixture(scope="module")
def data():
    return small.run("memorize")


def test_the_construction_does_what_is_claimed(data):
    outcomes = {verdict.claim: verdict.outcome for verdict in ASSAY.judge(data)}
    assert {name: outcomes[name] for name in outcomes if name not in (*TRAINED, *LARGE)} == dict.fromkeys(
        [name for name in CLAIMS if name not in (*TRAINED, *LARGE)], "holds"
    )
    # Where the control does the same, the check says so.
    assert {outcomes[name] for name in LARGE} == {"vacuous"}


@pytest.mark.parametrize("name", [name for name in CLAIMS if name not in (*TRAINED, *LARGE)])
def test_the_control_in_place_of_the_measure_does_not_hold(data, name):
    claim = CLAIMS[name]
    swapped = dataclasses.replace(claim, measure=claim.control)
    assert swapped.judge(data).outcome == "fails"


@pytest.mark.parametrize("name", LARGE)
def test_claims_about_many_points_can_fail(data, name):
    """The zigzag's error at a hundred thousand points, from a trial run, as measure and as control."""
    broken = data.copy(deep=True)
    broken["error"].loc[{"variant": "zigzag"}] = 1.98
    assert CLAIMS[name].judge(broken).outcome == "holds"
    assert dataclasses.replace(CLAIMS[name], measure=CLAIMS[name].control).judge(broken).outcome == "fails"


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize(
    ("ratio", "control", "outcome"), [(1.4, 0.5, "holds"), (0.5, 0.4, "fails"), (1.4, 1.4, "vacuous")]
)
def test_the_width_claims_follow_the_widths(data, name, ratio, control, outcome):
    made = data.copy(deep=True)
    made["adam_width"][:] = control
    made["gd_width"][:] = ratio
    made["gd_width"].loc[{"gd_budget": 4 * SMALL.budget}] = control
    assert CLAIMS[name].judge(made).outcome == outcome


def test_a_seed_that_never_fits_leaves_the_width_open(data):
    made = data.copy(deep=True)
    made["gd_width"][:], made["adam_width"][:] = 1.4, 0.5
    made["gd_width"].loc[{"gd_budget": SMALL.budget, "seed": SMALL.seed}] = np.nan
    assert CLAIMS["gd-needs-more-width-accuracy"].judge(made).outcome == "unclear"


def test_the_dataset(data):
    assert data.sizes["draw"] == SMALL.draws
    assert data.sizes["seed"] == SMALL.seeds
    assert data["gd_fits"].dims == ("size", "criterion", "seed", "factor", "gd_budget")
    assert data["adam_fits"].sizes["adam_budget"] == len(SMALL.adam_budgets)
    assert all("long_name" in data[name].attrs for name in data.data_vars)
    assert (data["fresh_size"] > 0.9).all()
    assert (data["noisy_error"] > 0.01).all()


def test_a_sentence_is_said_once():
    assert len({claim.says for claim in ASSAY.claims}) == len(ASSAY.claims)


def test_a_size_without_a_fit_says_nothing(data):
    """The fewest weights a point have no meaning where the points are missed."""
    made = data.copy(deep=True)
    made["fitted"].loc[{"variant": "balanced", "points": 1_000}] = 0.999
    made["class_fitted"].loc[{"labels": "own"}] = 0.999
    assert {CLAIMS[name].judge(made).outcome for name in ("size", "several-outputs-size")} == {"vacuous"}


def test_errors_of_the_other_forms(data):
    assert data["other_error"].sizes == {"draw": SMALL.draws, "other": 1}
    assert (data["other_error"] < data["other_rounding_error"]).all()
    assert (data["other_right"] == 1).all()
    # ReLUs lose digits, and the estimate made at the build bounds the error.
    own = data["error"].sel(variant="balanced")
    assert (data["relu_error"] > own).all()
    assert (data["rounding_error"] > own).all()
    assert (data["right"].sel(variant="float32").isel(points=-1) < 0.9).all()


def test_the_figures_show_what_does_not_fit_and_several_sizes(data):
    made = data.copy(deep=True)
    made["gd_fits"][:] = False
    made["gd_fits"].loc[{"gd_budget": 256}] = True
    panel = widths(made).panels[0]
    told = {series.label: series for series in panel.series if not isinstance(series, Field)}
    assert list(told["gradient descent"].x) == [256]
    missing = told["gradient descent > 2"]
    assert len(missing.x) == made.sizes["gd_budget"] - 1
    assert (np.asarray(missing.y) > 2).all()
    assert panel.ylim[1] > np.max(missing.y)
    assert len(widths(data).panels) == 4
    larger = data.assign_coords(size=[64], width=2 * data["width"], construction=2 * data["construction"])
    grown = widths(xr.concat([data, larger], "size", data_vars="minimal", coords="minimal")).panels
    assert len(grown) == 6
    assert grown[4].series[-1].label == "construction: 0.50"


def test_success_once_reached_with_a_small_error_means_every_sign(data):
    accuracy, error = data["gd_fits"].transpose("criterion", ...).values
    # An error below 1e-2 over 16 points leaves no point with a wrong sign.
    assert (accuracy >= error).all()


def test_the_smallest_width_is_where_two_thirds_fit(data):
    made = data.copy(deep=True)
    made["gd_fits"][:] = False
    made["gd_fits"].loc[{"factor": 1.0, "seed": SMALL.seed + np.arange(3)}] = True
    made["gd_fits"].loc[{"factor": 2.0, "seed": SMALL.seed + np.arange(4)}] = True
    assert (smallest_width(made, "gd") == 2.0 * construction_width(16)).all()
    made["gd_fits"][:] = False
    assert np.isnan(smallest_width(made, "gd")).all()


# --- operations -------------------------------------------------------------------------------------------------------


def test_operations_are_counted():
    x = np.arange(10.0)
    assert operations(lambda a: a + 1, x) == 10
    assert operations(lambda a: (2 * a).sum(), x) == 20
    assert operations(lambda a: a[2:5] * a[:3], x) == 3
    assert operations(lambda a: np.concatenate([a, a[:2]]) - 1, x) == 12
    assert operations(lambda a: np.sort(x), x) == 0
    assert operations(lambda a: np.argsort(a), x) == 10 * 4
    assert operations(lambda a: a.copy(), x) == 0
    assert operations(lambda a: a.min(), x) == 10
    np.testing.assert_array_equal(np.asarray(Tally().array(x) ** 2), x**2)


def test_counting_changes_no_result():
    rng = np.random.default_rng(10_000)
    c, y = rng.normal(size=300), rng.uniform(-1, 1, (300, 1))
    tally = Tally()
    counted, plain = memorize_line(tally.array(c), tally.array(y)), memorize_line(c, y)
    np.testing.assert_array_equal(np.asarray(counted.V), plain.V)
    # At least the five operations of each plateau, in every pass.
    assert tally.operations > 5 * 300 * plain.passes


def test_elimination_solves_and_costs_a_cube():
    rng = np.random.default_rng(10_000)
    A, y = rng.normal(size=(60, 60)), rng.normal(size=60)
    np.testing.assert_allclose(A @ eliminate(A, y), y, atol=1e-10)
    counts = [operations(eliminate, rng.normal(size=(n, n)), rng.normal(size=n)) for n in (100, 200)]
    assert 2.8 < np.log2(counts[1] / counts[0]) < 3
    assert 2 / 3 < counts[1] / 200**3 < 0.75


# --- trained networks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", [GradientDescent(0.05), Optax(optax.adam(0.01))])
def test_a_padded_network_is_the_smaller_one(dynamics):
    x, y = random_labels(10_000, 16, 10)
    problem = ba.Problem(mlp.predict_scalar, jnp.float32(x), jnp.float32(y), squared_error)
    narrow, wide = (padded_start(10_000, 10, 5, largest) for largest in (5, 9))

    def trained(start):
        return ba.simulate(problem, dynamics, jax.tree.map(jnp.asarray, start), steps=60, record=1).params

    small_ones, large_ones = trained(narrow), trained(wide)
    for a, b in zip(jax.tree.leaves(small_ones), jax.tree.leaves(large_ones), strict=True):
        a, b = np.asarray(a)[0], np.asarray(b)[0]
        np.testing.assert_allclose(a, b[tuple(slice(n) for n in a.shape)], rtol=1e-4, atol=1e-5)
        idle = np.array(b)
        idle[tuple(slice(n) for n in a.shape)] = 0
        assert (idle == 0).all()
    # The idle units are what stays put: one that is given a weight moves.
    woken = jax.tree.map(np.array, wide)
    woken[0].weight[:, 7] = woken[1].weight[7, :] = 0.1
    assert (np.asarray(trained(woken)[0].weight)[0, :, 7] != 0.1).any()


def test_a_start_has_its_own_width_and_scale():
    start = padded_start(3, 10, 400, 402)
    for layer, variance in zip(start, (2 / 10, 2 / 400, 1 / 400), strict=True):
        used = np.asarray(layer.weight)[np.asarray(layer.weight) != 0]
        assert used.var() == pytest.approx(variance, rel=0.2)
    assert not np.asarray(start[1].weight)[400:].any()
    assert not np.asarray(start[1].weight)[:, 400:].any()


def test_without_a_unit_the_first_layer_is_missed():
    rng = np.random.default_rng(10_000)
    x, y = rng.normal(size=(200, 10)), rng.uniform(-1, 1, 200)
    network = memorize(x, y)
    alone = [np.abs(without_unit(network, unit)(x) - y).max() for unit in range(len(network.line.a))]
    least = least_error_without_a_unit(network, Points(x, y, np.sign(y)))
    # Judged near the unit's own segment only: no more than the error at all points, and more than one all the same.
    assert 1 < least <= min(alone)
    assert np.abs(network(x) - y).max() < 1e-8


def test_the_construction_width():
    assert [construction_width(n) for n in (64, 144, 256, 65)] == [16, 24, 32, 18]
    assert Config().widths(64) == (4, 6, 8, 11, 16, 22)
    assert Config().gd_budgets == (250, 500, 1000, 2000, 4000, 8000, 16000)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("d", 0),
        ("draws", 0),
        ("seeds", 0),
        ("noise", 0.0),
        ("lr", -1.0),
        ("bad_points", 50),
        ("classes", 1),
        ("batch", 2_000),
        ("points", (1_000,)),
        ("points", (10, 1_000)),
        ("points", (1_000, 101)),
        ("exact_points", ()),
        ("sizes", (2,)),
        ("width_factors", (1.0, 0.5)),
        ("adam_budgets", (250,)),
        ("dense_points", (10, 10)),
        ("counted_points", (1_000, 10_000)),
        ("other_sizes", ((10, 3),)),
    ],
)
def test_a_slip_in_the_config_is_one_line(field, value):
    with pytest.raises(ValueError, match=field) as error:
        dataclasses.replace(Config(), **{field: value})
    assert "\n" not in str(error.value)
