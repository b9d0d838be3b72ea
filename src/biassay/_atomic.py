"""Files that are whole or not there: written under a temporary name, flushed to the disk and renamed.

A process killed at any moment leaves the old file or the new one, never half.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = ".unfinished-"
_STALE_SECONDS = 3600.0


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary file in the folder of `path`, which is made; on leaving the block it becomes `path`.

    Where the block raises, nothing of it is left. What killed processes left in the folder an hour ago is removed.

    Raises:
        OSError: the file cannot be written, such as on a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent, path.suffix)
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        _flush(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush(path.parent)


def _sweep(folder: Path, suffix: str) -> None:
    for left in folder.glob(f"{TEMPORARY}*{suffix}"):
        # Another process may be writing it now, or sweep it first; it may be another user's.
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                left.unlink()


def _flush(path: Path) -> None:
    """Waits until `path`, a file or a folder, is on the disk; Windows cannot flush a folder."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
