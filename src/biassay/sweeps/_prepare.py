"""A sweep before it runs: every point of its grid is planned, so that no mistake is found after hours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import configs
from ..errors import UserError
from ..runs import plan
from ..store import check_folder
from . import _manifest
from ._axes import Axis, as_json, label, make_axes, points
from ._manifest import Manifest
from ._point import Point


@dataclass(frozen=True)
class Prepared:
    """A sweep whose every point has been checked; the points are in the grid's order, the last axis fastest."""

    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    out: Path
    manifest: Manifest


def prepare(
    name: str, grid: Mapping[str, Sequence[Any]], *, profile: str, fields: Mapping[str, Any], out: Path
) -> Prepared:
    """Checks what is asked for, every point of it, before anything is run or written.

    grid: field -> values; fields: what is set beside the grid.

    Raises:
        UserError: what cannot be run, and at which point.
    """
    base = plan(name, profile, {})
    axes = make_axes(base.config, grid)
    for axis in axes:
        if axis.field in fields:
            raise UserError(f"{axis.field} is both swept and set to {label(fields[axis.field])}")
    for folder in (out, out / "store", _manifest.folder(out)):
        check_folder(folder)
    fixed = configs.fit(base.config, fields)
    found = []
    for place, swept in enumerate(points(axes)):
        settings = {**fixed, **swept}
        try:
            key = plan(name, profile, settings).key
        except UserError as error:
            raise UserError(
                f"{error} (at {', '.join(f'{field}={label(value)}' for field, value in swept.items())})"
            ) from None
        found.append(Point(place, tuple(settings.items()), key))
    keys = [point.key for point in found]
    digest = hashlib.blake2b(json.dumps([name, as_json(axes), keys]).encode(), digest_size=6).hexdigest()
    manifest = Manifest(
        id=f"{name}-{digest}",
        assay=name,
        profile=profile,
        fields=json.loads(json.dumps(fixed)),
        axes=as_json(axes),
        keys=keys,
        code=base.code,
        started=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
    return Prepared(axes, tuple(found), out, manifest)


def prepare_latest(out: Path) -> Prepared:
    """The sweep of the folder `out` that was begun last, checked as if it had been asked for again.

    Raises:
        UserError: there is none, or it cannot be run any more. StoreError: its manifest is damaged.
    """
    last = _manifest.read_latest(out)
    return prepare(last.assay, last.axes, profile=last.profile, fields=last.fields, out=out)
