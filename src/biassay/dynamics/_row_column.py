"""Solvers of linear least squares that look at one row, or at one column, of the data."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..problem import Problem
from ._base import AbstractDynamics, Noise


class Kaczmarz(AbstractDynamics):
    """Projects w on the solutions of one equation x_i.w = y_i, i uniform: w <- w + (y_i - x_i.w) / |x_i|^2 x_i.

    For linear least squares: params are a vector (d,), x is (n, d). Kaczmarz 1937; uniform rows.
    """

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return jax.random.randint(jax.random.fold_in(key, start // length), (length,), 0, problem.size)

    def step(
        self, problem: Problem, params: Float[Array, " d"], state: tuple[()], noise: Int[Array, ""]
    ) -> tuple[Float[Array, " d"], tuple[()]]:
        x, y = problem.x[noise], problem.y[noise]
        return params + (y - x @ params) / (x @ x) * x, state


class ColumnState(NamedTuple):
    """The residuals x w - y and the squared norms of the columns of x."""

    residual: Float[Array, " n"]
    curvature: Float[Array, " d"]


class CoordinateDescent(AbstractDynamics):
    """Minimises the risk exactly in one uniformly chosen coordinate: w_j <- w_j - x_j.(x w - y) / |x_j|^2.

    For linear least squares: params are a vector (d,), x is (n, d) with columns x_j. Every step costs O(n): the
    residuals are kept up to date in the state.
    """

    def init(self, problem: Problem, params: Float[Array, " d"]) -> ColumnState:
        return ColumnState(problem.x @ params - problem.y, jnp.sum(problem.x**2, axis=0))

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return jax.random.randint(jax.random.fold_in(key, start // length), (length,), 0, problem.x.shape[1])

    def step(
        self, problem: Problem, params: Float[Array, " d"], state: ColumnState, noise: Int[Array, ""]
    ) -> tuple[Float[Array, " d"], ColumnState]:
        column = problem.x[:, noise]
        move = column @ state.residual / state.curvature[noise]
        return params.at[noise].add(-move), state._replace(residual=state.residual - move * column)
