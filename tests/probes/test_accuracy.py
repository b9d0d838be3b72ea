"""Accuracies by hand."""

import jax.numpy as jnp
import pytest

from biassay.probes import test_accuracy as accuracy_on_test
from biassay.probes import train_accuracy
from biassay.problem import Batch, Problem, cross_entropy, logistic

LOGITS = jnp.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 1.0, 5.0], [1.0, 0.0, 0.0]])


def _logits(params, x):
    return params * LOGITS[x]


def _signed(params, x):
    return params * x


def test_the_largest_logit_decides():
    test = Batch(jnp.array([0, 1]), jnp.array([1, 1]))
    problem = Problem(_logits, jnp.arange(4), jnp.array([0, 1, 1, 0]), cross_entropy, test=test)
    assert float(train_accuracy(problem, 1.0)) == 0.75
    assert float(accuracy_on_test(problem, 1.0)) == 0.5
    assert float(train_accuracy(problem, -1.0)) == 0.0


def test_the_sign_decides_where_there_is_one_output():
    problem = Problem(_signed, jnp.array([1.0, -2.0, 3.0, 0.0]), jnp.array([1, -1, -1, 1]), logistic)
    assert float(train_accuracy(problem, 1.0)) == 0.5
    assert float(train_accuracy(problem, -1.0)) == 0.25


def test_a_problem_without_test_examples_has_no_test_accuracy():
    problem = Problem(_signed, jnp.ones(2), jnp.ones(2), logistic)
    with pytest.raises(ValueError, match="needs a problem with test examples"):
        accuracy_on_test(problem, 1.0)
