"""The architecture as a test: imports go downward only and never in a circle, and what must be light loads no JAX."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import biassay

PACKAGE = Path(biassay.__file__).parent

LAYERS = (
    ("__main__",),
    ("cli",),
    ("cli_sweep", "cli_runs"),
    ("terminal",),
    ("__init__",),
    ("sweeps",),
    ("runs",),
    ("report",),
    ("found", "export", "pruning"),
    ("side_by_side",),
    ("store",),
    ("filters",),
    ("index",),
    ("_entries",),
    ("assays",),
    ("simulation",),
    ("_checkpoints", "_rectangle"),
    ("_identity",),
    ("_strategy",),
    ("_lanes",),
    ("_devices",),
    ("stability", "complexity"),
    ("probes", "references", "models", "data"),
    ("dynamics",),
    ("problem",),
    ("assay",),
    ("claims", "figures"),
    ("configs", "citations", "_layout"),
    ("workers",),
    ("errors", "_atomic"),
)
"""From the top to the bottom, folders as one name. A module imports from the layers below its own, or its own folder;
names that share a layer do not know each other. What is below `problem` knows no JAX."""

WITHOUT_JAX = (
    "claims",
    "figures",
    "cli",
    "cli_sweep",
    "cli_runs",
    "pruning",
    "workers",
    "terminal",
    "assays",
    "citations",
    "configs",
    "errors",
    "index",
    "store",
)


def modules() -> dict[str, Path]:
    """Every module of the package: dotted name below `biassay` ("__init__" for the package itself) -> its file."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)] = file
    return found


def imports(name: str, source: str, known: Mapping[str, Path]) -> Iterator[str]:
    """The modules of the package that module `name` imports, wherever in its source it does so."""
    file = known.get(name)
    folder = name.split(".") if file is not None and file.name == "__init__.py" else name.split(".")[:-1]
    folder = [part for part in folder if part != "__init__"]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ["biassay", *folder[: len(folder) - node.level + 1]] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            targets = [(module, alias.name) for alias in node.names]
        else:
            continue
        for module, member in targets:
            root, _, inside = module.partition(".")
            if root != "biassay":
                continue
            submodule = f"{inside}.{member}" if inside else member
            yield submodule if submodule in known else inside or "__init__"


def depth(name: str) -> int:
    """The layer of a module, 0 at the top."""
    top = name.split(".")[0]
    for level, names in enumerate(LAYERS):
        if top in names:
            return level
    raise AssertionError(f"biassay.{name} has no layer: give it a place in LAYERS of {Path(__file__).name}")


def upward(graph: Mapping[str, set[str]]) -> list[str]:
    """Every import that does not go down, as a sentence."""
    return [
        f"biassay.{name} imports biassay.{target}, which is {'beside' if depth(name) == depth(target) else 'above'} it"
        for name, targets in graph.items()
        for target in sorted(targets)
        if depth(target) <= depth(name) and target.split(".")[0] != name.split(".")[0]
    ]


def graph() -> dict[str, set[str]]:
    """Module -> the modules of the package it imports."""
    known = modules()
    return {name: set(imports(name, file.read_text("utf-8"), known)) for name, file in known.items()}


def test_imports_go_downward_only() -> None:
    found = graph()
    assert {"problem", "dynamics"} <= found["_lanes"], "the imports of a module known to have some were not found"
    assert not upward(found), "\n".join(upward(found))


@pytest.mark.parametrize(
    ("name", "source", "target"),
    [
        ("problem", "from .simulation import simulate", "simulation"),
        ("claims", "from biassay import simulation", "simulation"),
        ("dynamics._base", "from .. import _lanes", "_lanes"),
        ("dynamics._base", "def f():\n    import biassay.runs", "runs"),
        ("probes._norms", "from ..references.interpolators import pinv", "references"),
        ("simulation", "from . import simulate", "__init__"),
    ],
)
def test_an_upward_import_is_caught(name: str, source: str, target: str) -> None:
    known = modules() | dict.fromkeys(["runs", "probes._norms"], PACKAGE / "made_up.py")
    found = set(imports(name, source, known))
    assert len(found) == 1
    (sentence,) = upward({name: found})
    assert sentence.startswith(f"biassay.{name} imports biassay.{target}")


def test_a_module_without_a_layer_is_caught() -> None:
    with pytest.raises(AssertionError, match="utils has no layer"):
        upward({"utils": {"problem"}})


def test_nothing_imports_in_a_circle() -> None:
    TopologicalSorter(graph()).prepare()
    with pytest.raises(CycleError):
        TopologicalSorter({"dynamics._a": {"dynamics._b"}, "dynamics._b": {"dynamics._a"}}).prepare()


def loads_jax(module: str) -> bool:
    """Whether a fresh interpreter has JAX after importing `module`."""
    code = f"import sys, {module}; print('jax' in sys.modules)"
    asked = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return asked.stdout.strip() == "True"


@pytest.mark.parametrize("name", WITHOUT_JAX)
def test_light_modules_import_no_jax(name: str) -> None:
    assert not loads_jax(f"biassay.{name}")


def test_the_engine_does_import_jax() -> None:
    assert loads_jax("biassay.simulation")


AFTERWARDS = {"claims": "CLAIMS", "figures": "figures", "text": "MATHEMATICS"}
"""Files of an assay that only speak of its data: the store keeps the data when they change. -> what they hand on.
An assay of many parts has a file for each, `claims_part.py`, which only files of this kind may import."""


def leaks(source: str, name: str) -> list[str]:
    """What the file `name` of an assay's folder takes from a file that must not change the data."""
    if name.split("_")[0] in AFTERWARDS:
        return []
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            for alias in node.names:
                module = node.module or alias.name
                handed = AFTERWARDS.get(module.split("_")[0])
                if handed and not (name == "__init__" and node.module in AFTERWARDS and alias.name == handed):
                    found.append(f"{node.module or ''}.{alias.name}")
    return found


@pytest.mark.parametrize("file", sorted((PACKAGE / "assays").glob("*/*.py")), ids=lambda file: f"{file.parent.name}")
def test_an_experiment_knows_nothing_of_its_claims_and_figures(file: Path) -> None:
    assert not leaks(file.read_text("utf-8"), file.stem)


def test_an_experiment_that_knows_its_claims_is_caught() -> None:
    assert leaks("from .claims import PAIRS", "runs") == ["claims.PAIRS"]
    assert leaks("from .claims import CLAIMS, PAIRS", "__init__") == ["claims.PAIRS"]
    assert leaks("from . import figures", "__init__") == [".figures"]
    assert leaks("from .claims_drift import CLAIMS", "__init__") == ["claims_drift.CLAIMS"]
    assert not leaks("from .claims_drift import CLAIMS", "claims")
    assert not leaks("from .claims import CLAIMS", "__init__")
    assert not leaks("from .claims import returned", "figures")
