"""What a store holds, by filters: the runs, and their data as one dataset."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import assays, filters
from ._entries import OTHER_LAYOUT, spelled
from .errors import UserError, nearest
from .index import Index, StoredRun
from .store import code_version, open_run

if TYPE_CHECKING:
    import xarray as xr


def find_runs(out: Path | str, *conditions: str, **settings: Any) -> tuple[StoredRun, ...]:
    """The runs in the store of `out` that fulfil every condition, the one used last first. No data are read.

    Args:
        out: the folder that runs were kept in, as in `biassay.run`.
        conditions: each a name, one of `= != < <= > >=` and a value, such as `"epsilon<0.3"`. The name is a field of
            the assays' configs, or one of `assay`, `key` (its beginning is enough), `profile`, `code` (`current`,
            `outdated` or a version), `since` and `before` (UTC) and `seconds`.
        settings: names with the value they must have, such as `assay="rank-jumps"`, `seeds=64`.

    Raises:
        UserError: a condition that is none, or on what no stored run has.
        StoreError: the folder cannot be read.
    """
    return tuple(_found(out, filters.read(conditions, settings), configs=True)[0])


def load_runs(out: Path | str, assay: str, *conditions: str, **settings: Any) -> xr.Dataset:
    """The data of stored runs of one assay, side by side along the axis `run`.

    The axis has the runs' keys. Every field of the config that differs between them is a coordinate along it, named as
    the field, or `FIELD_setting` where the data have that name already; tuples are text. Where the runs have other
    values on another axis, such as other seeds, the axis has all of them, and what a run does not have is NaN.

    Args:
        out, conditions, settings: as for `find_runs`. Runs of other code are left out unless a condition is on `code`.
        assay: as in `biassay list`.

    Raises:
        UserError: no run fulfils the conditions, or their data do not fit together.
        StoreError: a file is damaged.
    """
    asked = filters.read(conditions, {"assay": assay, **settings})
    if not any(made.name == "code" for made in asked):
        asked.append(filters.Filter("code", "=", "current"))
    runs, _ = _found(out, asked, configs=True)
    if not runs:
        left = [made for made in asked if made.name != "code"]
        other = len(_found(out, left, configs=filters.need_settings(left))[0])
        more = f"; {other} of other code do, which code=outdated asks for" if other else ""
        raise UserError(f"no run in {out} fulfils {' '.join(map(str, asked))}{more}")
    return _side_by_side(runs)


def listing(out: Path | str, conditions: Sequence[str]) -> tuple[list[StoredRun], list[StoredRun]]:
    """The runs that fulfil the conditions, and the files that cannot be used.

    Raises:
        UserError, StoreError: as `find_runs`.
    """
    asked = filters.read(conditions)
    return _found(out, asked, configs=filters.need_settings(asked))


def _found(
    out: Path | str, asked: Sequence[filters.Filter], *, configs: bool
) -> tuple[list[StoredRun], list[StoredRun]]:
    everything = Index(Path(out) / "store").rows(configs=configs, today=_code)
    usable = [run for run in everything if run.problem is None or run.code == OTHER_LAYOUT]
    names = {run.assay for run in usable}
    for made in asked:
        if made.name == "assay" and made.value not in {*names, *assays.CATALOGUE}:
            raise UserError(f"there is no assay {made.value!r}: {nearest(made.value, {*names, *assays.CATALOGUE})}")
    unusable = [run for run in everything if run.problem is not None and run.code != OTHER_LAYOUT]
    return filters.chosen(usable, asked), unusable


def _code(assay: str) -> str | None:
    """The version of the code that computes the assay today; None where there is no such assay."""
    return code_version(assays.CATALOGUE[assay].module) if assay in assays.CATALOGUE else None


# --- many datasets as one ---------------------------------------------------------------------------------------------


def _side_by_side(runs: Sequence[StoredRun]) -> xr.Dataset:
    import xarray as xr

    data = [open_run(run.path).data for run in runs]
    keys = ("run", np.array([run.key for run in runs]))
    if all(_same_axes(data[0], other) for other in data[1:]):
        combined = _stacked(data)
    else:
        try:
            combined = xr.concat(data, "run", join="outer", data_vars="all", coords="different", compat="equals")
        except ValueError as error:
            raise UserError(f"these runs do not fit together: {' '.join(str(error).split())}") from None
    combined.attrs = {
        name: value for name, value in data[0].attrs.items() if all(_has(one, name, value) for one in data)
    }
    taken = {*combined.variables, *combined.dims, "run"}
    settings = {f"{name}_setting" if name in taken else name: one for name, one in _differing(runs).items()}
    return combined.assign_coords({"run": keys, **{name: ("run", values) for name, values in settings.items()}})


def _has(data: xr.Dataset, name: Any, value: Any) -> bool:
    return name in data.attrs and np.array_equal(data.attrs[name], value)


def _same_axes(first: xr.Dataset, other: xr.Dataset) -> bool:
    """Whether the two have the same variables, of the same axes with the same values on them."""
    if first.sizes != other.sizes or first.variables.keys() != other.variables.keys():
        return False
    pairs = [(first.variables[name], other.variables[name]) for name in first.variables]
    axes = [(first.variables[name].values, other.variables[name].values) for name in first.dims if name in first.coords]
    return all(a.dims == b.dims and a.dtype.kind == b.dtype.kind for a, b in pairs) and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in axes
    )


def _stacked(data: Sequence[xr.Dataset]) -> xr.Dataset:
    """Datasets with the same axes along a new first axis `run`; coordinates that are equal in all stay as they are."""
    import xarray as xr

    first = data[0]
    made: dict[Any, xr.Variable] = {}
    for name, variable in first.variables.items():
        values = np.stack([one.variables[name].values for one in data])
        alike = name in first.dims or (name in first.coords and (values == values[0]).all())
        made[name] = variable if alike else xr.Variable(("run", *variable.dims), values, variable.attrs)
    coordinates = {name: made.pop(name) for name in list(first.coords)}
    return xr.Dataset(made, coordinates)


def _differing(runs: Sequence[StoredRun]) -> dict[str, np.ndarray]:
    """Field -> its value in every run, for the fields that are not the same in all."""
    configs = [run.config for run in runs]
    names = functools.reduce(lambda known, config: {**known, **config}, configs, {})
    columns = {name: [config.get(name) for config in configs] for name in names}
    return {name: _column(values) for name, values in columns.items() if any(one != values[0] for one in values)}


def _column(values: list[Any]) -> np.ndarray:
    """The values as booleans, whole numbers or floats (None is NaN); as text where they are none of these."""
    kinds = {type(value) for value in values}
    if kinds in ({bool}, {int}):
        return np.array(values)
    if kinds <= {int, float, type(None)}:
        return np.array([np.nan if value is None else value for value in values], float)
    return np.array([spelled(value) for value in values])
