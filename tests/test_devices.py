"""Several devices: seeds apart change no bit and exchange nothing; devices that train together do what one does."""

import dataclasses
import re
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
import on_devices
from biassay import _strategy
from biassay.data.confusion import ConfusionSet
from biassay.problem import cross_entropy
from biassay.simulation import checkpoints_in
from on_devices import SGD, classification, looked_into, mlp, mlp_starts

SCRIPT = on_devices.__file__
QUICK = ("5 swept seeds", "sgd", "batch norm")
SLOW = ("8 seeds", "6 seeds", "5 seeds", "3 seeds", "mapped seeds", "adam", "descent", "resumed", "resnet")
CLOSE = 1e-14  # sums in another order, over 50 steps


def start(devices, out, runs, *options):
    return subprocess.Popen([sys.executable, SCRIPT, str(devices), str(out), *runs, *options])


def kept(out, *processes):
    """What the processes have written, once they are over."""
    try:
        codes = [process.wait(timeout=500) for process in processes]
    finally:
        for process in processes:
            process.kill()  # what JAX makes of SIGTERM is to wait
    assert codes == [0] * len(processes)
    with np.load(out) as file:
        return dict(file)


def on_four(folder, runs):
    """The runs on one and on four devices."""
    paths = {devices: folder / f"{devices}.npz" for devices in (1, 4)}
    return [kept(path, start(devices, path, runs)) for devices, path in paths.items()]


def assert_as_on_one(one, four, runs):
    for name in runs:
        gap = np.abs(one[name] - four[name]).max()
        if name.endswith("seeds"):
            np.testing.assert_array_equal(one[name], four[name])
        else:
            assert gap <= CLOSE, (name, gap)
        # Those that train together do exchange something, so that nothing elsewhere says something.
        exchanged = [] if "seed" in name else ["all-reduce"]
        assert four[f"{name} collectives"].tolist() == exchanged
        assert not one[f"{name} collectives"].size


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return on_four(tmp_path_factory.mktemp("devices"), QUICK)


def test_four_devices_do_what_one_does(quick):
    assert_as_on_one(*quick, QUICK)


@pytest.mark.nightly
def test_four_devices_do_what_one_does_whatever_is_trained(tmp_path):
    assert_as_on_one(*on_four(tmp_path, SLOW), SLOW)


