"""Many datasets as one: the datasets of a grid's points along the swept axes, with gaps where a point has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from ..errors import UserError
from ._axes import Axis
from ._point import FIELDS, Judged

Place: TypeAlias = tuple[int, ...]
"""A point of the grid: its number on every axis."""

MISSING = "missing"
"""The outcome of a claim at a point that has no result."""


def gather(axes: Sequence[Axis], found: Mapping[Place, xr.Dataset]) -> xr.Dataset:
    """One dataset over all axes, which come first.

    The points' own axes are joined: a point that lacks a label (a step that it did not take), or is shorter on an axis
    without labels, has a gap there. Gaps, and points without a dataset, are NaN (text: empty), for which whole numbers
    and truth values become floats. `sweep_failed` tells the points without a dataset. Of the datasets' attributes,
    those that are the same at all points are kept; numbers that differ become variables over the swept axes, called
    NAME_attribute where the name is taken, unless they only repeat a swept field; whatever else differs is left out.

    Raises:
        UserError: the datasets do not fit together, such as a variable with other dimensions at one point than at
            another.
    """
    try:
        return _gathered(axes, found)
    except UserError:
        raise
    except (ValueError, TypeError, pd.errors.InvalidIndexError) as error:
        raise _unfit(" ".join(str(error).split())) from error


def _gathered(axes: Sequence[Axis], found: Mapping[Place, xr.Dataset]) -> xr.Dataset:
    parts = [found[place] for place in sorted(found)]
    names = axis_names(axes, parts)
    shape = tuple(len(axis.values) for axis in axes)
    failed = np.ones(shape, bool)
    for place in found:
        failed[place] = False
    coords: dict[str, Any] = {name: (name, axis.labels) for name, axis in zip(names, axes, strict=True)}
    joined = {dim: _joined(dim, parts) for dim in dict.fromkeys(str(dim) for part in parts for dim in part.dims)}
    for dim, index in joined.items():
        if any(dim in part.coords for part in parts):
            values = index.to_numpy()
            values = values.astype(str) if values.dtype == object else values
            coords[dim] = (dim, values, _attributes(dim, parts))
    where = {place: {dim: _positions(dim, found[place], index) for dim, index in joined.items()} for place in found}
    variables: dict[str, Any] = {}
    for variable in dict.fromkeys(str(name) for part in parts for name in part.variables):
        if variable in joined:
            continue
        same = _unswept(variable, parts, joined)
        if same is not None:
            coords[variable] = same
            continue
        dims = _dims(variable, parts)
        sizes = tuple(len(joined[dim]) for dim in dims)
        full = _empty(variable, (*shape, *sizes), parts, whole=not failed.any() and _fills(variable, sizes, parts))
        for place, part in found.items():
            if variable in part.variables:
                inside = np.ix_(*(where[place][dim] for dim in dims)) if dims else ()
                full[(*place, ...)][inside] = part[variable].values
        described = ((*names, *dims), full, _attributes(variable, parts))
        if any(variable in part.coords for part in parts):
            coords[variable] = described
        else:
            variables[variable] = described
    variables["sweep_failed"] = (names, failed, {"long_name": "whether the point has no result"})
    common, differing = _told(parts)
    for name in differing:
        if _repeats(name, axes, found):
            continue
        column = np.full(shape, np.nan)
        for place, part in found.items():
            value = part.attrs.get(name)
            column[place] = np.nan if value is None else value
        free = str(name)
        while free in variables or free in coords or free in joined:
            free = f"{free}_attribute"
        variables[free] = (names, column)
    made = xr.Dataset(variables, coords, common)
    for name, axis in zip(names, axes, strict=True):
        made[name].attrs["long_name"] = axis.field
    return made


def verdict_table(
    axes: Sequence[Axis], claims: Sequence[str], found: Mapping[Place, Judged], names: Sequence[str]
) -> xr.Dataset:
    """What every claim says at every point: dimensions (*names, claim).

    Points without a result have the outcome "missing", and NaN.
    """
    shape = (*(len(axis.values) for axis in axes), len(claims))
    columns: dict[str, np.ndarray] = {}
    for name in FIELDS:
        blank: Any = {"outcome": MISSING, "reason": "", "n_seeds": 0, "diverged": 0}.get(name, np.nan)
        columns[name] = np.full(shape, blank, dtype=object if isinstance(blank, str) else None)
    for place, rows in found.items():
        for k, name in enumerate(FIELDS):
            columns[name][place] = [row[k] for row in rows]
    dims = (*names, "claim")
    coords = {name: (name, axis.labels) for name, axis in zip(names, axes, strict=True)} | {"claim": list(claims)}
    made = {name: (dims, column.astype(str) if column.dtype == object else column) for name, column in columns.items()}
    return xr.Dataset(made, coords)


def axis_names(axes: Sequence[Axis], parts: Sequence[xr.Dataset]) -> tuple[str, ...]:
    """The fields' names, `swept_NAME` where the assay's datasets use the name for something of their own."""
    taken = {str(name) for part in parts for name in (*part.variables, *part.dims)} | {"claim", "sweep_failed", *FIELDS}
    return tuple(f"swept_{axis.field}" if axis.field in taken else axis.field for axis in axes)


def _told(parts: Sequence[xr.Dataset]) -> tuple[dict[Any, Any], list[Any]]:
    """The attributes that are the same at all points, and the names of the numbers that are not."""
    common: dict[Any, Any] = {}
    differing = []
    for name in dict.fromkeys(name for part in parts for name in part.attrs):
        given: list[Any] = [part.attrs.get(name) for part in parts]
        if all(np.array_equal(given[0], other) for other in given):
            common[name] = given[0]
        elif all(value is None or isinstance(value, Real) for value in given):
            differing.append(name)
    return common, differing


def _repeats(name: Any, axes: Sequence[Axis], found: Mapping[Place, xr.Dataset]) -> bool:
    """Whether an attribute is at every point that has it the value of the swept field of this name."""
    for number, axis in enumerate(axes):
        if axis.field == name:
            return all(axis.values[place[number]] == part.attrs.get(name) for place, part in found.items())
    return False


def _joined(dim: str, parts: Sequence[xr.Dataset]) -> pd.Index:
    """The labels of a dimension at any point: in their order where all agree, else sorted if they are numbers."""
    indexes = [_index(dim, part) for part in parts if dim in part.dims]
    first = indexes[0]
    if all(index.equals(first) for index in indexes):
        return first
    union = first
    for index in indexes[1:]:
        union = union.append(index[~index.isin(union)])
    return union.sort_values() if union.dtype.kind in "iuf" else union


def _index(dim: str, part: xr.Dataset) -> pd.Index:
    return pd.Index(part[dim].values) if dim in part.coords else pd.RangeIndex(part.sizes[dim])


def _positions(dim: str, part: xr.Dataset, index: pd.Index) -> np.ndarray:
    if dim not in part.dims:
        return np.empty(0, int)
    own = _index(dim, part)
    return np.arange(len(index)) if own.equals(index) else index.get_indexer(own)


def _attributes(variable: str, parts: Sequence[xr.Dataset]) -> dict[str, Any]:
    return next(dict(part[variable].attrs) for part in parts if variable in part.variables)


def _dims(variable: str, parts: Sequence[xr.Dataset]) -> tuple[str, ...]:
    kinds = {tuple(map(str, part[variable].dims)) for part in parts if variable in part.variables}
    if len(kinds) > 1:
        shown = " and ".join(f"({', '.join(kind)})" for kind in sorted(kinds))
        raise _unfit(f"{variable} has the dimensions {shown}")
    return kinds.pop()


def _unfit(why: str) -> UserError:
    return UserError(
        f"the runs cannot be put into one dataset: {why}; the runs themselves are in the store, one file each"
    )


def _unswept(variable: str, parts: Sequence[xr.Dataset], joined: Mapping[str, pd.Index]) -> Any:
    """A coordinate that is the same at every point, at the same labels: it needs no swept axes; else None."""
    if not all(variable in part.coords for part in parts):
        return None
    first: Any = parts[0][variable].variable
    same = all(part[variable].variable.equals(first) for part in parts[1:])
    return (
        first if same and all(_index(dim, part).equals(joined[dim]) for part in parts for dim in first.dims) else None
    )


def _fills(variable: str, sizes: tuple[int, ...], parts: Sequence[xr.Dataset]) -> bool:
    return all(variable in part.variables and part[variable].shape == sizes for part in parts)


def _empty(variable: str, shape: tuple[int, ...], parts: Sequence[xr.Dataset], whole: bool) -> np.ndarray:
    """An array for the variable at all points, full of gaps."""
    kind = np.result_type(*(part[variable].dtype for part in parts if variable in part.variables))
    if kind.kind in "USO":
        return np.full(shape, "", kind)
    if kind.kind in "iub" and not whole:
        kind = np.dtype(float)
    return np.zeros(shape, kind) if kind.kind in "iub" else np.full(shape, np.nan, kind)
