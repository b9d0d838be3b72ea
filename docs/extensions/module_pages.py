"""The public modules of a folder of the package as a list of `automodule`s, in `docs/generated/modules/`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

FOLDERS = ("references", "models", "data")


def modules(folder: str) -> str:
    """An `automodule` for the folder itself and for every module in it without an underscore, in Markdown.

    A function that the folder hands on is documented once, in its module.
    """
    package = import_module(f"biassay.{folder}")
    names = [info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")]
    lines = [f".. automodule:: biassay.{folder}"]
    lines += [f".. automodule:: biassay.{folder}.{name}\n   :members:" for name in names]
    return "```{eval-rst}\n" + "\n".join(lines) + "\n```\n"


def _write(app: Sphinx) -> None:
    pages = Path(app.srcdir) / "generated" / "modules"
    pages.mkdir(parents=True, exist_ok=True)
    for folder in FOLDERS:
        (pages / f"{folder}.md").write_text(modules(folder), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}
