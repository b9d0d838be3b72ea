"""The command line: list, run, sweep, runs, report and cite.

Everything a user asked for is checked before anything runs or is written. Exit codes: 0 finished, 1 a verdict is not
the recorded one (`run --check`) or points of a sweep failed, 2 the user's mistake, told in one line, 130 interrupted.
JAX is imported by `run`, `sweep`, `report` and the export of `runs` alone, when they start.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import tyro

from . import assays, cli_runs, cli_sweep, configs
from .citations import BIBTEX, bibtex
from .cli_runs import Runs
from .cli_sweep import INTERRUPTED, Sweep
from .errors import UserError, nearest

if TYPE_CHECKING:
    from .runs import Plan, Result
    from .store import Store

_VERDICT_KEYS = (
    "claim", "says", "cite", "provenance", "outcome", "value", "interval", "region", "n", "diverged", "control",
    "n_control", "recorded",
)  # fmt: skip

_Names: TypeAlias = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME ...")]
_Settings: TypeAlias = Annotated[
    tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FIELD=VALUE ...")
]


@dataclass(frozen=True)
class List:
    """Lists the assays: what each tests, its claims and how long it takes."""

    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Run:
    """Runs assays and judges their claims; what has been computed before is read from the store."""

    names: _Names = ()
    """The assays; all of them when none is named."""
    profile: Annotated[str, tyro.conf.arg(metavar="quick|full")] = "quick"
    """The size of the experiment."""
    seeds: Annotated[str | None, tyro.conf.arg(metavar="N")] = None
    """How many seeds."""
    seed: Annotated[str | None, tyro.conf.arg(metavar="S")] = None
    """The first seed."""
    set: _Settings = ()
    """Settings, e.g. epsilon=0.25 etas=.3,.4, for each assay that has the field; assay.field=value is for one assay."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("biassay-out")
    """The folder for data, figures and site."""
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """The folder with data sets such as CIFAR-10, for this run in the place of BIASSAY_DATA."""
    json: Annotated[str | None, tyro.conf.arg(metavar="FILE|-")] = None
    """Write the results as JSON to a file, or to stdout (tables then go to stderr)."""
    check: bool = False
    """Exit with 1 when a verdict differs from the recorded one."""
    fresh: bool = False
    """Compute again what the store has."""
    quiet: bool = False
    """Print nothing but errors."""


@dataclass(frozen=True)
class Report:
    """Writes the site again from the store, without computing."""

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("biassay-out")
    """The folder that a run wrote."""


@dataclass(frozen=True)
class Cite:
    """Prints the BibTeX of the papers behind assays."""

    names: _Names = ()
    """The assays; all of them when none is named."""


