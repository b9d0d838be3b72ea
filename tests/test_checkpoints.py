"""A killed simulation goes on from its checkpoint, bit for bit, and never from one that is not its own."""

import dataclasses
import os
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
from biassay import _checkpoints, dynamics
from biassay.problem import half_squared_error
from biassay.simulation import checkpoints_in

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(8, 5)), RNG.normal(size=8)


def linear(w, x):
    return x @ w


def risk(problem, params):
    """Risk."""
    return problem.risk(params)


class StopAfter:
    """A stop rule that counts."""

    def __init__(self, looks):
        self.left = looks

    def __call__(self, last):
        self.left -= 1
        return self.left == 0


def run(steps=4000, lr=0.01, looks=None, record=40, **options):
    problem = ba.Problem(linear, jnp.asarray(X), jnp.asarray(Y), half_squared_error)
    return ba.simulate(
        problem,
        dynamics.SGD(lr, 2, "independent", momentum=0.5),
        jnp.zeros(5),
        steps=steps,
        probes={"risk": risk},
        record=record,
        seeds=3,
        chunk=100,
        until=None if looks is None else StopAfter(looks),
        **options,
    )


class Killed(BaseException):
    """What nothing but the test catches."""


def interrupted(folder, at, **options):
    """A run that is stopped at step `at`, with checkpoints after every chunk."""

    def kill(step, steps, label):
        if step >= at:
            raise Killed

    with pytest.raises(Killed), checkpoints_in(folder, every=0), ba.simulation.progress_to(kill):
        run(**options)


