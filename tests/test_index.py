"""The index: whatever becomes of the folder or of the index itself, a listing is what the files say."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import biassay.index as index_module
from biassay.index import NAME, Index, StoredRun
from stored_coins import coins


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for eta in (0.1, 0.2, 0.3, 0.4):
        coins(tmp_path, eta=eta, seed=int(eta * 10))
    return tmp_path / "store"


def from_files(folder: Path) -> list[StoredRun]:
    """What a listing without any index says."""
    files = Index(folder).files()
    return index_module._rows(folder, files, index_module.from_files(folder, files), None)


def listed(folder: Path) -> list[StoredRun]:
    return Index(folder, few=0).rows(configs=True)


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read from now on."""
    read: list[str] = []
    before = index_module.read_entry
    monkeypatch.setattr(index_module, "read_entry", lambda folder, name: read.append(name) or before(folder, name))
    return read


def test_a_row_is_what_the_record_says(folder: Path) -> None:
    for rows in (listed(folder), listed(folder), Index(folder).rows()):
        by_eta = {row.config["eta"]: row for row in rows}
        row = by_eta[0.3]
        assert (row.assay, row.profile, row.seeds, row.seed, row.seconds) == ("coins", "quick", 4, 3, 1.5)
        assert (row.changed, row.problem, row.path.is_file()) == ("eta=0.3 seed=3", None, True)
        assert row.record["environment"]["device"] == "cpu"
        assert row.size == row.path.stat().st_size


def test_the_run_used_last_comes_first(folder: Path) -> None:
    paths = [folder / row.name for row in listed(folder)]
    for age, path in enumerate(paths):
        os.utime(path, (1e9 + age, 1e9 + age))
    assert [folder / row.name for row in listed(folder)] == paths[::-1]


def test_only_what_changed_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = listed(folder)
    read = reads(monkeypatch)
    assert listed(folder) == first
    assert read == []
    gone, touched, moved = (folder / row.name for row in first[:3])
    new = coins(folder.parent, eta=0.9)
    gone.unlink()
    os.utime(touched)
    other = folder / "coins-elsewhere.nc"
    moved.rename(other)
    rows = listed(folder)
    assert sorted(read) == sorted([touched.name, other.name, new.name])
    assert {row.name for row in rows} == {path.name for path in folder.glob("*.nc")}
    assert {row.name: row.problem for row in rows}[other.name] is not None  # it is not what its name says
    assert new.name in {row.name for row in rows}
    assert rows == from_files(folder)
    read.clear()
    assert listed(folder) == rows
    assert read == []


def test_a_small_store_has_no_index(folder: Path) -> None:
    Index(folder).rows()
    assert not (folder / NAME).exists()
    coins(folder.parent, eta=0.7)
    assert not (folder / NAME).exists()


