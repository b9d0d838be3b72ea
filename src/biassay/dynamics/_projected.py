"""SGD on normalised layers: Lagrange-multiplier normalisation in discrete steps.

A layer is written W_k = r_k V_k with |V_k| = 1 in the Frobenius norm. For layers that are positively homogeneous the
network is f_W = rho f_V with rho = prod_k r_k. With G_k the gradient in W_k, the gradients in the new coordinates are

    dR/dV_k = r_k G_k,        dR/dr_k = <V_k, G_k>.

The multipliers nu_k (|V_k|^2 - 1) of the flow become a projection onto the sphere after every step. A layer is a leaf
of the parameters. The flow is that of Xu, Rangamani, Liao, Galanti, Poggio, Research 6:0024 (2023).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State
from ._descent import DescentState, StepSize, descend, rest, step_size
from ._sampling import Sampling, batch_indices, check_sampling


class ProjectedState(NamedTuple):
    """What descent carries for the directions V_k and for the scales r_k."""

    directions: DescentState
    scales: DescentState


class ProjectedSGD(AbstractDynamics):
    """SGD on the direction and the scale of every layer, the directions projected onto the unit sphere after each step.

        V_k <- (V_k - lr_direction r_k G_k) / |V_k - lr_direction r_k G_k|
        r_k <- r_k - lr_scale (<V_k, G_k> + weight_decay r_k)

    both from the same gradient G_k in W_k = r_k V_k, and with momentum each with a velocity in the place of its
    gradient. The parameters stay the plain weights W_k. Scales that are equal at the start stay equal where the network
    is homogeneous in every layer, as then all <W_k, G_k> are equal. In the limit of small steps without momentum this
    is gradient flow in W_k itself as long as lr_direction r_k^2 = lr_scale: with fixed step sizes, as long as r_k keeps
    that value.

    Args:
        lr_direction: step size of the directions, or a schedule step -> step size.
        lr_scale: step size of the scales, or a schedule; the time axis is its sum.
        batch_size: examples a step, None for all of them.
        sampling: as in `SGD`.
        momentum: heavy ball's beta for both, or None.
        weight_decay: adds weight_decay * r_k to the scale's gradient, the penalty (weight_decay / 2) sum_k r_k^2, which
            is that of plain weight decay; or None. It is not lambda rho^2: with all r_k of L layers equal it is
            L (weight_decay / 2) rho^(2/L).

    Raises:
        ValueError: batch_size below 1, or an unknown sampling.

    A layer of zeros has no direction: it becomes NaN.
    """

    lr_direction: StepSize
    lr_scale: StepSize
    batch_size: int | None = eqx.field(static=True, default=None)
    sampling: Sampling = eqx.field(static=True, default="epochs")
    momentum: Any = None
    weight_decay: Any = None

    def __check_init__(self) -> None:
        check_sampling(self.batch_size, self.sampling)

    def init(self, problem: Problem, params: PyTree) -> ProjectedState:
        return ProjectedState(rest(params, self.momentum), rest(_scales(params), self.momentum))

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        if self.batch_size is None:
            return None
        return batch_indices(key, start, length, problem.size, self.batch_size, self.sampling)

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        r = _scales(params)
        V = jax.tree.map(lambda W, own: W / own, params, r)
        G = problem.gradient(params, None if noise is None else problem.batch(noise))
        radial = jax.tree.map(lambda V, G: jnp.sum(V * G), V, G)
        V, directions = descend(
            V, jax.tree.map(jnp.multiply, r, G), state.directions, self.lr_direction, self.momentum, False, None
        )
        r, own = descend(r, radial, state.scales, self.lr_scale, self.momentum, False, self.weight_decay)
        params = jax.tree.map(lambda V, own, size: own * V / size, V, r, _scales(V))
        return params, ProjectedState(directions, own)

    def time_step(self, state: State) -> Scalar | float:
        return step_size(self.lr_scale, state.scales.steps)


def _scales(params: PyTree) -> PyTree:
    """r_k: the Frobenius norm of every leaf."""
    return jax.tree.map(lambda leaf: jnp.sqrt(jnp.sum(leaf**2)), params)
