"""Sweeps but for their processes: axes from text, every point checked before anything runs, many datasets as one."""

from __future__ import annotations

import json
import os
import shlex
import time
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import biassay as ba
import fake_sweep
from biassay import assays, cli, cli_sweep
from biassay.data import cifar10
from biassay.sweeps import Status, _execute, read_grid
from biassay.sweeps._axes import Axis, make_axes
from biassay.sweeps._gather import gather
from biassay.sweeps._point import Job, Point, compute
from biassay.workers import Death

CONFIG = fake_sweep.Config()


class Here(Executor):
    """Computes in this process, at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class HereWorkers:
    """One worker: this process."""

    def slots(self) -> int:
        return 1

    def executor(self) -> Executor:
        return Here()

    def death(self, executor: Executor, error: BaseException) -> Death | None:
        return None

    def stop(self, executor: Executor) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def workplace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One fake assay, computed in this process."""
    monkeypatch.setattr(assays, "CATALOGUE", {"grains": fake_sweep.ENTRY})
    monkeypatch.setattr(_execute, "_workers", lambda *_: HereWorkers())
    monkeypatch.setattr("biassay.sweeps._point._prepare", lambda *_: None)
    monkeypatch.setattr(cli, "_keep_compiled_programs", lambda: None)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


# --- axes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("lr=0.01,0.03,1", [0.01, 0.03, 1.0]),
        ("lr=logspace(-5,-2,4)", [1e-5, 1e-4, 1e-3, 1e-2]),
        ("lr = linspace(0.5, 1.5, 3)", [0.5, 1.0, 1.5]),
        ("lr=range(1,4)", [1.0, 2.0, 3.0]),
        ("n=3,1,2", [3, 1, 2]),
        ("n=range(0,10,4)", [0, 4, 8]),
        ("n=range(3,0,-1)", [3, 2, 1]),
        ("n=linspace(0,10,3)", [0, 5, 10]),
        ("n=logspace(0,3,4)", [1, 10, 100, 1000]),
        ("decay=none,0.1", [None, 0.1]),
        ("decay=logspace(-2,-1,2)", [0.01, 0.1]),
        ("etas=0.3,0.4;0.5;(1,2)", [(0.3, 0.4), (0.5,), (1.0, 2.0)]),
        ("loud=true,no", [True, False]),
        ("kind=a,b c", ["a", "b c"]),
    ],
)
def test_axes_are_typed_by_their_field(text: str, values: list[Any]) -> None:
    (found,) = read_grid(CONFIG, [text]).values()
    assert found == pytest.approx(values, rel=1e-14) if isinstance(values[0], float) else found == values
    assert [type(value) for value in found] == [type(value) for value in values]


