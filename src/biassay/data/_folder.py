"""Where a user keeps data sets: the folder given, or the one that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "BIASSAY_DATA"
"""The environment variable that names a folder with data sets."""


def named(folder: str | Path | None) -> Path | None:
    """`folder`, or else the folder in `BIASSAY_DATA`; None without either."""
    chosen = folder or os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else None
