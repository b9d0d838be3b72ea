"""`biassay sweep`: what the command takes, what it shows while it runs, and what it prints in the end."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import tyro

from . import assays, configs
from .errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from .sweeps import Prepared, Status, SweepResult

INTERRUPTED = 130
_FAILED = 1
_TOLD = 10
"""So many failures are printed; the manifest has them all."""
_LINE_SECONDS = 10.0

_Repeated: TypeAlias = Annotated[
    tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FIELD=VALUES ...")
]
_Settings: TypeAlias = Annotated[
    tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FIELD=VALUE ...")
]


@dataclass(frozen=True)
class Sweep:
    """Runs an assay over a grid of settings; every point is an ordinary run, kept in the store."""

    name: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="ASSAY")] = ()
    """The assay."""
    grid: _Repeated = ()
    """An axis, e.g. lr=0.01,0.1 or lr=logspace(-3,-1,5), linspace(a,b,n), range(a,b,step); tuples are separated by ;"""
    set: _Settings = ()
    """Settings that are the same at all points, e.g. epsilon=0.25."""
    profile: Annotated[str | None, tyro.conf.arg(metavar="quick|full")] = None
    """The size of the experiment, by default quick."""
    seeds: Annotated[str | None, tyro.conf.arg(metavar="N")] = None
    """How many seeds, at every point."""
    seed: Annotated[str | None, tyro.conf.arg(metavar="S")] = None
    """The first seed."""
    on: Annotated[str, tyro.conf.arg(metavar="local|dask://HOST:PORT|slurm")] = "local"
    """Where to compute: processes of this machine, a Dask cluster or Slurm jobs; the last two share the folder DIR."""
    workers: Annotated[str | None, tyro.conf.arg(metavar="N")] = None
    """Processes (by default one a core, or one in all with a GPU), or Slurm jobs (by default 4)."""
    job: Annotated[
        tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="OPTION=VALUE ...")
    ] = ()
    """Options of a Slurm job, as dask_jobqueue.SLURMCluster names them, e.g. queue=gpu walltime=04:00:00 cores=8."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("biassay-out")
    """The folder for data and figures."""
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """The folder with data sets such as CIFAR-10, for this sweep in the place of BIASSAY_DATA."""
    resume: bool = False
    """Go on with the sweep that was begun last in DIR; given its grid again, a sweep goes on anyway."""
    retry_failed: bool = False
    """Compute again the points that failed."""
    fresh: bool = False
    """Compute again what the store has."""
    no_figures: bool = False
    """Draw no figures."""
    quiet: bool = False
    """Print nothing but errors."""


def prepared(asked: Sweep) -> Prepared:
    """The sweep that was asked for, checked at every point.

    Raises:
        UserError: what was wrong, and what to do.
    """
    from .sweeps import check_workers, prepare, prepare_latest, read_grid

    named, settings = _apart(asked.set)
    also_named, axes = _apart(asked.grid)
    last_named, options = _apart(asked.job)
    names = [*asked.name, *named, *also_named, *last_named]
    check_workers(asked.on, _count(asked), _job(options))
    if asked.resume and not names:
        if axes or settings or asked.profile or asked.seeds or asked.seed:
            raise UserError("--resume goes on with the last sweep as it was: name the assay, or leave out its settings")
        return prepare_latest(asked.out)
    if len(names) != 1:
        raise UserError(f"a sweep takes one assay, got {len(names)}: biassay sweep ASSAY --grid field=values")
    (name,) = names
    assays.find(name)
    config = assays.load(name).profiles["quick"]
    texts: dict[str, str] = {}
    for setting in settings:
        field, text = configs.split(setting)
        if field in texts:
            raise UserError(f"--set {setting}: {field} is given twice")
        texts[field] = text
    for option, text in (("seeds", asked.seeds), ("seed", asked.seed)):
        if text is not None:
            texts[option] = str(_integer(f"--{option}", text))
    grid = read_grid(config, axes)
    return prepare(name, grid, profile=asked.profile or "quick", fields=configs.read(config, texts), out=asked.out)


def run(asked: Sweep) -> int:
    """Runs the sweep that was asked for and returns the exit code: 1 where points failed."""
    from .sweeps import execute
    from .terminal import console

    made = prepared(asked)
    screen = console(stderr=False)
    with _progress(asked.quiet, made) as progress:
        try:
            result = execute(
                made, on=asked.on, workers=_count(asked), job=_job(_apart(asked.job)[1]), fresh=asked.fresh,
                retry=asked.retry_failed, progress=progress,
            )  # fmt: skip
        except KeyboardInterrupt:
            print(f"biassay: interrupted; what is finished is kept, go on with: {_go_on(asked)}", file=sys.stderr)
            return INTERRUPTED
        except UserError as error:
            raise UserError(f"{error} (what is finished is kept, go on with: {_go_on(asked)})") from None
    page = None
    if not asked.no_figures and not bool(result.data["sweep_failed"].all()):
        try:
            page = result.write_page(made.out)
        except OSError as error:
            raise UserError(f"cannot write the figures in {made.out}: {error.strerror or error}") from None
    if not asked.quiet:
        screen.print(outcome_table(result))
        for line in failure_lines(result, made.out / "sweeps" / f"{result.id}.json"):
            screen.print(f"  {line}", markup=False)
        print(f"data: {result.path}")
        if page is not None:
            print(f"figures: {made.out / 'sweeps' / result.id}\npage: {page}")
    return _FAILED if result.failures else 0


