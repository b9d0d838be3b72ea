"""Gradient flow in logarithmic time: separable data at times that no iteration reaches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise, State


class _Clock(NamedTuple):
    """Save points passed, the log-time reached, and the solver's mean step over the last interval."""

    passed: Int[Array, ""]
    reached: Float[Array, ""]
    stride: Float[Array, ""]


class _Chord(diffrax.VeryChord):
    """Diffrax's chord iteration, which also ends once its steps are far below the tolerance.

    The original ends when successive steps shrink; where the first guess is exact to round-off they do not, and it
    reports divergence. On separable data w is so nearly linear in log t that this happens at random.
    """

    def terminate(
        self, fn: Any, y: Any, args: Any, options: Any, state: Any, tags: frozenset[object]
    ) -> tuple[Any, Any]:
        settled = jnp.where(state.diffsize < self.kappa, 0.0, state.diffsize)
        state = eqx.tree_at(lambda known: known.diffsize, state, settled.astype(state.diffsize.dtype))
        return super().terminate(fn, y, args, options, state, tags)


_SOLVER = diffrax.Kvaerno5(root_finder=diffrax.with_stepsize_controller_tols(_Chord)())


def logistic_log_slope(margins: Float[Array, " n"]) -> Float[Array, " n"]:
    """log(-l'(m)) = log sigmoid(-m) of the logistic loss l(m) = log(1 + exp(-m))."""
    return jax.nn.log_sigmoid(-margins)


class LogTimeFlow(AbstractDynamics):
    """Gradient flow of the *sum* of losses l(m_n) of the margins m_n = y_n f(w, x_n), in the clock s = log(1 + t).

    dw/ds = (1 + t) dw/dt = sum_n exp(s + log(-l'(m_n))) grad m_n; for a linear model, with the rows y_n x_n of A, it is
    A^T exp(s + log(-l'(A w))). Time and the slope of the loss meet in the exponent only, so that t = exp(10^6) does not
    overflow. On separable data w grows like log t (Soudry et al., arXiv:1710.10345): in s the flow relaxes within O(1)
    to a point that moves ever more evenly, a stiff problem for s >> 1. The problem gives the model, the points and the
    labels; its own loss and aggregate are not used.

    One step goes to the next of the `log_times` by Kvaerno's fifth-order implicit method, and the `time` of a
    simulation is s. The solver starts afresh at a save point, but with the mean step of the interval before, scaled to
    the length of the new one: 1,200 solver steps instead of 22,000 for 60 save points up to s = 10^6. A step beyond the
    last save point, or one that the solver gives up, makes the parameters NaN.

    Args:
        log_times: the save points 0 < s_1 < s_2 < ...; the flow starts at s_0 = 0.
        log_slope: margins (n,) -> log(-l'(margins)); the logistic loss by default.
        rtol, atol: tolerances of the step controller.
        max_steps: internal solver steps allowed between two save points.

    Raises:
        ValueError: no save point, or save points that are not finite, positive and increasing; tolerances below the
            rounding error of the numbers, as the default ones are in single precision (at the start of a simulation).
    """

    log_times: Any = eqx.field(converter=jnp.asarray)
    log_slope: Callable[[Array], Array] = eqx.field(static=True, default=logistic_log_slope)
    rtol: float = eqx.field(static=True, default=1e-9)
    atol: float = eqx.field(static=True, default=1e-9)
    max_steps: int = eqx.field(static=True, default=4096)

    def __check_init__(self) -> None:
        if isinstance(self.log_times, Tracer):
            return
        times = np.asarray(self.log_times)
        if times.ndim < 1 or not times.size:
            raise ValueError(f"log_times needs at least one save point, got shape {times.shape}")
        if not (np.isfinite(times).all() and (np.diff(times, axis=-1, prepend=0) > 0).all()):
            raise ValueError("log_times must be positive, finite and increasing")

    def init(self, problem: Problem, params: PyTree) -> State:
        times = jnp.asarray(self.log_times)
        for kind in {leaf.dtype for leaf in (times, *jax.tree.leaves(params))}:
            if self.rtol < 4 * jnp.finfo(kind).eps:
                raise ValueError(f"rtol={self.rtol:g} is below the rounding error of {kind}: enable double precision")
        return _Clock(jnp.zeros((), jnp.int32), jnp.zeros((), times.dtype), jnp.minimum(times[0], 1.0) / 1024)

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(self, problem: Problem, params: PyTree, state: _Clock, noise: Noise) -> tuple[PyTree, _Clock]:
        def velocity(s: Any, w: PyTree, args: PyTree) -> PyTree:
            margins, pull_back = jax.vjp(lambda w: problem.y * problem.predict(w, problem.x), w)
            return pull_back(jnp.exp(s + self.log_slope(margins)))[0]

        end = self._save_point(state)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(velocity),
            _SOLVER,
            t0=state.reached,
            t1=end,
            dt0=jnp.minimum(state.stride, end - state.reached),
            y0=params,
            stepsize_controller=diffrax.PIDController(rtol=self.rtol, atol=self.atol),
            adjoint=diffrax.ForwardMode(),
            max_steps=self.max_steps,
            throw=False,
        )
        arrived = (solution.result == diffrax.RESULTS.successful) & (state.passed < len(self.log_times))
        end_point = jax.tree.map(lambda path: jnp.where(arrived, path[-1], jnp.nan), solution.ys)
        after = _Clock(state.passed + 1, end, state.stride)
        # As many steps in the next interval; after the last there is none.
        share = (self._save_point(after) - end) / jnp.maximum(solution.stats["num_accepted_steps"], 1)
        return end_point, after._replace(stride=jnp.where(share > 0, share, state.stride))

    def time_step(self, state: _Clock) -> Scalar:
        return self._save_point(state) - state.reached

    def _save_point(self, clock: _Clock) -> Array:
        """The save point that `clock` goes to next; the last again when there is none."""
        times = jnp.asarray(self.log_times)
        return times[jnp.minimum(clock.passed, len(times) - 1)]
