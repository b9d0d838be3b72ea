"""Docstrings are plain text with `code`; what reStructuredText would take for markup is escaped outside of the code."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(`+[^`]+`+)")
_MARKUP = re.compile(r"([*|\\]|_\b|_(?=\W|$))")


def escaped(line: str) -> str:
    """`line` with every `*`, `|`, backslash and trailing underscore outside of backticks escaped."""
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\1", part) for part in _CODE.split(line))


def _escape(app: Sphinx, what: str, name: str, object_: object, options: object, lines: list[str]) -> None:
    """Lists and literal blocks are none of our docstrings' habits, so a line is a line of prose."""
    text = re.sub(r"`[^`]+`", lambda code: " ".join(code[0].split()), "\n".join(lines))
    lines[:] = [escaped(line) for line in text.splitlines()]


def setup(app: Sphinx) -> dict[str, Any]:
    # Before napoleon, which writes markup of its own.
    app.connect("autodoc-process-docstring", _escape, priority=100)
    return {"parallel_read_safe": True}
