"""CINIC-10: 270 000 colour images of 32x32 pixels in the 10 classes of CIFAR-10, from CIFAR-10 and ImageNet (Darlow,
Crowley, Antoniou and Storkey 2018, arXiv 1810.03505), in three equal parts: train, valid and test.

`load()` looks for the data in this order:

1. the folder given, or else the one named by the environment variable `BIASSAY_DATA`: what an earlier call decoded,
   `cinic-10.npz`; the pictures as `CINIC-10/PART/CLASS/NAME.png` or `PART/CLASS/NAME.png`; the archive
   `CINIC-10.tar.gz`;
2. without a folder: the user's cache, filled from `URL` when it is empty. `URL` and `MD5` were written down from
   memory and have not been checked against the server: if either is wrong the download is refused.

The pictures need `pip install "biassay[data]"`, and are decoded once: the bytes of all, 829 MB, are kept beside them
in `cinic-10.npz`, which is whole or not there. Where the folder cannot be written they are decoded each time. The
archive is not extracted; one with a link or a name outside of it is refused.
"""

from __future__ import annotations

import re
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

import numpy as np

from .._atomic import replaced
from ..errors import DataError
from ._download import Source, downloaded
from ._files import Limits, archived, content, one_line, printable
from ._folder import named
from ._pictures import decoded, need_pillow, opened
from .images import Images

