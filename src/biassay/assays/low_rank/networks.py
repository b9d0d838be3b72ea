"""Networks without biases whose weight matrices are judged by their rank: (W_1, ..., W_L), the last one the head.

W_l has shape (fan_in, fan_out) and acts as h W_l, so that the gradient of one example's loss in W_l is an outer product
of rank 1. All matrices but the head are "hidden".
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Scalar

from ...probes import normalised_spectrum
from ...problem import Problem

Matrices: TypeAlias = tuple[Float[Array, "_ _"], ...]

_RMS_FLOOR = 1e-8


def init(key: Key[Array, ""], widths: tuple[int, ...]) -> Matrices:
    """Weights N(0, 2 / fan_in) (He et al., ICCV 2015), in single precision."""
    shapes = list(pairwise(widths))
    ends = np.cumsum([fan_in * fan_out for fan_in, fan_out in shapes])
    # One draw for all: drawing is the larger part of what there is to compile here.
    parts = jnp.split(jax.random.normal(key, (int(ends[-1]),), jnp.float32), ends[:-1])
    return tuple(part.reshape(shape) * (2 / shape[0]) ** 0.5 for part, shape in zip(parts, shapes, strict=True))


def predict(params: Matrices, x: Float[Array, "b ..."]) -> Float[Array, "b k"]:
    """Outputs for inputs of any shape, flattened: relu after every matrix but the last."""
    h = x.reshape(x.shape[0], -1)
    for W in params[:-1]:
        h = jax.nn.relu(h @ W)
    return h @ params[-1]


def predict_normalised(params: Matrices, x: Float[Array, "b ..."]) -> Float[Array, "b k"]:
    """The same with h / sqrt(mean h^2 + 1e-8) after every hidden matrix, before its relu, and the head / sqrt(width).

    The size of a hidden matrix has then no influence on the outputs: weight decay may be strong without shrinking them.
    """
    h = x.reshape(x.shape[0], -1)
    for W in params[:-1]:
        h = h @ W
        h = jax.nn.relu(h / jnp.sqrt(jnp.mean(h**2, axis=1, keepdims=True) + _RMS_FLOOR))
    return h @ params[-1] / params[-1].shape[0] ** 0.5


def _accuracy(outputs: Float[Array, "b k"], targets: Float[Array, "b k"]) -> Scalar:
    """The share of examples whose largest output is at the 1 of the target, or whose single output has its sign."""
    if outputs.shape[1] == 1:
        return jnp.mean(outputs * targets > 0)
    return jnp.mean(outputs.argmax(axis=1) == targets.argmax(axis=1))


def train_accuracy(problem: Problem, params: Matrices) -> Scalar:
    """Train accuracy."""
    return _accuracy(problem.predict(params, problem.x), problem.y)


def test_accuracy(problem: Problem, params: Matrices) -> Scalar:
    """Test accuracy."""
    if problem.test is None:
        raise ValueError("test_accuracy needs a problem with test examples")
    return _accuracy(problem.predict(params, problem.test.x), problem.test.y)


test_accuracy.__test__ = False  # pyright: ignore[reportFunctionMemberAccess] (pytest shall not collect it)


def spectra(problem: Problem, params: Matrices) -> Float[Array, "layer longest"]:
    """Singular values of the hidden matrices, each divided by its Frobenius norm; zeros where one has fewer."""
    own = [normalised_spectrum(W) for W in params[:-1]]
    longest = max(len(s) for s in own)
    return jnp.stack([jnp.pad(s, (0, longest - len(s))) for s in own])


def norms(problem: Problem, params: Matrices) -> Float[Array, " layer"]:
    """Frobenius norms of the hidden matrices."""
    return jnp.stack([jnp.linalg.norm(W) for W in params[:-1]])
