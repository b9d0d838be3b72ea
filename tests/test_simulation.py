"""The engine's contract: what is recorded, chunked, packed or interrupted cannot change a run."""

import os
import subprocess
import sys

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
from biassay import _lanes
from biassay._strategy import choose
from biassay.problem import cross_entropy, half_squared_error

pytestmark = pytest.mark.usefixtures("x64")

STEPS = 2500  # more than two noise windows, and not a multiple of one


def linear(w, x):
    return x @ w


def mlp(layers, x):
    for w in layers[:-1]:
        x = jax.nn.relu(x @ w)
    return x @ layers[-1]


def mlp_start(key):
    keys = jax.random.split(key, 3)
    return [jax.random.normal(k, s) / s[0] ** 0.5 for k, s in zip(keys, [(6, 16), (16, 16), (16, 3)], strict=True)]


def risk(problem, params):
    """Empirical risk.

    More words that are no long name."""
    return problem.risk(params)


def least_squares(n=8, d=12, seed=0):
    rng = np.random.default_rng(seed)
    return ba.Problem(linear, jnp.asarray(rng.normal(size=(n, d))), jnp.asarray(rng.normal(size=n)), half_squared_error)


def classification(seed=0):
    rng = np.random.default_rng(seed)
    return ba.Problem(mlp, jnp.asarray(rng.normal(size=(20, 6))), jnp.asarray(rng.integers(0, 3, 20)), cross_entropy)


def assert_same_bits(a, b):
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def furthest(a, b):
    gaps = [
        np.abs(np.asarray(x) - np.asarray(y)).max() for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    ]
    return max(gaps)


SGD = ba.SGD(0.05, batch_size=4, momentum=0.9)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(1, marks=pytest.mark.nightly),
        7,
        [0, 1, 2, 1023, 1024, 1025, STEPS],
        pytest.param(list(range(0, STEPS, 3)), marks=pytest.mark.nightly),
    ],
)
def test_recording_changes_no_bit(record):
    plain = ba.simulate(classification(), SGD, mlp_start, steps=STEPS, seeds=2, record=[0])
    other = ba.simulate(classification(), SGD, mlp_start, steps=STEPS, seeds=2, record=record, probes={"risk": risk})
    assert_same_bits(plain.params, other.params)


@pytest.mark.parametrize("driver", ["scan", "host"])
@pytest.mark.parametrize("chunk", [1, 10, 100])
def test_drivers_and_chunks_agree_bit_for_bit(driver, chunk):
    steps = 1100
    reference = ba.simulate(classification(), SGD, mlp_start, steps=steps, seeds=2, probes={"risk": risk}, record=5)
    other = ba.simulate(
        classification(),
        SGD,
        mlp_start,
        steps=steps,
        seeds=2,
        probes={"risk": risk},
        record=5,
        driver=driver,
        chunk=chunk,
    )
    assert_same_bits((reference.params, reference.state), (other.params, other.state))
    np.testing.assert_array_equal(reference.data.risk, other.data.risk)
    np.testing.assert_array_equal(reference.data.time, other.data.time)


@pytest.mark.parametrize("lanes", ["vmap", "map", "loop"])
def test_a_lane_alone_equals_the_lane_packed(lanes):
    packed = ba.simulate(classification(), SGD, mlp_start, steps=300, seeds=5, lanes=lanes)
    for i in range(5):
        alone = ba.simulate(classification(), SGD, mlp_start, steps=300, seeds=1, seed=i)
        gap = furthest(jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], packed.params), alone.params)
        assert gap < 1e-12
    assert (
        furthest(packed.params, ba.simulate(classification(), SGD, mlp_start, steps=300, seeds=5, stream=1).params)
        > 0.01
    )


