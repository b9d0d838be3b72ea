"""What CIFAR-10 and CIFAR-100 share: batches of images of 32x32 pixels, as pickles or as rows of bytes.

The batches of the Python version are pickles, and loading a pickle runs what it says. These are read by an unpickler
that knows the names which the format needs, each replaced by a stand-in that only holds bytes, and refuses all others.
Archives are never extracted: their members are read in one pass, to the end, where the archive's own checksum is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError
from ._batch_pickles import ByteArray, load_pickle
from ._files import Limits, archived, content, one_line
from .images import Images

_PIXELS = 32 * 32 * 3


class Format(NamedTuple):
    """What tells the two apart."""

    limits: Limits
    sources: tuple[str, ...]
    """The folders and archives that hold it, the first that is there being read."""
    train: tuple[str, ...]
    """Names of the batches for training."""
    test: str
    """Name of the batch for testing."""
    labels: bytes
    """Where a pickle has the labels."""
    label_bytes: int
    """Bytes before the pixels of a row of the binary version; the last of them is the label."""
    classes: int


def find(folder: Path, form: Format) -> Path:
    """The first of the format's sources in `folder`."""
    for name in form.sources:
        if (folder / name).exists():
            return folder / name
    raise DataError(f"{folder} holds no {form.limits.kind}: there must be one of {', '.join(form.sources)}")


def read(source: Path, form: Format) -> Images:
    """The images in an archive (`.tar.gz`) or a folder of batches, of the Python or of the binary version."""
    if source.is_dir():
        binary = (source / f"{form.test}.bin").exists()
        return _all_batches(source, lambda name: content(source / name, form.limits), binary, form)
    wanted = {f"{name}{ending}" for name in (*form.train, form.test) for ending in ("", ".bin")}
    members: dict[str, bytes] = {}
    for member, data in archived(source, form.limits, lambda member: Path(member.name).name in wanted - set(members)):
        members[Path(member.name).name] = data

    def batch(name: str) -> bytes:
        if name not in members:
            raise DataError(f"{source} has no batch {name}")
        return members[name]

    return _all_batches(source, batch, f"{form.test}.bin" in members, form)


def _all_batches(source: Path, batch: Callable[[str], bytes], binary: bool, form: Format) -> Images:
    """Training and test images; `batch` gives the bytes of the batch of that name."""

    def batches(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        parts = [
            binary_batch(batch(f"{name}.bin"), f"{source}: {name}.bin", form)
            if binary
            else python_batch(batch(name), f"{source}: {name}", form)
            for name in names
        ]
        # A row holds all red values, then green, then blue, each row by row.
        x = np.concatenate([data for data, _ in parts]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(x), np.concatenate([labels for _, labels in parts])

    return Images(*batches(form.train), *batches((form.test,)))


def binary_batch(data: bytes, where: str, form: Format) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the label's bytes and 3072 values, a byte each."""
    row = form.label_bytes + _PIXELS
    if not data or len(data) % row:
        raise DataError(f"{where} is not {form.limits.part}: {len(data)} bytes are not a number of images")
    rows = np.frombuffer(data, np.uint8).reshape(-1, row)
    return rows[:, form.label_bytes :], _checked_labels(rows[:, form.label_bytes - 1].tolist(), where, form)


def python_batch(pickled: bytes, where: str, form: Format) -> tuple[np.ndarray, np.ndarray]:
    """A pickled dictionary with `data`, (n, 3072) bytes, and labels, a list of n numbers."""
    refusal = f"{where} is not {form.limits.part}"
    try:
        batch = load_pickle(pickled, form.limits.largest, form.limits.part)
    except DataError:
        raise
    except Exception as error:  # a broken pickle may raise anything
        raise DataError(f"{refusal}: {one_line(error)}") from None
    if not isinstance(batch, dict) or not isinstance(batch.get(b"data"), ByteArray) or form.labels not in batch:
        raise DataError(f"{refusal}: it must be a dictionary with data and {form.labels.decode().replace('_', ' ')}")
    data, labels = batch[b"data"].values(refusal), _checked_labels(batch[form.labels], where, form)
    if data.ndim != 2 or data.shape[1] != _PIXELS or len(data) != len(labels):
        raise DataError(f"{refusal}: data of shape {data.shape} for {len(labels)} labels")
    return data, labels


def _checked_labels(labels: Any, where: str, form: Format) -> np.ndarray:
    whole = isinstance(labels, list) and all(type(label) is int for label in labels)
    if not whole or not all(0 <= label < form.classes for label in labels):
        raise DataError(f"{where} is not {form.limits.part}: a label is not one of 0..{form.classes - 1}")
    return np.asarray(labels, np.int32)
