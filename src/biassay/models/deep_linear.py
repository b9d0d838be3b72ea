"""The deep linear network: a matrix as a product of L factors, A = W_L ... W_1, as the tuple (W_1, ..., W_L).

A is (m, n); W_1 is (w, n), W_L is (m, w) and those between are (w, w). An input of the network is one entry of A: the
0/1 mask of its row followed by the 0/1 mask of its column, shape (m + n). Masks instead of indices, and products
written as multiply-and-sum instead of matrix products, let XLA fuse a whole step of many small networks side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..problem import Problem, half_squared_error

Factors: TypeAlias = tuple[Float[Array, "_ _"], ...]


def _forward(params: Factors, x: Float[Array, " mask"]) -> list[Array]:
    """c_0, ..., c_L with c_0 the column's mask and c_l = W_l c_{l-1}: c_L is the column j of A."""
    columns = [x[params[-1].shape[0] :]]
    for W in params:
        columns.append(jnp.sum(W * columns[-1][None, :], axis=1))
    return columns


def predict(params: Factors, x: Float[Array, "b mask"]) -> Float[Array, " b"]:
    """The entries A_ij that the masks in `x` select."""
    rows = params[-1].shape[0]
    return jax.vmap(lambda mask: jnp.sum(mask[:rows] * _forward(params, mask)[-1]))(x)


def gradient(params: Factors, x: Float[Array, "b mask"], y: Float[Array, " b"]) -> Factors:
    """Gradient of the mean of (A_ij - y)^2 / 2, without automatic differentiation.

    One entry gives every factor a rank-one gradient, (A_ij - y) b_l c_{l-1}^T, with b_l = row i of W_L ... W_{l+1} and
    c_{l-1} = column j of W_{l-1} ... W_1.
    """
    rows = params[-1].shape[0]

    def of_entry(mask: Float[Array, " mask"], target: Float[Array, ""]) -> Factors:
        columns = _forward(params, mask)
        row = mask[:rows] * (jnp.sum(mask[:rows] * columns[-1]) - target)
        factors = []
        for W, column in zip(params[::-1], columns[-2::-1], strict=True):
            factors.append(row[:, None] * column[None, :])
            row = jnp.sum(row[:, None] * W, axis=0)
        return tuple(factors[::-1])

    if x.shape[0] == 1:
        return of_entry(x[0], y[0])
    return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), jax.vmap(of_entry)(x, y))


def completion(entries: Sequence[tuple[int, int]], values: Sequence[float], shape: tuple[int, int]) -> Problem:
    """Matrix completion: R = mean over the observed `entries` (i, j) of (A_ij - value)^2 / 2.

    Raises:
        ValueError: an entry outside `shape`, or not one value per entry.
    """
    m, n = shape
    if len(entries) != len(values) or not entries:
        raise ValueError(f"completion takes one value per entry, got {len(values)} for {len(entries)} entries")
    for i, j in entries:
        if not (0 <= i < m and 0 <= j < n):
            raise ValueError(f"entry ({i}, {j}) lies outside a matrix of shape {shape}")
    rows, columns = np.asarray(entries).T
    masks = np.hstack([np.eye(m)[rows], np.eye(n)[columns]])
    return Problem(predict, jnp.asarray(masks), jnp.asarray(values, float), half_squared_error, gradient)


@partial(jax.jit, static_argnames="layers")
def balanced(A: Float[Array, "m n"], layers: int) -> Factors:
    """The factorization of A = U S V^T of least norm, of width min(m, n): W_1 = S^{1/L} V^T, ..., W_L = U S^{1/L}.

    It is balanced: W_{l+1}^T W_{l+1} = W_l W_l^T for every l.

    Raises:
        ValueError: fewer than two layers.
    """
    if layers < 2:
        raise ValueError(f"layers must be at least 2, got {layers}")
    U, s, Vt = jnp.linalg.svd(A, full_matrices=False)
    root = s ** (1 / layers)
    return (root[:, None] * Vt, *[jnp.diag(root)] * (layers - 2), U * root[None, :])


@partial(jax.jit, static_argnames=("shape", "layers", "width"))
def random(key: Key[Array, ""], shape: tuple[int, int], layers: int, width: int, scale: float = 1.0) -> Factors:
    """Independent entries N(0, scale^2 / w).

    Raises:
        ValueError: fewer than two layers or a width below 1.
    """
    if layers < 2 or width < 1:
        raise ValueError(f"layers must be at least 2 and width at least 1, got {layers} and {width}")
    m, n = shape
    sizes = [n, *[width] * (layers - 1), m]
    shapes = list(zip(sizes[1:], sizes, strict=False))
    drawn = scale * width**-0.5 * jax.random.normal(key, (sum(rows * columns for rows, columns in shapes),))
    pieces = jnp.split(drawn, np.cumsum([rows * columns for rows, columns in shapes])[:-1].tolist())
    return tuple(piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True))


def embed(params: Factors, width: int) -> Factors:
    """The same matrix A by wider factors: the new rows and columns of the hidden layers are zero, and stay zero.

    Raises:
        ValueError: a width below the present one.
    """
    present = params[0].shape[0]
    if width < present:
        raise ValueError(f"width must be at least {present}, got {width}")
    more = width - present
    last = len(params) - 1
    return tuple(
        jnp.pad(W, ((0, more if layer < last else 0), (0, more if layer > 0 else 0))) for layer, W in enumerate(params)
    )
