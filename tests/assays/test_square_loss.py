"""The assay `square-loss`: its parts against closed forms, its claims against their controls, CIFAR-10 without it."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import biassay as ba
import small
from biassay import UserError
from biassay.assays import square_loss
from biassay.assays.square_loss import ASSAY, Config, balance, claims, noise, noise_on_cifar, on_cifar, rho_flow
from biassay.assays.square_loss.displacement import Remembering, at_rest, relative_displacement
from biassay.assays.square_loss.networks import draw_digits, he_start, relu_network, smooth_network
from biassay.problem import squared_error
from biassay.references import normalised_square_loss, rho_equilibrium
from biassay.report import to_matplotlib
from tiny_cifar import batches, write_archive

SMALL = small.CONFIGS["square-loss"]
CLAIMS = {claim.name: claim for claim in ASSAY.claims}


@pytest.fixture(scope="module")
def data():
    return small.run("square-loss")


# --- digits and networks ----------------------------------------------------------------------------------------------


def test_digits_are_unit_vectors_about_their_mean():
    x, classes = draw_digits(10_000, (3, 8, 1), 30)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-14)
    assert (np.bincount(classes) == 10).all()
    assert np.abs(x.mean(axis=0)).max() < 0.2, "images of mean zero, scaled one by one"
    assert len(np.unique(x.round(6), axis=0)) == 30
    np.testing.assert_array_equal(draw_digits(10_000, (3, 8, 1), 30)[0], x)
    assert not np.array_equal(draw_digits(10_001, (3, 8, 1), 30)[0], x)


@pytest.mark.usefixtures("x64")
def test_relu_is_homogeneous_in_every_layer_and_the_smooth_network_is_not():
    x, W = draw_digits(10_000, (3, 8), 10)[0], he_start(10_000, (64, 8, 8, 2))
    for k in range(3):
        scaled = tuple(3 * own if layer == k else own for layer, own in enumerate(W))
        np.testing.assert_allclose(relu_network(scaled, x), 3 * relu_network(W, x), rtol=1e-12)
    first = (3 * W[0], *W[1:])
    assert np.abs(smooth_network(first, x) / (3 * smooth_network(W, x)) - 1).max() > 0.01


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("network", [pytest.param(relu_network, marks=pytest.mark.nightly), smooth_network])
def test_the_gradient_of_one_example_has_rank_one_in_every_layer_and_vanishes_at_zero(network):
    """What the argument on noise rests on, with four outputs and any activation; of two examples the rank is 2."""
    x, classes = draw_digits(10_000, (0, 1, 2, 3), 8)
    problem = ba.Problem(network, jnp.asarray(x), jnp.asarray(np.eye(4)[classes]), squared_error)
    W = tuple(map(jnp.asarray, he_start(10_000, (64, 8, 8, 4))))

    def ranks(*examples):
        some = jnp.array(examples)
        gradient = problem.gradient(W, ba.Batch(problem.x[some], problem.y[some]))
        return [int(np.linalg.matrix_rank(G)) for G in gradient]

    assert ranks(0) == ranks(5) == [1, 1, 1]
    assert ranks(0, 5) == [2, 2, 2]
    none = problem.gradient(jax.tree.map(jnp.zeros_like, W))
    assert all((G == 0).all() for G in none)


# --- displacement -----------------------------------------------------------------------------------------------------


def linear(params, x):
    return x @ params[0] @ params[1]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("every", [1, 3])
def test_the_displacement_is_that_of_the_run(every):
    """Recorded at a multiple of `every` it is the distance of two points of the same run without the wrapper."""
    rng = np.random.default_rng(0)
    x, y = jnp.asarray(rng.normal(size=(12, 4))), jnp.asarray(rng.normal(size=(12, 2)))
    problem = ba.Problem(linear, x, y, squared_error)
    start = tuple(jnp.asarray(rng.normal(size=s)) for s in ((4, 3), (3, 2)))
    sgd = ba.SGD(0.02, batch_size=4, sampling="independent", momentum=0.5)

    def plain(steps):
        return ba.simulate(problem, sgd, start, steps=steps, record=1).params

    kept = ba.simulate(
        problem,
        Remembering(sgd, every),
        at_rest(start),
        steps=9,
        record=[0, 9],
        probes={"displacement": relative_displacement},
    )
    now, before = plain(9), plain(9 - every)
    jax.tree.map(np.testing.assert_array_equal, kept.params.now, now)
    jax.tree.map(np.testing.assert_array_equal, kept.params.before, before)
    shares = [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(now, before, strict=True)]
    np.testing.assert_allclose(kept.data["displacement"][0], [0, np.mean(shares)], rtol=1e-12)
    assert float(kept.elapsed[0]) == pytest.approx(0.18)


def test_nothing_is_remembered_for_less_than_a_step():
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        Remembering(ba.GradientDescent(0.1), 0)


def test_the_samples_come_last():
    steps = noise.recorded_steps(SMALL, SMALL.relu_steps)
    assert steps == sorted(set(steps))
    assert steps[0] == 1
    assert steps[-1] == SMALL.relu_steps
    np.testing.assert_array_equal(np.diff(steps[-SMALL.samples :]), SMALL.sample_every)


def test_floors_are_medians_of_the_samples(data):
    at = data.sel(batch="mini")
    last = at["relu_displacement"].isel(relu_step=slice(-SMALL.samples, None)).median("relu_step")
    np.testing.assert_allclose(at["relu_floor"], last.transpose("seed", "relu_wd"), rtol=1e-12)
    assert np.isfinite(at["relu_floor"]).all()
    assert np.isfinite(data["smooth_floor"].sel(batch="full").isel(smooth_wd=-1)).all()
    assert np.isnan(data["smooth_floor"].sel(batch="full").isel(smooth_wd=0)).all(), "it was not run"
    assert (data["smooth_risk"].sel(batch="mini").isel(smooth_wd=0) < 0.05).all(), "the digits are fitted"


# --- flows ------------------------------------------------------------------------------------------------------------


def test_the_flow_starts_at_one_and_falls_back_to_its_equilibrium(data):
    assert (data["rho"].isel(flow_time=0) == 1).all()
    np.testing.assert_allclose(data["flow_time"][[0, -1]], [0, SMALL.time])
    np.testing.assert_allclose(data["forgetting"], SMALL.time * np.array(SMALL.lams))
    ends = data["margins_end"]
    np.testing.assert_allclose(ends.mean("rank"), data["mu"].isel(flow_time=-1), rtol=1e-10)
    assert (ends.diff("rank") >= 0).all()
    np.testing.assert_array_equal(data["margins_start"].isel(lam=0), data["margins_start"].isel(lam=-1))


def test_the_risk_is_that_of_the_moments(data):
    """Recorded from the network itself; another lambda in the formula misses."""
    rho, of, lam = data["rho"].transpose("seed", "lam", "flow_time").values, claims.path_moments(data), data["lam"]
    loss = (data["risk"] + lam * data["rho"] ** 2).transpose("seed", "lam", "flow_time").values
    np.testing.assert_allclose(loss, normalised_square_loss(rho, of, claims.decays(data)), rtol=1e-10)
    assert np.abs(loss / normalised_square_loss(rho, of, 2 * claims.decays(data)) - 1).max() > 1e-2


def test_early_margins_are_neither_those_of_the_start_nor_the_same_for_every_lambda(data):
    early = data["margins_early"]
    assert (abs(early - data["margins_start"]).max("rank") > 1e-6).all()
    assert (abs(early.isel(lam=0) - early.isel(lam=1)).max("rank") > 1e-9).all(), "the control is not 0 by construction"
    apart = abs(early.isel(lam=0) - early.isel(lam=1)).max("rank")
    assert (apart < 0.1 * abs(data["margins_end"].isel(lam=0) - data["margins_end"].isel(lam=1)).max("rank")).all()


def test_the_direction_of_a_longer_v_is_slower_by_its_square(data):
    np.testing.assert_allclose(data["wn_velocities"].isel(norm=-1), 1 - 1 / SMALL.long_norm**2, rtol=1e-9)


def test_weight_normalisation_keeps_the_length_of_v(data):
    for norm in data["norm"].values:
        np.testing.assert_allclose(data["wn_norms"].sel(norm=norm), norm, rtol=1e-4)


def test_the_law_of_balance(data):
    """Against exp(-2 wd t) to the accuracy of the method; the rate wd instead of 2 wd misses."""
    assert (claims.law_error(data) < 1e-5).all()
    rate = np.exp(SMALL.law_decay * data["law_time"])
    wrong = data.assign(apart_law=data["apart_law"] * rate)
    assert (claims.law_error(wrong).sel(law_wd=SMALL.law_decay) > 1e-2).all()
    swapped = claims.law_error(data, swapped=True)
    missed = 1 - np.exp(-2 * SMALL.law_decay * SMALL.law_time)
    np.testing.assert_allclose(swapped.sel(law_wd=0.0), missed, rtol=1e-4)
    np.testing.assert_allclose(swapped.sel(law_wd=SMALL.law_decay), missed, rtol=1e-4)
    apart = data["apart"].sel(law_wd=0.0)
    np.testing.assert_allclose(apart, apart.isel(law_time=0).broadcast_like(apart), rtol=1e-5)


@pytest.mark.usefixtures("x64")
def test_the_unnormalised_start_has_the_norms_of_the_config_and_the_function_of_the_flow():
    W, V = balance._unequal(SMALL), rho_flow.unit_start(SMALL)
    for own, unit, norm in zip(W, V.layers, SMALL.norms, strict=True):
        np.testing.assert_allclose(jnp.linalg.norm(own, axis=(1, 2)), norm, rtol=1e-12)
        np.testing.assert_allclose(own, norm * unit, rtol=1e-12)
    assert np.prod(SMALL.norms) == pytest.approx(1.0)


# --- claims -----------------------------------------------------------------------------------------------------------

ON_THE_SMALL_SIZE = {
    "rho-equilibrium": "holds",
    "loss-formula": "holds",
    "rho-from-margins": "holds",
    "velocities-equal": "holds",
    "lm-equals-wn": "holds",
    "balance": "holds",
    "balance-law": "holds",
}


def one_seed_is_enough(name):
    return dataclasses.replace(CLAIMS[name], min_seeds=1)


@pytest.mark.parametrize("name", ON_THE_SMALL_SIZE)
def test_a_claim_on_the_small_size(name, data):
    assert one_seed_is_enough(name).judge(data).outcome == ON_THE_SMALL_SIZE[name]
    assert CLAIMS[name].judge(data).outcome == "unclear", "two seeds are too few"


@pytest.mark.parametrize("name", ON_THE_SMALL_SIZE)
def test_a_claim_does_not_hold_of_its_control(name, data):
    claim = one_seed_is_enough(name)
    assert dataclasses.replace(claim, measure=claim.control).judge(data).outcome == "fails"
    assert dataclasses.replace(claim, control=claim.measure, control_region=None).judge(data).outcome == "vacuous"


@pytest.mark.parametrize("name", ["rho-equilibrium", "loss-formula"])
def test_a_rho_that_has_not_come_to_rest_decides_nothing(name, data):
    """T lambda = 1.5 is enough; below it no verdict, however good the numbers."""
    claim = one_seed_is_enough(name)
    just = data.assign(forgetting=("lam", [1.5, 0.15]))
    assert claim.judge(just).n == SMALL.seeds
    assert claim.judge(just).outcome == "holds"
    early = data.assign(forgetting=("lam", [1.49, 0.149]))
    assert claim.judge(early).outcome == "unclear"
    assert claim.judge(early).n == 0


def test_the_equilibrium_is_judged_at_the_end_and_at_its_own_lambda(data):
    assert (claims.from_equilibrium(data)[:, 0, 5] > 0.05).all(), "on its way rho is not at rest"
    other = data.assign_coords(lam=2 * data["lam"])
    assert one_seed_is_enough("rho-equilibrium").judge(other).outcome == "fails"


def made_up(**floors):
    """A dataset with nothing but floors, for ten seeds."""
    wds = {"relu": [0.0, 1e-4, 1e-3, 1e-2], "smooth": [0.0, 1e-2]}
    parts = {}
    for name, (mini, full) in floors.items():
        values = np.repeat(np.array([full, mini])[:, None], 10, axis=1) * np.ones((2, 10, 1))
        parts[f"{name}_floor"] = (("batch", "seed", f"{name}_wd"), values)
    return xr.Dataset(parts, {"batch": ["full", "mini"], **{f"{n}_wd": wds[n] for n in floors}})


def test_the_noise_of_batches():
    claim = CLAIMS["noise-needs-batch"]
    assert claim.judge(made_up(smooth=([3e-6, 3e-3], [np.nan, 1e-6]))).outcome == "holds"
    assert claim.judge(made_up(smooth=([3e-6, 3e-3], [np.nan, 1e-3]))).outcome == "fails"
    assert claim.judge(made_up(smooth=([2e-5, 3e-3], [np.nan, 1e-6]))).outcome == "unclear", "it moves without decay"


def test_the_noise_by_weight_decay():
    claim = CLAIMS["noise-grows-with-wd"]
    none = [np.nan] * 4
    assert claim.judge(made_up(relu=([3e-7, 3e-5, 4e-4, 2e-3], none))).outcome == "holds"
    assert claim.judge(made_up(relu=([3e-7, 3e-5, 4e-4, 3e-4], none))).outcome == "fails"
    assert claim.judge(made_up(relu=([3e-7, 3e-5, 4e-4, 4e-4], none))).outcome == "fails", "equal is no growth"
    assert claim.judge(made_up(relu=([4e-5, 3e-5, 4e-4, 2e-3], none))).outcome == "vacuous", "none moves more"


def test_margins_by_lambda():
    def ends(small_lam, large_lam):
        values = np.array([large_lam, small_lam], float)[None] * np.ones((4, 1, 1))
        start = np.ones((4, 2, 1)) * np.array([0.5, 1.0, 1.5])
        axes = ("seed", "lam", "rank")
        return xr.Dataset(
            {"margins_end": (axes, values), "margins_early": (axes, start)}, {"lam": [1e-3, 1e-4], "seed": range(4)}
        )

    for name in ("margins-equalise", "margins-equalise-least"):
        assert CLAIMS[name].judge(ends([0.9, 1, 1.1], [0.5, 1, 1.5])).outcome == "holds"
        assert CLAIMS[name].judge(ends([0.5, 1, 1.5], [0.9, 1, 1.1])).outcome == "fails"
        assert CLAIMS[name].judge(ends([0.5, 1, 1.5], [0.5, 1, 1.5])).outcome == "fails", "as the control, unchanged"


# --- CIFAR-10 ---------------------------------------------------------------------------------------------------------


def test_images_become_unit_vectors():
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    mean, deviation = on_cifar.colours(images)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)) / 255, rtol=1e-6)
    x = on_cifar.unit_images(images / np.float32(255), mean, deviation)
    np.testing.assert_allclose((x**2).sum(axis=(1, 2, 3)), 1, rtol=1e-5)
    by_hand = (images[0] / 255 - mean) / deviation
    np.testing.assert_allclose(x[0], by_hand / np.linalg.norm(by_hand), rtol=1e-4, atol=1e-6)


@pytest.mark.nightly
def test_the_networks_on_cifar():
    """Widths h, 2 h, 4 h and a 4x4 top of two outputs, every layer of the asked norm; and the deep network's shapes."""
    params = on_cifar.start(Config(), 10_000, norm=3.0)
    assert [W.shape for W in jax.tree.leaves(params)] == [(27, 32), (288, 64), (576, 128), (2048, 2)]
    assert all(W.dtype == jnp.float32 for W in jax.tree.leaves(params))
    for W in jax.tree.leaves(params):
        assert float(jnp.linalg.norm(W)) == pytest.approx(3.0, rel=1e-5)
    layers = noise_on_cifar.init(jax.random.key(0), 6, 5)
    assert [W.shape for W in layers] == [(12, 6), (24, 6), *[(54, 6)] * 5, (384, 10)]
    x = jax.random.normal(jax.random.key(1), (2, 32, 32, 3))
    out = noise_on_cifar.predict(layers, x)
    assert out.shape == (2, 10)
    for k in range(len(layers)):
        scaled = tuple(2 * W if layer == k else W for layer, W in enumerate(layers))
        np.testing.assert_allclose(noise_on_cifar.predict(scaled, x), 2 * out, rtol=1e-4)


