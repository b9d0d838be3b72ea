"""supervise: every item computed, or failed with a reason that is its own.

A worker that dies takes a batch with it. Those of the batch that are not kept somewhere become *suspects*. When all
others are done, suspects are computed again, one at a time and alone on the machine: an innocent one finishes, and one
that kills its worker twice alone has failed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ._items import Answer, Failed, Finished, compute
from ._packing import Packing
from ._pool import Death, WorkerError, Workers

_LOOK_SECONDS = 0.5
"""Between two looks at whether workers have joined."""
_CRASHES_ALONE = 2
_FALSE_STARTS = 10


@dataclass(frozen=True)
class _Batch:
    executor: Executor
    items: list[Any]
    alone: bool


def supervise(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    workers: Workers,
    *,
    known: Callable[[Any], Answer | None],
    packing: Packing | None = None,
) -> Generator[Answer, None, None]:
    """Computes `function(item)` for every item, and yields what became of each in the order in which they end.

    Args:
        function: a function of a module, or a `functools.partial` of one. What it raises is recorded and the item not
            tried again; StoreError and WorkerError end everything.
        items: hashable.
        workers: not closed here.
        known: what is known of an item from what was kept of it; None if nothing is. Asked after a worker has died.
        packing: how items make batches.

    Raises:
        StoreError, WorkerError: what `function` raised in a worker, or the workers cannot work.
    """
    run = _Supervision(function, deque(items), workers, known, packing or Packing())
    try:
        while run.unfinished:
            run.hand_out()
            yield from run.collect()
    finally:
        run.stop()


class _Supervision:
    def __init__(
        self,
        function: Callable[[Any], Any],
        waiting: deque[Any],
        workers: Workers,
        known: Callable[[Any], Answer | None],
        packing: Packing,
    ) -> None:
        self._function, self._waiting, self._workers = function, waiting, workers
        self._known, self._packing = known, packing
        self._suspects: deque[Any] = deque()
        self._crashes: dict[Any, int] = {}
        self._running: dict[Future[list[Answer]], _Batch] = {}
        self._free: list[Executor] = []
        self._false_starts = 0

    @property
    def unfinished(self) -> bool:
        return bool(self._waiting or self._suspects or self._running)

    def hand_out(self) -> None:
        """Gives every free slot a batch; a suspect only when nothing else is left."""
        slots = self._workers.slots()
        while self._waiting and len(self._running) < slots:
            size = self._packing.size(len(self._waiting), slots)
            self._start([self._waiting.popleft() for _ in range(size)], alone=False)
        if self._suspects and not self._running and slots:
            self._start([self._suspects.popleft()], alone=True)

    def _start(self, items: list[Any], alone: bool) -> None:
        executor = self._free.pop() if self._free else self._opened()
        self._running[executor.submit(compute, self._function, items)] = _Batch(executor, items, alone)

    def _opened(self) -> Executor:
        try:
            return self._workers.executor()
        except OSError as error:
            told, there = error.strerror or error, len(self._running)
            raise WorkerError(f"cannot start more than {there} workers: {told}; take fewer --workers") from None

    def collect(self) -> Iterator[Answer]:
        """What has ended; waits for it a moment."""
        if not self._running:  # no worker has joined yet
            time.sleep(_LOOK_SECONDS)
        for future in wait(self._running, _LOOK_SECONDS, FIRST_COMPLETED).done:
            batch = self._running.pop(future)
            try:
                error = future.exception()
            except CancelledError:
                raise WorkerError("the workers have dropped what they were given: is their scheduler gone?") from None
            if error is None:
                self._free.append(batch.executor)
                self._false_starts = 0
                for answer in future.result():
                    if isinstance(answer, Finished) and answer.seconds is not None:
                        self._packing.learn(answer.seconds)
                    yield answer
                continue
            death = self._workers.death(batch.executor, error)
            self._workers.stop(batch.executor)
            if death is None:
                if isinstance(error, UserError):
                    raise error
                told = " ".join(str(error).split())
                raise WorkerError(f"the workers cannot compute: {type(error).__name__}: {told}") from error
            yield from self._bury(batch, death)

    def _bury(self, batch: _Batch, death: Death) -> Iterator[Answer]:
        """A worker has died: which of its items are known, suspects, or to be computed as if nothing had happened."""
        if not death.started:
            self._false_starts += 1
            if self._false_starts == _FALSE_STARTS:
                raise WorkerError(f"the workers die before they can work: {death.how}")
            time.sleep(_LOOK_SECONDS)
            (self._suspects if batch.alone else self._waiting).extendleft(reversed(batch.items))
            return
        for item in batch.items:
            answer = self._known(item)
            if answer is not None:
                yield answer
                continue
            if batch.alone:
                self._crashes[item] = self._crashes.get(item, 0) + death.times
            if self._crashes.get(item, 0) < _CRASHES_ALONE:
                self._suspects.append(item)
                continue
            times = {2: "twice"}.get(self._crashes[item], f"{self._crashes[item]} times")
            memory = " (out of memory?)" if "SIGKILL" in death.how else ""
            yield Failed(item, "WorkerDied", f"its worker was {death.how} {times}, with nothing beside it{memory}")

    def stop(self) -> None:
        """Ends the executors, and what they compute."""
        for future in self._running:
            future.cancel()
        for executor in [*self._free, *(batch.executor for batch in self._running.values())]:
            self._workers.stop(executor)
