"""CIFAR-10: 60 000 colour images of 32x32 pixels in 10 classes (Krizhevsky 2009, a technical report).

`load()` looks for the data in this order:

1. the folder given, or else the one named by the environment variable `BIASSAY_DATA`. It may hold the archive
   `cifar-10-python.tar.gz` or `cifar-10-binary.tar.gz`, or what they hold, `cifar-10-batches-py` or
   `cifar-10-batches-bin`;
2. without a folder: the cache of pooch, filled from `URL` when it is empty. This needs `pip install "biassay[data]"`
   and, the first time, a network. The archive's checksum is verified.

The batches of the Python version are pickles, and loading a pickle runs what it says. These are read by an unpickler
that knows the names which the format needs, each replaced by a stand-in that only holds bytes, and refuses all others.
Archives are never extracted: single members are read by their names.
"""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from jaxtyping import Int, UInt8

from ..errors import UserError

CLASSES = 10
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"
"""Checksum of the archive at `URL`."""
VARIABLE = "BIASSAY_DATA"
"""The environment variable that names a folder with data sets."""

_PIXELS = 32 * 32 * 3
_LARGEST = 64 * 2**20
"""Bytes a batch may have; the real ones have 31 million."""
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
    return read(_inside(Path(named)) if named else download())


def download() -> Path:
    """The archive in the cache, fetched and verified when it is not there.

    Raises:
        UserError: pooch is missing, the download failed, or the checksum is wrong.
    """
    or_else = f"or set {VARIABLE} to a folder that holds {Path(URL).name}"
    try:
        import pooch
    except ImportError:
        raise UserError(f"downloading CIFAR-10 needs pooch: pip install 'biassay[data]', {or_else}") from None
    try:
        return Path(pooch.retrieve(URL, f"md5:{MD5}", fname=Path(URL).name, path=pooch.os_cache("biassay")))
    except ValueError as error:
        raise UserError(f"what {URL} sent has the wrong checksum: try again, {or_else} ({_line(error)})") from None
    except OSError as error:
        raise UserError(f"{URL} could not be downloaded: connect to a network, {or_else} ({_line(error)})") from None


def read(source: Path) -> Images:
    """The images in an archive (`.tar.gz`) or a folder of batches, of the Python or of the binary version.

    Raises:
        UserError: a batch is missing or not of its format.
    """
    if source.name.startswith("cifar-10-batches") or source.is_dir():
        return _all_batches(source, lambda name: _from_folder(source / name))
    try:
        with tarfile.open(source) as archive:
            return _all_batches(source, lambda name: _from_archive(archive, name))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{source} cannot be read: {_line(error)}") from None


def _inside(folder: Path) -> Path:
    names = ("cifar-10-batches-py", "cifar-10-python.tar.gz", "cifar-10-batches-bin", "cifar-10-binary.tar.gz")
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise UserError(f"{folder} holds no CIFAR-10: there must be one of {', '.join(names)}")


# --- bytes of a batch -------------------------------------------------------------------------------------------------


def _from_folder(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST:
            raise UserError(f"{file} is too large to be a batch of CIFAR-10")
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {_line(error)}") from None


def _from_archive(archive: tarfile.TarFile, name: str) -> bytes:
    member = next((one for one in archive if one.isreg() and Path(one.name).name == name), None)
    if member is None:
        raise UserError(f"{archive.name} has no batch {name}")
    if member.size > _LARGEST:
        raise UserError(f"{name} in {archive.name} is too large to be a batch of CIFAR-10")
    data = archive.extractfile(member)
    assert data is not None, "a regular member has data"
    return data.read()


# --- batches ----------------------------------------------------------------------------------------------------------


def _all_batches(source: Path, content: Callable[[str], bytes]) -> Images:
    """Training and test images; `content` gives the bytes of the batch of that name."""
    binary = ("-bin" in source.name) or (source.is_dir() and (source / "test_batch.bin").exists())

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
    return rows[:, 1:], _checked_labels(rows[:, 0], where)


def _python_batch(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """A pickled dictionary with `data`, (n, 3072) bytes, and `labels`, a list of n numbers."""
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except UserError:
        raise
    except Exception as error:  # a broken pickle may raise anything
        raise UserError(f"{where} is not a batch of CIFAR-10: {_line(error)}") from None
    if not isinstance(batch, dict) or not isinstance(batch.get(b"data"), _Array) or _LABELS not in batch:
        raise UserError(f"{where} is not a batch of CIFAR-10: it must be a dictionary with data and labels")
    data, labels = batch[b"data"].values(where), _checked_labels(batch[_LABELS], where)
    if data.ndim != 2 or data.shape[1] != _PIXELS or len(data) != len(labels):
        raise UserError(f"{where} is not a batch of CIFAR-10: data of shape {data.shape} for {len(labels)} labels")
    return data, labels


def _checked_labels(labels: Any, where: str) -> np.ndarray:
    whole = isinstance(labels, list | np.ndarray) and all(isinstance(label, int | np.integer) for label in labels)
    if not whole or not all(0 <= label < CLASSES for label in labels):
        raise UserError(f"{where} is not a batch of CIFAR-10: a label is not one of 0..{CLASSES - 1}")
    return np.asarray(labels, np.int32)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


# --- pickles ----------------------------------------------------------------------------------------------------------


# Each stand-in has a `__setstate__` of its own: without one a pickle could set attributes of what it names.


class _Array:
    """Stands in for a NumPy array, and for the function that makes one: keeps the state that the pickle gives it."""

    state: Any = None

    def __init__(self, *_: Any) -> None:
        """Type and shape come with the state."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def values(self, where: str) -> np.ndarray:
        """The array, if it holds bytes."""
        try:
            _, shape, kind, columns_first, raw = self.state
            whole = isinstance(kind, _Bytes) and isinstance(raw, bytes) and not columns_first
            return np.frombuffer(raw if whole else b"", np.uint8).reshape(shape)
        except (TypeError, ValueError):
            raise UserError(f"{where} is not a batch of CIFAR-10: its data are no array of bytes") from None


class _Bytes:
    """Stands in for the NumPy type of one byte, the only one allowed."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in (b"u1", "u1"):
            raise pickle.UnpicklingError(f"it holds numbers of type {code!r}")

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like: without meaning for bytes."""


class _Encoded:
    """Stands in for `codecs.encode`, by which Python 3 writes bytes into a pickle that Python 2 can read."""

    def __new__(cls, text: Any, encoding: Any) -> Any:
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise pickle.UnpicklingError("it encodes something else than bytes")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("bytes have no state")


_STAND_INS: dict[tuple[str, str], type] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Bytes,
    ("_codecs", "encode"): _Encoded,
}


class _Unpickler(pickle.Unpickler):
    """Builds numbers, strings, lists, dictionaries and the stand-ins; every other name is refused."""

    def find_class(self, module: str, name: str, /) -> Any:
        return _STAND_INS.get((module, name)) or self._refuse(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to something outside itself")

    def _refuse(self, name: str) -> NoReturn:
        raise UserError(f"a batch of CIFAR-10 asks for {name}, which the format does not need: do not trust this file")
