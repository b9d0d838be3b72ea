"""CIFAR-10: 60 000 colour images of 32x32 pixels in 10 classes (Krizhevsky 2009, a technical report).

`load()` looks for the data in this order:

1. the folder given, or else the one named by the environment variable `BIASSAY_DATA`, which `biassay run --data-dir`
   sets. It may hold the archive `cifar-10-python.tar.gz` or `cifar-10-binary.tar.gz`, or what they hold,
   `cifar-10-batches-py` or `cifar-10-batches-bin`;
2. without a folder: the user's cache, filled from `URL` when it is empty. This needs `pip install "biassay[data]"`
   and, the first time, a network. The archive's checksum is verified, and a download that was interrupted goes on.

Nothing in a file is run and no archive is extracted: a pickle that asks for anything but numbers is refused.
"""

from __future__ import annotations

from pathlib import Path

from . import _cifar
from ._download import Source, downloaded
from ._files import Limits
from ._folder import VARIABLE as VARIABLE
from ._folder import named
from .images import Images

CLASSES = 10
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
"""Of each colour on the raw scale [0, 1], as networks for CIFAR-10 are commonly trained."""
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"
"""Checksum of the archive at `URL`."""

_FORM = _cifar.Format(
    # The real batches have 31 million bytes; the archives 9 members and, unpacked, 186 million bytes.
    limits=Limits("CIFAR-10", "a batch of CIFAR-10", largest=64 * 2**20, whole=256 * 2**20, members=100),
    sources=("cifar-10-batches-py", "cifar-10-python.tar.gz", "cifar-10-batches-bin", "cifar-10-binary.tar.gz"),
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test="test_batch",
    labels=b"labels",
    label_bytes=1,
    classes=CLASSES,
)


def load(folder: str | Path | None = None) -> Images:
    """The images from `folder`, from the folder in `BIASSAY_DATA`, or from the cache (see the module).

    Raises:
        UserError: the folder holds no CIFAR-10, a file is not what it should be, pooch is missing, or the download
            failed.
    """
    place = named(folder)
    return read(_cifar.find(place, _FORM) if place else download())


def download() -> Path:
    """The archive in the cache, fetched and verified when it is not there.

    Raises:
        UserError: pooch is missing, the cache cannot be written, the download failed, or the checksum is wrong.
    """
    return downloaded(Source("CIFAR-10", URL, MD5, _FORM.limits.whole))


def read(source: Path) -> Images:
    """The images in an archive (`.tar.gz`) or a folder of batches, of the Python or of the binary version.

    Raises:
        UserError: a batch is missing or not of its format.
    """
    return _cifar.read(source, _FORM)
