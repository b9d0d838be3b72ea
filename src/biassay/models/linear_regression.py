"""Linear regression in the conventions of the literature on minimum-norm solutions.

There X of shape (d, n) has the points as *columns* and the risk is |X^T w - y|^2 / 2. A `Problem` keeps its examples in
rows and takes a mean: x = X^T, and the loss of an example is multiplied by the size of its batch, so that the gradient
of a batch B is the sum X_B (X_B^T w - y_B) and a step size here is the gamma of w <- w - gamma X (X^T w - y).
"""

from __future__ import annotations

from jaxtyping import Array, Float

from ..problem import Problem


def linear(w: Float[Array, " d"], x: Float[Array, "b d"]) -> Float[Array, " b"]:
    """Outputs x w of the linear model."""
    return x @ w


def sum_of_squares(outputs: Float[Array, " b"], targets: Float[Array, " b"]) -> Float[Array, " b"]:
    """b (f - y)^2 / 2 per example: its mean is the sum of (f - y)^2 / 2 over the batch."""
    return outputs.shape[0] * (outputs - targets) ** 2 / 2


def residual_gradient(w: Float[Array, " d"], x: Float[Array, "b d"], y: Float[Array, " b"]) -> Float[Array, " d"]:
    """x^T (x w - y), the gradient of the batch's sum of squares."""
    return (x @ w - y) @ x


def linear_regression(x: Float[Array, "*seeds n d"], y: Float[Array, "*seeds n"]) -> Problem:
    """Minimise |x w - y|^2 / 2 over w in R^d. A leading axis of seeds makes the problems of a `PerSeed`."""
    return Problem(linear, x, y, sum_of_squares, residual_gradient)
