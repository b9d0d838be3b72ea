"""The assay max-margin: the panel and its self-check, the card, Adam's growth, the discrete runs, the claims."""

from __future__ import annotations

import dataclasses

import numpy as np
import optax
import pytest
import xarray as xr

import small
from biassay.assays.max_margin import ASSAY, Config, margin_panel
from biassay.assays.max_margin.claims import CLAIMS
from biassay.assays.max_margin.descent import RULES, max_margin_directions
from biassay.assays.max_margin.growth import AdamRun, growth_cap, growth_rate, measured_growth
from biassay.assays.max_margin.optimizers import PER_EXAMPLE, ROWS
from biassay.assays.max_margin.oracle import hard_margins, with_intercept
from biassay.assays.max_margin.panel import (
    LARGEST_MARGIN,
    draw_points,
    follow,
    geometry_norms,
    margin_ratios,
    maximum_margins,
    nearest,
    reference_rows,
    train,
)
from biassay.assays.max_margin.separable import draw_generic
from biassay.dynamics import GradientDescent, SignDescent
from biassay.references.margins import hard_margin

pytestmark = pytest.mark.xdist_group("max-margin")


@pytest.fixture(scope="module")
def data():
    return small.run("max-margin")


@pytest.fixture(scope="module")
def points():
    return draw_points(10_000, 3, 5, (3, 4))


def ratios_of(w, points):
    margins = np.min(points.y * np.einsum("snij,sij->sn", points.x, w), axis=1)
    return margin_ratios(margins, geometry_norms(w, points.shape), points)


# --- the panel --------------------------------------------------------------------------------------------------------


def test_ratios_are_at_most_one_and_do_not_see_scale(points):
    """The ratio of a fixed w is unchanged when w or the data are scaled, and no w beats the largest margin."""
    w = np.random.default_rng(10_000).normal(size=(3, *points.shape)) + np.einsum("snij,sn->sij", points.x, points.y)
    ratio = ratios_of(w, points)
    assert ratio.shape == (3, 4)
    assert ratio.max() <= 1 + 1e-9
    np.testing.assert_allclose(ratios_of(1e3 * w, points), ratio, rtol=1e-12)
    larger = points._replace(x=7.0 * points.x)
    # The largest margins of the larger data are solved for anew, by all four solvers.
    np.testing.assert_allclose(maximum_margins(larger), 7.0 * maximum_margins(points), rtol=1e-6)
    assert (maximum_margins(larger) != maximum_margins(points)).all()
    np.testing.assert_allclose(ratios_of(w, larger), ratio, rtol=1e-6)
    best = np.stack([hard_margin(x.reshape(5, -1), y).w.reshape(points.shape) for x, y in zip(points.x, points.y)])  # noqa: B905
    np.testing.assert_allclose(ratios_of(best, points)[:, 1], 1, rtol=1e-9)
    assert ratios_of(best, points)[:, [0, 2, 3]].max() < 1


def test_every_reference_row_reaches_its_own_geometry(x64, points):
    rows = reference_rows(points, steps=20_000)
    assert rows.dims == ("reference", "seed", "norm")
    own = np.stack([rows.sel(reference=norm, norm=norm).values for norm in points.geometries])
    assert own.min() > 0.98
    for norm in points.geometries:
        assert (rows.sel(reference=norm).drop_sel(norm=norm).max("norm") < own.min()).all()


def test_the_panel_of_an_optax_transformation(points):
    panel = margin_panel(
        optax.adam(2e-3, eps=0.0), steps=10_000, seeds=3, seed=10_000, n=5, d=12, shape=(3, 4), described="Adam, eps 0"
    )
    assert panel.attrs == {"optimizer": "Adam, eps 0", "loss": "log_sum_exp", "batch": "full", "steps": 10_000}
    assert panel["ratio"].dims == ("seed", "step", "norm")
    assert panel["nearest"].values.tolist() == ["Linf"] * 3
    assert (panel["lead"] > 0.02).all()
    final = panel["ratio"].isel(step=-1)
    np.testing.assert_allclose(panel["lead"], final.max("norm") - np.sort(final.values, axis=1)[:, -2])
    assert not panel["void"].any()
    np.testing.assert_allclose(panel["maximum_margin"], maximum_margins(points))
    assert (panel["reference_ratio"].sel(reference="spectral", norm="spectral") > 0.98).all()
    assert panel["margin"].dtype == np.float64


