"""The store: exact round trips, whole files only, and one clear line for every file that is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import biassay
from biassay import _atomic, _layout
from biassay.errors import StoreError, UserError
from biassay.store import Store, check_folder, code_version, key, open_run

PACKAGE = Path(biassay.__file__).parent


@pytest.fixture
def data() -> xr.Dataset:
    return xr.Dataset(
        {
            "loss": (("seed", "step"), np.array([[1.0, np.nan], [np.inf, -0.0]]), {"long_name": "loss", "units": ""}),
            "single": ("seed", np.array([1, np.nan], np.float32)),
            "jumped": ("seed", np.array([True, False])),
            "small": ("seed", np.array([1, -1], np.int8)),
            "large": ("seed", np.array([2**63, 1], np.uint64)),
            "word": ("seed", np.array(["abc", "é"])),
            "number": 3.0,
            "yes": True,
            "text": "hello",
            "nothing": ("none", np.zeros(0)),
        },
        coords={
            "seed": [3, 4],
            "step": [0, 10],
            "arm": ("arm", ["gd", "sgd, long"]),
            "time": ("step", [0.0, 1.0], {"units": "steps"}),
        },
        attrs={"n": 3, "title": "a test"},
    )


def test_data_and_record_come_back_exactly(tmp_path: Path, data: xr.Dataset) -> None:
    store = Store(tmp_path / "store")
    before = data.copy(deep=True)
    path = store.write("coins", "k", data, {"seconds": 1.5, "config": {"labels": [0.1]}})
    xr.testing.assert_identical(data, before)
    stored = store.read("coins", "k")
    assert stored is not None
    xr.testing.assert_identical(stored.data, data)
    assert {name: v.dtype for name, v in stored.data.variables.items()} == {
        name: v.dtype for name, v in data.variables.items()
    }
    assert stored.record == {
        "seconds": 1.5, "config": {"labels": [0.1]}, "schema": _layout.SCHEMA, "assay": "coins", "key": "k",
    }  # fmt: skip
    assert stored.path == path == tmp_path / "store" / "coins-k.nc"
    assert [file.name for file in path.parent.iterdir()] == ["coins-k.nc"]


def test_other_programs_read_the_file(tmp_path: Path, data: xr.Dataset) -> None:
    path = Store(tmp_path).write("coins", "k", data, {})
    with xr.open_dataset(path) as opened:
        np.testing.assert_array_equal(opened["loss"], data["loss"])


def test_an_absent_run_is_none(tmp_path: Path) -> None:
    assert Store(tmp_path / "nowhere").read("coins", "k") is None
    assert Store(tmp_path / "nowhere").paths() == ()


def test_every_damaged_byte_and_every_cut_is_noticed(tmp_path: Path, data: xr.Dataset) -> None:
    whole = Store(tmp_path).write("coins", "k", data, {}).read_bytes()
    generator = np.random.default_rng(0)
    for trial, place in enumerate(generator.integers(0, len(whole), 100)):
        path = tmp_path / f"coins-{trial}.nc"
        flipped = bytearray(whole)
        flipped[place] ^= 1 << trial % 8
        path.write_bytes(whole[:place] if trial % 2 else flipped)
        with pytest.raises(StoreError, match=rf"^{path} is (damaged|cut short).*: delete it, or run with --fresh$"):
            open_run(path)
    path.write_bytes(whole)
    xr.testing.assert_identical(open_run(path).data, data)


def test_foreign_files_are_refused_in_one_line(
    tmp_path: Path, data: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    data.to_netcdf(store.path("coins", "foreign"))
    store.path("coins", "empty").touch()
    store.path("coins", "text").write_text("not a run\n" * 10)
    for name in ("foreign", "empty", "text"):
        with pytest.raises(StoreError, match="was not written by biassay: delete it, or run with --fresh"):
            store.read("coins", name)
    store.path("coins", "folder").mkdir()
    with pytest.raises(StoreError, match=r"cannot read .*coins-folder.nc: Is a directory"):
        store.read("coins", "folder")
    store.write("coins", "k", data, {}).rename(store.path("coins", "other"))
    with pytest.raises(StoreError, match="holds another run than its name says"):
        store.read("coins", "other")
    monkeypatch.setattr(_layout, "SCHEMA", _layout.SCHEMA + 1)
    with pytest.raises(StoreError, match="layout of another biassay version"):
        store.read("coins", "other")


def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, data: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    old = store.write("coins", "k", data, {}).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"^cannot write .*coins-k.nc: No space left on device; make room or choose"):
        store.write("coins", "k", data, {})
    assert [file.name for file in store.folder.iterdir()] == ["coins-k.nc"]
    assert store.path("coins", "k").read_bytes() == old


def test_what_killed_processes_left_is_swept(tmp_path: Path, data: xr.Dataset) -> None:
    stale, young = tmp_path / ".unfinished-0123abcd-1-aaaaaaaa.nc", tmp_path / ".unfinished-0123abcd-1-bbbbbbbb.nc"
    other = tmp_path / ".unfinished-thesis.nc"
    for left in (stale, young, other):
        left.write_bytes(b"half")
    for left in (stale, other):
        os.utime(left, (time.time() - 7200,) * 2)
    store = Store(tmp_path)
    store.write("coins", "k", data, {})
    assert not stale.exists()
    assert young.exists()
    assert other.exists()  # nobody but a user gives it such a name
    assert store.paths() == (store.path("coins", "k"),)


def test_machines_of_one_name_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process number of one says nothing of the other's processes."""
    homes = set()
    for boot in ("a", "a", "b"):
        monkeypatch.setattr(Path, "read_text", lambda *_, boot=boot: boot)
        homes.add(_atomic._home.__wrapped__())
    assert len(homes) == 2


