"""The algorithms of the assay `min-norm`, each with the claim it makes: does it keep to the span of the data?

An algorithm is *span-preserving* when its update maps span(X) into itself. The tag is a prediction from the update's
formula; a test runs every entry and fails when tag and measured span disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from ...dynamics import (
    SGD,
    AbstractDynamics,
    CoordinateDescent,
    ExponentialDecay,
    FullMatrixAdaGrad,
    GradientDescent,
    IsotropicNoise,
    Kaczmarz,
    MirrorDescent,
    PreconditionedDescent,
    SignDescent,
    TunedOptax,
)
from ...models.linear_regression import linear_regression
from ...probes import weights
from ...references.iterative_solvers import conjugate_gradients, lbfgs
from ...simulation import Lanes, PerSeed, simulate
from .config import Config
from .regression import Regressions

CHECKPOINTS = 17
"""Points at which an algorithm's path is kept, the start and the end among them."""

_PROBES = {"w": weights}


class Trajectory(NamedTuple):
    """The weights at CHECKPOINTS steps, the same for all seeds."""

    steps: Int[np.ndarray, " checkpoint"]
    w: Float[np.ndarray, "seed checkpoint d"]


@dataclass(frozen=True)
class Setting:
    """The regressions to solve, and how to follow an algorithm on them."""

    config: Config
    data: Regressions

    @cached_property
    def problem(self) -> PerSeed[Any]:
        """One problem a seed."""
        return self.data.problem

    @cached_property
    def smoothness(self) -> Float[np.ndarray, " seed"]:
        """L = sigma_max(X)^2 of each problem."""
        return np.linalg.norm(self.data.X, 2, axis=(1, 2)) ** 2

    def follow(
        self,
        dynamics: AbstractDynamics,
        steps: int,
        start: np.ndarray | None = None,
        problem: PerSeed[Any] | None = None,
        lanes: Lanes = "vmap",
    ) -> Trajectory:
        """The path of `dynamics`, whose array-valued numbers have one row per seed, from zero or `start` (seed, d)."""
        config, problem = self.config, problem or self.problem
        if start is None:
            start = np.zeros((config.seeds, problem.value.x.shape[2]))

        def per_seed(leaf: Any) -> Any:
            return jnp.asarray(np.broadcast_to(leaf, (config.seeds,)) if np.ndim(leaf) == 0 else np.asarray(leaf))

        kept = np.append(0, np.geomspace(min(10, steps), steps, CHECKPOINTS - 1).round().astype(int))
        run = simulate(
            problem,
            PerSeed(jax.tree.map(per_seed, dynamics)),
            PerSeed(jnp.asarray(start)),
            steps=steps,
            probes=_PROBES,
            record=kept.tolist(),
            seeds=config.seeds,
            seed=config.seed,
            lanes=lanes,
            label=type(dynamics).__name__,
        )
        return Trajectory(kept, run.data["w"].sel(step=kept).values)

    def solve(self, solver: Callable[[np.ndarray, np.ndarray, int], np.ndarray], steps: int) -> Trajectory:
        """The path of a solver that returns its iterates; a solver that stops early stays where it is."""
        paths = [solver(X, y, steps) for X, y in zip(self.data.X, self.data.y, strict=True)]
        kept = np.linspace(0, max(len(path) for path in paths) - 1, CHECKPOINTS).round().astype(int)
        return Trajectory(kept, np.stack([path[np.minimum(kept, len(path) - 1)] for path in paths]))


@dataclass(frozen=True)
class Algorithm:
    """One row of the table.

    title: as shown; span_preserving: the prediction; train: how it is run; aside: why the row takes no part in the
    claim on all span-preserving algorithms or in its control, "" for a row that does.
    """

    title: str
    span_preserving: bool
    train: Callable[[Setting], Trajectory]
    aside: str = ""


def _gd(
    at: Setting, gamma: Any, momentum: float = 0.0, decay: float = 0.0, start: np.ndarray | None = None
) -> Trajectory:
    return at.follow(GradientDescent(gamma, momentum, weight_decay=decay), at.config.steps, start)


