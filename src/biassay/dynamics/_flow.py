"""Gradient flow, integrated by Diffrax."""

from __future__ import annotations

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State


class GradientFlow(AbstractDynamics):
    """dw/dt = -grad R(w) - weight_decay w, the limit of gradient descent for small steps.

    One step integrates the time `dt` adaptively. If the solver gives up, the parameters become NaN and the lane
    counts as diverged.

    Args:
        dt: time a step covers.
        solver: a Diffrax solver; Tsitouras' 5(4) by default, `diffrax.Kvaerno5()` for stiff problems.
        rtol, atol: tolerances of the step controller.
        weight_decay: as in `GradientDescent`, or None.
        max_steps: internal solver steps allowed inside one `dt`.
    """

    dt: Any
    solver: diffrax.AbstractSolver = eqx.field(static=True, default=diffrax.Tsit5())
    rtol: float = eqx.field(static=True, default=1e-9)
    atol: float = eqx.field(static=True, default=1e-12)
    weight_decay: Any = None
    max_steps: int = eqx.field(static=True, default=4096)

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        def velocity(t: Any, w: PyTree, args: PyTree) -> PyTree:
            gradient = problem.gradient(w)
            if self.weight_decay is None:
                return jax.tree.map(jnp.negative, gradient)
            return jax.tree.map(lambda g, u: -g - self.weight_decay * u, gradient, w)

        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(velocity),
            self.solver,
            t0=0.0,
            t1=self.dt,
            dt0=None,
            y0=params,
            stepsize_controller=diffrax.PIDController(rtol=self.rtol, atol=self.atol),
            adjoint=diffrax.ForwardMode(),
            max_steps=self.max_steps,
            throw=False,
        )
        reached = solution.result == diffrax.RESULTS.successful
        end = jax.tree.map(lambda path: jnp.where(reached, path[-1], jnp.nan), solution.ys)
        return end, state

    def time_step(self, state: State) -> Scalar | float:
        return self.dt
