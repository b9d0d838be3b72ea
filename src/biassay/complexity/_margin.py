"""The margin of a classifier on its training items."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def margins(logits: Float[np.ndarray, "m k"], labels: Int[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """f_y - max_{j != y} f_j of every item.

    Raises:
        ValueError: fewer than two classes, or other numbers of labels than of rows.
    """
    f = np.asarray(logits, float)
    if f.ndim != 2 or f.shape[1] < 2:
        raise ValueError(f"logits must be (items, classes) with at least two classes, got shape {f.shape}")
    if np.shape(labels) != (len(f),):
        raise ValueError(f"labels must be one for each of the {len(f)} items, got shape {np.shape(labels)}")
    rows = np.arange(len(f))
    others = f.copy()
    others[rows, labels] = -np.inf
    return f[rows, labels] - others.max(axis=1)


def margin_percentile(logits: Float[np.ndarray, "m k"], labels: Int[np.ndarray, " m"]) -> float:
    """g, the (m // 10)-th smallest margin: the 10th percentile.

    Raises:
        ValueError: fewer than 10 items, or g <= 0: the measures that divide by the margin say nothing of a network that
            does not classify nine tenths of its training items rightly.
    """
    found = margins(logits, labels)
    m = len(found)
    if m < 10:
        raise ValueError(f"the 10th percentile of the margin needs at least 10 items, got {m}")
    g = float(np.partition(found, m // 10 - 1)[m // 10 - 1])
    if g <= 0:
        raise ValueError(f"the 10th percentile of the margin must be positive, got {g:g}: train until it is")
    return g
