"""What becomes of an item: computed, or failed with a reason."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import StoreError
from ._pool import WorkerError


@dataclass(frozen=True)
class Finished:
    """An item that was computed, in so many seconds, and what its function returned.

    Where the worker died after the item was kept, nobody has the answer and the seconds: they are None.
    """

    item: Any
    seconds: float | None
    answer: Any


@dataclass(frozen=True)
class Failed:
    """An item whose function raised an error, or whose worker died of it.

    kind: the name of the error; message: its text; traceback: where it was raised, "" for a worker that died.
    """

    item: Any
    kind: str
    message: str
    traceback: str = ""


Answer: TypeAlias = Finished | Failed


def compute(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Answer]:
    """In a worker: the answers to the items, one after another.

    Raises:
        StoreError, WorkerError: results cannot be kept, or the worker is unfit; it is not the item's fault.
    """
    answers: list[Answer] = []
    for item in items:
        clock = time.perf_counter()
        try:
            found = function(item)
        except (StoreError, WorkerError):
            raise
        except (Exception, SystemExit) as error:
            answers.append(failure(item, error))
        else:
            seconds = time.perf_counter() - clock
            answers.append(found if isinstance(found, Failed) else Finished(item, seconds, found))
    return answers


def failure(item: Any, error: BaseException) -> Failed:
    """The item that failed with `error`."""
    text = " ".join(str(error).split()) or type(error).__name__
    return Failed(item, type(error).__name__, text, "".join(traceback.format_exception(error)))
