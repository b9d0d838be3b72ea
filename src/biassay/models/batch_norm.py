"""Batch normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167) of every channel, in PyTorch's convention.

x holds n numbers of each channel, all axes but the last. In training mode

    m = mean x,     v = mean (x - m)^2,     y = scale (x - m) / sqrt(v + eps) + shift,
    running mean     <- (1 - momentum) running mean     + momentum m,
    running variance <- (1 - momentum) running variance + momentum v n / (n - 1):

the batch is normalised by the biased variance, the unbiased one is remembered. In evaluation mode the running mean and
variance take the place of m and v, and y = a x + b is an affine map.

Everything is computed in the precision of scale and shift, also where x is bfloat16; y has the precision of x.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

MOMENTUM = 0.1
EPS = 1e-5


class BatchNorm(NamedTuple):
    """The parameters. scale and shift: (c,), the paper's gamma and beta."""

    scale: Float[Array, " c"]
    shift: Float[Array, " c"]


class Statistics(NamedTuple):
    """What is remembered for evaluation. mean and variance: (c,), the running ones."""

    mean: Float[Array, " c"]
    variance: Float[Array, " c"]


def init(channels: int) -> BatchNorm:
    """Scale 1, shift 0."""
    return BatchNorm(jnp.ones(channels, jnp.float32), jnp.zeros(channels, jnp.float32))


def initial_statistics(params: PyTree) -> tuple[Statistics, ...]:
    """Running mean 0 and variance 1 for every batch norm among a network's parameters, in their order."""
    norms = jax.tree.leaves(params, is_leaf=lambda node: isinstance(node, BatchNorm))
    return tuple(
        Statistics(jnp.zeros_like(norm.shift), jnp.ones_like(norm.scale))
        for norm in norms
        if isinstance(norm, BatchNorm)
    )


def train(norm: BatchNorm, statistics: Statistics, x: Float[Array, "*n c"]) -> tuple[Float[Array, "*n c"], Statistics]:
    """y in training mode, and the running statistics after it.

    Raises:
        ValueError: a single number a channel, which has no variance.
    """
    n = x.size // x.shape[-1]
    if n < 2:
        raise ValueError("batch normalisation needs two numbers a channel in training: give a larger batch or image")
    axes = tuple(range(x.ndim - 1))
    exact = x.astype(norm.scale.dtype)
    m = jnp.mean(exact, axes)
    v = jnp.mean((exact - m) ** 2, axes)
    y = (exact - m) * (norm.scale * jax.lax.rsqrt(v + EPS)) + norm.shift
    mean = (1 - MOMENTUM) * statistics.mean + MOMENTUM * m
    variance = (1 - MOMENTUM) * statistics.variance + MOMENTUM * v * (n / (n - 1))
    return y.astype(x.dtype), Statistics(mean, variance)


def affine(norm: BatchNorm, statistics: Statistics) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    """a and b of the map y = a x + b that evaluation mode computes."""
    a = norm.scale * jax.lax.rsqrt(statistics.variance + EPS)
    return a, norm.shift - a * statistics.mean


def evaluate(norm: BatchNorm, statistics: Statistics, x: Float[Array, "*n c"]) -> Float[Array, "*n c"]:
    """y in evaluation mode."""
    a, b = affine(norm, statistics)
    return (x.astype(a.dtype) * a + b).astype(x.dtype)


class Pass:
    """One pass through a network: its batch norms take their statistics one after another, in the order of the pass.

    A call normalises; `after` collects the statistics as they are after it. In evaluation mode they stay.
    """

    after: list[Statistics]

    def __init__(self, statistics: Iterable[Statistics], training: bool) -> None:
        self._before = iter(statistics)
        self._training = training
        self.after = []

    def __call__(self, norm: BatchNorm, x: Float[Array, "*n c"]) -> Float[Array, "*n c"]:
        before = next(self._before, None)
        if before is None:
            raise ValueError(f"there are statistics of {len(self.after)} batch norms, and more batch norms than that")
        y, after = train(norm, before, x) if self._training else (evaluate(norm, before, x), before)
        self.after.append(after)
        return y