def in_two_processes(folder, devices, runs, tries=3):
    """What both of two processes that train together have written; another program may take the port: try again."""
    paths = [folder / f"{rank}.npz" for rank in (0, 1)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [start(devices, path, runs, "--process", str(rank), "--port", port) for rank, path in enumerate(paths)]
    try:
        return [kept(path, *processes) for path in paths]
    except AssertionError:
        if tries == 1:
            raise
    return in_two_processes(folder, devices, runs, tries - 1)


def assert_both_as_one(both, one, runs):
    for name in runs:
        np.testing.assert_array_equal(both[0][name], both[1][name])
        gap = np.abs(both[0][name] - one[name]).max()
        assert gap <= CLOSE, (name, gap)
        assert "all-reduce" in both[0][f"{name} collectives"]


def test_two_processes_do_what_one_does(quick, tmp_path):
    assert_both_as_one(in_two_processes(tmp_path, 1, ["sgd"]), quick[0], ["sgd"])


@pytest.mark.nightly
def test_two_processes_of_two_devices_do_what_one_does(quick, tmp_path):
    assert_both_as_one(in_two_processes(tmp_path, 2, ["sgd", "batch norm"]), quick[0], ["sgd", "batch norm"])


# --- on the two devices of every test ---------------------------------------------------------------------------------


def flat(layers, x):
    return mlp(layers, x.reshape(len(x), -1).astype(layers[0].dtype))


def mirrored(key, x):
    return x[:, :, ::-1]


@pytest.mark.parametrize("copies", [None, pytest.param(2, marks=pytest.mark.nightly)])
def test_no_device_computes_on_the_whole_batch(x64, copies):
    """Taking it from the data set, making its items and augmentation included."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.integers(0, 256, (14, 3, 1, 2)), jnp.uint8)
    if copies is not None:
        x = ConfusionSet(x[:7], jax.random.key(0), copies, fraction=0.2)
    problem = ba.Problem(flat, x, jnp.asarray(rng.integers(0, 3, len(x))), cross_entropy)
    dynamics = ba.SGD(0.1, batch_size=10, augment=mirrored)

    def whole(**options):
        _, text = looked_into(lambda: ba.simulate(problem, dynamics, mlp_starts(1), steps=2, **options))
        return re.findall(r"[us]8\[(?:1,)?10,[\d,]+\]|f64\[(?:1,)?10,\d+\]", text)

    assert whole()
    assert not whole(data_parallel=True)


def test_on_one_device_it_is_the_ordinary_program(x64, monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: jax.local_devices()[:1])
    plain, asked = (
        ba.simulate(classification(), SGD, mlp_starts(2), steps=20, seeds=2, data_parallel=d) for d in (False, True)
    )
    for one, other in zip(plain.params, asked.params, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_cannot_be_shared_is_refused(x64):
    for dynamics, size in ((ba.SGD(0.1, 5), 5), (ba.GradientDescent(0.1), 39)):
        problem = dataclasses.replace(classification(), x=classification().x[:39], y=classification().y[:39])
        with pytest.raises(ValueError, match=f"a batch of {size} examples cannot be shared equally by 2 devices"):
            ba.simulate(problem, dynamics, mlp_starts(1), steps=2, data_parallel=True)
    with pytest.raises(ValueError, match="data_parallel must be True, False or auto"):
        ba.simulate(classification(), SGD, mlp_starts(1), steps=2, data_parallel="yes")

    def volume(problem, params):
        return jnp.linalg.det(params[1])

    options = {"steps": 2, "probes": {"volume": volume}, "data_parallel": True}
    with pytest.raises(ValueError, match='take lanes="map"'):
        ba.simulate(classification(), SGD, mlp_starts(1), lanes="vmap", **options)
    assert np.isfinite(ba.simulate(classification(), SGD, mlp_starts(1), **options).data["volume"]).all()


def test_auto_takes_accelerators_that_the_lanes_leave_over(x64, monkeypatch):
    class ChosenError(Exception):
        """Nothing is run."""

    def axis(dynamics=SGD, seeds=1):
        """What is split among two devices that pass for accelerators."""
        meshes = []

        def chosen(*args):
            meshes.append(_strategy.choose(*args).mesh)
            raise ChosenError

        monkeypatch.setattr(ba.simulation, "choose", chosen)
        with pytest.raises(ChosenError):
            ba.simulate(classification(), dynamics, mlp_starts(seeds), steps=2, seeds=seeds, data_parallel="auto")
        return None if meshes[0] is None else meshes[0].axis_names[0]

    assert axis() is None  # a CPU's cores are not taken
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert axis() == "example"
    assert axis(seeds=2) == "seed"
    assert axis(dynamics=ba.SGD(0.1, 5)) is None


def test_a_checkpoint_is_of_so_many_devices(x64, tmp_path, monkeypatch):
    def files(devices, **options):
        """The files there are after a run on so many devices, and its parameters."""
        with monkeypatch.context() as patched, checkpoints_in(tmp_path, every=0):
            patched.setattr(jax, "devices", lambda: jax.local_devices()[:devices])
            run = ba.simulate(classification(), SGD, mlp_starts(1), steps=20, chunk=5, lanes="map", **options)
        return len(list(tmp_path.iterdir())), run.params

    plain, first = files(2), files(2, data_parallel=True)
    assert (plain[0], first[0]) == (1, 2)
    with monkeypatch.context() as patched:  # nothing is computed again
        patched.setattr(ba.simulation, "_advance_by_scan", None)
        again = files(2, data_parallel=True)
        alone = files(1, data_parallel=True)
    assert (again[0], alone[0]) == (2, 2)
    for expected, found in ((first, again), (plain, alone)):
        for one, other in zip(expected[1], found[1], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_process_of_several_writes_nothing_unless_it_is_the_first(x64, tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    with checkpoints_in(tmp_path, every=0):
        ba.simulate(classification(), SGD, mlp_starts(1), steps=20, data_parallel=True)
        assert not list(tmp_path.iterdir())
        ba.simulate(classification(), SGD, mlp_starts(1), steps=20)  # its own
    assert len(list(tmp_path.iterdir())) == 1
