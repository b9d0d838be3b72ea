"""PNG and JPEG files, decoded by Pillow without trusting them."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ..errors import DataError
from ._files import one_line

LARGEST_PIXELS = 89_478_485
"""Pixels a picture may have: where Pillow, unless told otherwise, warns of a decompression bomb."""


def need_pillow(kind: str) -> None:
    """Raises UserError where Pillow is not installed."""
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise DataError(f"reading {kind} needs Pillow: pip install 'biassay[data]'") from None


def opened(data: bytes, where: str, formats: tuple[str, ...]) -> Any:
    """The picture in `data`, whose size is known and checked and which is not decoded yet.

    Raises:
        UserError: it is no such picture, or it would be too large.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata, which are not used, and of what is refused below
            picture = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError:
        raise DataError(f"{where} has too many pixels to be decoded") from None
    except Exception as error:  # a broken picture may raise anything
        raise DataError(f"{where} is not a {' or '.join(formats)} picture: {_why(error)}") from None
    if picture.width * picture.height > LARGEST_PIXELS:
        raise DataError(f"{where} has too many pixels to be decoded")
    return picture


def decoded(picture: Any, where: str) -> Any:
    """The picture with its pixels, in red, green and blue.

    Raises:
        UserError: the picture is cut or damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata, and of a palette's transparency, which is not used
            return picture.convert("RGB")
    except Exception as error:  # a broken picture may raise anything
        raise DataError(f"{where} cannot be decoded: {_why(error)}") from None


def scaled_and_cropped(picture: Any, resize: int, crop: int) -> UInt8[np.ndarray, "crop crop 3"]:
    """The middle of the picture after its shorter side was scaled to `resize`, bilinear with antialiasing."""
    from PIL import Image

    short, long = sorted(picture.size)
    other = resize * long // short
    size = (resize, other) if picture.width <= picture.height else (other, resize)
    left, top = (round((side - crop) / 2) for side in size)
    scaled = picture.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(scaled.crop((left, top, left + crop, top + crop)))


def _why(error: Exception) -> str:
    """What Pillow says, without the address of the object it names."""
    return "its bytes are of another kind" if "BytesIO object" in str(error) else one_line(error)