KILLING = """
import os, random, resource, signal, sys, time
import numpy as np, xarray as xr
from itertools import count
from pathlib import Path
from biassay.errors import StoreError
from biassay.index import Index
from biassay.store import Store, open_run, save_run

atomic, folder, rounds = sys.argv[1] == "atomic", Path(sys.argv[2]), int(sys.argv[3])
store, data = Store(folder), xr.Dataset({"x": ("n", np.arange(100_000.0))})
whole = store.write("coins", "0", data, {}).stat().st_size
Index(folder, few=0).rows()
random.seed(0)
unreadable = 0
for round in range(rounds):
    writers = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            if round % 2:  # killed by the kernel in the middle of a file, however slow the machine is
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                resource.setrlimit(resource.RLIMIT_FSIZE, (random.Random(3 * round + number).randrange(1, whole),) * 2)
            for k in count(number):
                if atomic:
                    store.write("coins", str(k % 3), data, {})
                else:
                    save_run(store.path("coins", str(k % 3)), data, {"assay": "coins", "key": str(k % 3)})
        writers.append(child)
    if round % 2 == 0:  # killed at any moment: between two files, before and after the renaming
        time.sleep(random.uniform(0.005, 0.05))
        for child in writers:
            os.kill(child, signal.SIGKILL)
    for child in writers:
        os.waitpid(child, 0)
    for path in store.paths():
        try:
            open_run(path)
        except StoreError:
            unreadable += 1
    if atomic:
        unreadable += sum(row.problem is not None for row in Index(folder, few=0).rows(configs=True))
store.write("coins", "0", data, {})
print(unreadable, len(store.paths()))
"""


def unreadable_after(folder: Path, how: str, rounds: int) -> int:
    """The files that could not be read, in all rounds of three writers at once, all of which are killed."""
    command = [sys.executable, "-c", KILLING, how, str(folder), str(rounds)]
    asked = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    unreadable, files = map(int, asked.stdout.split())
    assert files > 0
    return unreadable


@pytest.mark.parametrize("rounds", [16, pytest.param(200, marks=pytest.mark.nightly)])
def test_killed_at_any_moment_no_file_is_half_written(tmp_path: Path, rounds: int) -> None:
    assert unreadable_after(tmp_path / "atomic", "atomic", rounds) == 0


@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.nightly)])
def test_writing_in_place_does_leave_half_files(tmp_path: Path, rounds: int) -> None:
    """The control of the test above."""
    assert unreadable_after(tmp_path / "direct", "direct", rounds) > 0


FILLING = """
import resource, sys
import numpy as np, xarray as xr
from pathlib import Path
from biassay.errors import StoreError
from biassay.store import Store, open_run

store, data = Store(Path(sys.argv[1])), xr.Dataset({"x": ("n", np.arange(20_000.0))})
whole = [store.write("coins", str(k), data, {}) for k in range(3)]
before = {path.name: path.read_bytes() for path in store.folder.iterdir()}
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for room in (0, 1, 4096, 100_000, whole[0].stat().st_size - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    for key in ("0", "new"):
        try:
            store.write("coins", key, data, {})
        except StoreError as error:
            print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in store.folder.iterdir()} == before
    assert all(open_run(path).data.identical(data) for path in whole)
store.write("coins", "new", data, {})
print(len(store.paths()))
"""


