"""The assay width-bias: its networks, controls and references, its claims on made-up data, its config."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import biassay as ba
import small
from biassay.assays.width_bias import ASSAY, Config
from biassay.assays.width_bias.digits_widths import Stream, at_equal_loss, draw, starts, train
from biassay.assays.width_bias.factorization import cells
from biassay.assays.width_bias.measures import (
    fitting_width,
    moved_correlation,
    rise_beyond_fit,
    rise_without_output,
)
from biassay.assays.width_bias.networks import (
    StepSizes,
    antisymmetric,
    entropies,
    predict,
    scaled,
    stacked,
    unscaled,
)
from biassay.assays.width_bias.random_features import RIDGES, features, solve
from biassay.dynamics import GradientDescent
from biassay.models import two_layer
from biassay.models.two_layer import TwoLayer
from biassay.probes import l1_path_norm, l2_path_norm, product_norm
from biassay.problem import Problem, half_squared_error

SMALL = small.CONFIGS["width-bias"]

pytestmark = pytest.mark.xdist_group("width-bias")


@pytest.fixture(scope="module")
def data():
    return small.run("width-bias")


# --- the networks -----------------------------------------------------------------------------------------------------


def test_the_product_norm_at_the_start():
    def ratio(init, H):
        drawn = [init(np.random.default_rng((10_000, i)), H, 65, 10) for i in range(20)]
        return np.array([float(product_norm(None, network)) / (4.5 * H**0.5) for network in drawn])

    for H in (8, 64, 512):
        assert 0.85 < ratio(scaled, H).mean() < 1.02
        assert ratio(unscaled, H).mean() > 2, "without the factor 1/sqrt(H) in V it grows as H"


def test_the_antisymmetric_start_computes_nothing_with_weights_as_large():
    x = np.random.default_rng(0).normal(size=(20, 65)).astype(np.float32)
    B, A = (init(np.random.default_rng(1), 64, 65, 10) for init in (unscaled, antisymmetric))
    assert np.abs(two_layer.predict(A, x)).max() < 1e-4
    assert np.abs(two_layer.predict(B, x)).max() > 5
    np.testing.assert_allclose(product_norm(None, A), product_norm(None, B), rtol=0.2)
    np.testing.assert_array_equal(A.W[:32], B.W[:32])


@pytest.mark.nightly
def test_networks_side_by_side_learn_as_they_do_alone():
    """A step size as a factor on the loss is a step size; a neighbour, and neurons of zero weights, change nothing."""
    config = dataclasses.replace(SMALL, seeds=2, wide_seeds=2, matrix_seeds=2, convex_sets=2)
    data = draw(config)
    drawn = starts(config, 2, scaled, (4, 12, 20))
    together = train(config, data, 0.2, stacked(drawn), (0.02, 0.01, 0.02), [60])
    problem = ba.PerSeed(Problem(two_layer.predict, data.x, data.y[:, 1], ba.problem.cross_entropy))

    def alone(start: TwoLayer, lr: float) -> TwoLayer:
        rule = ba.SGD(lr, config.batch, momentum=config.momentum)
        start = ba.PerSeed(start)
        return ba.simulate(problem, rule, start, steps=60, seeds=2, seed=config.seed, stream=Stream.BATCHES).params

    narrow, wide = together.params
    for place, (start, lr) in enumerate(zip(drawn[:2], (0.02, 0.01), strict=True)):
        H = start.W.shape[1]
        np.testing.assert_allclose(narrow.W[:, place, :H], alone(start, lr).W, atol=2e-4)
        assert not np.any(narrow.W[:, place, H:])
        assert not np.any(narrow.V[:, place, H:])
    np.testing.assert_allclose(wide.W[:, 0], alone(drawn[2], 0.02).W, atol=2e-4)
    assert np.abs(narrow.W[:, 1, :12] - alone(drawn[1], 0.02).W).max() > 1e-2, "another step size is another path"


def test_a_filled_network_has_the_sizes_of_its_own(data):
    (stack,) = stacked(starts(SMALL, 1, scaled, (4, 16)))
    (own, _) = starts(SMALL, 1, scaled, (4, 16))
    assert stack.W.shape == (1, 2, 16, 65)
    filled = TwoLayer(stack.W[0, 0], stack.V[0, 0])
    for size in (product_norm, l1_path_norm, l2_path_norm):
        np.testing.assert_allclose(size(None, filled), size(None, TwoLayer(own.W[0], own.V[0])), rtol=1e-6)


def test_the_loss_of_networks_is_the_sum_of_their_own():
    rng = np.random.default_rng(0)
    drawn = [jax.tree.map(lambda leaf: leaf[None], scaled(rng, H, 65, 10)) for H in (4, 24)]
    nets = jax.tree.map(lambda leaf: leaf[0], stacked(drawn))
    x, y = jnp.asarray(rng.normal(size=(7, 65)), jnp.float32), jnp.asarray(rng.integers(0, 10, 7))
    each = entropies(predict(nets, x), y)
    own = ba.problem.cross_entropy(two_layer.predict(TwoLayer(drawn[1].W[0], drawn[1].V[0]), x), y)
    np.testing.assert_allclose(each[:, 1], own, rtol=1e-5)
    np.testing.assert_allclose(StepSizes((1.0, 0.5))(predict(nets, x), y), each @ jnp.array([1.0, 0.5]), rtol=1e-6)


def test_a_seed_is_the_same_whichever_run_beside_it():
    more = dataclasses.replace(SMALL, seed=SMALL.seed + 1)
    np.testing.assert_array_equal(draw(SMALL).y[1], draw(more).y[0])
    for one, other in zip(starts(SMALL, 2, scaled, (4, 8))[1], starts(more, 1, scaled, (8,))[0], strict=True):
        np.testing.assert_array_equal(one[1], other[0])


def balance_change(lr: float, decay: float | None, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """|w_j|^2 - |v_j|^2 before and after full-batch gradient descent."""
    rng = np.random.default_rng(3)
    x, y = jnp.asarray(rng.normal(size=(12, 2))), jnp.asarray(rng.choice([-1.0, 1.0], (12, 1)))
    start = TwoLayer(jnp.asarray(rng.normal(size=(6, 2))), jnp.asarray(rng.normal(size=(6, 1))))
    problem = Problem(two_layer.predict, x, y, half_squared_error)
    run = ba.simulate(problem, GradientDescent(lr, weight_decay=decay), start, steps=steps)
    after = jax.tree.map(lambda leaf: leaf[0], run.params)
    return tuple(np.asarray(jnp.sum(p.W**2, axis=1) - jnp.sum(p.V**2, axis=1)) for p in (start, after))


def test_gradient_flow_conserves_the_balance_and_decay_ends_it(x64):
    before, coarse = balance_change(1e-2, None, 500)
    _, fine = balance_change(1e-3, None, 5000)
    errors = [np.abs(after - before).max() for after in (coarse, fine)]
    assert errors[1] < errors[0] / 5, "the error is of the order of the step"
    assert errors[0] < 0.05
    assert np.abs(before).max() > 1
    _, decayed = balance_change(1e-2, 0.05, 10_000)
    assert np.abs(decayed).max() < 1e-3


# --- random features --------------------------------------------------------------------------------------------------


def regression(H: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x, test_x = rng.normal(size=(60, 20)), rng.normal(size=(30, 20))
    own, held_out = features(rng, (x, test_x), H)
    return own, held_out, rng.normal(size=(60, 3))


def test_more_features_than_points_interpolate_and_fewer_do_not():
    for H, fitted in ((240, True), (30, False)):
        own, held_out, targets = regression(H)
        mse = np.mean((solve(own, held_out, targets).train[0] - targets) ** 2)
        assert (mse < 1e-20) == fitted


def test_the_gram_matrix_and_the_singular_values_agree():
    own, held_out, targets = regression(240)
    found = solve(own, held_out, targets)
    U, s, Vt = np.linalg.svd(own, full_matrices=False)
    by_svd = Vt.T @ ((U.T @ targets) / s[:, None])
    by_dual = own.T @ np.linalg.solve(own @ own.T, targets)
    np.testing.assert_allclose(by_svd, by_dual, atol=1e-10)
    np.testing.assert_allclose(found.test[0], held_out @ by_svd, atol=1e-10)
    np.testing.assert_allclose(found.norm[0], np.linalg.norm(by_svd, axis=0))


@pytest.mark.parametrize("H", [30, 240])
def test_ridge_against_the_normal_equations(H):
    own, held_out, targets = regression(H)
    found = solve(own, held_out, targets)
    V = np.linalg.solve(own.T @ own + RIDGES[4] * np.eye(H), own.T @ targets)
    np.testing.assert_allclose(found.test[4], held_out @ V, rtol=1e-6, atol=1e-8)
    assert (np.diff(np.linalg.norm(found.norm, axis=1)) <= 1e-12).all(), "a larger ridge is a smaller solution"


def test_a_feature_that_is_never_active_gets_no_weight():
    own, held_out, targets = regression(30)
    own[:, 0] = 0
    assert solve(own, held_out, targets).norm.max() < 1e3


# --- matrices, the convex program, the dataset ------------------------------------------------------------------------


def test_balanced_factors_and_the_nuclear_norm(data):
    """From a small start (|U|^2 + |V|^2) / 2 is the nuclear norm; from a large one it is not."""
    small_start, large = (data.sel(fit=fit, k=80) for fit in (0, 1))
    assert (abs(small_start["matrix_frobenius"] / small_start["matrix_nuclear"] - 1) < 0.01).all()
    assert (large["matrix_frobenius"] / large["matrix_nuclear"] > 1.2).all()


def test_every_cell_is_its_own(data):
    assert [cell.noisy for cell in cells(SMALL)].count(True) == len(SMALL.factor_widths)
    assert data["matrix_test"].dims == ("matrix_seed", "fit", "k")
    clean, noisy = (data["matrix_test"].sel(fit=fit, k=2) for fit in (0, 2))
    assert (clean < noisy).all()


def test_no_network_is_below_the_convex_optimum(data):
    assert (data["objective"] > data["dual_bound"]).all()
    assert (data["optimum"] - data["dual_bound"] < 1e-6).all()
    assert (data["objective"] > data["optimum"] - 1e-12).all()


def test_many_neurons_end_with_the_product_norm_of_the_optimum_and_one_does_not(data):
    """|a| of the convex optimum is sum_j ‖w_j‖ |v_j| of the best network, where that reaches the optimum."""
    best = data["net_product_norm"].isel(start=data["objective"].argmin("start"))
    apart = abs(best / data["atom_norm"] - 1)
    assert (apart.sel(convex_width=data["convex_width"] >= 16) < 1e-2).all()
    assert (apart.sel(convex_width=1) > 0.1).all()


def test_without_decay_the_difference_of_squares_stays(data):
    assert (data["conserved_start"] > 1).all()
    np.testing.assert_allclose(data["conserved_end"], data["conserved_start"], rtol=0.05)


def test_the_shapes_of_the_dataset(data):
    widths = len(SMALL.narrow) + len(SMALL.widths) + len(SMALL.wide)
    assert data["test"].sizes == {"rate": len(SMALL.rates), "seed": SMALL.seeds, "width": widths}
    ran = data["ran"].sel(width=512).values
    assert ran[0] == SMALL.wide_seeds
    assert ran[-1] == 0
    assert data["test"].sel(width=512).isel(rate=-1).isnull().all()
    assert data["test"].sel(width=512).isel(rate=0).notnull().sum() == SMALL.wide_seeds
    assert all("long_name" in variable.attrs for variable in data.data_vars.values())
    assert (data["best"] <= data["test"]).where(data["test"].notnull(), True).all()
    assert (data["unscaled_start_output"].diff("control_width") > 0).all()
    assert (data["antisymmetric_start_output"] < 1e-3).all()


# --- the claims -------------------------------------------------------------------------------------------------------


def ideal(data):
    """The data with the numbers of networks whose error falls with the width as the sentences say."""
    made = data.copy(deep=True)
    rng = np.random.default_rng(0)
    jitter = 1e-4 * rng.normal(size=data["test"].shape)
    fall = 0 * data["test"] + 0.04 + 0.1 / data["width"].clip(max=512)
    made["test"] = (fall + jitter).where(data["test"].notnull())
    made["train"] = (0 * data["test"] + 0.1 * (data["width"] < 6)).where(data["test"].notnull())
    made["best"] = made["test"] - 0.001 - 0.5 * (made["width"] < 32)
    made["long_test"] = 0 * data["long_test"] + 0.4 - 0.01 * data["narrow"]
    for name in ("product_norm", "equal_product_norm", "distance"):
        made[name] = fall
    made["equal_test"] = made["test"]
    noise = 1e-4 * rng.normal(size=data["unscaled_test"].shape)
    made["unscaled_test"] = 0 * data["unscaled_test"] + noise + 0.04 + 0.05 * (data["control_width"] == 512)
    made["antisymmetric_test"] = 0 * data["antisymmetric_test"] + 0.04 - noise
    made["feature_test"] = 0 * data["feature_test"] + 0.1 + 0.7 * (data["feature"] == 400)
    made["objective"] = 0 * data["objective"] + data["optimum"] * (1 + 0.3 * (data["convex_width"] < 16))
    made["imbalance"] = 1e-4 + 0 * data["imbalance"]
    made["conserved_end"] = 1.001 * data["conserved_start"]
    good = 0.01 + 0 * data["matrix_test"]
    bad = (data["scale"] == 1) & ~data["noisy"] & (data["k"] == 80)
    made["matrix_test"] = good + 1.4 * bad
    return made


def many(data):
    """Every seed several times, so that no claim lacks seeds."""
    axes = {"seed": 12, "control_seed": 6, "matrix_seed": 6, "dataset": 3}
    grown = data.isel({axis: np.arange(n) % data.sizes[axis] for axis, n in axes.items()})
    ran = data["ran"].where(data["ran"] == 0, 12).where((data["width"] <= 256) | (data["ran"] == 0), 6)
    # The seeds that ran a width come first, and have a number there.
    return grown.assign(ran=ran, test=grown["test"].fillna(0.0).where(ran > 0))


def judged(data) -> dict[str, str]:
    return {verdict.claim: verdict.outcome for verdict in ASSAY.judge(data)}


def outcome(data, name: str) -> str:
    return next(claim for claim in ASSAY.claims if claim.name == name).judge(data).outcome


@pytest.fixture(scope="module")
def made(data):
    return ideal(many(data))


def test_every_claim_holds_where_its_sentence_is_true(made):
    assert judged(made) == dict.fromkeys([claim.name for claim in ASSAY.claims], "holds")


@pytest.mark.parametrize("claim", ASSAY.claims, ids=lambda claim: claim.name)
def test_no_claim_holds_of_its_control(made, claim):
    swapped = dataclasses.replace(claim, measure=claim.control, min_seeds=1)
    assert swapped.judge(made).outcome in ("fails", "vacuous")


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("no-rise", lambda d: d.assign(test=d["test"] + 0.03 * (d["width"] == 256))),
        ("keeps-falling", lambda d: d.assign(test=d["test"] + 0.03 * (d["width"] == 256))),
        ("plateau", lambda d: d.assign(test=d["test"] - 0.03 * (d["width"] == 1024))),
        ("no-peak", lambda d: d.assign(long_test=d["long_test"] + 0.2 * (d["narrow"] == 8))),
        ("memorization-is-free", lambda d: d.assign(best=d["best"] - 0.05 * (d["rate"] > 0))),
        ("start-output-does-the-harm", lambda d: d.assign(antisymmetric_test=d["unscaled_test"])),
        ("convex-equivalence", lambda d: d.assign(objective=d["objective"] * 1.001)),
        ("convex-balance", lambda d: d.assign(imbalance=d["imbalance"] + 0.01)),
        ("no-rise-needs-its-start", lambda d: d.assign(antisymmetric_test=d["unscaled_test"])),
        ("small-start-small-norm", lambda d: d.assign(matrix_test=d["matrix_test"] + 0.2 * (d["k"] == 80))),
        ("noisy-factorisation", lambda d: d.assign(matrix_test=d["matrix_test"] + 0.2 * (d["noisy"] & (d["k"] == 80)))),
    ],
)
def test_a_claim_fails_where_its_sentence_is_false(made, name, broken):
    assert outcome(broken(made), name) == "fails"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("norm-explains-width", "product_norm"),
        ("norm-explains-width-at-equal-loss", "equal_product_norm"),
        ("distance-goes-with-error", "distance"),
    ],
)
def test_a_size_that_grows_while_the_error_falls_explains_nothing(made, name, size):
    """Beside a control of correlation 0: the widths of the small run are too few for the claim's own to be clear."""
    claim = next(claim for claim in ASSAY.claims if claim.name == name)
    grows = made.assign({size: -made[size]})
    assert claim.judge(grows).outcome != "holds"
    assert dataclasses.replace(claim, control=lambda data: np.zeros(6)).judge(grows).outcome == "fails"


