"""Workers on this machine: one spawned process a slot, which dies with the process that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from ._pool import Death

_POLL_SECONDS = 0.5
_GOODBYE_SECONDS = 5.0
_GLANCE_SECONDS = 0.01
_FILES_EACH = 16
"""A worker costs its parent so many open files at most: pipes, and what waits for it."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_main = threading.Lock()


class LocalWorkers:
    """So many processes, each with a pool of its own: the death of one is not the others' concern.

    count: by default one a core; threads: that each may use for linear algebra, by default its share of the cores.
    """

    def __init__(self, count: int | None = None, threads: int | None = None) -> None:
        self._count = count or cores()
        _allow_files(_FILES_EACH * self._count)
        self._threads = threads or max(1, cores() // self._count)

    def slots(self) -> int:
        """As many as processes."""
        return self._count

    def executor(self) -> Executor:
        """A pool of one process, which starts at once."""
        return _OneProcess(self._threads)

    def death(self, executor: Executor, error: BaseException) -> Death | None:
        """A broken pool has lost its process."""
        if not isinstance(error, BrokenExecutor) or not isinstance(executor, _OneProcess):
            return None
        return Death(executor.ending(), started=executor.started)

    def stop(self, executor: Executor) -> None:
        """Kills the process: an idle one has nothing to lose, and a file it is writing is not seen."""
        assert isinstance(executor, _OneProcess)
        executor.kill()

    def close(self) -> None:
        """There is nothing left to end."""


def _allow_files(more: int) -> None:
    """Lets this process have so many more files open at the same time, as far as the system allows."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    wanted = soft + more if hard == resource.RLIM_INFINITY else min(soft + more, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _OneProcess(ProcessPoolExecutor):
    def __init__(self, threads: int) -> None:
        self._context = _Context()
        super().__init__(1, mp_context=self._context, initializer=_begin, initargs=(os.getpid(), threads))
        self._hello: Future[int] = self.submit(os.getpid)

    @property
    def started(self) -> bool:
        """Whether the process has been ready for work."""
        return self._hello.done() and self._hello.exception() is None

    def ending(self) -> str:
        """How the process ended, in words."""
        process = self._context.started[0]
        last = time.monotonic() + _GOODBYE_SECONDS
        # The pool waits for the process as well. For a moment only the thread that was first has its exit code, and
        # `join` in the other returns without one.
        while (code := process.exitcode) is None and time.monotonic() < last:
            time.sleep(_GLANCE_SECONDS)
        if code is None:
            return "lost"
        if code >= 0:
            return f"ended with exit code {code}"
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
        return f"killed by signal {-code}"

    def kill(self) -> None:
        self.shutdown(wait=False, cancel_futures=True)
        for process in self._context.started:
            if process.pid is not None:  # else it could not be started
                process.kill()
                process.join(_GOODBYE_SECONDS)


class _Context(SpawnContext):
    """Starts processes as `spawn` does, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(  # noqa: N802  # pyright: ignore[reportIncompatibleVariableOverride]
        self, *args: Any, **options: Any
    ) -> SpawnProcess:
        process = _Process(*args, **options)
        self.started.append(process)
        return process


class _Process(SpawnProcess):
    def start(self) -> None:
        with _without_main():
            super().start()


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Inside the block a spawned process finds no main module.

    It would run the caller's script from its first line, once for every worker, and the script would start workers in
    turn; of a script on standard input it would find nothing. The workers need nothing of it.
    """
    with _main:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _begin(parent: int, threads: int) -> None:
    """In a new worker: it leaves Ctrl-C to its parent, dies with it, and keeps to its share of the cores."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    for variable in _THREADS:
        os.environ.setdefault(variable, str(threads))
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)


def _die_with(parent: int) -> None:
    """Ends this process once its parent is another: the one that started it has died, be it by SIGKILL."""
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)
