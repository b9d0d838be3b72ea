"""`biassay runs`: what it lists, exports and deletes, and all that it must not delete."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import biassay as ba
import fake_assay
import fake_dice
from biassay import assays, cli
from biassay.store import Store, code_version, open_run
from stored_coins import coins


@pytest.fixture(autouse=True)
def workplace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(assays, "CATALOGUE", {"coins": fake_assay.ENTRY, "dice": fake_dice.ENTRY})
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store() -> Path:
    out = Path("biassay-out")
    coins(out, eta=0.2)
    coins(out, eta=0.3, labels=(0.5,))
    coins(out, eta=0.4, code="0.0+old")
    return out / "store"


def ask(*arguments: str) -> int:
    return cli.main(["runs", *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_runs_are_listed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask() == 0
    out, err = capsys.readouterr()
    head, *lines = out.splitlines()
    assert head.split()[:3] == ["assay", "key", "started"]
    assert len(lines) == 3
    assert sum("current" in line for line in lines) == 2
    (line,) = [line for line in lines if "eta=0.3" in line]
    key = ba.find_runs("biassay-out", eta=0.3)[0].key
    assert line.split() == ["coins", key, "2026-03-01", "12:00", "quick", "current", "1.5", "eta=0.3", "labels=0.5"]
    assert err == "3 runs, 2 of the current code\n"
    assert ask("eta<0.35", "eta>0.25") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert ask("eta>7") == 0
    assert capsys.readouterr().out == ""


def test_the_listing_as_json(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--json", "code=current", "eta=0.3") == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["config"]["labels"] == [0.5]
    assert Path(one["data"]).is_file()
    assert (one["assay"], one["current"], one["seeds"], one["seconds"]) == ("coins", True, 4, 1.5)


def test_a_listing_loads_no_jax_and_the_index_can_be_made_again(store: Path) -> None:
    code = (
        "import sys; from biassay import assays, cli; from biassay.assays import Entry\n"
        "assays.CATALOGUE.clear(); assays.CATALOGUE['coins'] = Entry('fake_assay', '', (), 1.0, ())\n"
        "assert cli.main(['runs', '--rebuild', 'eta<1']) == 0; print('jax' in sys.modules, 'xarray' in sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    (store / "index.sqlite").write_text("not an index")
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert asked.stdout.splitlines()[-1] == "False False"
    assert len(asked.stdout.splitlines()) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["etta=1"], "etta=1: no stored run has a field 'etta': did you mean 'eta'?"),
        (["--yes"], "--yes goes with --prune"),
        (["--prune", "--json"], "--prune and --json: ask for one of them at a time"),
        (["--export", "runs.txt"], "--export runs.txt: the file's name must end in .parquet or .csv"),
        (["--export", "folder.csv"], "cannot write folder.csv: it is a folder"),
        (["--export", "file/runs.csv"], "cannot write in file: file is not a folder"),
        (["--out", "nowhere"], "there are no runs in nowhere: `biassay run --out nowhere` makes some"),
    ],
)
def test_a_slip_is_one_line(
    store: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    Path("folder.csv").mkdir()
    Path("file").touch()
    before = contents(Path())
    assert ask(*arguments) == 2
    assert capsys.readouterr() == ("", f"biassay: {message}\n")
    assert contents(Path()) == before


# --- export -----------------------------------------------------------------------------------------------------------


def test_a_row_per_run_and_claim_is_exported(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow.parquet

    ba.run("dice", out="biassay-out", sides=8)
    (store / "coins-half.nc").write_bytes(b"half")
    for name in ("table.parquet", "new/table.csv"):
        assert ask("--export", name) == 0
        out, err = capsys.readouterr()
        assert out == f"{name}: 6 rows of 3 runs\n"
        assert "left out: 1 runs of other code" in err
        assert "coins-half.nc is cut short" in err
    table = pyarrow.parquet.read_table("table.parquet").to_pydict()
    with Path("new/table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(table)
    for name, column in table.items():
        assert [row[name] for row in rows] == ["" if value is None else str(value) for value in column]
    verdicts = {
        verdict.claim: verdict for verdict in ba.run("coins", out="biassay-out", eta=0.3, labels=(0.5,)).verdicts
    }
    for k, (claim, eta) in enumerate(zip(table["claim"], table["config.eta"], strict=True)):
        if eta == 0.3:
            verdict = verdicts[claim]
            assert table["outcome"][k] == verdict.outcome
            assert (table["low"][k], table["high"][k]) == verdict.interval
            assert (table["value"][k], table["control"][k]) == (verdict.value, verdict.control)
            assert (table["n"][k], table["config.labels"][k]) == (verdict.n, "[0.5]")
    assert table["config.sides"].count(8) == 2
    assert table["config.sides"].count(None) == 4


def test_without_pyarrow_parquet_is_one_line(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert ask("--export", "table.parquet") == 2
    assert capsys.readouterr().err == (
        "biassay: Parquet needs PyArrow: install biassay[parquet], or export to a .csv file\n"
    )
    assert not Path("table.parquet").exists()


def test_a_run_that_cannot_be_judged_is_left_out(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = fake_assay.ASSAY.claims[0]
    odd = ba.find_runs("biassay-out", eta=0.3)[0].name

    def measure(data: xr.Dataset) -> Any:
        if data.identical(open_run(store / odd).data):
            raise KeyError("no such thing")
        return claim.measure(data)

    monkeypatch.setattr(fake_assay, "ASSAY", replace(fake_assay.ASSAY, claims=(replace(claim, measure=measure),)))
    assert ask("--export", "table.csv") == 0
    out, err = capsys.readouterr()
    assert f"left out: {store / odd} cannot be judged: KeyError: 'no such thing'" in err
    assert out.endswith("1 rows of 1 runs\n")


def test_an_export_is_whole_or_not_there(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("table.csv").write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    assert ask("--export", "table.csv") == 2
    assert Path("table.csv").read_text() == "before"
    assert sorted(path.name for path in Path().iterdir()) == ["biassay-out", "table.csv"]


# --- prune ------------------------------------------------------------------------------------------------------------


def test_nothing_is_deleted_without_yes(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(store)
    old = ba.find_runs("biassay-out", code="outdated")[0]
    assert ask("--prune") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith(f"{old.path}  (other code, ")
    assert out.splitlines()[-1].endswith("nothing has been deleted: --yes deletes")
    assert contents(store) == before
    assert ask("--prune", "--yes") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("deleted 1 of 1, ")
    assert contents(store) == {name: data for name, data in before.items() if name != str(old.path)}
    assert ask("--prune", "--yes") == 0
    assert capsys.readouterr().out == "there is nothing to delete\n"


def test_what_is_asked_for_is_deleted(store: Path) -> None:
    assert ask("--prune", "--yes", "eta=0.3") == 0
    assert sorted(run.config["eta"] for run in ba.find_runs("biassay-out")) == [0.2, 0.4]


def test_what_is_not_surely_ours_stays(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = Path("elsewhere")
    kept = coins(outside, eta=0.9)
    sealed = kept.read_bytes()
    key = kept.stem.removeprefix("coins-")
    (store / f"coins-{'1' * 24}.nc").write_bytes(b"my own file")  # no seal
    (store / f"coins-{'2' * 24}.nc").write_bytes(sealed[:-1])  # damaged: whose it is cannot be told
    (store / f"coins-{'3' * 24}.nc").write_bytes(sealed)  # of another name
    (store / f"coins-{key}.nc").symlink_to(kept.absolute())  # a link out of the folder
    (store / f"coins-{'4' * 24}.nc").mkdir()
    (store / "notes.txt").write_text("mine")
    (store / "folder").mkdir()
    (store / "folder" / kept.name).write_bytes(sealed)
    os.utime(outside)
    before = contents(Path())
    assert ask("--prune", "--yes", "assay=coins") == 0
    _, err = capsys.readouterr()
    assert "not surely a run of biassay" in err
    left = contents(Path())
    gone = {Path(name).name for name in before.keys() - left.keys()}
    assert gone == {path for path in gone if (store / path).parent == store}
    assert len(gone) == 3  # the three runs of the store
    assert (store / f"coins-{key}.nc").is_symlink()
    assert kept.exists()


def test_a_run_that_is_used_meanwhile_stays(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from biassay import pruning

    (run,) = ba.find_runs("biassay-out", eta=0.3)
    (found,), _ = pruning.removals([run])
    os.utime(run.path)
    assert not pruning.remove(found)
    assert run.path.exists()


def aged(path: Path, hours: float = 2) -> Path:
    then = time.time() - 3600 * hours
    for one in (*(path.iterdir() if path.is_dir() else ()), path):
        os.utime(one, (then, then))
    return path


def test_leftovers_of_dead_processes_are_swept(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half, young = store / ".unfinished-0123abcd-1-aaaaaaaa.nc", store / ".unfinished-0123abcd-1-bbbbbbbb.nc"
    mine = store / ".unfinished-mine"
    for path in (half, young, mine):
        path.write_bytes(b"half")
    aged(half)
    aged(mine)
    today, key = code_version("fake_assay"), "0" * 24
    places = Store(store)
    finished = ba.find_runs("biassay-out", eta=0.2)[0]
    made = {
        "current": (places.checkpoints("coins", key, today), 2),
        "old": (places.checkpoints("coins", key, "0.0+" + "a" * 16), 2),
        "old and in use": (places.checkpoints("coins", key, "0.0+" + "b" * 16), 0),
        "finished": (places.checkpoints("coins", finished.key, today), 2),
        "of no assay": (places.checkpoints("cards", key, "0.0+" + "a" * 16), 2),
        "not ours": (store / "checkpoints" / "photos", 2),
        "with something else": (places.checkpoints("coins", "5" * 24, "0.0+" + "a" * 16), 2),
    }
    for name, (folder, hours) in made.items():
        folder.mkdir(parents=True)
        (folder / "001-abc.npz").write_bytes(b"x" * 100)
        if name == "with something else":
            (folder / "thesis.tex").write_text("mine")
        aged(folder, hours)
    outside = Path("outside")
    outside.mkdir()
    (outside / "001-abc.npz").write_bytes(b"x")
    link = places.checkpoints("coins", "6" * 24, "0.0+" + "a" * 16)
    link.symlink_to(outside.absolute())
    assert ask("--prune", "eta=0.7") == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[0] for line in told[:-1]] == [
        str(path) for path in (half, *sorted(made[name][0] for name in ("old", "finished", "of no assay")))
    ]
    assert ask("--prune", "--yes", "eta=0.7") == 0
    gone = {name for name, (folder, _) in made.items() if not folder.exists()}
    assert gone == {"old", "finished", "of no assay"}
    assert (half.exists(), young.exists()) == (False, True)
    assert (outside / "001-abc.npz").exists()
    assert (made["with something else"][0] / "thesis.tex").exists()
    assert len(ba.find_runs("biassay-out")) == 3
