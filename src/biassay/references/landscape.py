"""The landscape of an L2-regularized deep linear network, without the network.

The least |theta|^2 of L factors with product A is L sum_i s_i(A)^{2/L}, so the local minima of the network are those of

    J(A) = 1/(2N) sum_{(i,j) observed} (A_ij - y_ij)^2 + lambda L sum_i s_i(A)^{2/L},

a function of a 2x2 matrix. For L >= 3 it has a ridge without derivative at rank 1, where a simplex or a gradient
method started at rank 2 does not find the minima: rank 1 is minimised on its own, as A = s u v^T.
NumPy and SciPy in float64; no code is shared with the training it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize

_FLAT = 1e-6
_RANK_TWO = 1e-2


@dataclass(frozen=True)
class Landscape:
    """J for the 2x2 matrix with observed `entries` (i, j) and their `values`.

    layers: number L of factors, at least 2; decay: lambda, in lambda |theta|^2.

    Raises:
        ValueError: fewer than two layers, a negative decay, or not one value per entry.
    """

    entries: tuple[tuple[int, int], ...]
    values: tuple[float, ...]
    layers: int
    decay: float

    def __post_init__(self) -> None:
        if self.layers < 2:
            raise ValueError(f"layers must be at least 2, got {self.layers}")
        if self.decay < 0:
            raise ValueError(f"decay must not be negative, got {self.decay}")
        if len(self.entries) != len(self.values):
            raise ValueError(f"got {len(self.values)} values for {len(self.entries)} entries")

    def _misfit(self, A: Float[ndarray, "2 2"]) -> Float[ndarray, "2 2"]:
        """A_ij - y_ij on the observed entries, 0 elsewhere."""
        gap = np.zeros((2, 2))
        for (i, j), value in zip(self.entries, self.values, strict=True):
            gap[i, j] = A[i, j] - value
        return gap

    def objective(self, A: Float[ndarray, "2 2"]) -> float:
        """The objective at A."""
        s = np.linalg.svd(A, compute_uv=False)
        fit = np.sum(self._misfit(A) ** 2) / (2 * len(self.values))
        return float(fit + self.decay * self.layers * np.sum(s ** (2 / self.layers)))

    def gradient(self, A: Float[ndarray, "2 2"]) -> Float[ndarray, "2 2"]:
        """dJ/dA where A has rank 2: misfit / N + 2 lambda U S^{2/L - 1} V^T."""
        U, s, Vt = np.linalg.svd(A)
        return self._misfit(A) / len(self.values) + 2 * self.decay * (U * s ** (2 / self.layers - 1)) @ Vt

    def rank_two_minimum(self) -> Float[ndarray, "2 2"] | None:
        """The lowest local minimum of rank 2, or None where there is none.

        From several values of the unobserved entry; a descent that ends on the ridge of rank 1 does not count.
        """
        observed = np.zeros((2, 2))
        for (i, j), value in zip(self.entries, self.values, strict=True):
            observed[i, j] = value
        hidden = np.ones((2, 2), bool)
        for i, j in self.entries:
            hidden[i, j] = False
        best = None
        for guess in np.linspace(-1, 1, 9) * np.max(np.abs(self.values)):
            start = np.where(hidden, guess, observed)
            if np.linalg.svd(start, compute_uv=False)[1] < _RANK_TWO:
                continue
            A = minimize(
                lambda a: self.objective(a.reshape(2, 2)),
                start.ravel(),
                jac=lambda a: self.gradient(a.reshape(2, 2)).ravel(),
                method="BFGS",
                options={"gtol": 1e-10},
            ).x.reshape(2, 2)
            s = np.linalg.svd(A, compute_uv=False)
            settled = s[1] > _RANK_TWO * s[0] and np.abs(self.gradient(A)).max() < _FLAT
            if settled and (best is None or self.objective(A) < self.objective(best)):
                best = A
        return best

    def rank_one_minimum(self) -> Float[ndarray, "2 2"]:
        """The lowest minimum among the matrices of rank at most 1."""

        def matrix(z: Float[ndarray, " 3"]) -> Float[ndarray, "2 2"]:
            root, left, right = z
            return root**2 * np.outer([np.cos(left), np.sin(left)], [np.cos(right), np.sin(right)])

        def objective(z: Float[ndarray, " 3"]) -> float:
            fit = np.sum(self._misfit(matrix(z)) ** 2) / (2 * len(self.values))
            return float(fit + self.decay * self.layers * np.abs(z[0]) ** (4 / self.layers))

        size = np.sqrt(np.max(np.abs(self.values)))
        angles = np.linspace(0, np.pi, 6, endpoint=False)
        starts = [(scale * size, a, b) for scale in (1.0, 2.0) for a in angles for b in (*angles, *(angles + np.pi))]
        coarse = sorted(starts, key=lambda z: objective(np.asarray(z)))[:8]
        found = [minimize(objective, z, method="BFGS", options={"gtol": 1e-10}) for z in coarse]
        best = min(found, key=lambda result: result.fun).x
        polished = minimize(objective, best, method="Nelder-Mead", options={"xatol": 1e-12, "fatol": 1e-16})
        return matrix(polished.x)
