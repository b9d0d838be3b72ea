"""Which of the stored runs: `epsilon<0.3`, `assay=rank-jumps`, `since=2026-01-01`, anded.

A setting's value is compared as what the stored runs have there: numbers as numbers, tuples item by item. So no assay,
and no JAX, is needed to know a field's type.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ._entries import spelled
from .errors import UserError, nearest
from .index import StoredRun

OF_A_RUN = ("assay", "key", "profile", "code", "since", "before", "seconds")
"""The names that are not settings."""
_FORM = re.compile(r"\s*([\w-]+)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class Filter:
    """A condition on a run: a name, one of = != < <= > >=, and a value as text."""

    name: str
    relation: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}{self.relation}{self.value}"


def read(texts: Iterable[str], settings: Mapping[str, Any] | None = None) -> list[Filter]:
    """The conditions in `texts`, and that each of `settings` has the value given.

    Raises:
        UserError: a text that is no condition.
    """
    filters = [Filter(name, "=", spelled(value)) for name, value in (settings or {}).items()]
    for text in texts:
        form = _FORM.fullmatch(text)
        if form is None or not form[3]:
            raise UserError(f"{text!r} is no filter: write one as epsilon=0.25, 'lr>=0.1' or since=2026-01-01")
        filters.append(Filter(*form.groups()))
    for made in filters:
        _of_a_run(made)  # a wrong date or order is told even when nothing is stored
    return filters


def need_settings(filters: Iterable[Filter]) -> bool:
    """Whether a filter asks for a setting."""
    return any(made.name not in OF_A_RUN for made in filters)


def chosen(runs: Iterable[StoredRun], filters: Sequence[Filter]) -> list[StoredRun]:
    """The runs that fulfil every filter.

    Raises:
        UserError: no run has a setting of that name, or of that type.
    """
    left = list(runs)
    for made in filters:
        test = _of_a_run(made)
        if test is not None:
            left = [run for run in left if test(run)]
    asked = [made for made in filters if made.name not in OF_A_RUN]
    if not asked:
        return left
    looked_for = [_spellings(made) for made in asked]
    possible = [run for run in left if all(_may_fulfil(run.settings, spellings) for spellings in looked_for)]
    configs = [(run, run.config) for run in possible or left]  # an error needs to see them all
    for made in asked:
        configs = _with_setting(configs, made)
    return [run for run, _ in configs]


def _spellings(made: Filter) -> tuple[str, ...]:
    """What compact JSON settings that fulfil `name=number` have one of: much quicker to look for than to parse them.

    Empty for other filters, which nothing is known of before.
    """
    number = _number(made.value)
    if made.relation != "=" or number is None or not abs(number) < 2**53:
        return ()
    whole = [str(int(number))] if number == int(number) else []
    zero = ["-0.0"] if number == 0 else []
    name = json.dumps(made.name)
    return tuple(f"{name}:{one}" for one in (*whole, *zero, repr(float(number)), json.dumps(made.value), "["))


def _may_fulfil(settings: str | None, spellings: tuple[str, ...]) -> bool:
    return settings is None or not spellings or any(one in settings for one in spellings)


def _with_setting(configs: list[tuple[StoredRun, dict[str, Any]]], made: Filter) -> list[tuple[StoredRun, dict]]:
    there = [(run, config) for run, config in configs if made.name in config]
    if configs and not there:
        known = {*OF_A_RUN, *(name for _, config in configs for name in config)}
        raise UserError(f"{made}: no stored run has a field {made.name!r}: {nearest(made.name, known)}")
    told = [_fulfils(config[made.name], made) for _, config in there]
    if there and all(answer is None for answer in told):
        example = spelled(there[0][1][made.name])
        raise UserError(f"{made}: {made.name} cannot be compared so; a stored run has {made.name}={example}")
    return [pair for pair, answer in zip(there, told, strict=True) if answer]


def _fulfils(value: Any, made: Filter) -> bool | None:
    """Whether a setting fulfils a filter; None where the filter's text is not of its type."""
    equality = made.relation in ("=", "!=")
    if value is None or made.value.lower() == "none":
        same = value is None and made.value.lower() == "none"
        return same == (made.relation == "=") if equality else (False if value is None else None)
    if isinstance(value, list):
        parts = [Filter("", "=", part.strip()) for part in made.value.strip("()[] ").split(",") if part.strip()]
        if not equality or (value and any(_fulfils(value[0], part) is None for part in parts)):
            return None
        same = len(parts) == len(value) and all(map(_fulfils, value, parts))
        return same == (made.relation == "=")
    if isinstance(value, bool):
        asked: Any = _TRUTH.get(made.value.lower())
        return None if asked is None or not equality else _ORDERS[made.relation](value, asked)
    if isinstance(value, int | float):
        asked = _number(made.value)
        return None if asked is None else _ORDERS[made.relation](value, asked)
    return _ORDERS[made.relation](value, made.value) if equality else None


def _of_a_run(made: Filter) -> Callable[[StoredRun], bool] | None:
    """The test for a name that is not a setting; None for a setting.

    Raises:
        UserError: a value or a relation that the name does not take.
    """
    name, order, value = made.name, _ORDERS[made.relation], made.value
    if name in ("since", "before"):
        moment = _moment(made)
        later = operator.ge if name == "since" else operator.lt
        return lambda run: bool(run.started) and later(_instant(run.started), moment)
    if name == "seconds":
        number = _number(value)
        if number is None:
            raise UserError(f"{made}: seconds is a number")
        return lambda run: run.seconds is not None and order(run.seconds, number)
    if name not in OF_A_RUN:
        return None
    if made.relation not in ("=", "!="):
        raise UserError(f"{made}: {name} is compared by = and != alone")
    wanted = made.relation == "="
    if name == "key":
        return lambda run: run.key.startswith(value) == wanted
    if name == "code" and value in ("current", "outdated"):
        return lambda run: (bool(run.current) == (value == "current")) == wanted
    return lambda run: (getattr(run, name) == value) == wanted


def _number(text: str) -> float | int | None:
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return None if isinstance(number, float) and math.isnan(number) else number
    return None


def _moment(made: Filter) -> datetime:
    try:
        if made.relation != "=":
            raise ValueError
        return _aware(datetime.fromisoformat(made.value))
    except ValueError:
        raise UserError(f"{made}: write a day or a time (UTC), such as {made.name}=2026-01-31") from None


def _instant(text: str) -> datetime:
    """When a run started; before all others where its record says no time."""
    try:
        return _aware(datetime.fromisoformat(text))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
