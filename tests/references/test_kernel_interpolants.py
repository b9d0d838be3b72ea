"""The kernel interpolant: it interpolates, it is the smallest that does, and it needs distinct inputs."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from biassay.references.kernel_interpolants import gaussian_kernel, interpolate, one_vs_all

IMAGES, LABELS = map(np.asarray, load_digits(return_X_y=True))
X = (IMAGES / 16 - 0.305) / 0.376
BANDWIDTH = 2e-2


def test_random_labels_are_interpolated_and_true_ones_predict():
    rng = np.random.default_rng(10_000)
    for labels in (LABELS[:500], rng.integers(0, 10, 500)):
        targets = one_vs_all(labels, 10)
        f = interpolate(X[:500], targets, BANDWIDTH)
        assert np.abs(f(X[:500]) - targets).max() < 1e-8
        assert (f(X[:500]).argmax(1) == labels).all()
    true = interpolate(X[:500], one_vs_all(LABELS[:500], 10), BANDWIDTH)
    assert (true(X[500:]).argmax(1) == LABELS[500:]).mean() > 0.9
    assert abs((f(X[500:]).argmax(1) == LABELS[500:]).mean() - 0.1) < 0.06
    # The check can fail: coefficients cut to single precision do not interpolate so well.
    cut = true._replace(coefficients=true.coefficients.astype(np.float32))
    assert np.abs(cut(X[:500]) - one_vs_all(LABELS[:500], 10)).max() > 1e-8


def test_it_is_the_smallest_function_that_interpolates():
    """|f|^2 = c^T K c; interpolating more points than asked for gives another function that fits, and a larger one."""
    y = one_vs_all(LABELS[:60], 10)

    def size(points: int, targets: np.ndarray) -> float:
        c = interpolate(X[:points], targets, BANDWIDTH).coefficients
        return float(np.sum(c * (gaussian_kernel(X[:points], X[:points], BANDWIDTH) @ c)))

    assert size(40, y[:40]) < size(60, y)
    own = interpolate(X[:40], y[:40], BANDWIDTH)(X[:60])
    assert size(60, own) == pytest.approx(size(40, y[:40]), rel=1e-6)


def test_a_permutation_of_the_pixels_changes_nothing():
    order = np.random.default_rng(0).permutation(64)
    f, g = (interpolate(x[:100], one_vs_all(LABELS[:100], 10), BANDWIDTH) for x in (X, X[:, order]))
    np.testing.assert_allclose(f(X[100:200]), g(X[100:200][:, order]), atol=1e-9)


def test_the_kernel_by_hand():
    np.testing.assert_allclose(gaussian_kernel(np.array([[0.0, 0]]), np.array([[3.0, 4]]), 0.1), [[np.exp(-2.5)]])


def test_equal_inputs_are_refused():
    with pytest.raises(ValueError, match="singular at bandwidth"):
        interpolate(np.ones((3, 2)), np.eye(3), BANDWIDTH)
