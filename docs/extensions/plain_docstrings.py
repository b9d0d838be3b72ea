"""Docstrings are plain text with `code`, sections and lists of `name: text`; this makes them reStructuredText."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(`+[^`]+`+)")
_ENTRY = re.compile(r"(\w+(?:, \w+)*): (?=\S)")
_MARKUP = re.compile(r"([*|\\]|_\b|_(?=\W|$))")


def escaped(line: str) -> str:
    """`line` with every `*`, `|`, backslash and trailing underscore outside of backticks escaped."""
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\1", part) for part in _CODE.split(line))


def listed(paragraph: str) -> str:
    """A paragraph of entries, `name: text` with indented continuation lines, as a list; any other as it is."""
    entries = re.split(r"\n(?=\S)", paragraph)
    if len(entries) < 2 or not all(_ENTRY.match(entry) for entry in entries):
        return paragraph
    return "\n".join(_ENTRY.sub(r"- `\1`: ", " ".join(entry.split())) for entry in entries)


def _rewrite(app: Sphinx, what: str, name: str, object_: object, options: object, lines: list[str]) -> None:
    text = re.sub(r"`[^`]+`", lambda code: " ".join(code[0].split()), "\n".join(lines))
    text = "\n\n".join(map(listed, text.split("\n\n")))
    lines[:] = [escaped(line) for line in text.splitlines()]


def setup(app: Sphinx) -> dict[str, Any]:
    # Before napoleon, which writes markup of its own.
    app.connect("autodoc-process-docstring", _rewrite, priority=100)
    return {"parallel_read_safe": True}
