"""Workers of a Dask cluster that is started as Slurm jobs."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._dask import MISSING, DaskWorkers, reason
from ._pool import WorkerError

_LISTS = {"job_extra_directives", "job_directives_skip", "job_script_prologue", "worker_extra_args"}
_QUEUE_SECONDS = 10


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
        raise WorkerError(f"--on slurm {MISSING}") from None
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
            raise WorkerError(f"--on slurm {MISSING}") from None
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            raise WorkerError(f"--on slurm: the jobs cannot be started: {reason(error)}") from None
        directives = chosen.get("job_extra_directives") or known.get("job-extra-directives") or []
        elsewhere = any(directive.startswith(("-M", "--clusters")) for directive in directives)
        queue = (lambda: None) if elsewhere else queued_jobs  # squeue tells of this cluster's jobs
        return DaskWorkers(client, cluster, jobs, queue, stack.pop_all().close)


def queued_jobs() -> set[str] | None:
    """The numbers of this user's jobs that wait or run; None where Slurm does not say."""
    command = ["squeue", "--noheader", f"--user={os.getuid()}", "--format=%A"]
    unfiltered = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    try:
        told = subprocess.run(
            command, env=unfiltered, capture_output=True, text=True, check=True, timeout=_QUEUE_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return set(told.stdout.split())


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
