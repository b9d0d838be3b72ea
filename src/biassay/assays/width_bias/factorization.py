"""The matrix analogue: a product U V^T with more and more inner dimensions, fitted to some of a matrix's entries.

    min (1/2d) sum over the observed (i, j) of ((U V^T)_ij - Y_ij)^2,    U, V in R^{d x k}

from entries of size alpha k^{-1/4}, so that the product starts at one size for every k. The rank that U V^T may have
grows with k; what is found depends on alpha. Everything is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from ...dynamics import GradientDescent
from ...problem import Problem
from ...simulation import PerSeed, simulate
from .config import Config

Factors: TypeAlias = tuple[tuple[Float[Array, "d _"], Float[Array, "d _"]], ...]


class Cell(NamedTuple):
    """One factorisation: whether its entries are noisy, the scale of its start, its inner dimension."""

    noisy: bool
    scale: float
    k: int


def cells(config: Config) -> tuple[Cell, ...]:
    """Without noise every scale, with noise the smallest, each at every inner dimension."""
    rows = [*((False, scale) for scale in config.scales), (True, config.scales[0])]
    return tuple(Cell(noisy, scale, k) for noisy, scale in rows for k in config.factor_widths)


class Matrices(NamedTuple):
    """Every seed's matrix of entries of variance 1, which of them are observed (0 or 1), and the noise in each."""

    truth: Float[np.ndarray, "seed d d"]
    observed: Float[np.ndarray, "seed d d"]
    noise: Float[np.ndarray, "seed d d"]
    start: Factors


def draw_matrices(config: Config) -> Matrices:
    """The matrices of the first `matrix_seeds` seeds, and the start of every cell."""
    d, rank = config.matrix_size, config.matrix_rank

    def of_seed(seed: int) -> Matrices:
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=(d, rank)) @ rng.normal(size=(rank, d)) / rank**0.5
        observed = np.zeros(d * d)
        observed[rng.permutation(d * d)[: config.matrix_entries]] = 1
        noise = config.matrix_noise * rng.normal(size=(d, d))
        start = tuple(
            (
                own.scale * own.k**-0.25 * rng.normal(size=(d, own.k)),
                own.scale * own.k**-0.25 * rng.normal(size=(d, own.k)),
            )
            for own in cells(config)
        )
        return Matrices(truth, observed.reshape(d, d), noise, start)

    drawn = [of_seed(config.seed + i) for i in range(config.matrix_seeds)]
    return jax.tree.map(lambda *parts: np.stack(parts), *drawn)


def predict(params: Factors, observed: Float[Array, "1 d d"]) -> Float[Array, "1 cell d d"]:
    """The observed entries of every cell's product, 0 elsewhere; the whole mask is one example."""
    return jnp.stack([U @ V.T for U, V in params])[None] * observed[:, None]


@dataclass(frozen=True)
class ObservedSquares:
    """(1/2d) times the squares of the observed errors, summed over the cells, which share nothing."""

    noisy: tuple[bool, ...]

    def __call__(self, products: Float[Array, "1 cell d d"], targets: Float[Array, "1 2 d d"]) -> Float[Array, " 1"]:
        errors = products - targets[:, np.asarray(self.noisy, int)]
        return jnp.sum(errors**2, axis=(1, 2, 3)) / (2 * products.shape[-1])


MEASURED = {
    "matrix_test": "relative error on the entries not observed",
    "matrix_train": "root mean square error on the observed entries",
    "matrix_nuclear": "nuclear norm of the product",
    "matrix_frobenius": "(|U|² + |V|²) / 2 of the factors",
}


def factorizations(config: Config) -> xr.Dataset:
    """`MEASURED` with dimensions (matrix_seed, fit, k), where a fit is a scale without noise, or the smallest with it;
    and the nuclear norm of the truth."""
    drawn = draw_matrices(config)
    truth, observed, noise, start = jax.tree.map(jnp.asarray, drawn)
    own = cells(config)
    targets = jnp.stack([truth, truth + noise], axis=1) * observed[:, None]
    problem = Problem(predict, observed[:, None], targets[:, None], ObservedSquares(tuple(cell.noisy for cell in own)))
    run = simulate(
        PerSeed(problem),
        GradientDescent(config.matrix_lr, momentum=config.momentum),
        PerSeed(start),
        steps=config.matrix_steps,
        record=(config.matrix_steps,),
        seeds=config.matrix_seeds,
        seed=config.seed,
        lanes="map",
        label="matrix factorisation",
    )
    found = {name: np.empty((config.matrix_seeds, len(own))) for name in MEASURED}
    hidden, counted = 1 - drawn.observed, drawn.observed.sum(axis=(1, 2))
    for j, (cell, factors) in enumerate(zip(own, run.params, strict=True)):
        U, V = map(np.asarray, factors)
        product = U @ V.swapaxes(1, 2)
        wrong, size = (np.linalg.norm(hidden * part, axis=(1, 2)) for part in (product - drawn.truth, drawn.truth))
        fitted = drawn.observed * (product - drawn.truth - cell.noisy * drawn.noise)
        found["matrix_test"][:, j] = wrong / size
        found["matrix_train"][:, j] = np.linalg.norm(fitted, axis=(1, 2)) / np.sqrt(counted)
        found["matrix_nuclear"][:, j] = np.linalg.norm(product, "nuc", axis=(1, 2))
        found["matrix_frobenius"][:, j] = (np.sum(U**2, axis=(1, 2)) + np.sum(V**2, axis=(1, 2))) / 2
    rows = (config.matrix_seeds, -1, len(config.factor_widths))
    exact = np.linalg.norm(drawn.truth, "nuc", axis=(1, 2))
    return xr.Dataset(
        {
            name: (("matrix_seed", "fit", "k"), values.reshape(rows), {"long_name": MEASURED[name]})
            for name, values in found.items()
        }
        | {"matrix_truth": ("matrix_seed", exact, {"long_name": "nuclear norm of the matrix"})},
        coords={
            "matrix_seed": np.arange(config.seed, config.seed + config.matrix_seeds),
            "fit": np.arange(len(config.scales) + 1),
            "scale": ("fit", [*config.scales, config.scales[0]], {"long_name": "scale of the start"}),
            "noisy": ("fit", [False] * len(config.scales) + [True], {"long_name": "noisy entries"}),
            "k": ("k", list(config.factor_widths), {"long_name": "inner dimension"}),
        },
    )
