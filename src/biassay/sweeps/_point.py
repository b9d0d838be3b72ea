"""One point of a grid on a worker: an ordinary run, kept in the store as any other, or the reason why there is none."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._atomic import replaced
from ..claims import Verdict
from ..errors import DataError, StoreError
from ..store import Store, code_version
from ..workers import Failed, WorkerError, failure

Judged = tuple[tuple[Any, ...], ...]
"""For every claim what `FIELDS` names."""

FIELDS = ("outcome", "value", "low", "high", "control", "control_low", "control_high", "n_seeds", "diverged", "reason")
"""What is kept of a verdict."""


@dataclass(frozen=True)
class Job:
    """What all points of a sweep share.

    assay, module: its name and where it is; code: its version, which must be the worker's too; store, failed: folders
    for runs and for the reasons of failures; fresh: whether to compute what the store has; devices: how many CPU
    devices JAX may have in a process; compiled: the folder of JAX's compilation cache; data_sets: the folder with data
    sets; None for the worker's own.
    """

    assay: str
    module: str
    profile: str
    code: str
    store: Path
    failed: Path
    fresh: bool
    devices: int
    compiled: str | None
    data_sets: str | None = None


@dataclass(frozen=True)
class Point:
    """A point of the grid: its place in it, the settings that differ from the profile as (field, value), its key."""

    place: int
    settings: tuple[tuple[str, Any], ...]
    key: str


def compute(job: Job, point: Point) -> Judged | Failed:
    """In a worker: computes the point unless the store has it, keeps it, and returns what its claims say.

    Raises:
        StoreError: the result cannot be kept. WorkerError: the worker has other code, or lacks a data set.
    """
    store = Store(job.store)
    path = store.path(job.assay, point.key)
    if not path.exists() and (failed := failure_of(job, point)) is not None:
        return failed
    _prepare(job.devices, job.compiled)
    from .. import configs
    from ..data.cifar10 import VARIABLE
    from ..runs import Plan, execute

    try:
        assay = importlib.import_module(job.module).ASSAY
    except ImportError as error:
        raise WorkerError(f"a worker cannot import {job.module}: {error}") from None
    if code_version(job.module) != job.code:
        raise WorkerError("a worker has another version of biassay than this process: install the same one")
    if job.data_sets is not None:
        os.environ[VARIABLE] = job.data_sets
    config = configs.replace(assay.profiles[job.profile], dict(point.settings))
    plan = Plan(assay=assay, config=config, profile=job.profile, code=job.code)
    try:
        return judged(execute(plan, store, fresh=job.fresh).verdicts)
    except StoreError:
        raise
    except DataError as error:
        raise WorkerError(f"a worker has no data to work on: {error}") from None
    except (Exception, SystemExit) as error:
        failed = failure(point, error)
        if not path.exists():
            keep_failure(job, failed)
        return failed


def judged(verdicts: tuple[Verdict, ...]) -> Judged:
    """What is kept of verdicts: a row of `FIELDS` a claim."""
    return tuple(
        (v.outcome, v.value, *v.interval, v.control, *v.control_interval, v.n, v.diverged, v.reason) for v in verdicts
    )


def failure_of(job: Job, point: Point) -> Failed | None:
    """The failure that was kept of the point, if there is one."""
    try:
        kept = json.loads(_failure_file(job, point).read_text("utf-8"))
        return Failed(point, kept["error"], kept["message"], kept["traceback"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep_failure(job: Job, failed: Failed) -> None:
    """Keeps why a point has no result.

    Raises:
        StoreError: it cannot be written.
    """
    path = _failure_file(job, failed.item)
    text = json.dumps({"error": failed.kind, "message": failed.message, "traceback": failed.traceback})
    try:
        with replaced(path) as temporary:
            temporary.write_text(text, "utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}; make room or choose another --out") from None


def forget_failure(job: Job, point: Point) -> None:
    """Makes the point one that has not been tried."""
    _failure_file(job, point).unlink(missing_ok=True)


def _failure_file(job: Job, point: Point) -> Path:
    return job.failed / f"{point.key}.json"


@functools.cache
def _prepare(devices: int, compiled: str | None) -> None:
    """JAX in a worker: its share of the cores, no memory it does not use, programs compiled once for all workers."""
    import jax

    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if getattr(jax.config, "jax_num_cpu_devices", None) == -1 and "host_platform_device_count" not in flags:
        with contextlib.suppress(RuntimeError):  # JAX has its devices: a worker of a cluster may have had other work
            jax.config.update("jax_num_cpu_devices", devices)
    if compiled is not None:
        jax.config.update("jax_compilation_cache_dir", compiled)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
