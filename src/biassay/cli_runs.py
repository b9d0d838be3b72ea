"""`biassay runs`: the stored runs, listed, exported and pruned."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import tyro

from .errors import UserError

if TYPE_CHECKING:
    from .index import StoredRun

_TOLD = 5
"""So many files that cannot be used are told one by one."""

_Filters: TypeAlias = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILTER ...")]


@dataclass(frozen=True)
class Runs:
    """Lists the stored runs, the one used last first; exports them as a table; deletes what is not needed any more."""

    filters: _Filters = ()
    """Conditions, all to hold, e.g. assay=rank-jumps 'epsilon<0.3' seeds=64 code=current|outdated since=2026-01-01."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("biassay-out")
    """The folder that runs were kept in."""
    export: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write a row per run and claim to a .parquet or .csv file; claims are judged afresh."""
    prune: bool = False
    """Show what would be deleted: these runs (without a filter, those of other code), and what dead processes left."""
    yes: bool = False
    """With --prune: delete it."""
    json: bool = False
    """Print JSON."""
    rebuild: bool = False
    """Make the index of the store again from the files."""


def run(asked: Runs) -> int:
    """Does what was asked and returns the exit code.

    Raises:
        UserError: a filter that is none, a file that cannot be written, or options that do not go together.
    """
    from .found import listing
    from .index import Index

    chosen = [name for name in ("export", "prune", "json") if getattr(asked, name)]
    if len(chosen) > 1:
        raise UserError(f"--{chosen[0]} and --{chosen[1]}: ask for one of them at a time")
    if asked.yes and not asked.prune:
        raise UserError("--yes goes with --prune")
    if asked.export is not None:
        from .export import check_export

        check_export(asked.export)
    if not os.path.isdir(asked.out / "store"):
        raise UserError(f"there are no runs in {asked.out}: `biassay run --out {asked.out}` makes some")
    if asked.rebuild:
        Index(asked.out / "store").remove()
    conditions = asked.filters or (("code=outdated",) if asked.prune else ())
    runs, unusable = listing(asked.out, conditions, configs=asked.json)
    _tell([str(one.problem) for one in unusable])
    if asked.prune:
        return _prune(asked, runs)
    if asked.export is not None:
        return _export(asked.export, runs)
    if asked.json:
        print(json.dumps([_as_json(one) for one in runs], indent=2, ensure_ascii=False))
        return 0
    if runs:
        sys.stdout.write("\n".join(_lines(runs)) + "\n")
    current = sum(bool(one.current) for one in runs)
    print(f"{len(runs)} runs, {current} of the current code", file=sys.stderr)
    return 0


def _lines(runs: Sequence[StoredRun]) -> list[str]:
    """A header and a line for every run; a table that a terminal lays out would take minutes for 100,000 of them."""
    assay, profile = (max(len(name), *map(len, set(column))) for name, column in _words(runs))
    head = f"{'assay':{assay}}  {'key':24}  {'started (UTC)':16}  {'profile':{profile}}  {'code':8}  {'seconds':>8}"
    lines = [f"{head}  settings that differ from the profile's"]
    for one in runs:
        seconds = "" if one.seconds is None else f"{one.seconds:.1f}"
        code = "current" if one.current else "outdated"
        started = one.started[:16].replace("T", " ")
        lines.append(
            f"{one.assay:{assay}}  {one.key:24}  {started:16}  {one.profile:{profile}}  {code:8}  {seconds:>8}"
            f"  {one.changed}".rstrip()
        )
    return lines


def _words(runs: Sequence[StoredRun]) -> tuple[tuple[str, list[str]], tuple[str, list[str]]]:
    return ("assay", [one.assay for one in runs]), ("profile", [one.profile for one in runs])


def _as_json(one: StoredRun) -> dict[str, Any]:
    names = ("assay", "key", "profile", "code", "current", "seeds", "seed", "seconds", "started", "size")
    known = one._asdict()
    return {**{name: known[name] for name in names}, "config": one.config, "data": str(one.path)}


def _export(path: Path, runs: Sequence[StoredRun]) -> int:
    from .export import tidy, write_table

    current = [one for one in runs if one.current]
    if len(current) < len(runs):
        left = len(runs) - len(current)
        print(f"biassay: left out: {left} runs of other code, whose data today's claims may not fit", file=sys.stderr)
    columns, damaged = tidy(current)
    _tell([str(error) for error in damaged])
    write_table(path, columns)
    print(f"{path}: {len(columns['claim'])} rows of {len(current) - len(damaged)} runs")
    return 0


def _prune(asked: Runs, runs: Sequence[StoredRun]) -> int:
    from .found import code_today
    from .pruning import freed, leftovers, removals, remove

    found, kept = removals(runs)
    _tell([f"{path} is not surely a run of biassay, or is in use: delete it by hand" for path in kept])
    found += leftovers(asked.out, code_today)
    if not found:
        print("there is nothing to delete")
        return 0
    for one in found:
        print(f"{one.path}  ({one.why}, {freed([one])})")
    if not asked.yes:
        print(f"{len(found)} to delete, {freed(found)}; nothing has been deleted: --yes deletes")
        return 0
    gone = [one for one in found if remove(one)]
    print(f"deleted {len(gone)} of {len(found)}, {freed(gone)}")
    return 0


def _tell(lines: Sequence[str]) -> None:
    for line in lines[:_TOLD]:
        print(f"biassay: left out: {line}", file=sys.stderr)
    if len(lines) > _TOLD:
        print(f"biassay: left out: {len(lines) - _TOLD} more", file=sys.stderr)
