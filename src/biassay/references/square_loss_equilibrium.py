"""The scale rho of a normalised network under the square loss: what draws it, and its path from the margins alone.

The network is rho f_V with layers of unit norm and one output, labels are y_n = +-1. Of the margins m_n = y_n f_V(x_n)
only two moments matter, mu = mean m_n and M = mean m_n^2; s^2 = M - mu^2 is their variance. With the penalty
lambda rho^2 the loss and the flow of rho are

    L = mean_n (rho m_n - 1)^2 + lambda rho^2 = 1 - 2 rho mu + rho^2 (M + lambda),
    rho' = 2 mu - 2 rho (M + lambda).

For margins that stay, rho rests at

    rho_eq = mu / (M + lambda),      L_eq = 1 - rho_eq mu = (s^2 + lambda) / (s^2 + lambda + mu^2).

Xu, Rangamani, Liao, Galanti, Poggio, Research 6:0024 (2023), is the source of the flow; of it only the abstract was
read: the equations are recalled and derived here. NumPy, sharing no code with the training that it is compared with.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

Decay: TypeAlias = float | Float[np.ndarray, "..."]
"""lambda: one for all, or one for each of the moments."""


class MarginMoments(NamedTuple):
    """mean: mu; square: M. Both have the margins' leading axes."""

    mean: Float[np.ndarray, "*lead"]
    square: Float[np.ndarray, "*lead"]


def margin_moments(margins: Float[np.ndarray, "*lead n"]) -> MarginMoments:
    """The two moments over the last axis."""
    margins = np.asarray(margins, float)
    return MarginMoments(margins.mean(axis=-1), (margins**2).mean(axis=-1))


def rho_equilibrium(of: MarginMoments, decay: Decay) -> Float[np.ndarray, "*lead"]:
    """rho_eq = mu / (M + lambda)."""
    return of.mean / (of.square + decay)


def loss_equilibrium(of: MarginMoments, decay: Decay) -> Float[np.ndarray, "*lead"]:
    """L_eq = (s^2 + lambda) / (s^2 + lambda + mu^2)."""
    free = of.square - of.mean**2 + decay
    return free / (free + of.mean**2)


def normalised_square_loss(
    rho: Float[np.ndarray, "*lead"], of: MarginMoments, decay: Decay
) -> Float[np.ndarray, "*lead"]:
    """L = 1 - 2 rho mu + rho^2 (M + lambda)."""
    return 1 - 2 * rho * of.mean + rho**2 * (of.square + decay)


def rho_from_moments(
    time: Float[np.ndarray, " t"],
    of: MarginMoments,
    decay: float,
    start: Float[np.ndarray, "*lead"],
) -> Float[np.ndarray, "*lead t"]:
    """rho at the times at which the moments, of shape (*lead, t), were recorded.

    Between two of them mu and M + lambda are taken as the means a and b of their values there, for which the flow is
    solved exactly: rho -> a/b + (rho - a/b) exp(-2 b dt).

    Args:
        time: increasing, the first one that of `start`.
        of: the moments at those times.
        decay: lambda.
        start: rho at the first time.

    Raises:
        ValueError: the moments are not recorded at every time, or the times do not increase.
    """
    time = np.asarray(time, float)
    if of.mean.shape[-1] != len(time) or of.square.shape != of.mean.shape:
        raise ValueError(f"moments of shapes {of.mean.shape} and {of.square.shape} do not fit {len(time)} times")
    if (np.diff(time) <= 0).any():
        raise ValueError("the times of the moments must increase")
    a = (of.mean[..., 1:] + of.mean[..., :-1]) / 2
    b = (of.square[..., 1:] + of.square[..., :-1]) / 2 + decay
    shrunk = np.exp(-2 * b * np.diff(time))
    path = [np.broadcast_to(np.asarray(start, float), of.mean.shape[:-1])]
    for k in range(len(time) - 1):
        rest = a[..., k] / b[..., k]
        path.append(rest + (path[-1] - rest) * shrunk[..., k])
    return np.stack(path, axis=-1)