def test_the_panel_takes_a_dynamics_and_vectors():
    panel = margin_panel(SignDescent(2e-3), steps=10_000, seeds=2, seed=10_000, n=5, d=12)
    assert panel["norm"].values.tolist() == ["L1", "L2", "Linf"]
    assert panel["nearest"].values.tolist() == ["Linf"] * 2
    assert panel.attrs["optimizer"] == "SignDescent"


@pytest.mark.nightly
def test_a_batch_of_one_is_another_optimizer():
    options = {"loss": "logistic", "steps": 20_000, "seeds": 2, "seed": 10_000, "n": 5, "d": 12}
    adam = optax.adam(2e-3, eps=0.0)
    full, single = margin_panel(adam, **options), margin_panel(adam, batch_size=1, **options)
    assert single.attrs["batch"] == "1"
    gap = single["ratio"].isel(step=-1) - full["ratio"].isel(step=-1)
    assert (abs(gap.sel(norm="L2")) > 1e-3).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shape": (3, 5)}, "d=12"),
        ({"batch_size": 1}, "logistic"),
        ({"batch_size": 1, "loss": "logistic", "optimizer": SignDescent(0.1)}, "Optax"),
        ({"optimizer": "adam"}, "optax.adam.*got 'adam'"),
        ({"optimizer": optax.adam}, "call it: adam"),
        ({"optimizer": None}, "got None"),
        ({"optimizer": optax.lbfgs()}, "gradients only"),
        ({"loss": "hinge"}, "hinge"),
        ({"shape": [-3, -4]}, "shape"),
        ({"shape": (12,)}, "shape"),
        ({"seeds": 0}, "seeds"),
        ({"steps": 0}, "steps"),
        ({"n": 0}, "n must"),
        ({"d": 0}, "d must"),
    ],
)
def test_slips_in_the_panel_are_one_line(options, words):
    options = {"optimizer": optax.sgd(0.1), "n": 5, "d": 12} | options
    with pytest.raises(ValueError, match=words) as error:
        margin_panel(**options)
    assert "\n" not in str(error.value)


def test_the_logistic_run_ends_before_its_gradients_underflow(x64, points):
    run = follow(points, SignDescent(0.01), loss="logistic", steps=40_000, record=400)
    assert run["step"][-1] < 40_000
    assert LARGEST_MARGIN < run["margin"].isel(step=-1).max() < 330
    assert not run["void"].any()


def test_a_run_on_gradients_that_underflow_is_void(x64, points):
    """One record only, so that nothing stops the run: sign descent freezes where the gradient is exactly 0."""
    run = follow(points, SignDescent(0.02), loss="logistic", steps=40_000, record=1)
    assert run["void"].all()
    assert (run["gradient"].isel(step=-1) < 1e-300).all()
    assert not follow(points, SignDescent(0.02), steps=40_000, record=1)["void"].any()


def test_nearest_of_nothing_is_none():
    panel = margin_panel(SignDescent(2e-3), steps=100, seeds=2, seed=10_000, n=5, d=12, shape=[3, 4])  # pyright: ignore[reportArgumentType]
    found = nearest(panel["ratio"].isel(step=0), panel["void"])
    assert found["nearest"].values.tolist() == ["none", "none"]
    assert found["lead"].isnull().all()


@pytest.mark.parametrize(
    ("ratio", "void", "expected"),
    [
        ([0.5, 0.9, 0.6], False, "L2"),
        ([0.5, 0.9, 0.6], True, "none"),
        ([0.9, 0.9 + 1e-13, 0.6], False, "none"),
        ([-0.5, -0.9, -0.6], False, "none"),
        ([0.5, np.nan, 0.6], False, "none"),
    ],
)
def test_nearest_is_a_positive_ratio_with_a_lead(ratio, void, expected):
    array = xr.DataArray([ratio], dims=("seed", "norm"), coords={"norm": ["L1", "L2", "Linf"]})
    found = nearest(array, xr.DataArray([void], dims="seed"))
    assert found["nearest"].item() == expected
    assert found["lead"].isnull().item() == (expected == "none")


