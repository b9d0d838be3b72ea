"""The convolution of images.

Images are x (b, h, w, c), kernels W (side, side, c, k) with an odd side. With stride s and p = (side - 1) / 2 zeros
beyond every border, as PyTorch's `padding=p`,

    y[b, i, j, k] = sum_{u, v, c} W[u, v, c, k] x[b, s i + u - p, s j + v - p, c].

(XLA's "SAME" would put all zeros of an even image behind it where s = 2, and shift the grid by one pixel.)
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float


def convolve(
    x: Float[Array, "b h w c"],
    weight: Float[Array, "side side c k"],
    stride: int = 1,
    dtype: DTypeLike = jnp.float32,
) -> Float[Array, "b -(-h//{stride}) -(-w//{stride}) k"]:
    """The convolution, computed and returned in `dtype`; its gradient comes in the precision of `weight`.

    Raises:
        ValueError: a kernel with an even side.
    """
    side = weight.shape[0]
    if side % 2 == 0:
        raise ValueError(f"a kernel needs an odd side to have a centre, got {side}")
    padding = ((side // 2, side // 2),) * 2
    names = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x.astype(dtype), weight.astype(dtype), (stride, stride), padding, dimension_numbers=names
    )


def channels(base: int, width: float) -> int:
    """`base` channels times the width multiplier, rounded, at least 1.

    Raises:
        ValueError: a width that is not positive.
    """
    if not 0 < width < math.inf:
        raise ValueError(f"width multiplies the channels: it must be positive, got {width}")
    return max(1, round(base * width))
