"""Small colour images with their labels, as CIFAR-10, CIFAR-100 and CINIC-10 are loaded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8


class Images(NamedTuple):
    """Images (n, 32, 32, 3) with values 0..255, and their labels from 0 on, for training and for testing."""

    x: UInt8[np.ndarray, "n 32 32 3"]
    y: Int[np.ndarray, " n"]
    test_x: UInt8[np.ndarray, "m 32 32 3"]
    test_y: Int[np.ndarray, " m"]
