"""The index of a store: what is known of every run without opening its file, so that 100,000 are listed in a second.

It is a cache, `index.sqlite` beside the runs. The folder is the truth: at every use the names, sizes and times of its
files are compared with the index, and what differs is read again from the files' ends. Files that come and go by hand,
other writers, and an index that is missing, damaged, locked or in a folder that cannot be written make a listing
slower, never wrong. A store of few runs has no index: reading their ends is as quick.
"""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import sqlite3
import stat
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ._layout import OtherLayoutError, opened, parsed, reason, record_text
from .errors import StoreError

NAME = "index.sqlite"
OTHER_LAYOUT = "another layout"
"""The code of a file that another version wrote in another layout: outdated, not damaged."""
_BESIDE = ("", "-wal", "-shm", "-journal")
_FEW = 200  # files of a store without an index
_OURS = 0x62696173  # "bias": SQLite's application_id
_VERSION = 1
_PATIENCE = 2.0  # seconds to wait for another process that writes to the index
_TABLES = (
    "CREATE TABLE IF NOT EXISTS runs (name TEXT PRIMARY KEY, stamp INTEGER, profile TEXT, code TEXT, seeds INTEGER,"
    " seed INTEGER, seconds REAL, started TEXT, changed TEXT, problem TEXT, crc INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS records (name TEXT PRIMARY KEY, stamp INTEGER, record TEXT, crc INTEGER)",
)
_BUSY = {"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR"}
_NETWORKED = (
    "nfs",
    "cifs",
    "smb",
    "lustre",
    "beegfs",
    "gpfs",
    "ceph",
    "glusterfs",
    "9p",
    "fuse.",
    "afs",
    "pvfs",
    "panfs",
)


class File(NamedTuple):
    """A file of the store as the folder shows it.

    used: when it was written or read by a run, in ns; stamp: changes when the file does.
    """

    name: str
    size: int
    used: int
    stamp: int


class Row(NamedTuple):
    """What is known of a run without its data.

    name, size, used: of its file, bytes and ns; assay, key, profile, code, seeds, seed, seconds, started: as in its
    record. changed: the settings that differ from the profile's, as text. problem: why it cannot be used, or None.
    text: the record as JSON, where it was asked for.
    """

    name: str
    size: int
    used: int
    assay: str
    key: str
    profile: str
    code: str
    seeds: int | None
    seed: int | None
    seconds: float | None
    started: str
    changed: str
    problem: str | None
    text: str | None = None

    @property
    def record(self) -> dict[str, Any]:
        """The run's record; empty where it cannot be used or was not asked for."""
        return json.loads(self.text) if self.text else {}

    @property
    def config(self) -> dict[str, Any]:
        """The run's settings."""
        return self.record.get("config") or {}


class _UnusableError(Exception):
    """There can be no index here: the listing goes without."""


