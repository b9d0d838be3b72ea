"""Workers of a Dask cluster: one that runs at an address, or one that is started as Slurm jobs."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

from ._pool import Death, WorkerError

_ANSWER_SECONDS = 8
_LOOK_SECONDS = 0.5
_LOST_SECONDS = 60.0
"""A cluster that had workers may be without for so long: Dask restarts one that was killed within seconds."""
_LISTS = {"job_extra_directives", "job_directives_skip", "job_script_prologue", "worker_extra_args"}
_MISSING = "needs Dask: pip install 'biassay[cluster]'"


class DaskWorkers:
    """The workers of the cluster that a client of `distributed` speaks to. Dask itself replaces those that die."""

    def __init__(self, client: Any, cluster: Any = None) -> None:
        self._client, self._cluster = client, cluster
        self._executor = client.get_executor(pure=False)
        self._seen = self._worked = -math.inf
        self._slots = 0

    def slots(self) -> int:
        """The threads of all workers that have joined so far.

        Raises:
            WorkerError: the scheduler does not answer, or all workers have left.
        """
        if time.monotonic() - self._seen >= _LOOK_SECONDS:
            try:
                self._slots = sum(self._client.nthreads().values())
            except (OSError, TimeoutError, ValueError) as error:
                raise WorkerError(f"the Dask scheduler does not answer any more: {_reason(error)}") from None
            self._seen = time.monotonic()
            if self._slots:
                self._worked = self._seen
            elif math.isfinite(self._worked) and self._seen - self._worked > _LOST_SECONDS:
                raise WorkerError("the Dask cluster has lost all its workers: start some and go on")
        return self._slots

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
        return Death(f"lost: {_reason(error)}", started=False) if ending or isinstance(error, OSError) else None

    def stop(self, executor: Executor) -> None:
        """Nothing: what is handed out has been cancelled, and the workers belong to the cluster."""

    def close(self) -> None:
        """Takes leave of the cluster, and ends it if it was started here."""
        with contextlib.suppress(Exception):  # a cluster that is gone need not be left
            self._client.close(timeout=2)
        if self._cluster is not None:
            self._cluster.close()


def dask_workers(address: str) -> DaskWorkers:
    """The workers of the Dask scheduler at `address`, HOST:PORT.

    Raises:
        WorkerError: `distributed` is not installed, or nobody answers within some seconds.
    """
    try:
        from distributed import Client
    except ImportError:
        raise WorkerError(f"--on dask://{address} {_MISSING}") from None
    try:
        return DaskWorkers(Client(f"tcp://{address}", timeout=_ANSWER_SECONDS, set_as_default=False))
    except (OSError, ValueError, TimeoutError) as error:
        raise WorkerError(f"no Dask scheduler answers at {address}: {_reason(error)}") from None


def slurm_workers(jobs: int, options: Mapping[str, Any]) -> DaskWorkers:
    """So many Slurm jobs, each a Dask worker with `options` of `dask_jobqueue.SLURMCluster`.

    Options are by default one core, 4 GB and an hour; of several cores each is a process of its own. An option that
    is a list may be text with semicolons.

    Raises:
        WorkerError: `dask_jobqueue` is not installed, this machine cannot submit jobs, or Slurm knows no such option.
    """
    try:
        from dask_jobqueue.slurm import SLURMCluster
        from distributed import Client
    except ImportError:
        raise WorkerError(f"--on slurm {_MISSING}") from None
    if shutil.which("sbatch") is None:
        raise WorkerError("--on slurm: there is no sbatch on this machine; start from a login node of the cluster")
    chosen: dict[str, Any] = {"cores": 1, "memory": "4GB", "walltime": "01:00:00", **options}
    for option in _LISTS & chosen.keys():
        if isinstance(chosen[option], str):
            chosen[option] = chosen[option].split(";")
    try:
        cluster = SLURMCluster(**{"processes": chosen["cores"], **chosen})
        cluster.scale(jobs=jobs)
        return DaskWorkers(Client(cluster, set_as_default=False), cluster)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise WorkerError(f"--on slurm: the jobs cannot be started: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
