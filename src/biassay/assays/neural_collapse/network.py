"""The bias-free ReLU network f(x) = W_L relu(... relu(W_1 x)), what is recorded of it, and its step sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar

from ...data.digits import CLASSES
from ...probes import Collapse, centred_means, neural_collapse
from ...problem import Problem

Weights: TypeAlias = tuple[Float[Array, "_ _"], ...]
"""W_1, ..., W_L, each (out, in)."""


def features(params: Weights, x: Float[Array, "b d"]) -> Float[Array, "b p"]:
    """h(x), the input of the last layer."""
    for W in params[:-1]:
        x = jax.nn.relu(x @ W.T)
    return x


def network(params: Weights, x: Float[Array, "b d"]) -> Float[Array, "b C"]:
    """W_L h(x)."""
    return features(params, x) @ params[-1].T


class Drops(eqx.Module):
    """The step size k -> start * factor^(how many of `at` are at most k).

    Args:
        start: the first step size.
        at: the steps from which it is multiplied by `factor` once more, shape (drops,).
        factor: below 1.
    """

    start: Any
    at: Array
    factor: Any

    def __call__(self, count: Int[Array, ""]) -> Scalar:
        return self.start * self.factor ** jnp.sum(count >= self.at)


# --- probes -----------------------------------------------------------------------------------------------------------


def labels(problem: Problem) -> Int[Array, " n"]:
    """The classes of the training images, whose targets are one-hot."""
    return jnp.argmax(problem.y, axis=1)


def collapse(problem: Problem, params: Weights) -> Float[Array, " measures"]:
    """The measures of neural collapse on the training images, in the order of `Collapse`."""
    h = features(params, problem.x)
    return jnp.stack(neural_collapse(h, labels(problem), params[-1], CLASSES))


def cosines(problem: Problem, params: Weights) -> Float[Array, "C C"]:
    """Cosines between the centred class means of the features."""
    M = centred_means(features(params, problem.x), labels(problem), CLASSES)
    unit = M / jnp.linalg.norm(M, axis=1, keepdims=True)
    return unit @ unit.T


def outputs(problem: Problem, params: Weights) -> Float[Array, " 3"]:
    """Mean output for the image's own class, mean of the other outputs, and the standard deviation of these."""
    f = network(params, problem.x)
    own = jnp.mean(jnp.sum(problem.y * f, axis=1))
    others = (1 - problem.y) / (problem.size * (CLASSES - 1))
    mean = jnp.sum(others * f)
    return jnp.stack([own, mean, jnp.sqrt(jnp.sum(others * (f - mean) ** 2))])


def risk(problem: Problem, params: Weights) -> Scalar:
    """Training loss: mean squared error, summed over the outputs."""
    return problem.risk(params)


def accuracies(problem: Problem, params: Weights) -> Float[Array, " 2"]:
    """Share of the training images, and of the test images, whose largest output is that of their class."""
    assert problem.test is not None
    train = jnp.argmax(network(params, problem.x), axis=1) == labels(problem)
    test = jnp.argmax(network(params, problem.test.x), axis=1) == problem.test.y
    return jnp.stack([jnp.mean(train), jnp.mean(test)])


def layer_norms(problem: Problem, params: Weights) -> Float[Array, " L"]:
    """Frobenius norm of every layer."""
    return jnp.stack([jnp.linalg.norm(W) for W in params])


PROBES: dict[str, Callable[[Problem, Weights], Array]] = {
    "collapse": collapse,
    "cosines": cosines,
    "outputs": outputs,
    "risk": risk,
    "accuracies": accuracies,
    "layer_norms": layer_norms,
}
"""What is recorded. All of them together compute the features once: the compiler sees that they are the same."""
MEASURES = Collapse._fields
