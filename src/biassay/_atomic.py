"""Files that are whole or not there: written under a temporary name, flushed to the disk and renamed.

A process killed at any moment leaves the old file or the new one, never half.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = ".unfinished-"
_UNFINISHED = re.compile(rf"{re.escape(TEMPORARY)}[0-9a-f]{{8}}-\d+-[a-z0-9_]{{8}}(\.\w+)?")
"""The home of the process that writes it, the process, what `tempfile` adds, and the ending."""
_STALE_SECONDS = 3600.0
_swept: dict[Path, float] = {}
"""Folder -> when this process last looked for what was left in it."""


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary file in the folder of `path`, which is made; on leaving the block it becomes `path`.

    Where the block raises, nothing of it is left. Now and then what killed processes left in the folder is removed.

    Raises:
        OSError: the file cannot be written, such as on a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if time.monotonic() - _swept.get(path.parent, -_STALE_SECONDS) >= _STALE_SECONDS:  # a large folder is slow to list
        remove_unfinished(path.parent)
    handle, name = tempfile.mkstemp(prefix=f"{TEMPORARY}{_home()}-{os.getpid()}-", suffix=path.suffix, dir=path.parent)
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


def remove_unfinished(folder: Path) -> None:
    """Removes what dead processes were writing in `folder`."""
    _swept[folder] = time.monotonic()
    for left in abandoned(folder):
        with contextlib.suppress(OSError):  # another process was first, or it is another user's
            left.unlink()


def is_unfinished(name: str) -> bool:
    """Whether a file is named as those are that are being written."""
    return _UNFINISHED.fullmatch(name) is not None


def abandoned(folder: Path) -> list[Path]:
    """What dead processes were writing in `folder`: those of this machine, and any file an hour old."""
    found = []
    for left in folder.glob(f"{TEMPORARY}*"):
        if not is_unfinished(left.name):
            continue
        with contextlib.suppress(OSError):
            if _is_dead(left) or time.time() - left.stat().st_mtime > _STALE_SECONDS:
                found.append(left)
    return found


def _is_dead(unfinished: Path) -> bool:
    """Whether the process that was writing this file is known to be gone."""
    home, _, rest = unfinished.name.removeprefix(TEMPORARY).partition("-")
    number = rest.partition("-")[0]
    if home != _home() or not number.isdecimal() or os.name == "nt":  # Windows has no harmless signal
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@functools.cache
def _home() -> str:
    """The machine since it was started, and the space in which process numbers mean the same, as a hash.

    Machines may have one name, as of containers, and the first space has the same number on all.
    """
    boot = space = ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    with contextlib.suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.blake2b(f"{platform.node()} {boot} {space}".encode(), digest_size=4).hexdigest()


def _flush(path: Path) -> None:
    """Waits until `path`, a file or a folder, is on the disk; Windows cannot flush a folder."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
