"""Sums over all paths from an input to an output."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree


def path_sum(
    predict: Callable[[PyTree, Array], Array], params: PyTree, input_shape: tuple[int, ...], p: float = 2.0
) -> float:
    """The sum over all paths of the product of their |weights|^p: f at |params|^p, biases too, for an input of ones.

    For a network of linear maps, relu, sums and skips of weight 1; max-pooling gives a lower bound. Fold batch
    normalisation in first.

    Args:
        predict: (params, x of shape (1, *input_shape)) -> outputs.
        params: a pytree of arrays.
        input_shape: of one input.
        p: the power, positive.

    Raises:
        ValueError: p not positive.

    Example:
        >>> import jax.numpy as jnp
        >>> w1, w2 = jnp.array([[1.0, -2.0]]), jnp.array([[3.0]])
        >>> path_sum(lambda w, x: x @ w[0].T @ w[1].T, (w1, w2), (2,))  # (1^2 + 2^2) 3^2
        45.0
    """
    if p <= 0:
        raise ValueError(f"p must be positive, got {p}")
    powers = jax.tree.map(lambda w: jnp.abs(w) ** p, params)
    kind = jnp.result_type(*jax.tree.leaves(params))
    return float(jnp.sum(predict(powers, jnp.ones((1, *input_shape), kind))))
