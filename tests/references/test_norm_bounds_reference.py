"""Toeplitz norms against materialised matrices, and the bounds against numbers of four trained networks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import plain_cnn
from biassay.references import norm_bounds
from biassay.references.norm_bounds import (
    closed_form,
    convolutional_geometry,
    dense_geometry,
    dense_rademacher,
    generalisation_bound,
    padding_factor,
    pixel_energies,
    pixel_factor,
    sparse_rademacher,
    tap_counts,
    toeplitz_norm,
    toeplitz_norm_ignoring_padding,
)

UNIT = np.full(64, 1200 / 64)
"""1200 items of unit norm, the energy spread evenly over 8x8 pixels."""
NETS = {"2x2/2 x3": (2, 2, 0, 3), "3x3 x3": (3, 1, 1, 3), "3x3 x5": (3, 1, 1, 5), "3x3/2 x3": (3, 2, 1, 3)}


# --- the Toeplitz matrix ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
def test_the_norm_is_that_of_the_jacobian(kernel, stride, padding):
    rng = np.random.default_rng(10 * kernel + 2 * stride + padding)
    w = rng.normal(size=(3, 2, kernel, kernel))
    flat = jnp.asarray(w.transpose(2, 3, 1, 0).reshape(-1, 3))
    # The map is linear: the columns of its Jacobian are the images of the basis.
    basis = jnp.eye(128, dtype=float).reshape(128, 8, 8, 2)
    jacobian = jax.jit(plain_cnn.convolve, static_argnums=(2, 3, 4))(basis, flat, kernel, stride, padding)
    exact = float(np.linalg.norm(jacobian))
    assert toeplitz_norm(w, 8, stride, padding) == pytest.approx(exact, rel=1e-10)
    ignoring = toeplitz_norm_ignoring_padding(w, 8, stride, padding)
    if padding:
        assert ignoring > 1.02 * exact
    else:
        assert ignoring == pytest.approx(exact, rel=1e-10)
    # Where the counts of the taps differ, the same weights at other taps have another norm.
    if len(set(tap_counts(8, kernel, stride, padding))) > 1:
        shuffled = w[:, :, ::-1] if stride == 2 else np.roll(w, 1, axis=2)
        assert abs(toeplitz_norm(shuffled, 8, stride, padding) / exact - 1) > 1e-4


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ((8, 3, 1, 1), [7, 8, 7]),
        ((8, 3, 2, 1), [3, 4, 4]),
        ((8, 2, 2, 0), [4, 4]),
        ((8, 3, 1, 0), [6, 6, 6]),
        ((2, 3, 2, 1), [0, 1, 1]),
        ((1, 1, 1, 0), [1]),
    ],
)
def test_tap_counts_by_hand(given, counts):
    np.testing.assert_array_equal(tap_counts(*given), counts)


def test_tap_counts_by_enumeration():
    for side in range(1, 9):
        for kernel in range(1, 5):
            for stride in range(1, 4):
                for padding in range(kernel):
                    if side + 2 * padding < kernel:
                        continue
                    out = (side + 2 * padding - kernel) // stride + 1
                    inside = [[0 <= o * stride + a - padding < side for o in range(out)] for a in range(kernel)]
                    np.testing.assert_array_equal(tap_counts(side, kernel, stride, padding), np.sum(inside, axis=1))


# --- the bounds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rho", "layers", "expected"),
    [(1.51e3, 4, 146), (7.37e4, 4, 7.14e3), (939, 4, 90.9), (5.83e7, 6, 6.54e6), (7.15e3, 4, 692)],
)
def test_the_dense_bound_of_trained_networks(rho, layers, expected):
    assert dense_rademacher(rho, layers, UNIT, 1200) == pytest.approx(expected, rel=2e-3)
    by_hand = rho * (math.sqrt(2 * layers * math.log(2)) + 1) / math.sqrt(1200)
    assert dense_rademacher(rho, layers, UNIT, 1200) == pytest.approx(by_hand, rel=1e-12)
    assert dense_rademacher(rho, layers - 1, UNIT, 1200) != pytest.approx(expected, rel=2e-3), "L counts the top layer"


@pytest.mark.parametrize(
    ("net", "rho", "expected"),
    [("2x2/2 x3", 188, 47.6), ("3x3 x3", 186, 1.38e3), ("3x3 x5", 2.74e3, 2.13e5), ("3x3/2 x3", 199, 184)],
)
def test_the_sparse_bound_of_trained_networks(net, rho, expected):
    uneven = UNIT.copy()
    uneven[0] = UNIT.mean() / 0.652**2
    geometry = convolutional_geometry(8, *NETS[net])
    assert sparse_rademacher(rho, geometry, uneven, 1200) == pytest.approx(expected, rel=3e-3)
    forgotten = geometry._replace(degrees=(*geometry.degrees[:-1], 1))
    if geometry.degrees[-1] > 1:
        assert sparse_rademacher(rho, forgotten, uneven, 1200) < 0.2 * expected, (
            "without the top's degree it is too good"
        )


@pytest.mark.parametrize(
    ("net", "locations", "degrees", "expected"),
    [
        ((3, 2, 1, 4), (256, 64, 16, 4), (9, 9, 9, 9, 4), 102.1),
        ((3, 1, 1, 5), (1024,) * 5, (9, 9, 9, 9, 9, 1024), 7.02e4),
        ((2, 2, 0, 5), (256, 64, 16, 4, 1), (4, 4, 4, 4, 4, 1), 567.9),
    ],
)
def test_the_closed_form_at_32x32(net, locations, degrees, expected):
    geometry = convolutional_geometry(32, *net)
    assert (geometry.locations, geometry.degrees, geometry.pixels) == (locations, degrees, 1024)
    assert closed_form(geometry) == pytest.approx(expected, rel=1e-3)
    assert closed_form(geometry._replace(pixels=3 * 1024)) != pytest.approx(expected, rel=0.1), "pixels, not channels"


@pytest.mark.parametrize(
    ("net", "padding", "before_pixels", "ratio"),
    [
        ("2x2/2 x3", 1, 4.70, 3.07),
        ("3x3 x3", 396 / 512, 7.94, 5.18),
        ("3x3 x5", 21247 / 32768, 47.1, 30.7),
        ("3x3/2 x3", 4.7 / 8, 0.75, 0.49),
    ],
)
def test_the_factorisation_of_trained_networks(net, padding, before_pixels, ratio):
    found = closed_form(convolutional_geometry(8, *NETS[net])) * padding
    assert found == pytest.approx(before_pixels, rel=6e-3)
    assert found * 0.652 == pytest.approx(ratio, rel=6e-3)
    assert found != pytest.approx(ratio, rel=0.1), "without the pixels' factor"


def trained_like(seed=0):
    """Filters, a top and uneven images for 3x3/2 x3 on 8x8: (filters, geometry, rho_F, rho_T, energies)."""
    rng = np.random.default_rng(seed)
    filters = [rng.normal(size=(4, c, 3, 3)) for c in (2, 4, 4)]
    geometry = convolutional_geometry(8, 3, 2, 1, 3)
    top = float(np.linalg.norm(rng.normal(size=4)))
    rho_F = math.prod(float(np.linalg.norm(w)) for w in filters) * top
    rho_T = math.prod(toeplitz_norm(w, side, 2, 1) for w, side in zip(filters, (8, 4, 2), strict=True)) * top
    energies = pixel_energies(rng.normal(size=(20, 8, 8, 2)) * rng.uniform(size=(8, 8, 1)))
    return filters, geometry, rho_F, rho_T, energies


def test_the_ratio_is_the_product_of_its_three_factors():
    _, geometry, rho_F, rho_T, energies = trained_like()
    ratio = dense_rademacher(rho_T, 4, energies, 20) / sparse_rademacher(rho_F, geometry, energies, 20)
    factors = [closed_form(geometry), padding_factor(rho_T, rho_F, geometry.locations), pixel_factor(energies)]
    assert ratio == pytest.approx(math.prod(factors), rel=1e-12)
    for left_out in factors:
        assert ratio != pytest.approx(math.prod(factors) / left_out, rel=0.05)


def test_scaling_the_inputs_scales_both_bounds():
    _, geometry, rho_F, rho_T, energies = trained_like()
    for bound in (
        lambda e: dense_rademacher(rho_T, 4, e, 20),
        lambda e: sparse_rademacher(rho_F, geometry, e, 20),
    ):
        assert bound(3.0**2 * energies) == pytest.approx(3 * bound(energies), rel=1e-12)
        assert bound(3.0 * energies) != pytest.approx(3 * bound(energies), rel=0.1)


def test_rescaling_layers_against_each_other_changes_no_norm_product():
    filters, _, rho_F, rho_T, _ = trained_like()
    first, second = 10 * filters[0], filters[1] / 10
    norms = [(toeplitz_norm(w, s, 2, 1), float(np.linalg.norm(w))) for w, s in ((first, 8), (second, 4))]
    before = [(toeplitz_norm(w, s, 2, 1), float(np.linalg.norm(w))) for w, s in ((filters[0], 8), (filters[1], 4))]
    for kind, rho in enumerate((rho_T, rho_F)):
        rescaled = rho / (before[0][kind] * before[1][kind]) * norms[0][kind] * norms[1][kind]
        assert rescaled == pytest.approx(rho, rel=1e-12)
        assert rho / before[0][kind] * norms[0][kind] == pytest.approx(10 * rho)


def test_energies_hold_all_channels_of_a_pixel():
    x = np.arange(24.0).reshape(2, 2, 2, 3)
    np.testing.assert_allclose(pixel_energies(x)[1], np.sum(x[:, 0, 1] ** 2))
    assert pixel_factor(np.ones(7)) == 1
    assert pixel_factor(np.array([1.0, 0, 0, 0])) == 0.5


def test_a_dense_network_is_one_of_one_location():
    geometry = dense_geometry(64, 4)
    assert geometry == norm_bounds.Geometry((1, 1, 1), (64, 1, 1, 1), 64)
    by_hand = (math.sqrt(8 * math.log(2)) + 1) / (1 + math.sqrt(2 * (4 * math.log(2) + 2 * math.log(64))))
    assert closed_form(geometry) == pytest.approx(by_hand, rel=1e-12)
    assert closed_form(geometry) < 1


def test_the_bound_of_the_generalisation_error():
    a_rho = dense_rademacher(1.0, 4, UNIT, 1200)
    by_hand = 2 * 189 * a_rho + 3 * math.sqrt(math.log(2 * 190**2 / 0.05) / 2400)
    assert generalisation_bound(a_rho, 188, 1200, 0.05) == pytest.approx(by_hand, rel=1e-12)
    assert generalisation_bound(a_rho, 188, 1200, 0.01) > by_hand
    with pytest.raises(ValueError, match="delta must lie between 0 and 1, got 1"):
        generalisation_bound(a_rho, 188, 1200, 1.0)


def test_an_image_that_becomes_too_small_is_refused():
    with pytest.raises(ValueError, match="a 2x2 kernel does not fit into 1 pixels with a padding of 0"):
        convolutional_geometry(8, 2, 2, 0, 4)
