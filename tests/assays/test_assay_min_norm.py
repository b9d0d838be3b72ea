"""The assay min-norm: its oracles, the tag of every algorithm, its claims on a small config, the regression panel."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

import biassay as ba
import small
from biassay.assays.min_norm import ASSAY, Config
from biassay.assays.min_norm.algorithms import ALGORITHMS, Algorithm
from biassay.assays.min_norm.regression import draw_regressions, norm_ratios, regression_panel, where_it_lies
from biassay.dynamics import GradientDescent
from biassay.models.linear_regression import linear_regression
from biassay.probes import distance_to_min_norm, out_of_span, relative_residual, weights
from biassay.references.interpolators import gradient_descent_iterate, min_norm
from small import CONFIGS

SMALL = CONFIGS["min-norm"]

pytestmark = pytest.mark.xdist_group("min-norm")


@pytest.fixture(scope="module")
def data():
    return small.run("min-norm")


@pytest.mark.parametrize("k", [1, 2, 5, 10, 50, 200])
@pytest.mark.parametrize("scale", [0.0, 0.3])
def test_iterates_equal_the_spectral_filter(x64, k, scale):
    drawn = draw_regressions(10_000, 1, 100, 30)
    X, y, start = drawn.X[0], drawn.y[0], scale * drawn.start[0]
    gamma = 1 / np.linalg.norm(X, 2) ** 2
    problem = linear_regression(jnp.asarray(X.T), jnp.asarray(y))
    run = ba.simulate(problem, GradientDescent(gamma), jnp.asarray(start), steps=k, probes={"w": weights}, record=[k])
    expected = gradient_descent_iterate(X, y, gamma, k, start)
    assert np.abs(run.data["w"].values[0, 0] - expected).max() < 1e-12
    assert np.abs(run.data["w"].values[0, 0] - gradient_descent_iterate(X, y, gamma, k + 1, start)).max() > 1e-12


def disagreements(tags: dict[str, bool], data: xr.Dataset) -> list[str]:
    """The algorithms whose tag and measured span disagree on some regression."""
    span = data["span"].isel(checkpoint=-1)
    return [name for name, tag in tags.items() if ((span.sel(algorithm=name) < 1e-10) != tag).any()]


def test_every_tag_agrees_with_the_measured_span(data):
    # The only disagreement is the documented round-off in the null space of G.
    tags = dict(zip(data["algorithm"].values, data["span_preserving"].values, strict=True))
    assert set(ALGORITHMS) < set(tags)
    assert disagreements(tags, data) == ["ambient-adagrad-1e-08"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_wrong_tag_is_noticed(data, name):
    assert disagreements({name: not ALGORITHMS[name].span_preserving}, data) == [name]


def test_every_claim_holds_where_mirror_descent_converges(data):
    verdicts = {verdict.claim: verdict for verdict in ASSAY.judge(data)}
    assert {name: verdict.outcome for name, verdict in verdicts.items()} == dict.fromkeys(verdicts, "holds")
    assert all(verdict.diverged == 0 for verdict in verdicts.values())


def test_too_few_regressions_are_unclear(data):
    verdicts = {verdict.claim: verdict.outcome for verdict in ASSAY.judge(data.isel(seed=slice(9)))}
    assert verdicts.pop("steepest-depends-on-step") == "holds"
    assert verdicts.pop("mirror-min-p-norm-at-zero-error") == "holds"  # counts runs, two a regression
    assert set(verdicts.values()) == {"unclear"}


@pytest.mark.parametrize(
    ("broken", "claim"),
    [
        ("gd", "gd-min-norm"),
        ("l-bfgs", "span-rule-distance"),
        ("gd-decay", "decay-is-ridge"),
        ("preconditioned", "preconditioner-changes-norm"),
        ("mirror-3", "mirror-min-p-norm"),
    ],
)
def test_claims_fail_on_the_wrong_solution(data, broken, claim):
    wrong = data.copy(deep=True)
    for variable in ("distance", "span", "distance_to", "dual_span"):
        wrong[variable].loc[{"algorithm": broken}] = data[variable].sel(algorithm="coordinate")
    outcomes = {verdict.claim: verdict.outcome for verdict in ASSAY.judge(wrong)}
    assert outcomes[claim] == "fails"


def test_a_mirror_descent_that_cycles_fails_but_has_not_found_another_solution(data):
    cycling = data.copy(deep=True)
    cycling["residual"].loc[{"algorithm": "mirror-3", "seed": 10_003}] = 1e-3
    cycling["distance_to"].loc[{"algorithm": "mirror-3", "seed": 10_003}] = 1e-2
    outcomes = {verdict.claim: verdict.outcome for verdict in ASSAY.judge(cycling)}
    assert outcomes["mirror-min-p-norm"] == "fails"
    assert outcomes["mirror-min-p-norm-at-zero-error"] == "holds"


def test_controls_that_do_not_interpolate_decide_nothing(data):
    frozen = data.copy(deep=True)
    frozen["residual"] = frozen["residual"].where(frozen["span_preserving"], 1e-3)
    outcomes = {verdict.claim: verdict.outcome for verdict in ASSAY.judge(frozen)}
    assert outcomes["span-rule-distance"] == "unclear"
    assert outcomes["gd-min-norm"] == "vacuous"


def test_adam_becomes_gradient_descent_as_epsilon_grows(data):
    distance = data["epsilon_distance"].median("seed")
    assert distance[0] > distance[1] > distance[2]
    assert distance[0] > 0.3
    assert distance[2] < 1e-3
    assert (data["epsilon_residual"] < 1e-6).all()


def test_ratios_are_one_for_the_smallest_and_never_below(data):
    interpolating = data["residual"].isel(checkpoint=-1).max("seed") < 1e-9
    ratio = data["ratio"].sel(algorithm=interpolating)
    assert ratio.min() > 1 - 1e-8
    assert abs(ratio.sel(algorithm="gd", norm="L2") - 1).max() < 1e-12
    assert (ratio.sel(algorithm="adam", norm="L2") > 1.02).all()


def test_the_dataset_survives_a_file(data, tmp_path):
    data.to_netcdf(tmp_path / "data.nc")
    read = xr.load_dataset(tmp_path / "data.nc")
    assert [v.outcome for v in ASSAY.judge(read)] == [v.outcome for v in ASSAY.judge(data)]
    names = ["which-interpolator", "paths", "norms", "geometry", "adam-to-gd"]
    assert [figure.name for figure in ASSAY.figures(read)] == names
    assert [figure.name for figure in ASSAY.figures(read.drop_dims("epsilon"))] == names[:-1]


def test_measured_positions_agree_with_the_probes(x64):
    drawn = draw_regressions(10_000, 2, 20, 6)
    w = np.random.default_rng(1).normal(size=(2, 3, 20))
    lies = where_it_lies(drawn, w)
    probes = {"residual": relative_residual, "span": out_of_span, "distance": distance_to_min_norm}
    assert set(lies) == set(probes)
    for i in range(2):
        problem = linear_regression(jnp.asarray(drawn.X[i].T), jnp.asarray(drawn.y[i]))
        for name, probe in probes.items():
            np.testing.assert_allclose(lies[name][i], [probe(problem, jnp.asarray(v)) for v in w[i]], rtol=1e-10)


def test_a_regression_belongs_to_its_seed():
    alone, among = draw_regressions(7, 1, 9, 5), draw_regressions(5, 4, 9, 5)
    for one, many in zip(alone, among, strict=True):
        np.testing.assert_array_equal(one[0], many[2])


def test_the_panel_of_gradient_descent_and_of_adam(x64):
    options = {"d": 40, "n": 10, "seeds": 3, "seed": 10_000}
    sgd = regression_panel(optax.sgd(0.3), steps=3000, **options)
    adam = regression_panel(optax.adam(optax.exponential_decay(1e-2, 2000, 0.3)), steps=20_000, **options)
    for panel in (sgd, adam):
        assert (panel["residual"].isel(step=-1) < 1e-6).all()
        assert panel["ratio"].dims == ("seed", "norm")
        assert (panel["ratio"] > 1 - 1e-5).all()
    assert (sgd["span"].isel(step=-1) < 1e-10).all()
    assert (sgd["distance"].isel(step=-1) < 1e-8).all()
    assert abs(sgd["ratio"].sel(norm="L2") - 1).max() < 1e-10
    assert (adam["span"].isel(step=-1) > 0.1).all()
    assert adam["ratio"].sel(norm="Linf").mean() < sgd["ratio"].sel(norm="Linf").mean()
    assert (adam["ratio"].sel(norm="L2") > sgd["ratio"].sel(norm="L2")).all()


def test_the_panel_needs_more_parameters_than_points():
    with pytest.raises(ValueError, match="n=5, d=5"):
        regression_panel(optax.sgd(0.1), d=5, n=5)


def test_norm_ratios_reach_one_at_each_minimum():
    drawn = draw_regressions(10_000, 1, 12, 4)
    ratio = norm_ratios(drawn, np.array([min_norm(drawn.X[0], drawn.y[0])]))
    assert ratio[0, 1] == pytest.approx(1)
    assert ratio[0, 0] > 1.01
    assert ratio[0, 2] > 1.01


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 100),
        ("n", 2),
        ("seeds", 0),
        ("steps", 5),
        ("steepest_steps", 0),
        ("decay", 0.0),
        ("noise", -1.0),
        ("mirror_p", (1.5,)),
        ("mirror_p", (1.5, 2.0)),
        ("mirror_lr", (0.1, -0.1)),
        ("steepest_lr", (0.1,)),
    ],
)
def test_a_slip_in_the_config_is_one_line(field, value):
    with pytest.raises(ValueError, match=field) as error:
        dataclasses.replace(Config(), **{field: value})
    assert "\n" not in str(error.value)


def test_asides_are_explained():
    assert all(isinstance(row, Algorithm) for row in ALGORITHMS.values())
    compared = [row for row in ALGORITHMS.values() if not row.aside]
    assert sum(row.span_preserving for row in compared) == 9
    assert sum(not row.span_preserving for row in compared) == 7
