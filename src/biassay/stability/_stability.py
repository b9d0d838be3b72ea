"""The stability test itself: premises, polish, projection, verdict."""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Integral
from typing import Any, Literal, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..errors import UserError
from ..problem import Problem
from ..references.label_noise_drift import drift_time
from ._flat import gradient_bound
from ._kinks import kinks
from ._premises import Precision, check_independent, check_outputs, constant, flat, polish, refuse_kink
from ._result import STABLE_BELOW, NotCoveredError, Stability, Verdict
from ._rows import chunk_rows, row_sums
from ._speeds import halving_time, with_speeds
from ._tangent import Tangent

Method: TypeAlias = Literal["auto", "dense", "matrix-free"]

_DENSE_ENTRIES = 1_000_000
_KINK_SHARE = 1e-4
"""Kinks are warned of when more than this share of J jumps."""
_CLEAR_GAP = 100.0
"""The rank of J is clear when the smallest singular value that counts is so many times what does not."""


def label_noise_stability(
    problem: Problem,
    params: PyTree,
    *,
    lr: float | None = None,
    std: float | None = None,
    batch_size: int | None = None,
    move: float | None = None,
    tolerance: float | None = None,
    max_move: float = 0.1,
    kink_distance: float = 1e-3,
    method: Method = "auto",
) -> Stability:
    """Would label noise move this zero-error solution, or is it stable?

    The parameters are polished to zero error by minimum-norm Gauss-Newton steps, and grad reg is projected onto the
    directions that keep it. Blanc, Gupta, Valiant and Valiant, COLT 2020, arXiv 1904.09080.

    A J of up to a million entries is formed. Beyond, "matrix-free" needs some vectors as long as the parameters and
    32 MB of per-example gradients, beside what the model takes on all its examples at once.

    Args:
        problem: a mean of `squared_error` or `half_squared_error` over examples with real targets; `predict` must
            treat every example on its own.
        params: where training ended, any pytree of float32 or of float64 arrays; of an Equinox module the part that
            is trained (`eqx.partition`), with the rest inside `predict`.
        lr: step size eta. With it and `std`, speeds and times are told.
        std: standard deviation s of the label noise, in the units of the targets.
        batch_size: examples a step, None for all of them.
        move: distance that `steps_to_move` of the result speaks of.
        tolerance: residual that counts as zero error, in the units of `residual` of the result: the targets' root
            mean square, or a scale of the outputs where the targets are small; by default 1e-10 in double and 1e-5 in
            single precision.
        max_move: the polish may move the parameters by this share of their norm.
        kink_distance: kinks are warned of within random displacements of this length, in units of the norm of the
            parameters. `width` of the result tells how far the noise itself carries them.
        method: "dense" forms J, "matrix-free" never does, "auto" chooses by size.

    Raises:
        NotCoveredError: another loss, integer targets, no zero error within `max_move`, a point on a kink, or examples
            that influence each other.
        UserError: numbers out of range, parameters that are not float arrays, or a step size at which SGD leaves zero
            error whatever reg is.
    """
    c = constant(problem)
    theta = flat(params)
    numbers = {"tolerance": tolerance, "max_move": max_move, "kink_distance": kink_distance}
    _check_numbers(method, batch_size, lr=lr, std=std, move=move, **numbers)
    check_outputs(problem, params)
    N, p = problem.y.size, theta.size
    limits = Precision(np.dtype(theta.dtype), N * p)
    dense = method == "dense" or (method == "auto" and N * p <= _DENSE_ENTRIES)

    refuse_kink(problem, params, limits)
    polished, space, before, after = polish(problem, params, dense, limits, tolerance or limits.residual)
    moved = _norm(flat(polished) - theta) / (_norm(theta) or 1.0)
    if moved > max_move:
        raise NotCoveredError(
            f"not at zero error: the polish moved the parameters by {moved:.2g} of their norm (max_move is "
            f"{max_move:g}), so that the test would speak of another point; train further, or ask about that one"
        )
    if moved > 0:
        refuse_kink(problem, polished, limits)
    (kink,) = kinks(problem, polished, (kink_distance,))

    chunk = chunk_rows(N, p)
    sums = row_sums(problem, polished, chunk)
    check_independent(np.asarray(sums.outputs, float), space.outputs, math.sqrt(limits.residual))
    squares = np.asarray(sums.squares, float).reshape(problem.size, -1).sum(axis=1)
    reg, gradient = float(squares.mean()), sums.gradient * (2 / problem.size)
    tangent = space.tangent(gradient, limits.projection)
    size, isolated = _norm(gradient), tangent.rank == p
    if not math.isfinite(size + reg + tangent.leak):
        raise NotCoveredError("the derivatives of the outputs are not finite here, so that reg has no gradient")
    flat_reg = size <= limits.rounding * gradient_bound(problem, polished, reg)
    drift = 0.0 if isolated or flat_reg else _norm(tangent.direction)
    ratio, error = (drift / size, tangent.leak / (tangent.smallest * size)) if drift > 0 else (0.0, 0.0)

    result = Stability(
        verdict=_verdict(ratio, error),
        ratio=ratio,
        error=error,
        drift=drift,
        gradient=size,
        reg=reg,
        examples=problem.size,
        rows=N,
        parameters=p,
        method="dense" if dense else "matrix-free",
        rank=tangent.rank,
        largest=tangent.largest,
        smallest=tangent.smallest,
        residual_before=before,
        residual=after,
        moved=moved,
        kink=kink,
        kink_distance=kink_distance,
        warnings=tuple(_warnings(tangent, isolated, flat_reg, kink, kink_distance)),
    )
    if lr is None or std is None:
        return result
    result = with_speeds(result, c, lr, std, batch_size, float(squares.max()), move)
    if result.verdict == "stable" or std == 0:
        return result
    tau = halving_time(problem, polished, np.asarray(sums.outputs, float), tangent, result, limits.difference, chunk)
    return replace(result, steps_to_halve=tau / float(drift_time(1, lr, std, batch_size or problem.size, c)))


