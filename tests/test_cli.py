"""The command line: its contract with other programs, and one clear line for every mistake."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console

import fake_assay
import fake_dice
from biassay import assays, cli, runs, terminal

TESTS = Path(__file__).parent
# A shell's background job starts with SIGINT ignored; the process is to hear it wherever the tests run.
LAUNCH = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "import sys; from biassay import assays, cli; import fake_assay, fake_dice\n"
    "assays.CATALOGUE.clear(); assays.CATALOGUE.update(coins=fake_assay.ENTRY, dice=fake_dice.ENTRY)\n"
    "sys.exit(cli.main(sys.argv[1:]))"
)


@pytest.fixture(autouse=True)
def workplace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty working folder, two fake assays, and no compilation cache outside the test."""
    monkeypatch.setattr(assays, "CATALOGUE", {"coins": fake_assay.ENTRY, "dice": fake_dice.ENTRY})
    monkeypatch.setattr(fake_assay, "calls", [])
    monkeypatch.setattr(cli, "_keep_compiled_programs", lambda: None)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the drawing of the site, which the test is not about."""
    monkeypatch.setattr(cli, "_write_site", lambda out, results: out / "index.html")


def launch(arguments: Sequence[str], folder: Path, **environment: str) -> subprocess.Popen[str]:
    """The command line with the fake assays in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(TESTS), "XDG_CACHE_HOME": str(folder / "cache"), **environment}
    command = [sys.executable, "-c", LAUNCH, *arguments]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- what other programs rely on --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_site")
def test_a_warning_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def warns(config: fake_assay.Config) -> xr.Dataset:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("nothing is left\nto choose", stacklevel=1)
        return fake_assay.run(config)

    monkeypatch.setattr(fake_assay, "ASSAY", replace(fake_assay.ASSAY, run=warns))
    before = warnings.showwarning
    assert cli.main(["run", "coins", "--quiet"]) == 0
    assert capsys.readouterr().err == "biassay: nothing is left to choose\n"
    assert warnings.showwarning is before


@pytest.mark.usefixtures("no_site")
@pytest.mark.parametrize("before", [None, "elsewhere"])
def test_data_sets_are_looked_for_in_the_folder_of_this_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: str | None
) -> None:
    monkeypatch.delenv("BIASSAY_DATA", raising=False)
    if before:
        monkeypatch.setenv("BIASSAY_DATA", before)
    seen: list[str | None] = []

    def looks(config: fake_assay.Config) -> xr.Dataset:
        seen.append(os.environ.get("BIASSAY_DATA"))
        return fake_assay.run(config)

    monkeypatch.setattr(fake_assay, "ASSAY", replace(fake_assay.ASSAY, run=looks))
    (tmp_path / "sets").mkdir()
    assert cli.main(["run", "coins", "--quiet", "--data-dir", "sets"]) == 0
    assert cli.main(["run", "coins", "--quiet", "--fresh"]) == 0
    assert seen == [str(tmp_path / "sets"), before]
    assert os.environ.get("BIASSAY_DATA") == before


@pytest.mark.parametrize("there", [True, False])
def test_a_data_folder_that_is_none_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: bool
) -> None:
    if there:
        (tmp_path / "sets").write_text("a file")
    assert cli.main(["run", "coins", "--data-dir", "sets"]) == 2
    out, err = capsys.readouterr()
    assert err == "biassay: --data-dir sets: it must be a folder with data sets, and there is no such folder\n"
    assert out == ""
    assert not (tmp_path / "biassay-out").exists()
    assert fake_assay.calls == []


def test_a_run_prints_writes_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run"]) == 0
    out, err = capsys.readouterr()
    for word in ("coins", "dice", "fair", "loaded", "holds", "fails", "[0, 0.2]", "0.8995"):
        assert word in out
    assert "loaded fails: the interval lies outside the region" in out
    assert "site: biassay-out/index.html" in out
    assert "coins: running" in err
    folder = tmp_path / "biassay-out"
    assert len(list((folder / "store").glob("*.nc"))) == 2
    for name in ("index.html", "coins.html", "dice.html", "figures/coins/coins.png", "figures/dice/again.svg"):
        assert (folder / name).stat().st_size > 0

    assert cli.main(["run", "coins"]) == 0
    out, err = capsys.readouterr()
    assert "coins (quick, from the store)" in out
    assert err == ""
    assert len(fake_assay.calls) == 2
    assert "dice" in (folder / "index.html").read_text()
    assert cli.main(["run", "coins", "--fresh"]) == 0
    assert len(fake_assay.calls) == 3


