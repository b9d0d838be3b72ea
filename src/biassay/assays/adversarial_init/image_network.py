"""A deep classifier of images that stay bytes: they are normalised inside the network, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree, Scalar, UInt8

from ...models.classifiers import Classifier
from ...probes import correct
from ...problem import Batch, Problem, cross_entropy
from .image_data import Source
from .in_chunks import in_chunks


class Weights(NamedTuple):
    """Where a network is: its parameters and its batch statistics."""

    params: PyTree
    statistics: PyTree


def normalised(
    x: UInt8[Array, "b h w c"], mean: tuple[float, ...], deviation: tuple[float, ...]
) -> Float[Array, "b h w c"]:
    """(x / 255 - mean) / deviation, channel by channel."""
    return (x.astype(jnp.float32) / 255 - jnp.array(mean)) / jnp.array(deviation)


@cache
def _on_bytes(
    function: Callable[..., Any], mean: tuple[float, ...], deviation: tuple[float, ...]
) -> Callable[..., Any]:
    """`predict` or `train` of a classifier, for bytes; the same function at every call: compiled once."""
    return lambda params, statistics, x: function(params, statistics, normalised(x, mean, deviation))


def problem_of(
    net: Classifier, source: Source, x: Any, y: Int[Array, " n"], test: Batch, statistics: PyTree
) -> Problem:
    """Cross-entropy on images `x` (bytes, or a `ConfusionSet` of bytes) with labels `y`, from these statistics on."""
    scale = tuple(source.mean), tuple(source.deviation)
    predict, training = (_on_bytes(function, *scale) for function in (net.predict, net.train))
    return Problem(predict, x, y, cross_entropy, test=test, statistics=statistics, training=training)


def fit(problem: Problem, params: PyTree) -> Scalar:
    """Accuracy on the images and labels trained on."""
    return _accuracy(problem, params, problem.x, problem.y)


def held_out(problem: Problem, params: PyTree) -> Scalar:
    """Test accuracy."""
    assert problem.test is not None, "every problem here has test images"
    return _accuracy(problem, params, *problem.test)


def _accuracy(problem: Problem, params: PyTree, x: Any, y: Int[Array, " n"]) -> Scalar:
    return jnp.mean(in_chunks(lambda index: correct(problem.predict(params, x[index]), y[index]), x.shape))
