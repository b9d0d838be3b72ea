"""The manifest of a sweep: a file that says what was asked for, and in the end which points failed and why.

It decides nothing: what is done is what the store has, so a sweep that was killed goes on whatever its manifest says.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .._atomic import replaced
from ..errors import StoreError, UserError

_LAYOUT = 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a sweep is.

    fields: what is set beside the axes; axes: field -> values, in order; keys: of the runs, the last axis fastest;
    failed: for every failed point its settings, its error and where it was raised; finished: whether nothing is left.
    """

    id: str
    assay: str
    profile: str
    fields: Mapping[str, Any]
    axes: Mapping[str, Sequence[Any]]
    keys: Sequence[str]
    code: str
    started: str
    finished: bool = False
    failed: Sequence[Mapping[str, Any]] = ()


def folder(out: Path) -> Path:
    """Where the sweeps of an output folder are told."""
    return out / "sweeps"


def write(out: Path, manifest: Manifest) -> Path:
    """Writes the manifest to `sweeps/<id>.json`, whole.

    Raises:
        StoreError: it cannot be written.
    """
    path = folder(out) / f"{manifest.id}.json"
    text = json.dumps({"layout": _LAYOUT, **asdict(manifest)}, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        with replaced(path) as temporary:
            temporary.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}; make room or choose another --out") from None
    return path


def read_latest(out: Path) -> Manifest:
    """The manifest of the sweep of `out` that was begun last.

    Raises:
        UserError: there is none. StoreError: all are damaged or of another version; where only some are, a warning
            names them.
    """
    paths = [path for path in folder(out).glob("*.json") if not path.name.startswith(".")]
    if not paths:
        raise UserError(
            f"there is no sweep in {out} to go on with: `biassay sweep ASSAY --grid ... --out {out}` starts one"
        )
    usable, unusable = [], []
    for path in sorted(paths):
        try:
            usable.append(_read(path))
        except StoreError as error:
            unusable.append(error)
    if not usable:
        raise unusable[0]
    for error in unusable:
        warnings.warn(f"left out: {error}", stacklevel=2)
    return max(usable, key=lambda manifest: manifest.started)


def _read(path: Path) -> Manifest:
    try:
        kept = json.loads(path.read_text("utf-8"))
        if kept.pop("layout") != _LAYOUT:
            raise StoreError(f"{path} has the layout of another biassay version: give the assay and the grid again")
        manifest = Manifest(**kept)
        texts = manifest.id, manifest.assay, manifest.profile, manifest.started
        mappings = manifest.fields, manifest.axes
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(each, dict) for each in mappings):
            raise TypeError
        return manifest
    except StoreError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{path} is damaged: delete it, and give the assay and the grid again") from None
