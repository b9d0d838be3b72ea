"""SGD in a chosen order, and that the order left to chance is uniform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

from biassay.dynamics import SGD, AdversarialSGD, ForcedSGD
from biassay.models import deep_linear
from biassay.probes import second_singular_value

PROBLEM = ((0, 0), (1, 0), (1, 1)), (1.0, 0.25, 1.0), (2, 2)
LENGTH = 1024


def drawn(dynamics, seed, windows=4):
    problem, key = deep_linear.completion(*PROBLEM), jax.random.key(seed)
    return np.concatenate(
        [np.ravel(draws(dynamics.noise(problem, key, jnp.asarray(k * LENGTH), LENGTH))) for k in range(windows)]
    )


def draws(noise):
    return noise[0] if isinstance(noise, tuple) else noise


@pytest.mark.parametrize("dynamics", [SGD(0.1, 1, "independent"), ForcedSGD(0.1, 0, (0, 1))], ids=["sgd", "free"])
def test_draws_are_uniform_and_independent(dynamics):
    one, other = drawn(dynamics, 0), drawn(dynamics, 1)
    assert chisquare(np.bincount(one, minlength=3)).pvalue > 1e-3
    assert chisquare(np.bincount(3 * one + other, minlength=9)).pvalue > 1e-3, "two seeds"
    assert chisquare(np.bincount(3 * one[:-1] + one[1:], minlength=9)).pvalue > 1e-3, "two steps"
    assert chisquare(np.bincount(4 * one, minlength=9)).pvalue < 1e-6, "the test can fail"


def test_draws_do_not_depend_on_the_width():
    problem, key = deep_linear.completion(*PROBLEM), jax.random.key(3)
    step = SGD(0.1, 1, "independent").noise(problem, key, jnp.asarray(0), LENGTH)[0]
    again = SGD(0.2, 1, "independent").noise(problem, key, jnp.asarray(0), LENGTH)[0]
    np.testing.assert_array_equal(step, again)


def test_forced_for_a_while():
    forced = drawn(ForcedSGD(0.1, 1500, (0, 1)), 5)
    assert set(forced[:1500]) == {0, 1}
    assert set(forced[1500:]) == {0, 1, 2}
    with pytest.raises(ValueError, match="at least one example"):
        ForcedSGD(0.1, 10, ())


@pytest.mark.usefixtures("x64")
def test_adversary_takes_the_worst_example():
    problem = deep_linear.completion(*PROBLEM)
    adversary, sgd = AdversarialSGD(0.3, second_singular_value, 0.048), SGD(0.3, 1, "independent", weight_decay=0.048)
    chosen = []
    for seed in range(12):
        params = deep_linear.random(jax.random.key(seed), (2, 2), 3, 2)
        moved, _ = adversary.step(problem, params, (), None)
        state = sgd.init(problem, params)
        single = [sgd.step(problem, params, state, (jnp.array([i]), None))[0] for i in range(3)]
        values = [float(second_singular_value(problem, w)) for w in single]
        chosen.append(int(np.argmax(values)))
        for W, expected in zip(moved, single[chosen[-1]], strict=True):
            np.testing.assert_allclose(W, expected, atol=1e-15)
    assert len(set(chosen)) > 1, "the worst example depends on where one is"