def test_swept_lanes_equal_separate_runs_and_share_their_noise():
    problem, start = least_squares(), jnp.zeros(12)
    rates = [0.01, 0.03]
    swept = ba.simulate(
        problem,
        ba.SGD(0.0, 2),
        start,
        steps=200,
        seeds=3,
        sweep={"lr": rates, "weight_decay": [0.0, 0.1]},
        probes={"risk": risk},
    )
    assert swept.data.risk.dims == ("seed", "lr", "weight_decay", "step")
    for lr in rates:
        alone = ba.simulate(problem, ba.SGD(lr, 2, weight_decay=0.1), start, steps=200, seeds=3)
        assert furthest(swept.select(lr=lr, weight_decay=0.1).value, alone.params) < 1e-12
        np.testing.assert_allclose(swept.data.time.sel(lr=lr, weight_decay=0.0)[-1], lr * 200)
    built = ba.simulate(problem, lambda lr: ba.Optax(optax.sgd(lr), 2), start, steps=200, seeds=3, sweep={"lr": rates})
    plain = ba.simulate(problem, ba.Optax(optax.sgd(0.03), 2), start, steps=200, seeds=3)
    assert furthest(built.select(lr=0.03).value, plain.params) < 1e-12
    with pytest.raises(ValueError, match="was not run"):
        swept.select(lr=0.02, weight_decay=0.1)
    with pytest.raises(ValueError, match="a value for each"):
        swept.select(lr=0.01)


def test_problems_and_parameters_per_seed():
    problems = [least_squares(seed=s) for s in range(3)]
    stacked = ba.PerSeed(jax.tree.map(lambda *leaves: jnp.stack(leaves), *problems))
    starts = jnp.asarray(np.random.default_rng(5).normal(size=(3, 12)))
    together = ba.simulate(stacked, ba.SGD(0.02, 2), ba.PerSeed(starts), steps=100, seeds=3)
    for i, problem in enumerate(problems):
        alone = ba.simulate(problem, ba.SGD(0.02, 2), starts[i], steps=100, seed=i)
        assert furthest(together.params[i : i + 1], alone.params) < 1e-12


@pytest.mark.parametrize("driver", ["scan", "host"])
def test_a_resumed_run_equals_the_uninterrupted_one(driver):
    whole = ba.simulate(classification(), SGD, mlp_start, steps=1500, seeds=2, probes={"risk": risk}, record=5)
    first = ba.simulate(classification(), SGD, mlp_start, steps=700, seeds=2, driver=driver)
    rest = ba.simulate(
        classification(), SGD, None, steps=1500, seeds=2, resume=first, probes={"risk": risk}, record=5, driver=driver
    )
    assert_same_bits((whole.params, whole.state, whole.elapsed), (rest.params, rest.state, rest.elapsed))
    np.testing.assert_array_equal(whole.data.risk.sel(step=[900, 1200, 1500]), rest.data.risk)


@pytest.mark.parametrize("driver", ["scan", "host"])
def test_a_resumed_sweep_leaves_the_first_run_whole_and_is_checked(driver):
    start, rates = jnp.zeros(12), {"lr": [0.01, 0.03]}
    options = {"seeds": 2, "sweep": rates, "driver": driver}
    whole = ba.simulate(least_squares(), SGD, start, steps=60, **options)
    first = ba.simulate(least_squares(), SGD, start, steps=20, **options)
    rest = ba.simulate(least_squares(), SGD, None, steps=60, resume=first, **options)
    assert_same_bits(whole.params, rest.params)
    assert np.isfinite(first.params).all()
    with pytest.raises(ValueError, match="resume needs the seed"):
        ba.simulate(least_squares(), SGD, None, steps=60, resume=first, **options, seed=4)
    with pytest.raises(ValueError, match="resume needs the seed"):
        ba.simulate(least_squares(), SGD, None, steps=60, resume=first, seeds=2)
    with pytest.raises(ValueError, match="at least the 20 taken"):
        ba.simulate(least_squares(), SGD, None, steps=10, resume=first, **options)


def test_an_equinox_module_is_trained_by_its_arrays():
    module = eqx.nn.MLP(6, 3, 8, 1, key=jax.random.key(0))
    arrays, frame = eqx.partition(module, eqx.is_inexact_array)

    def predict(params, x):
        return jax.vmap(eqx.combine(params, frame))(x)

    data = classification()
    problem = ba.Problem(predict, data.x, data.y, cross_entropy)
    run = ba.simulate(problem, ba.GradientDescent(0.3), arrays, steps=300, seeds=2, probes={"risk": risk})
    assert (run.data.risk[:, -1] < 0.8 * run.data.risk[:, 0]).all()
    with pytest.raises(ValueError, match="split a module with"):
        ba.simulate(problem, ba.GradientDescent(0.3), module, steps=1)


