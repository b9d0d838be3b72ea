"""run: an assay from its name and settings to a judged result, kept in a store where one is given."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import xarray as xr

from . import assays, configs, simulation
from ._entries import OTHER_LAYOUT
from .assay import Assay
from .claims import Verdict
from .errors import StoreError, UserError, nearest
from .store import Store, Stored, check_folder, code_version, key, open_run
from .workers import cores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Progress: TypeAlias = Callable[[int, int, str], None]

_SEEDS_END = 2**31
_NEEDED = {"seconds": int | float, "profile": str, "config": dict, "code": str, "environment": dict}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run whose settings have been checked: the assay, its config, and where its data belong in a store."""

    assay: Assay
    config: Any
    profile: str
    code: str

    @property
    def key(self) -> str:
        """The run's name in a store."""
        return key(self.assay.name, self.config, self.code)


@dataclass(frozen=True, kw_only=True)
class Result:
    """A finished run.

    name, assay, config, profile: what was run.
    seconds: how long it took when it was computed; cached: whether it was read from the store.
    data: what was measured; verdicts: the claims judged on it, always afresh.
    environment: versions, device and code it was computed with.
    path: its file in the store, None when nothing was kept.
    """

    name: str
    assay: Assay
    config: Any
    profile: str
    seconds: float
    cached: bool
    data: xr.Dataset
    verdicts: tuple[Verdict, ...]
    environment: dict[str, Any]
    path: Path | None

    def figure(self, name: str | None = None) -> Figure:
        """The figure `name` of the assay, drawn with Matplotlib; by default the first.

        Raises:
            UserError: the assay has no figure of that name.
        """
        from .report import to_matplotlib

        figures = {figure.name: figure for figure in self.assay.figures(self.data)}
        name = next(iter(figures)) if name is None else name
        if name not in figures:
            raise UserError(f"{self.name} has no figure {name!r}: {nearest(name, figures)}")
        return to_matplotlib(figures[name])


def run(
    name: str,
    *,
    profile: str = "quick",
    seeds: int | None = None,
    seed: int | None = None,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    **fields: Any,
) -> Result:
    """Runs the assay `name` and judges its claims.

    Args:
        name: as in `biassay list`, e.g. "rank-jumps".
        profile: the config to start from, "quick" or "full".
        seeds: how many seeds; seed: the first of them.
        out: a folder whose store is asked first and keeps the result; None reads and writes nothing.
        fresh: compute even what the store has.
        progress: called with (steps done, steps in all, label) of the simulation that runs.
        fields: other fields of the assay's config, e.g. `epsilon=0.25`.

    Raises:
        UserError: unknown assay, profile or field, a value of the wrong type or out of range, a folder that cannot be
            written.
        StoreError: the run's file in the store is damaged.
    """
    chosen = {"seeds": seeds, "seed": seed}
    made = plan(name, profile, {**fields, **{field: value for field, value in chosen.items() if value is not None}})
    if out is not None:
        check_folder(Path(out))
        check_folder(Path(out) / "store")
    return execute(made, None if out is None else Store(Path(out) / "store"), fresh=fresh, progress=progress)


def plan(name: str, profile: str, fields: dict[str, Any]) -> Plan:
    """Checks what is asked for, before anything is run or written.

    Raises:
        UserError: unknown assay, profile or field, a value of the wrong type or out of range.
    """
    assay = assays.load(name)
    if profile not in assay.profiles:
        raise UserError(f"{name} has no profile {profile!r}: {nearest(profile, assay.profiles)}")
    config = configs.replace(assay.profiles[profile], fields)
    if config.seeds < 1:
        raise UserError(f"seeds must be at least 1, got {config.seeds}")
    if config.seeds >= _SEEDS_END:
        raise UserError(f"seeds must be below {_SEEDS_END}, got {config.seeds}")
    if not 0 <= config.seed <= _SEEDS_END - config.seeds:
        raise UserError(f"seed must lie in 0..{_SEEDS_END - config.seeds}, got {config.seed}")
    return Plan(assay=assay, config=config, profile=profile, code=code_version(assays.find(name).module))


