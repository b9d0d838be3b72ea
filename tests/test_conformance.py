"""One common test for every dynamics, every probe and every assay of the package."""

import inspect
import json
import os
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
import small
from biassay import assays, configs, store
from biassay import dynamics as all_dynamics
from biassay import probes as all_probes
from biassay.citations import BIBTEX
from biassay.models import two_layer
from biassay.problem import cross_entropy, half_squared_error
from biassay.report import to_matplotlib
from biassay.report._mathematics import to_html

# --- dynamics ---------------------------------------------------------------------------------------------------------


def linear(w, x):
    return x @ w


def least_squares(dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 8)) / 8**0.5, rng.normal(size=6)
    return ba.Problem(linear, jnp.asarray(x, dtype), jnp.asarray(y, dtype), half_squared_error)


def scaled_linear(params, x):
    return params.rho * (x @ params.layers)


def problem_and_start(name, dtype):
    """What the dynamics is run on: weights of the linear model, or what else its parameters must be."""
    problem, w = least_squares(dtype), jnp.full(8, 0.1, dtype)
    if name == "LagrangeFlow":
        return ba.Problem(scaled_linear, problem.x, problem.y, problem.loss), all_dynamics.split_scale(w)
    return problem, w


def greedy(problem, w):
    return -problem.risk(w)


# Every dynamics of the package, on linear least squares with 6 examples and 8 parameters.
DYNAMICS = {
    "GradientDescent": lambda: ba.GradientDescent(0.1, momentum=0.5, weight_decay=0.01),
    "SGD": lambda: ba.SGD(0.1, batch_size=2, momentum=0.5),
    "LabelNoise": lambda: ba.LabelNoise(0.1, 0.2, batch_size=3),
    "IsotropicNoise": lambda: ba.IsotropicNoise(0.1, 0.01),
    "GradientFlow": lambda: ba.GradientFlow(0.1, rtol=1e-5, atol=1e-6),
    # Its own loss is not the squared error, which early times lower too.
    "LogTimeFlow": lambda: all_dynamics.LogTimeFlow(
        jnp.linspace(0.005, 1.0, 200, dtype=jnp.float32), rtol=1e-4, atol=1e-4
    ),
    "Optax": lambda: ba.Optax(optax.adam(0.05), batch_size=2),
    "TunedOptax": lambda: all_dynamics.TunedOptax(optax.adam, learning_rate=0.05),
    "MirrorDescent": lambda: all_dynamics.MirrorDescent(0.05, 1.5),
    "SteepestDescent": lambda: all_dynamics.SteepestDescent(0.05, 4 / 3),
    "SignDescent": lambda: all_dynamics.SignDescent(0.01),
    "NormalisedSteepestDescent": lambda: all_dynamics.NormalisedSteepestDescent(0.01, 4 / 3),
    "SpectralDescent": lambda: all_dynamics.SpectralDescent(0.01),
    "Kaczmarz": lambda: all_dynamics.Kaczmarz(),
    "CoordinateDescent": lambda: all_dynamics.CoordinateDescent(),
    "PreconditionedDescent": lambda: all_dynamics.PreconditionedDescent(
        0.05, jnp.linspace(0.5, 2.0, 8, dtype=jnp.float32)
    ),
    "ForcedSGD": lambda: all_dynamics.ForcedSGD(0.1, 20, (0, 1)),
    "AdversarialSGD": lambda: all_dynamics.AdversarialSGD(0.1, greedy),
    "Travelled": lambda: all_dynamics.Travelled(ba.SGD(0.1, batch_size=2, momentum=0.5)),
    "RelaxedSplitting": lambda: all_dynamics.RelaxedSplitting(0.1, all_dynamics.L1(), 0.01, 0.1),
    "FullMatrixAdaGrad": lambda: all_dynamics.FullMatrixAdaGrad(0.1),
    "ProjectedSGD": lambda: all_dynamics.ProjectedSGD(0.1, 0.1, 2, momentum=0.5),
    "LagrangeFlow": lambda: all_dynamics.LagrangeFlow(0.1, 1e-3),
}