def test_a_cost_without_flips_makes_memorisation_vacuous(made):
    assert outcome(made.assign(best=made["best"] - 0.05), "memorization-is-free") == "vacuous"


def test_a_width_that_does_not_fit_on_one_seed_is_not_the_threshold(made):
    assert fitting_width(made, 0.0) == 6
    one_wrong = made.copy(deep=True)
    one_wrong["train"][{"width": 0, "rate": 0, "seed": 0}] = 0.0025
    assert fitting_width(one_wrong, 0.0) == 8


def rate_is(data, rate: float):
    return data["rate"] == rate


@pytest.mark.parametrize(
    ("name", "variable", "where"),
    [
        ("no-rise", "test", {"rate": 1, "seed": 3, "width": 3}),
        ("no-rise", "train", {"rate": 1, "seed": 3, "width": 0}),
        ("no-rise-needs-its-start", "antisymmetric_test", {"control_rate": 0, "control_seed": 1, "control_width": 2}),
        ("keeps-falling", "test", {"rate": 1, "seed": 3, "width": 3}),
        ("plateau", "test", {"rate": 0, "seed": 3, "width": -1}),
        ("no-peak", "long_test", {"seed": 3, "narrow": 1}),
        ("memorization-is-free", "test", {"rate": 1, "seed": 3, "width": 3}),
        ("memorization-is-free", "test", {"rate": 0, "seed": 3, "width": 3}),
        ("norm-explains-width", "product_norm", {"rate": 0, "seed": 3, "width": 3}),
        ("norm-explains-width-at-equal-loss", "equal_test", {"rate": 0, "seed": 3, "width": 3}),
        ("distance-goes-with-error", "distance", {"rate": 0, "seed": 3, "width": 3}),
        (
            "start-output-does-the-harm",
            "antisymmetric_test",
            {"control_rate": 0, "control_seed": 1, "control_width": 2},
        ),
        ("convex-equivalence", "objective", {"dataset": 1, "start": 1, "convex_width": 1}),
        ("convex-balance", "imbalance", {"dataset": 1, "start": 1, "convex_width": 0}),
        ("convex-balance", "conserved_end", {"dataset": 1, "start": 1}),
        ("small-start-small-norm", "matrix_test", {"matrix_seed": 1, "fit": 0, "k": 1}),
        ("noisy-factorisation", "matrix_test", {"matrix_seed": 1, "fit": 2, "k": 1}),
        ("noisy-factorisation", "matrix_test", {"matrix_seed": 1, "fit": 0, "k": 1}),
    ],
)
def test_one_network_that_diverged_is_not_passed_over(made, name, variable, where):
    broken = made.copy(deep=True)
    broken[variable][where] = np.nan
    assert outcome(broken, name) in ("unclear", "vacuous")