def _nesterov(at: Setting) -> Trajectory:
    return at.follow(GradientDescent(0.5 / at.smoothness, 0.9, nesterov=True), at.config.steps)


def _sgd_single(at: Setting) -> Trajectory:
    longest = np.max(np.sum(at.data.X**2, axis=1), axis=1)
    return at.follow(SGD(1 / longest, batch_size=1, sampling="independent"), 2 * at.config.steps)


def _sgd_batch(at: Setting) -> Trajectory:
    return at.follow(SGD(0.5 / at.smoothness, batch_size=5), 2 * at.config.steps)


def _noisy_sgd(at: Setting) -> Trajectory:
    lr = 0.5 / at.smoothness
    return at.follow(IsotropicNoise(lr, lr * at.config.noise, batch_size=5, sampling="epochs"), at.config.steps)


def _adagrad_in_span(at: Setting) -> Trajectory:
    """AdaGrad in the n coordinates of an orthonormal basis Q of the span, X = Q R, w = Q c.

    Every gradient Q R (X^T w - y) lies in the span, so that the null space of G holds only round-off: leave it out.
    """
    Q, R = np.linalg.qr(at.data.X)
    inside = PerSeed(linear_regression(jnp.asarray(R.swapaxes(1, 2)), jnp.asarray(at.data.y)))
    path = at.follow(FullMatrixAdaGrad(0.5, 1e-4), at.config.adagrad_steps, problem=inside, lanes="map")
    return Trajectory(path.steps, np.einsum("sdn,scn->scd", Q, path.w))


def _adagrad(at: Setting, epsilon: float, inside: bool) -> Trajectory:
    return at.follow(FullMatrixAdaGrad(0.5, epsilon, inside), at.config.adagrad_steps, lanes="map")


def adam(at: Setting, lr: ExponentialDecay, steps: int, b1: float = 0.9, eps: float = 1e-8) -> Trajectory:
    """The path of Adam; the numbers may differ, the program is one."""
    return at.follow(TunedOptax(optax.adam, learning_rate=lr, b1=b1, eps=eps), steps)


def vanishing(at: Setting, end: Any = 0.0) -> ExponentialDecay:
    """The step size 1e-2 10^{-4 k / steps} + end: 1e-6 + end after `steps` steps."""
    return ExponentialDecay(1e-2, 1e-4, float(at.config.steps), end)


def _constant(lr: Any) -> ExponentialDecay:
    return ExponentialDecay(0.0, 1.0, 1.0, lr)


def _rmsprop(at: Setting) -> Trajectory:
    return at.follow(TunedOptax(optax.rmsprop, learning_rate=vanishing(at)), 2 * at.config.steps)


def _diagonal_adagrad(at: Setting) -> Trajectory:
    adagrad = TunedOptax(optax.adagrad, learning_rate=0.1, initial_accumulator_value=0.0, eps=1e-12)
    return at.follow(adagrad, 2 * at.config.steps)


