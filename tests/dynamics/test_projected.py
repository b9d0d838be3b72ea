"""SGD on normalised layers: its update written out, one scale for all layers, unit norms, the limit of small steps."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
from biassay.dynamics import SGD, ExponentialDecay, GradientDescent, ProjectedSGD
from biassay.problem import squared_error

pytestmark = pytest.mark.usefixtures("x64")

SIZES = (4, 6, 5, 3)


def relu_network(params, x):
    for W in params[:-1]:
        x = jax.nn.relu(x @ W.T)
    return x @ params[-1].T


def linear_network(params, x):
    """Homogeneous, and without the kinks that would spoil the order of a flow's integrator."""
    for W in params:
        x = x @ W.T
    return x


def shifted_network(params, x):
    """Not homogeneous in its first layer."""
    return relu_network(params[1:], jnp.tanh(x @ params[0].T))


def problem(network=relu_network, seed=10_000):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, SIZES[0])), rng.normal(size=(12, SIZES[-1]))
    return ba.Problem(network, jnp.asarray(x), jnp.asarray(y), squared_error)


def weights(scales=(1.5, 1.5, 1.5), seed=10_001):
    rng = np.random.default_rng(seed)
    drawn = [rng.normal(size=(out, fan)) for fan, out in pairwise(SIZES)]
    return tuple(jnp.asarray(r * W / np.linalg.norm(W)) for r, W in zip(scales, drawn, strict=True))


def norms(params):
    return np.array([np.linalg.norm(W) for W in params])


@partial(jax.jit, static_argnums=3)
def _moved(rule, task, start, steps):
    noise = rule.noise(task, jax.random.key(0), jnp.asarray(0), steps)

    def step(carry, now):
        return rule.step(task, *carry, now), None

    (params, _), _ = jax.lax.scan(step, (start, rule.init(task, start)), noise, length=steps)
    return params


def moved(rule, task, start, steps):
    """The weights after so many steps."""
    # Numbers of the rule are arguments of the compiled program, which serves all that differ in them alone.
    return tuple(np.asarray(W) for W in _moved(jax.tree.map(jnp.asarray, rule), task, start, steps))


def test_the_update_written_out():
    """Three steps with momentum and decay, in V and r of every layer: V is projected, r is not."""
    task, M, wd = problem(), 0.7, 0.05
    lr_V, lr_r = ExponentialDecay(0.03, 0.5, 1.0), ExponentialDecay(0.02, 0.5, 1.0)
    rule = ProjectedSGD(lr_V, lr_r, None, momentum=M, weight_decay=wd)
    r = norms(weights())
    V = [np.asarray(W) / own for W, own in zip(weights(), r, strict=True)]
    v, s = [np.zeros_like(own) for own in V], np.zeros(3)
    gradient = jax.jit(lambda params: task.gradient(params))
    for step in range(3):
        G = [np.asarray(g) for g in gradient(tuple(jnp.asarray(a * b) for a, b in zip(r, V, strict=True)))]
        radial = np.array([np.sum(a * b) for a, b in zip(V, G, strict=True)])
        v = [M * a + own * g for a, own, g in zip(v, r, G, strict=True)]
        s = M * s + radial + wd * r
        V = [own - 0.03 * 0.5**step * a for own, a in zip(V, v, strict=True)]
        V = [own / np.linalg.norm(own) for own in V]
        r = r - 0.02 * 0.5**step * s
    for found, own, direction in zip(moved(rule, task, weights(), 3), r, V, strict=True):
        np.testing.assert_allclose(found, own * direction, rtol=1e-12)
    run = ba.simulate(task, rule, weights(), steps=3, record=1)
    assert float(run.elapsed[0]) == pytest.approx(0.02 * 1.75), "time is the sum of the scale's step sizes"
    np.testing.assert_allclose(run.params[0][0], moved(rule, task, weights(), 3)[0], rtol=1e-12)


def test_one_scale_for_all_layers_is_the_same():
    """rho = r^L with the step lr / L in r and the penalty (wd / 2) L r^2, on rho f_V; not for unequal norms."""
    task, wd, lr_V, lr_r, M, L = problem(), 0.02, 0.02, 0.01, 0.5, 3
    rule = ProjectedSGD(lr_V, lr_r, None, momentum=M, weight_decay=wd)

    def loss(V, r):
        return task.risk(tuple(r * own for own in V)) + wd / 2 * L * r**2

    V, r = weights((1.0, 1.0, 1.0)), jnp.asarray(1.5)
    v, s = jax.tree.map(jnp.zeros_like, V), jnp.zeros(())
    gradients = jax.jit(jax.grad(loss, (0, 1)))
    for _ in range(40):
        dV, dr = gradients(V, r)
        v, s = jax.tree.map(lambda a, g: M * a + g, v, dV), M * s + dr
        V = jax.tree.map(lambda own, a: (own - lr_V * a) / jnp.linalg.norm(own - lr_V * a), V, v)
        r = r - lr_r / L * s
    found = moved(rule, task, weights(), 40)
    assert not np.allclose(norms(found), 1.5, rtol=0.01), "the scale has moved"
    for leaf, own in zip(found, V, strict=True):
        np.testing.assert_allclose(leaf, r * own, rtol=1e-10)

    unequal = moved(rule, task, weights((3.0, 1.5, 0.75)), 40)
    assert np.ptp(norms(unequal)) > 0.1
    other = moved(rule, problem(shifted_network), weights(), 40)
    assert np.ptp(norms(other)) > 1e-3, "a network that is not homogeneous does not keep its scales equal"
    assert np.ptp(norms(found)) < 1e-12


