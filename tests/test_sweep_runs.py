"""Sweeps in processes that are killed, stopped and starved: nothing is lost, nothing is computed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import biassay as ba
import fake_sweep
from biassay import assays
from biassay._atomic import TEMPORARY
from biassay.store import Store, open_run
from biassay.sweeps import _execute, _point
from test_supervise import TESTS, alive, cluster, until  # noqa: F401
from test_sweeps import HereWorkers

LAUNCH = (
    "import sys, json; from biassay import assays; import biassay as ba, fake_sweep\n"
    "assays.CATALOGUE['grains'] = fake_sweep.ENTRY\n"
    "ba.sweep('grains', **json.loads(sys.argv[1]))"
)


@pytest.fixture(autouse=True)
def workplace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The fake assay, and a folder in which its runs leave marks."""
    monkeypatch.setitem(assays.CATALOGUE, "grains", fake_sweep.ENTRY)
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def check(marks: Path, out: Path, points: int, killers: list[int], once: list[int], **options: Any) -> None:
    """Points of which some kill their worker whenever they run, some once by bad luck, and the third raises."""
    settings: dict[str, Any] = {"killers": killers, "bad": [3], "once": once, "marks": str(marks)}
    result = ba.sweep("grains", {"n": range(points)}, out=out, **settings, **options)
    failed = {failure.settings["n"]: failure for failure in result.failures}
    assert set(failed) == {3, *killers}
    assert (failed[3].error, failed[3].message) == ("ValueError", "no solution for n = 3")
    assert all(failed[n].message.startswith("its worker was killed") for n in killers)
    assert len(Store(out / "store").paths()) == points - len(failed)
    assert set(result.data["sweep_failed"].values.nonzero()[0].tolist()) == set(failed)
    assert result.verdicts["outcome"].sel(claim="counts").values.tolist().count("missing") == len(failed)
    serial = out / "serial"
    for n in sorted(set(range(points)) - set(failed)):
        alone = ba.run("grains", n=n, out=serial, **settings)
        assert alone.path is not None
        stored = open_run(out / "store" / alone.path.name)
        xr.testing.assert_identical(stored.data, alone.data)
        for name in alone.data.data_vars:
            assert stored.data[name].values.tobytes() == alone.data[name].values.tobytes()
        np.testing.assert_array_equal(result.data["loss"].sel(n=n).values, alone.data["loss"].values)


def test_a_point_that_kills_its_worker_harms_no_other(workplace: Path, tmp_path: Path) -> None:
    check(workplace, tmp_path, 20, [7], [], workers=2)


@pytest.mark.nightly
def test_three_of_sixty_points_fail_and_57_are_kept(workplace: Path, tmp_path: Path) -> None:
    check(workplace, tmp_path, 60, [13, 37], [45], workers=2)


@pytest.mark.nightly
def test_three_of_sixty_points_fail_on_a_cluster(workplace: Path, tmp_path: Path, cluster: str) -> None:  # noqa: F811
    check(workplace, tmp_path, 60, [13, 37], [45], on=f"dask://{cluster}")


def test_a_killed_sweep_goes_on_with_exactly_what_is_missing(workplace: Path, tmp_path: Path) -> None:
    out, grid = tmp_path / "out", {"n": list(range(40))}
    asked = {"grid": grid, "out": str(out), "workers": 2, "pause": 0.1, "marks": str(workplace)}
    store, over, seen = Store(out / "store"), threading.Event(), []

    def read() -> None:
        while not over.wait(0.01):
            for path in store.paths():
                assert not path.name.startswith(TEMPORARY)
                seen.append(int(open_run(path).data["count"]))

    reader = _Reading(read)
    reader.start()
    try:
        env = {**os.environ, "PYTHONPATH": str(TESTS)}
        driver = subprocess.Popen([sys.executable, "-c", LAUNCH, json.dumps(asked)], env=env)
        until(lambda: len(store.paths()) >= 12)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        processes = {process for _, process in fake_sweep.marked(workplace)}
        assert processes
        seconds = until(lambda: not any(map(alive, processes)))
        print(f"the workers ended {seconds:.2f} s after their driver")

        kept = {int(open_run(path).data["count"]) for path in store.paths()}
        assert 12 <= len(kept) < 40
        begun = len(fake_sweep.marked(workplace))
        result = ba.sweep("grains", **asked)
        again = sorted(n for n, _ in fake_sweep.marked(workplace))
        assert len(again) == begun + 40 - len(kept)
        assert all(again.count(n) == 1 for n in kept)
        assert result.cached == len(kept)
        assert not result.data["sweep_failed"].any()
    finally:
        over.set()
        reader.join()
    assert reader.error is None
    assert set(seen)
    assert not [path for path in (out / "store").iterdir() if path.name.startswith(TEMPORARY)]


