"""Stored runs by filters: which are found, what is refused in one line, and their data side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import biassay as ba
import fake_assay
import fake_dice
from biassay import assays, filters, found, index
from biassay.store import Store
from stored_coins import coins


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assays, "CATALOGUE", {"coins": fake_assay.ENTRY, "dice": fake_dice.ENTRY})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for eta in (0.1, 0.2, 0.3):
        coins(tmp_path, eta=eta)
    coins(tmp_path, eta=0.4, seeds=8, labels=(0.5,), started="2026-05-01T00:00:00+00:00")
    coins(tmp_path, eta=0.5, code="0.0+old")
    ba.run("dice", out=tmp_path, sides=8)
    return tmp_path


@pytest.mark.parametrize(
    ("conditions", "settings", "etas"),
    [
        ([], {"assay": "coins"}, [0.1, 0.2, 0.3, 0.4, 0.5]),
        (["assay=coins", "eta=0.2"], {}, [0.2]),
        (["eta=2e-1"], {"assay": "coins"}, [0.2]),
        (["eta<0.3"], {"assay": "coins"}, [0.1, 0.2]),
        (["eta<=0.3", "eta != 0.2"], {"assay": "coins"}, [0.1, 0.3]),
        (["eta>=.3", "code=current"], {"assay": "coins"}, [0.3, 0.4]),
        (["code=outdated"], {}, [0.5]),
        (["code=0.0+old"], {}, [0.5]),
        (["seeds>4"], {"assay": "coins"}, [0.4]),
        ([], {"seeds": 8, "assay": "coins"}, [0.4]),
        ([], {"labels": (0.5,)}, [0.4]),
        (["labels=0.3,0.4", "labels!=0.5"], {"eta": 0.1, "assay": "coins"}, [0.1]),
        (["since=2026-04-01", "before=2026-06-01"], {"assay": "coins"}, [0.4]),
        (["before=2026-04-01T00:00"], {"eta": 0.3}, [0.3]),
        (["seconds>1", "profile=quick"], {"eta": 0.3}, [0.3]),
        (["profile=full"], {}, []),
    ],
)
def test_every_condition_must_hold(out: Path, conditions: list[str], settings: dict[str, Any], etas: list) -> None:
    rows = ba.find_runs(out, *conditions, **settings)
    assert sorted(row.config["eta"] for row in rows) == etas


NUMBERS = st.sampled_from([0, 0.0, -0.0, 1, 1.0, 0.1, 1e-300, 1e16, 2**60, 0.5, 10, -1])
VALUES = NUMBERS | st.booleans() | st.none() | st.sampled_from(["0.5", "1", "a"]) | st.lists(NUMBERS, max_size=2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, min_size=1, max_size=6), VALUES)
def test_looking_before_parsing_changes_nothing(values: list, wanted: object) -> None:
    """Runs with these values of `x`, asked for x=wanted: the same answer, or the same error, as when all are parsed."""
    texts = [json.dumps({"x": value, "xx": 0.5}, separators=(",", ":")) for value in values]
    blank = index.StoredRun(Path(), "", 0, 0, "coins", "", "", "", 4, 0, 1.0, "", "", None, True, None)
    stored = [blank._replace(key=str(k), settings=text) for k, text in enumerate(texts)]

    def answer() -> list[str] | str:
        try:
            return [run.key for run in filters.chosen(stored, filters.read([], {"x": wanted}))]
        except ba.UserError as error:
            return str(error)

    looked = answer()
    with mock.patch.object(filters, "_spellings", return_value=()):
        assert answer() == looked


def test_a_run_is_found_by_the_beginning_of_its_key(out: Path) -> None:
    (row,) = ba.find_runs(out, eta=0.3)
    assert ba.find_runs(out, key=row.key[:8]) == (row,)
    assert (row.current, row.path.name) == (True, f"coins-{row.key}.nc")
    assert len(ba.find_runs(out, f"key!={row.key}")) == 5


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("eta", "'eta' is no filter: write one as epsilon=0.25, 'lr>=0.1' or since=2026-01-01"),
        ("eta=", "'eta=' is no filter: write one as epsilon=0.25, 'lr>=0.1' or since=2026-01-01"),
        ("etta=1", "etta=1: no stored run has a field 'etta': did you mean 'eta'?"),
        ("eta=high", "eta=high: eta cannot be compared so; a stored run has eta=0."),
        ("eta=nan", "eta=nan: eta cannot be compared so; a stored run has eta=0."),
        ("labels<1", "labels<1: labels cannot be compared so; a stored run has labels=0."),
        ("labels=a,b", "labels=a,b: labels cannot be compared so; a stored run has labels=0."),
        ("assay=coin", "there is no assay 'coin': did you mean 'coins'?"),
        ("assay<coins", "assay<coins: assay is compared by = and != alone"),
        ("since=yesterday", "since=yesterday: write a day or a time (UTC), such as since=2026-01-31"),
        ("since<2026-01-01", "since<2026-01-01: write a day or a time (UTC), such as since=2026-01-31"),
        ("seconds=fast", "seconds=fast: seconds is a number"),
    ],
)
def test_a_slip_is_one_clear_line(out: Path, condition: str, message: str) -> None:
    with pytest.raises(ba.UserError) as caught:
        ba.find_runs(out, condition)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert ba.find_runs(tmp_path, "eta<1") == ()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "store").touch()
    with pytest.raises(ba.StoreError, match=r"cannot read .*store: Not a directory"):
        ba.find_runs(tmp_path)


def test_what_cannot_be_used_is_told_apart(out: Path) -> None:
    (out / "store" / "coins-half.nc").write_bytes(b"half")
    old = (b"x" * 500) + b"biassay run " + b"\0" * 20
    (out / "store" / f"coins-{'0' * 24}.nc").write_bytes(old)
    runs, unusable = found.listing(out, [])
    assert len(runs) == 7
    assert [row.name for row in unusable] == ["coins-half.nc"]
    assert {row.code for row in runs if not row.current} == {"0.0+old", "another layout"}


def test_runs_come_side_by_side(out: Path) -> None:
    data = ba.load_runs(out, "coins", "eta<0.35")
    assert dict(data.sizes) == {"run": 3, "seed": 4}
    assert sorted(data["eta"].values) == [0.1, 0.2, 0.3]
    for row in ba.find_runs(out, "eta<0.35", assay="coins"):
        alone = Store(out / "store").read("coins", row.key)
        assert alone is not None
        one = data.sel(run=row.key).drop_vars(["run", "eta"])
        xr.testing.assert_identical(one, alone.data)
        assert float(data["eta"].sel(run=row.key)) == row.config["eta"]
    assert data["bits"].dtype == np.int64


def test_runs_with_other_axes_are_joined(out: Path) -> None:
    data = ba.load_runs(out, "coins", "eta>0.2")
    assert dict(data.sizes) == {"run": 2, "seed": 8}
    wide = data.where(data["seeds"] == 8, drop=True)
    assert np.isfinite(wide["heads"]).all()
    assert np.isnan(data["heads"].where(data["seeds"] == 4, drop=True).values[0, 4:]).all()
    assert sorted(data["labels"].values) == ["0.3,0.4", "0.5"]


def test_a_setting_named_as_a_variable_is_told_apart(tmp_path: Path) -> None:
    coins(tmp_path, seed=0)
    coins(tmp_path, seed=4)
    data = ba.load_runs(tmp_path, "coins")
    assert data["seed"].values.tolist() == list(range(8))
    assert sorted(data["seed_setting"].values) == [0, 4]


def test_other_code_is_left_out_unless_asked_for(out: Path) -> None:
    assert 0.5 not in ba.load_runs(out, "coins", "eta!=0.4")["eta"]
    assert ba.load_runs(out, "coins", "eta=0.5", "code=outdated").sizes["run"] == 1
    with pytest.raises(
        ba.UserError, match=r"assay=coins eta=0.5 code=current; 1 of other code do, which code=outdated"
    ):
        ba.load_runs(out, "coins", eta=0.5)
    with pytest.raises(ba.UserError, match=r"^no run in .* fulfils assay=coins eta=0.9 code=current$"):
        ba.load_runs(out, "coins", eta=0.9)


def test_runs_whose_variables_have_other_axes_are_joined(tmp_path: Path) -> None:
    for eta, dims in ((0.1, ("seed",)), (0.2, ("seed", "step"))):
        path = coins(tmp_path, eta=eta)
        row = ba.find_runs(tmp_path, eta=eta)[0]
        data = xr.Dataset({"heads": (dims, np.ones((4, 2)[: len(dims)]))}, coords={"seed": np.arange(4) + 10 * eta})
        Store(path.parent).write("coins", row.key, data, row.record)
    combined = ba.load_runs(tmp_path, "coins")  # xarray repeats what has fewer axes
    assert combined["heads"].dims[0] == "run"


def test_a_damaged_file_is_named(out: Path) -> None:
    row = ba.find_runs(out, eta=0.2)[0]
    content = bytearray(row.path.read_bytes())
    content[200] ^= 1
    row.path.write_bytes(content)
    with pytest.raises(ba.StoreError, match=rf"{row.path} is damaged: delete it"):
        ba.load_runs(out, "coins", eta=0.2)
