"""Restricted ImageNet: nine groups of similar classes of ImageNet (Tsipras, Santurkar, Engstrom, Turner and Madry, ICLR
2019, arXiv 1805.12152), with the class ranges of the authors' library `robustness`.

ImageNet is never downloaded: it needs the user's own copy of ILSVRC 2012, as `train/SYNSET/*.JPEG` and
`val/SYNSET/*.JPEG` with all 1000 synsets (folders such as n01440764), in the folder given, in the one named by the
environment variable `BIASSAY_DATA`, or in their subfolder `imagenet`. A class is counted by its synset's place among
the sorted ones.

A picture is scaled, bilinear with antialiasing, so that its shorter side has 256 pixels (for another size than 224, in
proportion), and its middle is cut out. Pictures are decoded by their numbers, when they are asked for. `Pictures.keep`
writes the bytes of all to files of 1024 pictures each, which are mapped into memory from then on; each is whole or not
there, and an interrupted `keep` goes on where it stopped. It needs 150 kB a picture: 39 GB for training.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Int, UInt8

from .._atomic import replaced
from ..errors import DataError
from ._files import Limits, content, one_line
from ._folder import named
from ._pictures import decoded, need_pillow, opened, scaled_and_cropped

RANGES = {
    "dog": (151, 268),
    "cat": (281, 285),
    "frog": (30, 32),
    "turtle": (33, 37),
    "bird": (80, 100),
    "primate": (365, 382),
    "fish": (389, 397),
    "crab": (118, 121),
    "insect": (300, 319),
}
"""Super-class -> the first and the last class of ImageNet in it. Their order is that of the labels."""
CLASSES = len(RANGES)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of each colour on the raw scale [0, 1], as networks for ImageNet are commonly trained."""

Part: TypeAlias = Literal["train", "val"]
_SYNSETS = 1000
_SYNSET = re.compile(r"n\d{8}")
_LIMITS = Limits("ImageNet", "a picture of ImageNet", largest=2**26, whole=0, members=0)
_FORMATS = ("JPEG", "PNG")  # one picture of ImageNet is a PNG by the name of a JPEG
_TOGETHER = 1024
"""Pictures in a file of the cache."""