def test_a_record_that_cuts_a_chunk_short_does_not_lengthen_the_next():
    heard = []
    with ba.progress_to(lambda done, total, label: heard.append(done)):
        ba.simulate(
            least_squares(),
            SGD,
            jnp.zeros(12),
            steps=200_000,
            probes={"risk": risk},
            record=range(1, 40),
            until=lambda _: False,
        )
    assert heard[:39] == list(range(1, 40))
    assert heard[39] - 39 <= 4096


def test_until_stops_every_lane_at_a_record():
    seen = []

    def low(last):
        seen.append(last["risk"].shape)
        return bool((last["risk"] < 0.05).all())

    run = ba.simulate(
        least_squares(),
        ba.GradientDescent(0.05),
        jnp.zeros(12),
        steps=5000,
        seeds=2,
        probes={"risk": risk},
        record=500,
        until=low,
    )
    assert run.step < 5000
    assert run.step % 10 == 0
    assert run.data.step[-1] == run.step
    assert (run.data.risk[:, -1] < 0.05).all()
    assert (run.data.risk[:, -2] >= 0.05).any()
    assert set(seen) == {(2,)}


def test_the_dataset_is_labelled():
    run = ba.simulate(
        least_squares(), ba.GradientDescent(0.05), jnp.zeros(12), steps=50, seeds=2, seed=7, probes={"risk": risk}
    )
    assert run.data.seed.values.tolist() == [7, 8]
    assert run.data.risk.attrs["long_name"] == "Empirical risk"
    np.testing.assert_allclose(run.data.time, 0.05 * run.data.step, rtol=1e-12)
    assert not run.data.diverged.any()


def test_divergence_is_counted_not_hidden():
    run = ba.simulate(
        least_squares(), ba.GradientDescent(0.0), jnp.zeros(12), steps=3000, sweep={"lr": [0.05, 50.0]}, seeds=2
    )
    np.testing.assert_array_equal(run.data.diverged, [[False, True], [False, True]])


def test_progress_reaches_the_listener():
    heard = []
    with ba.progress_to(lambda done, total, label: heard.append((done, total, label))):
        ba.simulate(least_squares(), ba.GradientDescent(0.05), jnp.zeros(12), steps=100, chunk=25, label="fit")
    ba.simulate(least_squares(), ba.GradientDescent(0.05), jnp.zeros(12), steps=100, chunk=25, label="unheard")
    assert heard == [(25, 100, "fit"), (50, 100, "fit"), (75, 100, "fit"), (100, 100, "fit")]


def test_an_interrupt_leaves_the_loop_at_once():
    def interrupt(done, total, label):
        raise KeyboardInterrupt

    with ba.progress_to(interrupt), pytest.raises(KeyboardInterrupt):
        ba.simulate(least_squares(), ba.GradientDescent(0.05), jnp.zeros(12), steps=10**9, chunk=10)


def strategy_of(problem, start, *, probes=(), dynamics=SGD, seeds=4, lanes="auto"):
    """The strategy chosen for `seeds` seeds that start at `start`."""
    numbers, frame = eqx.partition(dynamics, eqx.is_array_like)
    still = _lanes.Still(problem, np.zeros((seeds, 2), np.uint32), numbers, {})
    moving = _lanes.Moving(jnp.broadcast_to(start, (seeds, 1, *start.shape)), None, jnp.zeros((seeds, 1)))
    return choose("auto", lanes, _lanes.Static(None, frame, probes), still, moving, seeds)


def test_convolutions_are_driven_from_the_host_on_a_cpu():
    def conv(params, x):
        return jax.lax.conv_general_dilated(x, params, (1, 1), "SAME").mean((1, 2, 3))

    problem = ba.Problem(conv, jnp.ones((4, 1, 5, 5)), jnp.ones(4), half_squared_error)
    assert strategy_of(problem, jnp.ones((1, 1, 3, 3)))[:2] == ("host", "loop")
    assert strategy_of(least_squares(), jnp.ones(12))[:2] == ("scan", "vmap")
    assert strategy_of(least_squares(d=20_000), jnp.ones(20_000))[:2] == ("scan", "map")
    host = ba.simulate(problem, ba.SGD(0.1, 2), jnp.ones((1, 1, 3, 3)), steps=20, seeds=2)
    scan = ba.simulate(problem, ba.SGD(0.1, 2), jnp.ones((1, 1, 3, 3)), steps=20, seeds=2, driver="scan", lanes="vmap")
    assert furthest(host.params, scan.params) < 1e-12