def test_cifar_that_is_not_there_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("BIASSAY_DATA", str(tmp_path))
    monkeypatch.setattr(square_loss, "lagrange_flow", lambda config: pytest.fail("trained"))
    for name in ("cifar", "noise_cifar"):
        with pytest.raises(UserError, match="holds no CIFAR-10"):
            square_loss.run(dataclasses.replace(SMALL, **{name: True}))


@pytest.mark.nightly
def test_cifar_runs_from_the_archive_to_the_figures(tmp_path, monkeypatch, data):
    """The full path with a CIFAR-10 of 200 random images, beside the parts on digits as they were run."""
    write_archive(tmp_path, batches(seed=1, each=40))
    monkeypatch.setenv("BIASSAY_DATA", str(tmp_path))
    for part in ("lagrange_flow", "weight_normalization", "descent", "law", "relu_noise", "smooth_noise"):
        names = {"lagrange_flow": ["rho", "mu", "M", "margins_start", "margins_end", "forgetting"]}.get(part, [])
        found = {name: (data[name].dims, data[name].values, data[name].attrs["long_name"]) for name in names}
        monkeypatch.setattr(square_loss, part, lambda config, found=found: found)
    config = dataclasses.replace(
        SMALL,
        cifar=True,
        cifar_seeds=2,
        cifar_width=4,
        cifar_scales=(0.5, 1.0, 3.0),
        cifar_corruption=(0.0, 1.0),
        cifar_lr=0.1,
        cifar_batch=10,
        cifar_epochs=40,
        noise_cifar=True,
        noise_cifar_width=4,
        noise_cifar_depth=2,
        noise_cifar_lrs=(1e-2, 0.1),
        noise_cifar_decays=(0.0, 1e-2),
        noise_cifar_epochs=6,
    )
    with jax.enable_x64(True):
        whole = square_loss.run(config)
    assert whole["cifar_arm"].values.tolist() == ["norm 0.5", "norm 1", "norm 3", "100% random labels"]
    assert whole["cifar_rho"].dims == ("cifar_seed", "cifar_arm", "cifar_wd", "cifar_epoch")
    norms = whole["cifar_rho"].isel(cifar_epoch=0, cifar_wd=0, cifar_seed=0).values
    np.testing.assert_allclose(norms, [0.5**4, 1, 3**4, 1], rtol=1e-4)
    last = whole.isel(cifar_epoch=-1)
    assert (last["cifar_rho"].sel(cifar_wd=1e-2) < last["cifar_rho"].sel(cifar_wd=0.0)).all()
    assert (last["cifar_margins"].diff("cifar_share") >= 0).all()
    assert (last["cifar_mu"] ** 2 <= last["cifar_M"] * (1 + 1e-5)).all()
    free = whole["cifar_mu"].sel(cifar_wd=0.0)
    assert (free.isel(cifar_epoch=-1) > free.isel(cifar_epoch=0)).all(), "training makes the margins larger"
    assert ((last["cifar_train"] > 0.5) & (last["cifar_train"] <= 1)).all()
    displacement = whole["noise_cifar_displacement"]
    assert displacement.sizes["noise_cifar_loss"] == 2
    first = displacement.isel(noise_cifar_epoch=0)
    assert (first.sel(noise_cifar_lr=0.1) > first.sel(noise_cifar_lr=1e-2)).all()
    assert ((displacement > 0) & (displacement < 1)).all()
    assert all(whole[name].attrs["long_name"] for name in whole.variables if "cifar" in str(name))
    both = data.merge(whole[[name for name in whole.data_vars if "cifar" in str(name)]])
    figures = ASSAY.figures(both)
    assert [figure.name for figure in figures][-2:] == ["cifar", "noise-cifar"]
    for figure in figures[-2:]:
        assert to_matplotlib(figure).axes