def _sign(at: Setting) -> Trajectory:
    halved = ExponentialDecay(1e-2, 0.5, float(at.config.steps // 10), staircase=True)
    return at.follow(SignDescent(halved), 2 * at.config.steps)


def _preconditioned(at: Setting, D: np.ndarray) -> Trajectory:
    root = np.sqrt(D)[:, :, None] * at.data.X
    lr = 1 / np.linalg.norm(root, 2, axis=(1, 2)) ** 2
    return at.follow(PreconditionedDescent(lr, D), 5 * at.config.steps)


def _mirror(at: Setting, lr: float, p: float) -> Trajectory:
    return at.follow(MirrorDescent(lr, p), at.config.mirror_steps)


ALGORITHMS: dict[str, Algorithm] = {
    "gd": Algorithm("gradient descent", True, lambda at: _gd(at, 1 / at.smoothness)),
    "sgd-1": Algorithm("SGD, batch 1", True, _sgd_single),
    "sgd-5": Algorithm("SGD, batch 5", True, _sgd_batch),
    "heavy-ball": Algorithm("heavy ball", True, lambda at: _gd(at, 0.5 / at.smoothness, momentum=0.9)),
    "nesterov": Algorithm("Nesterov", True, _nesterov),
    "kaczmarz": Algorithm("Kaczmarz", True, lambda at: at.follow(Kaczmarz(), at.config.steps)),
    "cg": Algorithm("conjugate gradients", True, lambda at: at.solve(conjugate_gradients, 60)),
    "l-bfgs": Algorithm("L-BFGS", True, lambda at: at.solve(lbfgs, 2000)),
    "full-adagrad": Algorithm("full-matrix AdaGrad", True, _adagrad_in_span),
    "gd-decay": Algorithm(
        "GD + weight decay",
        True,
        lambda at: _gd(at, 1 / at.smoothness, decay=at.config.decay),
        aside="keeps an error: it ends at ridge regression",
    ),
    "adam": Algorithm("Adam, decaying step", False, lambda at: adam(at, vanishing(at), 2 * at.config.steps)),
    "adam-constant": Algorithm(
        "Adam, constant step",
        False,
        lambda at: adam(at, _constant(1e-3), 2 * at.config.steps),
        aside="keeps an error: its steps do not shrink",
    ),
    "rmsprop": Algorithm("RMSProp, decaying step", False, _rmsprop),
    "diagonal-adagrad": Algorithm("diagonal AdaGrad", False, _diagonal_adagrad),
    "sign": Algorithm("sign descent", False, _sign),
    "coordinate": Algorithm(
        "coordinate descent", False, lambda at: at.follow(CoordinateDescent(), 5 * at.config.steps)
    ),
    "gd-start": Algorithm(
        "GD from w₀ ≠ 0", False, lambda at: _gd(at, 1 / at.smoothness, start=at.config.start_scale * at.data.start)
    ),
    "noisy-sgd": Algorithm(
        "SGD + isotropic noise", False, _noisy_sgd, aside="two effects at once: out of the span, and not at zero error"
    ),
    "preconditioned": Algorithm("preconditioned GD", False, lambda at: _preconditioned(at, at.data.D)),
    "adam-gd": Algorithm(
        "Adam, ε = 1000",
        False,
        lambda at: adam(at, _constant(1e3 * 0.5 / at.smoothness), at.config.steps, b1=0.0, eps=1e3),
        aside="the limit in which Adam becomes gradient descent",
    ),
}
"""Name -> algorithm, for the algorithms that every config runs."""


def algorithms(config: Config, ambient: bool) -> dict[str, Algorithm]:
    """`ALGORITHMS`, a mirror descent for each p of the config, the controls whose metric is Euclidean, and on demand
    full-matrix AdaGrad in the d coordinates of w, where round-off in the null space of G is visible."""
    found = dict(ALGORITHMS)
    for p, lr in zip(config.mirror_p, config.mirror_lr, strict=True):
        train = _mirrored(p, lr)
        found[f"mirror-{p:g}"] = Algorithm(f"mirror descent, p = {p:g}", False, train)
    control = "the Euclidean control of its family"
    found["mirror-2"] = Algorithm("mirror descent, p = 2", True, _mirrored(2.0, config.mirror_lr[0]), control)
    identity = Algorithm("preconditioned GD, D = I", True, lambda at: _preconditioned(at, np.ones_like(at.data.D)))
    found["preconditioned-identity"] = Algorithm(identity.title, True, identity.train, control)
    if ambient:
        for name, epsilon, inside in (("(G + ε)^-½", 1e-4, True), ("(G^½ + ε)^-1", 1e-8, False)):
            found[f"ambient-adagrad-{epsilon:.0e}"] = Algorithm(
                f"full-matrix AdaGrad in R^d, {name}",
                True,
                lambda at, epsilon=epsilon, inside=inside: _adagrad(at, epsilon, inside),
                aside="shows the round-off in the null space of G",
            )
    return found


def _mirrored(p: float, lr: float) -> Callable[[Setting], Trajectory]:
    return lambda at: _mirror(at, lr, p)
