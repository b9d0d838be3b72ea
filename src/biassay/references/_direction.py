"""The direction along which a memorizing network orders its points."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Shaped

_COLUMN_BLOCK = 4096
_REDRAWS = 4
_LARGEST = 1e150


def project(x: Shaped[np.ndarray, "n d"], U: Float[np.ndarray, "d k"]) -> Float[np.ndarray, "k n"]:
    """u . x for the columns u of U, summed coordinate by coordinate.

    A matrix product may round a row differently beside other rows; here equal rows have equal projections, and a point
    has the one that the network was built for.
    """
    c = np.zeros((U.shape[1], len(x)), U.dtype)
    for start in range(0, len(x), _COLUMN_BLOCK):
        block = np.ascontiguousarray(x[start : start + _COLUMN_BLOCK].T, U.dtype)
        for coordinate, weights in zip(block, U, strict=True):
            c[:, start : start + _COLUMN_BLOCK] += weights[:, None] * coordinate
    return c


def best_direction(
    x: Shaped[np.ndarray, "n d"], y: Float[np.ndarray, "n d_y"], projections: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " n"], Int[np.ndarray, " kept"]]:
    """The best direction u, the projections c (n,), and the indices of the points that are kept, one of each.

    The best direction has the largest smallest gap between neighbours, relative to the range. Where different points
    share a projection along it all directions are drawn anew.

    Raises:
        ValueError: equal points with different labels, points too close to be told apart, or inputs of a size that
            leaves float64.
    """
    size = float(np.abs(x).max())
    if size > _LARGEST or 0 < size < 1 / _LARGEST:
        raise ValueError(f"x must have a largest entry between {1 / _LARGEST:g} and {_LARGEST:g}, got {size:.1e}")
    pair = (0, 0)
    for _ in range(_REDRAWS):
        U = rng.normal(size=(x.shape[1], projections))
        U /= np.linalg.norm(U, axis=0)
        C = project(x, U)
        # Equal points tie along every direction: the fewest ties, and then the largest of the other gaps.
        best = max(range(projections), key=lambda k: _quality(np.sort(C[k])))
        at = np.argsort(C[best], kind="stable")
        tied = np.flatnonzero(np.diff(C[best][at]) == 0)
        first, second = at[tied], at[tied + 1]
        apart = (x[first] != x[second]).any(axis=1)
        if apart.any():
            pair = min(zip(first[apart].tolist(), second[apart].tolist(), strict=True))
            continue
        clash = (y[first] != y[second]).any(axis=1)
        if clash.any():
            i, j = min(zip(first[clash].tolist(), second[clash].tolist(), strict=True))
            raise ValueError(f"points {i} and {j} are equal and have different labels: no function fits both")
        return U[:, best], C[best], np.setdiff1d(np.arange(len(x)), second)
    raise ValueError(f"points {pair[0]} and {pair[1]} are too close to be told apart in float64")


def _quality(c: Float[np.ndarray, " n"]) -> tuple[int, float]:
    """Minus the number of ties, and the smallest gap that is none over the range."""
    gaps = np.diff(c)
    apart = gaps[gaps > 0]
    return len(apart) - len(gaps), float(apart.min() / (c[-1] - c[0])) if len(apart) else 1.0
