"""The systems A x = y that a sparse vector solves, and the limits of the plain and the weight-normalized flow on them.

A ~ N(0, 1/m) of shape (m, d); x* has `sparsity` entries +-1 at random places; y = A x*. Errors are |x - x*| / |x*|.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from ...references.interpolators import min_l1_norm
from ...references.weight_normalization import DiagonalLimit, plain_limit, weight_normalized_limit
from .config import Config

Variables: TypeAlias = dict[str, tuple[Any, ...]]


class Systems(NamedTuple):
    """One system a seed."""

    A: Float[np.ndarray, "seed m d"]
    y: Float[np.ndarray, "seed m"]
    x: Float[np.ndarray, "seed d"]

    def error(self, found: Float[np.ndarray, "seed *axes d"]) -> Float[np.ndarray, "seed *axes"]:
        """|x - x*| / |x*| for every seed."""
        x = self.x.reshape(len(self.x), *[1] * (found.ndim - 2), -1)
        return np.linalg.norm(found - x, axis=-1) / np.linalg.norm(x, axis=-1)


def draw_systems(seed: int, seeds: int, d: int, m: int, sparsity: int) -> Systems:
    """Every seed's system is the same whichever others are drawn."""

    def one(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        A, x = rng.normal(size=(m, d)) / np.sqrt(m), np.zeros(d)
        x[rng.choice(d, sparsity, replace=False)] = rng.choice([-1.0, 1.0], sparsity)
        return A, A @ x, x

    drawn = [one(np.random.default_rng([seed + i, d, m])) for i in range(seeds)]
    return Systems(*(np.stack(part) for part in zip(*drawn, strict=True)))


def arms(eta: tuple[float, ...], exponential_eta: tuple[float, ...]) -> list[tuple[str, str, float]]:
    """(name, form, eta) of plain flow and of every weight-normalized one."""
    linear = [(f"linear, η = {value:.12g}", "linear", value) for value in eta]
    exponential = [(f"exponential, η = {value:.12g}", "exponential", value) for value in exponential_eta]
    return [("plain", "plain", 1.0), *linear, *exponential]


def limits(systems: Systems, alpha: Float[np.ndarray, " alpha"], chosen: list[tuple[str, str, float]]) -> DiagonalLimit:
    """The exact limits of the `arms` from every alpha; the leading axes of each part are (seed, arm, alpha)."""
    A, y, _ = systems

    def limit(form: str, eta: float) -> DiagonalLimit:
        if form == "plain":
            return plain_limit(A, y, alpha)
        return weight_normalized_limit(A, y, alpha, eta, "linear" if form == "linear" else "exponential")

    found = [limit(form, eta) for _, form, eta in chosen]
    return DiagonalLimit(*(np.stack(part, axis=1) for part in zip(*found, strict=True)))


def exact_limits(config: Config, systems: Systems) -> Variables:
    """The exact limit of every arm from every start."""
    alpha = np.array(config.starts)
    found = limits(systems, alpha, arms(config.ratios, config.exponential_eta))
    floor = 2 * config.d * alpha**2
    size = np.abs(found.x).sum(axis=-1)
    least = np.stack([min_l1_norm(A.T, y) for A, y in zip(systems.A, systems.y, strict=True)])
    own = ("seed", "arm", "alpha")
    return {
        "least_l1_error": (("seed",), systems.error(least), "relative error of the solution of least L1 norm"),
        "error": (own, systems.error(found.x), "relative error of the exact limit"),
        "residual": (own, found.residual, "relative residual of the exact limit"),
        "l1_ratio": (own, size / config.sparsity, "|x|₁ of the exact limit over |x*|₁"),
        "mass_above": (own, (found.mass - floor) / floor, "(S − r₀²) / r₀² at the exact limit"),
        "l1_above": (own, (size - floor) / floor, "(|x|₁ − r₀²) / r₀² at the exact limit"),
        "log_alpha": (own, found.log_alpha, "log of the effective initialization"),
    }
