"""What the end of a run's file says of the run: its record, checked, as one flat entry."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from ._layout import OtherLayoutError, opened, parsed, record_text
from .errors import StoreError

OTHER_LAYOUT = "another layout"
"""The code of a file that another version wrote in another layout: outdated, not damaged."""


class Entry(NamedTuple):
    """A file of a store.

    name, stamp: the file's; the stamp changes when the file does. assay, key: from its name. profile, code, seeds,
    seed, seconds, started: as in its record. changed: the settings that differ from the profile's, as text. problem:
    why the file cannot be used, or None. config: the settings as JSON.
    """

    name: str
    stamp: int
    assay: str
    key: str
    profile: str = ""
    code: str = ""
    seeds: int | None = None
    seed: int | None = None
    seconds: float | None = None
    started: str = ""
    changed: str = ""
    problem: str | None = None
    config: str = "{}"


def stamp(status: os.stat_result) -> int:
    """A number that changes when a file does; a tuple of integers has the same hash in every process."""
    return hash((status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))


def named(file: str) -> tuple[str, str]:
    """Assay and key in the name of a file."""
    assay, _, key = file[:-3].rpartition("-")
    return assay, key


def read_entry(folder: Path, name: str) -> Entry | None:
    """The entry of a file; None where there is none by now."""
    path, mark = folder / name, 0
    try:
        with opened(path) as (handle, status):
            mark = stamp(status)
            text = record_text(handle, status.st_size, path)
        record = parsed(text, path)
        if (record["assay"], record["key"]) != named(name):
            raise StoreError(f"{path} holds another run than its name says: delete it, or run with --fresh")
        return _entry(name, mark, record, path)
    except StoreError as error:
        code = OTHER_LAYOUT if isinstance(error, OtherLayoutError) else ""
        return Entry(name, mark, *named(name), code=code, problem=str(error)) if os.path.lexists(path) else None


def read_record(path: Path) -> dict[str, Any]:
    """The record of a run, without its data.

    Raises:
        StoreError: the file is damaged, not one of ours, or of another schema.
    """
    with opened(path) as (handle, status):
        text = record_text(handle, status.st_size, path)
    return parsed(text, path)


def spelled(value: Any) -> str:
    """A setting's value as `--set` takes it."""
    if isinstance(value, list | tuple):
        return ",".join(map(spelled, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _entry(name: str, mark: int, record: dict[str, Any], path: Path) -> Entry:
    def taken(holder: dict[str, Any], field: str, *kinds: type, absent: Any = None) -> Any:
        value = holder.get(field, absent)
        if value is not absent and (type(value) not in kinds or not _is_plain(value)):
            said = repr(value)[:50]
            raise StoreError(f"{path} has a record whose {field} is {said}: delete it, or run with --fresh")
        return value

    config, seconds = taken(record, "config", dict, absent={}), taken(record, "seconds", float, int)
    fields = [field for field in taken(record, "changed", list, absent=[]) if config.keys() & {str(field)}]
    return Entry(
        name=name,
        stamp=mark,
        assay=record["assay"],
        key=record["key"],
        profile=taken(record, "profile", str, absent=""),
        code=taken(record, "code", str, absent=""),
        seeds=taken(config, "seeds", int),
        seed=taken(config, "seed", int),
        seconds=None if seconds is None else float(seconds),
        started=taken(record, "started", str, absent=""),
        changed=" ".join(f"{field}={spelled(config[field])}" for field in fields).encode(errors="replace").decode(),
        config=json.dumps(config, separators=(",", ":")),
    )


def _is_plain(value: Any) -> bool:
    """Whether SQLite and a terminal take the value: integers of 64 bits, text of one line."""
    if isinstance(value, int):
        return abs(value) < 2**63
    return value.isprintable() if isinstance(value, str) else True
