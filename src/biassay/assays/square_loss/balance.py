"""Layers that are not normalised: what becomes of the differences of their squared norms rho_k^2 - rho_j^2.

A network that is homogeneous in every layer has the same <W_k, dR/dW_k> for all k, so that under gradient flow with
weight decay wd, which is the penalty (wd / 2) |W|^2,

    d(rho_k^2 - rho_j^2)/dt = -2 wd (rho_k^2 - rho_j^2).

A step of gradient descent of size lr adds lr^2 times a difference of squared gradients.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ...dynamics import AbstractDynamics, GradientDescent, runge_kutta_4
from ...problem import Problem, squared_error
from ...references import margin_moments
from ...simulation import PerSeed, Simulation, simulate
from .config import Config
from .networks import binary_network, layer_norms, outputs
from .rho_flow import Variables, binary_digits, unit_start

_RECORDS = 100
_LAW_RECORDS = 20


class FixedStepFlow(AbstractDynamics):
    """dW/dt = -grad R(W) - weight_decay W, in Runge-Kutta steps of length dt.

    Args:
        dt: time a step covers.
        weight_decay: as in `GradientDescent`.
    """

    dt: Any
    weight_decay: Any = 0.0

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> None:
        return None

    def step(self, problem: Problem, params: PyTree, state: Any, noise: None) -> tuple[PyTree, Any]:
        def velocity(W: PyTree) -> PyTree:
            return jax.tree.map(lambda w, g: -g - self.weight_decay * w, W, problem.gradient(W))

        return runge_kutta_4(velocity, params, self.dt), state

    def time_step(self, state: Any) -> Scalar | float:
        return self.dt


def _train(
    config: Config, dynamics: AbstractDynamics, steps: int, records: int, decays: tuple[float, ...]
) -> Simulation:
    x, y = binary_digits(config)
    return simulate(
        PerSeed(Problem(binary_network, x, y, squared_error)),
        dynamics,
        PerSeed(_unequal(config)),
        steps=steps,
        record=records,
        probes={"norms": layer_norms, "outputs": outputs},
        seeds=config.seeds,
        seed=config.seed,
        sweep={"weight_decay": decays},
        label=f"layers by {type(dynamics).__name__}",
    )


def _unequal(config: Config) -> PyTree:
    """The layers of `unit_start` with the norms of the config; every leaf has a leading seed axis."""
    layers = unit_start(config).layers
    return tuple(jax.tree.map(lambda V, norm: norm * V, layers, config.norms))


def descent(config: Config) -> Variables:
    """Gradient descent from unequal norms: norms along the way, and rho with its margins at the end."""
    steps = round(config.plain_time / config.lr)
    run = _train(config, GradientDescent(config.lr, weight_decay=0.0), steps, min(_RECORDS, steps), config.decays)
    norms = run.data["norms"].values
    rho = norms[:, :, -1].prod(axis=-1)
    of = margin_moments(run.data["outputs"].values[:, :, -1] / rho[..., None])
    own = ("seed", "wd")
    return {
        "norms": ((*own, "descent_time", "layer"), norms, "Frobenius norms of the layers under gradient descent"),
        "descent_rho": (own, rho, "ρ at the end of gradient descent"),
        "descent_mu": (own, of.mean, "mean μ of the margins there"),
        "descent_M": (own, of.square, "mean M of the squared margins there"),
        "descent_time": ("descent_time", _times(run), "time, the sum of the step sizes"),
    }


def law(config: Config) -> Variables:
    """rho_k^2 - rho_1^2 under gradient flow, beside exp(-2 wd t) times its value at the start."""
    steps = round(config.law_time / config.short_dt)
    decays = (0.0, config.law_decay)
    run = _train(config, FixedStepFlow(config.short_dt), steps, min(_LAW_RECORDS, steps), decays)
    squares = run.data["norms"].values ** 2
    apart = squares[..., 1:] - squares[..., :1]
    time = _times(run)
    expected = apart[:, :, :1] * np.exp(-2 * np.outer(decays, time))[None, :, :, None]
    return {
        "apart": (("seed", "law_wd", "law_time", "pair"), apart, "ρ_k² − ρ_1² under gradient flow"),
        "apart_law": (("seed", "law_wd", "law_time", "pair"), expected, "exp(−2 wd t) (ρ_k² − ρ_1²) at the start"),
        "law_time": ("law_time", time, "time"),
    }


def _times(run: Simulation) -> np.ndarray:
    """Times of the records, which are the same in every lane."""
    return run.data["time"].values.reshape(-1, run.data.sizes["step"])[0]
