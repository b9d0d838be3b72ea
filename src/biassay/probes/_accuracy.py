"""How many examples a classifier gets right."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num, PyTree, Scalar

from ..problem import Problem


def correct(outputs: Float[Array, "b ..."], labels: Num[Array, " b"]) -> Bool[Array, " b"]:
    """Which examples are classified rightly: by the largest of the logits (b, k) for labels 0..k-1, by the sign of the
    outputs (b,) for labels -1 and +1."""
    if outputs.ndim == 1:
        return outputs * labels > 0
    return jnp.argmax(outputs, axis=1) == labels


def train_accuracy(problem: Problem, params: PyTree) -> Scalar:
    """Train accuracy."""
    return jnp.mean(correct(problem.predict(params, problem.x), problem.y))


def test_accuracy(problem: Problem, params: PyTree) -> Scalar:
    """Test accuracy.

    Raises:
        ValueError: the problem has no test examples.
    """
    if problem.test is None:
        raise ValueError("test_accuracy needs a problem with test examples: Problem(..., test=Batch(x, y))")
    return jnp.mean(correct(problem.predict(params, problem.test.x), problem.test.y))


test_accuracy.__test__ = False  # pyright: ignore[reportFunctionMemberAccess] (pytest shall not collect it)
