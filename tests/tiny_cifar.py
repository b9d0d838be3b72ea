"""CIFAR-10 with a few random images, in the formats of the real archives."""

import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np

Batches = dict[str, tuple[np.ndarray, np.ndarray]]
NAMES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def batches(seed: int, each: int) -> Batches:
    """For every batch `each` images as rows of 3072 bytes, and their labels."""
    rng = np.random.default_rng(seed)
    return {name: (rng.integers(0, 256, (each, 3072), np.uint8), rng.integers(0, 10, each)) for name in NAMES}


def old_numpy_pickle(x: np.ndarray, y: np.ndarray) -> bytes:
    """The batch as Python 2 and NumPy 1 wrote it: protocol 2, all strings byte strings.

    Assembled by hand from the opcodes, as no Python of today writes byte strings of Python 2.
    """

    def string(text: bytes) -> bytes:
        return pickle.SHORT_BINSTRING + bytes([len(text)]) + text if len(text) < 256 else (
            pickle.BINSTRING + struct.pack("<i", len(text)) + text
        )  # fmt: skip

    def number(value: int) -> bytes:
        return pickle.BININT + struct.pack("<i", value)

    def called(module: bytes, name: bytes, *arguments: bytes) -> bytes:
        function = pickle.GLOBAL + module + b"\n" + name + b"\n"
        return function + pickle.MARK + b"".join(arguments) + pickle.TUPLE + pickle.REDUCE

    def set_to(*state: bytes) -> bytes:
        return pickle.MARK + b"".join(state) + pickle.TUPLE + pickle.BUILD

    ndarray = pickle.GLOBAL + b"numpy\nndarray\n"
    empty = pickle.MARK + number(0) + pickle.TUPLE
    kind = called(b"numpy", b"dtype", string(b"u1"), number(0), number(1)) + set_to(
        number(3), string(b"|"), pickle.NONE, pickle.NONE, pickle.NONE, number(-1), number(-1), number(0)
    )
    shape = pickle.MARK + number(x.shape[0]) + number(x.shape[1]) + pickle.TUPLE
    data = called(b"numpy.core.multiarray", b"_reconstruct", ndarray, empty, string(b"b")) + set_to(
        number(1), shape, kind, pickle.NEWFALSE, string(x.tobytes())
    )
    labels = pickle.EMPTY_LIST + pickle.MARK + b"".join(number(int(label)) for label in y) + pickle.APPENDS
    items = string(b"batch_label") + string(b"training batch 1 of 5") + string(b"labels") + labels
    items += string(b"data") + data
    return pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.MARK + items + pickle.SETITEMS + pickle.STOP


def content(x: np.ndarray, y: np.ndarray, kind: str) -> bytes:
    """The batch as bytes: kind "old numpy", "new numpy" or "binary"."""
    if kind == "binary":
        return np.hstack([y.astype(np.uint8)[:, None], x]).tobytes()
    if kind == "new numpy":
        return pickle.dumps({b"labels": y.tolist(), b"data": x}, protocol=2)
    return old_numpy_pickle(x, y)


def write_folder(folder: Path, images: Batches, kind: str = "old numpy") -> None:
    """The batches as the files of an extracted archive in `folder`."""
    inner = folder / ("cifar-10-batches-bin" if kind == "binary" else "cifar-10-batches-py")
    inner.mkdir()
    for name, batch in images.items():
        (inner / f"{name}{'.bin' if kind == 'binary' else ''}").write_bytes(content(*batch, kind))


def write_archive(folder: Path, images: Batches, kind: str = "old numpy") -> None:
    """The batches as the archive in `folder`."""
    version, ending, suffix = ("binary", "bin", ".bin") if kind == "binary" else ("python", "py", "")
    with tarfile.open(folder / f"cifar-10-{version}.tar.gz", "w:gz") as archive:
        for name, batch in images.items():
            data = content(*batch, kind)
            member = tarfile.TarInfo(f"cifar-10-batches-{ending}/{name}{suffix}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
