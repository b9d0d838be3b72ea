"""A sweep that runs: workers for what the store does not have, then all of the store on common axes."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from .. import assays
from .._atomic import remove_unfinished, replaced
from .._layout import NETCDF
from ..data._folder import named
from ..errors import StoreError, UserError, nearest
from ..store import Store
from ..workers import (
    Answer,
    Failed,
    Finished,
    LocalWorkers,
    Workers,
    cores,
    dask_workers,
    failure,
    remaining,
    slurm_workers,
    supervise,
)
from . import _manifest
from ._gather import Place, axis_names, gather, verdict_table
from ._point import Job, Judged, Point, compute, failure_of, forget_failure, judged, keep_failure
from ._prepare import Prepared
from ._result import Failure, Progress, Status, SweepResult

_SLURM_JOBS = 4


def execute(
    made: Prepared,
    *,
    on: str = "local",
    workers: int | None = None,
    job: Mapping[str, Any] | None = None,
    fresh: bool = False,
    retry: bool = False,
    progress: Progress | None = None,
) -> SweepResult:
    """Computes what the store does not have, and gathers all; the arguments are those of `sweep`.

    Raises:
        UserError: there are no such workers.
        StoreError: a result cannot be written, or a file of the store is damaged.
    """
    check_workers(on, workers, job)
    count = min(workers or _default_workers(), len(made.points))
    running = _Running(made, _shared(made, count if on == "local" else None, fresh), progress)
    left = running.recall(retry)
    if left:
        with contextlib.closing(_workers(on, count, workers, job or {}, _manifest.folder(made.out))) as open_workers:
            running.compute(left, open_workers)
    return running.result()


def check_workers(on: str, workers: int | None, job: Mapping[str, Any] | None) -> None:
    """Checks where to compute, without asking anyone.

    Raises:
        UserError: it is written wrongly.
    """
    kind, _, address = on.partition("://")
    host, _, port = address.rpartition(":")
    if kind == "dask" and not (host and port.isdecimal()):
        raise UserError(f"--on {on}: an address is written dask://HOST:PORT")
    if kind != "dask" and on not in ("local", "slurm"):
        raise UserError(f"there are no workers {on!r}: {nearest(on, ('local', 'slurm', 'dask://HOST:PORT'))}")
    if workers is not None and workers < 1:
        raise UserError(f"workers must be at least 1, got {workers}")
    if workers is not None and kind == "dask":
        raise UserError("--workers: a Dask cluster at an address has the workers that it has")
    if job and on != "slurm":
        raise UserError("--job is for --on slurm")


def _default_workers() -> int:
    """One a core; one in all where JAX has GPUs, among which it splits the seeds of a run."""
    on_gpu = os.environ.get("JAX_PLATFORMS", "") != "cpu" and importlib.metadata.entry_points(group="jax_plugins")
    devices = any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()
    return 1 if on_gpu and devices else cores()


def _workers(on: str, count: int, asked: int | None, job: Mapping[str, Any], folder: Path) -> Workers:
    if on == "local":
        return LocalWorkers(count)
    if on == "slurm":
        return slurm_workers(asked or _SLURM_JOBS, job, folder)
    return dask_workers(on.removeprefix("dask://"))


def _shared(made: Prepared, processes: int | None, fresh: bool) -> Job:
    """What all points share. processes: on this machine, None for elsewhere."""
    return Job(
        assay=made.manifest.assay,
        module=assays.find(made.manifest.assay).module,
        profile=made.manifest.profile,
        code=made.manifest.code,
        store=(made.out / "store").absolute(),
        failed=(_manifest.folder(made.out) / "failed").absolute(),
        fresh=fresh,
        devices=max(1, cores() // processes) if processes else 1,
        compiled=getattr(jax.config, "jax_compilation_cache_dir", None) if processes else None,
        data_sets=str(folder.absolute()) if (folder := named(None)) else None,
    )


class _Running:
    """What is known of every point so far."""

    def __init__(self, made: Prepared, job: Job, progress: Progress | None) -> None:
        self._made, self._job, self._progress = made, job, progress
        self._store = Store(job.store)
        self._verdicts: dict[Point, Judged | None] = {}
        self._failed: dict[Point, Failed] = {}
        self._old: dict[Point, int] = {}
        self._cached = 0

    def recall(self, retry: bool) -> list[Point]:
        """Takes note of what was kept; the points that are left, in an order drawn by chance but always the same, so
        that those that have finished tell the pace of the rest."""
        for point in self._made.points:
            if self._job.fresh or retry:
                forget_failure(self._job, point)
            if self._job.fresh and (written := self._written(point)):
                self._old[point] = written
            answer = self._known(point)
            if answer is not None:
                self._take(answer)
        self._cached = len(self._verdicts)
        left = [point for point in self._made.points if point not in self._verdicts and point not in self._failed]
        random.Random(0).shuffle(left)
        return left

    def _written(self, point: Point) -> int | None:
        """When the run was written, None if it was not."""
        try:
            return self._store.path(self._job.assay, point.key).stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def _known(self, point: Point) -> Answer | None:
        """What was kept of a point: a run, unless all are to be computed afresh and it is an old one; a failure."""
        written = self._written(point)
        if written is not None and written != self._old.get(point):
            return Finished(point, None, None)
        return failure_of(self._job, point)

    def _take(self, answer: Answer) -> None:
        if isinstance(answer, Failed):
            self._failed[answer.item] = answer
        else:
            self._verdicts[answer.item] = answer.answer

    def compute(self, left: list[Point], workers: Workers) -> None:
        """Has the workers compute the points that are left, and tells how far they are."""
        _manifest.write(self._made.out, self._made.manifest)
        remove_unfinished(self._store.folder)
        begun, before = time.monotonic(), len(self._verdicts) + len(self._failed)
        function = functools.partial(compute, self._job)
        try:
            with contextlib.closing(supervise(function, left, workers, known=self._known)) as answers:
                self._tell(None, workers)
                for answer in answers:
                    if isinstance(answer, Failed) and answer.kind == "WorkerDied":
                        keep_failure(self._job, answer)
                    self._take(answer)
                    ended = len(self._verdicts) + len(self._failed)
                    rest = len(self._made.points) - ended
                    running = min(rest, workers.slots())
                    self._tell(remaining(rest, ended - before, running, time.monotonic() - begun), workers)
        except BaseException:
            with contextlib.suppress(StoreError):
                self._write_manifest()
            raise

    def _tell(self, seconds: float | None, workers: Workers) -> None:
        if self._progress is not None:
            done, failed, total = len(self._verdicts), len(self._failed), len(self._made.points)
            self._progress(Status(done, self._cached, failed, total, seconds, workers.slots()))

    def result(self) -> SweepResult:
        """All points on common axes, kept beside the manifest."""
        made, assay = self._made, assays.load(self._job.assay)
        found: dict[Place, xr.Dataset] = {}
        verdicts: dict[Place, Judged] = {}
        for point, rows in list(self._verdicts.items()):
            stored = self._store.read(self._job.assay, point.key)
            if stored is None:
                raise StoreError(f"{self._store.path(self._job.assay, point.key)} has gone: sweep again")
            try:
                verdicts[self._place(point)] = judged(assay.judge(stored.data)) if rows is None else rows
                found[self._place(point)] = stored.data
            except Exception as error:  # a claim that cannot be judged on such settings
                self._failed[point] = failure(point, error)
        data = gather(made.axes, found)
        names = axis_names(made.axes, list(found.values()))
        table = verdict_table(made.axes, [claim.name for claim in assay.claims], verdicts, names)
        self._write_manifest(finished=True)
        path = _manifest.folder(made.out) / f"{made.manifest.id}.nc"
        _write(path, data, table)
        return SweepResult(
            name=assay.name,
            profile=made.manifest.profile,
            id=made.manifest.id,
            axes=made.axes,
            data=data,
            verdicts=table,
            failures=tuple(self._failures()),
            cached=self._cached,
            path=path,
        )

    def _place(self, point: Point) -> Place:
        sizes = [len(axis.values) for axis in self._made.axes]
        return tuple(int(k) for k in np.unravel_index(point.place, sizes))

    def _failures(self) -> list[Failure]:
        swept = [axis.field for axis in self._made.axes]
        told = []
        for point in sorted(self._failed, key=lambda point: point.place):
            settings, failed = dict(point.settings), self._failed[point]
            values = {field: settings[field] for field in swept}
            told.append(Failure(values, failed.kind, failed.message, failed.traceback))
        return told

    def _write_manifest(self, finished: bool = False) -> None:
        failed = [dict(vars(told)) for told in self._failures()]
        _manifest.write(self._made.out, replace(self._made.manifest, finished=finished, failed=failed))


def _write(path: Path, data: xr.Dataset, verdicts: xr.Dataset) -> None:
    try:
        with NETCDF, replaced(path) as temporary:
            data.to_netcdf(temporary, engine="netcdf4")
            verdicts.to_netcdf(temporary, mode="a", group="verdicts", engine="netcdf4")
    # netCDF reports a failed write of its library, a full disk too, as a RuntimeError.
    except (OSError, RuntimeError) as error:
        raise StoreError(f"cannot write {path}: {error}; make room or choose another --out") from None
