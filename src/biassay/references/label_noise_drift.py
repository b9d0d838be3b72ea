r"""Where label noise moves a zero-error solution to: down the regularizer, along the set of zero error.

Blanc, Gupta, Valiant, Valiant (COLT 2020): SGD on the squared error with fresh noise in the labels, started at zero
error, moves along the zero-error set down

    reg(theta) = (1/n) sum_i |grad h(x_i, theta)|^2 = |J|_F^2 / n.

With the loss c (h - y)^2 (c = 1 for `squared_error`, 1/2 for `half_squared_error`), label noise of variance s^2, B
examples a step and step size eta, the mean step along the zero-error set is (derived here, from the stationary
covariance c eta (s^2 / B) P of the noise across the set, P the projector onto the row space of J)

    E[P_N step] = -(c eta)^2 (s^2 / B) P_N grad reg,         P_N the projector onto the null space of J,

so that after t steps theta has followed the flow d theta / d tau = -P_N grad reg for the drift time
tau = (c eta)^2 s^2 t / B, up to a relative correction of order eta. A point is stable where P_N grad reg = 0.

Two parameters suffice to see the constant: for h = u v on one example, y = 1, a step multiplies u^2 - v^2 by
1 - (2 c eta r)^2, r = u v - y - eps, exactly. Near zero error E r^2 is s^2, so that u^2 - v^2 shrinks by
exp(-4 (c eta)^2 s^2) a step, and exp(-4 tau) is what the flow gives. Label noise balances the two layers.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree, Scalar

from ..problem import Problem
from .zero_error import output_jacobian, tangent_part, to_zero_error


def regularizer(problem: Problem, params: PyTree) -> Float[Array, ""]:
    """reg = (1/n) sum_i |grad h(x_i, theta)|^2, summed over the entries of the outputs; n examples."""
    return jnp.sum(output_jacobian(problem, params) ** 2) / problem.size


def drift(problem: Problem, params: PyTree) -> PyTree:
    """-P_N grad reg: the velocity d theta / d tau on the zero-error set, shaped like the parameters.

    It means nothing at parameters that are not at zero error.
    """
    theta, unravel = ravel_pytree(params)
    gradient = jax.grad(lambda t: regularizer(problem, unravel(t)))(theta)
    return unravel(-tangent_part(output_jacobian(problem, params), gradient))


def drift_time(
    steps: Scalar | float, lr: Scalar | float, std: Scalar | float, batch_size: int, c: float = 1.0
) -> Scalar | float:
    """tau = (c lr)^2 std^2 steps / batch_size, the time of the drift flow after so many steps of label noise.

    Args:
        steps: steps of SGD.
        lr: step size eta.
        std: standard deviation s of the noise in the labels.
        batch_size: examples a step B, all n of them for full batches.
        c: 1 for `squared_error`, 1/2 for `half_squared_error`.

    Raises:
        ValueError: batch_size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    return (c * lr) ** 2 * std**2 * steps / batch_size


def drift_flow(problem: Problem, params: PyTree, tau: Scalar | float, *, steps: int = 40, polish: int = 3) -> PyTree:
    """The drift flow from a zero-error point for the time tau, by Euler's method.

    Args:
        problem: its targets are the outputs to keep.
        params: a point of zero error; from elsewhere the first step leads to zero error and means nothing.
        tau: drift time, `drift_time` of the steps of SGD to compare with.
        steps: Euler steps. The error is of the order of 1/steps; it is stable while tau / steps times the curvature of
            reg along the set is below 2.
        polish: Gauss-Newton steps back to zero error after each.

    Returns:
        The end, shaped like the parameters.

    Raises:
        ValueError: steps below 1 or a negative polish.

    Example:
        >>> import jax.numpy as jnp
        >>> from biassay.problem import Problem, squared_error
        >>> product = Problem(lambda w, x: w[0] * w[1] * x, jnp.ones(1), jnp.ones(1), squared_error)
        >>> u, v = drift_flow(product, jnp.array([2.0, 0.5]), 0.25, steps=1000)
        >>> print(f"{(u**2 - v**2) / (2.0**2 - 0.5**2):.3f}")  # exp(-4 tau) = 0.368
        0.368
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")

    def step(point: PyTree, _: None) -> tuple[PyTree, None]:
        moved = jax.tree.map(lambda w, v: w + (tau / steps) * v, point, drift(problem, point))
        return to_zero_error(problem, moved, steps=polish), None

    end, _ = jax.lax.scan(step, params, None, length=steps)
    return end
