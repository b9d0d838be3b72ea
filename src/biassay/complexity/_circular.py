"""The exact spectral norm of a circular convolution.

On a grid of n1 x n2 places a circular convolution is block diagonal in Fourier space: at frequency (u, v) it is the
matrix K(u, v) (out, in), the transform of the kernel. Its norm is the largest singular value over all frequencies
(Sedghi, Gupta and Long 2018, arXiv 1805.10408). A stride s keeps every s-th output: the s^2 frequencies that look alike
on the coarse grid are then one block, the matrices K side by side divided by s.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def circular_norm(weight: Float[np.ndarray, "out in_ a b"], grid: tuple[int, int], stride: int = 1) -> float:
    """The spectral norm of the circular convolution of images on `grid`, rows by columns.

    Zeros beyond the border instead of the images' other side change the operator at the border only.

    Raises:
        ValueError: a stride that does not divide the grid.

    Example:
        >>> import numpy as np
        >>> round(circular_norm(np.ones((1, 1, 3, 3)), (8, 8)), 12)  # a constant image is multiplied by 9
        9.0
    """
    n1, n2 = grid
    if stride < 1 or n1 % stride or n2 % stride:
        raise ValueError(f"stride must divide the grid {n1} x {n2}, got {stride}")
    w = np.asarray(weight, float)
    c_out, c_in, rows, columns = w.shape
    # A kernel larger than the grid goes round.
    kernel = np.zeros((c_out, c_in, n1, n2))
    for a in range(rows):
        for b in range(columns):
            kernel[:, :, a % n1, b % n2] += w[:, :, a, b]
    K = np.fft.fft2(kernel)
    # Frequency u = i + (n / s) p: all p of one i in one block.
    K = K.reshape(c_out, c_in, stride, n1 // stride, stride, n2 // stride)
    blocks = K.transpose(3, 5, 0, 1, 2, 4).reshape(n1 // stride, n2 // stride, c_out, c_in * stride**2) / stride
    return float(np.linalg.svd(blocks, compute_uv=False).max())
