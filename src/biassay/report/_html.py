"""HTML that is escaped by construction: `fill` escapes every part that is not itself `Html`."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def join(parts: Iterable[Html], between: str = "") -> Html:
    """The parts one after the other; `between` is HTML."""
    return Html(between.join(parts))


def fill(template: str, **parts: object) -> Html:
    """`template` with every `{name}` replaced by its part, escaped unless it is `Html`."""
    safe = {key: part if isinstance(part, Html) else html.escape(str(part)) for key, part in parts.items()}
    return Html(template.format_map(safe))


def script_json(data: Any) -> Html:
    """`data` as JSON that can stand inside a script element.

    Raises:
        ValueError: a number is not finite.
    """
    return Html(json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))
