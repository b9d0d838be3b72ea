"""The flow of a normalised network: against its equations written by hand, finite differences, and closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import biassay as ba
from biassay.dynamics import LagrangeFlow, Normalised, split_scale
from biassay.problem import squared_error

DECAY = 1e-2


def relu_network(layers, x):
    for V in layers[:-1]:
        x = jax.nn.relu(x @ V)
    return (x @ layers[-1])[:, 0]


def network(params, x):
    return params.rho * relu_network(params.layers, x)


def normalising_network(params, x):
    return params.rho * relu_network([v / jnp.linalg.norm(v) for v in params.layers], x)


def linear_network(params, x):
    return params.rho * (x @ params.layers[0])[:, 0]


def setting(function=network, n=12):
    """A problem with labels +-1 and a start with unit layers and rho = 1.5."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(n, 5)))
    y = jnp.asarray(np.where(rng.normal(size=n) > 0, 1.0, -1.0))
    layers = split_scale(tuple(jnp.asarray(rng.normal(size=s)) for s in ((5, 7), (7, 6), (6, 1)))).layers
    return ba.Problem(function, x, y, squared_error), Normalised(jnp.asarray(1.5), layers)


def size(tree):
    return max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(tree))


def difference(a, b):
    return size(jax.tree.map(jnp.subtract, a, b))


@pytest.mark.usefixtures("x64")
def test_the_velocity_is_the_papers_equations():
    """rho' and V_k' from the margins and their derivatives; the layers move at right angles to themselves."""
    problem, params = setting()
    velocity = LagrangeFlow(0.1, DECAY).velocity(problem, params)

    def margins(layers):
        return problem.y * relu_network(layers, problem.x)

    m, dm = margins(params.layers), jax.jacobian(margins)(params.layers)
    rho = params.rho
    assert float(velocity.rho) == pytest.approx(
        float(-2 * (rho * jnp.mean(m**2) - jnp.mean(m)) - 2 * DECAY * rho), rel=1e-12
    )
    for V, own, found in zip(params.layers, dm, velocity.layers, strict=True):
        weight = (1 - rho * m)[:, None, None]
        by_hand = 2 * rho * jnp.mean(weight * (own - V * m[:, None, None]), axis=0)
        np.testing.assert_allclose(found, by_hand, atol=1e-14)
        assert abs(float(jnp.sum(V * found))) < 1e-14
    for V, G in zip(params.layers, problem.gradient(params).layers, strict=True):
        assert abs(float(jnp.sum(V * G))) > 1e-2, "without its multiplier a layer would not"


@pytest.mark.usefixtures("x64")
def test_the_velocity_is_minus_the_gradient_of_the_loss_on_the_spheres():
    """Finite differences of L(rho, V) with the layers moved along their spheres."""
    problem, params = setting()
    velocity = LagrangeFlow(0.1, DECAY).velocity(problem, params)

    def loss(rho, layers):
        return float(problem.risk(Normalised(rho, layers)) + DECAY * rho**2)

    h = 1e-6
    slope = (loss(params.rho + h, params.layers) - loss(params.rho - h, params.layers)) / (2 * h)
    assert float(velocity.rho) == pytest.approx(-slope, rel=1e-8)
    rng = np.random.default_rng(1)
    for k, V in enumerate(params.layers):
        tangent = jnp.asarray(rng.normal(size=V.shape))
        tangent = tangent - V * jnp.sum(V * tangent)

        def on_the_sphere(s, k=k, V=V, tangent=tangent):
            moved = V + s * tangent
            return (*params.layers[:k], moved / jnp.linalg.norm(moved), *params.layers[k + 1 :])

        slope = (loss(params.rho, on_the_sphere(h)) - loss(params.rho, on_the_sphere(-h))) / (2 * h)
        assert float(jnp.sum(velocity.layers[k] * tangent)) == pytest.approx(-slope, rel=1e-6)
        assert float(jnp.sum(velocity.layers[k] * tangent)) != pytest.approx(-1.01 * slope, rel=1e-6)


