r"""Rademacher bounds for one network, written as a dense network and as a convolutional one, and their ratio.

A ReLU network without biases: L layers counting the top one, m items x_i, of which x_{i,j} is pixel j with all its
channels. A convolution with weights w (c_out, c_in, k, k), stride s and padding p has #loc output positions.

As a dense layer it is its Toeplitz matrix T. Every entry of w stands in T once for every position at which its tap
(a, b) falls inside the image, N_ab = N_a N_b times:

    |T|_F^2 = sum_ab N_ab |w[:, :, a, b]|^2,        without padding N_ab = #loc and |T|_F^2 = #loc |w|^2.

As a sparse layer each of its neurons sees deg = k^2 places of the layer below; the neurons of the top layer see all
the places that are left. C0 is the number of pixels of an image. With the constants

    c_dense = 1 + sqrt(2 L ln 2),        c_sparse = 1 + sqrt(2 (L ln 2 + sum_{l<L} ln deg_l + ln C0))

the two bounds of the Rademacher complexity are

    dense:   R_m <= (rho_T / m) c_dense sqrt(sum_i |x_i|^2),                                    rho_T = prod_l |T_l|_F,
    sparse:  R_m <= (rho_F / m) c_sparse sqrt(prod_{l<=L} deg_l  max_j sum_i |x_{i,j}|^2),      rho_F = prod_l |w_l|_F:

rho_F is made of the filters' norms (the largest over a layer's neurons, which share one) and of the top's. That weights
are shared is not used: the locality alone makes the difference. Either bound R_m bounds the generalisation error by

    error(test) - error(train) <= 2 R_m(rho + 1) + 3 sqrt(ln(2 (rho + 2)^2 / delta) / (2 m)),

with probability 1 - delta, R_m(rho + 1) the bound with rho + 1 in the place of rho. As recalled, error(train) is no
share of wrong decisions but a margin (ramp) error: it counts outputs short of a margin too, and goes to 1 as rho goes
to 0. The ratio dense / sparse is the product of three factors, exactly:

    closed form   prod_l sqrt(#loc_l)  (c_dense / c_sparse)  sqrt(C0 / prod_l deg_l),
    padding       (rho_T / rho_F) / prod_l sqrt(#loc_l), at most 1, and 1 without padding,
    pixels        sqrt(mean over j / maximum over j of sum_i |x_{i,j}|^2), at most 1.

The dense bound is that of Golowich, Rakhlin and Shamir, arXiv 1712.06541; the sparse one follows Galanti, Xu, Galanti
and Poggio, arXiv 2301.12033, and so does the bound of the error. All three are written as recalled, with the peeling
argument of the second worked out anew: check the papers before quoting a theorem. NumPy in double precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Geometry(NamedTuple):
    """Where the neurons of a network are.

    locations: #loc_l of the convolutions, L - 1 numbers; degrees: deg_l of all L layers, the top one last;
    pixels: C0.
    """

    locations: tuple[int, ...]
    degrees: tuple[int, ...]
    pixels: int

    @property
    def layers(self) -> int:
        """L, counting the top layer."""
        return len(self.degrees)


def convolutional_geometry(side: int, kernel: int, stride: int, padding: int, depth: int) -> Geometry:
    """The geometry of `depth` equal convolutions of square images of `side` pixels, and a dense top.

    Raises:
        ValueError: the image becomes smaller than the kernel.

    Example:
        >>> convolutional_geometry(32, kernel=3, stride=2, padding=1, depth=4)
        Geometry(locations=(256, 64, 16, 4), degrees=(9, 9, 9, 9, 4), pixels=1024)
    """
    locations, at = [], side
    for _ in range(depth):
        if at + 2 * padding < kernel:
            raise ValueError(f"a {kernel}x{kernel} kernel does not fit into {at} pixels with a padding of {padding}")
        at = (at + 2 * padding - kernel) // stride + 1
        locations.append(at**2)
    return Geometry(tuple(locations), (*[kernel**2] * depth, at**2), side**2)


def dense_geometry(pixels: int, layers: int) -> Geometry:
    """A dense network written as a convolutional one: each layer at one place, whose window is all the layer below."""
    return Geometry((1,) * (layers - 1), (pixels, *[1] * (layers - 1)), pixels)


# --- norms ------------------------------------------------------------------------------------------------------------


def tap_counts(side: int, kernel: int, stride: int, padding: int) -> Int[np.ndarray, " {kernel}"]:
    """N_a along one axis: at how many of the output positions o = 0, 1, ... tap a falls inside the image.

    It does where 0 <= o stride + a - padding <= side - 1.
    """
    last = (side + 2 * padding - kernel) // stride
    a = np.arange(kernel)
    first = np.maximum(-((a - padding) // stride), 0)
    return np.maximum(np.minimum((side - 1 + padding - a) // stride, last) - first + 1, 0)


def toeplitz_norm(weight: Float[np.ndarray, "c_out c_in k k"], side: int, stride: int, padding: int) -> float:
    """|T|_F of the convolution of square images of `side` pixels, without building T."""
    N = tap_counts(side, weight.shape[-1], stride, padding)
    return float(np.sqrt(np.einsum("oiab,a,b->", np.asarray(weight, float) ** 2, N, N)))


def toeplitz_norm_ignoring_padding(
    weight: Float[np.ndarray, "c_out c_in k k"], side: int, stride: int, padding: int
) -> float:
    """sqrt(#loc) |w|_F, which is |T|_F without padding and too large with it."""
    along = (side + 2 * padding - weight.shape[-1]) // stride + 1
    return along * float(np.linalg.norm(np.asarray(weight, float)))


# --- bounds -----------------------------------------------------------------------------------------------------------


def pixel_energies(x: Float[np.ndarray, "m h w c"]) -> Float[np.ndarray, " h*w"]:
    """sum_i |x_{i,j}|^2 of every pixel j, all its channels together."""
    return np.sum(np.asarray(x, float) ** 2, axis=(0, 3)).ravel()


def dense_rademacher(rho: float, layers: int, energies: Float[np.ndarray, " pixels"], m: int) -> float:
    """The dense bound of R_m.

    rho: product of the Frobenius norms of all the matrices; energies: from `pixel_energies`; m: items.
    """
    return rho * _dense_constant(layers) * math.sqrt(float(energies.sum())) / m


def sparse_rademacher(rho: float, geometry: Geometry, energies: Float[np.ndarray, " pixels"], m: int) -> float:
    """The sparse bound of R_m. rho: product of the filters' norms and the top's."""
    degrees = math.prod(geometry.degrees)
    return rho * _sparse_constant(geometry) * math.sqrt(degrees * float(energies.max())) / m


def generalisation_bound(rademacher_a_rho: float, rho: float, m: int, delta: float = 0.05) -> float:
    """The bound of error(test) - error(train), given the bound of R_m for rho = 1: both are proportional to rho.

    Written as recalled, not read, and with error(train) a margin (ramp) error, which goes to 1 as rho goes to 0: a
    number below 1 is necessary for the bound to say anything, and not sufficient.

    Raises:
        ValueError: delta outside (0, 1).
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie between 0 and 1, got {delta}")
    return 2 * (rho + 1) * rademacher_a_rho + 3 * math.sqrt(math.log(2 * (rho + 2) ** 2 / delta) / (2 * m))


def _dense_constant(layers: int) -> float:
    return math.sqrt(2 * layers * math.log(2)) + 1


def _sparse_constant(geometry: Geometry) -> float:
    logs = sum(math.log(degree) for degree in geometry.degrees[:-1]) + math.log(geometry.pixels)
    return 1 + math.sqrt(2 * (geometry.layers * math.log(2) + logs))


# --- the ratio --------------------------------------------------------------------------------------------------------


def closed_form(geometry: Geometry) -> float:
    """dense / sparse without padding and with all pixels of one energy.

    Example:
        >>> nets = [(3, 2, 1, 4), (3, 1, 1, 5), (2, 2, 0, 5)]  # kernel, stride, padding, depth
        >>> [float(f"{closed_form(convolutional_geometry(32, *net)):.4g}") for net in nets]
        [102.1, 70160.0, 567.9]
    """
    locations, degrees = math.prod(geometry.locations), math.prod(geometry.degrees)
    constants = _dense_constant(geometry.layers) / _sparse_constant(geometry)
    return constants * math.sqrt(locations * geometry.pixels / degrees)


def padding_factor(rho_toeplitz: float, rho_filters: float, locations: Sequence[int]) -> float:
    """(rho_T / rho_F) / prod sqrt(#loc): what padding takes off the closed form."""
    return rho_toeplitz / rho_filters / math.sqrt(math.prod(locations))


def pixel_factor(energies: Float[np.ndarray, " pixels"]) -> float:
    """sqrt(mean / maximum of the pixels' energies): what unequal pixels take off the closed form."""
    return math.sqrt(float(energies.mean() / energies.max()))
