"""Counting the operations of a computation on NumPy arrays, by running it.

Seconds differ from run to run and from machine to machine; these numbers do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float


class Tally:
    """How many scalar operations were done on the arrays that belong to it."""

    def __init__(self) -> None:
        self.operations = 0

    def array(self, values: Any) -> Counted:
        """The values as an array whose operations are counted here."""
        counted = np.array(values).view(Counted)
        counted.tally = self
        return counted


class Counted(np.ndarray):
    """An array that counts the arithmetic and the comparisons done with it, and with what is computed from it.

    An elementwise function counts one for each number that comes out, a reduction one for each number that goes in, a
    sort of n numbers n ceil(log2 n) comparisons. Copying and indexing are free.
    """

    tally: Tally | None = None

    def __array_finalize__(self, source: Any) -> None:
        self.tally = getattr(source, "tally", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        tally = next(part.tally for part in inputs if isinstance(part, Counted) and part.tally is not None)
        plain = [np.asarray(part) if isinstance(part, Counted) else part for part in inputs]
        if "out" in options:
            options["out"] = tuple(np.asarray(part) for part in options["out"])
        result = getattr(ufunc, method)(*plain, **options)
        tally.operations += np.size(plain[0] if method in ("reduce", "accumulate") else result)
        return tally.array(result) if isinstance(result, np.ndarray) else result

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        # Its elementwise parts arrive at `__array_ufunc__`; what it makes from nothing has no tally yet.
        result = super().__array_function__(function, types, args, options)
        if isinstance(result, np.ndarray) and function is not np.argsort:
            result = result.view(Counted)
            result.tally = self.tally
        return result

    def argsort(self, axis: Any = -1, *rest: Any, **options: Any) -> np.ndarray:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.tally is not None:
            self.tally.operations += self.size * int(np.ceil(np.log2(max(2, self.shape[axis]))))
        return np.asarray(self).argsort(axis, *rest, **options)


def operations(compute: Callable[..., Any], *arrays: np.ndarray) -> int:
    """The operations of `compute(*arrays)`."""
    tally = Tally()
    compute(*map(tally.array, arrays))
    return tally.operations


def eliminate(A: Float[np.ndarray, "n n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The solution of A v = y by Gaussian elimination with partial pivoting, written out."""
    n = len(y)
    A, y = A.copy(), y.copy()
    for k in range(n - 1):
        pivot = k + int(np.argmax(np.abs(A[k:, k])))
        A[[k, pivot]], y[[k, pivot]] = A[[pivot, k]], y[[pivot, k]]
        factor = A[k + 1 :, k] / A[k, k]
        A[k + 1 :, k:] -= factor[:, None] * A[k, k:]
        y[k + 1 :] -= factor * y[k]
    v = y
    for k in reversed(range(n)):
        v[k] = (y[k] - (A[k, k + 1 :] * v[k + 1 :]).sum()) / A[k, k]
    return v
