"""The assay `low-rank`: its pieces by hand, the bound with stored gradients, a small run."""

import dataclasses
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from biassay.assays.low_rank import (
    CLAIMS,
    Config,
    bound_runs,
    claims,
    digits_data,
    networks,
    on_digits,
)
from biassay.assays.low_rank.figures import correlations
from biassay.claims import Claim
from biassay.problem import Batch
from biassay.references import unrolled_sgd
from small import CONFIGS
from small import run as small_run

SMALL = CONFIGS["low-rank"]

pytestmark = pytest.mark.xdist_group("low-rank")


def claim(name: str) -> Claim:
    return next(one for one in CLAIMS if one.name == name)


def repeated(data: xr.Dataset) -> xr.Dataset:
    """The small run with its seeds twice, enough of them for every claim."""
    own = [name for name in data.data_vars if "seed" in data[name].dims]
    again = data[own].assign_coords(seed=data.seed + 100)
    return xr.merge([data.drop_vars([*own, "seed"]), xr.concat([data[own], again], "seed")], join="exact")


# --- the pieces -------------------------------------------------------------------------------------------------------


def test_the_digits_are_centred_have_norm_one_and_are_split():
    data = digits_data.examples(10_000, 2, 300)
    assert data.x.shape == (2, 300, 64)
    assert data.test_x.shape == (2, 1497, 64)
    for x in (data.x, data.test_x):
        np.testing.assert_allclose(np.linalg.norm(x, axis=2), 1, rtol=1e-12)
    assert abs(data.x.mean(axis=1)).max() < 0.05
    assert not np.array_equal(data.y[0], data.y[1])


def one_network(predict, widths):
    """A problem of 60 digits and a start, in double precision."""
    data, rng = digits_data.examples(10_001, 1, 60), np.random.default_rng(10_001)
    one = jax.tree.map(lambda leaf: leaf[0], digits_data.problem(predict, data, np.float64).value)
    return one, tuple(jnp.asarray(rng.normal(size=shape) * (2 / shape[0]) ** 0.5) for shape in pairwise(widths))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("predict", [networks.predict, networks.predict_normalised])
def test_the_gradient_in_a_hidden_matrix_has_at_most_the_rank_of_the_batch(predict):
    one, params = one_network(predict, (64, 32, 32, 10))
    gradient = jax.jit(lambda params, batch: one.gradient(params, batch))

    def ranks(batch, decay):
        found = gradient(params, Batch(one.x[:batch], one.y[:batch]))
        spectra = (np.linalg.svd(g + decay * W, compute_uv=False) for g, W in zip(found[:-1], params, strict=False))
        return [int((s > 1e-12 * s[0]).sum()) for s in spectra]

    assert ranks(1, 0.0) == [1, 1]
    assert ranks(3, 0.0) == [3, 3]
    assert ranks(1, 0.1) == [32, 32], "with the decay in it the step is of full rank"


