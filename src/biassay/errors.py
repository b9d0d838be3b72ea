"""The mistakes a user can make, each told in one line: what was wrong, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake of the user. Its text is one line; the command line prints it and exits with 2."""


class StoreError(UserError):
    """A file of the store that cannot be read or written. Its text names the file and what to do."""


class DataError(UserError):
    """A data set that is not there, cannot be fetched, or is not what it should be. Its text says what to do."""


def nearest(word: str, words: Iterable[str]) -> str:
    """The start of an error about an unknown `word`: the nearest of `words`, or all of them when none is near."""
    known = sorted(words)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"it is one of {', '.join(known)}"
