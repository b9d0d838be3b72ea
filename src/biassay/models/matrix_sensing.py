"""Matrix sensing: a positive semi-definite matrix W = U U^T from numbers <A_i, W>, i = 1..n.

U is (d, d), so that W is any positive semi-definite matrix; A_i are the measurements, Gaussian in the literature, and
<A, W> = sum_jk A_jk W_jk. Only the symmetric part S_i = (A_i + A_i^T) / 2 counts, so an input of the model is A_i
*packed*: the upper triangle of A_i + A_i^T, row by row, with its diagonal halved, d (d + 1) / 2 numbers. Then

    h_i(U)      = <A_i, U U^T> = packed(A_i) . upper(U U^T)
    grad h_i(U) = 2 S_i U

and a step on b examples costs two products of the packed batch with a vector and two products of d x d matrices. The
loss is (h - y)^2, without a factor 1/2, as in Blanc, Gupta, Valiant, Valiant (COLT 2020).
"""

from __future__ import annotations

import math
import warnings

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..problem import Batch, Problem, squared_error


def pack(A: Float[np.ndarray, "*n d d"]) -> Float[np.ndarray, "*n p"]:
    """The upper triangle of A + A^T, row by row, its diagonal halved; p = d (d + 1) / 2."""
    row, column = np.triu_indices(A.shape[-1])
    packed = A[..., row, column] + A[..., column, row]
    packed[..., row == column] /= 2
    return packed


def symmetric(packed: Float[Array, " p"]) -> Float[Array, "d d"]:
    """A + A^T from a packed A."""
    d = math.isqrt(2 * packed.shape[0])
    row, column = np.triu_indices(d)
    place = np.zeros((d, d), np.int32)
    place[row, column] = place[column, row] = np.arange(packed.shape[0])
    full = packed[place]
    return full + jnp.diag(jnp.diag(full))


def _upper(W: Float[Array, "d d"]) -> Float[Array, " p"]:
    row, column = np.triu_indices(W.shape[0])
    return W.reshape(-1)[row * W.shape[0] + column]


def predict(U: Float[Array, "d d"], x: Float[Array, "b p"]) -> Float[Array, " b"]:
    """h_i(U) = <A_i, U U^T> for packed measurements x."""
    return x @ _upper(U @ U.T)


def gradient(U: Float[Array, "d d"], x: Float[Array, "b p"], y: Float[Array, " b"]) -> Float[Array, "d d"]:
    """(2 / b) sum_i (h_i - y_i) 2 S_i U, the gradient of the mean of (h_i - y_i)^2."""
    residual = predict(U, x) - y
    return 2 / y.shape[0] * symmetric(residual @ x) @ U


def _check_target(target: Float[np.ndarray, "d d"]) -> None:
    """Finite, symmetric and positive semi-definite, but for what rounding in the precision it comes in may change."""
    if not np.isfinite(target).all():
        raise ValueError("the target must be finite, got NaN or infinity")
    precision = target.dtype if np.issubdtype(target.dtype, np.floating) else np.float64
    rounding = 10 * len(target) * np.finfo(precision).eps
    target = target.astype(float)
    if np.abs(target - target.T).max() > rounding * np.abs(target).max():
        raise ValueError("the target must be symmetric, as U Uᵀ is: pass (X + Xᵀ) / 2")
    eigenvalues = np.linalg.eigvalsh(target)
    if eigenvalues[0] < -rounding * np.abs(eigenvalues).max():
        raise ValueError(
            f"the target must be positive semi-definite, as U Uᵀ is: its smallest eigenvalue is {eigenvalues[0]:.3g}"
        )


def matrix_sensing(measurements: Float[np.ndarray, "n d d"], target: Float[np.ndarray, "d d"]) -> Problem:
    """Minimise mean_i (<A_i, U U^T> - <A_i, X>)^2 over U of shape (d, d).

    The target X itself is the problem's one test example, packed like a measurement: `target_of` reads it there.

    Args:
        measurements: A_i, shape (n, d, d); they need not be symmetric.
        target: X, symmetric and positive semi-definite.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, or a target that is not symmetric and positive
            semi-definite to its precision.

    Warns:
        UserWarning: n is at least d (d + 1) / 2, so that the measurements leave one solution.
    """
    measurements, target = np.asarray(measurements), np.asarray(target)
    d = len(target) if target.ndim else 0
    if d == 0 or target.shape != (d, d) or measurements.ndim != 3 or measurements.shape[1:] != (d, d):
        raise ValueError(
            f"measurements of shape (n, d, d) and a target of shape (d, d) are needed, got {measurements.shape} and "
            f"{target.shape}"
        )
    _check_target(target)
    if not np.isfinite(measurements).all():
        raise ValueError("the measurements must be finite, got NaN or infinity: leave those out")
    dtype = np.result_type(measurements, target, np.float32)
    measurements, target = measurements.astype(dtype), target.astype(dtype)
    n, unknowns = len(measurements), d * (d + 1) // 2
    if n >= unknowns:
        warnings.warn(
            f"nothing is left to choose: {n} measurements for the {unknowns} unknowns of a symmetric {d} x {d} matrix; "
            f"take fewer",
            stacklevel=2,
        )
    x = pack(measurements)
    y = x @ target[np.triu_indices(d)]
    held_out = Batch(jnp.asarray(pack(target)[None]), jnp.asarray(np.sum(target[None] ** 2, axis=(1, 2))))
    return Problem(predict, jnp.asarray(x), jnp.asarray(y), squared_error, gradient, held_out)


def target_of(problem: Problem) -> Float[Array, "d d"]:
    """The target X that `matrix_sensing` was given.

    Raises:
        ValueError: the problem is not one of `matrix_sensing`.
    """
    if problem.test is None:
        raise ValueError("the problem has no test example that holds its target: build it with matrix_sensing")
    return symmetric(problem.test.x[0]) / 2


def relative_error(problem: Problem, U: Float[Array, "d d"]) -> Float[Array, ""]:
    """|U U^T - X|_F^2 / |X|_F^2, X the target of `matrix_sensing`: 1 is the error of W = 0.

    For Gaussian measurements it is the mean of (h - y)^2 over unseen ones, relative to the mean of y^2.
    """
    target = target_of(problem)
    return jnp.sum((U @ U.T - target) ** 2) / jnp.sum(target**2)


def nuclear_norm(problem: Problem, U: Float[Array, "d d"]) -> Float[Array, ""]:
    """tr(U U^T), the nuclear norm of W."""
    return jnp.sum(U**2)
