"""The direction along which a memorizing network orders its points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

_COLUMN_BLOCK = 4096
_LARGEST = 1e150
_PRINCIPAL = (False, False, True, True)


class Direction(NamedTuple):
    """A direction u (d,), the projections c (n,) of all points, and the indices of the kept ones, one of each."""

    u: Float[np.ndarray, " d"]
    c: Float[np.ndarray, " n"]
    kept: Int[np.ndarray, " kept"]

    def closest(self) -> tuple[int, int, float]:
        """The two kept points nearest to each other along u, and their distance over the range."""
        at = self.kept[np.argsort(self.c[self.kept])]
        gaps = np.diff(self.c[at])
        k = int(gaps.argmin())
        i, j = sorted((int(at[k]), int(at[k + 1])))
        return i, j, float(gaps[k] / (self.c[at[-1]] - self.c[at[0]]))


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


def directions(
    x: Shaped[np.ndarray, "n d"], y: Float[np.ndarray, "n d_y"], projections: int, rng: np.random.Generator
) -> Iterator[Direction]:
    """Up to four directions, each the best of `projections` random ones; those where different points tie are left out.

    The best has the largest smallest gap between neighbours, relative to the range. The first two are drawn uniformly;
    the last two after the data are scaled to unit variance along their principal axes, so that an outlier or the
    distance between two far clusters does not set the range.

    Raises:
        ValueError: equal points with different labels, points that no direction tells apart, or inputs of a size that
            leaves float64.
    """
    size = float(np.abs(x).max())
    if size > _LARGEST or 0 < size < 1 / _LARGEST:
        raise ValueError(f"x must have a largest entry between {1 / _LARGEST:g} and {_LARGEST:g}, got {size:.1e}")
    pair, found = (0, 0), False
    for principal in _PRINCIPAL:
        U = rng.normal(size=(x.shape[1], projections))
        U = _along_principal_axes(x, U) if principal else U
        U /= np.linalg.norm(U, axis=0)
        C = project(x, U)
        # Equal points tie along every direction: the fewest ties, and then the largest of the other gaps.
        best = max(range(projections), key=lambda k: _quality(np.sort(C[k])))
        at = np.argsort(C[best], kind="stable")
        tied = np.diff(C[best][at], prepend=np.nan) == 0
        leader = at[np.maximum.accumulate(np.where(tied, 0, np.arange(len(at))))]
        first, second = leader[tied], at[tied]
        apart = (x[first] != x[second]).any(axis=1)
        if apart.any():
            pair = min(zip(first[apart].tolist(), second[apart].tolist(), strict=True))
            continue
        clash = (y[first] != y[second]).any(axis=1)
        if clash.any():
            i, j = min(zip(first[clash].tolist(), second[clash].tolist(), strict=True))
            raise ValueError(f"points {i} and {j} are equal and have different labels: no function fits both")
        found = True
        yield Direction(U[:, best], C[best], np.setdiff1d(np.arange(len(x)), second))
    if not found:
        raise ValueError(f"points {pair[0]} and {pair[1]} are too close to be told apart in float64")


def _along_principal_axes(x: Shaped[np.ndarray, "n d"], U: Float[np.ndarray, "d k"]) -> Float[np.ndarray, "d k"]:
    """The directions u of data whose principal axes have unit variance, in the coordinates of x."""
    triangle = np.linalg.qr(x - x.mean(axis=0), mode="r")
    _, spread, axes = np.linalg.svd(triangle, full_matrices=False)
    used = spread > spread[0] * np.finfo(float).eps * max(x.shape)
    if not used.any():
        return U
    return axes[used].T @ (U[: used.sum()] / spread[used, None])


def _quality(c: Float[np.ndarray, " n"]) -> tuple[int, float]:
    """Minus the number of ties, and the smallest gap that is none over the range."""
    gaps = np.diff(c)
    apart = gaps[gaps > 0]
    return len(apart) - len(gaps), float(apart.min() / (c[-1] - c[0])) if len(apart) else 1.0