def test_the_normalised_network_does_not_see_the_size_of_its_hidden_matrices():
    params = networks.init(jax.random.key(0), (6, 8, 8, 3))
    x = jax.random.normal(jax.random.key(1), (5, 6))
    larger = (3 * params[0], 0.5 * params[1], params[2])
    normalised = networks.predict_normalised
    np.testing.assert_allclose(normalised(larger, x), normalised(params, x), atol=1e-5)
    assert abs(networks.predict(larger, x) - networks.predict(params, x)).max() > 0.1
    by_hand = np.maximum(np.maximum(x @ params[0], 0) @ params[1], 0) @ params[2]
    np.testing.assert_allclose(networks.predict(params, x), by_hand, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("x64")
def test_the_runs_of_the_bound_unroll_to_their_stored_gradients():
    """The assay's own optimiser on its own network, to 1e-12, for 1, 5 and 50 steps; with another decay not."""
    one, params = one_network(networks.predict_normalised, (64, 16, 16, 10))
    sgd = bound_runs.decayed_sgd(2, 0.2, 0.3)
    noise = sgd.noise(one, jax.random.key(3), jnp.asarray(0, jnp.int32), 50)

    @jax.jit
    def step(carry, now):
        params, state = carry
        after = sgd.step(one, params, state, now)
        return after, (params, one.gradient(params, one.batch(now[0])))

    (end, _), (weights, gradients) = jax.lax.scan(step, (params, sgd.init(one, params)), noise)
    for layer, decay in ((0, 0.3), (1, 0.3), (2, 0.3 * bound_runs.HEAD_SHARE)):
        size = np.linalg.norm(end[layer])
        for k in (1, 5, 50):
            begun, stored = np.asarray(weights[layer][-k]), np.asarray(gradients[layer][-k:])
            assert np.linalg.norm(unrolled_sgd(begun, stored, 0.2, decay) - end[layer]) <= 1e-12 * size
            assert np.linalg.norm(unrolled_sgd(begun, stored, 0.2, decay + 0.1) - end[layer]) > 1e-3 * size


def test_runs_are_read_at_equal_forgetting_times():
    config = Config()
    runs = on_digits.plan(config)
    assert [(one.batch, one.lr, one.steps) for one in runs] == [
        (4, 0.1, 25_600),
        (16, 0.1, 6400),
        (64, 0.1, 16_000),
        (4, 0.02, 80_000),
        (4, 0.3, 8000),
    ]
    times = [one.lr * on_digits.equal_time_steps(config, one.lr) for one in runs]
    np.testing.assert_allclose(times, 1600, rtol=1e-4)
    epochs = [on_digits.epoch_steps(config, one.batch) * one.batch / config.train for one in runs]
    np.testing.assert_allclose(epochs, config.epochs)
    for one in runs:
        recorded = on_digits.recording_steps(one.steps, one.read, config.records)
        assert one.read <= set(recorded)
        assert (recorded[0], recorded[-1], len(recorded)) == (0, one.steps, config.records + 1)


def test_a_diverged_run_has_no_rank():
    spectrum = np.array([[0.9, 0.4, 0.02, 1e-3], [np.nan] * 4])
    np.testing.assert_array_equal(on_digits.ranks(spectrum), [[3, 2], [np.nan, np.nan]])
    W = np.stack([np.diag([2.0, 1.0]), np.full((2, 2), np.nan)])
    np.testing.assert_array_equal(bound_runs._singular_values(W), [[2, 1], [np.nan, np.nan]])


# --- a small run ------------------------------------------------------------------------------------------------------


def test_the_small_run_is_what_it_says():
    data = small_run("low-rank")
    assert dict(data["rank"].sizes) == {"seed": 3, "run": 4, "weight_decay": 2, "record": 9, "layer": 3, "tol": 2}
    spectrum = data.spectrum.values
    np.testing.assert_allclose((spectrum**2).sum(axis=-1), 1, rtol=1e-5)
    last = np.stack([data["rank"].values[:, i, :, int(end)] for i, end in enumerate(data["last"].values)], axis=1)
    np.testing.assert_array_equal(last, on_digits.ranks(spectrum))
    assert (data["rank"].isel(tol=0) >= data["rank"].isel(tol=1)).all()
    assert (data.stable_rank >= 1).all()
    assert (data.stable_rank <= data.full_rank).all()
    start = data.isel(record=0)
    assert (start["rank"] == start["rank"].isel(run=0, weight_decay=0)).all(), "all runs of a seed start alike"


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("bound-identity", "holds"),
        ("bound-tail", "holds"),
        ("wd-lowers-rank", "holds"),
        ("epochs-confound", "holds"),
        ("steps-confound", "holds"),
        ("bound-informative", "vacuous"),
        ("rank-two", "fails"),
        ("rank-two-one-output-coarse", "holds"),
    ],
)
def test_the_small_run_shows_it_and_its_control_does_not(name, outcome):
    data, one = repeated(small_run("low-rank")), claim(name)
    verdict = one.judge(data)
    assert verdict.outcome == outcome, verdict
    swapped = dataclasses.replace(one, measure=one.control, control=one.measure).judge(data)
    assert swapped.outcome != "holds", swapped
    if outcome == "holds":
        low, high = one.region
        assert not low <= swapped.value <= high


def test_there_is_no_marked_effect_at_equal_forgetting_times():
    data = repeated(small_run("low-rank"))
    for name in ("batch-effect-size", "lr-effect-size"):
        assert claim(name).judge(data).outcome in ("fails", "unclear")


def test_a_real_effect_would_be_seen():
    """The ranks of the smaller batch lowered by hand, at equal lr wd T too: both claims on batches hold."""
    data = repeated(small_run("low-rank")).copy(deep=True)
    data["rank"] = data["rank"] - xr.where(data.batch == 4, 4.0, 0.0) * (data.weight_decay > 0) * (data.steps > 0)
    for name in ("batch-effect", "batch-effect-size"):
        verdict = claim(name).judge(data)
        assert verdict.outcome == "holds", verdict
    assert claim("epochs-confound").judge(data).outcome == "vacuous", "then it is no confound"


@pytest.mark.parametrize("what", ["batch", "lr"])
def test_a_difference_that_is_there_without_decay_too_is_no_effect_of_it(what):
    data = repeated(small_run("low-rank")).copy(deep=True)
    low, _ = claims.compared(data, what)
    data["rank"] = data["rank"] - xr.where(data.run == low, 12.0, 0.0) * (data.steps > 0)
    for name in (f"{what}-effect", f"{what}-effect-size"):
        verdict = claim(name).judge(data)
        assert (verdict.outcome, verdict.reason) == ("vacuous", "the control satisfies the claim too"), verdict


def test_runs_that_do_not_learn_are_not_judged():
    data = repeated(small_run("low-rank")).copy(deep=True)
    data["train"] = 0 * data.train + 0.5
    for name in ("wd-lowers-rank", "batch-effect", "lr-effect", "epochs-confound", "steps-confound", "rank-two"):
        assert claim(name).judge(data).outcome == "vacuous"


