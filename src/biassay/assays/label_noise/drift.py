"""Drift: does label noise move a network of zero error as far, and in the direction, that the drift flow says?

h: a tanh network of 6 units on n = 4 Gaussian points x_i of the plane, targets y; loss (h - y)^2, one example a step
(B = 1). From one zero-error start theta* a data set, many runs of SGD with label noise s at every step size eta, each
for the same drift time tau = eta^2 s^2 t; their ends are mapped back to zero error by gradient flow.

    measured    d = mean over the runs of (the end mapped back - theta*)
    predicted   D = the displacement of the flow d theta / d tau = -P_N grad reg over the time tau
    ratio       <d, D> / |D|^2, also run by run;        cosine  <d, D> / |d| |D|

Mapping back by the gradient flow and not by the shortest way matters: along the flow the limit of a point does not
change, so that the transient of the first steps and the width of the noise at the end drop out of d.

Controls: s = 0; the flow with its constant doubled and divided by 4; isotropic noise in the parameters with the same
total variance.

The prediction is the limit eta -> 0. How small eta must be depends on the data: the correction is of the order of

    kappa = 2 eta (lambda_max(G) + max_i |g_i|^2 / B),       g_i = grad h(x_i),  G = (1/n) sum_i g_i g_i^T on its range,

and the noise settles in 1 / (4 eta lambda_min(G)) steps. So draws are used in their order, except those without zero
error, with kappa > 0.08 at eta = 2e-3, or with lambda_min < 0.05 (the gradient flow would not map them back in time).
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ...dynamics import AbstractDynamics, GradientDescent, IsotropicNoise, LabelNoise
from ...errors import UserError
from ...problem import Problem, squared_error
from ...references import drift as drift_velocity
from ...references import drift_flow, drift_time, output_jacobian, regularizer, residuals, to_zero_error
from ...simulation import PerSeed, simulate
from .config import Config
from .networks import Network, tanh_network

Variables: TypeAlias = dict[str, tuple[Any, ...]]

UNITS, TARGETS = 6, (0.5, -0.7, 0.3, 0.9)
CONSTANTS = (1.0, 2.0, 0.25)
"""Multiples of the drift's constant that the displacement is compared with; the first is the prediction."""

KAPPA_LR, LARGEST_KAPPA, LEAST_EIGENVALUE = 2e-3, 0.08, 0.05
_ZERO = 1e-12
_DRAWS, _DRAWS_A_SET = 64, 32
"""About one draw in eight is used."""
_DESCENT_LR, _DESCENT_STEPS = 0.05, 2000
"""Gradient descent that stands for gradient flow: to the starts, and back to zero error. The slowest error shrinks by
exp(-2 LEAST_EIGENVALUE 100) on the way; Gauss-Newton steps finish."""
_FLOW_STEPS = 160


class Start(NamedTuple):
    """What is known of a zero-error point. residual: max |h - y|; smallest, largest: eigenvalues of G on its range;
    steepest: max_i |g_i|^2; trace: reg = tr G; share: |P_N grad reg| / |grad reg|."""

    residual: Array
    smallest: Array
    largest: Array
    steepest: Array
    trace: Array
    share: Array

    def kappa(self, lr: float) -> Array | np.ndarray:
        """The size of the correction at the step size lr, for one example a step."""
        return 2 * lr * (self.largest + self.steepest)


def known_of(problem: Problem, params: PyTree) -> Start:
    """Every entry of `Start` at one point."""
    J = output_jacobian(problem, params)
    eigenvalues = jnp.linalg.svd(J, compute_uv=False) ** 2 / problem.size
    theta, unravel = ravel_pytree(params)
    gradient = jax.grad(lambda t: regularizer(problem, unravel(t)))(theta)
    along = ravel_pytree(drift_velocity(problem, params))[0]
    return Start(
        residual=jnp.abs(residuals(problem, params)).max(),
        smallest=eigenvalues[-1],
        largest=eigenvalues[0],
        steepest=jnp.sum(J**2, axis=1).max(),
        trace=jnp.sum(eigenvalues),
        share=jnp.linalg.norm(along) / jnp.linalg.norm(gradient),
    )


