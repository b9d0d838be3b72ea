"""Normalised steepest descent: steps of a given length in a given norm, however small the gradient has become."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State
from ._descent import StepSize, step_size


def steepest_direction(g: PyTree, p: float) -> PyTree:
    """argmax_{|v|_p <= 1} g.v over all entries of g together; zero where g is zero.

    With 1/p + 1/q = 1 it is sign(g) (|g| / |g|_q)^{q-1}. For p = 1 the entries of largest modulus share the unit.
    """
    leaves = jax.tree.leaves(g)
    if p == float("inf"):
        return jax.tree.map(jnp.sign, g)
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in leaves]))
    unit = jnp.where(largest > 0, largest, 1.0)
    if p == 1:
        many = sum(jnp.sum(jnp.abs(leaf) == largest) for leaf in leaves)
        return jax.tree.map(lambda leaf: jnp.sign(leaf) * (jnp.abs(leaf) == largest) / many, g)
    # In units of the largest entry, so that no power underflows: with a = |g| / |g|_inf and S = sum a^q the norm is
    # |g|_q = |g|_inf S^{1/q}, and (q - 1) / q = 1 / p.
    q = p / (p - 1)
    S = sum(jnp.sum((jnp.abs(leaf) / unit) ** q) for leaf in leaves)
    scale = jnp.where(largest > 0, S, 1.0) ** (-1 / p)
    return jax.tree.map(lambda leaf: scale * jnp.sign(leaf) * (jnp.abs(leaf) / unit) ** (q - 1), g)


class NormalisedSteepestDescent(AbstractDynamics):
    """w <- w - lr argmax_{|v|_p <= 1} g.v, g the full gradient: the steepest direction for the l_p norm, of length lr.

    p = 1 moves the coordinate of largest derivative (greedy coordinate descent), p = 2 is normalised gradient descent,
    p = inf is sign descent. On an exponential-tailed loss the bias is the largest margin in the l_p norm: Gunasekar,
    Lee, Soudry, Srebro, "Characterizing Implicit Bias in Terms of Optimization Geometry", ICML 2018, arXiv 1802.08246.

    Args:
        lr: step size, or a schedule step -> step size.
        p: the norm, 1 <= p <= inf; each has a program of its own.

    Raises:
        ValueError: p below 1.
    """

    lr: StepSize
    p: float = eqx.field(static=True, default=2.0)

    def __check_init__(self) -> None:
        if not self.p >= 1:
            raise ValueError(f"p must be at least 1, got {self.p}")

    def init(self, problem: Problem, params: PyTree) -> Int[Array, ""]:
        return jnp.zeros((), jnp.int32)

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        lr = step_size(self.lr, state)
        direction = steepest_direction(problem.gradient(params), self.p)
        return jax.tree.map(lambda w, v: w - lr * v, params, direction), state + 1

    def time_step(self, state: State) -> Scalar | float:
        return step_size(self.lr, state)


class SpectralDescent(AbstractDynamics):
    """w <- w - lr U V^T with the full gradient U S V^T (singular value decomposition): steps of spectral norm lr.

    The exact polar factor, which Muon's iteration approximates; singular values within round-off of 0 count as 0, as
    their factors are arbitrary. A parameter that is a vector counts as a matrix with one row. On separable data the
    bias is the largest margin in the spectral norm: Fan, Schmidt, Thrampoulidis, NeurIPS 2025, arXiv 2502.04664.

    Args:
        lr: step size, or a schedule step -> step size.

    Raises:
        ValueError: a parameter is neither a matrix nor a vector (at the start of a simulation).
    """

    lr: StepSize

    def init(self, problem: Problem, params: PyTree) -> Int[Array, ""]:
        for leaf in jax.tree.leaves(params):
            if jnp.ndim(leaf) not in (1, 2):
                raise ValueError(f"spectral descent needs matrices, got a parameter of shape {jnp.shape(leaf)}")
        return jnp.zeros((), jnp.int32)

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        lr = step_size(self.lr, state)

        def move(w: Array, g: Array) -> Array:
            U, s, Vt = jnp.linalg.svd(jnp.atleast_2d(g), full_matrices=False)
            # The factors of a vanishing singular value are arbitrary: no move along them, nor on a zero gradient.
            known = s > jnp.finfo(s.dtype).eps * max(U.shape[0], Vt.shape[1]) * s[0]
            return w - lr * ((U * known) @ Vt).reshape(w.shape)

        return jax.tree.map(move, params, problem.gradient(params)), state + 1

    def time_step(self, state: State) -> Scalar | float:
        return step_size(self.lr, state)
