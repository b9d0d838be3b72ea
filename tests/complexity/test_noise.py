"""The noise that parameters bear: bisection, true standard deviations, honest results, and the measures made of it."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from biassay.complexity import EQUATIONS, find_noise_level, noise_level, pac_bayes_measures


def positive(w):
    """An accuracy: the share of the weights that are still positive."""
    return jnp.mean(jnp.where(w > 0, 1.0, 0.0))


def test_sigma_is_a_standard_deviation():
    """A weight w keeps its sign with the chance of Phi(w / sigma): a fall of .1 is at sigma = w / 1.2816."""
    found = noise_level(positive, jnp.full(4000, 0.5), jax.random.key(0), tolerance=0.002)
    exact = 0.5 / stats.norm.isf(0.1)
    assert found.met
    assert found.sigma == pytest.approx(exact, rel=0.03)
    assert found.sigma != pytest.approx(math.sqrt(exact), rel=0.3), "were sigma^2 the deviation"
    assert found.low <= found.sigma <= found.high


def test_the_noise_that_goes_with_the_magnitude():
    """Of noise sigma' |w| the fall does not depend on |w|, but for e = 1e-3: sigma' = 1 / 1.2816."""
    exact = 1 / stats.norm.isf(0.1)
    for size in (0.5, 50.0):
        params = jnp.full(4000, size)
        found = noise_level(positive, params, jax.random.key(1), magnitude=True, tolerance=0.002)
        assert found.sigma == pytest.approx(exact, rel=0.03)
    assert noise_level(positive, jnp.full(4000, 50.0), jax.random.key(1), tolerance=0.002).sigma > 30


def test_the_least_noise_is_not_zero():
    """A parameter of 1e-4 is lost in e = 1e-3 whatever sigma' is: the target cannot be met, and that is said."""
    found = noise_level(positive, jnp.full(4000, 1e-4), jax.random.key(0), magnitude=True)
    assert not found.met
    assert found.fall > 0.4
    assert (found.low, found.looks) == (0.0, 16)
    assert found.high < 1e-3


def test_draws_in_batches_are_the_same_draws():
    params = {"w": jnp.full((40, 3), 0.5), "b": jnp.full(40, 0.2)}

    def accuracy(p):
        return (positive(p["w"]) + positive(p["b"])) / 2

    together = noise_level(accuracy, params, jax.random.key(3))
    assert noise_level(accuracy, params, jax.random.key(3), at_once=3) == together
    assert noise_level(accuracy, params, jax.random.key(4)) != together


def test_data_are_arguments_of_the_accuracy():
    def kept(w, signs):
        return positive(signs * w)

    w = jnp.full(400, 0.5)
    found = noise_level(kept, w, jax.random.key(3), data=(jnp.ones(400),))
    assert found == noise_level(positive, w, jax.random.key(3))
    assert not noise_level(kept, w, jax.random.key(3), data=(-jnp.ones(400),)).met, "all wrong: nothing can fall"


def test_rescaling_layers_changes_sigma():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(200, 5)), jnp.float32)
    W, v = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((5, 20), (20,)))
    y = jnp.sign(jax.nn.relu(x @ W) @ v)

    def accuracy(params):
        return jnp.mean(jnp.sign(jax.nn.relu(x @ params[0]) @ params[1]) == y)

    before = noise_level(accuracy, (W, v), jax.random.key(0))
    after = noise_level(accuracy, (10 * W, v / 10), jax.random.key(0))
    assert before.met
    assert after.met
    assert after.sigma < 0.5 * before.sigma


def test_bisection_finds_the_target_of_a_known_fall():
    looked = []

    def fall(sigma):
        looked.append(sigma)
        return 1 - math.exp(-(sigma**2))

    found = find_noise_level(fall, tolerance=1e-3)
    assert found.met
    assert found.sigma == pytest.approx(math.sqrt(-math.log(0.9)), rel=0.01)
    assert found.looks == len(looked) < 12, "it stops at the tolerance"
    assert found.fall == fall(found.sigma)


def test_the_bracket_is_raised_and_a_fall_that_never_comes_is_told():
    high = find_noise_level(lambda sigma: sigma / 500)
    assert high.met
    assert high.sigma == pytest.approx(50, rel=0.1)
    never = find_noise_level(lambda sigma: 0.01)
    assert not never.met
    assert never.fall == 0.01
    assert (never.low, never.high) == (2.0 * 2**10, math.inf)


def test_a_jump_over_the_target_is_told():
    found = find_noise_level(lambda sigma: 0.0 if sigma < 0.3 else 0.5)
    assert not found.met
    assert found.fall == 0.0
    assert found.low < 0.3 <= found.high
    assert found.high - found.low < 1e-3
    assert found.looks == 16


def test_pac_bayes_measures_by_hand():
    params, initial = {"w": np.array([3.0, 4.0]), "b": np.array([0.0])}, {"w": np.array([3.0, 2.0]), "b": np.zeros(1)}
    m, sigma, other = 100, 0.5, 0.25
    found = pac_bayes_measures(params, m=m, sigma=sigma, magnitude_sigma=other, initial=initial)
    B = [1e-6, 1e-6 + other**2 * 4, 1e-6]
    A_moved, A_w = (1e-6 + (other**2 + 1) * square / 3 for square in (4, 25))
    logs = [0.25 * sum(math.log(A / b) for b in B) for A in (A_moved, A_w)]
    by_hand = {
        "PACBAYES_INIT": 4 / (4 * 0.25) + math.log(200) + 10,
        "PACBAYES_ORIG": 25 / (4 * 0.25) + math.log(200) + 10,
        "PACBAYES_FLATNESS": 4,
        "PACBAYES_MAG_INIT": logs[0] + math.log(400) + 10,
        "PACBAYES_MAG_ORIG": logs[1] + math.log(400) + 10,
        "PACBAYES_MAG_FLATNESS": 16,
    }
    assert set(by_hand) == {name for name, number in EQUATIONS.items() if number > 44}
    assert {name: value.v for name, value in found.items()} == pytest.approx(by_hand, rel=1e-12)
    for value in found.values():
        assert value.printed == pytest.approx(math.sqrt(value.v / m), rel=1e-12)
    assert set(pac_bayes_measures(params, m=m, sigma=sigma)) == {"PACBAYES_ORIG", "PACBAYES_FLATNESS"}
    assert set(pac_bayes_measures(params, m=m, magnitude_sigma=other)) == {"PACBAYES_MAG_FLATNESS"}
    vast = pac_bayes_measures(params, m=1, sigma=1e9)["PACBAYES_ORIG"]
    assert vast.v < 0
    assert math.isnan(vast.printed)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pac_bayes_measures(np.ones(2), m=9, sigma=0.0), "sigma must be positive, got 0.0"),
        (lambda: pac_bayes_measures(np.ones(2), m=9, initial=np.ones(3)), "the 2 parameters of the network, got 3"),
        (lambda: find_noise_level(lambda s: s, tolerance=0.0), "tolerance must be positive, got 0.0"),
        (
            lambda: noise_level(positive, jnp.ones(2), jax.random.key(0), draws=0),
            "draws and at_once must be at least 1",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(call, words):
    with pytest.raises(ValueError, match=words) as error:
        call()
    assert "\n" not in str(error.value)
