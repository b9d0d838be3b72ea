"""Files and archives of data sets, read without trust: an archive is never extracted, and nothing is read that is
larger than it can be."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError

_SHOWN = 240
"""Characters of an error that are shown."""


class Limits(NamedTuple):
    """What a data set is called in errors, and how large its files may be."""

    kind: str
    """The data set, such as "CIFAR-10"."""
    part: str
    """One of its files, such as "a batch of CIFAR-10"."""
    largest: int
    """Bytes a file may have."""
    whole: int
    """Bytes an archive may decompress to."""
    members: int
    """Members an archive may have."""


def one_line(error: BaseException) -> str:
    """What an error says, or its name where it says nothing, in one short line that a terminal can show."""
    words = " ".join(str(error).split()) or type(error).__name__
    return printable(words)


def printable(words: str) -> str:
    """`words` cut short, with a question mark for what a terminal would take for a command."""
    return "".join(letter if letter.isprintable() else "?" for letter in words[:_SHOWN])


def content(file: Path, limits: Limits) -> bytes:
    """The bytes of a regular file.

    Raises:
        UserError: it is a device, a pipe or a folder, it cannot be read, or it is too large.
    """
    # What is no regular file, a device or a pipe, may never end.
    if file.exists() and not file.is_file():
        raise DataError(f"{file} is not a file")
    try:
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size  # as `read` takes the memory for what it may read
            found = stream.read(min(size, limits.largest) + 1)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {one_line(error)}") from None
    if len(found) > limits.largest:
        raise DataError(f"{file} is too large to be {limits.part}")
    return found


class _Bounded:
    """A stream that refuses to give more than `most` bytes in all."""

    def __init__(self, stream: gzip.GzipFile, most: int, refusal: str) -> None:
        self._stream, self._left, self._refusal = stream, most, refusal

    def read(self, size: int) -> bytes:
        found = self._stream.read(min(size, self._left + 1))
        self._left -= len(found)
        if self._left < 0:
            raise DataError(self._refusal)
        return found


def archived(
    source: Path, limits: Limits, wanted: Callable[[tarfile.TarInfo], bool]
) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """The wanted regular members of a `.tar.gz` with their contents, in one pass that reads it to its end.

    Raises:
        UserError: it is not such an archive, it is damaged, or it or a wanted member is too large.
    """
    if not source.is_file():
        raise DataError(f"{source} is not a file")
    try:
        with gzip.open(source) as unpacked:
            stream = _Bounded(unpacked, limits.whole, f"{source} is too large to be an archive of {limits.kind}")
            with tarfile.open(fileobj=stream, mode="r|") as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]
                for count, member in enumerate(archive):
                    if count >= limits.members:
                        raise DataError(f"{source} has too many members to be an archive of {limits.kind}")
                    if not wanted(member) or not member.isreg():
                        continue
                    if member.size > limits.largest:
                        name = printable(Path(member.name).name)
                        raise DataError(f"{name} in {source} is too large to be {limits.part}")
                    data = archive.extractfile(member)
                    assert data is not None, "a regular member has data"
                    yield member, data.read()
                    archive.members.clear()  # it would keep a record of each of 270 thousand
            while stream.read(2**20):  # gzip verifies its checksum at the end
                pass
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{source} cannot be read: {one_line(error)}") from None