MISTAKES = {
    "lr": "--grid takes field=values, got 'lr'",
    "lr=": "--grid lr=: there are no values",
    "lr=0.1,,0.2": "--grid lr=0.1,,0.2: a value is missing",
    "lr=0.1,abc": "--grid lr=0.1,abc: lr is a finite float",
    "lr=inf": "--grid lr=inf: lr is a finite float",
    "n=1,2.5": "--grid n=1,2.5: n is an integer",
    "n=linspace(0,1,3)": "n=0.5: n is an integer",
    "l=1": "--grid l=1: there is no field 'l': did you mean 'lr'?",
    "lr=0.1,0.2,0.10": "grid lr: 0.1 is given twice",
    "etas=0.1;(0.1)": "grid etas: 0.1 is given twice",
    "n=range(5,5)": "grid n: there are no values",
    "lr=range(1)": "--grid lr=range(1): range: it is written range(a,b) or range(a,b,step)",
    "lr=range(0,1,0.1)": "--grid lr=range(0,1,0.1): range: it is written range(a,b) or range(a,b,step)",
    "n=range(0,9,0)": "--grid n=range(0,9,0): range: it is written",
    "lr=logspace(-5,-2)": "--grid lr=logspace(-5,-2): logspace: it is written logspace(a,b,n)",
    "lr=linspace(0,1,0)": "--grid lr=linspace(0,1,0): linspace: it is written linspace(a,b,n)",
    "lr=linspace(0,x,2)": "--grid lr=linspace(0,x,2): linspace: it is written linspace(a,b,n)",
    "lr=logspace(0,999,2)": "lr=inf: lr is a finite float",
    "lr=0.1,-0.1": "lr must be above 0, got -0.1 (at lr=-0.1)",
    "lr=0.1 lr=0.2": "--grid lr=0.2: lr is given twice",
    "lr=0.5,2 n=1,901": "lr must be at most 1 where n is above 900, got 2.0 (at lr=2, n=901)",
    "n=range(0,1001) steps=range(1,1001)": "the grid has 1001000 points, at most 1000000 are taken",
    "lr=0.1 --set lr=0.2": "lr is both swept and set to 0.2",
    "seeds=1,2 --seeds 3": "seeds is both swept and set to 3",
    "lr=0.1 --set lr": "--set takes field=value, got 'lr'",
    "lr=0.1 --set n=1 n=2": "--set n=2: n is given twice",
    "lr=0.1 --seeds x": "--seeds x: an integer is needed",
    "lr=0.1 --seeds 0": "seeds must be at least 1, got 0 (at lr=0.1)",
    "lr=0.1 --profile fast": "grains has no profile 'fast'",
    "lr=0.1 --on here": "there are no workers 'here': it is one of dask://HOST:PORT, local, slurm",
    "lr=0.1 --on dask://host": "--on dask://host: an address is written dask://HOST:PORT",
    "lr=0.1 --on dask://h:1 --workers 2": "--workers: a Dask cluster at an address has the workers that it has",
    "lr=0.1 --workers 0": "workers must be at least 1, got 0",
    "lr=0.1 --job queue=gpu": "--job is for --on slurm",
    "lr=0.1 --on slurm --job queue": "--job takes option=value, got 'queue'",
    "lr=0.1 --out ../file": "cannot write in ../file: ",
    "lr=0.1 --resume extra": "Unrecognized options: extra",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_and_writes_nothing(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(fake_sweep, "run", None)
    assert cli.main(["sweep", "grains", "--grid", *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"biassay: {MISTAKES[line]}")
    assert err.count("\n") == 1
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sweep --grid lr=0.1", "a sweep takes one assay, got 0"),
        ("sweep grain --grid lr=0.1", "there is no assay 'grain': did you mean 'grains'?"),
        ("sweep grains", "a sweep needs a grid"),
        ("sweep --resume", "there is no sweep in biassay-out to go on with"),
        ("sweep --resume --seeds 3", "--resume goes on with the last sweep as it was"),
        ("sweep --resume --profile full", "--resume goes on with the last sweep as it was"),
    ],
)
def test_what_is_swept_must_be_said(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line.split()) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"biassay: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("grid", [{}, {"lr": []}, {"lr": 0.1}, {"kind": "ab"}, {"n": [True]}, {"m": [1]}])
def test_a_grid_from_python_is_checked_as_well(grid: dict[str, Any]) -> None:
    with pytest.raises(ba.UserError):
        ba.sweep("grains", grid)


def test_a_large_grid_is_counted_before_it_is_read() -> None:
    begun = time.process_time()
    with pytest.raises(ba.UserError, match="grid n: at most 1000000 values are taken"):
        make_axes(CONFIG, read_grid(CONFIG, ["n=range(0,100000000000)"]))
    with pytest.raises(ba.UserError, match="grid lr: at most 1000000 values are taken"):
        make_axes(CONFIG, {"lr": range(10**15)})
    (axis,) = make_axes(CONFIG, {"n": range(30_000)})
    assert len(axis.values) == 30_000
    assert time.process_time() - begun < 60  # comparing every two values takes minutes


def test_near_values_have_labels_of_their_own() -> None:
    assert Axis("decay", (None, 0.1234567, 0.1234568)).labels == ["None", "0.1234567", "0.1234568"]
    assert Axis("etas", ((0.1234567, 1.0), (0.1234568,))).labels == ["0.1234567,1.0", "0.1234568"]


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=8, unique=True))
def test_any_float_is_read_back(values: list[float]) -> None:
    text = ",".join(map(repr, values))
    (axis,) = make_axes(CONFIG, read_grid(CONFIG, [f"lr={text}"]))
    assert list(axis.values) == values


def test_an_axis_knows_whether_it_is_logarithmic() -> None:
    assert Axis("lr", (0.01, 0.1, 1.0)).is_log
    assert Axis("lr", (1.0, 0.01, 0.1)).is_log
    for values in ((1.0, 2.0, 3.0), (0.1, 1.0), (0.0, 0.1, 1.0), (-1.0, 1.0, 10.0), ("a", "b", "c"), (None, 0.1, 1.0)):
        assert not Axis("lr", values).is_log


# --- many datasets as one ---------------------------------------------------------------------------------------------


