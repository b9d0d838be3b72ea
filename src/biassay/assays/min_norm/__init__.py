"""Least squares with more parameters than points: which interpolator does each algorithm choose?

The sentence under test comes in two halves, and the second takes the mystery out of the first:

    N1  gradient descent from zero on |X^T w - y|^2 converges to the minimum-norm solution of X^T w = y;
    N2  so does *every* algorithm that reaches zero error with w in the span of the data.

X of shape (d, n) has the points as columns, d > n; y has shape (n,); w has shape (d,). If w = X a and X^T w = y then
(X^T X) a = y has one solution, and w = X (X^T X)^{-1} y whatever the algorithm. What decides is therefore whether an
algorithm keeps to the span: `algorithms` tags every algorithm and the assay measures the tag.

Where the algorithm leaves the span, its geometry decides: the nearest solution to the start, the smallest in another
norm (a preconditioner, mirror descent), or one that depends on the step size (steepest descent, N3).

Conventions: the gradient of a batch B is X_B (X_B^T w - y_B), that of |X_B^T w - y_B|^2 / 2, so that a step size is
the gamma of w <- w - gamma X (X^T w - y); see `biassay.models.linear_regression`.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import xarray as xr

from ...assay import Assay
from ...dynamics import AbstractDynamics, MirrorDescent, SteepestDescent
from ...models.linear_regression import linear_regression
from ...probes import weights
from ...references.interpolators import dual_map, min_norm, min_p_norm, projection, ridge, weighted_min_norm
from ...simulation import simulate
from .algorithms import CHECKPOINTS, Setting, Trajectory, adam, algorithms, vanishing
from .claims import CLAIMS
from .config import Config
from .figures import figures
from .regression import MEASURES, NORMS, Regressions, draw_regressions, norm_ratios, where_it_lies
from .text import MATHEMATICS


def references(config: Config, data: Regressions) -> dict[str, Callable[[int], np.ndarray]]:
    """The solutions that an algorithm may have chosen: name -> (index of the seed -> w of shape (d,))."""
    X, y = data.X, data.y
    smallest = {f"min-{p:g}-norm": lambda i, p=p: min_p_norm(X[i], y[i], p) for p in config.mirror_p}
    return {
        "min-norm": lambda i: min_norm(X[i], y[i]),
        "ridge": lambda i: ridge(X[i], y[i], config.decay),
        "projection": lambda i: projection(X[i], y[i], config.start_scale * data.start[i]),
        "weighted": lambda i: weighted_min_norm(X[i], y[i], data.D[i]),
        **smallest,
    }


def run(config: Config) -> xr.Dataset:
    """Every algorithm on every regression, the epsilon sweep, and the two-point example."""
    data = draw_regressions(config.seed, config.seeds, config.d, config.n)
    at = Setting(config, data)
    rows = algorithms(config, config.ambient)
    paths = {name: row.train(at) for name, row in rows.items()}
    found = xr.Dataset(
        coords={
            "seed": np.arange(config.seed, config.seed + config.seeds),
            "algorithm": list(rows),
            "norm": list(NORMS),
            "checkpoint": np.arange(CHECKPOINTS),
            "step": (("algorithm", "checkpoint"), np.stack([path.steps for path in paths.values()])),
            "title": ("algorithm", [row.title for row in rows.values()]),
            "aside": ("algorithm", [row.aside for row in rows.values()]),
            "span_preserving": ("algorithm", [row.span_preserving for row in rows.values()]),
        }
    )
    found["step"].attrs["long_name"] = "steps taken"
    w = np.stack([path.w for path in paths.values()], axis=1)
    found = found.assign(_where(at, w)).merge(_choices(config, data, w[:, :, -1], list(rows)))
    if config.epsilons:
        found = found.merge(_epsilon_sweep(at, config.epsilons))
    return found.merge(_two_points(config))


def _where(at: Setting, w: np.ndarray) -> dict[str, tuple]:
    """Residual, part outside the span and distance along the paths `w` (seed, algorithm, checkpoint, d)."""
    lies = where_it_lies(at.data, w)
    axes = ("seed", "algorithm", "checkpoint")
    return {name: (axes, lies[name], {"long_name": words}) for name, words in MEASURES.items()}


def _choices(config: Config, data: Regressions, w: np.ndarray, names: list[str]) -> xr.Dataset:
    """What the final weights `w` (seed, algorithm, d) are: their norms, and how far they are from each reference."""
    solutions = references(config, data)
    exact = np.array([[solve(i) for solve in solutions.values()] for i in range(config.seeds)])
    apart = np.linalg.norm(w[:, :, None] - exact[:, None], axis=-1) / np.linalg.norm(exact, axis=-1)[:, None]
    Q, _ = np.linalg.qr(data.X)
    gradients = np.stack([dual_map(w, p) for p in config.mirror_p], axis=2)
    inside = np.einsum("sdn,sen,sape->sapd", Q, Q, gradients)
    outside = np.linalg.norm(gradients - inside, axis=-1) / np.linalg.norm(gradients, axis=-1)
    own = ("seed", "algorithm")
    return xr.Dataset(
        {
            "ratio": ((*own, "norm"), norm_ratios(data, w), {"long_name": "norm over the smallest norm of a solution"}),
            "distance_to": ((*own, "reference"), apart, {"long_name": "distance to a reference, relative to its norm"}),
            "dual_span": ((*own, "p"), outside, {"long_name": "part of grad |w|_p^p / p outside the span of the data"}),
        },
        coords={"algorithm": names, "reference": list(solutions), "p": list(config.mirror_p)},
    )


def _epsilon_sweep(at: Setting, epsilons: tuple[float, ...]) -> xr.Dataset:
    """Adam without momentum as epsilon grows: its step size is 1e-2, vanishing, plus epsilon / (2 L)."""

    def final(epsilon: float) -> Trajectory:
        return adam(at, vanishing(at, epsilon * 0.5 / at.smoothness), 2 * at.config.steps, b1=0.0, eps=epsilon)

    lies = where_it_lies(at.data, np.stack([final(e).w[:, -1] for e in epsilons], axis=1))
    axes, words = ("seed", "epsilon"), "of Adam without momentum"
    return xr.Dataset(
        {f"epsilon_{name}": (axes, value, {"long_name": f"{name} {words}"}) for name, value in lies.items()},
        coords={"epsilon": ("epsilon", list(epsilons), {"long_name": "Adam's epsilon"})},
    )


TWO_POINTS = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 0.0]]), np.array([1.0, 10.0])
"""X (3, 2) and y (2,) of the example for steepest descent, Gunasekar et al. 2018."""
TWO_POINTS_P = 4 / 3
"""The norm of that example."""


def _two_points(config: Config) -> xr.Dataset:
    """Steepest and mirror descent for one norm on two points in R^3, over step sizes."""
    X, y = TWO_POINTS
    problem = linear_regression(jnp.asarray(X.T), jnp.asarray(y))

    def final(dynamics: AbstractDynamics, steps: int) -> np.ndarray:
        run = simulate(
            problem, dynamics, jnp.zeros(3), steps=steps, probes={"w": weights}, record=1, label="two points"
        )
        return run.data["w"].values[0, -1]

    def stop(lr: float) -> int:
        return max(1, min(config.steepest_steps, round(60 / lr)))

    steepest = np.stack([final(SteepestDescent(lr, TWO_POINTS_P), stop(lr)) for lr in config.steepest_lr])
    mirror = np.stack(
        [final(MirrorDescent(lr, TWO_POINTS_P), config.steepest_steps) for lr in config.steepest_mirror_lr]
    )

    def residual(w: np.ndarray) -> np.ndarray:
        return np.linalg.norm(w @ X - y, axis=1) / np.linalg.norm(y)

    return xr.Dataset(
        {
            "steepest": (("lr", "entry"), steepest, {"long_name": "end of steepest descent for the 4/3-norm"}),
            "steepest_residual": ("lr", residual(steepest), {"long_name": "residual of steepest descent"}),
            "mirror": (("mirror_lr", "entry"), mirror, {"long_name": "end of mirror descent for the 4/3-norm"}),
            "mirror_residual": ("mirror_lr", residual(mirror), {"long_name": "residual of mirror descent"}),
            "two_points_minimum": (
                "entry",
                min_p_norm(X, y, TWO_POINTS_P),
                {"long_name": "smallest 4/3-norm solution"},
            ),
        },
        coords={
            "lr": ("lr", list(config.steepest_lr), {"long_name": "step size"}),
            "mirror_lr": ("mirror_lr", list(config.steepest_mirror_lr), {"long_name": "step size"}),
            "entry": [1, 2, 3],
        },
    )


ASSAY = Assay(
    name="min-norm",
    sentence=(
        "On under-determined least squares gradient descent finds the minimum-norm solution, and so does every "
        "algorithm that reaches zero error inside the span of the data."
    ),
    mathematics=MATHEMATICS,
    papers=("lecture_sgd", "gunasekar2018geometry"),
    profiles={
        "quick": Config(),
        "full": Config(
            mirror_steps=200_000,
            ambient=True,
            epsilons=tuple(10.0**power for power in range(-12, 4)),
        ),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=25.0,
)
