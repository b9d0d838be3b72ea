"""The landscape oracle against the network it speaks of."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from biassay.dynamics import GradientDescent
from biassay.models import deep_linear
from biassay.probes import end_to_end, singular_ratio
from biassay.references.landscape import Landscape
from biassay.simulation import simulate

OBSERVED = ((0, 0), (1, 0), (1, 1))


def landscape(decay, epsilon=0.25, layers=3):
    return Landscape(OBSERVED, (1.0, epsilon, 1.0), layers, decay)


def ratio(A):
    s = np.linalg.svd(A, compute_uv=False)
    return s[1] / s[0]


def network(A, layers):
    problem = deep_linear.completion(OBSERVED, (1.0, 0.25, 1.0), (2, 2))
    return problem, deep_linear.balanced(jnp.asarray(A), layers)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("layers", [2, 3, 4])
def test_objective_is_the_loss_of_balanced_factors(layers):
    A = np.array([[1.0, 0.5], [0.25, 1.0]])
    problem, params = network(A + 0.1, layers)
    loss = float(problem.risk(params)) + 0.01 * float(sum(jnp.sum(W**2) for W in params))
    assert landscape(0.01, layers=layers).objective(A + 0.1) == pytest.approx(loss, abs=1e-14)
    lopsided = (3 * params[0], params[1] / 3, *params[2:])
    assert sum(jnp.sum(W**2) for W in lopsided) > sum(jnp.sum(W**2) for W in params)


def test_gradient_is_that_of_the_objective():
    A, at, h = np.array([[1.0, 0.5], [0.25, 0.9]]), landscape(0.02), 1e-6
    for i, j in itertools.product(range(2), range(2)):
        E = np.zeros((2, 2))
        E[i, j] = h
        slope = (at.objective(A + E) - at.objective(A - E)) / (2 * h)
        assert at.gradient(A)[i, j] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize(("decay", "expected"), [(1e-4, 0.448), (1e-3, 0.443), (0.01, 0.387), (0.02, 0.295)])
def test_rank_two_minimum(decay, expected):
    A = landscape(decay).rank_two_minimum()
    assert A is not None
    assert ratio(A) == pytest.approx(expected, abs=5e-4)


def test_where_there_is_no_rank_two_minimum():
    assert landscape(0.026).rank_two_minimum() is None
    assert landscape(0.01, epsilon=0.5).rank_two_minimum() is None


@pytest.mark.parametrize(("decay", "one_is_lower"), [(1e-4, False), (0.02, True)])
def test_which_minimum_is_lower(decay, one_is_lower):
    at = landscape(decay)
    two = at.rank_two_minimum()
    assert two is not None
    assert (at.objective(at.rank_one_minimum()) < at.objective(two)) == one_is_lower


@pytest.mark.usefixtures("x64")
def test_gradient_descent_ends_at_the_minima():
    at = landscape(0.02)
    two = at.rank_two_minimum()
    assert two is not None
    gd = GradientDescent(0.4, weight_decay=0.04)
    for A, start in ((two, [[1.0, 0.5], [0.25, 1.0]]), (at.rank_one_minimum(), np.outer([0.9, 0.5], [1.0, 1.6]))):
        problem, params = network(start, 3)
        run = simulate(problem, gd, params, steps=20_000, probes={"ratio": singular_ratio}, record=1)
        np.testing.assert_allclose(end_to_end(tuple(W[0] for W in run.params)), A, atol=1e-5)


def test_mistakes():
    with pytest.raises(ValueError, match="layers"):
        landscape(0.01, layers=1)
    with pytest.raises(ValueError, match="decay"):
        landscape(-1.0)
    with pytest.raises(ValueError, match="values"):
        Landscape(OBSERVED, (1.0,), 3, 0.01)
