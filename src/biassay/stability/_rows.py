"""Sums over the rows of J, a few rows at a time, so that neither J nor a Hessian is ever held.

Row r of J is g_r = grad h_r, where h_r(theta) is one entry of the output for one example; n examples with k entries
make N = n k rows. With H_r the Hessian of h_r,

    reg = (1/n) sum_r |g_r|^2,          grad reg = (2/n) sum_r H_r g_r.

sum_r H_r g_r is the gradient of theta -> sum_r <grad h_r(theta), g_r> at fixed g_r: a derivative of every h_r along its
own g_r, whose value is |g_r|^2, then one reverse pass for all rows of a chunk together. As nothing else asks for them,
XLA need not write the g_r to memory; differentiating each grad h_r along g_r would write and read every H_r g_r.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from ..problem import Problem

_CHUNK_ENTRIES = 2**23
"""Numbers in the gradients of one chunk of rows: 32 MB in single precision, the most that glibc hands out again without
mapping it afresh, page by page."""


class RowSums(NamedTuple):
    """outputs: h_r, each example alone; squares: |g_r|^2; gradient: sum_r H_r g_r."""

    outputs: Float[Array, " N"]
    squares: Float[Array, " N"]
    gradient: Float[Array, " p"]


def chunk_rows(rows: int, parameters: int) -> int:
    """How many rows to take at a time. Two at least: products of a single row are slow on XLA's CPU backend."""
    return min(max(2, _CHUNK_ENTRIES // parameters), max(rows, 2))


def _output(problem: Problem, params: PyTree, x: Array, entry: Float[Array, " k"]) -> Float[Array, ""]:
    """h_r: the entry marked by the unit vector `entry` of the output for the example x; 0 where `entry` is zero."""
    return jnp.vdot(entry, problem.predict(params, x[None]).ravel())


def _row(problem: Problem, r: Int[Array, ""]) -> tuple[Array, Float[Array, " k"]]:
    """The example and the unit vector of row r; rows past the last one have a zero vector in its place."""
    k = problem.y.size // problem.size
    inside = r < problem.y.size
    return problem.x[jnp.where(inside, r // k, 0)], jnp.where(inside, jnp.eye(k, dtype=problem.y.dtype)[r % k], 0)


def _gradients(problem: Problem, params: PyTree, rows: Int[Array, " b"]) -> tuple[Array, Float[Array, "b k"], PyTree]:
    """The examples and unit vectors of some rows, and g_r: every leaf of the parameters with an axis of rows first."""
    x, entry = jax.vmap(lambda r: _row(problem, r))(rows)
    return x, entry, jax.vmap(lambda x, e: jax.grad(_output, argnums=1)(problem, params, x, e))(x, entry)


@jax.jit
def _add_rows(problem: Problem, params: PyTree, total: PyTree, rows: Int[Array, " b"]) -> tuple[PyTree, Array, Array]:
    """total + the H_r g_r of some rows, their outputs and |g_r|^2."""
    x, entry, g = _gradients(problem, params, rows)

    def along_itself(w: PyTree, x: Array, entry: Array, g: PyTree) -> tuple[Array, Array]:
        return jax.jvp(lambda w: _output(problem, w, x, entry), (w,), (g,))

    def summed(w: PyTree) -> tuple[Array, tuple[Array, Array]]:
        outputs, slopes = jax.vmap(along_itself, (None, 0, 0, 0))(w, x, entry, g)
        return jnp.sum(slopes), (outputs, slopes)

    Hg, (outputs, squares) = jax.grad(summed, has_aux=True)(params)
    return jax.tree.map(jnp.add, total, Hg), outputs, squares


def row_sums(problem: Problem, params: PyTree, chunk: int) -> RowSums:
    """Outputs, squared norms of the gradients, and sum_r H_r g_r, `chunk` rows at a time.

    The loop is Python's: inside a loop of XLA's, convolutions are many times slower on a CPU.
    """
    N = problem.y.size
    total, outputs, squares = jax.tree.map(jnp.zeros_like, params), [], []
    for first in range(0, N, chunk):
        total, h, square = _add_rows(problem, params, total, jnp.arange(first, first + chunk))
        outputs.append(h)
        squares.append(square)
    return RowSums(jnp.concatenate(outputs)[:N], jnp.concatenate(squares)[:N], ravel_pytree(total)[0])


@jax.jit
def jacobian(problem: Problem, params: PyTree) -> tuple[Float[Array, " N"], Float[Array, "N p"]]:
    """The outputs, of all examples at once, and J, from one example at a time."""
    g = _gradients(problem, params, jnp.arange(problem.y.size))[2]
    return problem.predict(params, problem.x).ravel(), jax.vmap(lambda g: ravel_pytree(g)[0])(g)
