"""CIFAR-10: 60 000 colour images of 32x32 pixels in 10 classes (Krizhevsky 2009, a technical report).

`load()` looks for the data in this order:

1. the folder given, or else the one named by the environment variable `BIASSAY_DATA`. It may hold the archive
   `cifar-10-python.tar.gz` or `cifar-10-binary.tar.gz`, or what they hold, `cifar-10-batches-py` or
   `cifar-10-batches-bin`;
2. without a folder: the cache of pooch, filled from `URL` when it is empty. This needs `pip install "biassay[data]"`
   and, the first time, a network. The archive's checksum is verified.

The batches of the Python version are pickles, and loading a pickle runs what it says. These are read by an unpickler
that knows the names which the format needs, each replaced by a stand-in that only holds bytes, and refuses all others.
Archives are never extracted: their members are read in one pass, to the end, where the archive's own checksum is.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from ..errors import UserError
from ._batch_pickles import ByteArray, load_pickle, one_line

CLASSES = 10
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"
"""Checksum of the archive at `URL`."""
VARIABLE = "BIASSAY_DATA"
"""The environment variable that names a folder with data sets."""

_PIXELS = 32 * 32 * 3
_LARGEST = 64 * 2**20
"""Bytes a batch may have; the real ones have 31 million."""
_LARGEST_ARCHIVE = 256 * 2**20
"""Bytes an archive may decompress to; the real ones have 186 million."""
_MEMBERS = 100
"""Members an archive may have; the real ones have 9."""
_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6)), ("test_batch",)
_LABELS = b"labels"


class Images(NamedTuple):
    """Images (n, 32, 32, 3) with values 0..255, and their labels 0..9, for training and for testing."""

    x: UInt8[np.ndarray, "n 32 32 3"]
    y: Int[np.ndarray, " n"]
    test_x: UInt8[np.ndarray, "m 32 32 3"]
    test_y: Int[np.ndarray, " m"]


def load(folder: str | Path | None = None) -> Images:
    """The images from `folder`, from the folder in `BIASSAY_DATA`, or from the cache (see the module).

    Raises:
        UserError: the folder holds no CIFAR-10, a file is not what it should be, pooch is missing, or the download
            failed.
    """
    named = folder or os.environ.get(VARIABLE)
    return read(_inside(Path(named).expanduser()) if named else download())


def download() -> Path:
    """The archive in the cache, fetched and verified when it is not there.

    Raises:
        UserError: pooch is missing, the cache cannot be written, the download failed, or the checksum is wrong.
    """
    or_else = f"or set {VARIABLE} to a folder that holds {Path(URL).name}"
    try:
        import pooch
    except ImportError:
        raise UserError(f"downloading CIFAR-10 needs pooch: pip install 'biassay[data]', {or_else}") from None
    cache = pooch.os_cache("biassay")
    try:
        return Path(pooch.retrieve(URL, f"md5:{MD5}", fname=Path(URL).name, path=cache))
    except ValueError as error:
        raise UserError(f"what {URL} sent has the wrong checksum: try again, {or_else} ({one_line(error)})") from None
    except PermissionError as error:
        raise UserError(
            f"the cache {cache} cannot be used: allow writing to it, {or_else} ({one_line(error)})"
        ) from None
    except OSError as error:
        raise UserError(f"{URL} could not be downloaded: connect to a network, {or_else} ({one_line(error)})") from None


def read(source: Path) -> Images:
    """The images in an archive (`.tar.gz`) or a folder of batches, of the Python or of the binary version.

    Raises:
        UserError: a batch is missing or not of its format.
    """
    if source.is_dir():
        binary = (source / f"{_BATCHES[1][0]}.bin").exists()
        return _all_batches(source, lambda name: _from_folder(source / name), binary)
    members = _from_archive(source)

    def member(name: str) -> bytes:
        if name not in members:
            raise UserError(f"{source} has no batch {name}")
        return members[name]

    return _all_batches(source, member, f"{_BATCHES[1][0]}.bin" in members)


def _inside(folder: Path) -> Path:
    names = ("cifar-10-batches-py", "cifar-10-python.tar.gz", "cifar-10-batches-bin", "cifar-10-binary.tar.gz")
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise UserError(f"{folder} holds no CIFAR-10: there must be one of {', '.join(names)}")


# --- bytes of a batch -------------------------------------------------------------------------------------------------


def _from_folder(file: Path) -> bytes:
    # What is no regular file, a device or a pipe, may never end.
    if file.exists() and not file.is_file():
        raise UserError(f"{file} is not a file")
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {one_line(error)}") from None
    if len(content) > _LARGEST:
        raise UserError(f"{file} is too large to be a batch of CIFAR-10")
    return content


class _Bounded:
    """A stream that refuses to give more than `most` bytes in all."""

    def __init__(self, stream: gzip.GzipFile, most: int, name: str) -> None:
        self._stream, self._left, self._name = stream, most, name

    def read(self, size: int) -> bytes:
        content = self._stream.read(min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise UserError(f"{self._name} is too large to be an archive of CIFAR-10")
        return content


def _from_archive(source: Path) -> dict[str, bytes]:
    """The contents of all batches, by their names, in one pass over the archive that reads it to its end."""
    wanted = {f"{name}{ending}" for names in _BATCHES for name in names for ending in ("", ".bin")}
    found: dict[str, bytes] = {}
    if not source.is_file():
        raise UserError(f"{source} is not a file")
    try:
        with gzip.open(source) as unpacked:
            stream = _Bounded(unpacked, _LARGEST_ARCHIVE, str(source))
            with tarfile.open(fileobj=stream, mode="r|") as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]
                for count, member in enumerate(archive):
                    if count >= _MEMBERS:
                        raise UserError(f"{source} has too many members to be an archive of CIFAR-10")
                    name = Path(member.name).name
                    if not member.isreg() or name not in wanted or name in found:
                        continue
                    if member.size > _LARGEST:
                        raise UserError(f"{name} in {source} is too large to be a batch of CIFAR-10")
                    data = archive.extractfile(member)
                    assert data is not None, "a regular member has data"
                    found[name] = data.read()
            while stream.read(2**20):  # gzip verifies its checksum at the end
                pass
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{source} cannot be read: {one_line(error)}") from None
    return found


# --- batches ----------------------------------------------------------------------------------------------------------


def _all_batches(source: Path, content: Callable[[str], bytes], binary: bool) -> Images:
    """Training and test images; `content` gives the bytes of the batch of that name."""

    def batches(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        parts = [
            _binary_batch(content(f"{name}.bin"), f"{source}: {name}.bin")
            if binary
            else _python_batch(content(name), f"{source}: {name}")
            for name in names
        ]
        # A row holds all red values, then green, then blue, each row by row.
        x = np.concatenate([data for data, _ in parts]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(x), np.concatenate([labels for _, labels in parts])

    train, test = map(batches, _BATCHES)
    return Images(*train, *test)


def _binary_batch(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one label and 3072 values, a byte each."""
    if not content or len(content) % (1 + _PIXELS):
        raise UserError(f"{where} is not a batch of CIFAR-10: {len(content)} bytes are not a number of images")
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + _PIXELS)
    return rows[:, 1:], _checked_labels(rows[:, 0].tolist(), where)


