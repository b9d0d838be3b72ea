"""run: from a name to a judged result, kept or not; and the public API around it."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import biassay as ba
import fake_assay
import fake_dice
from biassay import _checkpoints, assays, runs
from biassay.store import Store


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assays, "CATALOGUE", {"coins": fake_assay.ENTRY, "dice": fake_dice.ENTRY})
    monkeypatch.setattr(fake_assay, "calls", [])


def test_a_run_is_judged_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = ba.run("coins", eta=1, seeds=3, seed=5, labels=[1, 2])
    assert result.config == fake_assay.Config(eta=1.0, seeds=3, seed=5, labels=(1.0, 2.0))
    assert result.data["seed"].values.tolist() == [5, 6, 7]
    assert [verdict.outcome for verdict in ba.run("coins").verdicts] == ["holds", "fails"]
    assert (result.name, result.profile, result.cached, result.path) == ("coins", "quick", False, None)
    assert list(tmp_path.iterdir()) == []


def test_the_precision_is_the_assays_and_not_a_global_switch() -> None:
    assert int(ba.run("coins").data["bits"]) == 64
    assert int(ba.run("dice").data["bits"]) == 32
    assert jnp.ones(()).dtype == jnp.float32


def test_devices_are_left_alone_once_jax_has_them() -> None:
    before = jax.devices()
    ba.run("coins")
    assert jax.devices() == before


def test_every_core_is_asked_for_before_jax_has_devices() -> None:
    code = (
        "import sys; from biassay import runs, assays; import fake_assay\n"
        "assays.CATALOGUE['coins'] = fake_assay.ENTRY\n"
        "runs.cores = lambda: 3\n"
        "print(runs.run('coins').environment['devices'])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "JAX_PLATFORMS": "cpu"}
    env.pop("XLA_FLAGS", None)
    for flags, devices in (("", "3"), ("--xla_force_host_platform_device_count=2", "2")):
        asked = subprocess.run(
            [sys.executable, "-c", code], env={**env, "XLA_FLAGS": flags}, check=True, capture_output=True, text=True
        )
        assert asked.stdout.strip() == devices


def test_the_second_run_comes_from_the_store(tmp_path: Path) -> None:
    first = ba.run("coins", out=tmp_path)
    second = ba.run("coins", out=tmp_path, eta=0.1)
    assert (first.cached, second.cached) == (False, True)
    assert len(fake_assay.calls) == 1
    assert second.path == first.path
    assert first.path is not None
    assert first.path.is_file()
    assert (second.seconds, second.environment) == (first.seconds, first.environment)
    assert second.verdicts == first.verdicts
    xr.testing.assert_identical(second.data, first.data)
    other = ba.run("coins", out=tmp_path, eta=0.11)
    again = ba.run("coins", out=tmp_path, fresh=True)
    assert (other.cached, again.cached, len(fake_assay.calls)) == (False, False, 3)


def test_verdicts_are_judged_afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ba.run("coins", out=tmp_path)
    strict = replace(fake_assay.ASSAY, claims=(replace(fake_assay.ASSAY.claims[0], region=(0.0, 0.01)),))
    monkeypatch.setattr(fake_assay, "ASSAY", strict)
    second = ba.run("coins", out=tmp_path)
    assert second.cached
    assert [verdict.outcome for verdict in second.verdicts] == ["fails"]


def test_the_environment_names_no_one() -> None:
    found = ba.run("coins").environment
    assert set(found) == {
        "python", "biassay", "jax", "jaxlib", "numpy", "xarray", "platform", "cpus", "device", "devices", "code",
    }  # fmt: skip
    text = str(found)
    assert socket.gethostname() not in text
    assert getpass.getuser() not in text
    assert "/" not in text


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("coin", {}, "there is no assay 'coin': did you mean 'coins'?"),
        ("coins", {"profile": "fulll"}, "coins has no profile 'fulll': did you mean 'full'?"),
        ("dice", {"profile": "full"}, "dice has no profile 'full': it is one of quick"),
        ("coins", {"etta": 1}, "there is no field 'etta': did you mean 'eta'?"),
        ("coins", {"eta": "1"}, "eta='1': eta is a finite float"),
        ("coins", {"eta": -0.5}, "eta must be above 0, got -0.5"),
        ("coins", {"seeds": 0}, "seeds must be at least 1, got 0"),
        ("coins", {"seeds": 1.5}, "seeds=1.5: seeds is an integer"),
        ("coins", {"seed": -1}, "seed must lie in 0..2147483644, got -1"),
        ("coins", {"seed": 2**31}, "seed must lie in 0..2147483644, got 2147483648"),
    ],
)
def test_a_slip_is_one_clear_line(name: str, settings: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ba.UserError) as caught:
        ba.run(name, out=tmp_path / "out", **settings)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []
    assert fake_assay.calls == []


def test_a_folder_that_is_a_file_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(ba.UserError, match="out is not a folder"):
        ba.run("coins", out=tmp_path / "out")
    assert fake_assay.calls == []


def test_figures_are_drawn_by_name() -> None:
    result = ba.run("coins")
    assert isinstance(result.figure(), Figure)
    assert isinstance(result.figure("again"), Figure)
    with pytest.raises(ba.UserError, match="coins has no figure 'agin': did you mean 'again'"):
        result.figure("agin")


def test_progress_is_passed_on() -> None:
    heard: list[tuple[int, int, str]] = []
    ba.run("coins", progress=lambda done, total, label: heard.append((done, total, label)))
    assert heard == [(1, 2, "coins")]


def test_the_shelf_holds_the_run_used_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    first = ba.run("coins", out=tmp_path, eta=0.15)
    ba.run("coins", out=tmp_path, profile="full")
    ba.run("dice", out=tmp_path, sides=8)
    assert first.path is not None
    for age, path in enumerate(store.paths(), start=1):
        os.utime(path, (1e9 - age,) * 2)
    ba.run("coins", out=tmp_path, eta=0.15)
    shelf = runs.latest(store)
    assert [(result.name, result.config.eta, result.cached) for result in shelf.results] == [
        ("coins", 0.15, True), ("dice", 0.1, True),
    ]  # fmt: skip
    assert shelf.results[1].config == fake_dice.Config(sides=8)
    assert [result.name for result in runs.latest(store, skip=["coins"]).results] == ["dice"]

    first.path.write_bytes(b"half")
    shelf = runs.latest(store)
    assert {result.name: result.profile for result in shelf.results} == {"coins": "full", "dice": "quick"}
    assert [str(first.path) in str(error) for error in shelf.damaged] == [True]

    monkeypatch.setattr(runs, "code_version", lambda module: "0.0+new")
    shelf = runs.latest(store)
    assert shelf.results == ()
    assert len(shelf.outdated) == 2
    assert all("was computed by other code" in line for line in shelf.outdated)
    assert not ba.run("coins", out=tmp_path, profile="full").cached


@pytest.mark.parametrize("name", ["seconds", "profile", "config", "environment"])
def test_a_record_that_no_run_wrote_is_one_line(tmp_path: Path, name: str) -> None:
    store, path = Store(tmp_path / "store"), ba.run("coins", out=tmp_path).path
    assert path is not None
    stored = store.read("coins", path.stem.removeprefix("coins-"))
    assert stored is not None
    record = {field: value for field, value in stored.record.items() if field != name}
    store.write("coins", record["key"], stored.data, record)
    line = f"{path} has a record without {name}: delete it, or run with --fresh"
    with pytest.raises(ba.StoreError) as caught:
        ba.run("coins", out=tmp_path)
    assert str(caught.value) == line
    assert [str(error) for error in runs.latest(store).damaged] == [line]
    assert not ba.run("coins", out=tmp_path, fresh=True).cached
    assert ba.run("coins", out=tmp_path).cached


def test_everything_in_the_public_api_is_there() -> None:
    assert {name: getattr(ba, name).__name__ for name in ba.__all__} == {name: name for name in ba.__all__}
    assert set(ba.__all__) <= set(dir(ba))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ba.nothing  # noqa: B018


@pytest.mark.parametrize("name", list(assays.CATALOGUE))
def test_the_catalogue_says_what_the_assays_say(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    entry, assay = assays.CATALOGUE[name], assays.load(name)
    assert assay.name == name
    assert (entry.sentence, entry.seconds, entry.papers) == (assay.sentence, assay.seconds, assay.papers)
    assert entry.claims == tuple(claim.name for claim in assay.claims)
    assert np.isfinite(entry.seconds)


def test_an_interrupted_run_leaves_checkpoints_and_a_finished_one_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def interrupted(config: object) -> xr.Dataset:
        kept = _checkpoints._kept.get()
        assert kept is not None
        seen.append(kept.folder)
        kept.folder.mkdir(parents=True, exist_ok=True)
        (kept.folder / "001-left.npz").touch()
        if len(seen) == 1:
            raise KeyboardInterrupt
        return fake_assay.run(config)

    monkeypatch.setattr(assays, "load", lambda name: replace(fake_assay.ASSAY, run=interrupted))
    with pytest.raises(KeyboardInterrupt):
        ba.run("coins", out=tmp_path)
    assert (seen[0] / "001-left.npz").exists()
    ba.run("coins", out=tmp_path)
    assert seen[0] == seen[1]
    assert not seen[0].exists()
    ba.run("coins", out=tmp_path, eta=0.5)
    assert seen[2] != seen[0]  # another config has its own
