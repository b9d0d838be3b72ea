"""Random labels: a label is replaced, with probability p, by a class uniform over *all* classes.

Zhang, Bengio, Hardt, Recht and Vinyals, ICLR 2017, arXiv 1611.03530. As the new class may be the old one, a fraction
p (K - 1) / K of the labels is wrong in expectation, not p; at p = 1 the labels are independent of the inputs. A *flip*
to another class, which is always wrong, is a different noise (`biassay.data.label_flips`).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key


def corrupt(key: Key[Array, ""], y: Int[Array, " n"], p: Any, classes: int) -> Int[Array, " n"]:
    """The labels `y` (in 0..classes-1), each replaced with probability `p` by a class uniform over all of them.

    The draws belong to the key and not to p: what is replaced at one p is replaced, by the same class, at every larger
    p. Runs at several p from one key are therefore paired. At p = 0 the labels come back unchanged.
    """
    which, what = jax.random.split(key)
    replaced = jax.random.uniform(which, y.shape) < p
    drawn = jax.random.randint(what, y.shape, 0, classes, dtype=y.dtype)
    return jnp.where(replaced, drawn, y)


def wrong_fraction(p: float, classes: int) -> float:
    """The expected fraction of wrong labels, p (K - 1) / K.

    Raises:
        ValueError: p outside [0, 1], or fewer than two classes.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if classes < 2:
        raise ValueError(f"classes must be at least 2, got {classes}")
    return p * (classes - 1) / classes
