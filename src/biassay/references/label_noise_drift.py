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
    """-P_N grad reg: the velocity d theta / d tau on the zero-error set, shaped like the parameters."""
    theta, unravel = ravel_pytree(params)
    gradient = jax.grad(lambda t: regularizer(problem, unravel(t)))(theta)
    return unravel(-tangent_part(output_jacobian(problem, params), gradient))


def drift_time(
    steps: Scalar | float, lr: Scalar | float, std: Scalar | float, batch_size: int, c: float = 1.0
) -> Scalar | float:
    """tau = (c lr)^2 std^2 steps / batch_size, the time of the drift flow after `steps` steps of label noise."""
    return (c * lr) ** 2 * std**2 * steps / batch_size


def drift_flow(problem: Problem, params: PyTree, tau: Scalar | float, *, steps: int = 40, polish: int = 3) -> PyTree:
    """The drift flow from a zero-error point for the time tau: `steps` Euler steps, each followed by `polish`
    Gauss-Newton steps back to zero error."""

    def step(point: PyTree, _: None) -> tuple[PyTree, None]:
        moved = jax.tree.map(lambda w, v: w + (tau / steps) * v, point, drift(problem, point))
        return to_zero_error(problem, moved, steps=polish), None

    end, _ = jax.lax.scan(step, params, None, length=steps)
    return end
