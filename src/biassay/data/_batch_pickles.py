"""The pickles of the batches of CIFAR, read without running what they say and without the memory they ask for.

Only the names that the format needs are known, each replaced by a stand-in that only holds bytes. Before that the
instructions are checked one by one, as a few bytes of a pickle can ask for gigabytes.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..errors import DataError

_INSTRUCTIONS = 500_000
"""Instructions a pickle may have; the real ones have some 40 thousand, and 200 thousand in CIFAR-100."""
_SHOWN = 80
"""Characters of a file's own words that are shown in an error."""


def load_pickle(content: bytes, most: int, kind: str) -> Any:
    """What the pickle `content` holds: numbers, strings, tuples, lists, dictionaries, and arrays as `ByteArray`.

    most: bytes that its encoded strings may have in all. kind: what it should be, such as "a batch of CIFAR-10".

    Raises:
        UserError: it asks for a name that the format does not need.
        Exception: of any kind, where it is broken or uses what the format does not.
    """
    _check_instructions(content)
    return _Unpickler(content, most, kind).load()


def _shown(words: Any) -> str:
    """What a file holds, as it is written in Python, cut short."""
    text = repr(words[:_SHOWN]) if isinstance(words, str | bytes) else f"a {type(words).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


# Each stand-in has a `__setstate__` of its own: without one a pickle could set attributes of what it names.


class ByteArray:
    """Stands in for a NumPy array, and for the function that makes one: keeps the state that the pickle gives it."""

    state: Any = None

    def __init__(self, *_: Any) -> None:
        """Type and shape come with the state."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def values(self, refusal: str) -> np.ndarray:
        """The array, if it holds bytes; an error that starts with `refusal` otherwise."""
        try:
            _, shape, kind, columns_first, raw = self.state
            whole = isinstance(kind, _Bytes) and isinstance(raw, bytes) and not columns_first
            return np.frombuffer(raw if whole else b"", np.uint8).reshape(shape)
        except (TypeError, ValueError):
            raise DataError(f"{refusal}: its data are no array of bytes") from None


class _Bytes:
    """Stands in for the NumPy type of one byte, the only one allowed."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in (b"u1", "u1"):
            raise pickle.UnpicklingError(f"it holds numbers of type {_shown(code)}")

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like: without meaning for bytes."""


class _Encode:
    """Stands in for `codecs.encode`, by which Python 3 writes bytes into a pickle that Python 2 can read.

    One string may be encoded again and again: all results together have at most `most` bytes.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    def __call__(self, text: Any, encoding: Any) -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise pickle.UnpicklingError("it encodes something else than bytes")
        self._left -= len(text)
        if self._left < 0:
            raise pickle.UnpicklingError("it is larger than its file")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("bytes have no state")


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): ByteArray,
    ("numpy._core.multiarray", "_reconstruct"): ByteArray,
    ("numpy", "ndarray"): ByteArray,
    ("numpy", "dtype"): _Bytes,
}

# What builds numbers, strings, tuples, lists and dictionaries, calls a name, and sets the state of what it made.
_ALLOWED = {
    *("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE"),
    *("INT", "BININT", "BININT1", "BININT2", "LONG1", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "LIST", "APPEND", "APPENDS"),
    *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    *("GET", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
}


def _check_instructions(content: bytes) -> None:
    """Raises `UnpicklingError` or `ValueError` unless the pickle `content` has few, known, complete instructions.

    The reader reserves the places of its memo up to the largest index, so that this must not exceed their number.
    """
    for count, (code, argument, _) in enumerate(pickletools.genops(content)):
        if code.name not in _ALLOWED:
            raise pickle.UnpicklingError(f"it uses the instruction {code.name}, which the format does not need")
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > _INSTRUCTIONS:
            raise pickle.UnpicklingError(f"it remembers something at place {argument}")
        if count >= _INSTRUCTIONS:
            raise pickle.UnpicklingError("it has too many instructions")


class _Unpickler(pickle.Unpickler):
    """Builds numbers, strings, lists, dictionaries and the stand-ins; every other name is refused."""

    def __init__(self, content: bytes, most: int, kind: str) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._names = _STAND_INS | {("_codecs", "encode"): _Encode(most)}
        self._kind = kind

    def find_class(self, module: str, name: str, /) -> Any:
        return self._names.get((module, name)) or self._refuse(f"{module}.{name}")

    def _refuse(self, name: str) -> NoReturn:
        raise DataError(f"{self._kind} asks for {_shown(name)}, which the format does not need: do not trust this file")
