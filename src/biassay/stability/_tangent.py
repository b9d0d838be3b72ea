"""The tangent space of the zero-error set at a point: what moves the outputs, and what of a direction does not.

With outputs h in R^N, their Jacobian J (N, p) and P_N the projector onto its null space,

    shortest_step(r) = -J^+ r                     the shortest displacement that changes the outputs by -r,
    tangent(g)       = g - J^T (J J^T)^+ J g      = P_N g.

`Dense` holds J and its singular values. `MatrixFree` has products by J and by J^T, from one linearization of the model
on all its examples: O(p) memory beside what one evaluation of the model takes, and two evaluations an iteration.
For any y at all |g - J^T y| >= |P_N g|: stopping early can only make a point look less stable than it is.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..problem import Problem
from ._krylov import GramSolution, solve_gram
from ._result import NotCoveredError
from ._rows import jacobian

_PASSES = 3
"""A projection is repeated on what the one before it left, at most so often."""
_ITERATIONS = 500
_SURVEY = 10
"""Iterations from a random vector, which meet the largest singular value also where J g has no share in it."""


class Tangent(NamedTuple):
    """direction: P_N g (p,); multipliers: y (N,), with P_N g = g - J^T y; leak: |J P_N g|, which should be 0;
    largest, smallest: singular values of J, of those that count (without J: of those that were met); rank: how many
    count, None where J is never formed; gap: how many times the smallest exceeds the largest one that does not count,
    or the tolerance.
    """

    direction: Any
    multipliers: Float[np.ndarray, " N"]
    leak: float
    largest: float
    smallest: float
    rank: int | None
    gap: float


class Dense:
    """J and its singular values, in double precision. Those below rank_tolerance times the largest do not count."""

    def __init__(self, problem: Problem, params: PyTree, rank_tolerance: float) -> None:
        outputs, J = (np.asarray(part, float) for part in jacobian(problem, params))
        if not np.isfinite(J).all():
            raise NotCoveredError("the derivatives of the outputs are not finite here, so that J has no null space")
        self.outputs, self._J = outputs, J
        self._U, self._s, self._Vt = np.linalg.svd(J, full_matrices=False)
        self._floor = rank_tolerance * self._s[0]
        self._rank = int((self._s > self._floor).sum())

    def shortest_step(self, r: Float[np.ndarray, " N"], accuracy: float) -> Any:
        """-J^+ r; the accuracy is that of the decomposition."""
        k = self._rank
        return -((r @ self._U[:, :k]) / self._s[:k]) @ self._Vt[:k]

    def tangent(self, g: Any, accuracy: float) -> Tangent:
        """P_N g; the accuracy is that of the decomposition."""
        k, g = self._rank, np.asarray(g, float)
        y = self._U[:, :k] @ ((self._Vt[:k] @ g) / self._s[:k])
        direction = g - (self._Vt[:k] @ g) @ self._Vt[:k]
        smallest = float(self._s[k - 1]) if k else 0.0
        below = max(self._floor, float(self._s[k]) if k < len(self._s) else 0.0)
        leak = float(np.linalg.norm(self._J @ direction))
        gap = smallest / below if below > 0 else math.inf
        return Tangent(direction, y, leak, float(self._s[0]), smallest, k, gap)


@jax.jit
def _linearized(problem: Problem, params: PyTree) -> tuple[Float[Array, " N"], Any]:
    """The outputs and v -> J v, for v shaped like the parameters."""
    return jax.linearize(lambda w: problem.predict(w, problem.x).ravel(), params)


@jax.jit
def _push(map_: Any, params: PyTree, v: Float[Array, " p"]) -> Float[Array, " N"]:
    """J v."""
    return map_(ravel_pytree(params)[1](v))


@jax.jit
def _pull(map_: Any, params: PyTree, u: Float[Array, " N"]) -> Float[Array, " p"]:
    """J^T u."""
    return ravel_pytree(jax.linear_transpose(map_, params)(u)[0])[0]


class MatrixFree:
    """Products by J and J^T. Singular values are those that the iteration has met."""

    def __init__(self, problem: Problem, params: PyTree, rank_tolerance: float) -> None:
        outputs, self._map = _linearized(problem, params)
        self._dtype, self._params, self._rank_tolerance = outputs.dtype, params, rank_tolerance
        self.outputs = np.asarray(outputs, float)

    def push(self, v: Float[Array, " p"]) -> Float[np.ndarray, " N"]:
        """J v."""
        return np.asarray(_push(self._map, self._params, v), float)

    def pull(self, u: Float[np.ndarray, " N"]) -> Float[Array, " p"]:
        """J^T u."""
        return _pull(self._map, self._params, jnp.asarray(u, self._dtype))

    def _solve(
        self,
        b: Float[np.ndarray, " N"],
        residual: float,
        error: float,
        largest: float = 0.0,
        iterations: int = _ITERATIONS,
    ) -> GramSolution:
        return solve_gram(
            self.push,
            self.pull,
            b,
            residual=residual,
            error=error,
            rank_tolerance=self._rank_tolerance,
            iterations=iterations,
            largest=largest,
        )

    def shortest_step(self, r: Float[np.ndarray, " N"], accuracy: float) -> Any:
        """-J^+ r (p,), up to a residual of accuracy |r|."""
        return -self.pull(self._solve(r, accuracy * float(np.linalg.norm(r)), 0.0).y)

    def tangent(self, g: Any, accuracy: float) -> Tangent:
        """P_N g, up to an error of accuracy |g|, repeated while |J P_N g| does not confirm it."""
        allowed = accuracy * float(jnp.linalg.norm(g))
        v, b = g, self.push(g)
        survey = self._survey(len(g))
        y, largest, smallest = np.zeros_like(b), survey.largest, math.inf
        if not b.any():  # nothing to project away
            return Tangent(v, y, 0.0, largest, survey.smallest, None, self._gap(largest, survey.smallest))
        for _ in range(_PASSES):
            found = self._solve(b, 0.0, allowed, largest)
            v, y = v - self.pull(found.y), y + found.y
            b = self.push(v)
            largest, smallest = max(largest, found.largest), min(smallest, found.smallest)
            if np.linalg.norm(b) <= allowed * smallest:
                break
        return Tangent(v, y, float(np.linalg.norm(b)), largest, smallest, None, self._gap(largest, smallest))

    def _survey(self, p: int) -> GramSolution:
        """A few iterations from J v for a random v: in the range of J, with a share in all of its singular values."""
        b = self.push(jnp.asarray(np.random.default_rng(0).normal(size=p), self._dtype))
        return self._solve(b, self._rank_tolerance * float(np.linalg.norm(b)), 0.0, iterations=_SURVEY)

    def _gap(self, largest: float, smallest: float) -> float:
        """How many times the smallest singular value met exceeds the tolerance."""
        return smallest / (self._rank_tolerance * largest) if largest > 0 else math.inf