_COMMANDS = {"list": List, "run": Run, "sweep": Sweep, "runs": Runs, "report": Report, "cite": Cite}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (by default the process's own) and returns its exit code."""
    try:
        match _parsed(sys.argv[1:] if argv is None else argv):
            case List() as asked:
                return _list(asked)
            case Run() as asked:
                with _data_sets_in(asked.data_dir):
                    return _run(asked)
            case Sweep() as asked:
                with _data_sets_in(asked.data_dir):
                    return _sweep(asked)
            case Runs() as asked:
                return cli_runs.run(asked)
            case Report() as asked:
                return _report(asked)
            case Cite() as asked:
                return _cite(asked)
    except UserError as error:
        print(f"biassay: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("biassay: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Nothing more can be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


# --- what was asked ---------------------------------------------------------------------------------------------------


def _parsed(argv: Sequence[str]) -> List | Run | Sweep | Runs | Report | Cite:
    if argv and not argv[0].startswith("-") and argv[0] not in _COMMANDS:
        raise UserError(f"there is no command {argv[0]!r}: {nearest(argv[0], _COMMANDS)}")
    heard = io.StringIO()
    try:
        with contextlib.redirect_stderr(heard):
            return tyro.cli(
                Annotated[List, tyro.conf.subcommand("list")]
                | Annotated[Run, tyro.conf.subcommand("run")]
                | Annotated[Sweep, tyro.conf.subcommand("sweep")]
                | Annotated[Runs, tyro.conf.subcommand("runs")]
                | Annotated[Report, tyro.conf.subcommand("report")]
                | Annotated[Cite, tyro.conf.subcommand("cite")],  # pyright: ignore[reportArgumentType]
                prog="biassay",
                description="The laboratory for the implicit bias of optimizers.",
                args=argv,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as left:
        if not left.code:
            raise
        command = f"biassay {argv[0]}" if argv and argv[0] in _COMMANDS else "biassay"
        raise UserError(f"{_first_sentence(heard.getvalue())}; see {command} --help") from None


def _first_sentence(box: str) -> str:
    """The message in tyro's error as one line; tyro frames it in lines, or has a title above it where it cannot."""
    lines = [line.strip("│ ") for line in box.splitlines()]
    rules = [k for k, line in enumerate(lines) if line.startswith(("╭", "╰", "──", "--"))]
    return " ".join(" ".join(lines[rules[0] + 1 : rules[1]]).split()).rstrip(".")


def _chosen(asked: Run) -> tuple[list[str], list[tuple[str, str, str]]]:
    """The assays by name, and the settings as (assay or "", field, text)."""
    items = [item for group in asked.set for item in group]
    names = [name for name in asked.names if "=" not in name] + [item for item in items if item in assays.CATALOGUE]
    names = list(dict.fromkeys(names)) or list(assays.CATALOGUE)
    for name in names:
        assays.find(name)
    settings = []
    for item in [*items, *(name for name in asked.names if "=" in name)]:
        if item not in assays.CATALOGUE:
            field, text = configs.split(item)
            target, dot, inner = field.partition(".")
            if dot and target not in names:
                raise UserError(f"--set {item}: {target!r} is not among the assays to run: {nearest(target, names)}")
            settings.append((target, inner, text) if dot else ("", field, text))
    return names, settings


def _integer(option: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{option} {text}: an integer is needed") from None


def _plans(asked: Run, names: list[str], settings: list[tuple[str, str, str]]) -> list[Plan]:
    """A checked plan for every assay."""
    from .runs import plan

    numbers = {"seeds": asked.seeds, "seed": asked.seed}
    common = {name: _integer(f"--{name}", text) for name, text in numbers.items() if text is not None}
    defaults = {name: assays.load(name).profiles["quick"] for name in names}
    known = {name: configs.fields(config) for name, config in defaults.items()}
    for target, field, text in settings:
        among = set(known[target]) if target else set().union(*known.values())
        if field not in among:
            raise UserError(f"--set {field}={text}: there is no field {field!r}: {nearest(field, among)}")
    plans = []
    for name in names:
        texts = {field: text for target, field, text in settings if target in ("", name) and field in known[name]}
        plans.append(plan(name, asked.profile, {**common, **configs.read(defaults[name], texts)}))
    return plans


# --- the commands -----------------------------------------------------------------------------------------------------


def _list(asked: List) -> int:
    if asked.json:
        listed = [
            {"name": name, "sentence": entry.sentence, "claims": list(entry.claims), "seconds": entry.seconds}
            for name, entry in assays.CATALOGUE.items()
        ]
        print(json.dumps({"version": version("biassay"), "assays": listed}, indent=2, ensure_ascii=False))
        return 0
    from rich.table import Table

    from .terminal import console

    table = Table("assay", "what it tests", "claims", "about", show_lines=True)
    for name, entry in assays.CATALOGUE.items():
        table.add_row(name, entry.sentence, ", ".join(entry.claims), f"{entry.seconds:.0f} s")
    console(stderr=False).print(table)
    return 0


def _cite(asked: Cite) -> int:
    entries = [assays.find(name) for name in asked.names or assays.CATALOGUE]
    print(bibtex(key for entry in entries for key in entry.papers))
    return 0


def _report(asked: Report) -> int:
    from .runs import latest
    from .store import Store, check_folder

    check_folder(asked.out)
    shelf = latest(Store(asked.out / "store"))
    if shelf.damaged:
        raise shelf.damaged[0]
    _warn(shelf.outdated)
    if not shelf.results:
        raise UserError(f"there are no runs in {asked.out}: `biassay run --out {asked.out}` makes some")
    print(f"site: {_write_site(asked.out, shelf.results)}")
    return 0


def _run(asked: Run) -> int:
    names, settings = _chosen(asked)
    _keep_products_on_one_core()
    from .store import Store, check_folder

    for folder in (asked.out, *(asked.out / part for part in ("store", "figures", "assets"))):
        check_folder(folder)
    if asked.json not in (None, "-"):
        _check_file(Path(asked.json))
    plans = _plans(asked, names, settings)
    store = Store(asked.out / "store")
    if not asked.fresh:
        for plan in plans:
            store.read(plan.assay.name, plan.key)
    _keep_compiled_programs()

    results: list[Result] = []
    interrupted = False
    try:
        with _terminated_like_interrupted(), _warnings_in_one_line():
            _execute(asked, plans, store, results)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if results:
            _publish(asked, store, results)
    if interrupted:
        kept = f"; kept: {', '.join(result.name for result in results)}" if results else ""
        print(f"biassay: interrupted{kept}", file=sys.stderr)
        return INTERRUPTED
    from .terminal import changed

    differing = [changed(result.name, v) for result in results for v in result.verdicts if not v.as_recorded]
    if asked.check and differing:
        print("biassay: " + "\nbiassay: ".join(differing), file=sys.stderr)
        return 1
    return 0


def _sweep(asked: Sweep) -> int:
    _keep_products_on_one_core()
    _keep_compiled_programs()
    with _terminated_like_interrupted(), _warnings_in_one_line():
        return cli_sweep.run(asked)


def _execute(asked: Run, plans: list[Plan], store: Store, results: list[Result]) -> None:
    """Runs the plans one after another and appends each result when it is there."""
    from .runs import execute
    from .terminal import Display, console, remarks, verdict_table

    screen, display = console(stderr=asked.json == "-"), Display(quiet=asked.quiet)
    for plan in plans:
        assay = plan.assay
        expected = assay.seconds if plan.config == assay.profiles["quick"] else None
        known = not asked.fresh and store.path(assay.name, plan.key).exists()
        with contextlib.nullcontext() if known else display.assay(assay.name, expected) as listener:
            result = execute(plan, store, fresh=asked.fresh, progress=listener)
        results.append(result)
        if not result.cached:
            display.learn(expected, result.seconds)
        if not asked.quiet:
            screen.print(verdict_table(result))
            for line in remarks(result):
                screen.print(f"  {line}", markup=False)


def _publish(asked: Run, store: Store, results: list[Result]) -> None:
    """The site with these results and the latest of the other assays, the JSON, and a word on where they are."""
    from .runs import latest

    shelf = latest(store, skip=[result.name for result in results])
    _warn([*map(str, shelf.damaged), *shelf.outdated])
    index = _write_site(asked.out, [*results, *shelf.results])
    if asked.json is not None:
        _write_json(asked, results)
    if not asked.quiet:
        stream = sys.stderr if asked.json == "-" else sys.stdout
        print(f"data: {store.folder}\nfigures: {asked.out / 'figures'}\nsite: {index}", file=stream)


def _warn(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"biassay: left out: {line}", file=sys.stderr)


def _write_site(out: Path, results: Sequence[Result]) -> Path:
    from .report import write_site

    order = {name: place for place, name in enumerate(assays.CATALOGUE)}
    try:
        return write_site(out, sorted(results, key=lambda result: order[result.name]), BIBTEX)
    except OSError as error:
        raise UserError(f"cannot write the site in {out}: {error.strerror or error}") from None


def _write_json(asked: Run, results: Sequence[Result]) -> None:
    from .runs import environment

    document = {
        "version": version("biassay"),
        "environment": environment(),
        "assays": [_as_json(asked.out, result) for result in results],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    if asked.json in (None, "-"):
        print(text)
        return
    path = Path(asked.json)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside it first: an interruption leaves the old file or the new one. A pipe or a device is written as it is.
        whole = path.with_name(f".{path.name}.unfinished") if path.is_file() or not path.exists() else path
        whole.write_text(text + "\n", encoding="utf-8")
        if whole != path:
            whole.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


def _as_json(out: Path, result: Result) -> dict[str, Any]:
    folder = out / "figures" / result.name
    names = [figure.name for figure in result.assay.figures(result.data)]
    verdicts = [verdict.to_json() for verdict in result.verdicts]
    return {
        "name": result.name,
        "config": configs.canonical(result.config),
        "seconds": result.seconds,
        "cached": result.cached,
        "data": str(result.path),
        "figures": [str(folder / f"{name}.{kind}") for name in names for kind in ("png", "svg")],
        "verdicts": [{key: verdict[key] for key in _VERDICT_KEYS} for verdict in verdicts],
    }


# --- the process ------------------------------------------------------------------------------------------------------


def _check_file(path: Path) -> None:
    """Checks that a file `path` can be written, and writes nothing."""
    from .store import check_folder

    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    if path.exists() and not os.access(path, os.W_OK):
        raise UserError(f"cannot write {path}: it is not writable")
    check_folder(path.parent)


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Inside the block SIGTERM does what Ctrl-C does, so that a scheduler's stop keeps what is finished."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _data_sets_in(folder: Path | None) -> Iterator[None]:
    """Inside the block, and in the processes it starts, data sets are looked for in `folder`, if one is given."""
    if folder is None:
        yield
        return
    from .data.cifar10 import VARIABLE

    folder = folder.expanduser()
    if not folder.is_dir():
        raise UserError(f"--data-dir {folder}: it must be a folder with data sets, and there is no such folder")
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Inside the block a warning is one line on stderr, as a mistake is, without the line of code it came from."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        print(f"biassay: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _keep_products_on_one_core() -> None:
    """Asks XLA not to split a matrix product over threads: lanes fill the cores already, and wait for one another's.

    A small convolutional network's step was 3 times quicker for it, to the same bits. Read when JAX starts.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()


def _keep_compiled_programs() -> None:
    """Points JAX's persistent compilation cache at the user's cache folder, unless the user has chosen another.

    A program compiled for one processor must not run on another that shares the home folder: each kind of processor
    has its own folder.
    """
    import jax

    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        return
    with contextlib.suppress(OSError, RuntimeError):  # no home folder, or none that can be written
        folder = _cache_folder() / "biassay" / "compiled" / _processor()
        folder.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _cache_folder() -> Path:
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / ".cache"


def _processor() -> str:
    """A short name of the kind of processor: its architecture and, on Linux, a hash of what it can do."""
    abilities = ""
    with contextlib.suppress(OSError):
        found = re.search(r"^(?:flags|Features)\s*:.*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        abilities = found[0] if found else ""
    return f"{platform.machine()}-{hashlib.blake2b(abilities.encode(), digest_size=4).hexdigest()}"
