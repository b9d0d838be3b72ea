"""The assay width-bias: its networks, controls and references, its claims on made-up data, its config."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
import small
from biassay.assays.width_bias import ASSAY, Config
from biassay.assays.width_bias.claims import fitting_width, rise_beyond_fit
from biassay.assays.width_bias.digits_widths import draw, starts, train
from biassay.assays.width_bias.factorization import cells
from biassay.assays.width_bias.networks import (
    StepSizes,
    antisymmetric,
    entropies,
    predict,
    scaled,
    unscaled,
)
from biassay.assays.width_bias.random_features import RIDGES, features, solve
from biassay.dynamics import GradientDescent
from biassay.models import two_layer
from biassay.models.two_layer import TwoLayer
from biassay.probes import product_norm
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


def test_networks_side_by_side_learn_as_they_do_alone():
    """A step size as a factor on the loss is a step size, and a neighbour changes nothing but rounding."""
    config = dataclasses.replace(SMALL, seeds=2, wide_seeds=2, matrix_seeds=2, convex_sets=2)
    data = draw(config)
    both = starts(config, 2, scaled, (4, 16))
    together = train(config, data, 0.2, both, (0.02, 0.01), 60)
    problem = ba.PerSeed(
        Problem(two_layer.predict, data.x, data.y[:, 1], ba.problem.cross_entropy),
    )
    alone = ba.simulate(
        problem,
        ba.SGD(0.01, config.batch, momentum=config.momentum),
        ba.PerSeed(both[1]),
        steps=60,
        seeds=2,
        seed=config.seed,
        stream=304,
    )
    np.testing.assert_allclose(together.params[1].W, alone.params.W, atol=2e-4)
    other = ba.simulate(
        problem,
        ba.SGD(0.02, config.batch, momentum=0.9),
        ba.PerSeed(both[1]),
        steps=60,
        seeds=2,
        seed=config.seed,
        stream=304,
    )
    assert np.abs(together.params[1].W - other.params.W).max() > 1e-2


def test_the_loss_of_networks_is_the_sum_of_their_own():
    rng = np.random.default_rng(0)
    nets = (scaled(rng, 4, 65, 10), scaled(rng, 8, 65, 10))
    x, y = jnp.asarray(rng.normal(size=(7, 65)), jnp.float32), jnp.asarray(rng.integers(0, 10, 7))
    each = entropies(predict(nets, x), y)
    own = ba.problem.cross_entropy(two_layer.predict(nets[1], x), y)
    np.testing.assert_allclose(each[:, 1], own, rtol=1e-6)
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
        ("norm-explains-width", lambda d: d.assign(product_norm=-d["product_norm"])),
        ("norm-explains-width-at-equal-loss", lambda d: d.assign(equal_product_norm=-d["equal_product_norm"])),
        ("distance-goes-with-error", lambda d: d.assign(distance=-d["distance"])),
        ("start-output-does-the-harm", lambda d: d.assign(antisymmetric_test=d["unscaled_test"])),
        ("convex-equivalence", lambda d: d.assign(objective=d["objective"] * 1.001)),
        ("convex-balance", lambda d: d.assign(imbalance=d["imbalance"] + 0.01)),
        ("small-start-small-norm", lambda d: d.assign(matrix_test=d["matrix_test"] + 0.2 * (d["k"] == 80))),
        ("noisy-factorisation", lambda d: d.assign(matrix_test=d["matrix_test"] + 0.2 * (d["noisy"] & (d["k"] == 80)))),
    ],
)
def test_a_claim_fails_where_its_sentence_is_false(made, name, broken):
    assert judged(broken(made))[name] == "fails"


def test_a_cost_without_flips_makes_memorisation_vacuous(made):
    assert judged(made.assign(best=made["best"] - 0.05))["memorization-is-free"] == "vacuous"


def test_a_width_that_does_not_fit_on_one_seed_is_not_the_threshold(made):
    assert fitting_width(made, 0.0) == 6
    one_wrong = made.copy(deep=True)
    one_wrong["train"][{"width": 0, "rate": 0, "seed": 0}] = 0.0025
    assert fitting_width(one_wrong, 0.0) == 8
    assert np.isnan(rise_beyond_fit(made.assign(train=made["train"] + 1))).all()


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
        ("lr", 0.0),
        ("seeds", 0),
        ("wide_seeds", 11),
        ("momentum", 1.0),
        ("batch", 401),
        ("steps", 150),
        ("long_steps", 4000),
        ("matrix_entries", 1600),
        ("matrix_rank", 41),
    ],
)
def test_a_slip_in_the_config_is_one_line(field, value):
    with pytest.raises(ValueError, match=field.split("_")[0]) as error:
        dataclasses.replace(Config(), **{field: value})
    assert "\n" not in str(error.value)
