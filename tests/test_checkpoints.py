"""A killed simulation goes on from its checkpoint, bit for bit, and never from one that is not its own."""

import os
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
from biassay import dynamics
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


def run(steps=4000, lr=0.01, looks=None, **options):
    problem = ba.Problem(linear, jnp.asarray(X), jnp.asarray(Y), half_squared_error)
    return ba.simulate(
        problem,
        dynamics.SGD(lr, 2, "independent", momentum=0.5),
        jnp.zeros(5),
        steps=steps,
        probes={"risk": risk},
        record=40,
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
    assert a.data.identical(b.data)
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


@pytest.mark.parametrize("other", [{"lr": 0.02}, {"steps": 5000}, {"seed": 1}, {"stream": 1}])
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


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_checkpoint_is_not_used(x64, tmp_path, damage):
    interrupted(tmp_path, at=1000)
    (file,) = tmp_path.glob("*.npz")
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 0xFF
    file.write_bytes({"cut": content[: len(content) // 2], "flip": content, "empty": b""}[damage])
    with checkpoints_in(tmp_path, every=0):
        resumed, first = steps_taken(run)
    assert first == 100
    assert_same(run(), resumed)


def test_what_is_short_is_not_kept(x64, tmp_path):
    with checkpoints_in(tmp_path):
        run(steps=200)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_does_not_stop_a_run(x64, tmp_path):
    (tmp_path / "file").touch()
    with checkpoints_in(tmp_path / "file" / "folder", every=0):
        assert_same(run(), run())


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
