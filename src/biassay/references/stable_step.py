r"""The step size up to which mini-batch descent near zero error is stable.

Near a point of zero error the outputs are linear in the parameters, h(theta + delta) - y = J delta with the rows
g_i = grad h(x_i, theta) of J. With the loss c (h - y)^2, step size eta and B examples a step, drawn independently,

    delta' = (I - 2 c eta (1/B) sum_batch g_i g_i^T) delta,         G = (1/n) sum_i g_i g_i^T,
    E|delta'|^2 <= |delta|^2 - 4 c eta (1 - c eta U) delta^T G delta,
    U = (1 - 1/B) lambda_max(G) + max_i |g_i|^2 / B,

as E[(sum_batch g g^T / B)^2] = (1 - 1/B) G^2 + E[|g|^2 g g^T] / B. So errors shrink on average while

    eta < 1 / (c U).

The condition is sufficient: steps a little above it may still be stable. With all examples at every step G itself
stands in place of the sum, and U = lambda_max(G).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from numbers import Integral

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree
from scipy.linalg import eigvalsh

from ..problem import Problem


def sufficient_lr(sharpest: float, widest: float, batch_size: int | None, c: float) -> float:
    """1 / (c U) of `biassay.references.stable_step` from its parts; infinite where U = 0, so that no step moves an
    output.

    Args:
        sharpest: lambda_max(G).
        widest: max_i |g_i|^2. With several outputs an example the squared Frobenius norm of its rows will do.
        batch_size: B, of examples drawn independently; None for all examples at every step.
        c: of the loss c (h - y)^2.
    """
    U = sharpest if batch_size is None else (1 - 1 / batch_size) * sharpest + widest / batch_size
    return 1 / (c * U) if U > 0 else math.inf


@partial(jax.jit, static_argnums=0)
def _output_gradients(predict: Callable[[PyTree, Array], Array], params: PyTree, x: Array) -> Float[Array, "n p"]:
    """g_i as rows, one example at a time: no cotangent of all examples is held."""

    def of_example(example: Array) -> Array:
        return ravel_pytree(jax.grad(lambda theta: predict(theta, example[None])[0])(params))[0]

    return jax.vmap(of_example)(x)


def largest_stable_lr(problem: Problem, params: PyTree, batch_size: int | None = None, c: float = 1.0) -> float:
    """1 / (c U), the step size below which the sufficient condition above holds; infinite where no output has a slope.

    Forms J, which takes n p numbers, and the smaller of its two Gram matrices.

    Args:
        problem: with one output an example.
        params: where the outputs are linearised.
        batch_size: B; None for all examples at every step, which leaves U = lambda_max(G).
        c: 1 for `squared_error`, 1/2 for `half_squared_error`.

    Raises:
        ValueError: a batch size that is no integer of at least 1, or outputs that are not one number an example.
    """
    if batch_size is not None and not (isinstance(batch_size, Integral) and batch_size >= 1):
        raise ValueError(f"batch_size must be an integer, at least 1, got {batch_size}")
    outputs = jax.eval_shape(problem.network, params, problem.x)
    if outputs.ndim != 1:
        raise ValueError(f"one output an example is needed, got outputs of shape {outputs.shape}")
    J = np.asarray(_output_gradients(problem.network, params, problem.x))
    n, p = J.shape
    gram = (J @ J.T if n <= p else J.T @ J) / n
    largest = len(gram) - 1
    sharpest = float(eigvalsh(gram, subset_by_index=[largest, largest])[0])
    return sufficient_lr(sharpest, float(np.max(np.sum(J**2, axis=1))), batch_size, c)