def locked(folder: Path) -> Callable[[], None]:
    database = sqlite3.connect(folder / NAME, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    return database.close


def overwritten(content: bytes) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        for end in ("-wal", "-shm"):
            (folder / f"{NAME}{end}").unlink(missing_ok=True)
        (folder / NAME).write_bytes(content)

    return harm


def instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        Index(folder).remove()
        make(folder / NAME)

    return harm


def statement(text: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        with contextlib.closing(sqlite3.connect(folder / NAME)) as database, database:
            database.executescript(text)

    return harm


def foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE runs (mine)")


HARMS: dict[str, Callable[[Path], Callable[[], None] | None]] = {
    "locked": locked,
    "empty": overwritten(b""),
    "text": overwritten(b"not a database\n" * 500),
    "header": overwritten(b"SQLite format 3\0" + bytes(range(256)) * 40),
    "folder": instead(Path.mkdir),
    "pipe": instead(os.mkfifo),
    "link": instead(lambda path: path.symlink_to("elsewhere.sqlite")),
    "foreign": instead(foreign),
    "no table": statement("DROP TABLE runs"),
    "other columns": statement("DROP TABLE configs; CREATE TABLE configs (name, b)"),
    "other version": statement("PRAGMA user_version=99"),
    "wrong types": statement("UPDATE runs SET entry=7; UPDATE configs SET stamp='many', config=x'00'"),
    "wrong values": statement("UPDATE configs SET config='{\"eta\":7}'"),
    "bytes that are no text": statement("UPDATE runs SET entry=CAST(x'ff' AS TEXT)"),
    "swapped rows": statement("UPDATE runs SET entry=(SELECT min(entry) FROM runs)"),
    "one row gone": statement("DELETE FROM runs WHERE name=(SELECT max(name) FROM runs)"),
    "a row of nothing": statement("INSERT INTO runs (name) VALUES ('coins-none.nc')"),
}


@pytest.mark.parametrize("content", [b"my notes\n", b"my notes\n" * 500, b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_not_ours_stays(folder: Path, content: bytes) -> None:
    whole = from_files(folder)
    overwritten(content)(folder)
    assert listed(folder) == whole
    Index(folder).remove()
    assert (folder / NAME).read_bytes() == content


@pytest.mark.parametrize("how", HARMS)
def test_a_harmed_index_never_gives_another_answer(folder: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_PATIENCE", 0.1)
    whole = from_files(folder)
    assert listed(folder) == whole
    undo = HARMS[how](folder)
    try:
        for _ in range(2):
            assert listed(folder) == whole
            path = coins(folder.parent, eta=0.8)  # a writer goes on too
            assert len(listed(folder)) == 5
            path.unlink()
    finally:
        if undo is not None:
            undo()
    assert not (folder / "elsewhere.sqlite").exists()
    if how == "foreign":
        with contextlib.closing(sqlite3.connect(folder / NAME)) as database:
            assert [row[0] for row in database.execute("SELECT name FROM sqlite_master")] == ["runs"]
    if how in ("folder", "pipe", "link"):
        assert os.path.lexists(folder / NAME)


def test_without_the_checksums_a_changed_value_would_be_believed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above."""
    monkeypatch.setattr(index_module, "_checksum", lambda texts: 0)
    listed(folder)
    HARMS["wrong values"](folder)
    assert {row.config["eta"] for row in listed(folder)} == {7}


def test_a_table_that_is_too_large_for_one_text_leaves_the_listing_to_the_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(folder)
    whole = from_files(folder)
    connect = sqlite3.connect

    def small(*args: Any, **options: Any) -> sqlite3.Connection:
        database = connect(*args, **options)
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 500)
        return database

    monkeypatch.setattr(sqlite3, "connect", small)
    read = reads(monkeypatch)
    assert listed(folder) == whole
    assert len(read) == len(whole)
    assert (folder / NAME).exists()


def test_any_changed_byte_of_the_index(folder: Path) -> None:
    whole = from_files(folder)
    listed(folder)
    content = (folder / NAME).read_bytes()
    draw = random.Random(0)
    for _ in range(150):
        harmed = bytearray(content)
        harmed[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        overwritten(bytes(harmed[: draw.choice([len(content), draw.randrange(len(content))])]))(folder)
        assert listed(folder) == whole


def test_a_folder_that_cannot_be_written_is_listed(folder: Path) -> None:
    command = (
        "import os, sys; from pathlib import Path; from biassay.index import Index\n"
        "if os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
        "print(len(Index(Path(sys.argv[1]), few=0).rows()), len(Index(Path(sys.argv[1]), few=0).rows(configs=True)))\n"
    )
    for parent in [folder, *folder.parents][:-1]:
        if parent.stat().st_uid == os.getuid():
            parent.chmod(parent.stat().st_mode | 0o055)
    for made in (False, True):
        if made:
            listed(folder)
        folder.chmod(0o555)
        try:
            asked = subprocess.run([sys.executable, "-c", command, str(folder)], capture_output=True, text=True)
        finally:
            folder.chmod(0o755)
        assert (asked.stdout, asked.stderr) == ("4 4\n", "")
        assert (folder / NAME).exists() == made


def test_on_a_network_file_system_there_is_no_log_beside_the_index(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_on_a_network", lambda folder: True)
    assert listed(folder) == from_files(folder)
    assert not (folder / f"{NAME}-wal").exists()
    with contextlib.closing(sqlite3.connect(folder / NAME)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    coins(folder.parent, eta=0.7)
    assert len(listed(folder)) == 5


def test_network_file_systems_are_told_by_their_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, told in (("ext4", False), ("nfs4", True), ("lustre", True), ("fuse.sshfs", True)):
        text = f"disk / ext4 rw 0 0\nserver:/ {tmp_path} {kind} rw 0 0\nbroken\n"
        monkeypatch.setattr(Path, "read_text", lambda self, text=text: text.replace("broken\n", ""))
        assert index_module._on_a_network(tmp_path / "store") == told
        assert not index_module._on_a_network(tmp_path.parent)


BUSY = """
import sys; from pathlib import Path
import xarray as xr
from biassay.index import Index; from biassay.store import Store
store, number = Store(Path(sys.argv[1])), int(sys.argv[2])
for k in range(25):
    path = store.write("dice", f"{number}x{k}", xr.Dataset({"x": ("n", [1.0] * k)}), {"config": {"k": k}})
    if k % 5 == 0: path.unlink()
    if k % 3 == 0: Index(store.folder, few=0).rows(configs=True)
"""


def test_writers_and_listers_at_once(folder: Path) -> None:
    command = [sys.executable, "-c", BUSY, str(folder)]
    writers = [subprocess.Popen([*command, str(k)], stderr=subprocess.PIPE, text=True) for k in range(3)]
    while any(writer.poll() is None for writer in writers):
        assert all(row.problem is None for row in listed(folder))
        time.sleep(0.05)
    assert [writer.communicate()[1] for writer in writers] == [""] * 3
    rows = listed(folder)
    assert len(rows) == 4 + 3 * 20
    assert rows == from_files(folder)