def execute(plan: Plan, store: Store | None, *, fresh: bool = False, progress: Progress | None = None) -> Result:
    """The result of a plan: from the store where it has one and `fresh` is not asked for, else computed and kept.

    A run that is interrupted leaves checkpoints beside the store's files; asked for again, it goes on from them, and
    its record says `resumed`. They are removed once the result is kept, and by `fresh`. Of several processes
    (`jax.distributed`), which must all ask for the same, the first keeps it.

    Raises:
        StoreError: the run's file in the store is damaged, or cannot be written.
    """
    assay, config = plan.assay, plan.config
    stored = None if store is None or fresh else store.read(assay.name, plan.key)
    checkpoints = None if store is None else store.checkpoints(assay.name, plan.key, plan.code)
    if checkpoints is not None and (fresh or stored is not None):
        shutil.rmtree(checkpoints, ignore_errors=True)
    if stored is not None:
        _check_record(stored)
        with contextlib.suppress(OSError):  # another user's file
            os.utime(stored.path)
        return _result(plan, stored.data, stored.record, stored.path, cached=True)
    _use_every_core()
    listening = contextlib.nullcontext() if progress is None else simulation.progress_to(progress)
    started, clock = datetime.now(UTC), time.perf_counter()
    keeping = contextlib.nullcontext() if checkpoints is None else simulation.checkpoints_in(checkpoints)
    with jax.enable_x64(assay.precision == "float64"), listening, keeping as kept:
        data = assay.run(config)
    canonical, default = configs.canonical(config), configs.canonical(assay.profiles[plan.profile])
    record = {
        "seconds": time.perf_counter() - clock + (kept.earlier if kept else 0.0),
        "resumed": bool(kept and kept.earlier),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "profile": plan.profile,
        "config": canonical,
        "changed": [name for name, value in canonical.items() if value != default[name]],
        "code": plan.code,
        "environment": environment(),
    }
    path = None
    if store is not None and jax.process_index() == 0:
        path = store.write(assay.name, plan.key, data, record)
        shutil.rmtree(store.checkpoints(assay.name, plan.key, plan.code), ignore_errors=True)
    return _result(plan, data, record, path, cached=False)


@dataclass(frozen=True)
class Shelf:
    """What a store holds: results judged afresh, damaged files, and a line for each assay only other code computed."""

    results: tuple[Result, ...]
    damaged: tuple[StoreError, ...]
    outdated: tuple[str, ...]


def latest(store: Store, skip: Collection[str] = ()) -> Shelf:
    """The run used last of every assay in the store, those in `skip` left out."""
    results: dict[str, Result] = {}
    damaged: list[StoreError] = []
    outdated: dict[str, str] = {}
    for row in store.rows():
        if row.assay in results or row.assay in skip:
            continue
        if row.code == OTHER_LAYOUT:
            outdated.setdefault(row.assay, str(row.problem))
            continue
        if row.problem is not None:
            damaged.append(StoreError(row.problem))
            continue
        with contextlib.suppress(UserError):
            if row.code == code_version(assays.find(row.assay).module):
                try:
                    stored = open_run(store.folder / row.name)
                    _check_record(stored)
                except StoreError as error:
                    damaged.append(error)
                    continue
                record = stored.record
                made = plan(row.assay, record["profile"], record["config"])
                if made.key == row.key:
                    results[row.assay] = _result(made, stored.data, record, stored.path, cached=True)
                    continue
        path, code = store.folder / row.name, row.code.partition("+")[0]
        outdated.setdefault(row.assay, f"{path} was computed by other code (biassay {code}): run {row.assay} again")
    left = tuple(line for name, line in outdated.items() if name not in results)
    return Shelf(tuple(results.values()), tuple(damaged), left)


def environment() -> dict[str, Any]:
    """What a result depends on beside its config: versions, platform, device. Nothing names a user or a host."""
    devices = jax.devices()
    return {
        "python": platform.python_version(),
        **_versions(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": cores(),
        "device": devices[0].device_kind,
        "devices": len(devices),
    }


@functools.cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("biassay", "jax", "jaxlib", "numpy", "xarray")}


def _check_record(stored: Stored) -> None:
    """Checks that the record has what a result needs.

    Raises:
        StoreError: it was not written by a run.
    """
    for name, kind in _NEEDED.items():
        if not isinstance(stored.record.get(name), kind):
            raise StoreError(f"{stored.path} has a record without {name}: delete it, or run with --fresh")


def _result(plan: Plan, data: xr.Dataset, record: dict[str, Any], path: Path | None, *, cached: bool) -> Result:
    return Result(
        name=plan.assay.name,
        assay=plan.assay,
        config=plan.config,
        profile=plan.profile,
        seconds=record["seconds"],
        cached=cached,
        data=data,
        verdicts=plan.assay.judge(data),
        environment={**record["environment"], "code": record["code"]},
        path=path,
    )


def _use_every_core() -> None:
    """One CPU device per core: `simulate` splits its seeds over the devices, and a device runs small steps on one core.

    Asked for only while nobody has asked for another number and JAX has no devices yet; once it has, they are the
    user's, and this changes nothing.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if getattr(jax.config, "jax_num_cpu_devices", None) == -1 and "host_platform_device_count" not in flags:
        with contextlib.suppress(RuntimeError):  # JAX has its devices already
            jax.config.update("jax_num_cpu_devices", cores())