def test_the_results_lie_on_the_swept_axes(tmp_path: Path) -> None:
    heard: list[Status] = []
    result = ba.sweep("grains", {"lr": [0.1, 0.2], "n": [1, 2, 3]}, seeds=2, out=tmp_path, progress=heard.append)
    assert result.data["loss"].dims == ("lr", "n", "seed", "step")
    for lr in (0.1, 0.2):
        for n in (1, 2, 3):
            alone = ba.run("grains", lr=lr, n=n, seeds=2, out=tmp_path)
            assert alone.cached
            point = result.data.sel(lr=lr, n=n)
            for name in ("loss", "ends", "count", "weight"):
                np.testing.assert_array_equal(point[name].values, alone.data[name].values)
            np.testing.assert_array_equal(point["time"].values, alone.data["time"].values)
            assert float(point["steepness"]) == 2 * lr
            told = result.verdicts.sel(lr=lr, n=n, claim="small")
            verdict = alone.verdicts[0]
            assert str(told["outcome"].values) == verdict.outcome
            assert (float(told["low"]), float(told["high"])) == verdict.interval
            assert float(told["control"]) == verdict.control
    assert result.data["loss"].dtype == float
    assert result.data["ends"].dtype == bool
    assert result.data["count"].dtype.kind == "i"
    assert result.data["seed"].values.tolist() == [0, 1]
    assert result.data.attrs == {"of": "grains"}
    assert not result.data["sweep_failed"].any()
    assert (result.failures, result.cached) == ((), 0)
    assert (heard[-1].done, heard[-1].failed, heard[-1].total, heard[-1].seconds) == (6, 0, 6, 0.0)
    assert result.path is not None
    xr.testing.assert_identical(xr.load_dataset(result.path)["loss"], result.data["loss"])
    xr.testing.assert_equal(xr.load_dataset(result.path, group="verdicts"), result.verdicts)


def test_a_failed_point_is_a_gap_with_a_reason(tmp_path: Path) -> None:
    result = ba.sweep("grains", {"n": [1, 2, 3]}, bad=[2], out=tmp_path)
    assert result.data["sweep_failed"].values.tolist() == [False, True, False]
    assert np.isnan(result.data["loss"].sel(n=2)).all()
    assert not np.isnan(result.data["loss"].sel(n=3)).any()
    assert result.data["count"].values.tolist() == pytest.approx([1.0, np.nan, 3.0], nan_ok=True)
    assert result.verdicts["outcome"].sel(claim="small").values.tolist() == ["holds", "missing", "holds"]
    (failure,) = result.failures
    assert (failure.settings, failure.error) == ({"n": 2}, "ValueError")
    assert failure.message == "no solution for n = 2"
    assert 'raise ValueError(f"no solution' in failure.traceback
    told = json.loads((tmp_path / "sweeps" / f"{result.id}.json").read_text())
    assert (told["failed"][0]["settings"], told["failed"][0]["error"]) == ({"n": 2}, "ValueError")
    assert (told["finished"], told["axes"], told["assay"]) == (True, {"n": [1, 2, 3]}, "grains")


