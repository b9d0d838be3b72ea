"""What the theorem presupposes, each checked and refused with its reason; and the polish to zero error."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..errors import UserError
from ..problem import Problem, cross_entropy, half_squared_error, logistic, negative_margin, squared_error
from ._kinks import kinks
from ._result import NotCoveredError
from ._tangent import Dense, MatrixFree

_CONSTANTS: dict[Any, float] = {squared_error: 1.0, half_squared_error: 0.5}
_CLASSIFICATION = (cross_entropy, logistic, negative_margin)
_KINK_THAT_MATTERS = 3e-3
_POLISH_STEPS = 20
_SMALL_TARGETS = 0.1
"""Residuals are measured in units of the targets or of this share of the outputs' scale, whichever is larger."""
_FREE_STEPS = 3
"""After so many steps of the polish each one must halve the residual."""
_LEAST_ACCURACY, _MOST_ACCURACY = 0.1, 1e-3
"""Share of the residual that a step of the polish may leave where J is not formed: the square of what the step before
it left, as far as Newton's method gains from solving better."""


class Precision:
    """What a floating-point type allows a test with `entries` numbers in J.

    residual: of zero error, in units of `residual_unit`; rank: singular values of J that count, relative to the
    largest; projection: relative error of P_N; difference: relative step of a second difference; rounding: of a
    gradient, relative to `gradient_bound`;
    on_kink: a displacement that should meet a kink only if it starts on one; kink: the share of J that must jump there
    for a refusal. Where J has so many entries that some pre-activation lies that near by chance, which in single
    precision a million suffice for, a share that could matter to the verdict must jump.
    """

    def __init__(self, dtype: np.dtype, entries: int) -> None:
        double, eps = dtype == np.float64, float(np.finfo(dtype).eps)
        self.residual = self.rank = self.projection = 1e-10 if double else 1e-5
        self.difference, self.rounding = eps**0.25, 100 * eps
        self.on_kink = 1e-9 if double else 1e-6
        above_rounding = 1e-8 if double else 1e-5
        self.kink = above_rounding if entries * self.on_kink <= 1 else _KINK_THAT_MATTERS


def constant(problem: Problem) -> float:
    """c of the loss c (h - y)^2. Raises NotCoveredError for any other loss, aggregate or integer targets."""
    name = getattr(problem.loss, "__name__", repr(problem.loss))
    if problem.loss in _CLASSIFICATION:
        raise NotCoveredError(
            f"loss {name} is not covered: its drift has another constant, and flipped labels are outside the theorem; "
            "the test is for squared_error and half_squared_error"
        )
    if problem.loss not in _CONSTANTS:
        raise NotCoveredError(f"loss {name} is not covered: use squared_error or half_squared_error of biassay.problem")
    if problem.aggregate is not jnp.mean:
        raise NotCoveredError("the risk must be the mean of the losses: leave `aggregate` of the problem as it is")
    if not jnp.issubdtype(problem.y.dtype, jnp.floating):
        raise NotCoveredError(
            f"targets of type {problem.y.dtype} are not covered: label noise is added to real targets; "
            "give floats, if these are no class labels"
        )
    return _CONSTANTS[problem.loss]


def flat(params: PyTree) -> Float[Array, " p"]:
    """The parameters as one vector. Raises UserError for leaves that are not arrays of one floating-point type."""
    leaves = jax.tree.leaves(params)
    kinds = {str(leaf.dtype) if hasattr(leaf, "dtype") else type(leaf).__name__ for leaf in leaves}
    if len(kinds) != 1 or not kinds <= {"float32", "float64"}:
        raise UserError(
            f"parameters must be arrays, all float32 or all float64, got {', '.join(sorted(kinds)) or 'none'}: keep "
            "the part that is trained (eqx.partition(model, eqx.is_inexact_array)) and put the rest inside predict"
        )
    return ravel_pytree(params)[0]


