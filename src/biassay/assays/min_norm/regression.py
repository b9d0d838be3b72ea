"""Random under-determined regressions, and where a solution of one lies: the regression panel of an optimizer.

X (d, n) has the points as columns, X_ij ~ N(0, 1/d), y ~ N(0, I), d > n: every y is fitted by a (d - n)-dimensional
set of solutions, and the panel tells which of them was chosen.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Float

from ...dynamics import Optax
from ...models.linear_regression import linear_regression
from ...probes import weights
from ...problem import Problem
from ...references.interpolators import min_l1_norm, min_linf_norm, min_norm
from ...simulation import PerSeed, simulate

NORMS = {"L1": 1.0, "L2": 2.0, "Linf": np.inf}
"""Name and order of the norms in which a solution is compared with the smallest one."""

MEASURES = {
    "residual": "residual |Xᵀw − y| / |y|",
    "span": "part of w outside the span of the data",
    "distance": "distance to the minimum-norm solution, relative to its norm",
}
"""What `where_it_lies` measures, in words."""

_PROBES = {"w": weights}


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


def where_it_lies(data: Regressions, w: Float[np.ndarray, "seed ... d"]) -> dict[str, Float[np.ndarray, "seed ..."]]:
    """How well each of a seed's solutions fits, and where it lies.

    `residual` |X^T w - y| / |y|; `span` |w - Q Q^T w| / |w|, the part outside the span of X = Q R (0 for w = 0);
    `distance` |w - w*| / |w*| to the minimum-norm solution w*.
    """

    def lies(X: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
        Q, _ = np.linalg.qr(X)
        nearest, size = min_norm(X, y), np.linalg.norm(w, axis=-1)
        residual = np.linalg.norm(w @ X - y, axis=-1) / np.linalg.norm(y)
        outside = np.linalg.norm(w - w @ Q @ Q.T, axis=-1) / np.where(size > 0, size, 1.0)
        return residual, outside, np.linalg.norm(w - nearest, axis=-1) / np.linalg.norm(nearest)

    parts = zip(*map(lies, data.X, data.y, w), strict=True)
    return dict(zip(("residual", "span", "distance"), map(np.stack, parts), strict=True))


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
    run = simulate(
        data.problem,
        Optax(transformation),
        jnp.zeros(d, data.problem.value.x.dtype),
        steps=steps,
        probes=_PROBES,
        record=20,
        seeds=seeds,
        seed=seed,
        label="regression panel",
    )
    w = run.data["w"].values
    lies = where_it_lies(data, w)
    panel = run.data.drop_vars("w").assign_coords(norm=list(NORMS))
    panel = panel.assign({name: (("seed", "step"), lies[name], {"long_name": MEASURES[name]}) for name in MEASURES})
    words = {"long_name": "norm of w over the smallest norm of an interpolator"}
    return panel.assign(ratio=(("seed", "norm"), norm_ratios(data, w[:, -1]), words))
