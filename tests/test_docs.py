"""The documentation builds without a warning, names every public symbol, and asks nothing of the network."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import zlib
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

import biassay
from biassay.assays import CATALOGUE

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NOT_A_LIBRARY = ("biassay.cli", "biassay.terminal", "biassay.assays.")
"""The command line has a page of its own, and so has every assay."""


def public_modules() -> list[ModuleType]:
    """Every module of the package without an underscore in its path."""
    names = [info.name for info in pkgutil.walk_packages(biassay.__path__, "biassay.")]
    return [
        importlib.import_module(name)
        for name in names
        if not name.startswith(NOT_A_LIBRARY) and not any(part.startswith("_") for part in name.split("."))
    ]


def public_symbols(module: ModuleType) -> dict[str, set[str]]:
    """Every public class and function of a module -> the names it may be documented under."""
    found = {}
    for name, member in vars(module).items():
        if name.startswith("_") or not (inspect.isclass(member) or inspect.isfunction(member)):
            continue
        home = member.__module__
        if home == module.__name__ or home.startswith(f"{module.__name__}._"):
            names = {f"{module.__name__}.{name}", f"{home}.{member.__qualname__}"}
            found[f"{module.__name__}.{name}"] = names | ({f"biassay.{name}"} if name in biassay.__all__ else set())
    return found


def missing(symbols: dict[str, set[str]], documented: Iterable[str]) -> list[str]:
    """The symbols documented under none of their names."""
    known = set(documented)
    return sorted(symbol for symbol, names in symbols.items() if not names & known)


def inventory(file: Path) -> set[str]:
    """The names in a Sphinx inventory."""
    lines = zlib.decompress(file.read_bytes().split(b"\n", 4)[4]).decode().splitlines()
    return {line.split(" ", 1)[0] for line in lines if " py:" in line}


class Requests(HTMLParser):
    """Collects what a browser would fetch from the network to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        asked = [given.get("src"), given.get("href") if tag == "link" else None]
        self.found += [address for address in asked if address and re.match(r"(https?:)?//", address)]


def requests(page: str) -> list[str]:
    """What the HTML or CSS `page` fetches from the network."""
    parser = Requests()
    parser.feed(page)
    return parser.found + re.findall(r"""(?:@import\s+["']|url\(["']?)((?:https?:)?//[^"')]+)""", page)


def test_the_documentation_is_strict_complete_and_local(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", DOCS, tmp_path]
    built = subprocess.run(build, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr

    documented = inventory(tmp_path / "objects.inv")
    assert not missing({name: {f"biassay.{name}"} for name in biassay.__all__}, documented)
    for module in public_modules():
        assert not missing(public_symbols(module), documented)

    pages = [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.css")]
    assert {page.stem for page in (tmp_path / "generated" / "assays").glob("*.html")} == set(CATALOGUE)
    assert {str(page): requests(page.read_text("utf-8")) for page in pages if requests(page.read_text("utf-8"))} == {}
    assert "<math" in (tmp_path / "engine.html").read_text("utf-8")


def test_the_readme_names_every_assay() -> None:
    named = set(re.findall(r"^\| `([a-z-]+)` \| .* \| .* \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    assert set(CATALOGUE) <= named


def test_a_missing_symbol_is_caught() -> None:
    symbols = public_symbols(importlib.import_module("biassay.claims"))
    assert "biassay.claims.Claim" in symbols
    assert missing(symbols, set(symbols) - {"biassay.claims.Claim"}) == ["biassay.claims.Claim"]


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example/mathjax.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/a.css">',
        "body { background: url(https://pictures.example/a.png) }",
        '@import "https://fonts.example/a.css";',
    ],
)
def test_a_request_is_caught(page: str) -> None:
    assert len(requests(page)) == 1
    assert not requests('<a href="https://papers.example">a link is followed by the reader, not by the browser</a>')
