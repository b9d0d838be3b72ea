"""The assay `adversarial-init`: its pieces by hand, its refusals, and a small run from end to end."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from biassay import SGD
from biassay.assays.adversarial_init import ASSAY, Config, claims, on_digits, run, toy
from biassay.models import mlp
from biassay.probes import distance, norm
from biassay.problem import Batch, Problem, cross_entropy
from small import CONFIGS
from small import run as small_run

SMALL = CONFIGS["adversarial-init"]

pytestmark = pytest.mark.xdist_group("adversarial-init")


# --- the pieces -------------------------------------------------------------------------------------------------------


def test_norm_matching_gives_every_leaf_the_norm_of_its_target():
    start = mlp.init(jax.random.key(0), (64, 32, 10))
    target = jax.tree.map(lambda leaf: 3 * leaf + 0.5, mlp.init(jax.random.key(1), (64, 32, 10)))
    matched = on_digits.norm_matched(start, target)
    for leaf, own, other in zip(*map(jax.tree.leaves, (matched, start, target)), strict=True):
        if float(norm(own)) == 0:
            assert float(norm(leaf)) == 0
        else:
            assert float(norm(leaf)) == pytest.approx(float(norm(other)), rel=1e-6)
            np.testing.assert_allclose(leaf / norm(leaf), own / norm(own), atol=1e-6)
    assert float(distance(matched, start)) > 1


def _one_step(problem: Problem, params: mlp.MLP, velocity: mlp.MLP, dynamics: SGD) -> tuple[mlp.MLP, mlp.MLP]:
    state = dynamics.init(problem, params)._replace(velocity=velocity)
    after, state = dynamics.step(problem, params, state, (jnp.arange(5), None))
    return after, state.velocity


def test_a_step_with_momentum_and_weight_decay_is_the_hand_written_one():
    x, y = jax.random.normal(jax.random.key(0), (5, 8, 8, 1)), jnp.arange(5)
    problem = Problem(mlp.predict, x, y, cross_entropy)
    params = mlp.init(jax.random.key(1), (64, 16, 10))
    velocity = mlp.init(jax.random.key(2), (64, 16, 10))
    gradient = problem.gradient(params)
    after, moved = _one_step(problem, params, velocity, SGD(0.05, 5, momentum=0.9, weight_decay=0.01))
    expected = jax.tree.map(lambda v, g, w: 0.9 * v + g + 0.01 * w, velocity, gradient, params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), moved, expected)
    jax.tree.map(lambda a, w, v: np.testing.assert_allclose(a, w - 0.05 * v, atol=1e-6), after, params, expected)


def test_momentum_and_weight_decay_of_zero_are_no_momentum_and_no_weight_decay():
    x, y = jax.random.normal(jax.random.key(0), (5, 8, 8, 1)), jnp.arange(5)
    problem = Problem(mlp.predict, x, y, cross_entropy)
    params = mlp.init(jax.random.key(1), (64, 16, 10))
    still = jax.tree.map(jnp.zeros_like, params)
    with_zeros, _ = _one_step(problem, params, still, SGD(0.05, 5, momentum=0.0, weight_decay=0.0))
    plain = jax.tree.map(lambda w, g: w - 0.05 * g, params, problem.gradient(params))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-7), with_zeros, plain)


def test_the_stop_rule_counts_checks_at_which_every_seed_fits():
    rule = on_digits.Fitted(3)
    checks = [[1, 1], [1, 0.99], [1, 1], [0.5, 1], [1, 1]]
    assert [rule({"train": np.array(train)}) for train in checks] == [False, False, False, False, True]


def test_a_seed_whose_set_cannot_be_fitted_draws_another():
    settings = dataclasses.replace(_settings(), replication=10, fraction=0.1)
    data = on_digits.splits(settings, 20, 1)
    sets, draws = on_digits.confusion_sets(settings, data)
    assert sets.x.shape == (3, 200, 8, 8, 1)
    assert 1 == draws.min() < draws.max()
    np.testing.assert_array_equal(on_digits.attainable(sets), 1)
    first = on_digits.attainable(on_digits.drawn_sets(settings, data, np.zeros(3, int)))
    np.testing.assert_array_equal(draws > 1, first < 1)


def test_fewer_copies_are_the_first_ones():
    settings = dataclasses.replace(_settings(), replication=5)
    data = on_digits.splits(settings, 7, 1)
    sets, _ = on_digits.confusion_sets(settings, data)
    fewer = on_digits.first_copies(sets, 5, 2)
    assert fewer.y.shape == (3, 14)
    np.testing.assert_array_equal(fewer.x[:, 2:4], sets.x[:, 5:7])
    np.testing.assert_array_equal(fewer.y[:, 2:4], sets.y[:, 5:7])


def _settings() -> on_digits.Settings:
    return on_digits.Settings(
        seed=10_000,
        seeds=3,
        batch=32,
        replication=1,
        fraction=0.3,
        pretrain_lr=0.1,
        pretrain_epochs=1,
        lr=0.01,
        check_epochs=1,
        max_epochs=1,
        checks=1,
        regularisers={},
        effective_lr=0.1,
        epochs=1,
    )


# --- the toy ----------------------------------------------------------------------------------------------------------


def test_the_bayes_line_has_length_one_and_no_disagreement():
    x0, x1 = toy.grid()
    line = jnp.broadcast_to(x0 > toy.CENTRE, (len(x1), len(x0)))
    assert float(toy.boundary_length(line)) == 1
    assert float(toy.disagreement(line, jnp.asarray(x0))) == 0
    assert float(toy.disagreement(~line, jnp.asarray(x0))) == 1
    level = jnp.broadcast_to((x1 > 0)[:, None], (len(x1), len(x0)))
    assert float(toy.boundary_length(level)) == pytest.approx(3.05 / 2)
    assert float(toy.boundary_length(jnp.zeros((200, 300), bool))) == 0


def test_the_clouds_are_separated_by_the_bayes_line():
    x, y = toy.clouds(jax.random.key(0), 2000)
    assert int((y == 1).sum()) == 1000
    np.testing.assert_allclose(x[y == 1].mean(0), [0.85, 0.2], atol=0.02)
    np.testing.assert_allclose(x[y == -1].mean(0), [-0.45, 0.2], atol=0.02)
    np.testing.assert_allclose(x[y == 1].std(0), 0.15, atol=0.01)
    assert float(((x[:, 0] > toy.CENTRE) == (y == 1)).mean()) == 1


def test_copies_stay_near_their_point_and_keep_its_label():
    points = Batch(jnp.arange(2000.0).reshape(1000, 2), jnp.where(jnp.arange(1000) < 500, -1, 1))
    x, y = toy.with_copies(jax.random.key(0), points, 2, 0.1)
    np.testing.assert_array_equal(x[:1000], points.x)
    np.testing.assert_array_equal(y, np.tile(points.y, 3))
    away = np.asarray(x[1000:] - jnp.tile(points.x, (2, 1)))
    assert away.std() == pytest.approx(0.1, rel=0.05)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("replication", 0),
        ("fraction", 1.1),
        ("lr", -1.0),
        ("pretrain_lr", 0.0),
        ("seeds", 0),
        ("train", 0),
        ("test", 1700),
        ("batch", 201),
        ("toy_batch", 0),
        ("momentum", 1.0),
        ("weight_decay", -0.1),
        ("max_epochs", 5),
        ("cnn_channels", (1, 0, 1)),
        ("toy_points", 1),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line_that_names_it(field, value):
    with pytest.raises(ValueError, match=field) as error:
        dataclasses.replace(Config(), **{field: value})
    assert "\n" not in str(error.value)


def test_a_confusion_set_that_cannot_be_fitted_is_refused_before_training():
    with pytest.raises(ValueError, match=r"at most 0\.99\d\d of the confusion set can be fitted"):
        run(Config(seed=10_000, seeds=2, fraction=0.1))


# --- from end to end --------------------------------------------------------------------------------------------------


def test_the_labels_beyond_scale_stand_beside_the_gap():
    names = [claim.name for claim in ASSAY.claims]
    gap = names.index("bad-minimum")
    assert names[gap : gap + 4] == ["bad-minimum", "bad-minimum-every-seed", "labels-beyond-scale", "scale-share"]


def test_a_small_run_from_end_to_end(tmp_path):
    small = small_run("adversarial-init")
    assert small.test.dims == ("seed", "setup")
    assert {"S0", "S1", "C", "S2", "NC1", "NC2"} <= set(small.setup.values)
    assert all(f"{start}[{pair}]" in small.setup.values for start in ("S0", "S3") for pair in claims.PAIRS)
    assert all("long_name" in small[name].attrs and "units" in small[name].attrs for name in small.data_vars)

    adversarial = small.sel(setup="C")
    np.testing.assert_array_equal(adversarial.d_adv, 0)
    assert (adversarial.d_init > 1).all()
    assert (small.d_init.sel(setup="S0") < small.d_adv.sel(setup="S0")).all()
    assert (adversarial.fit > adversarial.train).all()

    verdicts = {verdict.claim: verdict for verdict in ASSAY.judge(small)}
    assert verdicts["attainable"].value == 1
    assert math.isfinite(verdicts["bad-minimum"].value)
    assert all(verdict.n == 2 for verdict in verdicts.values())

    small.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as stored:
        names = [figure.name for figure in ASSAY.figures(stored)]
    assert len(set(names)) == len(names) >= 4


def test_a_run_is_reproducible_and_a_seed_is_the_same_alone():
    settings = _settings()
    both, alone = (
        on_digits.confusion_sets(one, on_digits.splits(one, 20, 5))[0]
        for one in (settings, dataclasses.replace(settings, seed=10_001, seeds=1))
    )
    np.testing.assert_array_equal(both.x[1], alone.x[0])
    np.testing.assert_array_equal(both.y[1], alone.y[0])


# --- the claims on made-up data ---------------------------------------------------------------------------------------


def _made_up(**test: float) -> xr.Dataset:
    """A dataset in which all set-ups fit and have these test accuracies, +-0.001 over 8 seeds."""
    regularised = [f"{start}[{name}]" for start in ("S0", "S3") for name in ("none", *claims.PAIRS)]
    names = ["S0", "S2", "NC1", "NC2", *regularised]
    values = [test.get(name, 0.93) + 1e-3 * np.linspace(-1, 1, 8) * (index % 2) for index, name in enumerate(names)]
    return xr.Dataset(
        {"test": (("seed", "setup"), np.transpose(values)), "fit": (("seed", "setup"), np.ones((8, len(names))))},
        {"seed": np.arange(8), "setup": names},
    )


def _judge(name: str, data: xr.Dataset) -> str:
    return next(claim for claim in ASSAY.claims if claim.name == name).judge(data).outcome


def test_any_two_suffice_holds_fails_and_is_vacuous_where_it_should():
    stuck = {"S3[none]": 0.85}
    repaired = _made_up(**stuck)
    assert _judge("any-two-suffice", repaired) == "holds"
    assert _judge("any-two-suffice", _made_up(S0=0.9, S2=0.7)) == "vacuous"
    one_pair_stuck = _made_up(**stuck, **{"S3[DA+M]": 0.88})
    assert _judge("any-two-suffice", one_pair_stuck) == "fails"
    one_pair_unfitted = repaired.copy(deep=True)
    one_pair_unfitted["fit"].loc[{"setup": "S3[DA+L2]"}] = 0.99
    assert _judge("any-two-suffice", one_pair_unfitted) == "vacuous"
    one_pair_unfitted["test"].loc[{"setup": "S3[DA+M]"}] -= 0.05
    assert _judge("any-two-suffice", one_pair_unfitted) == "fails"
    assert _judge("repair-da-l2", one_pair_unfitted) == "vacuous"


def test_a_repair_is_vacuous_where_the_start_is_forgotten_without_regularisers():
    assert _judge("repair-m-l2", _made_up(**{"S3[none]": 0.85})) == "holds"
    assert _judge("repair-m-l2", _made_up(S2=0.7)) == "vacuous"
    assert _judge("repair-m-l2", _made_up(**{"S3[none]": 0.85, "S3[M+L2]": 0.9})) == "fails"


def test_attainable_fails_where_a_first_draw_collides():
    sets = xr.Dataset({"attainable": ("seed", np.ones(4)), "attainable_colliding": ("seed", np.full(4, 0.99))})
    assert _judge("attainable", sets) == "holds"
    sets.attainable[2] = 0.999
    assert _judge("attainable", sets) == "fails"


def test_the_gap_is_vacuous_where_the_control_loses_as_much():
    assert _judge("bad-minimum", _made_up(S0=0.9, S2=0.7, NC1=0.9)) == "holds"
    assert _judge("bad-minimum", _made_up(S0=0.9, S2=0.85, NC1=0.9)) == "fails"
    assert _judge("bad-minimum", _made_up(S0=0.9, S2=0.7, NC1=0.75)) == "vacuous"
    assert _judge("bad-minimum", _made_up(S0=0.9, S2=0.7, NC1=0.85)) == "unclear"


def test_scale_and_labels_share_the_gap():
    mostly_scale = _made_up(S0=0.9, S2=0.7, NC1=0.9, NC2=0.75)
    assert _judge("labels-beyond-scale", mostly_scale) == "holds"
    assert _judge("scale-share", mostly_scale) == "holds"
    assert _judge("scale-share", _made_up(S0=0.9, S2=0.7, NC1=0.9, NC2=0.88)) == "fails"
    assert _judge("scale-share", _made_up(S0=0.9, S2=0.7, NC1=0.75, NC2=0.75)) == "vacuous"
    assert _judge("labels-beyond-scale", _made_up(S0=0.9, S2=0.7, NC1=0.9, NC2=0.69)) == "fails"
