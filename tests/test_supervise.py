"""Workers that may die: nobody is blamed for a neighbour, nothing is lost, and no process outlives its parent."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.config
import distributed
import pytest
from hypothesis import given
from hypothesis import strategies as st

import small_work
from biassay.errors import StoreError
from biassay.workers import (
    Answer,
    Death,
    Failed,
    Finished,
    LocalWorkers,
    Packing,
    WorkerError,
    Workers,
    _dask,
    _local,
    _slurm,
    _supervise,
    dask_workers,
    remaining,
    slurm_workers,
    supervise,
)

TESTS = Path(__file__).parent
PATIENCE = 60.0


def until(true: Callable[[], bool], seconds: float = PATIENCE) -> float:
    """Waits until something is true, and says how long it took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begun


def alive(process: int) -> bool:
    """Whether a process runs; one that nobody has buried yet does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sixty(folder: Path, workers: Workers, patience: float = 0.0) -> dict[int, Answer]:
    """60 items, of which three must fail and one is struck by bad luck."""
    where = str(folder)
    answers = list(
        supervise(partial(small_work.work, where, patience), range(60), workers, known=partial(small_work.known, where))
    )
    found = {answer.item: answer for answer in answers}
    assert len(answers) == len(found) == 60
    return found


def check_sixty(found: dict[int, Answer], folder: Path) -> None:
    failed = {item: answer for item, answer in found.items() if isinstance(answer, Failed)}
    assert set(failed) == {*small_work.KILLERS, small_work.BAD}
    assert (failed[20].kind, failed[20].message) == ("ValueError", "no 20")
    assert "small_work.py" in failed[20].traceback
    for killer in small_work.KILLERS:
        assert failed[killer].kind == "WorkerDied"
        assert failed[killer].message.startswith("its worker was killed")
    assert len(list(folder.glob("done*"))) == 57
    answered = {item: answer.answer for item, answer in found.items() if isinstance(answer, Finished)}
    assert all(answer in (item * item, None) for item, answer in answered.items())
    begun = Counter(int(path.name.partition("-")[0]) for path in folder.glob("*-*"))
    assert begun[small_work.BAD] <= 2  # again only if the worker died before anyone heard of it
    assert begun[small_work.ONCE] == 2


def test_only_the_culprits_fail_on_this_machine(tmp_path: Path) -> None:
    found = sixty(tmp_path, LocalWorkers(2))
    check_sixty(found, tmp_path)
    killed = found[13]
    assert isinstance(killed, Failed)
    assert killed.message == "its worker was killed by SIGKILL twice, with nothing beside it (out of memory?)"


def test_a_plain_map_loses_innocent_items(tmp_path: Path) -> None:
    """The control: what the supervision is for."""
    kept = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        answers = pool.map(partial(small_work.work, str(tmp_path), 0.0), [n for n in range(60) if n != small_work.BAD])
        with pytest.raises(BrokenExecutor):
            kept.extend(answers)
    assert len(kept) < 57


CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **here)
    print(cluster.scheduler_address.removeprefix("tcp://"), flush=True)
    sys.stdin.read()
    cluster.close()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a Dask scheduler with two workers, all in processes of their own."""
    (tmp_path / "cluster.py").write_text(CLUSTER)
    env = {**os.environ, "PYTHONPATH": str(TESTS), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    process = subprocess.Popen(
        [sys.executable, tmp_path / "cluster.py"], env=env, cwd=tmp_path, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate(timeout=PATIENCE)


def test_only_the_culprits_fail_on_a_cluster(tmp_path: Path, cluster: str) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    workers = dask_workers(cluster)
    try:
        until(lambda: workers.slots() == 2)
        check_sixty(sixty(folder, workers, patience=2.0), folder)
    finally:
        workers.close()


class Client:
    """A cluster's client that is told which workers there are."""

    def __init__(self) -> None:
        self.threads: dict[str, int] = {}

    def nthreads(self) -> dict[str, int]:
        return self.threads

    def get_executor(self, pure: bool) -> None:
        pass


def test_a_cluster_is_waited_for_until_it_has_lost_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_dask, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(_dask, "_LOST_SECONDS", 0.0)
    client = Client()
    workers = _dask.DaskWorkers(client)
    assert [workers.slots() for _ in range(3)] == [0, 0, 0]
    client.threads = {"a": 2, "b": 1}
    assert workers.slots() == 3
    client.threads = {}
    with pytest.raises(WorkerError, match="the Dask cluster has lost all its workers"):
        until(lambda: workers.slots() > 0)


@pytest.mark.parametrize("patience", ["0.1s", "1h"])
def test_a_job_that_has_ended_is_started_again(monkeypatch: pytest.MonkeyPatch, patience: str) -> None:
    """As Slurm ends it at its walltime. patience: before Dask gives it up; for several processes it never does."""
    monkeypatch.setattr(_dask, "_RENEW_SECONDS", 0.5)
    options = {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"}

    class Jobs(distributed.SpecCluster):
        def scale(self, jobs: int) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            super().scale(jobs)

    with dask.config.set({"distributed.deploy.lost-worker-timeout": patience}):
        cluster = Jobs(
            scheduler={"cls": distributed.Scheduler, "options": options},
            worker={"cls": distributed.Worker, "options": {"nthreads": 1, "host": "127.0.0.1", "dashboard": False}},
        )
        cluster.scale(2)
        client: Any = distributed.Client(cluster, set_as_default=False)
        workers = _dask.DaskWorkers(client, cluster, 2, close=cluster.close)
        try:
            until(lambda: workers.slots() == 2)
            time.sleep(1)  # it is noted which jobs have joined
            workers.slots()
            first = set(client.nthreads())
            client.retire_workers(list(first))
            until(lambda: not first & set(client.nthreads()))
            until(lambda: workers.slots() == 2)
        finally:
            workers.close()


class QueuedJobs:
    """A cluster of jobs 0 and 1, numbered 10 and 11, whose workers never join; `given_up` is who was given up."""

    scheduler_info: dict[str, Any] = {"workers": {}}  # noqa: RUF012

    def __init__(self) -> None:
        self.worker_spec = self.workers = {job: SimpleNamespace(job_id=f"1{job}") for job in (0, 1)}
        self.given_up: list[int] = []
        self.loop = SimpleNamespace(add_callback=lambda give_up, job: self.given_up.append(job))

    def scale(self, jobs: int) -> None:
        assert jobs == 2


@pytest.mark.parametrize(("queue", "given_up"), [({"11"}, [0, 0, 0]), ({"10", "11"}, []), (None, [])])
def test_a_job_that_ends_before_its_worker_joins_is_given_up(
    monkeypatch: pytest.MonkeyPatch, queue: set[str] | None, given_up: list[int]
) -> None:
    monkeypatch.setattr(_dask, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(_dask, "_RENEW_SECONDS", 0.0)
    cluster = QueuedJobs()
    workers = _dask.DaskWorkers(Client(), cluster, 2, lambda: queue)
    for _ in range(7):  # two looks for each
        assert workers.slots() == 0
    assert cluster.given_up == given_up
    if given_up:
        with pytest.raises(WorkerError, match="4 jobs ended before a worker joined"):
            workers.slots()


def test_the_queue_is_this_users_whatever_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue = tmp_path / "squeue"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("LOGNAME", "someone-else")
    monkeypatch.setenv("SQUEUE_STATES", "RUNNING")
    for script, told in (
        (f'[ "$SQUEUE_STATES" = "" ] && [ "$2" = --user={os.getuid()} ] && echo 10 && echo 11', {"10", "11"}),
        ("true", set()),
        ("echo 10; exit 1", None),
    ):
        squeue.write_text(f"#!/bin/sh\n{script}\n")
        squeue.chmod(0o755)
        assert _slurm.queued_jobs() == told
    monkeypatch.setenv("PATH", "/nowhere")
    assert _slurm.queued_jobs() is None


def test_too_many_workers_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    workers = LocalWorkers(8)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, limits[1]))
    try:
        with pytest.raises(WorkerError, match=r"cannot start more than \d workers: Too many open files; take fewer"):
            list(supervise(small_work.leaves, range(8), workers, known=lambda _: None))
        LocalWorkers(2)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > len(os.listdir("/proc/self/fd")) + 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_nobody_at_an_address_is_one_line_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _dask._ANSWER_SECONDS <= 10
    monkeypatch.setattr(_dask, "_ANSWER_SECONDS", 0.5)
    with pytest.raises(WorkerError, match=r"^no Dask scheduler answers at 127\.0\.0\.1:1: .*$"):
        dask_workers("127.0.0.1:1")


def test_what_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(WorkerError, match="there is no sbatch on this machine"):
        slurm_workers(2, {}, tmp_path)
    for module in ("distributed", "dask_jobqueue.slurm"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(WorkerError, match=r"needs Dask: pip install 'biassay\[cluster\]'"):
        slurm_workers(2, {}, tmp_path)
    with pytest.raises(WorkerError, match=r"needs Dask: pip install 'biassay\[cluster\]'"):
        dask_workers("127.0.0.1:1")


def test_a_worker_knows_nothing_of_the_main_module_and_keeps_to_its_share() -> None:
    (answer,) = supervise(small_work.says, [0], LocalWorkers(1, threads=1), known=lambda _: None)
    assert isinstance(answer, Finished)
    process, parent, main, threads = answer.answer
    assert (parent, main, threads) == (os.getpid(), "None", os.environ.get("OMP_NUM_THREADS", "1"))
    until(lambda: not alive(process))


def test_an_exit_code_is_told() -> None:
    (answer,) = supervise(small_work.leaves, [0], LocalWorkers(1), known=lambda _: None)
    assert isinstance(answer, Failed)
    assert answer.message == "its worker was ended with exit code 7 twice, with nothing beside it"


def test_an_exit_code_that_another_thread_has_collected_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = LocalWorkers(1)
    executor = workers.executor()
    with pytest.raises(BrokenExecutor) as broken:
        executor.submit(small_work.leaves, 0).result()
    known_late = iter([None, None, 7])
    monkeypatch.setattr(SpawnProcess, "exitcode", property(lambda process: next(known_late)))
    death = workers.death(executor, broken.value)
    assert death is not None
    assert death.how == "ended with exit code 7"


def test_what_no_item_is_to_blame_for_ends_all() -> None:
    with pytest.raises(StoreError, match="no room"):
        list(supervise(small_work.full, range(3), LocalWorkers(1), known=lambda _: None))


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    code = (
        "import functools, sys, small_work; from biassay.workers import LocalWorkers, supervise\n"
        "list(supervise(functools.partial(small_work.waits, sys.argv[1]), range(2), LocalWorkers(2), known=print))"
    )
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    driver = subprocess.Popen([sys.executable, "-c", code, tmp_path], env=env)
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    processes = [int(path.name.partition("-")[2]) for path in tmp_path.iterdir()]
    assert all(map(alive, processes))
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    until(lambda: not any(map(alive, processes)))
    assert _local._POLL_SECONDS <= 1  # what the time above is but for a slow machine


def test_leaving_early_ends_the_workers(tmp_path: Path) -> None:
    answers = supervise(partial(small_work.waits, str(tmp_path)), range(3), LocalWorkers(2), known=lambda _: None)

    def begun() -> list[int]:
        return [int(path.name.partition("-")[2]) for path in tmp_path.iterdir()]

    def alarm() -> None:
        until(lambda: len(begun()) == 2)
        os.kill(os.getpid(), signal.SIGALRM)

    class Enough(Exception):  # noqa: N818
        pass

    def hear(number: int, frame: object) -> None:
        raise Enough

    before = signal.signal(signal.SIGALRM, hear)
    try:
        watch = threading.Thread(target=alarm)
        watch.start()
        with pytest.raises(Enough):
            next(answers)
        watch.join()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(begun()) == 2
    until(lambda: not any(map(alive, begun())))


# --- who is a suspect, without processes ------------------------------------------------------------------------------


class Played(Executor):
    """Answers at once, by a function of the items."""

    def __init__(self, play: Callable[[list[int]], None]) -> None:
        self._play = play

    def submit(self, fn, /, *args, **kwargs):
        future: Future[list[Answer]] = Future()
        try:
            self._play(args[1])
            future.set_result(fn(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class PlayedWorkers:
    """Workers in this process that die as they are told; `batches` is what they were given."""

    def __init__(self, slots: int, dies: Callable[[list[int]], bool], started: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.stopped = 0
        self._slots, self._dies, self._started = slots, dies, started

    def slots(self) -> int:
        return self._slots

    def executor(self) -> Executor:
        return Played(self._play)

    def _play(self, items: list[int]) -> None:
        self.batches.append(items)
        if self._dies(items):
            raise BrokenExecutor

    def death(self, executor: Executor, error: BaseException) -> Death | None:
        return Death("killed by SIGKILL", started=self._started) if isinstance(error, BrokenExecutor) else None

    def stop(self, executor: Executor) -> None:
        self.stopped += 1

    def close(self) -> None:
        pass


@given(st.sets(st.integers(0, 39)), st.integers(1, 7))
def test_exactly_the_killers_fail_and_each_alone(killers: set[int], slots: int) -> None:
    workers = PlayedWorkers(slots, lambda items: bool(killers & set(items)))
    answers = list(supervise(lambda n: n, range(40), workers, known=lambda _: None))
    assert sorted(answer.item for answer in answers) == list(range(40))
    assert {answer.item for answer in answers if isinstance(answer, Failed)} == killers
    alone = Counter(batch[0] for batch in workers.batches[-2 * len(killers) :] if len(batch) == 1)
    assert all(alone[killer] >= 1 for killer in killers)


def test_what_was_kept_is_not_suspected() -> None:
    workers = PlayedWorkers(1, lambda items: 3 in items and len(items) > 1)
    packing = Packing()
    packing.learn(0.1)
    kept = {0: Finished(0, None, None), 1: Failed(1, "ValueError", "bad")}
    answers = {a.item: a for a in supervise(lambda n: n, range(40), workers, known=kept.get, packing=packing)}
    assert answers[0] is kept[0]
    assert answers[1] is kept[1]
    assert not any(isinstance(answer, Failed) for item, answer in answers.items() if item != 1)


def test_an_item_that_survives_alone_once_is_innocent() -> None:
    deaths = iter([True, True, False])
    workers = PlayedWorkers(1, lambda items: items == [2] and next(deaths))
    answers = list(supervise(lambda n: n, range(5), workers, known=lambda _: None))
    assert not [answer for answer in answers if isinstance(answer, Failed)]


def test_workers_that_never_start_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_supervise, "_LOOK_SECONDS", 0.0)
    workers = PlayedWorkers(2, lambda items: True, started=False)
    with pytest.raises(WorkerError, match="the workers die before they can work: killed by SIGKILL"):
        list(supervise(lambda n: n, range(5), workers, known=lambda _: None))


# --- arithmetic -------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=50), st.integers(1, 10**6), st.integers(1, 500))
def test_a_batch_is_worth_its_overhead_and_leaves_a_share_to_all(seconds: list[float], left: int, slots: int) -> None:
    packing = Packing(1.0)
    assert packing.size(left, slots) == 1
    for each in seconds:
        packing.learn(each)
    size = packing.size(left, slots)
    assert 1 <= size <= left
    mean = sum(seconds[-32:]) / len(seconds[-32:])
    if size > 1:
        assert size * mean <= 1.0 + 1e-9
        assert size <= left / (4 * slots)
    else:
        assert mean > 0.5 - 1e-9 or left / (4 * slots) < 2


def test_items_of_a_millisecond_travel_by_the_hundred() -> None:
    packing = Packing(1.0)
    for _ in range(5):
        packing.learn(0.002)
    assert packing.size(100_000, 2) == 500
    assert packing.size(80, 2) == 10


@given(st.integers(0, 1000), st.integers(1, 1000), st.integers(0, 64), st.floats(0.1, 1e6))
def test_the_remaining_time_is_the_pace_so_far(left: int, finished: int, running: int, elapsed: float) -> None:
    running = min(running, left)
    rest = remaining(left, finished, running, elapsed)
    assert rest is not None
    assert 0 <= rest <= elapsed * left / finished + 1e-9
    if not running:
        assert rest == pytest.approx(elapsed * left / finished)
    assert (rest == 0) == (left == 0)


def test_nobody_knows_the_remaining_time_before_anything_has_finished() -> None:
    assert remaining(10, 0, 2, 60.0) is None
    # 10 equal items of 6 s on 2 workers, 4 finished after 12 s: 18 s are left; half way through the next two, 15.
    assert remaining(6, 4, 2, 15.0) == 15.0