def test_a_failure_is_not_tried_again_unless_asked(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()

    def again(**options: Any) -> list[int]:
        for path in marks.iterdir():
            path.unlink()
        ba.sweep("grains", {"n": [1, 2, 3]}, bad=[2], marks=str(marks), out=tmp_path, **options)
        return sorted(n for n, _ in fake_sweep.marked(marks))

    assert again() == [1, 2, 3]
    assert again() == []
    assert again(retry=True) == [2]
    assert again(fresh=True) == [1, 2, 3]
    assert again() == []


def test_a_larger_grid_computes_what_is_new(tmp_path: Path) -> None:
    first = ba.sweep("grains", {"n": [1, 2]}, out=tmp_path)
    second = ba.sweep("grains", {"n": [1, 2, 3]}, out=tmp_path)
    assert (first.cached, second.cached) == (0, 2)
    assert first.id != second.id


def test_all_points_may_fail(tmp_path: Path) -> None:
    result = ba.sweep("grains", {"n": [1, 2]}, bad=[1, 2], out=tmp_path)
    assert result.data["sweep_failed"].all()
    assert (result.verdicts["outcome"] == "missing").all()
    assert all(np.isnan(panel.series[1].y).all() for figure in result.figures() for panel in figure.panels)  # pyright: ignore


def test_without_a_folder_nothing_is_left() -> None:
    assert ba.sweep("grains", {"n": [1]}).path is None
    assert list(Path.cwd().iterdir()) == []


def test_a_claim_that_cannot_be_judged_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(data: xr.Dataset) -> Any:
        if int(data["count"]) == 2:
            raise KeyError("no such thing")
        return data["seed"].values

    odd = replace(fake_sweep.ASSAY, claims=(replace(fake_sweep.ASSAY.claims[0], measure=measure),))
    monkeypatch.setattr(fake_sweep, "ASSAY", odd)
    for _ in range(2):  # also when the data are in the store
        result = ba.sweep("grains", {"n": [1, 2]}, out=tmp_path)
        assert [failure.error for failure in result.failures] == ["KeyError"]
        assert result.data["sweep_failed"].values.tolist() == [False, True]


def test_axes_that_depend_on_the_swept_field_are_joined() -> None:
    result = ba.sweep("grains", {"steps": [2, 4], "etas": [[0.1], [0.1, 0.2, 0.3]]})
    loss = result.data["loss"]
    assert (loss.dims, loss.sizes["step"]) == (("steps", "etas", "seed", "step"), 4)
    assert np.isnan(loss.sel(steps=2, step=[2, 3])).all()
    assert not np.isnan(loss.sel(steps=4)).any()
    weight = result.data["weight"].isel(seed=0)
    assert result.data["etas"].values.tolist() == ["0.1", "0.1,0.2,0.3"]
    assert np.isnan(weight.sel(etas="0.1").values[:, 1:]).all()
    assert (weight.sel(etas="0.1,0.2,0.3") == 1).all()


def test_a_field_that_is_also_an_axis_of_the_data_has_a_name_of_its_own() -> None:
    result = ba.sweep("grains", {"seed": [0, 10], "decay": [None, 0.5], "loud": [True, False]})
    assert result.data["loss"].dims == ("swept_seed", "decay", "loud", "seed", "step")
    assert result.data["swept_seed"].attrs["long_name"] == "seed"
    assert result.data["decay"].values.tolist() == ["None", "0.5"]
    assert result.data["seed"].values.tolist() == [0, 1, 2, 10, 11, 12]
    assert "swept_seed" in result.verdicts.dims


def test_an_attribute_that_differs_has_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(config: fake_sweep.Config) -> xr.Dataset:
        told = {"lr": config.lr, "n": config.lr if config.n else 7.0, "loss": config.lr, "step": config.lr}
        return fake_sweep.run(config).assign_attrs(told)

    monkeypatch.setattr(fake_sweep, "ASSAY", replace(fake_sweep.ASSAY, run=run))
    data = ba.sweep("grains", {"lr": [0.1, 0.2], "n": [0, 1]}).data
    assert data["loss"].dims == ("lr", "n", "seed", "step")
    for name in ("loss_attribute", "step_attribute"):
        assert data[name].values.tolist() == [[0.1, 0.1], [0.2, 0.2]]
    assert "lr_attribute" not in data  # the axis says it
    assert data["n_attribute"].values.tolist() == [[7.0, 0.1], [7.0, 0.2]]


def test_a_coordinate_at_other_labels_lies_on_the_swept_axes() -> None:
    first = xr.Dataset({"x": ("seed", [1.0, 2.0])}, {"seed": [0, 1], "phase": ("seed", [0.0, 0.5])})
    same, other = (gather([Axis("lr", (1.0, 2.0))], {(0,): first, (1,): part})
                   for part in (first, first.assign_coords(seed=[1, 2])))  # fmt: skip
    assert same["phase"].dims == ("seed",)
    assert other["phase"].dims == ("lr", "seed")
    np.testing.assert_array_equal(other["phase"], [[0.0, 0.5, np.nan], [np.nan, 0.0, 0.5]])


def test_datasets_that_do_not_fit_are_one_clear_error() -> None:
    plain, twice = (
        xr.Dataset({"v": ("arm", [1.0])}, {"arm": ["x"]}),
        xr.Dataset({"v": ("arm", [1.0, 2.0])}, {"arm": ["y", "y"]}),
    )
    with pytest.raises(ba.UserError, match=r"cannot be put into one dataset: .*; the runs themselves"):
        gather([Axis("lr", (1.0, 2.0))], {(0,): plain, (1,): twice})


def test_datasets_of_other_dimensions_are_one_clear_error() -> None:
    parts = {(0,): xr.Dataset({"v": ("a", np.ones(2))}), (1,): xr.Dataset({"v": ("b", np.ones(2))})}
    with pytest.raises(ba.UserError, match=r"one dataset: v has the dimensions \(a\) and \(b\); the runs themselves"):
        gather([Axis("lr", (1.0, 2.0))], parts)


def test_variables_that_some_points_lack_are_gaps() -> None:
    named = xr.Dataset({"v": ("arm", ["x", "y"])}, {"arm": ["one", "two"]})
    other = xr.Dataset({"w": ((), 3), "z": ((), True)}, {"arm": ["three"]})
    found = gather([Axis("lr", (1.0, 2.0))], {(0,): named, (1,): other})
    assert found["arm"].values.tolist() == ["one", "two", "three"]
    assert found["v"].values.tolist() == [["x", "y", ""], ["", "", ""]]
    assert found["w"].values.tolist() == pytest.approx([np.nan, 3.0], nan_ok=True)
    assert found["z"].values.tolist() == pytest.approx([np.nan, 1.0], nan_ok=True)


# --- figures ----------------------------------------------------------------------------------------------------------


def test_a_claim_is_drawn_over_the_axes_with_its_control_beside_it(tmp_path: Path) -> None:
    grid = {"n": [50, 1, 2], "lr": [0.001, 0.01, 0.1, 1.0, 10.0, 100.0], "steps": [1, 2], "kind": ["a", "b"]}
    result = ba.sweep("grains", grid, out=tmp_path)
    small, counts = result.figures()
    assert (small.name, counts.name) == ("small", "counts")
    measured, control = counts.panels[:2]
    assert (measured.xlabel, measured.region, control.region, len(counts.panels)) == ("n", (0.0, 30.0), (0.0, 30.0), 4)
    assert measured.title == "measured at steps = 1"
    assert control.title == "control: many grains at steps = 1"
    assert measured.ylim == control.ylim
    line, points = measured.series[:2]
    assert (line.x.tolist(), line.y.tolist()) == ([1.0, 2.0, 50.0], [1.0, 2.0, 50.0])  # pyright: ignore
    assert points.label == "lr = 0.001"
    assert len(measured.series) == 8
    assert "4 of 6 values of lr are drawn." in counts.caption
    assert "kind is a." in counts.caption
    assert control.series[1].y.tolist() == [1000.0] * 3  # pyright: ignore
    by_lr = ba.sweep("grains", {"lr": grid["lr"]}, out=tmp_path).figures()[0].panels
    assert [panel.xscale for panel in by_lr] == ["log", "log"]
    assert [panel.series[1].role for panel in by_lr] == ["result", "control"]  # pyright: ignore


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_counts_failures_and_places(capsys: pytest.CaptureFixture[str]) -> None:
    line = "sweep --set bad=2 killers= --grid n=1,2,40 lr=0.1,0.2 grains --seeds 2"
    assert cli.main(line.split()) == 1
    out, err = capsys.readouterr()
    assert "6 points, 3 n x 2 lr" in out
    assert "failed at n=2, lr=0.1: ValueError: no solution for n = 2" in out
    assert "2 points failed; biassay-out/sweeps/grains-" in out
    assert "grains: 0 of 6 points" in err
    assert "grains: 6 of 6 points, 2 failed" in err
    data = next(Path("biassay-out/sweeps").glob("*.nc"))
    assert f"data: {data}\nfigures: {data.with_suffix('')}\n" in out
    page = Path("biassay-out") / f"sweep-{data.stem}.html"
    assert out.endswith(f"page: {page}\n")
    text = page.read_text("utf-8")
    assert "ValueError: no solution for n = 2" in text
    assert all(f'src="sweeps/{data.stem}/{name}.png"' in text for name in ("counts", "small"))
    assert (Path("biassay-out") / "assets" / "site.js").is_file()
    assert sorted(path.name for path in data.with_suffix("").iterdir()) == [
        "counts.png", "counts.svg", "small.png", "small.svg",
    ]  # fmt: skip
    assert cli.main(["sweep", "--resume", "--no-figures"]) == 1
    again, err = capsys.readouterr()
    assert err == ""
    assert again.splitlines()[0] == out.splitlines()[0]
    assert cli.main(["sweep", "--resume", "--retry-failed", "--quiet", "--no-figures"]) == 1
    assert capsys.readouterr() == ("", "")


def test_an_interrupted_sweep_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(config: fake_sweep.Config) -> xr.Dataset:
        if config.n == 3:
            raise KeyboardInterrupt
        return fake_sweep.run(config)

    assert cli.main(["sweep", "grains", "--grid", "n=1,2", "--out", "my out", "--quiet", "--no-figures"]) == 0
    monkeypatch.setattr(fake_sweep, "ASSAY", replace(fake_sweep.ASSAY, run=interrupted))
    assert cli.main(["sweep", "grains", "--grid", "n=range(1,6)", "--out", "my out", "--quiet"]) == 130
    err = capsys.readouterr().err
    assert err.splitlines()[-1].endswith("is kept, go on with: biassay sweep --resume --out 'my out'")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ""),
        ({"workers": "3", "no_figures": True}, " --workers 3 --no-figures"),
        (
            {"on": "slurm", "job": (("queue=gpu", "walltime=04:00:00"), ("cores=2",)), "data_dir": Path("my sets")},
            " --on slurm --job queue=gpu walltime=04:00:00 cores=2 --data-dir 'my sets'",
        ),
    ],
)
def test_how_to_go_on_is_told_in_full(options: dict[str, Any], words: str) -> None:
    told = cli_sweep._go_on(cli_sweep.Sweep(name=("grains",), **options))
    assert told == f"biassay sweep --resume{words}"
    again = cli._parsed(shlex.split(told)[1:])
    assert again == cli_sweep.Sweep(resume=True, **{**options, **({"job": again.job} if again.job else {})})  # pyright: ignore


