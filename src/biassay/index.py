"""The index of a store: what is known of every run without opening its file, so that 100,000 are listed in a second.

It is a cache, `index.sqlite` beside the runs. The folder is the truth: at every use the names, sizes and times of its
files are compared with the index, and what differs is read again from the files' ends. Files that come and go by hand,
other writers, and an index that is missing, damaged, locked or in a folder that cannot be written make a listing
slower, never wrong. A store of few runs has no index: reading their ends is as quick. Only a listing writes to it: to
read the end of a file later costs a small part of what a row would cost its writer, and writers may be many.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sqlite3
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ._entries import Entry, read_entry, read_record, stamp
from ._layout import reason
from .errors import StoreError

NAME = "index.sqlite"
_BESIDE = ("", "-wal", "-shm", "-journal")
_FEW = 200  # files of a store without an index
_OURS = 0x62696173  # "bias": SQLite's application_id
_MAGIC = b"SQLite format 3\0"
_HEAD = 72  # so many bytes of a database end with its application_id
_VERSION = 2
_PATIENCE = 2.0  # seconds to wait for another process that writes to the index
_TABLES = {
    "runs": (
        "name TEXT PRIMARY KEY, entry TEXT",
        "SELECT group_concat(entry) FROM (SELECT entry FROM runs ORDER BY name)",
    ),
    "configs": (
        "name TEXT PRIMARY KEY, stamp INTEGER, config TEXT",
        "SELECT name || stamp || config FROM configs ORDER BY name",
    ),
}
"""Columns, and a query for all that the table has, as texts. `entry` is an entry without its settings as JSON: all of
them are read as one text, which is faster than by rows and columns. `checksums` has one of each table: SQLite does not
notice a changed byte."""
_BUSY = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_READONLY",
    "SQLITE_CANTOPEN",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_TOOBIG",
)
_OF_A_RUN = slice(2, Entry._fields.index("config"))
_ASSAY, _CODE = Entry._fields.index("assay"), Entry._fields.index("code")
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


Row: TypeAlias = Sequence[Any]


File: TypeAlias = tuple[str, int, int, int]
"""A file of the store as the folder shows it: name, size, when it was written or read by a run in ns since 1970, and a
stamp that changes when the file does."""


class StoredRun(NamedTuple):
    """What is known of a run without its data.

    folder, name, size, used: of its file, in bytes and in ns since 1970. assay, key, profile, code, seeds, seed,
    seconds, started: as in its record. changed: the settings that differ from the profile's, as text. problem: why the
    file cannot be used, or None. current: whether today's code computed it, None where nobody asked. settings: the
    config as JSON, None where it is still in the file.
    """

    folder: Path
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
    current: bool | None
    settings: str | None

    @property
    def path(self) -> Path:
        """The run's file."""
        return self.folder / self.name

    @property
    def config(self) -> dict[str, Any]:
        """The run's settings, tuples as lists.

        Raises:
            StoreError: the run's file cannot be read.
        """
        if self.settings is None:
            return self.record.get("config") or {}
        return json.loads(self.settings)

    @property
    def record(self) -> dict[str, Any]:
        """All that the run's file says of it beside the data.

        Raises:
            StoreError: the run's file cannot be read.
        """
        return read_record(self.path)


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
        """The files of the store, the one used last first.

        Raises:
            StoreError: the folder cannot be read.
        """
        found: list[File] = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    # A name with a line break or bytes that are no text is none of ours.
                    name = entry.name
                    if name.endswith(".nc") and not name.startswith(".") and name.isprintable():
                        try:
                            status = entry.stat()
                            found.append((name, status.st_size, status.st_mtime_ns, stamp(status)))
                        except OSError:  # gone by now, or a link to nowhere
                            if entry.is_symlink():
                                found.append((name, 0, 0, 0))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot read {self.folder}: {reason(error)}") from None
        found.sort(key=lambda file: (-file[2], file[0]))
        return found

    def rows(self, *, configs: bool = False, today: Callable[[str], str | None] | None = None) -> list[StoredRun]:
        """What is known of every file, the one used last first.

        configs: with the settings, which are read from the files later otherwise. today: assay -> the version of its
        code, to tell which runs are current.

        Raises:
            StoreError: the folder cannot be read.
        """
        with no_collection():
            files = self.files()
            known = self._from_index(files, configs) if len(files) > self.few or os.path.lexists(self.path) else None
            if known is None:
                known = from_files(self.folder, files)
            return _rows(self.folder, files, known, today)

    def remove(self) -> None:
        """Removes the index, unless it is not ours; the next listing makes it again from the files."""
        if not self._is_ours():
            return
        for end in _BESIDE:
            path = self.folder / f"{NAME}{end}"
            with contextlib.suppress(OSError):
                if stat.S_ISREG(path.lstat().st_mode):
                    path.unlink()

    def _is_ours(self) -> bool:
        """Whether the file begins as an SQLite database with our number does, or is none at all."""
        try:
            with self.path.open("rb") as file:
                head = file.read(_HEAD)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return head[: len(_MAGIC)] == _MAGIC and head[_HEAD - 4 :] == _OURS.to_bytes(4, "big")

    def _from_index(self, files: list[File], configs: bool) -> Known | None:
        """What is known with the help of the index, which is brought up to date; None where it cannot help."""
        for attempt in range(2):
            try:
                with self._connected() as database:
                    return _compared(database, self.folder, files, configs)
            except sqlite3.Error as error:
                if attempt or getattr(error, "sqlite_errorname", "").startswith(_BUSY):
                    return None
                self.remove()  # it is damaged; another program's file stays
            except (_UnusableError, OSError):
                return None
        return None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(self.path.lstat().st_mode):
                raise _UnusableError
        database = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
        try:
            # Nothing is lost with the index, so it need not wait for the disk; its tables have checksums.
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