def _check_numbers(method: str, batch_size: int | None, **numbers: float | None) -> None:
    """Raises UserError: one line on the first number out of range."""
    if method not in ("auto", "dense", "matrix-free"):
        raise UserError(f"method must be auto, dense or matrix-free, got {method!r}")
    for name, value in numbers.items():
        if value is not None and not (math.isfinite(value) and (value > 0 or (value == 0 and name == "std"))):
            raise UserError(f"{name} must be {'at least 0' if name == 'std' else 'positive'} and finite, got {value}")
    if batch_size is not None and not (isinstance(batch_size, Integral) and batch_size >= 1):
        raise UserError(f"batch_size must be an integer, at least 1, got {batch_size}")
    if (numbers["lr"] is None) != (numbers["std"] is None):
        raise UserError("speeds need both lr, the step size, and std, the standard deviation of the noise: give both")
    if numbers["move"] is not None and numbers["lr"] is None:
        raise UserError("steps to move a distance need lr and std as well")


def _verdict(ratio: float, error: float) -> Verdict:
    """An inexact projection adds its error in quadrature, and is never too small."""
    if ratio < STABLE_BELOW:
        return "stable"
    return "unclear" if ratio**2 - error**2 < STABLE_BELOW**2 else "unstable"


def _warnings(tangent: Tangent, isolated: bool, flat_reg: bool, kink: float, distance: float) -> list[str]:
    found = []
    if flat_reg:
        found.append("reg is constant here, as for a model linear in its parameters: no point of it is unstable")
    if isolated:
        found.append("no direction keeps zero error: this point is isolated, and stable whatever reg is")
    if tangent.gap < _CLEAR_GAP:
        found.append(
            f"the rank of J is unclear: the smallest singular value that counts, {tangent.smallest:.2g} (largest "
            f"{tangent.largest:.2g}), is only {tangent.gap:.2g} times what does not count"
        )
    if kink > _KINK_SHARE:
        found.append(
            f"kinks are near: within {distance:g} of the parameters' norm {kink:.1g} of the Jacobian jumps, where the "
            "theorem asks for bounded third derivatives"
        )
    return found


def _norm(vector: Any) -> float:
    return float(jnp.linalg.norm(vector))
