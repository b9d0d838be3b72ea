"""Stored runs as one tidy table, a row per run and claim, in a Parquet or CSV file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import assays
from ._atomic import replaced
from .errors import StoreError, UserError
from .index import StoredRun
from .store import check_folder, open_run

if TYPE_CHECKING:
    from .claims import Verdict

_OF_A_RUN = ("assay", "key", "profile", "code", "started", "seconds", "file")
_OF_A_CLAIM = (
    "claim", "outcome", "value", "low", "high", "region_low", "region_high", "n", "diverged", "control", "control_low",
    "control_high", "n_control", "statistic", "unit", "recorded",
)  # fmt: skip
Column = list[Any]


def check_export(path: Path) -> None:
    """Checks that a table can be written to `path`, and writes nothing.

    Raises:
        UserError: it is neither Parquet nor CSV, PyArrow is missing, or the place cannot be written.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise UserError(f"--export {path}: the file's name must end in .parquet or .csv")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    check_folder(path.parent)
    if path.suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise UserError("Parquet needs PyArrow: install biassay[parquet], or export to a .csv file") from None


def tidy(runs: Iterable[StoredRun]) -> tuple[dict[str, Column], list[StoreError]]:
    """The table of runs that today's code computed, by columns, and the runs that could not be read or judged.

    Columns: what is known of the run; its settings, `config.FIELD`, tuples as text; what the claim says, judged afresh.
    """
    rows, damaged = [], []
    for run in runs:
        try:
            stored = open_run(run.path)
        except StoreError as error:
            damaged.append(error)
            continue
        try:
            verdicts = assays.load(run.assay).judge(stored.data)
        except Exception as error:  # a claim that cannot be judged on such settings
            told = " ".join(str(error).split())
            damaged.append(StoreError(f"{run.path} cannot be judged: {type(error).__name__}: {told}"))
            continue
        known = {**run._asdict(), "file": run.name}
        of_run = {name: known[name] for name in _OF_A_RUN}
        settings = {f"config.{name}": _plain(value) for name, value in run.config.items()}
        rows += [{**of_run, **settings, **_of_claim(one)} for one in verdicts]
    settings = sorted({name for row in rows for name in row} - {*_OF_A_RUN, *_OF_A_CLAIM})
    columns = {name: [row.get(name) for row in rows] for name in (*_OF_A_RUN, *settings, *_OF_A_CLAIM)}
    return {name: _of_one_kind(column) for name, column in columns.items()}, damaged


def write_table(path: Path, columns: Mapping[str, Column]) -> None:
    """Writes the table, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        with replaced(path) as temporary:
            if path.suffix == ".csv":
                with temporary.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.writer(file)
                    writer.writerow(columns)
                    writer.writerows(_by_rows(columns))
            else:
                import pyarrow
                import pyarrow.parquet

                arrays = [
                    # An empty column has no type of its own.
                    pyarrow.array(column, None if any(value is not None for value in column) else pyarrow.string())
                    for column in columns.values()
                ]
                pyarrow.parquet.write_table(pyarrow.table(arrays, names=list(columns)), temporary)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


def _by_rows(columns: Mapping[str, Column]) -> Iterator[tuple[Any, ...]]:
    return zip(*columns.values(), strict=True)


def _of_claim(verdict: Verdict) -> dict[str, Any]:
    found = {name: getattr(verdict, name, None) for name in _OF_A_CLAIM}
    found["low"], found["high"] = verdict.interval
    found["region_low"], found["region_high"] = verdict.region
    found["control_low"], found["control_high"] = verdict.control_interval
    return found


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _of_one_kind(column: Column) -> Column:
    """The column with numbers alone, truth values alone, or all as text."""
    kinds = {type(value) for value in column if value is not None}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in column]
    if len(kinds) > 1:
        return [value if value is None or isinstance(value, str) else json.dumps(value) for value in column]
    return column