def test_the_json_is_the_contracts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "coins", "--json", "-", "--seeds", "1"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert "fair" in err
    assert set(document) == {"version", "environment", "assays"}
    (assay,) = document["assays"]
    assert set(assay) == {"name", "config", "seconds", "cached", "data", "figures", "verdicts"}
    assert assay["config"] == {
        "eta": 0.1, "replication": 2, "labels": [0.3, 0.4], "pause": 0.0, "seed": 0, "seeds": 1,
    }  # fmt: skip
    assert (assay["name"], assay["cached"]) == ("coins", False)
    for path in [assay["data"], *assay["figures"]]:
        assert (tmp_path / path).is_file()
    assert [Path(path).name for path in assay["figures"]] == ["coins.png", "coins.svg", "again.png", "again.svg"]
    fair = assay["verdicts"][0]
    assert set(fair) == {
        "claim", "says", "cite", "provenance", "outcome", "value", "interval", "region", "n", "diverged", "control",
        "n_control", "recorded",
    }  # fmt: skip
    assert fair["interval"] == [None, None]  # one seed has no interval: its ends are infinite
    assert (fair["region"], fair["n"], fair["recorded"]) == ([0.0, 0.2], 1, "holds")

    assert cli.main(["run", "coins", "--seeds", "1", "--json", "results/run.json", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    again = json.loads((tmp_path / "results" / "run.json").read_text())
    assert again["assays"][0].pop("cached") is True
    assert document["assays"][0].pop("cached") is False
    assert again == document


def test_list_is_short_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("coins", "Heads are rare.", "fair, loaded"))
    assert cli.main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["assays"]
    assert listed[0] == {
        "name": "coins", "sentence": "Heads are rare.", "claims": ["fair", "loaded"], "seconds": 0.5,
    }  # fmt: skip


def test_cite_prints_bibtex(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cite", "dice", "coins"]) == 0
    assert capsys.readouterr().out.count("@misc{lecture_sgd,") == 1


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["list", "--json"], ["cite"], ["run", "--help"], ["sweep", "--help"]]
)
def test_light_commands_import_neither_jax_nor_xarray(arguments: list[str]) -> None:
    code = (
        "import sys; from biassay.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('heavy:', *({'jax', 'xarray', 'scipy', 'matplotlib', 'plotly'} & set(sys.modules)))"
    )
    asked = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    assert asked.stdout.splitlines()[-1].strip() == "heavy:"


@pytest.mark.usefixtures("no_site")
def test_check_names_the_verdicts_that_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "--check", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    fair, loaded = fake_assay.ASSAY.claims
    changed = replace(fake_assay.ASSAY, claims=(fair, replace(loaded, recorded="holds")))
    monkeypatch.setattr(fake_assay, "ASSAY", changed)
    assert cli.main(["run", "--check", "--quiet"]) == 1
    assert capsys.readouterr().err == "biassay: coins: loaded fails, and was recorded as holds\n"
    assert cli.main(["run"]) == 0
    assert "coins: loaded fails, and was recorded as holds" in capsys.readouterr().out


@pytest.mark.usefixtures("no_site")
def test_settings_reach_the_assays_that_have_them(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--set", "sides=8", "labels=1,2", "--set", "coins.eta=0.15", "dice", "coins", "--quiet"]
    assert cli.main([*arguments, "--seed", "7", "--seeds", "2"]) == 0
    dice, coins = fake_assay.calls
    assert dice == fake_dice.Config(sides=8, labels=(1.0, 2.0), seed=7, seeds=2)
    assert coins == fake_assay.Config(eta=0.15, labels=(1.0, 2.0), seed=7, seeds=2)


@pytest.mark.usefixtures("no_site")
def test_the_profile_is_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "coins", "--profile", "full", "--set", "eta=0.12", "--quiet"]) == 0
    assert fake_assay.calls == [fake_assay.Config(eta=0.12, seeds=8)]


def test_report_renders_without_computing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--out", "here", "--quiet"]) == 0
    page = tmp_path / "here" / "index.html"
    page.unlink()
    assert cli.main(["report", "--out", "here"]) == 0
    assert capsys.readouterr().out == "site: here/index.html\n"
    assert page.is_file()
    assert len(fake_assay.calls) == 2


# --- mistakes ---------------------------------------------------------------------------------------------------------

