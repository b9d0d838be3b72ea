"""What a store holds, by filters: the runs, and their data as one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import assays, filters
from ._entries import OTHER_LAYOUT
from .errors import UserError, nearest
from .index import Index, StoredRun, no_collection
from .store import code_version

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
    from .side_by_side import side_by_side

    return side_by_side(runs)


def listing(
    out: Path | str, conditions: Sequence[str], *, configs: bool = False
) -> tuple[list[StoredRun], list[StoredRun]]:
    """The runs that fulfil the conditions, and the files that cannot be used.

    configs: with the settings at hand, which are read from the files later otherwise.

    Raises:
        UserError, StoreError: as `find_runs`.
    """
    asked = filters.read(conditions)
    return _found(out, asked, configs=configs or filters.need_settings(asked))


def _found(
    out: Path | str, asked: Sequence[filters.Filter], *, configs: bool
) -> tuple[list[StoredRun], list[StoredRun]]:
    with no_collection():
        everything = Index(Path(out) / "store").rows(configs=configs, today=code_today)
        usable = [run for run in everything if run.problem is None or run.code == OTHER_LAYOUT]
        names = {run.assay for run in usable}
        for made in asked:
            if made.name == "assay" and made.value not in {*names, *assays.CATALOGUE}:
                raise UserError(f"there is no assay {made.value!r}: {nearest(made.value, {*names, *assays.CATALOGUE})}")
        unusable = [run for run in everything if run.problem is not None and run.code != OTHER_LAYOUT]
        return filters.chosen(usable, asked), unusable


def code_today(assay: str) -> str | None:
    """The version of the code that computes the assay today; None where there is no such assay."""
    return code_version(assays.CATALOGUE[assay].module) if assay in assays.CATALOGUE else None