def members(module):
    return {
        n: v
        for n, v in vars(module).items()
        if not n.startswith("_") and getattr(v, "__module__", "").startswith("biassay")
    }


def test_every_dynamics_is_covered():
    final = {
        n
        for n, v in members(all_dynamics).items()
        if inspect.isclass(v) and issubclass(v, ba.AbstractDynamics) and n != "AbstractDynamics"
    }
    assert final == set(DYNAMICS)


@pytest.mark.parametrize("name", DYNAMICS)
def test_dynamics(name):
    """Pure and repeatable; keeps structure, shapes and precision."""
    problem, start = problem_and_start(name, jnp.float32)
    dynamics = DYNAMICS[name]()
    assert type(dynamics).__doc__, "a dynamics says what it does and where it comes from"
    state = dynamics.init(problem, start)

    key, window = jax.random.key(1), 32
    noise, repeated = (dynamics.noise(problem, key, jnp.asarray(0, jnp.int32), window) for _ in range(2))
    for leaf, again in zip(jax.tree.leaves(noise), jax.tree.leaves(repeated), strict=True):
        assert leaf.shape[0] == window
        assert (leaf == again).all()
    params, after = dynamics.step(problem, start, state, jax.tree.map(lambda leaf: leaf[0], noise))
    assert jax.tree.structure((params, after)) == jax.tree.structure((start, state))
    for leaf, before in zip(jax.tree.leaves(params), jax.tree.leaves(start), strict=True):
        assert (leaf.dtype, leaf.shape) == (before.dtype, before.shape)
    assert float(dynamics.time_step(state)) > 0


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", DYNAMICS)
def test_dynamics_in_a_simulation(name):
    """What is recorded changes nothing, a lane alone is the lane packed, and an easy problem gets easier."""
    problem, start = problem_and_start(name, jnp.float64)
    dynamics = jax.tree.map(
        lambda leaf: jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf, DYNAMICS[name]()
    )
    packed, again = (ba.simulate(problem, dynamics, start, steps=200, seeds=3, record=r).params for r in (1, 7))
    jax.tree.map(np.testing.assert_array_equal, packed, again)
    first, second = (jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], packed) for i in range(2))
    alone = ba.simulate(problem, dynamics, start, steps=200, seed=1).params
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12), second, alone)
    end = jax.tree.map(lambda leaf: leaf[0], first)
    assert float(problem.risk(end)) < 0.9 * float(problem.risk(start))


# --- probes -----------------------------------------------------------------------------------------------------------


def deep_linear_map(params, x):
    for w in params:
        x = x @ w.T
    return x


def two_by_two():
    """A deep linear network of two inputs and outputs, which every probe of matrices takes."""
    rng = np.random.default_rng(0)
    params = tuple(jnp.asarray(rng.normal(size=s)) for s in ((3, 2), (3, 3), (2, 3)))
    x, y = rng.normal(size=(2, 5, 2))
    return ba.Problem(deep_linear_map, jnp.asarray(x), jnp.asarray(y), half_squared_error), params


def regression():
    return least_squares(jnp.float64), jnp.asarray(np.random.default_rng(1).normal(size=8))


def classifier():
    rng = np.random.default_rng(2)
    x, y = jnp.asarray(rng.normal(size=(7, 3))), jnp.asarray(rng.integers(0, 4, 7))
    problem = ba.Problem(linear, x, y, cross_entropy, test=ba.Batch(x[:3], y[:3]))
    return problem, jnp.asarray(rng.normal(size=(3, 4)))


def neurons():
    """A two-layer network of four hidden units."""
    rng = np.random.default_rng(3)
    params = two_layer.TwoLayer(jnp.asarray(rng.normal(size=(4, 3))), jnp.asarray(rng.normal(size=(4, 1))))
    x, y = jnp.asarray(rng.normal(size=(5, 3))), jnp.asarray(rng.normal(size=5))
    return ba.Problem(two_layer.predict_scalar, x, y, half_squared_error), params


def two_layer_network():
    rng = np.random.default_rng(3)
    x, y = jnp.asarray(rng.normal(size=(7, 3))), jnp.asarray(rng.integers(0, 4, 7))
    params = two_layer.TwoLayer(jnp.asarray(rng.normal(size=(5, 3))), jnp.asarray(rng.normal(size=(5, 4))))
    return ba.Problem(two_layer.predict, x, y, cross_entropy), params