def test_a_bound_below_full_rank_on_a_network_that_learns_would_be_told():
    data = small_run("low-rank").copy(deep=True)
    data["bound_of_rank"] = xr.where(data.bound_decay > 0, 0.5 * data.bound_full_rank, data.bound_of_rank)
    data["bound_train"] = 0 * data.bound_train + 1
    assert claim("bound-informative").judge(data).outcome == "holds"


def two_decayed_runs(shares: tuple[float, float], trains: tuple[float, float]) -> xr.Dataset:
    """One matrix of full rank 1000 and the batch size 1, three seeds alike; 2000 steps, without decay none forgotten.

    shares: bound / full rank of the two decays; trains: their train accuracies.
    """
    bound, train = np.array([2001, *(1000 * share for share in shares)]), np.array([1.0, *trains])
    return xr.Dataset(
        {
            "bound_of_rank": (("bound_batch", "bound_seed", "bound_decay", "bound_layer"), [[bound[:, None]] * 3]),
            "bound_train": (("bound_batch", "bound_seed", "bound_decay"), [[train] * 3]),
            "bound_full_rank": ("bound_layer", [1000]),
        },
        coords={"bound_batch": [1], "bound_step": np.arange(2001)},
    )


@pytest.mark.parametrize(
    ("shares", "trains", "least", "outcome"),
    [
        ((0.6, 0.3), (0.98, 0.1), 0.6, "holds"),
        ((0.6, 0.3), (0.98, 0.97), 0.3, "holds"),
        ((1.2, 0.3), (0.98, 0.1), 1.0, "fails"),
        ((2.001, 0.3), (0.98, 0.1), 1.0, "fails"),
        ((0.6, 0.3), (0.5, 0.1), 1.0, "vacuous"),
    ],
)
def test_the_least_bound_is_that_of_the_runs_that_learn(shares, trains, least, outcome):
    data = two_decayed_runs(shares, trains)
    np.testing.assert_allclose(claims.least_share(data), least)
    assert claim("bound-informative").judge(data).outcome == outcome


def test_where_nothing_is_forgotten_there_is_no_bound():
    """Fewer steps than full rank: B (T + 1) lies below it and bounds nothing, since the start is not forgotten."""
    data = two_decayed_runs((0.6, 0.3), (0.98, 0.98)).isel(bound_step=slice(600))
    np.testing.assert_allclose(claims.bound_share(data).squeeze()[0], [1, 1, 0.3])


def test_the_bound_is_above_the_rank_it_bounds():
    data = small_run("low-rank")
    forgotten = data.bound_of_rank < data.bound_batch * data.sizes["bound_step"]
    decayed = forgotten.isel(bound_decay=slice(1, None))
    assert decayed.any(), "some run has a bound"
    assert (data.bound_rank <= data.bound_of_rank).where(forgotten, True).all()
    assert not forgotten.isel(bound_decay=0).any(), "without decay nothing is forgotten"
    assert (claims.bound_share(data).isel(bound_decay=0) == 1).all()
    # A replay of the decayed bound against the ranks without decay: there it is no bound.
    replay = data.bound_of_rank.isel(bound_decay=-1).where(decayed.isel(bound_decay=-1))
    assert (data.bound_rank.isel(bound_decay=0) > replay).any()


def test_the_correlation_of_rank_and_accuracy():
    data = small_run("low-rank").copy(deep=True)
    data["test"] = 1 - data["rank"].sel(tol=0.01).mean("layer") / 100
    np.testing.assert_allclose(correlations(data), -1)
    data["test"] = 1 - data["test"]
    np.testing.assert_allclose(correlations(data), 1)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seeds", 0),
        ("train", 1797),
        ("width", 0),
        ("records", 3),
        ("lr", 0.0),
        ("weight_decays", (1e-3, 1e-2)),
        ("weight_decays", (0.0,)),
        ("judged_decay", 0.5),
        ("batches", (4,)),
        ("batches", (64, 4)),
        ("batches", (4, 4000)),
        ("lrs", (0.2, 0.3)),
        ("lrs", (0.02,)),
        ("identity_decays", (0.0, 5.0)),
        ("identity_batches", (256,)),
        ("identity_steps", 5),
        ("weight_decays", (0.0, 1e-3, 3e-3, 1e-2, 2e-2, 3e-2)),
        ("batches", (2, 4, 8, 16, 32)),
        ("cifar_batches", (1, 2, 4, 8, 16, 32, 64)),
        ("cifar_decays", (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 2e-2, 3e-2)),
        ("cifar_networks", ("resnet-99",)),
        ("cifar_networks", ("mlp", "mlp")),
        ("cifar_channels", 0.0),
        ("cifar_layers", 1),
        ("cifar_drops", (10, 5)),
        ("cifar_epochs", 9),
        ("cifar_batches", (4, 50_001)),
        ("cifar_lrs", ()),
    ],
)
def test_a_config_refuses_in_one_line(name, value):
    with pytest.raises(ValueError, match=name) as error:
        Config(**{name: value})
    assert "\n" not in str(error.value)