def test_directions_stay_on_the_sphere():
    """With the scales held the layers' norms are conserved to rounding; plain SGD changes them."""
    held = ProjectedSGD(0.05, 0.0, 4, "independent", momentum=0.9)
    start = weights((1.0, 2.0, 0.5))
    found = moved(held, problem(), start, 300)
    np.testing.assert_allclose(norms(found), [1.0, 2.0, 0.5], rtol=1e-12)
    assert float(problem().risk(found)) < 0.9 * float(problem().risk(start))
    plain = moved(SGD(0.01, 4, "independent", momentum=0.9), problem(), start, 300)
    assert np.abs(norms(plain) - [1.0, 2.0, 0.5]).max() > 0.01


def step_away_from_descent(lr, share):
    """How far one step of `share` x the matching step size in V is from a step of gradient descent with decay."""
    r, wd = 1.5, 0.3
    # Decay acts along V alone, so that it is the same in both.
    projected = ProjectedSGD(share * lr / r**2, lr, None, weight_decay=wd)
    found, plain = (moved(rule, problem(), weights(), 1) for rule in (projected, GradientDescent(lr, weight_decay=wd)))
    return max(np.abs(a - b).max() for a, b in zip(found, plain, strict=True))


def test_small_steps_are_gradient_descent_in_the_weights():
    """With lr_direction r^2 = lr_scale one step is that of gradient descent up to O(lr^2), with another share O(lr)."""
    matching = [step_away_from_descent(lr, 1.0) for lr in (2e-4, 1e-4)]
    assert matching[0] / matching[1] == pytest.approx(4, abs=0.05)
    halved = [step_away_from_descent(lr, 0.5) for lr in (2e-4, 1e-4)]
    assert halved[0] / halved[1] == pytest.approx(2, abs=0.05)


def test_it_tends_to_the_lagrange_flow():
    """V' = -c r (I - V V^T) G, r' = -(<V, G> + wd r) to time 1/2: the error is proportional to the step size."""
    task, wd, c = problem(linear_network), 0.1, 0.7

    def velocity(state):
        V, r = state
        G = task.gradient(tuple(own * size for own, size in zip(V, r, strict=True)))
        radial = [jnp.sum(own * g) for own, g in zip(V, G, strict=True)]
        dV = tuple(-c * s * (g - a * own) for own, g, a, s in zip(V, G, radial, r, strict=True))
        return dV, tuple(-(a + wd * s) for a, s in zip(radial, r, strict=True))

    def along(state, slope, h):
        return jax.tree.map(lambda a, b: a + h * b, state, slope)

    @jax.jit
    def runge_kutta(state, _):
        h = 1e-3
        k1 = velocity(state)
        k2 = velocity(along(state, k1, h / 2))
        k3 = velocity(along(state, k2, h / 2))
        k4 = velocity(along(state, k3, h))
        mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4)
        return along(state, mean, h), None

    begin = (weights((1.0, 1.0, 1.0)), (jnp.asarray(1.5),) * 3)
    (V, r), _ = jax.lax.scan(runge_kutta, begin, None, length=500)
    exact = [size * own for own, size in zip(V, r, strict=True)]

    def error(steps):
        rule = ProjectedSGD(0.5 * c / steps, 0.5 / steps, None, weight_decay=wd)
        found = moved(rule, task, weights(), steps)
        return max(np.abs(a - b).max() for a, b in zip(found, exact, strict=True))

    errors = [error(steps) for steps in (1000, 2000)]
    assert errors[0] < 0.01
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.2)


def test_a_step_sees_its_batch():
    """One step with a batch is one step on the problem of these examples alone; on all examples it is another."""
    task, rule = problem(), ProjectedSGD(0.1, 0.1, 4, "independent")
    indices = rule.noise(task, jax.random.key(0), jnp.asarray(0), 1)
    assert indices.shape == (1, 4)
    own = ba.Problem(relu_network, *task.batch(indices[0]), squared_error)
    found, alone, full = (
        moved(rule, task, weights(), 1),
        moved(ProjectedSGD(0.1, 0.1), own, weights(), 1),
        moved(ProjectedSGD(0.1, 0.1), task, weights(), 1),
    )
    np.testing.assert_allclose(found[0], alone[0], rtol=1e-12)
    assert np.abs(found[0] - full[0]).max() > 1e-3


def test_errors_and_a_layer_without_direction():
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        ProjectedSGD(0.1, 0.1, 0)
    with pytest.raises(ValueError, match="sampling must be"):
        ProjectedSGD(0.1, 0.1, 2, "sorted")
    first, *rest = weights()
    found = moved(ProjectedSGD(0.1, 0.1), problem(), (0 * first, *rest), 1)
    assert np.isnan(found[0]).all()
