"""sweep: an assay over a grid of settings, every point an ordinary run in the store."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ._execute import check_workers, execute
from ._prepare import prepare
from ._result import Progress, SweepResult


def sweep(
    name: str,
    grid: Mapping[str, Sequence[Any]],
    *,
    profile: str = "quick",
    seeds: int | None = None,
    seed: int | None = None,
    out: Path | str | None = None,
    on: str = "local",
    workers: int | None = None,
    job: Mapping[str, Any] | None = None,
    fresh: bool = False,
    retry: bool = False,
    progress: Progress | None = None,
    **fields: Any,
) -> SweepResult:
    """Runs the assay `name` at every point of a grid, and puts the results on common axes.

    Every point is a run as `biassay.run` makes it, in the same store: what it has is not computed again, and a sweep
    that was interrupted goes on when it is asked for again. A point that raises an error, or that kills its worker
    twice with nothing beside it, has failed; the others are not harmed.

        result = ba.sweep("rank-jumps", {"lam": [0.05, 0.1, 0.2]}, seeds=8, out="biassay-out")
        result.verdicts.outcome.to_pandas()

    Args:
        name: as in `biassay list`.
        grid: field of the assay's config -> values.
        profile: the config to start from, "quick" or "full".
        seeds: how many seeds in a run; seed: the first of them.
        out: the folder for store and sweep; None for a temporary one, of which nothing is left.
        on: "local", processes of this machine; "dask://HOST:PORT", a Dask cluster; "slurm", Dask workers as Slurm jobs.
            All but the first need `biassay[cluster]`, and `out` in a folder that the workers share.
        workers: processes (by default one a core, or one in all where JAX has GPUs), or Slurm jobs (by default 4).
        job: options of `dask_jobqueue.SLURMCluster`, e.g. {"queue": "gpu", "walltime": "04:00:00"}.
        fresh: compute even what the store has.
        retry: compute again what failed.
        progress: called with a `Status` whenever points have ended.
        fields: other fields of the assay's config, the same at all points.

    Raises:
        UserError: something that was asked for does not exist, or is of the wrong type or out of range at any point of
            the grid: nothing has been run then. Also workers that cannot be reached.
        StoreError: a result cannot be written, or a file of the store is damaged.
    """
    chosen = {"seeds": seeds, "seed": seed}
    fields |= {field: value for field, value in chosen.items() if value is not None}
    check_workers(on, workers, job)
    with contextlib.ExitStack() as stack:
        temporary = out is None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="biassay-")) if temporary else out)
        made = prepare(name, grid, profile=profile, fields=fields, out=folder)
        result = execute(made, on=on, workers=workers, job=job, fresh=fresh, retry=retry, progress=progress)
    return replace(result, path=None) if temporary else result