class Pictures:
    """Pictures by number, decoded when they are asked for, or mapped into memory where they were kept.

    >>> import numpy as np
    >>> Pictures([], 224).shape
    (0, 224, 224, 3)
    """

    def __init__(self, files: Sequence[Path], size: int, cache: Path | None = None) -> None:
        """files: the pictures in their order. cache: the folder for `keep`."""
        self.files, self.size, self._cache = tuple(files), size, cache
        names = "\n".join(f"{file.parent.name}/{file.name}" for file in self.files)
        self._stem = f"{hashlib.blake2b(names.encode(), digest_size=6).hexdigest()}-{size}"
        self._mapped = lru_cache(maxsize=None)(self._map)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, size, size, 3)."""
        return len(self.files), self.size, self.size, 3

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, indices: int | slice | Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "..."]:
        """The pictures with these numbers, values 0..255; only they are in memory.

        Raises:
            IndexError: a number is not below n.
            UserError: a file is no picture, is damaged or too large, or what was kept is not of its form.
        """
        numbers = np.arange(len(self))[indices]
        found = np.empty((numbers.size, *self.shape[1:]), np.uint8)
        for k, number in enumerate(numbers.ravel().tolist()):
            chunk = self._mapped(number // _TOGETHER) if self._file(number // _TOGETHER) else None
            found[k] = self._decode(number) if chunk is None else chunk[number % _TOGETHER]
        return found.reshape(*numbers.shape, *self.shape[1:])

    def keep(self) -> None:
        """Decodes all pictures and writes them to the cache, except those that are there.

        Raises:
            UserError: there is no folder for the cache, it cannot be written, or a picture cannot be decoded.
        """
        if self._cache is None:
            raise DataError("these pictures have no cache: load them with a folder for it")
        try:
            for number, first in enumerate(range(0, len(self), _TOGETHER)):
                file = self._cache / f"{self._stem}-{number:05d}.npy"
                if not file.exists():
                    last = min(first + _TOGETHER, len(self))
                    with replaced(file) as unfinished, unfinished.open("wb") as stream:
                        np.save(stream, np.stack([self._decode(k) for k in range(first, last)]), allow_pickle=False)
        except OSError as error:
            raise DataError(f"the cache {self._cache} cannot be written: {one_line(error)}") from None

    def _file(self, number: int) -> Path | None:
        """The file of the cache with this number, where it is there."""
        file = self._cache / f"{self._stem}-{number:05d}.npy" if self._cache else None
        return file if file and file.exists() else None

    def _map(self, number: int) -> np.ndarray:
        file = self._file(number)
        assert file is not None, "only files that are there are mapped"
        if not file.is_file():
            raise DataError(f"{file} is not a file")
        try:
            mapped = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{file} is not what pictures were kept in: remove it ({one_line(error)})") from None
        expected = (min(_TOGETHER, len(self) - number * _TOGETHER), *self.shape[1:])
        if not isinstance(mapped, np.ndarray) or mapped.dtype != np.uint8 or mapped.shape != expected:
            raise DataError(f"{file} is not what pictures were kept in: remove it")
        return mapped

    def _decode(self, number: int) -> UInt8[np.ndarray, "size size 3"]:
        file = self.files[number]
        picture = decoded(opened(content(file, _LIMITS), str(file), _FORMATS), str(file))
        if max(picture.size) > 100 * min(picture.size):
            raise DataError(f"{file} has {picture.width}x{picture.height} pixels: that is no picture of ImageNet")
        return scaled_and_cropped(picture, self.size * 256 // 224, self.size)


class Labelled(NamedTuple):
    """Pictures, and their labels 0..8 in the order of `RANGES`."""

    x: Pictures
    y: Int[np.ndarray, " n"]


def load(
    folder: str | Path | None = None, size: int = 224, part: Part = "train", cache: str | Path | None = None
) -> Labelled:
    """The pictures of `part`, not decoded yet, with their labels.

    They are in the order of ImageNet's classes, and in a class of their files' names.

    Args:
        folder: with `train` and `val`; by default the one in `BIASSAY_DATA`.
        size: pixels of a side.
        part: "train" or "val".
        cache: the folder for `Pictures.keep`; by default `restricted-imagenet` beside `train`.

    Raises:
        UserError: there is no ImageNet in the folder, it has other than 1000 synsets or no pictures, or Pillow is
            missing.
        ValueError: a size below 1, or an unknown part.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    if part not in ("train", "val"):
        raise ValueError(f"part must be train or val, got {part!r}")
    need_pillow("ImageNet")
    place = named(folder)
    if place is None:
        raise DataError(
            "ImageNet needs your own copy: set BIASSAY_DATA, or --data-dir, to the folder with train and val"
        )
    root = next((root for root in (place, place / "imagenet") if (root / part).is_dir()), None)
    if root is None:
        raise DataError(
            f"{place} holds no ImageNet: there must be {part}/SYNSET/*.JPEG or imagenet/{part}/SYNSET/*.JPEG"
        )
    pairs = list(_labelled(root / part))
    if not pairs:
        raise DataError(f"{root / part} has no pictures of the super-classes: there must be SYNSET/*.JPEG")
    files, labels = zip(*pairs, strict=True)
    pictures = Pictures(files, size, Path(cache).expanduser() if cache else root / "restricted-imagenet")
    return Labelled(pictures, np.array(labels, np.int32))


def _labelled(folder: Path) -> Iterator[tuple[Path, int]]:
    """The pictures of the super-classes, with their labels."""
    synsets = sorted(entry for entry in folder.iterdir() if _SYNSET.fullmatch(entry.name) and entry.is_dir())
    if len(synsets) != _SYNSETS:
        raise DataError(
            f"{folder} has {len(synsets)} synset folders (such as n01440764): there must be all {_SYNSETS}, "
            "as a class is known by its place among them"
        )
    label_of = {k: label for label, (first, last) in enumerate(RANGES.values()) for k in range(first, last + 1)}
    for k, synset in enumerate(synsets):
        if k in label_of:
            yield from ((file, label_of[k]) for file in sorted(synset.glob("*.JPEG")))