class Known(NamedTuple):
    """For every file a sequence that begins as its `Entry` does, None where there is no file by now, and its settings
    as JSON where they are at hand."""

    entries: list[Row | None]
    configs: list[str | None]


def from_files(folder: Path, files: Iterable[File]) -> Known:
    """What the files themselves say."""
    entries = [read_entry(folder, name) for name, *_ in files]
    return Known([*entries], [entry and entry.config for entry in entries])


def _rows(
    folder: Path, files: Iterable[File], known: Known, today: Callable[[str], str | None] | None
) -> list[StoredRun]:
    assays = {entry[_ASSAY] for entry in known.entries if entry is not None}
    codes = {assay: today(assay) for assay in assays} if today else {}
    make = partial(tuple.__new__, StoredRun)  # as `StoredRun._make`, which counts the fields besides
    return [
        make((folder, name, size, used, *entry[_OF_A_RUN], today and entry[_CODE] == codes[entry[_ASSAY]], config))
        for (name, size, used, _), entry, config in zip(files, *known, strict=True)
        if entry is not None
    ]


def _compared(database: sqlite3.Connection, folder: Path, files: Iterable[File], configs: bool) -> Known:
    """From the index for the files that have not changed, else from the files, and noted."""
    with _transaction(database, "DEFERRED"):
        (entries,) = _checked(database, "runs")
        runs: dict[str, Row] = {row[0]: row for row in json.loads(f"[{entries}]")}
        settings = runs
        if configs:
            _checked(database, "configs")
            settings = {row[0]: row for row in database.execute("SELECT * FROM configs")}
    known, read = Known([], []), []
    for name, _, _, mark in files:
        kept, row = settings.get(name), runs.pop(name, None)
        if row is not None and kept is not None and row[1] == mark == kept[1]:
            known.entries.append(row)
            known.configs.append(kept[2] if configs else None)
            continue
        entry = read_entry(folder, name)
        known.entries.append(entry)
        known.configs.append(entry and entry.config)
        if entry is not None:
            read.append(entry)
    if read or runs:
        try:
            _keep(database, read, gone=runs)
        except sqlite3.OperationalError as error:
            if not getattr(error, "sqlite_errorname", "").startswith(_BUSY):
                raise
    return known


def _checked(database: sqlite3.Connection, table: str) -> list[str]:
    """All that a table has, as texts.

    Raises:
        sqlite3.DatabaseError: it is not what was written.
    """
    texts = _texts(database, table)
    written = database.execute("SELECT crc FROM checksums WHERE name = ?", (table,)).fetchone()
    if written != (_checksum(texts),):
        raise sqlite3.DatabaseError(f"the table {table} is damaged")
    return texts


def _texts(database: sqlite3.Connection, table: str) -> list[str]:
    return [text or "" for (text,) in database.execute(_TABLES[table][1])]


def _checksum(texts: Iterable[str]) -> int:
    crc = 0
    for text in texts:
        crc = zlib.crc32(text.encode(), crc)
    return crc


def _begin(database: sqlite3.Connection, journal: str) -> None:
    """The tables of a new index. A log beside the file (WAL) lets others read while one writes, on one machine only."""
    database.execute(f"PRAGMA journal_mode={journal}")
    with _transaction(database):
        for table, (columns, _) in {**_TABLES, "checksums": ("name TEXT PRIMARY KEY, crc INTEGER", "")}.items():
            database.execute(f"DROP TABLE IF EXISTS {table}")
            database.execute(f"CREATE TABLE {table} ({columns}) WITHOUT ROWID")
        database.executemany("INSERT INTO checksums VALUES (?,?)", [(table, _checksum([])) for table in _TABLES])
        database.execute(f"PRAGMA application_id={_OURS}")
        database.execute(f"PRAGMA user_version={_VERSION}")


def _keep(database: sqlite3.Connection, read: Iterable[Entry], gone: Iterable[str]) -> None:
    rows = {
        "runs": [(entry.name, json.dumps(entry[:-1])) for entry in read],
        "configs": [(entry.name, entry.stamp, entry.config) for entry in read],
    }
    with _transaction(database):
        for table in _TABLES:
            _checked(database, table)  # nothing is added to what is damaged
            database.executemany(f"DELETE FROM {table} WHERE name = ?", ((name,) for name in gone))
            marks = "?,?" if table == "runs" else "?,?,?"
            database.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows[table])
            crc = _checksum(_texts(database, table))
            database.execute("UPDATE checksums SET crc = ? WHERE name = ?", (crc, table))


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    database.execute(f"BEGIN {kind}")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Without the garbage collector, which would look again and again through 100,000 rows that are all in use."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _on_a_network(folder: Path) -> bool:
    """Whether other machines may write in the folder, as far as Linux tells."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
        place = folder.resolve()
        near = [(len(where), kind) for where, kind in mounts if place.is_relative_to(where.replace("\\040", " "))]
    except (OSError, ValueError):
        return False
    return bool(near) and max(near)[1].startswith(_NETWORKED)
