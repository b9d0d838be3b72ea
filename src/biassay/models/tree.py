"""Networks wired as a binary tree, and the dense tanh networks they are compared with.

    node(u) = tanh(u W + b) V + c,      u the outputs of its two children (at the leaves: two coordinates of x)

A tree on d = 2^L inputs has L levels of d/2, d/4, ..., 1 nodes; every node has q hidden units and r outputs, the root
one. With r = 1 it is the network of the approximation theorems for compositional functions: every node a function of
two numbers (Mhaskar, Liao, Poggio, arXiv:1603.00988). With r > 1 the nodes hand on several channels.

A dense tanh network with L hidden layers of (d/2) q units contains all of them: `embed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .mlp import MLP, Layer

TANH_GAIN = 1.96
"""Weights into a tanh are drawn from N(0, TANH_GAIN / fan_in)."""


class Level(NamedTuple):
    """The m nodes of one level: inputs of a node to hidden units by `W`, `b`, hidden units to outputs by `V`, `c`."""

    W: Float[Array, "m i q"]
    b: Float[Array, "m q"]
    V: Float[Array, "m q o"]
    c: Float[Array, "m o"]


Tree: TypeAlias = tuple[Level, ...]


def check_dimension(d: int) -> None:
    """Raises ValueError unless d is a power of 2, at least 2."""
    if d < 2 or d & (d - 1):
        raise ValueError(f"d must be a power of 2, at least 2, got {d}")


def init(rng: np.random.Generator, d: int, channels: int, hidden: int) -> Tree:
    """A tree on d inputs: W ~ N(0, 1.96 / fan_in), V ~ N(0, 1 / fan_in), b ~ U[-1, 1], c = 0, in single precision.

    Args:
        rng: the source of the draws.
        d: inputs, a power of 2.
        channels: r, outputs of every node but the root.
        hidden: q, hidden units of every node.

    Raises:
        ValueError: d is no power of 2, or channels or hidden is below 1.
    """
    check_dimension(d)
    for name, value in {"channels": channels, "hidden": hidden}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    levels, nodes, inputs = [], d // 2, 2
    while nodes:
        outputs = channels if nodes > 1 else 1
        W = rng.normal(0, (TANH_GAIN / inputs) ** 0.5, (nodes, inputs, hidden))
        b = rng.uniform(-1, 1, (nodes, hidden))
        V = rng.normal(0, hidden**-0.5, (nodes, hidden, outputs))
        levels.append(Level(*map(_single, (W, b, V, np.zeros((nodes, outputs))))))
        nodes, inputs = nodes // 2, 2 * channels
    return tuple(levels)


def predict(params: Tree, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """The root's output. Siblings are neighbours: node j of a level reads the outputs of nodes 2j and 2j + 1 below."""
    # The examples come last: the many small products of one level then run along contiguous memory.
    signal = x.T
    for level in params:
        m, i, _ = level.W.shape
        hidden = jnp.tanh(jnp.einsum("miq,min->mqn", level.W, signal.reshape(m, i, -1)) + level.b[:, :, None])
        signal = jnp.einsum("mqo,mqn->mon", level.V, hidden) + level.c[:, :, None]
    return signal[0, 0]


def init_dense(rng: np.random.Generator, sizes: Sequence[int]) -> MLP:
    """A dense tanh network of widths sizes[0], ..., sizes[-1], drawn as the nodes of a tree are: weights into a tanh
    from N(0, 1.96 / fan_in), into the output from N(0, 1 / fan_in), hidden biases from U[-1, 1].

    Raises:
        ValueError: fewer than three widths (there is no hidden layer), or a width below 1.
    """
    if len(sizes) < 3 or min(sizes) < 1:
        raise ValueError(f"a dense network needs a hidden layer and widths of at least 1, got {tuple(sizes)}")
    layers = []
    for depth, (fan_in, fan_out) in enumerate(pairwise(sizes), start=2):
        last = depth == len(sizes)
        weight = rng.normal(0, ((1 if last else TANH_GAIN) / fan_in) ** 0.5, (fan_in, fan_out))
        bias = np.zeros(fan_out) if last else rng.uniform(-1, 1, fan_out)
        layers.append(Layer(_single(weight), _single(bias)))
    return tuple(layers)


def predict_dense(params: MLP, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """The single output of the dense tanh network with these layers."""
    hidden = x
    for layer in params[:-1]:
        hidden = jnp.tanh(hidden @ layer.weight + layer.bias)
    return (hidden @ params[-1].weight + params[-1].bias)[:, 0]


def embed(params: Tree) -> MLP:
    """The dense tanh network with L hidden layers of (d/2) q units that is the same function as the tree.

    The linear outputs of a level and the weights that read them are one matrix, V_l W_{l+1}; what no edge of the tree
    joins is 0, and so are the units that a level with fewer nodes leaves over.
    """
    width = params[0].b.size
    layers: list[Layer] = []
    carry, shift = np.eye(2 * len(params[0].W)), np.zeros(2 * len(params[0].W))
    for level in params:
        inputs = _block_diagonal(level.W)
        weight, bias = carry @ inputs, shift @ inputs + np.ravel(level.b)
        rows = 0 if not layers else width - len(weight)
        spare = width - len(bias)
        weight = np.pad(weight, ((0, rows), (0, spare)))
        layers.append(Layer(_single(weight), _single(np.pad(bias, (0, spare)))))
        carry, shift = _block_diagonal(level.V), np.ravel(level.c)
    return (*layers, Layer(_single(np.pad(carry, ((0, width - len(carry)), (0, 0)))), _single(shift)))


def _block_diagonal(blocks: Float[Array, "m i o"]) -> np.ndarray:
    m, i, o = blocks.shape
    matrix = np.zeros((m, i, m, o))
    matrix[np.arange(m), :, np.arange(m)] = blocks
    return matrix.reshape(m * i, m * o)


def _single(values: np.ndarray) -> Array:
    # Rounded by NumPy and put, not converted: JAX would compile a program for every shape.
    return jax.device_put(values.astype(np.float32))
