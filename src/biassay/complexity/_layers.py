"""A layer as the measures see it, and batch normalisation folded into the layer before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

BatchNormArrays: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class MeasuredLayer(NamedTuple):
    """An affine or convolutional layer.

    weight: (out, in) or (out, in, k, k); bias: (out,) or None; stride, grid: of a convolution, the rows and columns of
    its own input, needed for the exact norms of circular convolutions only.
    """

    weight: np.ndarray
    bias: np.ndarray | None = None
    stride: int = 1
    grid: tuple[int, int] | None = None


def matrices(layers: Sequence[MeasuredLayer]) -> list[Float[np.ndarray, "_ _"]]:
    """The weights as matrices (out, rest) in double precision.

    Raises:
        ValueError: no layers, or a weight that is neither (out, in) nor (out, in, k, k).
    """
    if not layers:
        raise ValueError("complexity measures need at least one layer, got none")
    for number, layer in enumerate(layers, 1):
        if np.ndim(layer.weight) not in (2, 4):
            raise ValueError(
                f"weights must be (out, in) or (out, in, k, k), got shape {np.shape(layer.weight)} in layer {number}"
            )
    return [np.asarray(layer.weight, float).reshape(len(layer.weight), -1) for layer in layers]


def differences(layers: Sequence[MeasuredLayer], initial: Sequence[MeasuredLayer]) -> list[MeasuredLayer]:
    """The layers with weights W - W^0.

    Raises:
        ValueError: other layers or other shapes at the start.
    """
    if len(layers) != len(initial):
        raise ValueError(f"initial must have the {len(layers)} layers of the network, got {len(initial)}")
    for number, (layer, start) in enumerate(zip(layers, initial, strict=True), 1):
        if np.shape(layer.weight) != np.shape(start.weight):
            raise ValueError(
                f"initial must have the network's shapes, got {np.shape(start.weight)} for {np.shape(layer.weight)} "
                f"in layer {number}"
            )
    pairs = zip(layers, initial, strict=True)
    return [a._replace(weight=np.asarray(a.weight, float) - np.asarray(b.weight, float)) for a, b in pairs]


def fold_batch_norm(
    weight: Float[np.ndarray, "out *rest"],
    bias: Float[np.ndarray, " out"] | None,
    scale: Float[np.ndarray, " out"],
    shift: Float[np.ndarray, " out"],
    mean: Float[np.ndarray, " out"],
    variance: Float[np.ndarray, " out"],
    eps: float,
) -> tuple[Float[np.ndarray, "out *rest"], Float[np.ndarray, " out"]]:
    """Weight and bias of the layer that computes what this layer and its batch normalisation do in evaluation mode.

    With a = scale / sqrt(variance + eps): weight a, and shift + a (bias - mean).

    Raises:
        ValueError: variance + eps not positive.
    """
    spread = np.asarray(variance, float) + eps
    if not (spread > 0).all():
        raise ValueError(f"variance + eps must be positive, got {spread.min()}")
    a = np.asarray(scale, float) / np.sqrt(spread)
    start = 0.0 if bias is None else np.asarray(bias, float)
    weight = np.asarray(weight, float)
    return weight * a.reshape(-1, *[1] * (weight.ndim - 1)), np.asarray(shift, float) + a * (start - mean)


def identity_batch_norm(features: int, eps: float) -> BatchNormArrays:
    """Scale, shift, mean and variance to leave behind after folding: the identity.

    The variance is 1 - eps: with 1 a factor 1 / sqrt(1 + eps) would be left in every layer, and folding twice would not
    be folding once.
    """
    return np.ones(features), np.zeros(features), np.zeros(features), np.full(features, 1 - eps)
