"""The catalogue of assays: what each one tests and where it lives.

The catalogue is written by hand so that it can be read without importing an assay, and with it JAX. The tests hold
every entry against the assay it describes.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UserError, nearest

if TYPE_CHECKING:
    from ..assay import Assay


@dataclass(frozen=True)
class Entry:
    """One assay, as `biassay list` shows it.

    module: where its `ASSAY` is; sentence: what it tests; claims: their names; seconds: the expected duration of the
    quick profile on two cores; papers: BibTeX keys of `biassay.citations`.
    """

    module: str
    sentence: str
    claims: tuple[str, ...]
    seconds: float
    papers: tuple[str, ...]


CATALOGUE: dict[str, Entry] = {}


def find(name: str) -> Entry:
    """The entry of the assay `name`.

    Raises:
        UserError: there is no such assay; the message offers the nearest name.
    """
    if name not in CATALOGUE:
        raise UserError(f"there is no assay {name!r}: {nearest(name, CATALOGUE)}")
    return CATALOGUE[name]


def load(name: str) -> Assay:
    """Imports the assay `name` (and with it JAX).

    Raises:
        UserError: there is no such assay.
    """
    return importlib.import_module(find(name).module).ASSAY
