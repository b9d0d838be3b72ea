"""What a run looks like in a terminal: its progress and its table of verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from .claims import Verdict
    from .runs import Result

_COLOURS = {"holds": "green", "fails": "red", "unclear": "yellow", "vacuous": "magenta"}
_WIDTH = 140  # of what is piped into a file, where no terminal sets one


def console(*, stderr: bool) -> Console:
    """A console on stdout or stderr, wide where it is not a terminal."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDTH)


def verdict_table(result: Result) -> Table:
    """One row a claim."""
    origin = "from the store" if result.cached else f"{result.seconds:.1f} s"
    table = Table(title=f"{result.name} ({result.profile}, {origin})", title_justify="left", title_style="bold")
    table.add_column("claim", overflow="fold")
    table.add_column("verdict")
    table.add_column("measured", overflow="fold")
    table.add_column("claimed")
    table.add_column("n", justify="right")
    table.add_column("diverged", justify="right")
    table.add_column("control", justify="right")
    for verdict in result.verdicts:
        table.add_row(
            verdict.claim,
            Text(verdict.outcome, _COLOURS[verdict.outcome]),
            f"{number(verdict.value)} [{number(verdict.interval[0])}, {number(verdict.interval[1])}]",
            region(verdict.region),
            str(verdict.n),
            str(verdict.diverged),
            number(verdict.control),
        )
    return table


def remarks(result: Result) -> list[str]:
    """A line for every verdict that needs a word: why it does not hold, or what it was when it was reviewed."""
    lines = [f"{v.claim} {v.outcome}: {v.reason}" for v in result.verdicts if v.outcome != "holds"]
    return lines + [changed(result.name, verdict) for verdict in result.verdicts if not verdict.as_recorded]


def changed(name: str, verdict: Verdict) -> str:
    """The line about a verdict that is not the recorded one."""
    return f"{name}: {verdict.claim} {verdict.outcome}, and was recorded as {verdict.recorded}"


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def region(ends: tuple[float, float]) -> str:
    """A closed interval, one-sided where an end is infinite."""
    low, high = ends
    if math.isinf(low) and math.isinf(high):
        return "any number"
    if math.isinf(low):
        return f"≤ {number(high)}"
    if math.isinf(high):
        return f"≥ {number(low)}"
    return f"= {number(low)}" if low == high else f"[{number(low)}, {number(high)}]"


class _Remaining(ProgressColumn):
    """The time left by the assay's expected duration; blank for settings whose duration nobody knows."""

    def render(self, task: Task) -> Text:
        expected = task.fields["expected"]
        if expected is None:
            return Text("")
        left = expected - (task.elapsed or 0.0)
        return Text(f"about {left:.0f} s left" if left >= 1 else "longer than expected", "cyan")


class Display:
    """Progress on stderr: a live bar on a terminal, one line an assay elsewhere, nothing when quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = console(stderr=True)
        self._quiet = quiet
        self._expected = self._measured = 0.0

    @contextmanager
    def assay(self, name: str, expected: float | None) -> Iterator[Callable[[int, int, str], None]]:
        """Shows the assay `name` while the block runs; yields the listener for its progress.

        expected: seconds it takes on two cores, None where the settings make that unknown. It is scaled by how long
        the assays before took on this machine.
        """
        scaled = None if expected is None else expected * self._pace
        if not self._quiet and not self._console.is_terminal:
            self._console.print(f"{name}: running" + (f", about {scaled:.0f} s" if scaled else ""))
        columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), _Remaining()
        live = not self._quiet and self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=not live) as progress:
            task: TaskID = progress.add_task(name, total=None, expected=scaled)

            def listen(done: int, total: int, label: str) -> None:
                words = f"{name} · {label}" if label else name
                progress.update(task, description=words, completed=done, total=total)

            yield listen

    def learn(self, expected: float | None, seconds: float) -> None:
        """Takes note that what was expected to last `expected` seconds lasted `seconds`."""
        if expected is not None:
            self._expected += expected
            self._measured += seconds

    @property
    def _pace(self) -> float:
        return self._measured / self._expected if self._expected else 1.0