@dataclass(frozen=True)
class Index:
    """The index of the store in `folder`.

    few: a store of at most this many files gets none.
    """

    folder: Path
    few: int = _FEW

    @property
    def path(self) -> Path:
        """The file of the index."""
        return self.folder / NAME

    def files(self) -> list[File]:
        """The files of the store, in no order.

        Raises:
            StoreError: the folder cannot be read.
        """
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    # A name with a line break or bytes that are no text is none of ours.
                    if entry.name.endswith(".nc") and not entry.name.startswith(".") and entry.name.isprintable():
                        try:
                            found.append(_file(entry.name, entry.stat()))
                        except OSError:  # gone by now, or a link to nowhere
                            if entry.is_symlink():
                                found.append(File(entry.name, 0, 0, 0))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot read {self.folder}: {reason(error)}") from None
        return found

    def rows(self, *, records: bool = False) -> list[Row]:
        """What is known of every file, the one used last first.

        records: with the records, as text.

        Raises:
            StoreError: the folder cannot be read.
        """
        files = self.files()
        rows = None
        if len(files) > self.few or os.path.lexists(self.path):
            rows = self._from_index(files, records)
        if rows is None:
            seen = (_seen(self.folder, file) for file in files)
            rows = [row if records else row._replace(text=None) for _, row in filter(None, seen)]
        rows.sort(key=lambda row: (-row.used, row.name))
        return rows

    def add(self, name: str) -> None:
        """Notes a file that has just been written, where there is an index and it is free. It is found otherwise too.

        On a network file system other machines may be writing: there the index is left to those who list.
        """
        if not self.path.is_file() or _on_a_network(self.folder):
            return
        with contextlib.suppress(OSError, sqlite3.Error, _UnusableError), self._connected(patience=0.05) as database:
            seen = _seen(self.folder, _file(name, os.stat(self.folder / name)))
            if seen is not None:
                _keep(database, [seen], ())

    def remove(self) -> None:
        """Removes the index; the next listing makes it again from the files."""
        for end in _BESIDE:
            path = self.folder / f"{NAME}{end}"
            with contextlib.suppress(OSError):
                if stat.S_ISREG(path.lstat().st_mode):
                    path.unlink()

    def _from_index(self, files: list[File], records: bool) -> list[Row] | None:
        """The rows with the help of the index, which is brought up to date; None where it cannot help."""
        for attempt in range(2):
            try:
                with self._connected() as database:
                    return _compared(database, self.folder, files, records)
            except (sqlite3.Error, UnicodeDecodeError) as error:
                kind = getattr(error, "sqlite_errorname", "")
                if attempt or any(kind.startswith(busy) for busy in _BUSY):
                    return None
                self.remove()  # it is damaged
            except (_UnusableError, OSError):
                return None
        return None

    @contextlib.contextmanager
    def _connected(self, patience: float = _PATIENCE) -> Iterator[sqlite3.Connection]:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(self.path.lstat().st_mode):
                raise _UnusableError
        database = sqlite3.connect(self.path, timeout=patience, isolation_level=None)
        try:
            # Nothing is lost with the index, so it need not wait for the disk; every row has a checksum.
            database.execute("PRAGMA synchronous=OFF")
            (ours,) = database.execute("PRAGMA application_id").fetchone()
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if (ours, version) != (_OURS, _VERSION):
                if ours != _OURS and database.execute("SELECT 1 FROM sqlite_master").fetchone():
                    raise _UnusableError  # another program's file
                _begin(database, "DELETE" if _on_a_network(self.folder) else "WAL")
            yield database
        finally:
            database.close()


def _begin(database: sqlite3.Connection, journal: str) -> None:
    """The tables of a new index. A log beside the file (WAL) lets others read while one writes, on one machine only."""
    database.execute(f"PRAGMA journal_mode={journal}")
    with _transaction(database):
        for table in ("runs", "records"):
            database.execute(f"DROP TABLE IF EXISTS {table}")
        for table in _TABLES:
            database.execute(table)
        database.execute(f"PRAGMA application_id={_OURS}")
        database.execute(f"PRAGMA user_version={_VERSION}")


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _compared(database: sqlite3.Connection, folder: Path, files: list[File], records: bool) -> list[Row]:
    """The rows of the files: from the index where they have not changed, else from the files, and noted."""
    known = {row[0]: row for row in database.execute("SELECT * FROM runs")}
    texts: dict[str, tuple[Any, ...]] = {}
    if records:
        texts = {row[0]: row for row in database.execute("SELECT * FROM records")}
    rows, changed = [], []
    for file in files:
        row, kept = known.pop(file.name, None), texts.get(file.name)
        same = row is not None and row[1] == file.stamp and row[-1] == _crc(row[:-1])
        if same and records:
            same = kept is not None and kept[1] == file.stamp and kept[-1] == _crc(kept[:-1])
        if row is None or not same:
            changed.append(file)
            continue
        assay, _, key = file.name[:-3].rpartition("-")
        rows.append(Row._make((*file[:3], assay, key, *row[2:-1], kept[2] if kept else None)))
    seen = [one for one in (_seen(folder, file) for file in changed) if one is not None]
    if seen or known:
        with contextlib.suppress(sqlite3.OperationalError):  # busy, or the folder cannot be written
            _keep(database, seen, known)
    return rows + [row if records else row._replace(text=None) for _, row in seen]


