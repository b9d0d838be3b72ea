"""The bounds of one network from its weights, its places and the energies of its training pixels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ...references import norm_bounds
from ...references.norm_bounds import Geometry
from .networks import Design, Weights


class Places(NamedTuple):
    """geometry: locations and degrees; sides: places along one axis of what every convolution sees; stride, padding: of
    the convolutions.
    """

    geometry: Geometry
    sides: tuple[int, ...]
    stride: int
    padding: int


def convolutional_places(design: Design, side: int) -> Places:
    """Those of a convolutional network on images of `side` pixels."""
    geometry = design.geometry(side)
    sides = (side, *(math.isqrt(number) for number in geometry.locations[:-1]))
    return Places(geometry, sides, design.stride, design.padding)


def dense_places(pixels: int, layers: int) -> Places:
    """Those of a dense network: its degrees are those of `dense_geometry`, in which the first layer sees all pixels.

    For the norms every matrix is a filter of one tap at one place, its inputs being channels: it is its own Toeplitz
    matrix.
    """
    return Places(norm_bounds.dense_geometry(pixels, layers), (1,) * (layers - 1), stride=1, padding=0)


class Images(NamedTuple):
    """energies: of the pixels, over the m training images; delta: of the generalisation bounds."""

    energies: Float[np.ndarray, " pixels"]
    m: int
    delta: float


class Bounds(NamedTuple):
    """filter_norms, toeplitz_norms: of all layers; rho_filters, rho_toeplitz: their products; dense, sparse: the two
    bounds; ratio: dense / sparse; one_location: the same with every filter counted at one location; padding: the
    padding factor; dense_gap, sparse_gap: the bounds of the generalisation error.
    """

    filter_norms: list[float]
    toeplitz_norms: list[float]
    rho_filters: float
    rho_toeplitz: float
    dense: float
    sparse: float
    ratio: float
    one_location: float
    padding: float
    dense_gap: float
    sparse_gap: float


def bounds(weights: Weights, places: Places, images: Images) -> Bounds:
    """Both bounds of the network with these weights, the top last."""
    *convolutions, top = weights
    filter_norms = [float(np.linalg.norm(w)) for w in weights]
    toeplitz_norms = [
        norm_bounds.toeplitz_norm(w, side, places.stride, places.padding)
        for w, side in zip(convolutions, places.sides, strict=True)
    ]
    toeplitz_norms.append(float(np.linalg.norm(top)))
    rho_F, rho_T = math.prod(filter_norms), math.prod(toeplitz_norms)
    # Both bounds are proportional to rho.
    dense = norm_bounds.dense_rademacher(1.0, places.geometry.layers, images.energies, images.m)
    sparse = norm_bounds.sparse_rademacher(1.0, places.geometry, images.energies, images.m)
    return Bounds(
        filter_norms=filter_norms,
        toeplitz_norms=toeplitz_norms,
        rho_filters=rho_F,
        rho_toeplitz=rho_T,
        dense=rho_T * dense,
        sparse=rho_F * sparse,
        ratio=rho_T * dense / (rho_F * sparse),
        one_location=dense / sparse,
        padding=norm_bounds.padding_factor(rho_T, rho_F, places.geometry.locations),
        dense_gap=norm_bounds.generalisation_bound(dense, rho_T, images.m, images.delta),
        sparse_gap=norm_bounds.generalisation_bound(sparse, rho_F, images.m, images.delta),
    )


def scaled(weights: Weights, factor: float) -> Weights:
    """Every layer times `factor`: the same decisions, and bounds factor^L times as large."""
    return [factor * w for w in weights]
