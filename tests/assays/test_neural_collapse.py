"""The assay neural-collapse: its data and networks against what they must be, and its claims, which can all turn."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import small
from biassay.assays.neural_collapse import ASSAY, Config
from biassay.assays.neural_collapse.claims import BASE, last_change
from biassay.assays.neural_collapse.figures import along_the_way, ends
from biassay.assays.neural_collapse.network import MEASURES, PROBES, Drops, features, network
from biassay.assays.neural_collapse.training import arms, dynamics, he_start, problems, start, trained
from biassay.data import digits
from biassay.dynamics import SGD, ProjectedSGD
from biassay.problem import Problem, squared_error

SMALL = small.CONFIGS["neural-collapse"]
CLAIMS = {claim.name: claim for claim in ASSAY.claims}

pytestmark = pytest.mark.xdist_group("neural-collapse")


@pytest.fixture(scope="module")
def data():
    return small.run("neural-collapse")


@pytest.fixture(scope="module")
def drawn():
    return problems(SMALL).value


def of_seed(tree, seed=0):
    return jax.tree.map(lambda leaf: leaf[seed], tree)


# --- data, starts and networks ----------------------------------------------------------------------------------------


def test_every_class_has_as_many_images_and_no_image_is_both_trained_on_and_held_out(drawn):
    x, y, test = np.asarray(drawn.x), np.asarray(drawn.y), drawn.test
    assert x.shape == (SMALL.seeds, SMALL.images, 64)
    np.testing.assert_array_equal(y.sum(axis=1), SMALL.images / 10)
    np.testing.assert_array_equal(y.sum(axis=2), 1)
    for images in (x, np.asarray(test.x)):
        np.testing.assert_allclose(np.linalg.norm(images, axis=2), 1, rtol=1e-5)
    assert test.y.shape == (SMALL.seeds, digits.TOTAL - SMALL.images)
    everything = np.concatenate([x[0], np.asarray(test.x)[0]])
    assert len(np.unique(everything.round(5), axis=0)) == digits.TOTAL
    counts = np.bincount(test.y[0]) + SMALL.images // 10
    np.testing.assert_array_equal(counts, np.bincount(digits._all()[1]))
    assert not np.array_equal(x[0], x[1])


def test_the_mean_image_is_that_of_the_training_images():
    """The raw training images minus their mean have the directions of the inputs."""
    config = dataclasses.replace(SMALL, seeds=1)
    x = np.asarray(problems(config).value.x)[0]
    raw, labels = digits._all()
    raw = raw.reshape(digits.TOTAL, -1)
    cosines = (raw - raw.mean(axis=0)) / np.linalg.norm(raw - raw.mean(axis=0), axis=1, keepdims=True) @ x.T
    source = cosines.argmax(axis=0)
    assert len(np.unique(source)) == SMALL.images, "the mean over all digits is near enough to recognise each"
    own = raw[source] - raw[source].mean(axis=0)
    np.testing.assert_allclose(own / np.linalg.norm(own, axis=1, keepdims=True), x, atol=1e-5)
    np.testing.assert_array_equal(labels[source], np.asarray(problems(config).value.y)[0].argmax(axis=1))


def test_the_starts_have_the_same_directions_and_he_is_what_it_says():
    config = Config(seed=10_000, seeds=2)
    he, scaled = he_start(config), start(he_start(config), config.scale).value
    for W, own, fan in zip(he, scaled, (64, 128, 128, 128), strict=True):
        assert W.std() == pytest.approx((2 / fan) ** 0.5, rel=0.05)
        np.testing.assert_allclose(np.linalg.norm(own, axis=(1, 2)), config.scale, rtol=1e-5)
        np.testing.assert_allclose(own / config.scale, W / np.linalg.norm(W, axis=(1, 2), keepdims=True), atol=1e-5)
    assert [W.shape[1:] for W in he] == [(128, 64), (128, 128), (128, 128), (10, 128)]
    assert not np.allclose(he[0][0], he[0][1])


def test_the_network_is_homogeneous_in_every_layer(drawn):
    """f_W = rho f_V with rho the product of the norms; with biases, here a shift of the features, it is not."""
    W = of_seed(start(he_start(SMALL)).value)
    r = [float(jnp.linalg.norm(layer)) for layer in W]
    V = tuple(layer / own for layer, own in zip(W, r, strict=True))
    x = drawn.x[0]
    np.testing.assert_allclose(network(W, x), np.prod(r) * network(V, x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network(W, x), features(W, x) @ W[-1].T, rtol=1e-6)
    shifted = np.prod(r) * (features(V, x) + 1) @ V[-1].T
    assert np.abs((features(W, x) + 1) @ W[-1].T - shifted).max() > 0.1


def test_the_step_size_drops():
    lr = Drops(0.02, jnp.asarray([50, 80]), 0.1)
    found = [float(lr(jnp.asarray(step))) for step in (0, 49, 50, 79, 80, 99)]
    np.testing.assert_allclose(found, [0.02, 0.02, 0.002, 0.002, 0.0002, 0.0002], rtol=1e-6)


def test_the_arms_differ_in_what_their_names_say():
    config = Config()
    rules = {name: dynamics(config, arm) for name, arm in arms(config).items()}
    for name, rule in rules.items():
        assert isinstance(rule, ProjectedSGD if name.startswith("normalised") else SGD)
        decay = {"no decay": 0.0, "decay": config.decay, "strong decay": config.strong_decay}[name.split(", ")[1]]
        assert rule.weight_decay == decay
        assert (rule.batch_size, rule.sampling, rule.momentum) == (100, "independent", 0.9)
    normalised = rules["normalised, decay"]
    assert float(normalised.lr_scale(jnp.asarray(0))) == pytest.approx(0.02)
    assert float(normalised.lr_direction(jnp.asarray(0))) == pytest.approx(0.02 / 25)
    assert np.asarray(normalised.lr_scale.at).tolist() == [6000, 9600]
    assert {name: arm.small for name, arm in arms(config).items()} == {
        "plain, no decay": False,
        "plain, decay": False,
        "plain, strong decay": False,
        "small start, no decay": True,
        "normalised, no decay": True,
        "normalised, decay": True,
    }


def test_what_is_recorded_of_the_outputs():
    """On outputs that are given, own 0.9 and others 0.02 and -0.01 in turns, by relu(x) - relu(-x) = x."""
    y = jnp.eye(10)[jnp.arange(20) % 10]
    f = jnp.where(y == 1, 0.9, jnp.where(jnp.arange(20)[:, None] % 2 == 0, 0.02, -0.01))
    both = jnp.concatenate([jnp.eye(10), -jnp.eye(10)])
    found = np.asarray(PROBES["outputs"](Problem(network, f, y, squared_error), (both, both.T)))
    np.testing.assert_allclose(found, [0.9, 0.005, 0.015], rtol=1e-5)


# --- what the small run must show -------------------------------------------------------------------------------------


def test_shapes_and_words(data):
    assert data["nc1"].dims == ("seed", "arm", "step")
    assert data["layer_norm"].dims == ("seed", "arm", "step", "layer")
    assert data["cosine"].shape == (SMALL.seeds, 6, 10, 10)
    assert list(data["arm"].values) == list(arms(SMALL))
    assert data["weight_decay"].values.tolist() == [arm.decay for arm in arms(SMALL).values()]
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())
    assert not data["diverged"].any()
    assert int(data["first_drop"]) == SMALL.steps // 2


def test_all_arms_begin_with_the_same_features_but_for_their_scale(data):
    """No measure sees the scale of a layer, so that all arms agree before training, and none after it."""
    for name in MEASURES:
        first, last = (data[name].isel(step=step).transpose("seed", "arm").values for step in (0, -1))
        np.testing.assert_allclose(first, first[:, :1].repeat(6, axis=1), rtol=2e-3, atol=1e-6)
        if name != "nc4":
            assert (np.ptp(last, axis=1) > 0.01 * last.max(axis=1)).all(), name


def test_every_network_fits_its_images(data):
    assert (data["train_accuracy"].isel(step=-1) > 0.98).all()
    assert (data["risk"].isel(step=-1) < 0.1 * data["risk"].isel(step=0)).all()
    assert (data["test_accuracy"].isel(step=-1) > 0.8).all()


def test_normalised_layers_keep_one_scale(data):
    """Equal norms in all layers to rounding; plain SGD without decay from the same weights does not keep them equal."""
    spread = data["layer_norm"].max("layer") / data["layer_norm"].min("layer") - 1
    assert (spread.sel(arm=["normalised, no decay", "normalised, decay"]) < 1e-3).all()
    assert (spread.sel(arm="small start, no decay").isel(step=-1) > 2e-3).all()


def test_the_cosines_are_those_of_the_measures(data):
    i, j = np.triu_indices(10, 1)
    pairs = data["cosine"].transpose("arm", "seed", "digit", "other_digit").values[..., i, j]
    error, spread = np.abs(pairs + 1 / 9).mean(axis=-1), pairs.std(axis=-1)
    np.testing.assert_allclose(error, data["mean_angles"].isel(step=-1).transpose("arm", "seed").values, rtol=1e-3)
    np.testing.assert_allclose(spread, data["mean_cosines"].isel(step=-1).transpose("arm", "seed").values, rtol=1e-3)


def test_decay_and_start_tell_apart_what_they_must(data):
    """NC3 by decay, NC1 by decay and by the start, also at this size."""
    end = data.isel(step=-1)
    assert (end["nc3"].sel(arm="plain, decay") < 0.5 * end["nc3"].sel(arm="small start, no decay")).all()
    for arm in ("plain, decay", "small start, no decay", "normalised, no decay"):
        assert (end["nc1_quotient"].sel(arm=arm) < 0.7 * end["nc1_quotient"].sel(arm=BASE)).all()
    fits = end["nc3_zhu"]
    assert (fits.sel(arm=BASE) < 0.1).all(), "small without decay: a claim on it could not fail"
    assert (end["nc4"] < 0.05).all()


# --- the claims -------------------------------------------------------------------------------------------------------

TYPICAL = {
    "nc1_quotient": {BASE: 0.4, "plain, decay": 0.013, "normalised, no decay": 0.3, "small start, no decay": 0.014},
    "nc3": {
        BASE: 0.95,
        "plain, decay": 0.08,
        "plain, strong decay": 0.07,
        "normalised, no decay": 0.33,
        "normalised, decay": 0.07,
    },
    "etf": {"plain, decay": 0.05, "plain, strong decay": 0.04},
}
"""Values at the end with which every claim holds."""


def told(data: xr.Dataset, **changes: dict[str, float]) -> xr.Dataset:
    """Six seeds with the typical values at the end, or those of `changes`."""
    found = xr.concat([data.isel(seed=0)] * 6, "seed").assign_coords(seed=np.arange(6)).copy(deep=True)
    found = found.assign_coords(step=np.linspace(0, SMALL.steps, found.sizes["step"]))
    for name in TYPICAL:
        for arm, value in (TYPICAL[name] | changes.get(name, {})).items():
            found[name].loc[{"arm": arm, "step": found["step"][-1]}] = value
    settled = found["etf"].sel(arm="plain, strong decay").copy()
    settled[:, 1:-1] = 0.041
    found["etf"].loc[{"arm": "plain, strong decay"}] = settled
    return found


def test_every_claim_can_hold(data):
    assert {name: claim.judge(told(data)).outcome for name, claim in CLAIMS.items()} == dict.fromkeys(CLAIMS, "holds")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("nc1", {"nc1_quotient": {"plain, decay": 0.3}}),
        ("nc3", {"nc3": {"plain, decay": 0.33, "normalised, no decay": 0.34}}),
        ("nc3-needs-wd", {"nc3": {BASE: 0.33}}),
        ("nc3-normalised", {"nc3": {"normalised, decay": 0.33}}),
        ("nc1-needs-wd", {"nc1_quotient": {"normalised, no decay": 0.008}}),
        ("nc1-from-small-start", {"nc1_quotient": {"small start, no decay": 0.4}}),
        ("nc2", {"etf": {"plain, decay": 0.25}}),
        ("nc2-at-rest", {"etf": {"plain, strong decay": 0.25}}),
    ],
)
def test_a_claim_fails_where_its_result_is_that_of_a_control(data, name, change):
    assert CLAIMS[name].judge(told(data, **change)).outcome == "fails"


@pytest.mark.parametrize(
    ("name", "change", "outcome"),
    [
        ("nc3", {"nc3": {"normalised, no decay": 0.1}}, "vacuous"),
        ("nc3-needs-wd", {"nc3": {"plain, decay": 0.3}}, "unclear"),
        ("nc1-needs-wd", {"nc1_quotient": {"plain, decay": 0.2}}, "vacuous"),
        ("nc3-normalised", {"nc3": {"normalised, no decay": 0.1}}, "vacuous"),
        ("nc1", {"nc1_quotient": {BASE: 100.0}}, "vacuous"),
    ],
)
def test_a_control_that_controls_nothing(data, name, change, outcome):
    assert CLAIMS[name].judge(told(data, **change)).outcome == outcome


def test_one_seed_outside_is_enough(data):
    found = told(data)
    found["nc3"].loc[{"seed": 3, "arm": "plain, decay", "step": found["step"][-1]}] = 0.2
    assert CLAIMS["nc3"].judge(found).outcome == "fails"
    found["nc3"].loc[{"seed": 3, "arm": "plain, decay", "step": found["step"][-1]}] = np.nan
    verdict = CLAIMS["nc3"].judge(found)
    assert (verdict.outcome, verdict.diverged) == ("unclear", 1)


def test_rest_is_judged_before_the_first_drop(data):
    """From the first record in the last third of the steps before the drop to the last of them."""
    found = told(data)
    found = found.isel(step=slice(None, 5)).assign_coords(step=[0.0, 700.0, 900.0, 1000.0, 2000.0], first_drop=1000)
    path = np.array([0.7, 0.5, 0.3, 0.2, 0.1])
    found["etf"].loc[{"arm": "plain, decay"}] = path
    np.testing.assert_allclose(last_change(found, "plain, decay"), 0.6)
    assert np.isnan(last_change(found.assign_coords(first_drop=300), "plain, decay")).all()
    found["etf"].loc[{"arm": "plain, strong decay"}] = path
    assert CLAIMS["nc2-at-rest"].judge(found).outcome == "vacuous"
    unknown = found.assign_coords(first_drop=300)
    assert CLAIMS["nc2-at-rest"].judge(unknown).outcome == "vacuous"
    assert "was not recorded" in ends(unknown).caption
    found["etf"].loc[{"arm": "plain, strong decay", "seed": slice(0, 1)}] = np.array([0.7, 0.5, 0.3, 0.49, 0.1])
    assert "changed by 60.0% at most, and by at most 5% on 2 of 6 seeds" in ends(found).caption


def test_the_caption_counts_the_runs_in_a_range(data):
    caption = along_the_way(told(data)).caption
    assert (
        "In the range of NC3: of 6 runs each: plain, decay (6); plain, strong decay (6); normalised, decay (6)"
        in caption
    )
    few = told(data)
    few["nc3"].loc[{"seed": [0, 1], "arm": "plain, decay", "step": few["step"][-1]}] = 0.2
    assert "In the range of NC3: of 6 runs each: plain, decay (4); plain" in along_the_way(few).caption
    outside = {"etf": dict.fromkeys(("plain, decay", "plain, strong decay"), 0.3)}
    assert "In the range of NC2: no run." in along_the_way(told(data, **outside)).caption


@pytest.mark.nightly
def test_the_default_size():
    """Numbers measured once on another seed, here on two seeds that judge nothing."""
    end = trained(Config(seed=10_000, seeds=2)).isel(step=-1).mean("seed")
    expected = {
        ("nc1_quotient", BASE): 0.42,
        ("nc1_quotient", "plain, decay"): 0.0133,
        ("nc1_quotient", "normalised, no decay"): 0.0083,
        ("etf", "plain, decay"): 0.259,
        ("nc3", BASE): 0.947,
        ("nc3", "plain, decay"): 0.077,
        ("nc3", "normalised, no decay"): 0.334,
    }
    for (name, arm), value in expected.items():
        assert float(end[name].sel(arm=arm)) == pytest.approx(value, rel=0.25), (name, arm)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": 505}, "images must be a multiple of 10 in 20..1700, as many a class, got 505"),
        ({"images": 1800}, "images must be a multiple of 10"),
        ({"hidden": ()}, r"hidden needs one or more widths from 10 on, got \(\)"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0.0"),
        ({"decay": float("inf")}, "decay must be positive and finite, got inf"),
        ({"strong_decay": 1e-3}, r"strong_decay must exceed decay \(0.002\), got 0.001"),
        ({"drops": (0.8, 0.5)}, r"drops must rise and lie between 0 and 1, got \(0.8, 0.5\)"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"batch": 501}, r"batch must lie in 1..500 \(the images\), got 501"),
        ({"records": 0}, r"records must lie in 1..steps \(12000\), got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
    ],
)
def test_config_errors(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)
