"""TunedOptax is Optax with its hyper-parameters in the open, on batches too."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from biassay.dynamics import CosineDecay, Optax, TunedOptax
from biassay.problem import Problem, half_squared_error
from biassay.simulation import PerSeed, simulate


def linear(w, x):
    return x @ w


def problem():
    rng = np.random.default_rng(10_000)
    x, y = rng.normal(size=(12, 5)).astype(np.float32), rng.normal(size=12).astype(np.float32)
    return Problem(linear, jnp.asarray(x), jnp.asarray(y), half_squared_error)


def final(dynamics, **options):
    return np.asarray(simulate(problem(), dynamics, jnp.zeros(5, jnp.float32), steps=40, seeds=2, **options).params)


def test_on_batches_it_is_optax():
    """Step sizes that fall by a cosine and differ from seed to seed, as Optax alone with that one."""
    lrs = np.float32([0.1, 0.02])
    schedules = CosineDecay(jnp.asarray(lrs), jnp.full(2, 40.0, jnp.float32))
    tuned = TunedOptax(optax.adam, batch_size=3, sampling="independent", learning_rate=schedules)
    found = final(PerSeed(tuned))
    alone = final(Optax(optax.adam(CosineDecay(0.02, 40.0)), 3, "independent"))
    np.testing.assert_allclose(found[1], alone[1], rtol=1e-5, atol=1e-6)
    assert np.abs(found[0] - alone[0]).max() > 1e-3, "the first seed has another step size"
    whole = final(TunedOptax(optax.adam, learning_rate=0.1))
    np.testing.assert_array_equal(whole[0], whole[1])
    assert np.abs(found[0] - whole[0]).max() > 1e-3, "all examples are another dynamics"


def test_a_bad_batch_is_refused():
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        TunedOptax(optax.adam, batch_size=0, learning_rate=0.1)
