"""Gradient flow of a network rho f_V in its scale rho and its layers V_k of unit Frobenius norm.

The norms are held by Lagrange multipliers nu_k, and the scale pays for its size:

    L(rho, V, nu) = R(rho f_V) + sum_k nu_k (|V_k|^2 - 1) + lambda rho^2.

With G_k = dR/dV_k the norms stay if 2 nu_k = -<V_k, G_k>, so that the flow is

    rho' = -dR/drho - 2 lambda rho,        V_k' = -G_k + <V_k, G_k> V_k.

For the square loss, a network f_V of one output that is homogeneous in every layer, labels y_n = +-1 and the margins
m_n = y_n f_V(x_n), with mu = mean m_n and M = mean m_n^2, this is

    rho' = -2 (rho M - mu) - 2 lambda rho,
    V_k' = (2 rho / N) sum_n (1 - rho m_n) (dm_n/dV_k - V_k m_n).

Weight normalization with one scale, W = g v / |v|, is the same flow of a network that normalises its layers itself,
f_{v/|v|}: there <v_k, G_k> = 0, the multipliers vanish, and v_k / |v_k| moves 1 / |v_k|^2 times as fast.

Xu, Rangamani, Liao, Galanti, Poggio, Research 6:0024 (2023), is the source of the flow; of it only the abstract was
read: the equations are recalled and derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State


class Normalised(NamedTuple):
    """The parameters of rho f_V. rho: the scale; layers: V_k, one a leaf."""

    rho: Float[Array, ""]
    layers: PyTree


def split_scale(weights: PyTree) -> Normalised:
    """rho = prod_k |W_k| and V_k = W_k / |W_k| (Frobenius norms): f_W = rho f_V where f is homogeneous in every W_k.

    Weights of zeros have no direction: they become NaN.

    Example:
        >>> import jax.numpy as jnp
        >>> from biassay.dynamics import split_scale
        >>> rho, layers = split_scale((jnp.array([[3.0, 4.0]]), jnp.array([[2.0]])))
        >>> print(rho, layers[0])
        10.0 [[0.6 0.8]]
    """
    norms = jax.tree.map(jnp.linalg.norm, weights)
    return Normalised(jax.tree.reduce(jnp.multiply, norms), jax.tree.map(lambda W, size: W / size, weights, norms))


class LagrangeFlow(AbstractDynamics):
    """rho' = -dR/drho - 2 decay rho,  V_k' = -G_k + <V_k, G_k> V_k by the Runge-Kutta method of order 4.

    The parameters are `Normalised(rho, layers)`, the problem's network is (parameters, x) -> rho f_V(x). The norms of
    the layers are never set: they keep their values to the order of the scheme.

    Args:
        dt: time a step covers.
        decay: lambda of the penalty lambda rho^2. It is no weight decay of the layers: with L layers of equal norm
            rho^(1/L) that would be the penalty L (wd / 2) rho^(2/L).

    Raises:
        ValueError: parameters that are not `Normalised` (at the start of a simulation).
    """

    dt: Any
    decay: Any = 0.0

    def init(self, problem: Problem, params: PyTree) -> State:
        if not isinstance(params, Normalised):
            raise ValueError(f"the parameters must be Normalised(rho, layers), got a {type(params).__name__}")
        return ()

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        return runge_kutta_4(lambda w: self.velocity(problem, w), params, self.dt), state

    def velocity(self, problem: Problem, params: Normalised) -> Normalised:
        """(rho', V')."""
        G = problem.gradient(params)
        tangential = jax.tree.map(lambda V, G: jnp.sum(V * G) * V - G, params.layers, G.layers)
        return Normalised(-G.rho - 2 * self.decay * params.rho, tangential)

    def time_step(self, state: State) -> Scalar | float:
        return self.dt


def runge_kutta_4(velocity: Callable[[PyTree], PyTree], params: PyTree, dt: Any) -> PyTree:
    """One step of length dt of dw/dt = velocity(w) by the classical Runge-Kutta method, of order 4.

    Its step is fixed. On networks with kinks that is cheaper than a step fitted to a tolerance, which is cut at every
    kink; the order is that of the method only between kinks.
    """
    real = jnp.result_type(*jax.tree.leaves(params))

    def ahead(v: PyTree, time: Any) -> PyTree:
        return jax.tree.map(lambda w, v: w + time * v, params, v)

    def stage(carry: tuple[PyTree, PyTree], of: tuple[Array, Array]) -> tuple[tuple[PyTree, PyTree], None]:
        last, mean = carry
        share, weight = of
        now = velocity(ahead(last, share * dt))
        return (now, jax.tree.map(lambda m, v: m + weight * v, mean, now)), None

    # A loop over the four stages: the velocity is compiled once.
    shares, weights = jnp.array([0, 1 / 2, 1 / 2, 1], real), jnp.array([1, 2, 2, 1], real) / 6
    none = jax.tree.map(jnp.zeros_like, params)
    (_, mean), _ = jax.lax.scan(stage, (none, none), (shares, weights))
    return ahead(mean, dt)