@pytest.mark.usefixtures("x64")
def test_the_norms_stay_to_the_fourth_order():
    """On a smooth model: halving the step divides the drift of the norm, and the error, by 2^4 or more."""
    rng = np.random.default_rng(2)
    x, y = jnp.asarray(rng.normal(size=(8, 5))), jnp.asarray(np.where(rng.normal(size=8) > 0, 1.0, -1.0))
    problem = ba.Problem(linear_network, x, y, squared_error)
    start = Normalised(jnp.asarray(1.0), split_scale((jnp.asarray(rng.normal(size=(5, 1))),)).layers)

    def end(dt):
        return ba.simulate(problem, LagrangeFlow(dt, DECAY), start, steps=round(2 / dt)).params

    exact = end(1 / 1024)
    ends = [end(dt) for dt in (1 / 8, 1 / 16, 1 / 32)]
    errors = np.array([difference(e, exact) for e in ends])
    drifts = np.array([abs(float(jnp.linalg.norm(e.layers[0])) - 1) for e in ends])
    assert (errors[:-1] / errors[1:] > 13).all(), errors
    assert (drifts[:-1] / drifts[1:] > 13).all(), drifts
    assert drifts[0] > 1e-12, "there is a drift to see"


@pytest.mark.usefixtures("x64")
def test_one_example_ends_where_the_formula_says():
    """rho = mu / (mu^2 + lambda), loss lambda / (lambda + mu^2), mu the largest margin |x| of a linear model."""
    x = jnp.array([[3.0, 4.0]]) / 10
    problem = ba.Problem(linear_network, x, jnp.array([1.0]), squared_error)
    start = Normalised(jnp.asarray(1.0), (jnp.array([[0.6], [-0.8]]),))
    end = ba.simulate(problem, LagrangeFlow(0.2, DECAY), start, steps=1000)
    mu = 0.5
    np.testing.assert_allclose(end.params.rho, mu / (mu**2 + DECAY), rtol=1e-10)
    final = jax.tree.map(lambda leaf: leaf[0], end.params)
    assert float(problem.risk(final) + DECAY * final.rho**2) == pytest.approx(DECAY / (DECAY + mu**2), rel=1e-10)
    assert float(end.elapsed[0]) == pytest.approx(200)
    free = ba.simulate(problem, LagrangeFlow(0.2), start, steps=1000).params
    margin = float((x @ free.layers[0][0])[0, 0])
    assert float(free.rho[0]) * margin == pytest.approx(1, rel=1e-10)
    assert margin < 0.499, "without the penalty any margin will do"


@pytest.mark.usefixtures("x64")
def test_a_network_that_normalises_itself_is_weight_normalisation():
    """At |v| = 1 both velocities are one; at |v| = 2 the directions move a quarter as fast, and no v changes length."""
    flow = LagrangeFlow(0.1, DECAY)
    problem, params = setting()
    lagrange = flow.velocity(problem, params)
    own, _ = setting(normalising_network)
    assert difference(flow.velocity(own, params), lagrange) < 1e-14

    long = params._replace(layers=tuple(2 * v for v in params.layers))
    slow = flow.velocity(own, long)
    of_directions = slow._replace(layers=tuple(v / 2 for v in slow.layers))
    quarter = lagrange._replace(layers=tuple(v / 4 for v in lagrange.layers))
    assert difference(of_directions, quarter) < 1e-14
    assert difference(of_directions, lagrange) > 1e-2
    for v, G in zip(long.layers, own.gradient(long).layers, strict=True):
        assert abs(float(jnp.sum(v * G))) < 1e-14, "the multipliers vanish"


@pytest.mark.usefixtures("x64")
def test_the_scale_is_split_off():
    _, params = setting()
    weights = tuple(c * V for c, V in zip((2.0, 3.0, 0.5), params.layers, strict=True))
    split = split_scale(weights)
    assert float(split.rho) == pytest.approx(3.0, rel=1e-14)
    assert difference(split.layers, params.layers) < 1e-15
    x = setting()[0].x
    np.testing.assert_allclose(network(split, x), relu_network(weights, x), rtol=1e-12)


def test_plain_weights_are_refused():
    problem, params = setting()
    with pytest.raises(ValueError, match=r"must be Normalised\(rho, layers\), got a tuple"):
        LagrangeFlow(0.1).init(problem, params.layers)