def test_a_missing_data_set_ends_the_sweep_and_fails_no_point(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str | None] = []

    def run(config: fake_sweep.Config) -> xr.Dataset:
        seen.append(os.environ.get("BIASSAY_DATA"))
        cifar10.load()
        return fake_sweep.run(config)

    def elsewhere(job: Job, point: Point) -> Any:
        with monkeypatch.context() as worker:
            worker.setenv("BIASSAY_DATA", "/another/place")
            return compute(job, point)

    monkeypatch.setattr(fake_sweep, "ASSAY", replace(fake_sweep.ASSAY, run=run))
    monkeypatch.setattr(_execute, "compute", elsewhere)
    Path("sets").mkdir()
    for _ in range(2):  # it is no failure that is kept
        assert cli.main(["sweep", "grains", "--grid", "n=1,2", "--data-dir", "sets", "--quiet"]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"biassay: a worker has no data to work on: {Path('sets').absolute()} holds no CIFAR-10")
        assert "--resume --data-dir sets)" in err
        assert err.count("\n") == 1
    assert seen == [str(Path("sets").absolute())] * 2


def test_a_disk_without_room_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main(["sweep", "grains", "--grid", "n=1,2", "--quiet"]) == 2
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert err.count("\n") == 1


def test_a_damaged_manifest_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "grains", "--grid", "n=1", "--quiet", "--no-figures"]) == 0
    manifest = next(Path("biassay-out/sweeps").glob("*.json"))
    whole = manifest.read_text()
    for text in ("", "[]", "{", whole[:-9], '{"layout": 1}', whole.replace('"layout": 1', '"layout": 2')):
        manifest.write_text(text)
        assert cli.main(["sweep", "--resume"]) == 2
        err = capsys.readouterr().err
        assert str(manifest) in err
        assert err.count("\n") == 1


@pytest.mark.filterwarnings("always:left out")
def test_an_unusable_manifest_does_not_block_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "grains", "--grid", "n=1", "--quiet", "--no-figures"]) == 0
    manifest = next(Path("biassay-out/sweeps").glob("*.json"))
    whole = json.loads(manifest.read_text())
    other = manifest.with_name("grains-other.json")
    for field, value in {"started": 5, "axes": [1], "assay": 7, "profile": [], "fields": 3}.items():
        other.write_text(json.dumps({**whole, field: value}))
        assert cli.main(["sweep", "--resume", "--quiet", "--no-figures"]) == 0
        err = capsys.readouterr().err
        assert err.startswith(f"biassay: left out: {other} is damaged")
        assert err.count("\n") == 1


def test_a_status_in_words() -> None:
    assert (
        cli_sweep.words(Status(3, 2, 1, 10, 90.0, 4))
        == "4 of 10 points, 2 from the store, 1 failed, about 1 min 30 s left"
    )
    assert cli_sweep.words(Status(0, 0, 0, 10, None, 0)) == "0 of 10 points, no worker yet"
    assert cli_sweep.words(Status(10, 0, 0, 10, 0.0, 4)) == "10 of 10 points"
