"""What SGD with weight decay still remembers: a bound on the rank of a weight matrix that holds at every step.

A batch of B examples gives a matrix W a gradient G of rank at most m B, where m is 1 for a dense layer and the number
of patches for a convolution. SGD without momentum, W_{t+1} = (1 - lr wd) W_t - lr G_t, unrolls exactly to

    W_T = (1 - lr wd)^k W_{T-k} - lr sum_{i=1..k} (1 - lr wd)^{i-1} G_{T-i},

a matrix of norm (1 - lr wd)^k |W_{T-k}|_F beside one of rank at most m B k. By the theorem of Eckart and Young, for
every k with m B k below the smaller side of W and s_1 >= s_2 >= ... the singular values of W_T,

    s_{m B k + 1}                     <= (1 - lr wd)^k |W_{T-k}|_F,
    sqrt(sum_{j > m B k} s_j^2)       <= the same.

So at most m B k_eps singular values of W_T / |W_T|_F lie above eps, k_eps being the first k at which the right-hand
side is at most eps |W_T|_F. No limit is taken and nothing is assumed of the loss. It is the finite form of a theorem of
Galanti, Siegel, Gupte and Poggio (arXiv 2206.05794). With a momentum buffer the gradients of k steps hold older ones
too, and the count of the ranks is wrong.

NumPy in float64: in single precision a singular value is known to about 1e-7 of the largest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike


class RankBoundExcess(NamedTuple):
    """Left minus right side of the two inequalities, at k = 1, 2, ...: at most 0 but for rounding.

    singular: s_{m B k + 1} - (1 - lr wd)^k |W_{T-k}|_F; tail: the same of the norm of all from there on.
    """

    singular: Float[np.ndarray, "*batch k"]
    tail: Float[np.ndarray, "*batch k"]


def unrolled_sgd(
    W: Float[np.ndarray, "m n"], gradients: Float[np.ndarray, "k m n"], lr: float, wd: float
) -> Float[np.ndarray, "m n"]:
    """W_T from W_{T-k} and the gradients G_{T-k}, ..., G_{T-1} of the k steps between, by the unrolled sum."""
    k = len(gradients)
    powers = (1 - lr * wd) ** np.arange(k - 1, -1, -1)
    return (1 - lr * wd) ** k * W - lr * np.tensordot(powers, gradients, axes=1)


def remembered_norms(norms: ArrayLike, decay: ArrayLike) -> Float[np.ndarray, "*batch steps"]:
    """(1 - decay)^k |W_{T-k}|_F for k = 0, ..., T: how much of W_T is older than k steps, at most.

    Args:
        norms: (..., T + 1) the Frobenius norms of W_0, ..., W_T.
        decay: lr wd, one number for all steps or (T,) numbers, whose factors are multiplied.

    Raises:
        ValueError: fewer than two norms, or a decay outside [0, 1].
    """
    sizes, lost = np.asarray(norms, float), np.asarray(decay, float)
    if sizes.ndim == 0 or sizes.shape[-1] < 2:
        raise ValueError(f"norms must be those of W_0, ..., W_T with T at least 1, got shape {sizes.shape}")
    if not ((lost >= 0) & (lost <= 1)).all():
        raise ValueError(f"decay = lr wd must lie in [0, 1], got {decay}")
    backwards = 1 - np.broadcast_to(lost, sizes.shape[-1] - 1)[::-1]
    return np.concatenate([[1.0], np.cumprod(backwards)]) * sizes[..., ::-1]


def rank_bound_excess(
    singular_values: ArrayLike, norms: ArrayLike, decay: ArrayLike, step_rank: int
) -> RankBoundExcess:
    """How far W_T is from breaking the bound, at every k in 1..T with step_rank k below the number of singular values.

    Args:
        singular_values: (..., r) those of W_T in decreasing order, r the smaller side of W.
        norms: (..., T + 1) the Frobenius norms of W_0, ..., W_T.
        decay: lr wd.
        step_rank: m B, the largest rank of one step's gradient.

    Raises:
        ValueError: step_rank below 1 or not below r (there is no k), or norms or decay that `remembered_norms` refuses.
    """
    s, right = np.asarray(singular_values, float), remembered_norms(norms, decay)
    if not 1 <= step_rank < s.shape[-1]:
        raise ValueError(f"step_rank must lie in 1..{s.shape[-1] - 1} to leave a singular value, got {step_rank}")
    k = np.arange(1, min((s.shape[-1] - 1) // step_rank, right.shape[-1] - 1) + 1)
    tails = np.sqrt(np.cumsum(s[..., ::-1] ** 2, axis=-1)[..., ::-1])
    return RankBoundExcess(s[..., step_rank * k] - right[..., k], tails[..., step_rank * k] - right[..., k])


def steps_to_forget(norms: ArrayLike, decay: ArrayLike, eps: float) -> Int[np.ndarray, "*batch"]:
    """k_eps: the first k with (1 - decay)^k |W_{T-k}|_F <= eps |W_T|_F, or T + 1 where no k up to T will do.

    Raises:
        ValueError: eps outside (0, 1), or norms or decay that `remembered_norms` refuses.
    """
    if not 0 < eps < 1:
        raise ValueError(f"eps must lie in (0, 1), got {eps}")
    right = remembered_norms(norms, decay)
    forgotten = right <= eps * right[..., :1]
    return np.where(forgotten.any(axis=-1), forgotten.argmax(axis=-1), right.shape[-1])


def asymptotic_rank_bound(lr: float, wd: float, eps: float, step_rank: int = 1) -> float:
    """m B log(2 / eps) / (lr wd), the bound on the rank after long training in arXiv 2206.05794.

    There the penalty is lambda |W|^2, so that wd = 2 lambda. Where the norm stands still, m B k_eps is the same without
    the factor 2 in the logarithm, up to rounding k.

    Raises:
        ValueError: lr or wd not positive (without decay nothing is forgotten), or eps outside (0, 1).
    """
    if lr <= 0 or wd <= 0:
        raise ValueError(f"lr and wd must be positive, got {lr} and {wd}: without decay there is no bound")
    if not 0 < eps < 1:
        raise ValueError(f"eps must lie in (0, 1), got {eps}")
    return step_rank * float(np.log(2 / eps)) / (lr * wd)


def patch_count(size: tuple[int, int], kernel: tuple[int, int], stride: int = 1, padding: int = 0) -> int:
    """m of a convolution: the number of places of its kernel on an image of `size`, zero-padded on all sides.

    Raises:
        ValueError: a kernel larger than the padded image, or a stride below 1.
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    free = [side + 2 * padding - own for side, own in zip(size, kernel, strict=True)]
    if min(free) < 0:
        raise ValueError(f"the kernel {kernel} is larger than the image {size} with padding {padding}")
    return int(np.prod([left // stride + 1 for left in free]))