# --- config -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lams": (1e-4, 1e-3)}, r"lams must fall and be positive, 2 values at least, got \(0\.0001, 0\.001\)"),
        ({"lams": (1e-3, 0.0)}, "lams must fall and be positive"),
        ({"decays": (1e-3, 5e-3)}, "decays must rise from 0, 2 values at least"),
        ({"relu_decays": (0.0, 1e-3)}, "relu_decays must rise from 0, 3 values at least"),
        ({"norms": (1.0, 1.0, 1.0)}, "norms must be 3 positive numbers, not all equal"),
        ({"norms": (2.0, 0.5)}, "norms must be 3 positive numbers"),
        ({"digits": (3, 3)}, r"digits must be two or more different digits, got \(3, 3\)"),
        ({"images": 101}, "images must be a multiple of 2"),
        ({"images": 1000}, "images must be a multiple of 2 .* up to 348, got 1000"),
        ({"batch": 100}, "batch must be below the 100 images, got 100"),
        ({"time": 1.0}, "time must be at least 2, two records or steps, got 1.0"),
        ({"relu_steps": 100}, r"relu_steps must be at least samples x sample_every = 2000, got 100"),
        ({"long_norm": 1.0}, "long_norm must be above 1"),
        ({"dt": 0.0}, "dt must be positive and finite, got 0.0"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"cifar_classes": (1, 1)}, "cifar_classes must be two different ones"),
        ({"cifar_corruption": (0.2,)}, r"cifar_corruption must lie in 0\.\.1 with 0 among them"),
        ({"cifar_momentum": 1.0}, r"cifar_momentum must lie in \[0, 1\), got 1.0"),
        ({"noise_cifar_lrs": ()}, "noise_cifar_lrs needs one or more positive numbers"),
    ],
)
def test_config_errors(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)


def test_every_variable_says_what_it_is(data):
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())
    assert data["norms"].dims == ("seed", "wd", "descent_time", "layer")
    assert data["wn_rho"].dims == ("norm", "seed", "short_time")
    rest = rho_equilibrium(claims.path_moments(data), claims.decays(data))
    assert rest.shape == data["rho"].shape
