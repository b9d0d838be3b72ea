"""Linear classification without an intercept, of points that are vectors or matrices.

The label of x is the sign of <w, x>; with a_n = y_n x_n the margin of w is min_n <w, a_n>. Gradients are written out,
as they are evaluated some hundred thousand times: that of the mean logistic loss is -mean_n sigmoid(-<w, a_n>) a_n,
that of log sum_n exp(-<w, a_n>) is -sum_n s_n a_n with s = softmax(-<w, a_n>), and does not vanish as margins grow.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..problem import Problem, logistic, negative_margin

Loss: TypeAlias = Literal["log_sum_exp", "logistic"]


def linear(w: Float[Array, "..."], x: Float[Array, "b ..."]) -> Float[Array, " b"]:
    """Outputs <w, x_n>, the sum over all entries; w has the shape of one point."""
    return jnp.tensordot(x, w, axes=w.ndim)


def _logistic_gradient(w: Float[Array, "..."], x: Float[Array, "b ..."], y: Float[Array, " b"]) -> Float[Array, "..."]:
    pull = -y * jax.nn.sigmoid(-y * linear(w, x)) / y.shape[0]
    return jnp.tensordot(pull, x, axes=1)


def _log_sum_exp_gradient(
    w: Float[Array, "..."], x: Float[Array, "b ..."], y: Float[Array, " b"]
) -> Float[Array, "..."]:
    return jnp.tensordot(-y * jax.nn.softmax(-y * linear(w, x)), x, axes=1)


def linear_classifier(x: Float[Array, "..."], y: Float[Array, "*seeds n"], loss: Loss = "logistic") -> Problem:
    """Minimise the mean logistic loss, or log sum_n exp(-y_n <w, x_n>), over w of the shape of a point.

    Args:
        x: points, vectors (n, d) or matrices (n, a, b). A leading axis of seeds, here and in y, makes the problems of a
            `PerSeed`.
        y: labels in {-1, +1}.
        loss: "logistic" or "log_sum_exp".

    Raises:
        ValueError: another loss.
    """
    if loss == "logistic":
        return Problem(linear, x, y, logistic, _logistic_gradient)
    if loss == "log_sum_exp":
        return Problem(linear, x, y, negative_margin, _log_sum_exp_gradient, aggregate=jax.nn.logsumexp)
    raise ValueError(f"loss must be logistic or log_sum_exp, got {loss!r}")
