"""The rank of a matrix that training never makes exactly zero anywhere: how many singular values count.

Of W / |W|_F, so that the size of W has no part in it. The tolerance decides the number: report more than one, and the
spectrum. A convolution's kernel is taken as the matrix of shape (out, in * height * width).
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float


def normalised_spectrum(W: Float[Array, "*batch m n"]) -> Float[Array, "*batch r"]:
    """The singular values of W / |W|_F in decreasing order; zeros for W = 0."""
    s = jnp.linalg.svd(W, compute_uv=False)
    size = jnp.linalg.norm(s, axis=-1, keepdims=True)
    return s / jnp.where(size == 0, 1, size)


def numerical_rank(W: Float[Array, "*batch m n"], tolerance: float) -> Float[Array, "*batch"]:
    """How many singular values of W / |W|_F are larger than `tolerance`; NaN where W is not finite.

    The rank of T. Galanti, Z. Siegel, A. Gupte and T. Poggio (arXiv 2206.05794), whose published analysis takes 1e-3
    and whose figures .04 and .05.
    """
    s = normalised_spectrum(W)
    return jnp.where(jnp.isfinite(s).all(axis=-1), jnp.sum(s > tolerance, axis=-1), jnp.nan)


def stable_rank(W: Float[Array, "*batch m n"]) -> Float[Array, "*batch"]:
    """|W|_F^2 / |W|_2^2: from 1 to the rank, and without a tolerance. NaN for W = 0."""
    s = normalised_spectrum(W)
    return jnp.sum(s**2, axis=-1) / s[..., 0] ** 2
