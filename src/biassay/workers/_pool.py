"""What `supervise` asks of the processes it works with."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from ..errors import UserError


class WorkerError(UserError):
    """Workers that cannot work, whatever they are given. Its text is one line that says what to do."""


@dataclass(frozen=True)
class Death:
    """A worker that died while it had items.

    how: in words, such as "killed by SIGKILL"; times: how many workers died of the same items; started: whether it had
    been ready for work at all.
    """

    how: str
    times: int = 1
    started: bool = True


class Workers(Protocol):
    """Where to compute. A slot is an executor that is given one batch at a time."""

    def slots(self) -> int:
        """How many batches can be computed at the same time, now."""
        ...

    def executor(self) -> Executor:
        """An executor for one slot."""
        ...

    def death(self, executor: Executor, error: BaseException) -> Death | None:
        """How the worker of a batch died that ended with `error`; None when the error is another one."""
        ...

    def stop(self, executor: Executor) -> None:
        """Ends an executor and what it computes; one that is broken may be given too."""
        ...

    def close(self) -> None:
        """Ends everything."""
        ...
