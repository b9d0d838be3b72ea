"""Axes: which fields of a config are swept, over which values; from text, or from Python values.

`lr=0.01,0.1` lists values; `logspace(a,b,n)` and `linspace(a,b,n)` are NumPy's, `range(a,b[,step])` is Python's. The
values of a field that is itself a tuple are separated by semicolons: `etas=0.1,0.2;0.3,0.4`.
"""

from __future__ import annotations

import json
import math
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, Union, get_args, get_origin

import numpy as np

from .. import configs
from ..errors import UserError

_SERIES = re.compile(r"(logspace|linspace|range)\s*\((.*)\)")
_MOST_VALUES = 10**6
_NEARLY = 1e-9


@dataclass(frozen=True)
class Axis:
    """A swept field and its values, in the order in which they were given."""

    field: str
    values: tuple[Any, ...]

    @property
    def labels(self) -> list[Any]:
        """The values as coordinates of a dataset: numbers and truth values as they are, all else as text, in full."""
        kinds = {type(value) for value in self.values}
        if kinds <= {int, float} or kinds == {bool}:
            return list(self.values)
        return [label(value, repr) for value in self.values]

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers."""
        return {type(value) for value in self.values} <= {int, float}

    @property
    def is_log(self) -> bool:
        """Whether the values are positive and more evenly spread in the logarithm than on a line."""
        if not self.is_numeric or len(self.values) < 3 or min(self.values) <= 0:
            return False
        values = np.sort(np.asarray(self.values, float))
        return bool(_unevenness(np.log(values)) < _unevenness(values))


def label(value: Any, number: Callable[[float], str] = "{:g}".format) -> str:
    """A value as text: a tuple's parts with commas between them; floats, unless told otherwise, to six digits."""
    if isinstance(value, tuple):
        return ",".join(label(part, number) for part in value)
    return number(value) if isinstance(value, float) else str(value)


def read_grid(config: Any, settings: Sequence[str]) -> dict[str, list[Any]]:
    """Field -> values, from settings such as `"lr=0.01,0.1"`, typed by the fields of `config`.

    Raises:
        UserError: a setting without `=`, an unknown field, a field given twice, a value of another type.
    """
    grid: dict[str, list[Any]] = {}
    for setting in settings:
        field, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not field:
            raise UserError(f"--grid takes field=values, got {setting!r}")
        if field in grid:
            raise UserError(f"--grid {setting}: {field} is given twice")
        try:
            grid[field] = list(_read(config, field, text))
        except UserError as error:
            what = str(error)
            what = what.partition(": ")[2] if what.startswith("--set") else what
            raise UserError(f"--grid {setting}: {what}") from None
    return grid


def make_axes(config: Any, grid: Mapping[str, Sequence[Any]]) -> tuple[Axis, ...]:
    """Axes from Python values, typed by the fields of `config`.

    Raises:
        UserError: no axis, an axis without values, an unknown field, a value given twice or of another type.
    """
    if not grid:
        raise UserError("a sweep needs a grid: at least one field with its values")
    taken: dict[str, tuple[Any, ...]] = {}
    for field, given in grid.items():
        if isinstance(given, str) or not hasattr(given, "__iter__"):
            raise UserError(f"grid {field}: a list of values is needed, got {given!r}")
        some = tuple(islice(given, _MOST_VALUES + 1))
        if not some:
            raise UserError(f"grid {field}: there are no values")
        if len(some) > _MOST_VALUES:
            raise UserError(f"grid {field}: at most {_MOST_VALUES} values are taken: make several sweeps of it")
        taken[field] = some
    count = math.prod(len(some) for some in taken.values())
    if count > _MOST_VALUES:
        raise UserError(f"the grid has {count} points, at most {_MOST_VALUES} are taken: make several sweeps of it")
    axes = []
    for field, some in taken.items():
        values = tuple(configs.fit(config, {field: value})[field] for value in some)
        seen: set[Any] = set()
        for value in values:
            if value in seen:
                raise UserError(f"grid {field}: {label(value)} is given twice")
            seen.add(value)
        axes.append(Axis(field, values))
    return tuple(axes)


def points(axes: Sequence[Axis]) -> Iterator[dict[str, Any]]:
    """The fields of every point of the grid; the last axis moves fastest."""
    for values in product(*(axis.values for axis in axes)):
        yield {axis.field: value for axis, value in zip(axes, values, strict=True)}


def as_json(axes: Sequence[Axis]) -> dict[str, Any]:
    """The axes as JSON data, which `make_axes` reads back."""
    return {axis.field: json.loads(json.dumps(axis.values)) for axis in axes}


def _read(config: Any, field: str, text: str) -> Iterator[Any]:
    known = configs.fields(config)
    configs.read(config, {} if field in known else {field: text})  # an unknown field, told as `--set` tells it
    if series := _SERIES.fullmatch(text):
        values = _series(*series.groups())
        yield from (round(value) if _has(known[field], int) and _is_whole(value) else value for value in values)
        return
    pieces = text.split(";" if _has(known[field], tuple) else ",")
    for piece in pieces:
        if not piece.strip():
            raise UserError("a value is missing" if text else "there are no values")
        yield configs.read(config, {field: piece.strip()})[field]


def _series(name: str, arguments: str) -> list[float]:
    forms = {"logspace": "logspace(a,b,n)", "linspace": "linspace(a,b,n)", "range": "range(a,b) or range(a,b,step)"}
    try:
        numbers = [float(part) for part in arguments.split(",")]
        whole = [int(number) for number in numbers if _is_whole(number)]
        if name == "range":
            if len(whole) != len(numbers) or len(numbers) not in (2, 3):
                raise ValueError
            return [float(value) for value in range(*whole)[: _MOST_VALUES + 1]]
        start, stop, count = numbers
        if not (_is_whole(count) and 1 <= count <= _MOST_VALUES and math.isfinite(start) and math.isfinite(stop)):
            raise ValueError
        with np.errstate(over="ignore"):
            spread = np.logspace if name == "logspace" else np.linspace
            return [float(value) for value in spread(start, stop, int(count))]
    except (ValueError, OverflowError):
        raise UserError(f"{name}: it is written {forms[name]}, of finite numbers and at least one value") from None


def _is_whole(number: float) -> bool:
    return math.isfinite(number) and abs(number - round(number)) <= _NEARLY * max(1.0, abs(number))


def _has(hint: Any, kind: type) -> bool:
    """Whether a field of type `hint` is of `kind`, or of `kind` or None."""
    if kind in (hint, get_origin(hint)):
        return True
    return get_origin(hint) in (Union, types.UnionType) and any(_has(part, kind) for part in get_args(hint))


def _unevenness(values: np.ndarray) -> float:
    gaps = np.diff(values)
    return float(gaps.std() / gaps.mean())
