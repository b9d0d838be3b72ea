"""Workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from ._pool import Death, WorkerError

_ANSWER_SECONDS = 8
_LOOK_SECONDS = 0.5
_RENEW_SECONDS = 30.0
"""Between two looks at whether jobs have ended."""
_LOST_SECONDS = 60.0
"""A cluster that had workers may be without for so long: Dask restarts one that was killed within seconds."""
_FALSE_STARTS = 2
"""So many times as many jobs as there shall be may end before any worker has joined."""
MISSING = "needs Dask: pip install 'biassay[cluster]'"


class DaskWorkers:
    """The workers of the cluster that a client of `distributed` speaks to.

    A Dask worker's own nanny replaces a process that dies. Of a cluster that was started here, a job that has ended,
    as at its walltime, is submitted again; one that waits in the queue is left there.

    cluster: one that was started here; jobs: how many it shall have; queue: the numbers of the jobs that wait or run,
    None where that is not known; close: ends what was started here.
    """

    def __init__(
        self,
        client: Any,
        cluster: Any = None,
        jobs: int = 0,
        queue: Callable[[], set[str] | None] = lambda: None,
        close: Callable[[], object] = lambda: None,
    ) -> None:
        self._client, self._cluster, self._jobs, self._close = client, cluster, jobs, close
        self._queue = queue
        self._false_starts = 0
        self._executor = client.get_executor(pure=False)
        self._seen = self._worked = -math.inf
        self._slots = 0
        self._renewed = time.monotonic()
        self._joined: set[Any] = set()
        self._missing: set[Any] = set()

    def slots(self) -> int:
        """The threads of all workers that have joined so far.

        Raises:
            WorkerError: the scheduler does not answer, all workers have left, or jobs end before they join.
        """
        if time.monotonic() - self._seen >= _LOOK_SECONDS:
            try:
                self._slots = sum(self._client.nthreads().values())
            except (OSError, TimeoutError, ValueError) as error:
                raise WorkerError(f"the Dask scheduler does not answer any more: {reason(error)}") from None
            self._seen = time.monotonic()
            if self._slots:
                self._worked = self._seen
            elif self._cluster is None and math.isfinite(self._worked) and self._seen - self._worked > _LOST_SECONDS:
                raise WorkerError("the Dask cluster has lost all its workers: start some and go on")
        if self._cluster is not None and time.monotonic() - self._renewed >= _RENEW_SECONDS:
            self._renew()
            self._renewed = time.monotonic()
        return self._slots

    def _renew(self) -> None:
        """Submits again the jobs that had workers and have none any more, and those that ended before they had any.

        Dask itself gives up a job of one process after some seconds, but starts no other one unless it is asked to; of
        several processes, and before a worker has joined, it would never give up. Those are told by two looks in turn:
        a nanny needs a moment.

        Raises:
            WorkerError: no worker has ever joined, and jobs end again and again.
        """
        names = [str(worker["name"]) for worker in list(self._cluster.scheduler_info["workers"].values())]
        jobs = self._cluster.worker_spec
        # Of a job of several processes each is a worker, JOB-0, JOB-1 and so on.
        here = {job for job in jobs if any(name == str(job) or name.startswith(f"{job}-") for name in names)}
        stillborn = self._stillborn(set(jobs) - self._joined - here)
        missing = (self._joined - here) | stillborn
        given_up = missing - set(self._cluster.workers)
        ended = (missing & self._missing) - given_up
        self._false_starts = 0 if math.isfinite(self._worked) else self._false_starts + len(ended & stillborn)
        if self._false_starts >= _FALSE_STARTS * self._jobs:
            raise WorkerError(
                f"{self._false_starts} jobs ended before a worker joined: their logs (slurm-*.out) say why"
            )
        for job in ended:
            self._cluster.loop.add_callback(self._give_up, job)
        self._missing = missing - given_up - ended
        self._joined = here | (self._missing - stillborn)
        self._cluster.scale(jobs=self._jobs)

    def _stillborn(self, waiting: set[Any]) -> set[Any]:
        """Those of the jobs without workers that neither wait nor run."""
        numbers = {job: getattr(self._cluster.workers.get(job), "job_id", None) for job in waiting}
        submitted = {job: number for job, number in numbers.items() if number is not None}
        queue = self._queue() if submitted else None
        return set() if queue is None else {job for job, number in submitted.items() if number not in queue}

    async def _give_up(self, job: Any) -> None:
        if (given_up := self._cluster.workers.pop(job, None)) is not None:
            await given_up.close()

    def executor(self) -> Executor:
        """The cluster is one executor for all slots."""
        return self._executor

    def death(self, executor: Executor, error: BaseException) -> Death | None:
        """Dask gives up on a batch after some workers that had it have died.

        It may also hand a batch to a worker that is just ending, which is no fault of the batch.
        """
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return Death("killed", times=getattr(error, "allowed_failures", 0) + 1)
        ending = isinstance(error, RuntimeError) and "after shutdown" in str(error)
        return Death(f"lost: {reason(error)}", started=False) if ending or isinstance(error, OSError) else None

    def stop(self, executor: Executor) -> None:
        """Nothing: what is handed out has been cancelled, and the workers belong to the cluster."""

    def close(self) -> None:
        """Takes leave of the cluster, and ends it if it was started here."""
        with contextlib.suppress(Exception):  # a cluster that is gone need not be left
            self._client.close(timeout=2)
        self._close()


def dask_workers(address: str) -> DaskWorkers:
    """The workers of the Dask scheduler at `address`, HOST:PORT.

    Raises:
        WorkerError: `distributed` is not installed, or nobody answers within some seconds.
    """
    try:
        from distributed import Client
    except ImportError:
        raise WorkerError(f"--on dask://{address} {MISSING}") from None
    try:
        return DaskWorkers(Client(f"tcp://{address}", timeout=_ANSWER_SECONDS, set_as_default=False))
    except (OSError, ValueError, TimeoutError) as error:
        raise WorkerError(f"no Dask scheduler answers at {address}: {reason(error)}") from None


def reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
