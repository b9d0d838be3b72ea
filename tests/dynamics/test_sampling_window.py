"""The sampling "window": neighbours from a uniform place on, cyclic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
from biassay.dynamics._sampling import batch_indices
from biassay.problem import half_squared_error

pytestmark = pytest.mark.usefixtures("x64")


def draw(sampling, size=10, batch=4, steps=20_000):
    return np.asarray(batch_indices(jax.random.key(3), jnp.array(0), steps, size, batch, sampling))


def test_a_batch_is_neighbours_and_passes_the_end():
    batches = draw("window")
    assert (np.diff(batches, axis=1) % 10 == 1).all()
    assert (batches[:, 0] > 6).any(), "some pass the end"
    assert not (np.diff(draw("subset"), axis=1) % 10 == 1).all()


def test_every_place_has_the_same_chance():
    """Chi-square of the 10 places over 20 000 steps; the upper 0.1 % point with 9 degrees of freedom is 27.9."""
    batches = draw("window")
    counts = np.bincount(batches[:, 0], minlength=10)
    assert np.sum((counts - 2000) ** 2 / 2000) < 27.9
    clipped = np.minimum(batches[:, 0], 6)
    assert np.sum((np.bincount(clipped, minlength=10) - 2000) ** 2 / 2000) > 27.9, "windows that stop at the end"
    # The sign of a correlation between steps: first places of successive steps are independent.
    assert abs(np.corrcoef(batches[:-1, 0], batches[1:, 0])[0, 1]) < 4 / 20_000**0.5


def test_a_window_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="a batch of 11 cannot be drawn without replacement from 10 examples"):
        draw("window", batch=11, steps=4)
    assert set(draw("window", batch=10, steps=1)[0].tolist()) == set(range(10))


@pytest.mark.parametrize("rule", [ba.SGD(0.05, 4, sampling="window"), ba.LabelNoise(0.05, 0.0, 4, "window")])
def test_sgd_and_label_noise_take_windows(rule):
    """The mean step is the gradient step: all ten windows together hold every example four times."""
    rng = np.random.default_rng(0)
    x, y, start = rng.normal(size=(10, 12)), rng.normal(size=10), jnp.asarray(rng.normal(size=12))
    problem = ba.Problem(lambda w, x: x @ w, jnp.asarray(x), jnp.asarray(y), half_squared_error)
    state = rule.init(problem, start)
    steps = [
        rule.step(problem, start, state, ((first + jnp.arange(4)) % 10, jnp.zeros(4) if i else None))[0]
        for first in range(10)
        for i in [isinstance(rule, ba.LabelNoise)]
    ]
    full = start - 0.05 * problem.gradient(start)
    np.testing.assert_allclose(np.mean(steps, axis=0), full, rtol=1e-12)
    assert np.abs(steps[0] - full).max() > 1e-3
    run = ba.simulate(problem, rule, start, steps=3000, record=1)
    assert float(problem.risk(run.params[0])) < 0.01 * float(problem.risk(start))