def test_a_disk_that_is_full_damages_nothing_and_has_room_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILLING, str(tmp_path / "store")]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert asked.stderr == ""
    *errors, files = asked.stdout.splitlines()
    assert files == "4"
    assert len(errors) == 10
    for line in errors:
        assert line.startswith(f"cannot write {tmp_path}/store/coins-")
        assert line.endswith(".nc: File too large; make room or choose another --out")


def test_the_key_follows_what_decides_the_data() -> None:
    from fake_assay import Config

    base = key("coins", Config(), "1")
    assert key("coins", Config(eta=0.1, labels=(0.3, 0.4)), "1") == base
    others = {key("dice", Config(), "1"), key("coins", Config(eta=0.2), "1"), key("coins", Config(), "2")}
    assert len(others | {base}) == 4


def test_the_code_version_covers_what_a_run_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: hashed.append(str(path)) or read(path))
    code_version.__wrapped__("fake_assay")
    names = {Path(file).relative_to(PACKAGE).as_posix() for file in hashed if Path(file).is_relative_to(PACKAGE)}
    assert any(Path(file).name == "fake_assay.py" for file in hashed)
    asked = (
        "import sys, biassay.simulation, biassay.probes; print(*(m for m in sys.modules if m.startswith('biassay')))"
    )
    loaded = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout.split()
    files = {str(Path(str(sys_module_file(name))).relative_to(PACKAGE)) for name in loaded if name != "biassay"}
    assert {"simulation.py", "problem.py", "dynamics/_descent.py"} <= files
    assert files <= names
    assert not names & {"cli.py", "store.py", "runs.py", "claims.py", "assays/__init__.py", "report/__init__.py"}


def sys_module_file(name: str) -> str | None:
    from importlib.util import find_spec

    spec = find_spec(name)
    return spec.origin if spec else None


def test_a_change_of_the_code_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "some_assay.py"
    monkeypatch.syspath_prepend(tmp_path)
    versions = set()
    for text in ("a = 1\n", "a = 2\n", "a = 1\n"):
        module.write_text(text)
        versions.add(code_version.__wrapped__("some_assay"))
    assert len(versions) == 2


def test_the_version_is_the_same_wherever_things_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("biassay.store._PACKAGE", tmp_path / "package")
    monkeypatch.setattr("biassay.store._ENGINE", ("engine.py",))
    versions = set()
    for place in ("a", "package", "z"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "placed_assay.py").write_text("a = 1\n")
    (tmp_path / "package" / "engine.py").write_text("b = 1\n")
    for place in ("a", "z"):
        monkeypatch.syspath_prepend(tmp_path / place)
        versions.add(code_version.__wrapped__("placed_assay"))
    assert len(versions) == 1


def test_what_speaks_of_the_data_afterwards_is_not_in_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "other_assay"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    before = code_version.__wrapped__("other_assay")
    for name in ("claims.py", "claims_part.py", "figures.py", "text.py"):
        (folder / name).write_text("a = 1\n")
        assert code_version.__wrapped__("other_assay") == before
    (folder / "runs.py").write_text("a = 1\n")
    assert code_version.__wrapped__("other_assay") != before


def test_folders_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "newer")
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        with pytest.raises(UserError, match=f"cannot write in {folder}: .*"):
            check_folder(folder)


def test_a_folder_of_another_user_is_refused() -> None:
    command = (
        "import os, sys, tempfile; from pathlib import Path; from biassay.store import check_folder\n"
        "os.chdir('/'); folder = Path(tempfile.mkdtemp()); (folder / 'open').mkdir()\n"
        "(folder / 'open').chmod(0o777); folder.chmod(0o555)\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "check_folder(folder / 'open' / 'new')\n"
        "try: check_folder(folder / 'new')\n"
        "except ValueError as error: print(error)\n"
        "if os.getuid() == 0: os.seteuid(0)\n"
        "(folder / 'open').rmdir(); folder.rmdir()\n"
    )
    asked = subprocess.run([sys.executable, "-c", command], check=True, capture_output=True, text=True)
    assert asked.stdout.strip().endswith("is not writable")