def outcome_table(result: SweepResult) -> Table:
    """How often every claim came out as what, over the grid."""
    from rich.table import Table

    points = result.data["sweep_failed"].size
    shape = " x ".join(f"{len(axis.values)} {axis.field}" for axis in result.axes)
    table = Table(title=f"{result.name} ({result.profile}): {points} points, {shape}", title_justify="left")
    outcomes = ("holds", "fails", "unclear", "vacuous", "missing")
    table.add_column("claim", overflow="fold")
    for outcome in outcomes:
        table.add_column(outcome, justify="right")
    for claim in result.verdicts["claim"].values:
        counts = result.counts(str(claim))
        table.add_row(str(claim), *(str(counts[outcome] or "") for outcome in outcomes))
    return table


def failure_lines(result: SweepResult, manifest: Path) -> list[str]:
    """A line for each of the first failures, and where the others are told."""
    lines = [failure.line for failure in result.failures[:_TOLD]]
    if len(result.failures) > _TOLD:
        lines.append(f"and {len(result.failures) - _TOLD} more")
    if result.failures:
        lines.append(f"{len(result.failures)} points failed; {manifest} tells all; --retry-failed computes them again")
    return lines


@contextlib.contextmanager
def _progress(quiet: bool, made: Prepared) -> Iterator[Callable[[Status], None] | None]:
    """Progress on stderr: a live bar on a terminal, a line now and then elsewhere, nothing when quiet."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from .terminal import console

    screen = console(stderr=True)
    if quiet:
        yield None
    elif not screen.is_terminal:
        yield _lines(lambda line: screen.print(line, markup=False), made.manifest.assay)
    else:
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn()
        with Progress(*columns, console=screen, transient=True) as bar:
            task = bar.add_task(made.manifest.assay, total=len(made.points), words="")
            yield lambda status: bar.update(task, completed=status.done + status.failed, words=words(status))


def _lines(tell: Callable[[str], None], name: str) -> Callable[[Status], None]:
    """Tells the first and the last status, and one now and then between them."""
    last = -_LINE_SECONDS

    def hear(status: Status) -> None:
        nonlocal last
        over = status.done + status.failed == status.total
        if over or time.monotonic() - last >= _LINE_SECONDS:
            last = time.monotonic()
            tell(f"{name}: {words(status)}")

    return hear


def words(status: Status) -> str:
    """A status in words."""
    from .report import duration

    parts = [f"{status.done + status.failed} of {status.total} points"]
    if status.cached:
        parts.append(f"{status.cached} from the store")
    if status.failed:
        parts.append(f"{status.failed} failed")
    if status.done + status.failed < status.total:
        if not status.slots:
            parts.append("no worker yet")
        elif status.seconds is not None:
            parts.append(f"about {duration(status.seconds)} left")
    return ", ".join(parts)


def _go_on(asked: Sweep) -> str:
    """The command that goes on with the sweep, in the same folder and with the same workers."""
    words = ["biassay", "sweep", "--resume"]
    if asked.out != Path("biassay-out"):
        words += ["--out", str(asked.out)]
    if asked.on != "local":
        words += ["--on", asked.on]
    if asked.workers is not None:
        words += ["--workers", asked.workers]
    if asked.job:
        words += ["--job", *_apart(asked.job)[1]]
    if asked.data_dir is not None:
        words += ["--data-dir", str(asked.data_dir)]
    if asked.no_figures:
        words += ["--no-figures"]
    return shlex.join(words)


def _count(asked: Sweep) -> int | None:
    return None if asked.workers is None else _integer("--workers", asked.workers)


def _apart(groups: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """Names and settings: an option that takes several settings takes the assay's name behind them too."""
    items = [item for group in groups for item in group]
    return [item for item in items if item in assays.CATALOGUE], [
        item for item in items if item not in assays.CATALOGUE
    ]


def _job(settings: Sequence[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for setting in settings:
        option, equals, text = setting.partition("=")
        if not equals or not option:
            raise UserError(f"--job takes option=value, got {setting!r}")
        options[option.strip()] = int(text) if text.strip().isdecimal() else text.strip()
    return options


def _integer(option: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{option} {text}: an integer is needed") from None
