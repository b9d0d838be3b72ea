"""Residual, part outside the span and distance, on solutions for which they are known."""

import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models.linear_regression import linear_regression
from biassay.probes import distance_to_min_norm, out_of_span, relative_residual, weights
from biassay.references.interpolators import min_norm

pytestmark = pytest.mark.usefixtures("x64")


def test_where_a_solution_lies():
    rng = np.random.default_rng(10_000)
    X, y = rng.normal(size=(9, 4)), rng.normal(size=4)
    problem = linear_regression(jnp.asarray(X.T), jnp.asarray(y))
    smallest = min_norm(X, y)
    outside = np.linalg.svd(X)[0][:, -1]
    size = np.linalg.norm(smallest)
    w = jnp.asarray(smallest + size * outside)
    assert relative_residual(problem, w) == pytest.approx(0, abs=1e-13)
    assert out_of_span(problem, w) == pytest.approx(1 / np.sqrt(2), rel=1e-12)
    assert distance_to_min_norm(problem, w) == pytest.approx(1, rel=1e-12)
    half = jnp.asarray(smallest / 2)
    assert relative_residual(problem, half) == pytest.approx(0.5, rel=1e-12)
    assert out_of_span(problem, half) < 1e-14
    assert distance_to_min_norm(problem, half) == pytest.approx(0.5, rel=1e-12)
    assert out_of_span(problem, jnp.zeros(9)) == 0
    assert weights(problem, w) is w
