"""Wrong labels: a given share of the examples gets the label of another class.

Every chosen example is labelled wrongly, so that a share r of flips is an error rate of r. (Labels redrawn uniformly
over all the classes, as in experiments with random labels, would keep one in `classes` of them right.) The flips are
nested: what is flipped at a low rate is flipped to the same class at every higher one, and rates can be compared in
pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key


def flipped(
    key: Key[Array, ""], labels: Int[Array, " n"], rates: Sequence[float], classes: int
) -> Int[Array, "rate n"]:
    """The labels with a share of each of `rates` flipped.

    Args:
        key: of which examples are flipped, and to what.
        labels: integers in 0..classes-1.
        rates: shares in [0, 1]; round(rate n) labels are flipped, the first of one random order of the examples.
        classes: number of classes; the wrong one is uniform over the others.

    Raises:
        ValueError: a rate outside [0, 1], or fewer than two classes.
    """
    check_rates(rates)
    if classes < 2:
        raise ValueError(f"classes must be at least 2, got {classes}")
    n = labels.shape[0]
    order, shift = jax.random.split(key)
    place = jnp.argsort(jax.random.permutation(order, n))
    wrong = (labels + jax.random.randint(shift, (n,), 1, classes)) % classes
    return jnp.stack([jnp.where(place < round(rate * n), wrong, labels) for rate in rates])


def check_rates(rates: Sequence[float]) -> None:
    """Raises ValueError for a rate outside [0, 1]."""
    for rate in rates:
        if not 0 <= rate <= 1:
            raise ValueError(f"rates must lie in [0, 1], got {rate}")
