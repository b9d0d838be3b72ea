"""Random under-determined regressions, and where a solution of one lies: the regression panel of an optimizer.

X (d, n) has the points as columns, X_ij ~ N(0, 1/d), y ~ N(0, I), d > n: every y is fitted by a (d - n)-dimensional
set of solutions, and the panel tells which of them was chosen.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Float

from ..dynamics import Optax
from ..models.linear_regression import linear_regression
from ..probes import distance_to_min_norm, out_of_span, relative_residual
from ..problem import Problem
from ..references.min_norm import min_l1_norm, min_linf_norm, min_norm
from ..simulation import PerSeed, simulate

NORMS = {"L1": 1.0, "L2": 2.0, "Linf": np.inf}
"""Name and order of the norms in which a solution is compared with the smallest one."""

_PROBES = {"residual": relative_residual, "span": out_of_span, "distance": distance_to_min_norm}


class Regressions(NamedTuple):
    """One regression per seed, with a random start and a random diagonal for those who want one."""

    X: Float[np.ndarray, "seed d n"]
    y: Float[np.ndarray, "seed n"]
    start: Float[np.ndarray, "seed d"]
    D: Float[np.ndarray, "seed d"]

    @property
    def problem(self) -> PerSeed[Problem]:
        """The problems, for `simulate`."""
        return PerSeed(linear_regression(jnp.asarray(self.X.swapaxes(1, 2)), jnp.asarray(self.y)))


def draw_regressions(seed: int, seeds: int, d: int, n: int) -> Regressions:
    """The regressions of the seeds seed, ..., seed + seeds - 1; `start` ~ N(0, I) and D ~ U(0.1, 10)."""

    def one(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        X, y = rng.normal(size=(d, n)) / np.sqrt(d), rng.normal(size=n)
        return X, y, rng.normal(size=d), rng.uniform(0.1, 10, size=d)

    drawn = [one(np.random.default_rng(seed + i)) for i in range(seeds)]
    return Regressions(*(np.stack(part) for part in zip(*drawn, strict=True)))


@jax.jit
def where_it_lies(problem: PerSeed[Problem], w: Float[Array, "seed ... d"]) -> dict[str, Float[Array, "seed ..."]]:
    """`residual`, `span` and `distance` (see `biassay.probes`) of each of a seed's solutions."""

    def lies(problem: Problem, w: Float[Array, "... d"]) -> dict[str, Array]:
        flat = w.reshape(-1, w.shape[-1])
        values = jax.vmap(lambda v: {name: probe(problem, v) for name, probe in _PROBES.items()})(flat)
        return jax.tree.map(lambda value: value.reshape(w.shape[:-1]), values)

    return jax.vmap(lies)(problem.value, w)


def smallest_norms(data: Regressions) -> Float[np.ndarray, "seed norm"]:
    """The smallest L1, L2 and Linf norm of an interpolator, each at its own minimum."""
    minima = (min_l1_norm, min_norm, min_linf_norm)
    return np.array(
        [
            [np.linalg.norm(smallest(X, y), order) for smallest, order in zip(minima, NORMS.values(), strict=True)]
            for X, y in zip(data.X, data.y, strict=True)
        ]
    )


def norm_ratios(data: Regressions, w: Float[np.ndarray, "seed ... d"]) -> Float[np.ndarray, "seed ... norm"]:
    """|w| / min |w| in L1, L2 and Linf: at least 1 for an interpolator, and 1 for the one that is smallest."""
    norms = np.stack([np.linalg.norm(w, order, axis=-1) for order in NORMS.values()], axis=-1)
    return norms / smallest_norms(data).reshape(len(w), *[1] * (w.ndim - 2), -1)


def regression_panel(
    transformation: optax.GradientTransformation,
    *,
    steps: int = 20_000,
    seeds: int = 10,
    seed: int = 0,
    d: int = 100,
    n: int = 30,
) -> xr.Dataset:
    """Which interpolator any Optax optimizer chooses, trained on the full batch from zero.

    Args:
        transformation: e.g. `optax.adam(1e-3)`; the gradient it sees is X (X^T w - y).
        steps: steps to take. Judge `span` and `distance` together with `residual`: an optimizer that has not reached
            zero error has not chosen yet.
        seeds, seed: how many regressions, and the first one's seed.
        d, n: parameters and points.

    Returns:
        `residual`, `span`, `distance` (seed, step) and `ratio` (seed, norm), the final norm over the smallest one.

    Raises:
        ValueError: not 1 <= n < d.
    """
    if not 1 <= n < d:
        raise ValueError(f"a regression panel needs 1 <= n < d, got n={n}, d={d}")
    data = draw_regressions(seed, seeds, d, n)
    start = jnp.zeros(d, data.problem.value.x.dtype)
    run = simulate(
        data.problem,
        Optax(transformation),
        start,
        steps=steps,
        probes=_PROBES,
        record=20,
        seeds=seeds,
        seed=seed,
        label="regression panel",
    )
    ratio = norm_ratios(data, np.asarray(run.params))
    words = {"long_name": "norm of w over the smallest norm of an interpolator"}
    return run.data.assign_coords(norm=list(NORMS)).assign(ratio=(("seed", "norm"), ratio, words))