MISTAKES = {
    "": "Expected one of",
    "rum": "there is no command 'rum': did you mean 'run'?",
    "run coin": "there is no assay 'coin': did you mean 'coins'?",
    "run coins zebra": "there is no assay 'zebra': it is one of coins, dice",
    "cite dcie": "there is no assay 'dcie': did you mean 'dice'?",
    "run --profile fast": "coins has no profile 'fast': it is one of full, quick",
    "run dice --profile full": "dice has no profile 'full': it is one of quick",
    "run --seeds three": "--seeds three: an integer is needed",
    "run --seeds 1.5": "--seeds 1.5: an integer is needed",
    "run --seed 1e3": "--seed 1e3: an integer is needed",
    "run --seeds 0": "seeds must be at least 1, got 0",
    "run --seed -1": "seed must lie in 0..",
    "run --seeds": "Missing value for argument '--seeds'",
    "run --sedes 3": "Unrecognized options: --sedes, 3; see biassay run --help",
    "list coins": "Unrecognized options: coins; see biassay list --help",
    "run --set etta=1": "--set etta=1: there is no field 'etta': did you mean 'eta'?",
    "run coins --set sides=8": "--set sides=8: there is no field 'sides'",
    "run --set coins.sides=8": "--set sides=8: there is no field 'sides'",
    "run coins --set dice.sides=8": "--set dice.sides=8: 'dice' is not among the assays to run",
    "run --set eta": "--set takes field=value, got 'eta'",
    "run --set eta=abc": "--set eta=abc: eta is a finite float",
    "run --set eta=nan": "--set eta=nan: eta is a finite float",
    "run --set eta=-0.1": "eta must be above 0, got -0.1",
    "run --set replication=0": "replication must be at least 1, got 0",
    "run --set dice.replication=0": "replication must be at least 1, got 0",
    "run --set seeds=0": "seeds must be at least 1, got 0",
    "run --out file": "cannot write in file: ",
    "run --out file/below": "cannot write in file/below: ",
    "report --out file": "cannot write in file: ",
    "report --out nowhere": "there are no runs in nowhere: `biassay run --out nowhere` makes some",
    "run --json .": "cannot write .: it is a folder",
    "run --json file/results.json": "cannot write in file: ",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_and_writes_nothing(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert cli.main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"biassay: {MISTAKES[line]}")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert fake_assay.calls == []


@pytest.mark.usefixtures("no_site")
def test_a_damaged_file_stops_what_needs_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--quiet"]) == 0
    path = next((tmp_path / "biassay-out" / "store").glob("coins-*.nc"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    capsys.readouterr()
    for line in ("run --quiet", "report"):
        assert cli.main(line.split()) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert re.fullmatch(rf"biassay: \S*{path.name} is cut short .*: delete it, or run with --fresh\n", err)
    assert len(fake_assay.calls) == 2
    assert cli.main(["run", "dice", "--quiet"]) == 0
    assert "left out: " in capsys.readouterr().err
    assert cli.main(["run", "--quiet", "--fresh"]) == 0
    assert path.read_bytes() != whole[: len(whole) // 2]
    assert cli.main(["report"]) == 0


def test_a_disk_that_fills_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main(["run", "coins", "--quiet"]) == 2
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert err.count("\n") == 1


# --- the process ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_finished(tmp_path: Path, number: signal.Signals) -> None:
    process = launch(["run", "coins", "dice", "--set", "dice.pause=60", "--json", "run.json"], tmp_path)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("dice: running"):
            break
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "biassay: interrupted; kept: coins"
    assert "Traceback" not in out + err
    assert (tmp_path / "biassay-out" / "coins.html").is_file()
    assert [assay["name"] for assay in json.loads((tmp_path / "run.json").read_text())["assays"]] == ["coins"]
    assert len(list((tmp_path / "biassay-out" / "store").iterdir())) == 1
    resumed = launch(["run", "--json", "-", "--quiet"], tmp_path)
    assert [assay["cached"] for assay in json.loads(resumed.communicate(timeout=60)[0])["assays"]] == [True, False]


def test_compiled_programs_are_kept_in_the_users_cache(tmp_path: Path) -> None:
    code = (
        "import jax; from biassay import cli\n"
        "cli._keep_compiled_programs(); print(jax.config.jax_compilation_cache_dir)"
    )

    def asked(**environment: str) -> str:
        env = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=env | environment, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "file").touch()
    assert asked(XDG_CACHE_HOME=str(tmp_path)).startswith(str(tmp_path / "biassay" / "compiled"))
    assert asked(XDG_CACHE_HOME=str(tmp_path / "file")) == "None"
    assert asked(XDG_CACHE_HOME=str(tmp_path), JAX_COMPILATION_CACHE_DIR="/mine") == "/mine"


def test_the_display_on_a_terminal_tells_steps_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    made = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(terminal, "console", lambda *, stderr: made)
    display = terminal.Display(quiet=False)
    with display.assay("coins", 40.0) as listener:
        listener(1, 2, "the first")
    assert "coins · the first" in screen.getvalue()
    assert "about 40 s left" in screen.getvalue()
    display.learn(40.0, 80.0)
    with display.assay("dice", 10.0) as listener:
        listener(1, 2, "")
    assert "about 20 s left" in screen.getvalue()


def test_a_late_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "plan", interrupted)
    assert cli.main(["run"]) == 130
    assert capsys.readouterr().err == "biassay: interrupted\n"