def test_the_largest_margins_are_those_of_the_points_given(points):
    """Not those of the seed that the points are said to belong to."""
    other = draw_points(20_000, 3, 5, (3, 4))
    named = other._replace(seed=points.seed)
    np.testing.assert_array_equal(maximum_margins(named), maximum_margins(other))
    assert (maximum_margins(named) != maximum_margins(points)).any()


def test_points_belong_to_their_seed():
    alone, among = draw_points(10_002, 1, 4, (6,)), draw_points(10_000, 4, 4, (6,))
    np.testing.assert_array_equal(alone.x[0], among.x[2])
    np.testing.assert_array_equal(alone.y[0], among.y[2])


# --- the card ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sgd", "adam", "lion", "rmsprop", "coordinate", "muon-cubic"])
def test_rows_are_what_their_title_says(x64, points, name):
    """A few steps against the rule written out in NumPy, on one set of points."""
    one = points._replace(x=points.x[:1], y=points.y[:1])
    end = train(one, ROWS[name].make(ROWS[name].lr or 1e-3), steps=4, record=[4])["w"].values[0, 0]
    a = one.y[0][:, None, None] * one.x[0]
    w = m = v = np.zeros(points.shape)
    for t in range(1, 5):
        margins = np.einsum("nij,ij->n", a, w)
        s = np.exp(margins.min() - margins)
        g = -np.einsum("n,nij->ij", s / s.sum(), a)
        if name == "sgd":
            w = w - 0.5 * g
        elif name == "adam":
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            w = w - 1e-3 * (m / (1 - 0.9**t)) / np.sqrt(v / (1 - 0.999**t))
        elif name == "lion":
            w, m = w - 1e-3 * np.sign(0.9 * m + 0.1 * g), 0.99 * m + 0.01 * g
        elif name == "rmsprop":
            v = 0.9 * v + 0.1 * g**2
            w = w - 1e-3 * g / np.sqrt(v)
        elif name == "coordinate":
            w = w - 5e-3 * np.sign(g) * (np.abs(g) == np.abs(g).max())
        else:  # Nesterov momentum, orthogonalised; Optax scales by the root of columns / rows
            m = 0.95 * m + 0.05 * g
            look = 0.95 * m / (1 - 0.95 ** (t + 1)) + 0.05 * g / (1 - 0.95**t)
            U, _, Vt = np.linalg.svd(look, full_matrices=False)
            w = w - 1e-3 * np.sqrt(4 / 3) * U @ Vt
    np.testing.assert_allclose(end, w, rtol=1e-5, atol=1e-9)


def test_rows_name_their_geometry():
    claimed = {name: row.claimed for name, row in ROWS.items() if row.claimed}
    assert set(claimed.values()) == {"L1", "L2", "Linf", "spectral"}
    assert claimed["adam"] == claimed["sign"] == "Linf"
    assert not any(row.claimed for row in PER_EXAMPLE.values())
    assert not ROWS["muon"].claimed


def test_the_card_names_what_its_rows_used(data):
    assert data["eps"].sel(optimizer="muon").item() == 1e-8
    assert data["eps"].sel(optimizer="adagrad").item() == 1e-7
    assert np.isnan(data["eps"].sel(optimizer="sign").item())
    assert data["learning_rate"].sel(optimizer=["sgd", "spectral"]).values.tolist() == [0.5, 200 / 3000]
    assert set(data["schedule"].values.tolist()) == {"constant"}
    own = data["reference_ratio"].where(data["reference"] == data["norm"]).max("norm")
    assert own.dims == ("reference", "seed")
    assert (own > 0.98).all()


def test_the_card_has_the_rows_that_were_asked_for(data):
    there = data["ratio"].notnull().all(("norm", "seed"))
    for name in data["optimizer"].values:
        assert there.sel(optimizer=name).values.tolist() == [loss in ROWS[name].losses for loss in data["loss"].values]
    assert "muon-10" not in data["optimizer"].values
    assert data["nearest"].sel(optimizer="muon", loss="logistic").values.tolist() == ["none"] * 5
    assert data["nearest"].sel(optimizer="sgd", loss="log_sum_exp").values.tolist() == ["L2"] * 5


