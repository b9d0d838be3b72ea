"""The closed form of the ratio on larger images: no network is trained for it."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from ...references.norm_bounds import closed_form
from .networks import DESIGNS, Design

Variables: TypeAlias = dict[str, tuple[Any, ...]]

LARGE = 32
"""Pixels along the side of CIFAR-10's images."""
LARGE_DESIGNS = {
    "3x3/2 x4": Design(3, 2, 1, 4),
    "3x3 x5": Design(3, 1, 1, 5),
    "2x2/2 x5": Design(2, 2, 0, 5),
}
"""Networks for images of 32x32 pixels, as deep as their strides allow."""
SIDES = (8, 16, 32, 64)
"""Sides of the images on which the networks of the digits are compared."""


def closed_forms() -> Variables:
    """The closed form at 32x32 pixels, and that of the digits' networks on images of several sizes."""
    geometries = [[design.geometry(side) for side in SIDES] for design in DESIGNS.values()]
    on_sides = np.array([[closed_form(geometry) for geometry in row] for row in geometries])
    locations = np.array([[math.sqrt(math.prod(geometry.locations)) for geometry in row] for row in geometries])
    at_large = [closed_form(design.geometry(LARGE)) for design in LARGE_DESIGNS.values()]
    return {
        "closed_by_side": (("cnn", "side"), on_sides, "closed form of the ratio"),
        "locations_by_side": (("cnn", "side"), locations, "root of the product of the locations"),
        "closed_at_32": ("large_cnn", at_large, "closed form of the ratio at 32x32 pixels"),
    }