def test_a_full_disk_is_one_error_and_the_sweep_goes_on_when_there_is_room(workplace: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ba.run("grains", n=1, marks=str(workplace), out=out)
    (workplace / "full").touch()
    with pytest.raises(ba.StoreError, match=r"cannot write .*grains-.*: .*make room or choose another --out") as caught:
        ba.sweep("grains", {"n": [1, 2, 3]}, out=out, workers=1, marks=str(workplace))
    assert "\n" not in str(caught.value)
    assert [int(open_run(path).data["count"]) for path in Store(out / "store").paths()] == [1]
    (workplace / "full").unlink()
    result = ba.sweep("grains", {"n": [1, 2, 3]}, out=out, workers=1, marks=str(workplace))
    assert (result.cached, result.failures) == (1, ())


def test_threads_of_a_worker_share_a_store(tmp_path: Path) -> None:
    """A Dask worker may have several threads. In a process of its own: netCDF would take the tests down with it."""
    code = (
        "import sys, threading; from pathlib import Path; import numpy as np, xarray as xr\n"
        "from biassay.store import Store, open_run\n"
        "store, data = Store(Path(sys.argv[1])), xr.Dataset({'x': ('t', np.arange(9.0)), 's': ('t', ['a'] * 9)})\n"
        "def work(n):\n"
        "    for k in range(40):\n"
        "        path = store.write('a', f'{n}{k}', data, {'config': {}, 'seconds': 1.0})\n"
        "        assert open_run(path).data.equals(data)\n"
        "threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]\n"
        "assert len(store.paths()) == 160"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)


def test_what_dead_writers_left_is_swept_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_execute, "_workers", lambda *_: HereWorkers())
    monkeypatch.setattr(_point, "_prepare", lambda *_: None)
    folder = tmp_path / "store"
    code = (
        "import os, sys; from pathlib import Path; from biassay._atomic import replaced\n"
        "with replaced(Path(sys.argv[1]) / 'a.nc') as file: os._exit(1)"
    )
    waiting = code.replace("os._exit(1)", "print(flush=True), sys.stdin.read()")
    living = subprocess.Popen([sys.executable, "-c", waiting, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert living.stdout is not None
    living.stdout.readline()
    subprocess.run([sys.executable, "-c", code, folder], check=False)
    try:
        names = [path.name for path in folder.iterdir()]
        assert len(names) == 2
        ba.sweep("grains", {"n": [1]}, out=tmp_path)
        left = [path.name for path in folder.iterdir() if path.name.startswith(TEMPORARY)]
        assert left == [name for name in names if f"-{living.pid}-" in name]
    finally:
        living.communicate(timeout=60)


def test_ctrl_c_stops_the_workers_and_keeps_what_is_finished(workplace: Path, tmp_path: Path) -> None:
    command = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from biassay import assays, cli; import fake_sweep\n"
        "assays.CATALOGUE['grains'] = fake_sweep.ENTRY\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    arguments = ["sweep", "grains", "--grid", "n=range(0,40)", "--set", "pause=0.2", f"marks={workplace}"]
    env = {**os.environ, "PYTHONPATH": str(TESTS), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(
        [sys.executable, "-c", command, *arguments, "--workers", "1"], cwd=tmp_path, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    store = Store(tmp_path / "biassay-out" / "store")
    until(lambda: len(store.paths()) >= 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert err.splitlines()[-1] == (
        "biassay: interrupted; what is finished is kept, go on with: biassay sweep --resume --workers 1"
    )
    assert not any(alive(number) for _, number in fake_sweep.marked(workplace))
    assert 3 <= len(store.paths()) < 40
    for path in store.paths():
        open_run(path)


FAKE_SBATCH = """#!/bin/sh
# Slurm in two lines: a copy of the job's script runs here, at once.
cp "$1" "job-$$.sh"
setsid sh "job-$$.sh" > "job-$$.log" 2>&1 < /dev/null &
echo $! >> submitted
echo "Submitted batch job $!"
"""
FAKE_SQUEUE = """#!/bin/sh
for job in $(cat submitted); do kill -0 "$job" 2> /dev/null && echo "$job"; done
true
"""
FAKE_SCANCEL = """#!/bin/sh
for job in "$@"; do kill -- "-$job" 2> /dev/null; done
"""


def with_slurm(folder: Path, broken: str = "false") -> dict[str, str]:
    """An environment in which jobs can be submitted; one for which the shell finds `broken` true ends at once."""
    tools = folder / "tools"
    tools.mkdir()
    submit = FAKE_SBATCH.replace("setsid", f"{broken} && echo exit 1 > job-$$.sh\nsetsid")
    for name, text in (("sbatch", submit), ("scancel", FAKE_SCANCEL), ("squeue", FAKE_SQUEUE)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return {**os.environ, "PYTHONPATH": str(TESTS), "PATH": f"{tools}:{os.environ['PATH']}"}


@pytest.mark.nightly
def test_slurm_jobs_compute_and_end(tmp_path: Path, workplace: Path) -> None:
    env = with_slurm(tmp_path)
    asked = {
        "grid": {"n": list(range(8))}, "out": str(tmp_path / "out"), "on": "slurm", "workers": 2,
        "marks": str(workplace), "job": {"interface": "lo", "memory": "1GB", "walltime": "00:10:00",
                "job_script_prologue": "export A=1;export B=2"},
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", LAUNCH, json.dumps(asked)], env=env, cwd=tmp_path, check=True, timeout=300)
    assert len(Store(tmp_path / "out" / "store").paths()) == 8
    processes = {process for _, process in fake_sweep.marked(workplace)}
    until(lambda: not any(map(alive, processes)))


@pytest.mark.nightly
def test_a_slurm_job_that_ends_too_early_is_submitted_again(tmp_path: Path, workplace: Path) -> None:
    asked = {
        "grid": {"n": list(range(12))}, "out": str(tmp_path / "out"), "on": "slurm", "workers": 1, "pause": 1.0,
        "marks": str(workplace), "job": {"interface": "lo", "memory": "4GB", "cores": 2},
    }  # fmt: skip
    hasty = f"from biassay.workers import _dask; _dask._RENEW_SECONDS = 2\n{LAUNCH}"
    env = with_slurm(tmp_path)
    driver = subprocess.Popen([sys.executable, "-c", hasty, json.dumps(asked)], env=env, cwd=tmp_path)
    store = Store(tmp_path / "out" / "store")
    try:
        until(lambda: len(store.paths()) >= 4)
        _, process = fake_sweep.marked(workplace)[0]
        (private,) = (tmp_path / "out" / "sweeps").glob(".slurm-*")
        assert private.stat().st_mode & 0o077 == 0
        os.killpg(os.getpgid(process), signal.SIGKILL)
        assert driver.wait(timeout=300) == 0
    finally:
        driver.terminate()
    assert len(store.paths()) == 12
    assert not private.exists()


@pytest.mark.nightly
def test_a_slurm_job_that_ends_before_its_worker_joins_is_submitted_again(tmp_path: Path, workplace: Path) -> None:
    asked = {
        "grid": {"n": list(range(4))}, "out": str(tmp_path / "out"), "on": "slurm", "workers": 1,
        "marks": str(workplace), "job": {"interface": "lo", "memory": "1GB"},
    }  # fmt: skip
    hasty = f"from biassay.workers import _dask; _dask._RENEW_SECONDS = 2\n{LAUNCH}"
    for broken, code, stored in (("[ ! -e submitted ]", 0, 4), ("true", 1, 0)):
        folder = tmp_path / str(code)
        folder.mkdir()
        asked["out"] = str(folder / "out")
        driver = [sys.executable, "-c", hasty, json.dumps(asked)]
        ended = subprocess.run(driver, env=with_slurm(folder, broken), cwd=folder, capture_output=True, timeout=120)
        assert ended.returncode == code
        assert len(Store(folder / "out" / "store").paths()) == stored
    assert b"WorkerError: 2 jobs ended before a worker joined: their logs (slurm-*.out) say why" in ended.stderr


class _Reading(threading.Thread):
    """A thread that keeps what it raised."""

    def __init__(self, read: Any) -> None:
        super().__init__()
        self._read = read
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._read()
        except BaseException as error:
            self.error = error