def test_lanes_that_factorise_matrices_are_not_split_among_devices():
    def orthogonal(problem, w):
        """|Q| of a matrix that differs from lane to lane."""
        return jnp.abs(jnp.linalg.qr(problem.x.T + w[:, None])[0]).sum()

    assert strategy_of(least_squares(), jnp.ones(12)).mesh is not None
    assert strategy_of(least_squares(), jnp.ones(12), seeds=3).mesh is None  # a seed alone has other bits
    assert strategy_of(least_squares(), jnp.ones(12), seeds=3, lanes="map").mesh is not None
    assert strategy_of(least_squares(), jnp.ones(12), probes=(("q", orthogonal),)).mesh is None
    assert strategy_of(least_squares(), jnp.ones(12), probes=(("q", orthogonal),), lanes="map").mesh is not None
    implicit = ba.GradientFlow(1.0, solver=diffrax.Kvaerno5())
    assert strategy_of(least_squares(), jnp.ones(12), dynamics=implicit, lanes="map").mesh is None
    run = ba.simulate(least_squares(), SGD, jnp.ones(12), steps=300, seeds=6, probes={"q": orthogonal}, record=300)
    assert np.isfinite(run.data.q).all()
    assert not ba.simulate(least_squares(), implicit, jnp.ones(12), steps=3, seeds=3).data.diverged.any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"chunk": 0}, "chunk must be at least 1"),
        ({"record": [101]}, r"must lie in 0\.\.100"),
        ({"record": 0}, "record must be at least 1"),
        ({"driver": "hosts"}, "driver must be"),
        ({"lanes": "pmap"}, "lanes must be"),
        ({"params": [jnp.zeros(12), "text"]}, "must be a pytree of floating arrays, found str"),
        ({"params": jnp.zeros(12, int)}, "found int.. numbers"),
        ({"seed": -1}, "seeds must lie in"),
        ({"steps": 3 * 10**9}, "steps must be below"),
        ({"probes": {"time": risk}}, "'time' names an axis"),
        ({"sweep": {"step": [1.0]}}, "'step' names an axis"),
        ({"sweep": {"lr": []}}, "no values for 'lr'"),
        ({"sweep": {"rate": [1.0]}}, "no number 'rate' to sweep"),
        ({"sweep": {"nesterov": [1.0]}}, "no number 'nesterov' to sweep"),
        ({"params": ba.PerSeed(jnp.zeros((3, 12)))}, "leading axis of 1 seeds"),
    ],
)
def test_bad_arguments_say_what_to_do(options, words):
    settings = {"params": jnp.zeros(12), "steps": 100} | options
    with pytest.raises(ValueError, match=words):
        ba.simulate(least_squares(), ba.GradientDescent(0.05), **settings)


def test_log_steps():
    steps = ba.log_steps(1000, 10)
    assert steps[0] == 0
    assert steps[1] == 1
    assert steps[-1] == 1000
    assert list(steps) == sorted(set(steps))


def test_single_precision_stays_single_under_the_default_context():
    with jax.enable_x64(False):
        problem = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float32), least_squares())
        run = ba.simulate(problem, ba.SGD(0.02, 2), jnp.zeros(12, jnp.float32), steps=50, sweep={"lr": [0.01]})
    assert run.params.dtype == jnp.float32


@pytest.mark.usefixtures("x64")
def test_a_start_of_weak_type_keeps_its_precision():
    class Clocked(ba.GradientDescent):
        """Gradient descent with a clock of double precision."""

        def time_step(self, state):
            return jnp.asarray(0.1, jnp.float64)

    start = jnp.full(4, 0.1)
    assert start.weak_type
    problem = ba.Problem(lambda w, x: x @ w, jnp.eye(4), jnp.ones(4), half_squared_error)
    run = ba.simulate(problem, Clocked(0.1), start, steps=10)
    assert run.params.dtype == run.elapsed.dtype == jnp.float64
    np.testing.assert_allclose(run.elapsed, 1.0, rtol=1e-15)


@pytest.mark.nightly
def test_the_contract_holds_for_programs_compiled_as_users_compile_them():
    """The fast tests ask for fewer optimisations, which decide how numbers are rounded."""
    ordinary = {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=3"}
    files = [__file__, os.path.join(os.path.dirname(__file__), "test_checkpoints.py")]
    asked = [sys.executable, "-m", "pytest", "-n0", "-q", "-m", "not nightly", *files]
    told = subprocess.run(asked, env=ordinary, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout
