"""Linear regression in squared parameters: h(x) = <x, v.v>, v.v the vector of squares.

v.v is never negative, and with more parameters than examples it has many solutions of zero error. With noise in the
labels SGD finds the sparse one (HaoChen, Wei, Lee, Ma, COLT 2021, arXiv 2006.08680). The loss there is a quarter of the
squared error, which makes the gradient of one example (h - y) x.v.
"""

from __future__ import annotations

from jaxtyping import Array, Float


def diagonal(v: Float[Array, " d"], x: Float[Array, "b d"]) -> Float[Array, " b"]:
    """Outputs <x, v.v> for a batch of inputs as rows."""
    return x @ v**2


def quarter_squared_error(outputs: Float[Array, " b"], targets: Float[Array, " b"]) -> Float[Array, " b"]:
    """l = (f - y)^2 / 4."""
    return (outputs - targets) ** 2 / 4


def diagonal_gradient(v: Float[Array, " d"], x: Float[Array, "b d"], y: Float[Array, " b"]) -> Float[Array, " d"]:
    """v.(x^T (h - y)) / b, the gradient of the mean of `quarter_squared_error`."""
    return v * ((x @ v**2 - y) @ x) / y.shape[0]
