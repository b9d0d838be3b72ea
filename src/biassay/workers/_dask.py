"""Workers of a Dask cluster: one that runs at an address, or one that is started as Slurm jobs."""

from __future__ import annotations

import contextlib
import math
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from ._pool import Death, WorkerError

_ANSWER_SECONDS = 8
_LOOK_SECONDS = 0.5
_RENEW_SECONDS = 30.0
"""Between two looks at whether jobs have ended."""
_LOST_SECONDS = 60.0
"""A cluster that had workers may be without for so long: Dask restarts one that was killed within seconds."""
_LISTS = {"job_extra_directives", "job_directives_skip", "job_script_prologue", "worker_extra_args"}
_MISSING = "needs Dask: pip install 'biassay[cluster]'"


class DaskWorkers:
    """The workers of the cluster that a client of `distributed` speaks to.

    A Dask worker's own nanny replaces a process that dies. Of a cluster that was started here, a job that has ended,
    as at its walltime, is submitted again; one that waits in the queue is left there.

    cluster: one that was started here; jobs: how many it shall have; close: ends what was started here.
    """

    def __init__(
        self, client: Any, cluster: Any = None, jobs: int = 0, close: Callable[[], object] = lambda: None
    ) -> None:
        self._client, self._cluster, self._jobs, self._close = client, cluster, jobs, close
        self._executor = client.get_executor(pure=False)
        self._seen = self._worked = -math.inf
        self._slots = 0
        self._renewed = time.monotonic()
        self._joined: set[Any] = set()
        self._missing: set[Any] = set()

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
            elif self._cluster is None and math.isfinite(self._worked) and self._seen - self._worked > _LOST_SECONDS:
                raise WorkerError("the Dask cluster has lost all its workers: start some and go on")
        if self._cluster is not None and time.monotonic() - self._renewed >= _RENEW_SECONDS:
            self._renew()
            self._renewed = time.monotonic()
        return self._slots

    def _renew(self) -> None:
        """Submits again the jobs that had workers and have none any more.

        Dask itself gives up a job of one process after some seconds, but starts no other one unless it is asked to; of
        several processes it would never give up. Those are told by two looks in turn: a nanny needs a moment.
        """
        names = [str(worker["name"]) for worker in list(self._cluster.scheduler_info["workers"].values())]
        jobs = self._cluster.worker_spec
        # Of a job of several processes each is a worker, JOB-0, JOB-1 and so on.
        here = {job for job in jobs if any(name == str(job) or name.startswith(f"{job}-") for name in names)}
        missing = self._joined - here
        given_up = missing - set(self._cluster.workers)
        ended = (missing & self._missing) - given_up
        for job in ended:
            self._cluster.loop.add_callback(self._give_up, job)
        self._missing = missing - given_up - ended
        self._joined = here | self._missing
        self._cluster.scale(jobs=self._jobs)

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
        return Death(f"lost: {_reason(error)}", started=False) if ending or isinstance(error, OSError) else None

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
        raise WorkerError(f"--on dask://{address} {_MISSING}") from None
    try:
        return DaskWorkers(Client(f"tcp://{address}", timeout=_ANSWER_SECONDS, set_as_default=False))
    except (OSError, ValueError, TimeoutError) as error:
        raise WorkerError(f"no Dask scheduler answers at {address}: {_reason(error)}") from None


def slurm_workers(jobs: int, options: Mapping[str, Any], folder: Path) -> DaskWorkers:
    """So many Slurm jobs, each a Dask worker with `options` of `dask_jobqueue.SLURMCluster`.

    Options are by default one core, 4 GB and an hour; of several cores each is a process of its own. An option that
    is a list may be text with semicolons. All that they say is encrypted, and only who has the key can say anything:
    it lies, while they work, in `folder`, which the jobs must see, for this user alone to read.

    Raises:
        WorkerError: `dask_jobqueue` is not installed, this machine cannot submit jobs, or Slurm knows no such option.
    """
    try:
        import dask.config
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
    known = dask.config.get(f"jobqueue.{chosen.get('config_name', 'slurm')}", {})  # the user's, from ~/.config/dask
    ours: dict[str, Any] = {"dashboard_address": "127.0.0.1:0"}  # pages that are not encrypted
    chosen["scheduler_options"] = ours | (chosen.get("scheduler_options") or known.get("scheduler-options") or {})
    more = chosen.get("worker_extra_args") or known.get("worker-extra-args") or []
    chosen["worker_extra_args"] = ["--dashboard-address", "127.0.0.1:0", *more]
    with contextlib.ExitStack() as stack:
        try:
            if "security" not in chosen:
                chosen["security"] = _security(stack, folder)
            cluster = SLURMCluster(**{"processes": chosen["cores"], **chosen})
            stack.callback(cluster.close)
            cluster.scale(jobs=jobs)
            client = Client(cluster, set_as_default=False)
        except ImportError:
            raise WorkerError(f"--on slurm {_MISSING}") from None
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            raise WorkerError(f"--on slurm: the jobs cannot be started: {_reason(error)}") from None
        return DaskWorkers(client, cluster, jobs, stack.pop_all().close)


def _security(stack: contextlib.ExitStack, folder: Path) -> Any:
    """A certificate and its key for this cluster alone, in files for this user alone, until the stack is closed.

    Raises:
        ImportError: `cryptography` is not installed. OSError: nothing can be written.
        WorkerError: a shell would not take the folder's name, which the jobs' scripts contain, for one word.
    """
    from distributed import Security

    place = folder.absolute()
    if shlex.quote(str(place)) != str(place):
        raise WorkerError(f"--on slurm: jobs cannot take {place} as it is: choose an --out without spaces and quotes")
    made = Security.temporary()
    place.mkdir(parents=True, exist_ok=True)
    private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".slurm-", dir=place)))  # mode 0700
    files: dict[str, str] = {}
    for name, text in (("cert", made.tls_ca_file), ("key", made.tls_scheduler_key)):
        file = private / f"{name}.pem"
        file.write_text(text)
        files[name] = str(file)
    roles = {f"tls_{role}_{name}": file for role in ("client", "scheduler", "worker") for name, file in files.items()}
    return Security(require_encryption=True, tls_ca_file=files["cert"], **roles)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