# --- Adam's growth ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lr", "b2"), [(1e-3, 0.999), (5e-5, 0.999), (1e-3, 0.9)])
def test_the_growth_rate_solves_its_equation(lr, b2):
    gamma = 6.5
    r = growth_rate(lr, gamma, b2)
    assert 0 < r < growth_cap(b2)
    # The sum over past squared gradients e^{2rk}, weighted by Adam's second moment.
    k = np.arange(4_000_000)
    second_moment = (1 - b2) * np.sum(np.exp(k * (np.log(b2) + 2 * r)))
    assert r == pytest.approx(lr * gamma / np.sqrt(second_moment), rel=1e-6)


def test_a_small_step_grows_at_its_own_pace_and_a_large_one_at_the_cap():
    assert growth_rate(1e-7, 5.0, 0.999) == pytest.approx(5e-7, rel=1e-2)
    assert growth_rate(1.0, 5.0, 0.999) == pytest.approx(growth_cap(0.999), rel=1e-5)
    assert growth_cap(0.999) == pytest.approx(5.0025e-4, rel=1e-4)
    assert np.isnan([growth_rate(1e-3, gamma, 0.999) for gamma in (-0.1, 0.0, np.nan)]).all()


def test_growth_is_a_regression_on_the_second_half():
    steps = np.arange(0, 101, 5)
    margin = np.where(steps < 50, 3.0, 0.25 * steps)[None]
    assert measured_growth(steps, margin) == pytest.approx(0.25)
    assert AdamRun(5e-5, 0.999, 10).title == "lr 5e-05, b2 0.999"


# --- the discrete runs ------------------------------------------------------------------------------------------------


def test_gradient_descent_takes_the_step_of_the_theorem(x64):
    """w <- w + eta A^T sigmoid(-A w), the sum of the losses, with eta = 1 / sigma_max^2."""
    points = draw_generic(10_000, 1)
    x, y = points.x[0], points.y[0]
    eta = np.array([1 / np.linalg.norm(x, 2) ** 2])
    a, w = y[:, None] * x, np.zeros(10)
    for _ in range(5):
        w = w + eta[0] * (1 / (1 + np.exp(a @ w))) @ a
    end = train(points, RULES["gd"].make(eta[0], 40), loss="logistic", steps=5, record=[5])["w"].values[0, 0]
    np.testing.assert_allclose(end, w, rtol=1e-12)
    momentum = train(points, RULES["heavy-ball"].make(eta[0], 40), loss="logistic", steps=5, record=[5])["w"].values
    assert np.abs(momentum[0, 0] - w).max() > 1e-3


def test_targets_are_unit_and_best(x64):
    points = draw_generic(10_000, 2)
    target, largest = max_margin_directions(points)
    np.testing.assert_allclose(np.linalg.norm(target, axis=-1), 1)
    margins = np.einsum("snd,std->stn", points.y[:, :, None] * points.x, target).min(-1)
    norms = np.stack([np.linalg.norm(target, p, axis=-1) for p in (1, 2, np.inf)], -1)
    ratio = margins[..., None] / norms / largest[:, None]
    np.testing.assert_allclose(np.einsum("stt->st", ratio), 1, rtol=1e-8)
    assert ratio.max() < 1 + 1e-8
    assert ratio.min() < 0.95


def test_a_machine_with_an_intercept_is_flagged():
    found = hard_margins(draw_generic(10_000, 5))
    assert (found["kkt"] < 1e-10).all()
    assert (abs(found["slack"]) < 1e-10).all()
    assert (found["svc_kkt"] > 1e-4).all()
    assert (found["svc_cosine"] < 1 - 1e-6).all()
    points = draw_generic(10_000, 1)
    # On points mirrored at the origin the intercept vanishes, and the two agree.
    x, y = np.vstack([points.x[0], -points.x[0]]), np.concatenate([points.y[0], -points.y[0]])
    w, _ = with_intercept(x, y)
    np.testing.assert_allclose(w, hard_margin(x, y).w, rtol=1e-5, atol=1e-6)


