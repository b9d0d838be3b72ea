"""The help of every command as the command prints it, in `docs/generated/help/`, for the page on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

COMMANDS = ("list", "run", "sweep", "runs", "report", "cite")


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "generated" / "help"
    folder.mkdir(parents=True, exist_ok=True)
    plain = {**os.environ, "COLUMNS": "88", "NO_COLOR": "1", "TERM": "dumb"}
    for command in COMMANDS:
        asked = [sys.executable, "-m", "biassay", command, "--help"]
        text = subprocess.run(asked, check=True, capture_output=True, encoding="utf-8", env=plain).stdout
        (folder / f"{command}.txt").write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}
