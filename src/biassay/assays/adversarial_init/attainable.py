"""What can be fitted of a confusion set that is never in memory as a whole.

Equal items have equal hashes. So every item is made once, a few at a time, and hashed,

    h(x) = sum_j a_j x_j mod 2^32,        a_j uniform over 0..2^32 - 1, twice with independent a:

8 bytes an item. Only items that share their hashes are made again and compared byte by byte. The answer is exact: the
hashes decide which items are compared, not which are equal.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt32

from ...data.confusion import ConfusionSet, attainable_accuracy
from .in_chunks import in_chunks

_TOGETHER = 1024
"""Items compared byte by byte at once."""


def attainable(items: ConfusionSet, labels: Int[Array, " n"]) -> float:
    """The largest accuracy any function of the input can have on items of bytes with these labels."""
    n, found = len(items), np.asarray(_hashes(items)).astype(np.uint64)
    _, group, size = np.unique(found[:, 0] << np.uint64(32) | found[:, 1], return_inverse=True, return_counts=True)
    suspects = np.flatnonzero(size[group] > 1)
    suspects = suspects[np.argsort(group[suspects], kind="stable")]
    rights = n - len(suspects)
    while len(suspects):
        # Whole groups, so that equal items are compared.
        end = np.searchsorted(group[suspects], group[suspects[min(_TOGETHER, len(suspects)) - 1]], side="right")
        block, suspects = suspects[:end], suspects[end:]
        rights += round(attainable_accuracy(items[jnp.asarray(block)], labels[block]) * len(block))
    return rights / n


@jax.jit
def _hashes(items: ConfusionSet) -> UInt32[Array, "n 2"]:
    a = jax.random.bits(jax.random.key(0), (2, *items.shape[1:]), jnp.uint32)

    def hashed(numbers: Int[Array, " b"]) -> UInt32[Array, "b 2"]:
        x = items[numbers].astype(jnp.uint32)
        return jnp.stack([jnp.sum(x * one, axis=(1, 2, 3), dtype=jnp.uint32) for one in a], axis=1)

    return in_chunks(hashed, items.shape)
