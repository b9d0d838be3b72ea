"""Small work for the tests of workers: functions that a process of its own can import, without JAX."""

from __future__ import annotations

import os
import signal
import time
import uuid
from pathlib import Path

from biassay.errors import StoreError
from biassay.workers import Answer, Finished

KILLERS, BAD, ONCE = (13, 37), 20, 45


def work(folder: str, patience: float, n: int) -> int:
    """n squared, and a mark that it was asked for; two of 60 kill their worker, one raises, one kills it once.

    patience: seconds before a kill. Dask does not replace a worker that dies before it has said that it lives.
    """
    Path(folder, f"{n}-{uuid.uuid4().hex}").touch()
    once = Path(folder, "once")
    if n in KILLERS or (n == ONCE and not once.exists()):
        once.touch() if n == ONCE else None
        time.sleep(patience)
        os.kill(os.getpid(), signal.SIGKILL)
    if n == BAD:
        raise ValueError(f"no {n}")
    time.sleep(0.005)
    Path(folder, f"done{n}").touch()
    return n * n


def known(folder: str, n: int) -> Answer | None:
    """What `work` has kept."""
    return Finished(n, None, None) if Path(folder, f"done{n}").exists() else None


def full(n: int) -> None:
    """A disk without room."""
    raise StoreError("no room")


def leaves(n: int) -> None:
    """Ends its process as no function should."""
    os._exit(7)


def says(n: int) -> tuple[int, int, str, str]:
    """The process, its parent, its main module's file and a limit on threads."""
    import __main__

    return os.getpid(), os.getppid(), str(getattr(__main__, "__file__", None)), os.environ["OMP_NUM_THREADS"]


def waits(folder: str, n: int) -> None:
    """Says who it is, and waits for long."""
    Path(folder, f"{n}-{os.getpid()}").touch()
    time.sleep(600)