CLASSES = 10
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""Of the classes, in the order of their labels."""
MEAN, DEVIATION = (0.47889522, 0.47227842, 0.43047404), (0.24205776, 0.23828046, 0.25874835)
"""Of each colour on the raw scale [0, 1], as the authors of the data set give them."""
URL = "https://datashare.ed.ac.uk/bitstream/handle/10283/3192/CINIC-10.tar.gz"
MD5 = "6ee4d0c996905fe93221de577967a372"
"""Checksum of the archive at `URL`."""

Part: TypeAlias = Literal["train", "valid", "test"]
_PARTS = ("train", "valid", "test")
_LIMITS = Limits("CINIC-10", "a picture of CINIC-10", largest=2**16, whole=2 * 2**30, members=300_000)
_DECODED = "cinic-10.npz"
_LARGEST_DECODED = 2**30
_PICTURE = re.compile(rf"({'|'.join(_PARTS)})/({'|'.join(NAMES)})/([^./][^/]*\.png)")

_Decoded: TypeAlias = dict[str, np.ndarray]
"""x and y of each part, by names such as train_x."""


def load(folder: str | Path | None = None, part: Part = "train") -> Images:
    """Images for training, from `part`, and for testing, from the test part (see the module).

    The labels are the places of the classes in `NAMES`; the images of a part are in the order of their classes, and in
    a class of their files' names.

    Raises:
        UserError: the folder holds no CINIC-10, a file is not what it should be, pooch or Pillow is missing, or the
            download failed.
        ValueError: an unknown part.
    """
    if part not in _PARTS:
        raise ValueError(f"part must be one of {', '.join(_PARTS)}, got {part!r}")
    place = named(folder)
    if place is None:
        archive = download()
        kept, source = archive.with_name(_DECODED), archive
    else:
        kept, source = place / _DECODED, None
    if kept.exists():
        arrays = _kept(kept, {part, "test"})
    else:
        arrays = _decode(source or _find(kept.parent))
        _keep(kept, arrays)
    return Images(arrays[f"{part}_x"], arrays[f"{part}_y"], arrays["test_x"], arrays["test_y"])


def download() -> Path:
    """The archive in the cache, fetched and verified when it is not there.

    Raises:
        UserError: pooch is missing, the cache cannot be written, the download failed, or the checksum is wrong.
    """
    return downloaded(Source("CINIC-10", URL, MD5, _LIMITS.whole))


def _find(folder: Path) -> Path:
    for place in (folder / "CINIC-10", folder):
        if all((place / part).is_dir() for part in _PARTS):
            return place
    if (folder / "CINIC-10.tar.gz").exists():
        return folder / "CINIC-10.tar.gz"
    raise DataError(
        f"{folder} holds no CINIC-10: there must be CINIC-10.tar.gz, CINIC-10, or {', '.join(_PARTS)} with the classes"
    )


# --- pictures ---------------------------------------------------------------------------------------------------------


def _decode(source: Path) -> _Decoded:
    """The pictures of a folder or an archive."""
    need_pillow("CINIC-10")
    pictures = _from_folder(source) if source.is_dir() else _from_archive(source)
    found = {name: _pixels(data, f"{source}: {'/'.join(name)}") for name, data in pictures}
    arrays: _Decoded = {}
    for part in _PARTS:
        names = sorted((NAMES.index(kind), name) for p, kind, name in found if p == part)
        empty = [kind for label, kind in enumerate(NAMES) if not any(label == own for own, _ in names)]
        if empty:
            raise DataError(f"{source} is not all of CINIC-10: {part} has no pictures of {empty[0]}")
        arrays[f"{part}_y"] = np.array([label for label, _ in names], np.int32)
        x = np.empty((len(names), 32, 32, 3), np.uint8)
        for k, (label, name) in enumerate(names):
            x[k] = np.frombuffer(found.pop((part, NAMES[label], name)), np.uint8).reshape(32, 32, 3)
        arrays[f"{part}_x"] = x
    return arrays


def _from_folder(folder: Path) -> Iterator[tuple[tuple[str, str, str], bytes]]:
    for part in _PARTS:
        for kind in NAMES:
            for file in sorted((folder / part / kind).glob("[!.]*.png")):
                yield (part, kind, file.name), content(file, _LIMITS)


def _from_archive(source: Path) -> Iterator[tuple[tuple[str, str, str], bytes]]:
    def picture(member: tarfile.TarInfo) -> bool:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise DataError(f"{source} has a member outside of it, {printable(member.name)}: do not trust this file")
        if not (member.isreg() or member.isdir()):
            raise DataError(f"{source} has {printable(member.name)}, which is no file: do not trust this archive")
        return member.isreg() and _name(member) is not None

    for member, data in archived(source, _LIMITS, picture):
        name = _name(member)
        assert name is not None, "only pictures are wanted"
        yield name, data


def _name(member: tarfile.TarInfo) -> tuple[str, str, str] | None:
    """Part, class and file name of a picture; None for what is no picture."""
    parts = [part for part in PurePosixPath(member.name).parts if part != "."]
    found = _PICTURE.fullmatch("/".join(parts[1:] if parts[:1] == ["CINIC-10"] else parts))
    return (found[1], found[2], found[3]) if found else None


def _pixels(data: bytes, where: str) -> bytes:
    where = printable(where)
    picture = opened(data, where, ("PNG",))
    if picture.size != (32, 32):
        raise DataError(f"{where} has {picture.width}x{picture.height} pixels: those of CINIC-10 have 32x32")
    return decoded(picture, where).tobytes()


# --- what was decoded -------------------------------------------------------------------------------------------------


def _keep(file: Path, arrays: _Decoded) -> None:
    try:
        with replaced(file) as unfinished:
            np.savez(unfinished, allow_pickle=False, **arrays)
    except OSError as error:
        warnings.warn(
            f"{file} cannot be written: the pictures will be decoded again next time ({one_line(error)})", stacklevel=3
        )


def _kept(file: Path, parts: set[str]) -> _Decoded:
    """The arrays of these parts. No array is made before its size is known to be that of its bytes."""
    if not file.is_file():
        raise DataError(f"{file} is not a file")
    try:
        with zipfile.ZipFile(file) as archive:
            names = [f"{part}_{kind}" for part in sorted(parts) for kind in "xy"]
            if sum(archive.getinfo(f"{name}.npy").file_size for name in names) > _LARGEST_DECODED:
                raise ValueError("it is too large")
            arrays = {name: _array(archive, f"{name}.npy") for name in names}
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(f"{file} is not what CINIC-10 was decoded to: remove it ({one_line(error)})") from None
    for part in parts:
        x, y = arrays[f"{part}_x"], arrays[f"{part}_y"]
        right = x.dtype == np.uint8 and x.shape[1:] == (32, 32, 3) and y.dtype == np.int32 and y.shape == x.shape[:1]
        if not right or not ((y >= 0) & (y < CLASSES)).all():
            raise DataError(f"{file} is not what CINIC-10 was decoded to: remove it ({part} has another form)")
    return arrays


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("an array of another version")
        shape, columns_first, kind = np.lib.format.read_array_header_1_0(stream)
        if columns_first or kind not in (np.uint8, np.int32):
            raise ValueError("an array of another kind")
        return np.frombuffer(bytearray(stream.read()), kind).reshape(shape)
