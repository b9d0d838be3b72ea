"""How many items make a batch, and how long the rest takes: both from the seconds of those that are finished."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_RECENT = 32
_SHARES = 4


@dataclass
class Packing:
    """Batches that last about `seconds`, and never more than a fair share of what is left.

    Handing out a batch costs milliseconds, so an item of milliseconds should not travel alone; but what a worker holds
    is lost to the others, so that a batch is at most a quarter of a worker's part of the rest.
    """

    seconds: float = 1.0
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def learn(self, seconds: float) -> None:
        """Takes note that an item took so many seconds."""
        self._recent.append(max(seconds, 1e-6))

    def size(self, left: int, slots: int) -> int:
        """How many of `left` items make the next batch for one of `slots` workers: 1 until an item has finished."""
        if not self._recent:
            return 1
        wanted = self.seconds * len(self._recent) / sum(self._recent)
        return int(max(1, min(wanted, left // (_SHARES * max(slots, 1)), left)))


def remaining(left: int, finished: int, running: int, elapsed: float) -> float | None:
    """Seconds until `left` more items are finished, when `finished` took `elapsed`; None while none is.

    Of the `running` items among those that are left, a half counts as done. Honest as far as the finished items are a
    fair sample of all: hand the items out in random order.
    """
    if left == 0:
        return 0.0
    return elapsed * (left - running / 2) / (finished + running / 2) if finished else None