# --- the claims -------------------------------------------------------------------------------------------------------

SETTLED = {
    "direction-law", "direction-limit", "margin-gap-law", "residual-limit", "loss-constant", "hard-margin-optimal",
    "hard-margin-feasible", "spectral-descent",
}  # fmt: skip


def test_claims_that_a_small_config_settles_hold(data):
    outcomes = {verdict.claim: verdict for verdict in ASSAY.judge(data)}
    assert {name: outcomes[name].outcome for name in SETTLED} == dict.fromkeys(SETTLED, "holds")
    assert outcomes["muon-as-shipped"].outcome == "fails"
    assert all(verdict.diverged == 0 for verdict in outcomes.values())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_no_claim_holds_for_its_control(data, claim):
    assert dataclasses.replace(claim, measure=claim.control).judge(data).outcome != "holds"


@pytest.mark.parametrize(
    ("variable", "claim"),
    [
        ("flow_direction_error", "direction-law"),
        ("flow_margin_gap", "margin-gap-law"),
    ],
)
def test_another_exponent_of_log_t_fails(data, variable, claim):
    wrong = data.assign({variable: data[variable] ** 1.02})
    assert {verdict.claim: verdict.outcome for verdict in ASSAY.judge(wrong)}[claim] == "fails"


def test_too_few_sets_of_points_are_unclear(data):
    outcomes = {v.claim: v.outcome for v in ASSAY.judge(data.isel(seed=slice(4)))}
    assert {outcomes[name] for name in SETTLED} == {"unclear"}


def test_an_optimizer_in_the_wrong_geometry_fails(data):
    wrong = data.copy(deep=True)
    wrong["ratio"].loc[{"optimizer": "spectral"}] = data["ratio"].sel(optimizer="sgd")
    outcomes = {verdict.claim: verdict.outcome for verdict in ASSAY.judge(wrong)}
    assert outcomes["spectral-descent"] != "holds"
    assert outcomes["own-geometry"] != "holds"


def test_the_dataset_has_its_axes(data):
    assert data["ratio"].dims == ("seed", "optimizer", "loss", "norm")
    assert data["flow_angle"].dims == ("points", "seed", "log_time")
    assert data["descent_angle"].dims == ("seed", "rule", "checkpoint", "target")
    assert data["steepest_ratio"].dims == ("step_scale", "p", "seed", "other_p")
    assert data["log_time"].values[-1] == pytest.approx(1e6)
    assert all("long_name" in data[name].attrs for name in data.data_vars)
    ratio = data["ratio"].values
    assert np.nanmax(ratio) <= 1 + 1e-9
    assert not data["void"].any()


def test_steepest_descent_does_not_depend_on_its_step_on_an_exponential_tail(data):
    own = data["steepest_ratio"].where(data["p"] == data["other_p"]).max("other_p")
    assert float(abs(own.diff("step_scale")).max()) < 0.06
    others = data["steepest_ratio"].where(data["p"] != data["other_p"]).max("other_p")
    assert float((own - others).isel(step_scale=0).min()) > 0.02


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seeds", 0),
        ("card_steps", 10),
        ("descent_steps", 0),
        ("shape", (1, 60)),
        ("n", 61),
        ("n", 1),
        ("p_norms", (4.0,)),
        ("p_norms", (2.0, 4.0)),
        ("p_norms", (1.01, 4.0)),
    ],
)
def test_a_slip_in_the_config_is_one_line(field, value):
    with pytest.raises(ValueError, match=field) as error:
        dataclasses.replace(Config(), **{field: value})
    assert "\n" not in str(error.value)


def test_gradient_norms_vanish_on_the_logistic_loss_only(x64, points):
    slow = train(points, GradientDescent(1.0), loss="logistic", steps=2000, record=[2000])
    normalised = train(points, GradientDescent(1.0), steps=2000, record=[2000])
    assert slow["gradient"].max() < 1e-2
    assert normalised["gradient"].min() > 1e-2
    assert (normalised["margin"] > 10 * slow["margin"]).all()
