"""Configs from what a user wrote, and one canonical form of each so that equal configs have equal hashes.

A config is a frozen dataclass whose fields are int, float, bool, str, a `Literal`, one of these or None, or tuples of
these. Its own `__post_init__` checks the ranges.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import numbers
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import UserError, nearest

Config = TypeVar("Config")

_NAMES = {int: "an integer", float: "a finite float", bool: "true or false", str: "text"}
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def split(setting: str) -> tuple[str, str]:
    """`"field=value"` as (field, value).

    Raises:
        UserError: there is no `=`, or nothing before it.
    """
    field, equals, text = setting.partition("=")
    if not equals or not field:
        raise UserError(f"--set takes field=value, got {setting!r}")
    return field.strip(), text.strip()


def fields(config: Any) -> dict[str, Any]:
    """The names and types of a config's fields (of an instance or of its class)."""
    return dict(_fields(config if isinstance(config, type) else type(config)))


@functools.cache
def _fields(cls: Any) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def read(config: Any, texts: Mapping[str, str]) -> dict[str, Any]:
    """Values for fields of `config` from text, e.g. `{"epsilon": "0.25", "etas": "0.3,0.4"}`.

    Raises:
        UserError: unknown field, or a value of another type.
    """
    types_ = fields(config)
    values = {}
    for name, text in texts.items():
        _check_name(name, types_)
        try:
            values[name] = _read(text, types_[name])
        except ValueError:
            raise UserError(f"--set {name}={text}: {name} is {_name(types_[name])}") from None
    return values


def replace(config: Config, values: Mapping[str, Any]) -> Config:
    """`config` with fields replaced by Python values; lists become tuples and NumPy's numbers Python's.

    Raises:
        UserError: unknown field, a value of another type, or one that the config's own check refuses.
    """
    fitted = fit(config, values)
    try:
        return dataclasses.replace(config, **fitted)  # pyright: ignore[reportType, reportCallIssue, reportArgumentType]
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from None


def fit(config: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` as the fields of `config` take them: plain Python values, lists as tuples.

    Raises:
        UserError: unknown field, or a value of another type.
    """
    types_ = fields(config)
    fitted = {}
    for name, value in values.items():
        _check_name(name, types_)
        try:
            fitted[name] = _fit(value, types_[name])
        except ValueError:
            raise UserError(f"{name}={value!r}: {name} is {_name(types_[name])}") from None
    return fitted


def canonical(config: Any) -> dict[str, Any]:
    """A config as JSON data: every field, by name; floats as floats even when given as integers; tuples as lists."""
    return {name: _plain(_fit(getattr(config, name), hint)) for name, hint in sorted(fields(config).items())}


def canonical_text(config: Any) -> str:
    """The text that is hashed. Configs that compare equal have equal texts, different ones different texts."""
    return json.dumps(canonical(config), sort_keys=True, allow_nan=False, separators=(",", ":"))


def _check_name(name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        raise UserError(f"there is no field {name!r}: {nearest(name, known)}")


def _read(text: str, hint: Any) -> Any:
    """The value of type `hint` that `text` spells.

    Raises:
        ValueError: it spells none.
    """
    if (choice := _optional(hint)) is not None:
        return None if text.lower() == "none" else _read(text, choice)
    if get_origin(hint) is tuple:
        parts = [part.strip() for part in text.strip("()[] ").split(",")]
        parts = [part for part in parts if part]
        return tuple(_each(_read, parts, hint))
    if hint is bool:
        return _fit(_TRUTH.get(text.lower()), hint)
    if hint in (int, float):
        return _fit(hint(text), hint)
    if get_origin(hint) is Literal:
        return _fit({str(choice): choice for choice in get_args(hint)}.get(text, text), hint)
    return _fit(text, hint)


def _fit(value: Any, hint: Any) -> Any:
    """`value` as a plain Python value of type `hint`.

    Raises:
        ValueError: it is of another type.
    """
    if (choice := _optional(hint)) is not None:
        return None if value is None else _fit(value, choice)
    if get_origin(hint) is tuple:
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise ValueError(value)
        return tuple(_each(_fit, list(value), hint))
    if get_origin(hint) is Literal:
        for choice in get_args(hint):
            if value == choice:
                return choice
        raise ValueError(value)
    # bool(True) == 1 and numpy.bool are told apart from the numbers: `seeds=True` is a slip, not one seed.
    truth = isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")
    if hint is bool and truth:
        return bool(value)
    if hint is int and isinstance(value, numbers.Integral) and not truth:
        return int(value)
    if hint is float and isinstance(value, numbers.Real) and not truth and math.isfinite(value):
        return float(value) + 0.0  # -0.0 equals 0.0, and so must its text
    if hint is str and isinstance(value, str):
        return str(value)
    raise ValueError(value)


def _each(convert: Any, parts: list[Any], hint: Any) -> list[Any]:
    inner = get_args(hint)
    if inner[-1] is Ellipsis:
        return [convert(part, inner[0]) for part in parts]
    if len(parts) != len(inner):
        raise ValueError(parts)
    return [convert(part, kind) for part, kind in zip(parts, inner, strict=True)]


def _optional(hint: Any) -> Any:
    """T where `hint` is `T | None`, else None."""
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        if len(kinds) == 1:
            return kinds[0]
    return None


def _name(hint: Any) -> str:
    if (choice := _optional(hint)) is not None:
        return f"{_name(choice)}, or none"
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        count = "several" if inner[-1] is Ellipsis else str(len(inner))
        return f"{count} values with commas between them, each {_name(inner[0])}"
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    return _NAMES[hint]


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
