"""The index of a store: what is known of every run without opening its file, so that 100,000 are listed in a second.

It is a cache, `index.sqlite` beside the runs. The folder is the truth: at every use the names, sizes and times of its
files are compared with the index, and what differs is read again from the files' ends. Files that come and go by hand,
other writers, and an index that is missing, damaged, locked or in a folder that cannot be written make a listing
slower, never wrong. A store of few runs has no index: reading their ends is as quick. Only a listing writes to it: to
read the end of a file later costs a tenth of what a row would cost its writer, and writers may be many.
"""

from __future__ import annotations

import contextlib
import gc
import json
import marshal
import os
import sqlite3
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import eq, itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ._entries import Entry, named, read_entry, read_record, stamp
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
    "runs": "name TEXT PRIMARY KEY, stamp INTEGER, profile TEXT, code TEXT, seeds INTEGER, seed INTEGER, seconds REAL,"
    " started TEXT, changed TEXT, problem TEXT",
    "configs": "name TEXT PRIMARY KEY, stamp INTEGER, config TEXT",
}
"""Beside them `checksums` has one of each: SQLite does not notice a changed byte within a value."""
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR")
_OF_A_RUN = slice(2, Entry._fields.index("config"))
_CODE = Entry._fields[_OF_A_RUN].index("code")
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


Row: TypeAlias = tuple[Any, ...]


class File(NamedTuple):
    """A file of the store as the folder shows it.

    used: when it was written or read by a run, in ns since 1970; stamp: changes when the file does.
    """

    name: str
    size: int
    used: int
    stamp: int


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
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    # A name with a line break or bytes that are no text is none of ours.
                    name = entry.name
                    if name.endswith(".nc") and not name.startswith(".") and name.isprintable():
                        try:
                            status = entry.stat()
                            found.append(File(name, status.st_size, status.st_mtime_ns, stamp(status)))
                        except OSError:  # gone by now, or a link to nowhere
                            if entry.is_symlink():
                                found.append(File(name, 0, 0, 0))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot read {self.folder}: {reason(error)}") from None
        found.sort(key=itemgetter(0))
        found.sort(key=itemgetter(2), reverse=True)  # files of the same time stay in the order of their names
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
            return _rows(self.folder, known, today)

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

    def _from_index(self, files: list[File], configs: bool) -> list[Known] | None:
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
    """A file, a tuple that begins as its `Entry` does, and its settings as JSON where they are at hand."""

    file: File
    entry: Row
    config: str | None


def from_files(folder: Path, files: Iterable[File]) -> list[Known]:
    """What the files themselves say."""
    read = ((file, read_entry(folder, file.name)) for file in files)
    return [Known(file, entry, entry.config) for file, entry in read if entry is not None]


def _rows(folder: Path, known: Sequence[Known], today: Callable[[str], str | None] | None) -> list[StoredRun]:
    """Column by column: run by run it would take twice as long."""
    if not known:
        return []
    files, entries, configs = zip(*known, strict=True)
    names, sizes, used, _ = zip(*files, strict=True)
    columns = list(zip(*(entry[_OF_A_RUN] for entry in entries), strict=True))
    taken, keys = zip(*map(named, names), strict=True)
    current: Iterable[bool | None] = repeat(None, len(known))
    if today is not None:
        codes = {assay: today(assay) for assay in set(taken)}
        current = map(eq, columns[_CODE], map(codes.__getitem__, taken))
    values = zip(repeat(folder), names, sizes, used, taken, keys, *columns, current, configs, strict=False)
    return list(map(StoredRun._make, values))


def _compared(database: sqlite3.Connection, folder: Path, files: Iterable[File], configs: bool) -> list[Known]:
    """From the index for the files that have not changed, else from the files, and noted."""
    with _transaction(database, "DEFERRED"):
        runs = {row[0]: row for row in _table(database, "runs")}
        settings = {row[0]: row for row in _table(database, "configs")} if configs else runs
    known, read = [], []
    for file in files:
        name, _, _, mark = file
        kept, row = settings.get(name), runs.pop(name, None)
        if row is not None and kept is not None and row[1] == mark == kept[1]:
            known.append(Known(file, row, kept[2] if configs else None))
            continue
        entry = read_entry(folder, name)
        if entry is not None:
            known.append(Known(file, entry, entry.config))
            read.append(entry)
    if read or runs:
        try:
            _keep(database, read, gone=runs)
        except sqlite3.OperationalError as error:
            if not getattr(error, "sqlite_errorname", "").startswith(_BUSY):
                raise
    return known


def _table(database: sqlite3.Connection, name: str) -> list[Row]:
    """The rows of a table.

    Raises:
        sqlite3.DatabaseError: they are not what was written.
    """
    rows = database.execute(f"SELECT * FROM {name} ORDER BY name").fetchall()
    (written,) = database.execute("SELECT crc FROM checksums WHERE name = ?", (name,)).fetchone() or (None,)
    if written != _checksum(rows):
        raise sqlite3.DatabaseError(f"the table {name} is damaged")
    return rows


def _checksum(rows: list[Row]) -> int:
    return zlib.crc32(marshal.dumps(rows, 2))  # version 2 writes equal rows as equal bytes


def _begin(database: sqlite3.Connection, journal: str) -> None:
    """The tables of a new index. A log beside the file (WAL) lets others read while one writes, on one machine only."""
    database.execute(f"PRAGMA journal_mode={journal}")
    with _transaction(database):
        for table, columns in {**_TABLES, "checksums": "name TEXT PRIMARY KEY, crc INTEGER"}.items():
            database.execute(f"DROP TABLE IF EXISTS {table}")
            database.execute(f"CREATE TABLE {table} ({columns}) WITHOUT ROWID")
        database.executemany("INSERT INTO checksums VALUES (?,?)", [(table, _checksum([])) for table in _TABLES])
        database.execute(f"PRAGMA application_id={_OURS}")
        database.execute(f"PRAGMA user_version={_VERSION}")


def _keep(database: sqlite3.Connection, read: Iterable[Entry], gone: Iterable[str]) -> None:
    written = {"runs": [entry[:-1] for entry in read], "configs": [(e.name, e.stamp, e.config) for e in read]}
    with _transaction(database):
        for table, rows in written.items():
            _table(database, table)  # nothing is added to what is damaged
            database.executemany(f"DELETE FROM {table} WHERE name = ?", ((name,) for name in gone))
            if rows:
                marks = ",".join("?" * len(rows[0]))
                database.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)
            after = database.execute(f"SELECT * FROM {table} ORDER BY name").fetchall()
            database.execute("UPDATE checksums SET crc = ? WHERE name = ?", (_checksum(after), table))


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
