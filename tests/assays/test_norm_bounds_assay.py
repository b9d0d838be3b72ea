"""The assay `norm-bounds`: its small run, its claims and what makes them fail, refusals, CIFAR-10 from the archive."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.assays.norm_bounds import ASSAY, Config, jacobian, measures, on_cifar, run, training
from biassay.assays.norm_bounds.claims import PADDED, furthest_from_one
from biassay.assays.norm_bounds.networks import DENSE, DESIGNS, convolutional_weights, dense
from biassay.data.cifar10 import Images
from biassay.errors import UserError
from biassay.models import plain_cnn
from biassay.references import norm_bounds
from small import CONFIGS
from small import run as small_run
from tiny_cifar import batches, write_archive

SMALL = CONFIGS["norm-bounds"]
CLAIMS = {claim.name: claim for claim in ASSAY.claims}
EXPECTED = dict.fromkeys(CLAIMS, "holds") | {"conv-tighter-everywhere": "fails", "informative": "fails"}
CNNS = list(DESIGNS)


@pytest.fixture(scope="module")
def data():
    return small_run("norm-bounds")


def judged(name, data):
    return dataclasses.replace(CLAIMS[name], min_seeds=1).judge(data).outcome


# --- the networks -----------------------------------------------------------------------------------------------------


def test_images_are_centred_and_of_unit_norm():
    found = training.examples(SMALL)
    x = np.asarray(found.x, float)
    np.testing.assert_allclose(np.sum(x**2, axis=(2, 3, 4)), 1, atol=1e-5)
    assert x.shape == (SMALL.seeds, SMALL.train + SMALL.test, 8, 8, 1)
    assert set(np.unique(found.y)) == {-1.0, 1.0}
    seen = [norm_bounds.pixel_factor(norm_bounds.pixel_energies(own[: SMALL.train])) for own in x]
    np.testing.assert_allclose(seen, 0.652, atol=0.02)
    raw = training.centred(jnp.ones((2, 8, 8, 1)) * jnp.arange(1, 3)[:, None, None, None], jnp.zeros((8, 8, 1)))
    np.testing.assert_allclose(raw, 1 / 8, rtol=1e-6)


def test_starts_have_their_deviations_and_belong_to_a_seed():
    wide = dataclasses.replace(SMALL, channels=24)
    start = training.starts(wide)
    for name in CNNS:
        kernel, top = np.asarray(start[name].kernels[1]), np.asarray(start[name].top)
        assert kernel.var() == pytest.approx(2 / kernel.shape[1], rel=0.15)
        assert top.var() == pytest.approx(1 / top.shape[1], rel=0.5)
    other = training.starts(dataclasses.replace(wide, seed=wide.seed + 1, seeds=1))
    for one, leaf in zip(jax.tree.leaves(other), jax.tree.leaves(start), strict=True):
        np.testing.assert_array_equal(one[0], leaf[1])


def test_the_dense_network_by_hand():
    rng = np.random.default_rng(0)
    first, second, x = (jnp.asarray(rng.normal(size=shape)) for shape in ((4, 3), (3, 1), (5, 2, 2, 1)))
    np.testing.assert_allclose(dense((first, second), x), np.maximum(x.reshape(5, 4) @ first, 0) @ second, rtol=1e-5)


def test_the_networks_learn(data):
    assert (data["test"].sel(network=["3x3 x3", "3x3 x5", DENSE]) > 0.75).all()
    assert ((data["train"] >= 0) & (data["train"] <= 1)).all()


# --- norms and bounds -------------------------------------------------------------------------------------------------


def test_the_jacobian_is_that_of_the_network():
    architecture = DESIGNS["3x3/2 x3"].architecture((2, 3, 2))
    nets = [architecture.init(jax.random.key(i), side=8) for i in range(2)]
    found = jacobian.jacobian_norms(nets, architecture, 8)[1]
    sides = (8, 4, 2)
    closed = [
        norm_bounds.toeplitz_norm(w, side, 2, 1)
        for w, side in zip(convolutional_weights(nets[1], 3), sides, strict=False)
    ]
    np.testing.assert_allclose(found, closed, rtol=1e-12)
    second = nets[1].kernels[1]
    by_jax = jax.jacobian(lambda x: plain_cnn.convolve(x[None], second, 3, 2, 1))(jnp.ones((4, 4, 2)))
    assert found[1] == pytest.approx(float(jnp.linalg.norm(by_jax.ravel())), rel=1e-5)


def test_bounds_of_the_data_from_its_norms(data):
    product = data["filter_norm"].prod("layer", skipna=True)
    np.testing.assert_allclose(product, data["rho_filters"], rtol=1e-12)
    np.testing.assert_allclose(data["toeplitz_norm"].prod("layer", skipna=True), data["rho_toeplitz"], rtol=1e-12)
    layers = data["degrees"].notnull().sum("layer")
    by_hand = data["rho_toeplitz"] * (np.sqrt(2 * layers * np.log(2)) + 1) / SMALL.train**0.5
    np.testing.assert_allclose(data["dense"].transpose(*by_hand.dims), by_hand, rtol=1e-5)
    np.testing.assert_allclose(data["ratio"], data["dense"] / data["sparse"], rtol=1e-12)
    assert (data["rho_toeplitz"] / data["rho_filters"]).sel(network=DENSE).values == pytest.approx(1)
    np.testing.assert_allclose(data["padding"].sel(network="2x2/2 x3"), 1, rtol=1e-12)
    assert (data["padding"].sel(network=PADDED) < 0.95).all()
    assert (data["dense_gap"] > 2 * data["dense"]).all()


def test_both_bounds_follow_the_scale_of_layers(data):
    layers = data["degrees"].notnull().sum("layer")
    for kind in ("dense", "sparse"):
        np.testing.assert_allclose(data[f"{kind}_doubled"] / data[kind], (0 * data[kind] + 2.0**layers), rtol=1e-9)
    np.testing.assert_allclose(data["dense_small"] / SMALL.small_rho, data["dense"] / data["rho_toeplitz"], rtol=1e-9)


def test_the_bounds_of_the_error_follow_the_scale_through_rho(data):
    """By hand from the dense bounds; proportional to them, as the Rademacher bounds are to rho, they are not."""
    layers = data["degrees"].notnull().sum("layer")
    for suffix, rho in (
        ("", data["rho_toeplitz"]),
        ("_doubled", 2.0**layers * data["rho_toeplitz"]),
        ("_small", 0 * data["rho_toeplitz"] + SMALL.small_rho),
    ):
        rest = 3 * np.sqrt(np.log(2 * (rho + 2) ** 2 / SMALL.delta) / (2 * SMALL.train))
        by_hand = 2 * (rho + 1) * data["dense"] / data["rho_toeplitz"] + rest
        np.testing.assert_allclose(data[f"dense_gap{suffix}"], by_hand.transpose(*data["dense"].dims), rtol=1e-9)
    assert (data["dense_gap_small"] > 2 * data["dense"] / data["rho_toeplitz"]).all(), "rho + 1 does not go to 0"
    assert (data["sparse_gap_small"].sel(network=PADDED) > 1).all(), "vacuous however small the weights are"
    assert (data["dense_gap_small"] < 1).all()


def test_layers_rescaled_against_each_other_change_no_bound():
    rng = np.random.default_rng(3)
    design = DESIGNS["3x3 x3"]
    weights = [rng.normal(size=(4, c, 3, 3)) for c in (1, 4, 4)] + [rng.normal(size=(1, 256, 1, 1))]
    images = measures.Images(rng.uniform(size=64), 100, 0.05)
    places = measures.convolutional_places(design, 8)
    before = measures.bounds(weights, places, images)
    after = measures.bounds([10 * weights[0], weights[1] / 10, *weights[2:]], places, images)
    for name in ("dense", "sparse", "ratio", "padding", "dense_gap", "sparse_gap"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-12)
    assert measures.bounds([10 * weights[0], *weights[1:]], places, images).dense == pytest.approx(10 * before.dense)
    brighter = measures.bounds(weights, places, images._replace(energies=9 * images.energies))
    assert (brighter.dense, brighter.sparse) == pytest.approx((3 * before.dense, 3 * before.sparse))


def test_closed_forms_on_larger_images(data):
    found = dict(zip(data["large_cnn"].values, data["closed_at_32"].values, strict=True))
    assert found == pytest.approx({"3x3/2 x4": 102.1, "3x3 x5": 7.02e4, "2x2/2 x5": 567.9}, rel=1e-3)
    np.testing.assert_allclose(data["closed_by_side"].sel(side=8), data["closed_form"].sel(network=CNNS))
    assert (data["closed_by_side"].diff("side") > 0).all()


# --- claims -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLAIMS)
def test_the_small_run_says_what_the_large_one_does(name, data):
    assert judged(name, data) == EXPECTED[name], CLAIMS[name].judge(data)


@pytest.mark.parametrize("name", [name for name, outcome in EXPECTED.items() if outcome == "holds"])
def test_a_claim_does_not_hold_of_its_control(name, data):
    claim = dataclasses.replace(CLAIMS[name], min_seeds=1)
    assert dataclasses.replace(claim, measure=claim.control).judge(data).outcome == "fails"
    assert dataclasses.replace(claim, control=claim.measure, control_region=None).judge(data).outcome == "vacuous"


def test_what_fails_would_hold_were_it_so(data):
    """The claims that fail are not made to: data in which they are right."""
    strided = data["ratio"].sel(network="3x3/2 x3")
    better = data.assign(ratio=data["ratio"].where(data["network"] != "3x3/2 x3", 3 * strided))
    assert judged("conv-tighter-everywhere", better) == "holds"
    small = data.assign(dense_gap=data["dense_gap_small"], sparse_gap=data["sparse_gap_small"])
    assert judged("informative", small) == "holds"


def test_a_bound_that_no_scale_makes_small_is_not_judged(data):
    """The premise of `informative`: at the small product of norms the smallest bound must be below 1, on every seed."""
    first = data["seed"] == data["seed"].values[0]
    lost = {f"{kind}_gap_small": data[f"{kind}_gap_small"].where(~first, 1.5) for kind in ("dense", "sparse")}
    assert judged("informative", data.assign(lost)) == "vacuous"
    one = lost | {"sparse_gap_small": data["sparse_gap_small"].where(~first, 0.5)}
    assert judged("informative", data.assign(one)) == "fails"


def test_a_diverged_network_is_counted(data):
    lost = data.copy(deep=True)
    lost["ratio"].loc[{"seed": data["seed"].values[0], "network": "3x3 x5"}] = np.nan
    for name in ("conv-much-tighter", "closed-form", "ratio-grows-with-depth"):
        assert dataclasses.replace(CLAIMS[name], min_seeds=1).judge(lost).diverged == 1
    assert judged("conv-much-tighter", lost) == "unclear"


def test_the_furthest_from_one():
    np.testing.assert_allclose(furthest_from_one(np.array([[1.1, 0.5, 1.9], [1.0, 3.0, 0.5]])), [0.5, 3.0])
    assert np.isnan(furthest_from_one(np.array([[1.1, np.nan]]))).all()


def test_shapes_and_words(data):
    assert data["ratio"].dims == ("seed", "network")
    assert data["filter_norm"].dims == ("seed", "network", "layer")
    assert all(variable.attrs["long_name"] and variable.attrs["units"] for variable in data.data_vars.values())
    assert [figure.name for figure in ASSAY.figures(data)] == ["ratios", "locations", "factors", "norms", "bounds"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"train": 1700}, "train \\+ test must be at most 1797"),
        ({"channels": 0}, "channels must be at least 1, got 0"),
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"batch": 2000}, "batch must be at most train = 1200, got 2000"),
        ({"weight_decay": -1.0}, "weight decays must not be negative"),
        ({"cifar_decay": ()}, r"cifar_decay must be one or more different values, got \(\)"),
        ({"delta": 1.0}, "delta must lie between 0 and 1, got 1.0"),
        ({"cifar_momentum": 1.0}, r"cifar_momentum must lie in \[0, 1\), got 1.0"),
        ({"cifar_classes": (1, 1)}, "cifar_classes must be two different classes"),
        ({"cifar_classes": (1, 10)}, "cifar_classes must be two different classes"),
    ],
)
def test_config_errors(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)


# --- CIFAR-10 ---------------------------------------------------------------------------------------------------------


def test_the_two_classes():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (6, 32, 32, 3), np.uint8)
    found = on_cifar.two_classes(Images(x, np.array([1, 2, 3, 2, 1, 0]), x[:3], np.array([2, 1, 5])), (1, 2))
    assert found.y[:, 0].tolist() == [1, -1, -1, 1]
    assert found.test_y[:, 0].tolist() == [-1, 1]
    kept = x[[0, 1, 3, 4]] / 255
    by_hand = kept[1] - kept.mean(axis=0)
    np.testing.assert_allclose(found.x[1], by_hand / np.linalg.norm(by_hand), atol=1e-6)


@pytest.mark.nightly
def test_cifar_runs_from_the_archive_to_the_figure(data, tmp_path, monkeypatch):
    write_archive(tmp_path, batches(seed=1, each=24))
    monkeypatch.setenv("BIASSAY_DATA", str(tmp_path))
    config = dataclasses.replace(
        SMALL, cifar=True, cifar_seeds=2, cifar_width=4, cifar_batch=8, cifar_epochs=200, cifar_decay=(0.003, 0.0)
    )
    monkeypatch.setattr("biassay.assays.norm_bounds.digits_study", lambda config: _variables(data))
    found = run(config)
    assert found["cifar_ratio"].dims == ("cifar_cnn", "cifar_decay", "cifar_seed")
    product = found["cifar_closed_form"] * found["cifar_padding"] * found["cifar_pixel_factor"]
    np.testing.assert_allclose(product.transpose(*found["cifar_ratio"].dims), found["cifar_ratio"], rtol=1e-9)
    assert (found["cifar_dense"].sel(cifar_decay=0.0) > found["cifar_dense"].sel(cifar_decay=0.003)).all()
    assert (found["cifar_train"].sel(cifar_decay=0.0) > 0.6).all()
    for kind in ("dense", "sparse"):
        assert (found[f"cifar_{kind}_gap"] > 2 * found[f"cifar_{kind}"]).all()
    assert [figure.name for figure in ASSAY.figures(found)][-1] == "cifar"
    assert [judged(name, found) for name in CLAIMS] == [judged(name, data) for name in CLAIMS]


def _variables(data):
    """The variables of the digits as `digits_study` returns them."""
    names = [name for name in data.data_vars if not str(name).endswith(("_by_side", "_at_32"))]
    return {name: (data[name].dims, data[name].values, data[name].attrs["long_name"]) for name in names}


def test_cifar_that_is_not_there_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("BIASSAY_DATA", str(tmp_path))
    monkeypatch.setattr("biassay.assays.norm_bounds.digits_study", lambda config: pytest.fail("trained"))
    with pytest.raises(UserError, match="holds no CIFAR-10") as error:
        run(dataclasses.replace(SMALL, cifar=True))
    assert "\n" not in str(error.value)