def draw_sets(config: Config) -> tuple[Problem, Network, Start, np.ndarray]:
    """The data sets, their starts at zero error, what is known of these, and which draws they are (0, 1, ...).

    Every leaf has the leading axis `drift_set`.

    Raises:
        UserError: too few draws can be used.
    """
    draws = _DRAWS + _DRAWS_A_SET * config.drift_sets
    rng = np.random.default_rng([config.seed, 1])
    x = rng.normal(size=(draws, len(TARGETS), 2))
    params = Network(*(jnp.asarray(rng.normal(size=size)) for size in ((draws, UNITS, 2), (draws, UNITS))))
    y = np.broadcast_to(TARGETS, (draws, len(TARGETS)))
    problem = Problem(tanh_network, jnp.asarray(x), jnp.asarray(y), squared_error)
    start, known = jax.device_get(_polished_and_known(problem, _descended(problem, params, "drift, the starts")))
    rough = (known.kappa(KAPPA_LR) > LARGEST_KAPPA) | (known.smallest < LEAST_EIGENVALUE)
    chosen = np.flatnonzero((known.residual < _ZERO) & ~rough)[: config.drift_sets]
    if chosen.size < config.drift_sets:
        raise UserError(f"drift_sets={config.drift_sets}: only {chosen.size} of {draws} draws qualify, ask for fewer")
    problem, start, known = jax.tree.map(lambda leaf: np.asarray(leaf)[chosen], (problem, start, known))
    return problem, start, known, chosen


def _descended(problem: Problem, params: PyTree, label: str) -> PyTree:
    """Gradient descent with small steps from every lane's parameters, in the host's memory.

    On the host, because a matrix factorisation of arrays that are split among devices may wait for ever.
    """
    lanes = problem.y.shape[0]
    run = simulate(
        PerSeed(problem),
        GradientDescent(_DESCENT_LR),
        PerSeed(params),
        steps=_DESCENT_STEPS,
        record=1,
        seeds=lanes,
        label=label,
    )
    return jax.device_get(run.params)


@jax.jit
@jax.vmap
def _polished_and_known(problem: Problem, params: PyTree) -> tuple[PyTree, Start]:
    polished = to_zero_error(problem, params)
    return polished, known_of(problem, polished)


@jax.jit
@jax.vmap
def _polished_displacement(problem: Problem, params: PyTree, start: PyTree) -> tuple[Float[Array, " p"], Array]:
    """Zero error reached from nearby, minus the start, and the largest residual left."""
    polished = to_zero_error(problem, params, steps=4)
    moved = ravel_pytree(polished)[0] - ravel_pytree(start)[0]
    return moved, jnp.abs(residuals(problem, polished)).max()


@jax.jit
def _predicted(problem: Problem, start: PyTree, taus: Float[Array, " k"]) -> Float[Array, "set k p"]:
    """The displacement of the drift flow over each time, on every data set."""

    def one(problem: Problem, start: PyTree, tau: Array) -> Array:
        return ravel_pytree(drift_flow(problem, start, tau, steps=_FLOW_STEPS))[0] - ravel_pytree(start)[0]

    return jax.vmap(jax.vmap(one, (None, None, 0)), (0, 0, None))(problem, start, taus)