def _keep(database: sqlite3.Connection, seen: Iterable[tuple[int, Row]], gone: Iterable[str]) -> None:
    with _transaction(database):
        for table in ("runs", "records"):
            database.executemany(f"DELETE FROM {table} WHERE name = ?", [(name,) for name in gone])
        for table, made in (("runs", _run_entry), ("records", _record_entry)):
            entries = [made(stamp, row) for stamp, row in seen]
            if entries:
                marks = ",".join("?" * (len(entries[0]) + 1))
                whole = [(*entry, _crc(entry)) for entry in entries]
                database.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", whole)


def _run_entry(stamp: int, row: Row) -> tuple[Any, ...]:
    return row.name, stamp, *row[5:-1]


def _record_entry(stamp: int, row: Row) -> tuple[Any, ...]:
    return row.name, stamp, row.text


def _crc(entry: tuple[Any, ...]) -> int:
    # SQLite does not notice a changed byte within a value. Version 2 of marshal writes equal tuples as equal bytes.
    return zlib.crc32(marshal.dumps(entry, 2))


def _file(name: str, status: os.stat_result) -> File:
    # A tuple of integers has the same hash in every process.
    stamp = hash((status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    return File(name, status.st_size, status.st_mtime_ns, stamp)


def _seen(folder: Path, file: File) -> tuple[int, Row] | None:
    """The stamp of a file and what its end says of it; None where it is gone by now."""
    path, name = folder / file.name, file.name
    assay, _, key = name[:-3].rpartition("-")
    empty = Row(name, file.size, file.used, assay, key, "", "", None, None, None, "", "", None)
    try:
        with opened(path) as (handle, status):
            file = _file(name, status)
            text = record_text(handle, status.st_size, path)
        record = parsed(text, path)
        if (record["assay"], record["key"]) != (assay, key):
            raise StoreError(f"{path} holds another run than its name says: delete it, or run with --fresh")
        row = _described(empty._replace(size=file.size, used=file.used), record, path)
    except StoreError as error:
        code = OTHER_LAYOUT if isinstance(error, OtherLayoutError) else ""
        return (file.stamp, empty._replace(code=code, problem=str(error))) if os.path.lexists(path) else None
    return file.stamp, row._replace(text=text.decode())


def _described(row: Row, record: dict[str, Any], path: Path) -> Row:
    """The row with what is in the record.

    Raises:
        StoreError: something in the record is of another type than in a run's.
    """

    def taken(holder: dict[str, Any], name: str, kind: type, absent: Any = None) -> Any:
        value = holder.get(name, absent)
        fits = isinstance(value, kind) and not isinstance(value, bool)
        if isinstance(value, int):
            fits = fits and abs(value) < 2**63
        if isinstance(value, str):
            fits = fits and value.isprintable()
        if value is not absent and not fits:
            raise StoreError(f"{path} has a record whose {name} is {value!r:.50}: delete it, or run with --fresh")
        return value

    config, seconds = taken(record, "config", dict, {}), record.get("seconds")
    changed = [name for name in taken(record, "changed", list, []) if isinstance(name, str) and name in config]
    return row._replace(
        profile=taken(record, "profile", str, ""),
        code=taken(record, "code", str, ""),
        seeds=taken(config, "seeds", int),
        seed=taken(config, "seed", int),
        seconds=float(seconds)
        if isinstance(seconds, int) and abs(seconds) < 2**53
        else taken(record, "seconds", float),
        started=taken(record, "started", str, ""),
        changed=" ".join(f"{name}={spelled(config[name])}" for name in changed).encode(errors="replace").decode(),
    )


def spelled(value: Any) -> str:
    """A setting's value as `--set` takes it."""
    if isinstance(value, list | tuple):
        return ",".join(map(spelled, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _on_a_network(folder: Path) -> bool:
    """Whether other machines may write in the folder, as far as Linux tells."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
        place = folder.resolve()
        near = [(len(where), kind) for where, kind in mounts if place.is_relative_to(where.replace("\\040", " "))]
    except (OSError, ValueError):
        return False
    return bool(near) and max(near)[1].startswith(_NETWORKED)