def check_outputs(problem: Problem, params: PyTree) -> None:
    """Raises UserError where outputs and targets differ in shape, and where a number is not finite."""
    shape = jax.eval_shape(lambda: problem.predict(params, problem.x)).shape
    if shape != problem.y.shape:
        raise UserError(f"outputs of shape {shape} and targets of shape {problem.y.shape} must have one shape")
    given = {"parameters": flat(params), "targets": problem.y}
    if jnp.issubdtype(problem.x.dtype, jnp.inexact):
        given["inputs x"] = problem.x
    for what, values in (given | {"outputs at the parameters": problem.predict(params, problem.x)}).items():
        if not bool(jnp.isfinite(values).all()):
            raise UserError(f"{what} must be finite")


def check_independent(alone: Float[np.ndarray, " N"], together: Float[np.ndarray, " N"], tolerance: float) -> None:
    """Raises NotCoveredError where the output for an example depends on the other examples given with it."""
    gap = float(np.abs(alone - together).max())
    if not gap <= tolerance * (float(np.abs(together).max()) or 1.0):
        raise NotCoveredError(
            f"the output for one example changes by {gap:.2g} with the others given beside it (batch statistics?): "
            "predict must treat every example on its own"
        )


def refuse_kink(problem: Problem, params: PyTree, limits: Precision) -> None:
    """Raises NotCoveredError where J jumps at the point itself."""
    (share,) = kinks(problem, params, (limits.on_kink,))
    if share > limits.kink:
        raise NotCoveredError(
            f"the point is on a kink: {share:.2g} of the Jacobian jumps however small the displacement, so that "
            "grad reg is not defined; move the parameters a little and train on"
        )


@jax.jit
def _displaced(problem: Problem, params: PyTree, v: Float[Array, " p"]) -> Float[Array, " N"]:
    """J v."""
    unravel = ravel_pytree(params)[1]
    return jax.jvp(lambda w: problem.predict(w, problem.x).ravel(), (params,), (unravel(v),))[1]


def residual_unit(problem: Problem, params: PyTree) -> float:
    """Root mean square of the targets, or a share of the scale of the outputs where that is larger.

    The scale is rms(J v), v_j = z_j theta_j with standard normal z: the terms that the outputs add up, and with them
    their rounding, have that size, also where they cancel to targets that are 0. 1 where scale and targets are 0.
    """
    theta = np.asarray(ravel_pytree(params)[0])
    v = (np.random.default_rng(0).normal(size=theta.size) * theta).astype(theta.dtype)
    scale = _rms(np.asarray(_displaced(problem, params, jnp.asarray(v)), float))
    return max(_rms(np.asarray(problem.y, float)), _SMALL_TARGETS * scale) or 1.0


def polish(
    problem: Problem, params: PyTree, dense: bool, limits: Precision, tolerance: float
) -> tuple[PyTree, Dense | MatrixFree, float, float]:
    """The parameters at zero error by minimum-norm Gauss-Newton steps, the tangent space there, and the root mean
    square residual before and after, in units of `residual_unit`. Raises NotCoveredError where it stays above
    `tolerance`.
    """
    y = np.asarray(problem.y, float).ravel()
    space_at = Dense if dense else MatrixFree
    theta, unravel = ravel_pytree(params)
    sizes: list[float] = []
    unit = residual_unit(problem, params)
    while True:
        space = space_at(problem, unravel(theta), limits.rank)
        r = space.outputs - y
        sizes.append(_rms(r) / unit)
        if sizes[-1] <= tolerance:
            return unravel(theta), space, sizes[0], sizes[-1]
        stuck = len(sizes) > _FREE_STEPS and not sizes[-1] <= sizes[-2] / 2
        if not math.isfinite(sizes[-1]) or stuck or len(sizes) > _POLISH_STEPS:
            raise NotCoveredError(
                f"not at zero error: the residual is {sizes[0]:.1e} times the size of the targets or outputs, "
                f"and {min(sizes):.1e} after "
                f"{len(sizes) - 1} Gauss-Newton steps (tolerance {tolerance:.0e}); train further, or a larger model"
            )
        left = (sizes[-1] / sizes[-2]) ** 2 if len(sizes) > 1 else _LEAST_ACCURACY
        needed = max(left, _MOST_ACCURACY, tolerance / (2 * sizes[-1]))
        step = space.shortest_step(r, min(needed, _LEAST_ACCURACY))
        theta = theta + jnp.asarray(step, theta.dtype)


def _rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
