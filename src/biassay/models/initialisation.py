"""How the weights of a deep network start: its distributions are laid out first, and drawn all at once.

A network's parameters are written as a pytree that holds a distribution where a random array will be; `draw` puts the
arrays there. All of them are cut from one draw, as a program that draws for every layer takes many times longer to
compile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree


@dataclass(frozen=True)
class Uniform:
    """U(-bound, bound) for every entry of an array."""

    shape: tuple[int, ...]
    bound: float


@dataclass(frozen=True)
class Normal:
    """N(0, std^2) for every entry of an array."""

    shape: tuple[int, ...]
    std: float


def torch_default(shape: tuple[int, ...], fan_in: int) -> Any:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), what PyTorch draws for the weights and biases of a layer.

    For the weights PyTorch calls it kaiming_uniform with a = sqrt(5): the bound is sqrt(6 / ((1 + a^2) fan_in)).
    """
    return Uniform(shape, fan_in**-0.5)


def he_fan_out(shape: tuple[int, int, int, int]) -> Any:
    """N(0, 2 / (side^2 k)) for a kernel (side, side, c, k), which keeps the size of gradients.

    K. He, X. Zhang, S. Ren, J. Sun 2015, arXiv 1502.01852, section 2.2.
    """
    side, _, _, k = shape
    return Normal(shape, (2 / (side * side * k)) ** 0.5)


def glorot_normal(shape: tuple[int, int]) -> Any:
    """N(0, 2 / (fan_in + fan_out)) for a matrix (fan_in, fan_out).

    X. Glorot and Y. Bengio, AISTATS 2010.
    """
    return Normal(shape, (2 / sum(shape)) ** 0.5)


def draw(key: Key[Array, ""], plan: PyTree) -> PyTree:
    """The pytree with a float32 array in the place of every distribution; other leaves stay."""
    leaves, structure = jax.tree.flatten(plan)
    sizes = {kind: [math.prod(leaf.shape) for leaf in leaves if isinstance(leaf, kind)] for kind in (Uniform, Normal)}
    uniform_key, normal_key = jax.random.split(key)
    uniform = jax.random.uniform(uniform_key, (sum(sizes[Uniform]),), jnp.float32, minval=-1.0)
    normal = jax.random.normal(normal_key, (sum(sizes[Normal]),), jnp.float32)
    pieces = {kind: iter(_cut(numbers, sizes[kind])) for kind, numbers in ((Uniform, uniform), (Normal, normal))}

    def drawn(leaf: Any) -> Any:
        if isinstance(leaf, Uniform):
            return next(pieces[Uniform]).reshape(leaf.shape) * leaf.bound
        if isinstance(leaf, Normal):
            return next(pieces[Normal]).reshape(leaf.shape) * leaf.std
        return leaf

    return jax.tree.unflatten(structure, map(drawn, leaves))


def _cut(numbers: Float[Array, " n"], sizes: Sequence[int]) -> list[Array]:
    """Consecutive pieces of these sizes. The barrier keeps XLA from drawing anew for every piece."""
    return jnp.split(jax.lax.optimization_barrier(numbers), list(accumulate(sizes))[:-1]) if sizes else []