def drift(config: Config) -> Variables:
    """Label noise at every step size, and its controls, on every data set."""
    sets, runs, largest = config.drift_sets, config.drift_runs, config.drift_lr[0]
    problem, start, known, chosen = draw_sets(config)
    lanes = runs + 1  # of each set, the last one without noise
    noisy = np.tile(np.arange(lanes) < runs, sets)

    def repeated(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: np.repeat(leaf, lanes, axis=0), tree)

    problems, starts = repeated(problem), repeated(start)

    def displaced(dynamics: AbstractDynamics, lr: float, stream: int, label: str) -> tuple[np.ndarray, np.ndarray]:
        """The ends mapped back minus the start (set, lane, p), and the largest residual left on each set."""
        run = simulate(
            PerSeed(problems),
            PerSeed(dynamics),
            PerSeed(starts),
            steps=config.steps_of_drift(lr),
            record=1,
            seeds=sets * lanes,
            seed=config.seed,
            stream=stream,
            label=label,
        )
        back = _descended(problems, run.params, f"{label}, back to zero error")
        moved, residual = jax.device_get(_polished_displacement(problems, back, starts))
        return moved.reshape(sets, lanes, -1), residual.reshape(sets, lanes).max(axis=1)

    def label_noise(lr: float) -> LabelNoise:
        return LabelNoise(np.full(sets * lanes, lr), config.drift_std * noisy, batch_size=1)

    def isotropic_noise(lr: float, parameters: int) -> IsotropicNoise:
        """Label noise moves the parameters by 2 lr eps g_i: a variance of (2 lr s)^2 tr G a step, shared out here."""
        variance = (2 * lr * config.drift_std) ** 2 * repeated(known.trace) / parameters
        return IsotropicNoise(np.full(sets * lanes, lr), np.sqrt(variance) * noisy)

    runs_of_noise = [displaced(label_noise(lr), lr, i, f"drift, lr {lr:g}") for i, lr in enumerate(config.drift_lr)]
    moved, residual = (np.stack(part, axis=1) for part in zip(*runs_of_noise, strict=True))
    d, without_noise = moved[:, :, :runs], moved[:, :, runs]
    parameters = moved.shape[-1]
    control = isotropic_noise(largest, parameters)
    isotropic, _ = displaced(control, largest, len(config.drift_lr), "drift, isotropic noise")

    tau = drift_time(config.drift_steps, largest, config.drift_std, batch_size=1)
    D = np.asarray(_predicted(problem, start, tau * np.array(CONSTANTS)))
    length = np.linalg.norm(D, axis=-1)
    unit = D / length[..., None]
    wandered = isotropic[:, :runs]

    def cosine(mean: np.ndarray, direction: np.ndarray) -> np.ndarray:
        return np.einsum("...p,...p->...", mean, direction) / np.linalg.norm(mean, axis=-1)

    each = ("drift_set", "drift_lr")
    return {
        "drift_ratio": (
            (*each, "drift_run", "drift_constant"),
            np.einsum("slrp,skp->slrk", d, unit) / length[:, None, None],
            "displacement in the direction of the drift flow / length of the drift flow",
        ),
        "drift_cosine": (
            each,
            cosine(d.mean(axis=2), unit[:, None, 0]),
            "cosine of the mean displacement with the drift flow",
        ),
        "drift_noiseless": (
            each,
            np.linalg.norm(without_noise, axis=-1) / length[:, :1],
            "displacement without noise / length of the drift flow",
        ),
        "drift_isotropic": (
            ("drift_set", "drift_run"),
            np.einsum("srp,sp->sr", wandered, unit[:, 0]) / length[:, :1],
            "the ratio under isotropic noise of the same total variance",
        ),
        "drift_isotropic_cosine": (
            ("drift_set",),
            cosine(wandered.mean(axis=1), unit[:, 0]),
            "cosine of the mean displacement under isotropic noise with the drift flow",
        ),
        "drift_residual": (each, residual, "largest error of an end mapped back"),
        "drift_length": (("drift_set", "drift_constant"), length, "length of the drift flow"),
        "drift_kappa": (
            each,
            np.stack([known.kappa(lr) for lr in config.drift_lr], axis=1),
            "size κ of the correction at finite step size",
        ),
        "drift_smallest": (("drift_set",), known.smallest, "smallest eigenvalue of G"),
        "drift_share": (("drift_set",), known.share, "share of grad reg along the zero-error set"),
        "drift_draw": (("drift_set",), chosen, "number of the draw"),
    }


def drift_coords(config: Config) -> dict[str, Any]:
    """The axes of `drift`."""
    return {
        "drift_set": np.arange(config.drift_sets),
        "drift_lr": ("drift_lr", list(config.drift_lr), {"long_name": "step size η"}),
        "drift_run": np.arange(config.drift_runs),
        "drift_constant": ("drift_constant", list(CONSTANTS), {"long_name": "multiple of the drift's constant"}),
    }
