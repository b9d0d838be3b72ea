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
_FREE_STEPS = 3
"""After so many steps of the polish each one must halve the residual."""
_LEAST_ACCURACY, _MOST_ACCURACY = 0.1, 1e-3
"""Share of the residual that a step of the polish may leave where J is not formed: the square of what the step before
it left, as far as Newton's method gains from solving better."""


class Precision:
    """What a floating-point type allows a test with `entries` numbers in J.

    residual: of zero error, relative to the targets; rank: singular values of J that count, relative to the largest;
    projection: relative error of P_N; difference: relative step of a second difference; rounding: of a gradient;
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
    shape = jax.eval_shape(problem.predict, params, problem.x).shape
    if shape != problem.y.shape:
        raise UserError(f"outputs of shape {shape} and targets of shape {problem.y.shape} must have one shape")
    for what, values in (("parameters", flat(params)), ("targets", problem.y)):
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


def polish(
    problem: Problem, params: PyTree, dense: bool, limits: Precision, tolerance: float
) -> tuple[PyTree, Dense | MatrixFree, float, float]:
    """The parameters at zero error by minimum-norm Gauss-Newton steps, the tangent space there, and the root mean
    square residual before and after, relative to that of the targets. Raises NotCoveredError where it stays above
    `tolerance`.
    """
    y = np.asarray(problem.y, float).ravel()
    space_at = Dense if dense else MatrixFree
    theta, unravel = ravel_pytree(params)
    sizes: list[float] = []
    unit = _rms(y)
    while True:
        space = space_at(problem, unravel(theta), limits.rank)
        r = space.outputs - y
        unit = unit or _rms(r) or 1.0
        sizes.append(_rms(r) / unit)
        if sizes[-1] <= tolerance:
            return unravel(theta), space, sizes[0], sizes[-1]
        stuck = len(sizes) > _FREE_STEPS and not sizes[-1] <= sizes[-2] / 2
        if not math.isfinite(sizes[-1]) or stuck or len(sizes) > _POLISH_STEPS:
            raise NotCoveredError(
                f"not at zero error: the residual is {sizes[0]:.1e} of the targets' size, and {min(sizes):.1e} after "
                f"{len(sizes) - 1} Gauss-Newton steps (tolerance {tolerance:.0e}); train further, or a larger model"
            )
        left = (sizes[-1] / sizes[-2]) ** 2 if len(sizes) > 1 else _LEAST_ACCURACY
        needed = max(left, _MOST_ACCURACY, tolerance / (2 * sizes[-1]))
        step = space.shortest_step(r, min(needed, _LEAST_ACCURACY))
        theta = theta + jnp.asarray(step, theta.dtype)


def _rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