def assert_same(a, b):
    for one, other in zip(jax.tree.leaves((a.params, a.state)), jax.tree.leaves((b.params, b.state)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert list(a.data.variables) == list(b.data.variables)
    for name, variable in a.data.variables.items():  # xarray cannot compare bfloat16
        np.testing.assert_array_equal(variable, b.data.variables[name])
        assert (variable.dims, variable.dtype, variable.attrs) == tuple(
            getattr(b.data.variables[name], part) for part in ("dims", "dtype", "attrs")
        )
    assert a.step == b.step


def steps_taken(function):
    """What `function()` returns, and the first step that its progress shows."""
    seen = []
    with ba.simulation.progress_to(lambda step, steps, label: seen.append(step)):
        return function(), (seen or [None])[0]


def test_a_run_goes_on_from_its_checkpoint(x64, tmp_path):
    whole = run()
    interrupted(tmp_path, at=2000)
    with checkpoints_in(tmp_path, every=0):
        resumed, first = steps_taken(run)
    assert_same(whole, resumed)
    assert first == 2000  # 1900 were on the disk
    # Over now: nothing is computed again.
    with checkpoints_in(tmp_path, every=0):
        again, first = steps_taken(run)
    assert_same(whole, again)
    assert first is None


def test_a_stop_rule_that_counts_counts_on(x64, tmp_path):
    whole = run(looks=30)
    assert whole.step == 3000
    interrupted(tmp_path, at=2000, looks=30)
    with checkpoints_in(tmp_path, every=0):
        assert_same(whole, run(looks=30))
    with checkpoints_in(tmp_path, every=0):
        again, first = steps_taken(lambda: run(looks=30))
    assert_same(whole, again)
    assert first is None


@pytest.mark.parametrize(
    "other",
    [{"lr": 0.02}, {"steps": 5000}, {"seed": 1}, {"stream": 1}, {"looks": 45}, {"record": [7, 4000]}],
)
def test_another_simulation_starts_anew(x64, tmp_path, other):
    interrupted(tmp_path, at=1000)
    with checkpoints_in(tmp_path, every=0):
        fresh, first = steps_taken(lambda: run(**other))
    assert first == 100
    assert_same(fresh, run(**other))


def test_other_data_start_anew(x64, tmp_path, monkeypatch):
    interrupted(tmp_path, at=1000)
    monkeypatch.setattr(sys.modules[__name__], "Y", Y + 1e-15)
    with checkpoints_in(tmp_path, every=0):
        _, first = steps_taken(run)
    assert first == 100


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "array"])
def test_a_damaged_checkpoint_is_not_used(x64, tmp_path, damage):
    interrupted(tmp_path, at=1000)
    (file,) = tmp_path.glob("*.npz")
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 0xFF
    if damage == "array":
        with file.open("wb") as stream:
            np.save(stream, np.zeros(3))
        content = file.read_bytes()
    file.write_bytes({"cut": content[: len(content) // 2], "empty": b""}.get(damage, content))
    with checkpoints_in(tmp_path, every=0):
        resumed, first = steps_taken(run)
    assert first == 100
    assert_same(run(), resumed)


def test_no_damaged_byte_is_read_as_another_run(tmp_path):
    """Any single byte changed: the checkpoint is read as it was or not at all, and nothing is raised."""
    with checkpoints_in(tmp_path) as kept:
        checkpoint = _checkpoints.next_checkpoint("something")
    carried = [jnp.arange(3.0), jnp.ones(2, jnp.int32)]
    checkpoint._write(_checkpoints.Reached(7, carried, [{"risk": np.ones((1, 1, 2))}], False), 1.0)
    (file,) = tmp_path.glob("*.npz")
    content = file.read_bytes()
    refused = 0
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
        reached = checkpoint.read(carried)
        refused += reached is None
        if reached is not None:
            assert (reached.position, reached.over) == (7, False)
            assert all(np.array_equal(a, b) for a, b in zip(reached.carried, carried, strict=True))
            np.testing.assert_array_equal(reached.recorded[0]["risk"], np.ones((1, 1, 2)))
    assert refused > len(content) / 4
    assert kept.simulations == 1


@pytest.mark.parametrize("short", [0.0, 1e9])
def test_what_is_short_is_not_kept(x64, tmp_path, monkeypatch, short):
    monkeypatch.setattr(_checkpoints, "_SHORT", short)
    with checkpoints_in(tmp_path, every=1e9):
        run(steps=200)
    assert len(list(tmp_path.glob("*.npz"))) == (short == 0)


def test_checkpoints_keep_their_distance(tmp_path, monkeypatch):
    """At least `every` seconds, and 20 times what writing takes."""
    now, written = [0.0], []
    monkeypatch.setattr(_checkpoints.time, "monotonic", lambda: now[0])
    for takes in (0.0, 10.0):
        written.clear()
        now[0] = 0.0
        with checkpoints_in(tmp_path, every=60):
            checkpoint = _checkpoints.next_checkpoint("something")

        def write(reached, seconds, takes=takes):
            written.append(now[0])
            now[0] += takes

        monkeypatch.setattr(checkpoint, "_write", write)
        while now[0] < 600:
            now[0] += 1
            checkpoint.offer(_checkpoints.Reached(0, (), [], False))
        gaps = np.diff([0.0, *written])
        assert (gaps >= 60).all()
        assert len(written) == (10 if takes == 0 else 3)


def test_a_full_disk_does_not_stop_a_run(x64, tmp_path):
    (tmp_path / "file").touch()
    with checkpoints_in(tmp_path / "file" / "folder", every=0):
        with pytest.raises(NotADirectoryError):
            _checkpoints.next_checkpoint()._write(_checkpoints.Reached(0, (), [], False), 0.0)
        full = run()
    assert_same(full, run())


def test_ctrl_c_leaves_a_checkpoint(x64, tmp_path, monkeypatch):
    monkeypatch.setattr(_checkpoints, "_SHORT", 0.0)

    def interrupt(step, steps, label):
        if step >= 2000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), checkpoints_in(tmp_path), ba.simulation.progress_to(interrupt):
        run()
    with checkpoints_in(tmp_path) as kept:
        resumed, first = steps_taken(run)
    assert first == 2000
    assert kept.earlier > 0
    assert_same(run(), resumed)


def averages(problem, params):
    """Parameters in half precision."""
    return params["w"].astype(jnp.bfloat16)


def network(w, statistics, x):
    return (x @ w["w"] - statistics) * w["scale"]


def training(w, statistics, x):
    hidden = x @ w["w"]
    return (hidden - hidden.mean()) * w["scale"], 0.9 * statistics + 0.1 * hidden.mean()


@pytest.mark.parametrize("driver", ["scan", "host"])
def test_everything_that_is_carried_comes_back(tmp_path, driver):
    """Problems and dynamics per seed, a sweep, batch statistics, bfloat16, weak types, lanes on two devices."""
    seeds = 3
    x = jnp.asarray(RNG.normal(size=(seeds, 8, 5)), jnp.float32)
    shared = ba.Problem(network, x[0], x[0, :, 0], half_squared_error, statistics=jnp.zeros(()), training=training)
    problem = dataclasses.replace(shared, x=x, y=x[:, :, 0], statistics=jnp.zeros(seeds))
    start = {"w": jnp.ones(5), "scale": jnp.ones(())}

    def go():
        return ba.simulate(
            ba.PerSeed(problem),
            dynamics.SGD(0.1, 2, "independent", momentum=0.5),
            start,
            steps=60,
            probes={"risk": risk, "averages": averages},
            record=6,
            seeds=seeds,
            sweep={"lr": (0.01, 0.02)},
            driver=driver,
            chunk=10,
        )

    whole = go()

    def kill(step, steps, label):
        if step >= 40:
            raise Killed

    with pytest.raises(Killed), checkpoints_in(tmp_path, every=0), ba.simulation.progress_to(kill):
        go()
    with checkpoints_in(tmp_path, every=0):
        resumed, first = steps_taken(go)
    assert first == 40
    assert_same(whole, resumed)
    np.testing.assert_array_equal(whole.statistics, resumed.statistics)
    assert resumed.data.averages.dtype == jnp.bfloat16


SCRIPT = """
import sys, time, numpy as np, jax
jax.config.update("jax_enable_x64", True)
sys.path.insert(0, sys.argv[1])
import test_checkpoints as t
from biassay.simulation import checkpoints_in, progress_to
def slow(step, steps, label):
    print(step, flush=True)
    time.sleep(0.02)
with checkpoints_in(__import__("pathlib").Path(sys.argv[2]), every=0), progress_to(slow):
    done = t.run()
np.save(sys.argv[3], np.concatenate([np.asarray(done.params).ravel(), done.data.risk.values.ravel()]))
"""


def test_a_killed_process_goes_on(tmp_path):
    """SIGKILL in the middle; the rerun begins where the checkpoint was and ends with the same bits."""

    def start(folder):
        arguments = [sys.executable, "-c", SCRIPT, os.path.dirname(__file__), str(folder), str(folder) + ".npy"]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)

    whole = start(tmp_path / "whole")
    assert whole.communicate()[0].split()[0] == "100"
    killed = start(tmp_path / "killed")
    assert killed.stdout is not None
    for line in killed.stdout:
        if int(line) >= 2000:
            break
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert not (tmp_path / "killed.npy").exists()
    rerun = start(tmp_path / "killed")
    assert int(rerun.communicate()[0].split()[0]) >= 2000
    np.testing.assert_array_equal(np.load(tmp_path / "killed.npy"), np.load(tmp_path / "whole.npy"))
