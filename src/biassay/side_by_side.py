"""Many datasets as one: stored runs along a new axis `run`, with the settings that differ as coordinates."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from ._entries import spelled
from .errors import UserError
from .index import StoredRun
from .store import open_run


def side_by_side(runs: Sequence[StoredRun]) -> xr.Dataset:
    """The data of the runs along a first axis `run`, as `load_runs` has them.

    Raises:
        UserError: the data do not fit together.
        StoreError: a file is damaged.
    """
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