def test_a_rate_that_no_width_fits_leaves_no_verdict(made):
    rate = float(made["rate"][-1])
    never = made.assign(train=made["train"] + 0.1 * rate_is(made, rate))
    only_last = made.assign(train=made["train"] + 0.1 * (rate_is(made, rate) & (made["width"] < 256)))
    for data in (never, only_last):
        assert np.isnan(rise_beyond_fit(data)).all()
        assert outcome(data, "no-rise") == outcome(data, "no-rise-needs-its-start") == "unclear"


def test_the_start_without_output_is_judged_as_well(made):
    assert rise_without_output(made).mean() < 0.005
    rising = made.assign(antisymmetric_test=made["antisymmetric_test"] + 0.03 * (made["control_width"] == 512))
    assert rise_without_output(rising).mean() == pytest.approx(0.03, abs=1e-3)
    assert rise_beyond_fit(rising).mean() < 0.005


def test_sizes_turned_by_some_places_go_with_nothing(made):
    """A list in order, turned by every number of places in turn, has the mean correlation -1 / (widths - 1)."""
    widths = made["width"].values[(made["ran"].sel(rate=0.0) > 0) & (made["width"] >= 32)]
    turns = made.isel(seed=slice(0, len(widths) - 1)).assign(ran=made["ran"].clip(max=len(widths) - 1))
    ordered = turns.assign(test=0 * turns["test"] + turns["width"], product_norm=0 * turns["test"] + turns["width"])
    found = moved_correlation(ordered, "test", "product_norm")
    assert found.max() < 0.5
    assert found.mean() == pytest.approx(-1 / (len(widths) - 1))


