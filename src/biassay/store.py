"""The store: one netCDF4 file a run, data and record together, whole or not there at all.

A file is named by its assay and by a key, the hash of everything that decides its data: the assay, its canonical
config, the schema of the file and the version of the code. A process killed at any moment leaves the old file or the
new one, never half.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import configs
from ._atomic import replaced
from ._layout import SCHEMA, content, packed, reason, unpacked
from .errors import StoreError, UserError
from .index import Index, StoredRun

if TYPE_CHECKING:
    import xarray as xr

_PACKAGE = Path(__file__).parent
# What can change the data of every assay: the engine. An assay's own folder is added to it, without what only speaks of
# the data afterwards (claims.py, claims_of_a_part.py, ...). The command line, the store, the report and the claims'
# statistics cannot change it either: verdicts are judged afresh.
_ENGINE = (
    "problem.py",
    "_devices.py",
    "_lanes.py",
    "_rectangle.py",
    "_strategy.py",
    "simulation.py",
    "_checkpoints.py",
    "_atomic.py",
    "_identity.py",
    "stability",
    "complexity",
    "dynamics",
    "probes",
    "references",
    "models",
    "data",
)
_AFTERWARDS = ("claims", "figures", "text")


@dataclass(frozen=True)
class Stored:
    """A run read back: its data, its record (plain JSON data) and the file it was read from."""

    data: xr.Dataset
    record: dict[str, Any]
    path: Path


@functools.cache
def code_version(module: str) -> str:
    """The package's version and a hash of the sources that can change the data of the assay in `module`."""
    files = {file for part in _ENGINE for file in _sources(_PACKAGE / part)}
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.origin is not None:
        origin = Path(spec.origin)
        own = _sources(origin.parent if origin.name == "__init__.py" else origin)
        files.update(file for file in own if file.stem.split("_")[0] not in _AFTERWARDS)
    # By name, which is the same wherever the package and the assay are installed.
    names = {
        file: file.relative_to(_PACKAGE).as_posix() if file.is_relative_to(_PACKAGE) else file.name for file in files
    }
    digest = hashlib.blake2b(digest_size=8)
    for file, name in sorted(names.items(), key=lambda item: item[1]):
        digest.update(f"{name}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return f"{version('biassay')}+{digest.hexdigest()}"


def check_folder(folder: Path) -> None:
    """Checks that `folder` is a folder to write in, or can be made, and changes nothing.

    Raises:
        UserError: it is, or lies below, something that is not a folder or is not writable.
    """
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise UserError(f"cannot write in {folder}: {reason(error)}") from None
    if not there.is_dir():
        raise UserError(f"cannot write in {folder}: {there} is not a folder")
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise UserError(f"cannot write in {folder}: {there} is not writable")


def _sources(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def key(assay: str, config: Any, code: str) -> str:
    """The name of a run: a hash of the assay, the canonical config, the schema and the code version."""
    text = json.dumps([assay, configs.canonical_text(config), SCHEMA, code])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True)
class Store:
    """The runs in one folder. The folder is made by the first `write`."""

    folder: Path

    def path(self, assay: str, key: str) -> Path:
        """Where the run `key` of `assay` is, or would be."""
        return self.folder / f"{assay}-{key}.nc"

    def checkpoints(self, assay: str, key: str, code: str) -> Path:
        """The folder in which the run `key` of `assay` leaves its checkpoints until it is written. The code's hash in
        its name tells those that no process will ask for again."""
        return self.folder / "checkpoints" / f"{assay}-{key}-{code.rpartition('+')[2]}"

    def read(self, assay: str, key: str) -> Stored | None:
        """The run `key` of `assay`, or None when there is none.

        Raises:
            StoreError: the file is damaged, not one of ours, or of another schema.
        """
        path = self.path(assay, key)
        try:
            if not path.exists():
                return None
        except OSError as error:
            raise StoreError(f"cannot read {path}: {reason(error)}") from None
        stored = open_run(path)
        if (stored.record.get("assay"), stored.record.get("key")) != (assay, key):
            raise StoreError(f"{path} holds another run than its name says: delete it, or run with --fresh")
        return stored

    def rows(self) -> list[StoredRun]:
        """What is known of every file of the store without reading its data, the one used last first.

        Raises:
            StoreError: the folder cannot be read.
        """
        return Index(self.folder).rows()

    def paths(self) -> tuple[Path, ...]:
        """The files of the store, the one used last first."""
        return tuple(self.folder / name for name, *_ in Index(self.folder).files())

    def write(self, assay: str, key: str, data: xr.Dataset, record: Mapping[str, Any]) -> Path:
        """Publishes data and record as one file, and removes what killed processes left behind.

        data: numbers, booleans and strings on labelled axes; its dtypes and coordinates are kept exactly.
        record: JSON data; `schema`, `assay` and `key` are added.

        Raises:
            StoreError: the file cannot be written, such as on a full disk; nothing of it is left.
            ValueError: the data hold what a file cannot hold exactly, such as complex numbers.
        """
        path = self.path(assay, key)
        try:
            with replaced(path) as temporary:
                save_run(temporary, data, {**record, "assay": assay, "key": key})
        except OSError as error:
            raise StoreError(f"cannot write {path}: {reason(error)}; make room or choose another --out") from None
        return path


def save_run(path: Path, data: xr.Dataset, record: Mapping[str, Any]) -> None:
    """Writes a run to `path` in place. `Store.write` makes it atomic.

    Raises:
        OSError: the file cannot be written.
        ValueError: the data hold what a file cannot hold exactly.
    """
    path.write_bytes(packed(data, record))


def open_run(path: Path) -> Stored:
    """Reads a run from `path`, whole.

    Raises:
        StoreError: the file is damaged, not one of ours, or of another schema.
    """
    data, record = unpacked(content(path), path)
    return Stored(data, record, path)