def _python_batch(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """A pickled dictionary with `data`, (n, 3072) bytes, and `labels`, a list of n numbers."""
    try:
        batch = load_pickle(content, _LARGEST)
    except UserError:
        raise
    except Exception as error:  # a broken pickle may raise anything
        raise UserError(f"{where} is not a batch of CIFAR-10: {one_line(error)}") from None
    if not isinstance(batch, dict) or not isinstance(batch.get(b"data"), ByteArray) or _LABELS not in batch:
        raise UserError(f"{where} is not a batch of CIFAR-10: it must be a dictionary with data and labels")
    data, labels = batch[b"data"].values(where), _checked_labels(batch[_LABELS], where)
    if data.ndim != 2 or data.shape[1] != _PIXELS or len(data) != len(labels):
        raise UserError(f"{where} is not a batch of CIFAR-10: data of shape {data.shape} for {len(labels)} labels")
    return data, labels


def _checked_labels(labels: Any, where: str) -> np.ndarray:
    whole = isinstance(labels, list) and all(type(label) is int for label in labels)
    if not whole or not all(0 <= label < CLASSES for label in labels):
        raise UserError(f"{where} is not a batch of CIFAR-10: a label is not one of 0..{CLASSES - 1}")
    return np.asarray(labels, np.int32)