def test_equal_loss_on_made_up_paths():
    """The slowest of the widths from 32 on ends at 0.3; each path is read where it first is no higher."""
    paths = np.array([[[3, 2, 1, 0.9], [3, 1, 0.5, 0.3], [3, 0.3, 0.2, 0.1]]] * 3)[None]
    paths[0, 1, 2, 2:] = np.nan
    axes = ("rate", "seed", "width", "step")
    words = {"long_name": "position"}
    made = xr.Dataset(
        {
            "loss_path": (axes, paths),
            "test_path": (axes, np.broadcast_to(np.arange(4.0), paths.shape), words),
            "ran": (("rate", "width"), [[3, 3, 2]]),
        },
        coords={"rate": [0.0], "width": [8, 32, 64]},
    )
    made["loss_path"][0, 2, 2] = np.nan
    found = at_equal_loss(made, ("test",))["equal_test"].sel(rate=0.0)
    np.testing.assert_array_equal(found[0], [np.nan, 3, 1])
    np.testing.assert_array_equal(found[1], [np.nan] * 3, "a seed of which one width diverged has no level")
    np.testing.assert_array_equal(found[2], [np.nan, 3, np.nan], "a width that the seed did not run sets none")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rates", (0.1, 0.2)),
        ("rates", (0.0, 1.5)),
        ("wide_rates", (0.5,)),
        ("control_rates", (0.2,)),
        ("widths", (24, 32, 64)),
        ("wide", (512,)),
        ("narrow", (8, 4)),
        ("narrow", (8, 32)),
        ("control_widths", (32, 127, 128, 512)),
        ("features", (200, 400)),
        ("scales", (1.0,)),
        ("narrow", (2, 8)),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("decay", float("inf")),
        ("seed", -1),
        ("steps", 0),
        ("matrix_size", 80),
        ("seeds", 0),
        ("wide_seeds", 11),
        ("momentum", 1.0),
        ("batch", 401),
        ("steps", 150),
        ("long_steps", 4000),
        ("matrix_entries", 1600),
        ("matrix_rank", 3),
    ],
)
def test_a_slip_in_the_config_is_one_line(field, value):
    with pytest.raises(ValueError, match=field.split("_")[0]) as error:
        dataclasses.replace(Config(), **{field: value})
    assert "\n" not in str(error.value)
