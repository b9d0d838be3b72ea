"""How fast label noise moves a solution, in steps of SGD."""

from __future__ import annotations

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from ..errors import UserError
from ..problem import Problem
from ..references.label_noise_drift import drift_time
from ..references.stable_step import sufficient_lr
from ._result import Stability
from ._rows import row_sums
from ._tangent import Tangent


def with_speeds(
    result: Stability, c: float, lr: float, std: float, batch_size: int | None, widest: float, move: float | None
) -> Stability:
    """Speeds and times at step size lr and noise std; widest: the largest |grad h(x_i)|^2 over the examples.

    With G = J^T J / n, the mean step without noise contracts where lr < 1 / (c lambda_max(G)); a sufficient condition
    for the mean square distance from zero error to do so is that of `biassay.references.stable_step`.

    Raises UserError for a step size at which the mean step does not contract.
    """
    n, B = result.examples, batch_size or result.examples
    sharpest = result.largest**2 / n
    mean_limit = sufficient_lr(sharpest, widest, None, c)
    if lr >= mean_limit:
        raise UserError(f"lr must be below {mean_limit:.3g}, where SGD stays at zero error without noise, got {lr:g}")
    limit = sufficient_lr(sharpest, widest, batch_size, c)
    warnings = result.warnings
    if lr >= limit:
        warnings += (f"lr {lr:g} is above {limit:.3g}: SGD may leave zero error before the drift tells",)
    speed = float(drift_time(1, lr, std, B, c)) * result.drift
    return replace(
        result,
        warnings=warnings,
        drift_per_step=speed,
        width=std * math.sqrt(c * lr * (result.rows if result.rank is None else result.rank) / B),
        lr_limit=limit,
        escape_steps=None if result.verdict == "stable" else lr**-1.6,
        steps_to_move=None if move is None else (move / speed if speed > 0 else math.inf),
    )


def halving_time(
    problem: Problem, params: PyTree, outputs: np.ndarray, tangent: Tangent, result: Stability, step: float, chunk: int
) -> float:
    """The drift time in which reg comes half-way to its limit if it goes on as it falls at this point.

    Along d theta / d tau = -v, v = P_N grad reg, d reg / d tau = -|v|^2, and with L = reg - y . h, y the multipliers,

        d |v|^2 / d tau = -2 v^T Hess(L) v = -k |v|^2,

    so that reg - |v|^2 / k would be the limit of an exponential. reg cannot fall below 0: k is at least |v|^2 / reg.
    Hess(L) along v is a second difference over `step` times the norm of the parameters; `outputs` are those at them.
    """
    theta, unravel = ravel_pytree(params)
    e = step * (float(jnp.linalg.norm(theta)) or 1.0)
    unit = jnp.asarray(tangent.direction * (1 / result.drift), theta.dtype)

    def lagrangian(shift: float) -> float:
        there = row_sums(problem, unravel(theta + shift * unit), chunk)
        rise = np.asarray(there.squares, float).sum() / problem.size - result.reg
        return float(rise - tangent.multipliers @ (np.asarray(there.outputs, float) - outputs))

    curvature = (lagrangian(e) + lagrangian(-e)) / e**2
    return math.log(2) / max(2 * curvature, result.drift**2 / result.reg)
