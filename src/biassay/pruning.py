"""What can be deleted from a store: runs that were asked for, and what nobody will use again.

Only files that are surely biassay's are ever deleted: in the store's own folder, ordinary (no links), named as runs,
checkpoints or unfinished files are, a run also sealed by biassay and unchanged since it was listed. Whatever else
lies there stays.
"""

from __future__ import annotations

import contextlib
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ._atomic import abandoned, is_unfinished
from ._entries import OTHER_LAYOUT, read_entry
from .index import StoredRun
from .store import Store

_RUN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{24}\.nc")
_CHECKPOINTS = re.compile(r"(?P<assay>[a-z0-9]+(-[a-z0-9]+)*)-(?P<key>[0-9a-f]{24})(-(?P<code>[0-9a-f]{16}))?")
_CHECKPOINT = re.compile(r"\d{3,}-[0-9a-f]+\.npz")
_UNTOUCHED = 3600.0
"""Seconds after which no process is using checkpoints any more: a running one writes them about once a minute."""


@dataclass(frozen=True)
class Removal:
    """Something to delete: its path, why, and its bytes; `files` are those of a folder."""

    path: Path
    why: str
    size: int
    files: tuple[Path, ...] = ()
    used: int | None = None


def removals(runs: Iterable[StoredRun]) -> tuple[list[Removal], list[Path]]:
    """What would be deleted of the runs, and those that would not, since they are not surely ours."""
    found, kept = [], []
    for run in runs:
        why = "another layout" if run.code == OTHER_LAYOUT else "current code" if run.current else "other code"
        if _is_run(run.path, run.used):
            found.append(Removal(run.path, why, run.size, used=run.used))
        else:
            kept.append(run.path)
    return found, kept


def leftovers(out: Path, today: Callable[[str], str | None]) -> list[Removal]:
    """What processes left that will not come back: unfinished files, checkpoints of other code or of finished runs.

    today: assay -> the version of its code, None for an assay that there is not.
    """
    store = Store(out / "store")
    found: list[Removal] = []
    for some in (_unfinished(store.folder), _checkpoints(store, today)):
        with contextlib.suppress(OSError):  # a folder that cannot be read
            found += some
    return found


def remove(removal: Removal) -> bool:
    """Deletes what was found, unless it has changed since; returns whether it is gone."""
    try:
        if removal.files:
            for file in removal.files:
                file.unlink(missing_ok=True)
            removal.path.rmdir()
        elif removal.used is None or _is_run(removal.path, removal.used):
            removal.path.unlink()
        else:
            return False
    except OSError:
        return False
    return True


def _is_run(path: Path, used: int) -> bool:
    """Whether this is an ordinary file, named as a run, with biassay's seal, and not used since `used` (ns)."""
    try:
        status = path.lstat()
    except OSError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_mtime_ns != used or not _RUN.fullmatch(path.name):
        return False
    entry = read_entry(path.parent, path.name)
    return entry is not None and (entry.problem is None or entry.code == OTHER_LAYOUT)


def _unfinished(folder: Path) -> Iterator[Removal]:
    for path in abandoned(folder):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                yield Removal(path, "unfinished: its writer is gone", status.st_size)


def _checkpoints(store: Store, today: Callable[[str], str | None]) -> Iterator[Removal]:
    folder = store.folder / "checkpoints"
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        named = _CHECKPOINTS.fullmatch(path.name)
        if named is None or path.is_symlink() or not path.is_dir():
            continue
        current = today(named["assay"])
        finished = store.path(named["assay"], named["key"]).exists()
        if not finished and current is not None and current.endswith(f"+{named['code']}"):
            continue
        with contextlib.suppress(OSError):
            statuses = {file: file.lstat() for file in path.iterdir()}
            ours = all(
                stat.S_ISREG(status.st_mode) and (_CHECKPOINT.fullmatch(file.name) or is_unfinished(file.name))
                for file, status in statuses.items()
            )
            touched = max([path.stat().st_mtime, *(status.st_mtime for status in statuses.values())])
            if ours and statuses and time.time() - touched > _UNTOUCHED:
                why = "checkpoints of a finished run" if finished else "checkpoints of other code"
                yield Removal(path, why, sum(status.st_size for status in statuses.values()), tuple(statuses))


def freed(removed: Iterable[Removal]) -> str:
    """The size of what was found, with a unit."""
    size, units = float(sum(one.size for one in removed)), ["B", "KB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, _ = size / 1000, units.pop(0)
    return f"{size:.3g} {units[0]}"