# Every probe of the package with a problem it is for. Those that are built for given numbers are built here.
PROBES = {
    "train_accuracy": classifier,
    "test_accuracy": classifier,
    "balancedness": neurons,
    "weights": regression,
    "relative_residual": regression,
    "out_of_span": regression,
    "distance_to_min_norm": regression,
    "product_norm": two_layer_network,
    "l1_path_norm": two_layer_network,
    "l2_path_norm": two_layer_network,
    "singular_ratio": two_by_two,
    "second_singular_value": two_by_two,
}


def probes():
    """The members of `biassay.probes` that are probes: functions of (problem, params)."""
    return {
        n: f
        for n, f in members(all_probes).items()
        if list(inspect.signature(f).parameters)[:2] == ["problem", "params"]
    }


def test_every_probe_is_covered():
    assert set(probes()) == set(PROBES)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", PROBES)
def test_probe(name):
    """A probe says what it measures in one line, is pure, and gives the same array under jit and vmap."""
    probe, (problem, params) = probes()[name], PROBES[name]()
    assert (probe.__doc__ or "").strip().splitlines()[0], "the first line is the variable's long name"
    value = probe(problem, params)
    assert np.isfinite(np.asarray(value, float)).all()
    np.testing.assert_array_equal(probe(problem, params), value)
    np.testing.assert_allclose(jax.jit(probe)(problem, params), value, rtol=1e-12)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    np.testing.assert_allclose(jax.vmap(probe, (None, 0))(problem, stacked)[0], value, rtol=1e-9)


# --- assays -----------------------------------------------------------------------------------------------------------

ASSAYS = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in assays.CATALOGUE]


def test_every_assay_has_a_small_size():
    assert set(small.CONFIGS) == set(assays.CATALOGUE)


@pytest.mark.parametrize("name", ASSAYS)
def test_assay(name):
    """Says what it tests and where it is from; its configs agree; every claim was reviewed; its mathematics is set."""
    assay = assays.load(name)
    assert assay.name == name
    assert set(assay.profiles) == {"quick", "full"}
    assert len({type(config) for config in (*assay.profiles.values(), small.CONFIGS[name])}) == 1
    for config in assay.profiles.values():
        assert min(config.seeds, config.seed + 1) >= 1
        assert configs.canonical(config)
    cited = {key.strip() for claim in assay.claims for key in claim.cite.split(",")} | set(assay.papers)
    assert cited <= set(BIBTEX)
    assert all(claim.recorded is not None for claim in assay.claims)
    page = str(to_html(assay.mathematics))
    assert "<math" in page
    assert 'class="tex"' not in page, "mathematics that cannot be set"


@pytest.mark.parametrize("name", ASSAYS)
def test_assay_runs(name, tmp_path):
    """Its data survive the store, every claim comes to a verdict that is JSON, every figure can be drawn."""
    assay, data = assays.load(name), small.run(name)
    store.save_run(tmp_path / "run.nc", data, {"assay": name, "key": "k"})
    assert store.open_run(tmp_path / "run.nc").data.identical(data)
    verdicts = assay.judge(data)
    assert [verdict.claim for verdict in verdicts] == [claim.name for claim in assay.claims]
    assert json.loads(json.dumps([verdict.to_json() for verdict in verdicts], allow_nan=False))
    figures = assay.figures(data)
    assert len({figure.name for figure in figures}) == len(figures) >= 3
    for figure in figures:
        assert figure.caption
        assert to_matplotlib(figure).axes


@pytest.mark.nightly
@pytest.mark.parametrize("name", ASSAYS)
def test_assay_repeats_its_bits(name):
    first = small.run(name)
    small.run.cache_clear()
    assert small.run(name).identical(first)


@pytest.mark.xdist_group("grouped")
def test_groups_stay_together(request: pytest.FixtureRequest) -> None:
    """The small run of an assay takes long: all tests of it must come to one process."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert request.node.nodeid.endswith("@grouped")
