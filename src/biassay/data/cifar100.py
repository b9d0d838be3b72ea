"""CIFAR-100: 60 000 colour images of 32x32 pixels in 100 classes (Krizhevsky 2009, a technical report).

The labels are the fine ones. `load()` looks for the data as `biassay.data.cifar10` does: in the folder given or in
`BIASSAY_DATA`, as the archive `cifar-100-python.tar.gz` or `cifar-100-binary.tar.gz` or as what they hold,
`cifar-100-python` or `cifar-100-binary`; without a folder, in the user's cache, filled from `URL`. Nothing in a file
is run and no archive is extracted.
"""

from __future__ import annotations

from pathlib import Path

from . import _cifar
from ._download import Source, downloaded
from ._files import Limits
from ._folder import named
from .images import Images

CLASSES = 100
MEAN, DEVIATION = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
"""Of each colour on the raw scale [0, 1], as networks for CIFAR-100 are commonly trained."""
URL = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
MD5 = "eb9058c3a382ffc7106e4002c42a8d85"
"""Checksum of the archive at `URL`."""

_FORM = _cifar.Format(
    # The larger of the two real batches has 155 million bytes; the archives, unpacked, 187 million.
    limits=Limits("CIFAR-100", "a batch of CIFAR-100", largest=224 * 2**20, whole=256 * 2**20, members=100),
    sources=("cifar-100-python", "cifar-100-python.tar.gz", "cifar-100-binary", "cifar-100-binary.tar.gz"),
    train=("train",),
    test="test",
    labels=b"fine_labels",
    label_bytes=2,  # the coarse one, then the fine one
    classes=CLASSES,
)


def load(folder: str | Path | None = None) -> Images:
    """The images from `folder`, from the folder in `BIASSAY_DATA`, or from the cache (see the module).

    Raises:
        UserError: the folder holds no CIFAR-100, a file is not what it should be, pooch is missing, or the download
            failed.
    """
    place = named(folder)
    return read(_cifar.find(place, _FORM) if place else download())


def download() -> Path:
    """The archive in the cache, fetched and verified when it is not there.

    Raises:
        UserError: pooch is missing, the cache cannot be written, the download failed, or the checksum is wrong.
    """
    return downloaded(Source("CIFAR-100", URL, MD5, _FORM.limits.whole))


def read(source: Path) -> Images:
    """The images in an archive (`.tar.gz`) or a folder of batches, of the Python or of the binary version.

    Raises:
        UserError: a batch is missing or not of its format.
    """
    return _cifar.read(source, _FORM)
