"""One common test for every dynamics, every probe and every assay of the package."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
from biassay import dynamics as all_dynamics
from biassay.problem import half_squared_error

# --- dynamics ---------------------------------------------------------------------------------------------------------


def linear(w, x):
    return x @ w


def least_squares(dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 8)) / 8**0.5, rng.normal(size=6)
    return ba.Problem(linear, jnp.asarray(x, dtype), jnp.asarray(y, dtype), half_squared_error)


def greedy(problem, w):
    return -problem.risk(w)


# Every dynamics of the package, on linear least squares with 6 examples and 8 parameters.
DYNAMICS = {
    "GradientDescent": lambda: ba.GradientDescent(0.1, momentum=0.5, weight_decay=0.01),
    "SGD": lambda: ba.SGD(0.1, batch_size=2, momentum=0.5),
    "LabelNoise": lambda: ba.LabelNoise(0.1, 0.2, batch_size=3),
    "IsotropicNoise": lambda: ba.IsotropicNoise(0.1, 0.01),
    "GradientFlow": lambda: ba.GradientFlow(0.1, rtol=1e-5, atol=1e-6),
    "Optax": lambda: ba.Optax(optax.adam(0.05), batch_size=2),
    "TunedOptax": lambda: all_dynamics.TunedOptax(optax.adam, {"learning_rate": 0.05}),
    "MirrorDescent": lambda: all_dynamics.MirrorDescent(0.05, 1.5),
    "SteepestDescent": lambda: all_dynamics.SteepestDescent(0.05, 4 / 3),
    "SignDescent": lambda: all_dynamics.SignDescent(0.01),
    "Kaczmarz": lambda: all_dynamics.Kaczmarz(),
    "CoordinateDescent": lambda: all_dynamics.CoordinateDescent(),
    "PreconditionedDescent": lambda: all_dynamics.PreconditionedDescent(
        0.05, jnp.linspace(0.5, 2.0, 8, dtype=jnp.float32)
    ),
    "ForcedSGD": lambda: all_dynamics.ForcedSGD(0.1, 20, (0, 1)),
    "AdversarialSGD": lambda: all_dynamics.AdversarialSGD(0.1, greedy),
    "FullMatrixAdaGrad": lambda: all_dynamics.FullMatrixAdaGrad(0.1),
}


def members(module):
    return {
        n: v
        for n, v in vars(module).items()
        if not n.startswith("_") and getattr(v, "__module__", "").startswith("biassay")
    }


def test_every_dynamics_is_covered():
    final = {
        n
        for n, v in members(all_dynamics).items()
        if inspect.isclass(v) and issubclass(v, ba.AbstractDynamics) and n != "AbstractDynamics"
    }
    assert final == set(DYNAMICS)


@pytest.mark.parametrize("name", DYNAMICS)
def test_dynamics(name):
    """Pure and repeatable; keeps structure, shapes and precision."""
    problem = least_squares(jnp.float32)
    dynamics, start = DYNAMICS[name](), jnp.full(8, 0.1, jnp.float32)
    assert type(dynamics).__doc__, "a dynamics says what it does and where it comes from"
    state = dynamics.init(problem, start)

    key, window = jax.random.key(1), 32
    noise, repeated = (dynamics.noise(problem, key, jnp.asarray(0, jnp.int32), window) for _ in range(2))
    for leaf, again in zip(jax.tree.leaves(noise), jax.tree.leaves(repeated), strict=True):
        assert leaf.shape[0] == window
        assert (leaf == again).all()
    params, after = dynamics.step(problem, start, state, jax.tree.map(lambda leaf: leaf[0], noise))
    assert jax.tree.structure((params, after)) == jax.tree.structure((start, state))
    assert (params.dtype, params.shape) == (start.dtype, start.shape)
    assert float(dynamics.time_step(state)) > 0


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", DYNAMICS)
def test_dynamics_in_a_simulation(name):
    """What is recorded changes nothing, a lane alone is the lane packed, and an easy problem gets easier."""
    problem, start = least_squares(jnp.float64), jnp.full(8, 0.1)
    dynamics = jax.tree.map(
        lambda leaf: jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf, DYNAMICS[name]()
    )
    packed, again = (ba.simulate(problem, dynamics, start, steps=200, seeds=3, record=r).params for r in (1, 7))
    np.testing.assert_array_equal(packed, again)
    assert float(problem.risk(packed[0])) < 0.9 * float(problem.risk(start))
    alone = ba.simulate(problem, dynamics, start, steps=200, seed=1).params
    np.testing.assert_allclose(packed[1:2], alone, rtol=1e-12, atol=1e-12)
