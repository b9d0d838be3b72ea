"""Label noise, the drift: its oracles, each with a control that fails, and its claims on a small config."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import small
from biassay.assays.label_noise.claims_drift import CLAIMS as DRIFT_CLAIMS
from biassay.assays.label_noise.claims_drift import excess, of_each_set, ratios, set_weights, shrinking
from biassay.assays.label_noise.config import DRIFT_LIMIT, Config
from biassay.assays.label_noise.drift import (
    KAPPA_LR,
    LARGEST_KAPPA,
    LEAST_EIGENVALUE,
    draw_sets,
    known_of,
)
from biassay.assays.label_noise.figures_drift import figures
from biassay.assays.label_noise.networks import Network, logistic_network, tanh_network
from biassay.dynamics import GradientDescent, LabelNoise
from biassay.problem import Problem, half_squared_error, squared_error
from biassay.references import drift_flow, drift_time, to_zero_error
from biassay.report import to_matplotlib
from biassay.simulation import PerSeed, simulate

SMALL = small.CONFIGS["label-noise"]
CLAIMS = {claim.name: claim for claim in DRIFT_CLAIMS}

pytestmark = pytest.mark.xdist_group("label-noise")


@pytest.fixture(scope="module")
def data():
    return small.run("label-noise")


# --- networks and data sets -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_the_networks_are_sums_over_units():
    rng = np.random.default_rng(10_000)
    w, c, x = rng.normal(size=(3, 2)), rng.normal(size=3), rng.normal(size=(5, 2))
    params = Network(jnp.asarray(w), jnp.asarray(c))
    for network, act in ((tanh_network, np.tanh), (logistic_network, lambda z: 1 / (1 + np.exp(-z)))):
        expected = [sum(c[j] * act(w[j] @ point) for j in range(3)) for point in x]
        np.testing.assert_allclose(network(params, jnp.asarray(x)), expected, atol=1e-13)
    assert np.abs(tanh_network(params, jnp.asarray(x)) - np.asarray(expected)).max() > 0.1


@pytest.mark.usefixtures("x64")
def test_what_is_known_of_a_start():
    """Against the gradients of a tanh network written out, (c_j (1 - a_j^2) x, a_j)."""
    rng = np.random.default_rng(10_001)
    w, c, x = rng.normal(size=(6, 2)), rng.normal(size=6), rng.normal(size=(4, 2))
    a = np.tanh(x @ w.T)
    g = np.concatenate([((1 - a**2) * c)[:, :, None] * x[:, None, :], a[:, :, None]], axis=2).reshape(4, -1)
    params = Network(jnp.asarray(w), jnp.asarray(c))
    known = known_of(Problem(tanh_network, jnp.asarray(x), jnp.asarray(a @ c), squared_error), params)
    eigenvalues = np.linalg.eigvalsh(g @ g.T / 4)
    assert float(known.residual) < 1e-14
    assert float(known.smallest) == pytest.approx(eigenvalues[0], rel=1e-9)
    assert float(known.largest) == pytest.approx(eigenvalues[-1], rel=1e-9)
    assert float(known.steepest) == pytest.approx(np.sum(g**2, axis=1).max(), rel=1e-12)
    assert float(known.trace) == pytest.approx(np.trace(g.T @ g) / 4, rel=1e-12)
    assert 0 < float(known.share) < 1


@pytest.mark.usefixtures("x64")
def test_sets_are_drawn_by_the_rule(data):
    problem, start, known, chosen = draw_sets(SMALL)
    assert problem.y.shape == (2, 4)
    assert (known.residual < 1e-12).all()
    assert (known.kappa(KAPPA_LR) <= LARGEST_KAPPA).all()
    assert (known.smallest >= LEAST_EIGENVALUE).all()
    assert chosen[0] > 0, "the rule passes draws over"
    np.testing.assert_array_equal(chosen, data["drift_draw"])
    np.testing.assert_allclose(data["drift_kappa"], np.outer(known.largest + known.steepest, 2 * data["drift_lr"]))
    other, *_ = draw_sets(dataclasses.replace(SMALL, seed=10_001))
    assert np.abs(other.x - problem.x).min() > 0
    assert start.w.shape == (2, 6, 2)


# --- what is measured -------------------------------------------------------------------------------------------------


def test_label_noise_drifts_and_nothing_else_does(data):
    assert (data["drift_residual"] < 1e-12).all()
    ratio = ratios(data)
    error = ratio.std("drift_run") / np.sqrt(ratio.sizes["drift_run"])
    assert (np.abs(ratio.mean("drift_run") - 1) < 0.12 + 3 * error).all()
    assert (error < 0.03).all()
    assert (data["drift_cosine"] > 0.995).all()
    assert (data["drift_noiseless"] < 1e-9).all()
    assert (data["drift_isotropic_cosine"] < 0.9).all()
    wandered = data["drift_isotropic"]
    assert (wandered.std("drift_run") > 10 * ratio.std("drift_run").isel(drift_lr=0)).all()
    for constant, expected in ((2.0, 0.5), (0.25, 4.0)):
        np.testing.assert_allclose(ratios(data, constant).mean("drift_run"), expected, rtol=0.15)
        own, predicted = (data["drift_length"].sel(drift_constant=k, drop=True) for k in (constant, 1.0))
        np.testing.assert_allclose(own * expected, predicted, rtol=0.1)


def test_steps_cover_one_drift_time():
    config = SMALL
    steps = [config.steps_of_drift(lr) for lr in config.drift_lr]
    np.testing.assert_allclose(np.square(config.drift_lr) * steps, config.drift_lr[0] ** 2 * config.drift_steps)
    assert len(set(steps)) == 3


@pytest.mark.nightly
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("loss", "c", "batch_size", "law"),
    [
        (squared_error, 1.0, 1, "sign"),
        (squared_error, 1.0, 2, "gaussian"),
        (squared_error, 1.0, None, "gaussian"),
        (half_squared_error, 0.5, 1, "gaussian"),
    ],
)
def test_the_constant_for_other_batches_losses_and_laws(loss, c, batch_size, law):
    """(c eta)^2 s^2 / B, to 3 % and the error of 256 runs; without c or B it would be off by a factor."""
    problem, start, *_ = draw_sets(Config(drift_sets=1, seed=10_002))
    problem = Problem(tanh_network, jnp.asarray(problem.x[0]), jnp.asarray(problem.y[0]), loss)
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), start)
    lr, std, steps, runs = 2e-3 / c, 0.3, 20_000, 256
    dynamics = LabelNoise(lr, std, batch_size=batch_size, law=law)
    ends = simulate(problem, dynamics, start, steps=steps, record=1, seeds=runs, seed=10_000).params
    back = simulate(problem, GradientDescent(0.05 / c), PerSeed(ends), steps=2000, record=1, seeds=runs).params
    back = jax.vmap(lambda p: to_zero_error(problem, p, steps=4))(jax.device_get(back))
    tau = drift_time(steps, lr, std, batch_size or problem.size, c)
    flow = drift_flow(problem, start, tau, steps=160)

    def flat(params):
        return np.concatenate([params.w.reshape(*params.w.shape[:-2], -1), params.c], axis=-1)

    D = flat(flow) - flat(start)
    ratio = (flat(back) - flat(start)) @ D / (D @ D)
    assert ratio.mean() == pytest.approx(1, abs=0.03 + 3 * ratio.std() / np.sqrt(runs))
    assert ratio.std() / np.sqrt(runs) < 0.02


# --- the claims -------------------------------------------------------------------------------------------------------


def fabricated(excess_of=lambda lr: 8 * lr, isotropic=0.0, runs=256, noise=0.02):
    """A dataset of four sets in which displacement / length is 1 + excess_of(lr), with noise over the runs."""
    rng = np.random.default_rng(10_000)
    lr = np.array([8e-3, 4e-3, 2e-3, 1e-3])
    ratio = 1 + excess_of(lr)[:, None] + noise * np.sqrt(lr / 2e-3)[:, None] * rng.normal(size=(4, 4, runs))
    return xr.Dataset(
        {
            "drift_ratio": (("drift_set", "drift_lr", "drift_run", "drift_constant"), ratio[..., None] / [1, 2, 0.25]),
            "drift_cosine": (("drift_set", "drift_lr"), np.full((4, 4), 0.9999)),
            "drift_noiseless": (("drift_set", "drift_lr"), np.full((4, 4), 1e-14)),
            "drift_isotropic": (("drift_set", "drift_run"), isotropic + rng.normal(size=(4, runs))),
            "drift_isotropic_cosine": (("drift_set",), np.array([0.3, -0.2, 0.1, 0.4])),
        },
        coords={"drift_lr": lr, "drift_constant": [1.0, 2.0, 0.25]},
    )


def test_every_claim_holds_on_the_theory():
    outcomes = {name: claim.judge(fabricated()).outcome for name, claim in CLAIMS.items()}
    assert outcomes == dict.fromkeys(CLAIMS, "holds")


def test_claims_fail_where_they_should():
    """Each with its control, or with what the sentence denies, in the place of the result."""

    def outcome(name, data):
        return CLAIMS[name].judge(data).outcome

    data = fabricated()
    constants = data["drift_ratio"]

    def as_predicted(constant):
        """The flow with this multiple of the constant as the prediction."""
        predicted = constants["drift_constant"] == 1.0
        return data.assign(drift_ratio=constants.where(~predicted, constants.sel(drift_constant=constant)))

    doubled, quarter = as_predicted(2.0), as_predicted(0.25)
    assert outcome("drift-constant", doubled) == "fails"
    assert outcome("drift-constant-each-set", doubled) == "fails"
    assert outcome("drift-constant-each-set", quarter) == "fails"
    assert outcome("drift-order", doubled) == "fails", "an error of the constant does not shrink"
    for excess_of in (lambda lr: 0 * lr + 0.02, lambda lr: 3e3 * lr**2, lambda lr: 0.5 * np.sqrt(lr)):
        assert outcome("drift-order", fabricated(excess_of)) == "fails"
    assert outcome("drift-direction", data.assign(drift_cosine=data["drift_cosine"] - 0.002)) == "fails"
    assert outcome("drift-needs-noise", data.assign(drift_noiseless=data["drift_noiseless"] + 1e-3)) == "fails"
    assert outcome("drift-isotropic", fabricated(isotropic=0.5)) == "fails"
    # Without enough runs, or without a small step size, there is no verdict.
    assert outcome("drift-constant", fabricated(runs=128)) == "unclear"
    assert outcome("drift-constant", data.sel(drift_lr=[8e-3, 4e-3])) == "vacuous"


def test_the_excess_is_pooled_with_its_errors():
    """A set with ten times the noise hardly counts, whatever its mean is."""
    data = fabricated()
    rng = np.random.default_rng(10_001)
    ratio = data["drift_ratio"].copy()
    ratio[0] += 0.2 * rng.normal(size=(4, 256, 1))
    loud = data.assign(drift_ratio=ratio)
    expected = 8 * data["drift_lr"].values
    pooled, plain = excess(loud).mean(axis=-1), ratios(loud).mean(["drift_set", "drift_run"]).values - 1
    assert np.abs(pooled - expected).max() < np.abs(plain - expected).max()
    weights = set_weights(loud)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] < 0.02


def test_the_jackknife_tells_the_error_of_the_factor():
    """Against the spread of the factor over 200 repetitions."""
    rng = np.random.default_rng(10_002)
    true = np.array([0.064, 0.032, 0.016, 0.008])
    samples = true[:, None] + 0.02 * rng.normal(size=(200, 4, 256))
    values = np.stack([shrinking(sample) for sample in samples])
    factors = values.mean(axis=1)
    assert factors.mean() == pytest.approx(2, abs=0.02)
    told = values.std(axis=1, ddof=1) / 16
    assert np.median(told) == pytest.approx(factors.std(), rel=0.15)
    assert np.isnan(shrinking(-samples[0] * [[1], [1], [1], [-1]])).any(), "no factor where the sign changes"


def test_the_small_run_is_judged(data):
    """Means over the runs of a set lie well inside their regions; where the runs are counted they are too few."""
    outcomes = {name: claim.judge(data).outcome for name, claim in CLAIMS.items()}
    assert outcomes == {
        "drift-constant": "unclear",
        "drift-constant-each-set": "holds",
        "drift-direction": "holds",
        "drift-order": "unclear",
        "drift-needs-noise": "holds",
        "drift-isotropic": "holds",
    }
    assert "at least 256 are needed" in CLAIMS["drift-constant"].judge(data).reason
    assert of_each_set(data).shape == (2,)


def test_figures_and_names(data):
    for figure in figures(data):
        assert to_matplotlib(figure).axes
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"drift_lr": (2e-3,)}, "drift_lr needs two or more step sizes, each half of the one before"),
        ({"drift_lr": (2e-3, 1.5e-3)}, "drift_lr needs two or more step sizes, each half of the one before"),
        ({"drift_lr": (2 * DRIFT_LIMIT, DRIFT_LIMIT)}, "drift_lr must be positive and at most 0.05, up to which SGD"),
        ({"drift_std": -0.1}, "drift_std must be positive, got -0.1"),
        ({"drift_runs": 1}, "drift_runs must be at least 2, got 1"),
        ({"drift_sets": 0}, "drift_sets must be at least 1, got 0"),
        ({"drift_steps": 0}, "drift_steps must be at least 1, got 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(given, says):
    with pytest.raises(ValueError, match=says) as refused:
        Config(**given)
    assert "\n" not in str(refused.value)
