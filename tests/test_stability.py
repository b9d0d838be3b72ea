"""The stability test against closed forms, dense linear algebra and the drift flow, and what it refuses."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import biassay as ba
from biassay.problem import cross_entropy, half_squared_error, logistic, squared_error
from biassay.references import (
    drift,
    drift_flow,
    output_jacobian,
    regularizer,
    residuals,
    tangent_part,
    to_zero_error,
)
from biassay.stability import NotCoveredError, label_noise_stability
from biassay.stability._kinks import kinks
from biassay.stability._krylov import solve_gram
from biassay.stability._rows import jacobian, row_sums
from biassay.stability._stability import _verdict as verdict_of
from biassay.stability._tangent import Dense, MatrixFree

pytestmark = pytest.mark.usefixtures("x64")
SEED = 10_000


def network(act, params, x):
    return act(x @ params["w"]) @ params["c"]


DRIFT = jax.jit(drift)
TANH, RELU = functools.partial(network, jnp.tanh), functools.partial(network, jax.nn.relu)


def two_outputs(params, x):
    return jnp.tanh(jnp.tanh(x @ params[0]) @ params[1][0]) @ params[1][1]


def draw(seed, n=4, d=3, m=10, predict=TANH, dtype=float):
    """A network of m units at a random point, and the problem of fitting random targets."""
    k = jax.random.split(jax.random.key(seed), 4)
    x, y = jax.random.normal(k[0], (n, d), dtype), jax.random.normal(k[1], (n,), dtype)
    params = {"w": jax.random.normal(k[2], (d, m), dtype), "c": jax.random.normal(k[3], (m,), dtype)}
    return ba.Problem(predict, x, y, squared_error), params


def at_zero_error(problem, params):
    """The same network, with the targets that it fits exactly."""
    return dataclasses.replace(problem, y=problem.predict(params, problem.x))


def draw_two_outputs(seed, n=5):
    k = jax.random.split(jax.random.key(seed), 4)
    shapes = [(3, 6), (6, 5), (5, 2)]
    w = [jax.random.normal(key, shape) for key, shape in zip(k[1:], shapes, strict=True)]
    x = jax.random.normal(k[0], (n, 3))
    params = (w[0], [w[1], w[2]])
    return ba.Problem(two_outputs, x, two_outputs(params, x), squared_error), params


def flat(tree):
    return np.asarray(ravel_pytree(tree)[0])


# --- the gradient of reg ----------------------------------------------------------------------------------------------


def test_hessian_products_are_the_double_backward_pass():
    """Ten rows (two outputs of five examples) in chunks that do and do not divide them."""
    problem, params = draw_two_outputs(SEED)
    expected = flat(jax.jit(jax.grad(regularizer, argnums=1))(problem, params))
    J = jax.jit(output_jacobian)(problem, params)
    np.testing.assert_allclose(jacobian(problem, params)[1], J, rtol=1e-12, atol=1e-12)
    for chunk in (4, 5):
        sums = row_sums(problem, params, chunk)
        np.testing.assert_allclose(sums.gradient * 2 / problem.size, expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(sums.squares, jnp.sum(J**2, axis=1), rtol=1e-12)
        np.testing.assert_allclose(sums.outputs, problem.predict(params, problem.x).ravel(), rtol=1e-12)
    fewer = dataclasses.replace(problem, x=problem.x[:-1], y=problem.y[:-1])
    lost = row_sums(fewer, params, 5).gradient * 2 / problem.size - expected
    assert np.linalg.norm(lost) > 1e-2 * np.linalg.norm(expected), "lost rows would be seen"


# --- the projection ---------------------------------------------------------------------------------------------------


def test_products_alone_project_as_the_singular_values_do():
    problem, params = draw_two_outputs(SEED)
    g = np.random.default_rng(SEED).normal(size=flat(params).size)
    J = np.asarray(output_jacobian(problem, params))
    expected = np.asarray(tangent_part(jnp.asarray(J), jnp.asarray(g)))
    for space in (Dense(problem, params, 1e-10), MatrixFree(problem, params, 1e-10)):
        found = space.tangent(jnp.asarray(g), 1e-10)
        np.testing.assert_allclose(found.direction, expected, atol=1e-10)
        np.testing.assert_allclose(g - J.T @ found.multipliers, expected, atol=1e-9)
        assert found.leak < 1e-9
        s = np.linalg.svd(J, compute_uv=False)
        assert found.largest == pytest.approx(s[0], rel=1e-6)
        assert found.smallest == pytest.approx(s[-1], rel=1e-3)
        step = space.shortest_step(np.ones(10), 1e-12)
        np.testing.assert_allclose(step, -np.linalg.pinv(J) @ np.ones(10), atol=1e-9)
    stopped = g - J.T @ solve_gram(J.__matmul__, J.T.__matmul__, J @ g, rank_tolerance=1e-10, iterations=3).y
    assert np.linalg.norm(stopped - expected) > 1e-3, "three iterations are not enough"
    assert np.linalg.norm(stopped) > np.linalg.norm(expected), "an inexact projection is never too short"


@pytest.mark.parametrize("condition", [1e1, 1e5])
def test_the_iteration_tells_its_error(condition):
    """J with known singular values; the error that it reports is at least the true one, up to a factor, and small."""
    rng = np.random.default_rng(SEED)
    U, _ = np.linalg.qr(rng.normal(size=(40, 40)))
    V, _ = np.linalg.qr(rng.normal(size=(200, 40)))
    J = U @ np.diag(np.geomspace(condition, 1, 40)) @ V.T
    g = rng.normal(size=200)
    exact = J.T @ np.linalg.solve(J @ J.T, J @ g)
    allowed = 1e-6 * np.linalg.norm(g)
    found = solve_gram(J.__matmul__, J.T.__matmul__, J @ g, error=allowed, rank_tolerance=1e-12, iterations=100)
    error = np.linalg.norm(J.T @ found.y - exact)
    assert error <= allowed
    assert found.residual == pytest.approx(np.linalg.norm(J @ (g - J.T @ found.y)), rel=0.5, abs=1e-9 * condition)
    assert found.largest == pytest.approx(condition, rel=1e-3)
    rough = solve_gram(J.__matmul__, J.T.__matmul__, J @ g, rank_tolerance=1e-12, iterations=12)
    missed = np.linalg.norm(J.T @ rough.y - exact)
    assert missed > 1e-3, "twelve iterations are not enough"
    assert rough.error > missed / 10, "and it says so"


def test_repeated_examples_cost_rank_and_nothing_else():
    problem, params = draw(SEED)
    doubled = at_zero_error(dataclasses.replace(problem, x=jnp.concatenate([problem.x, problem.x])), params)
    once = label_noise_stability(at_zero_error(problem, params), params)
    for method in ("dense", "matrix-free"):
        twice = label_noise_stability(doubled, params, method=method)
        assert twice.ratio == pytest.approx(once.ratio, rel=1e-9)
        assert twice.reg == pytest.approx(once.reg)
        assert twice.rank == (4 if method == "dense" else None)
        assert not twice.warnings
    almost = dataclasses.replace(doubled, x=doubled.x.at[4:].add(1e-9))
    told = label_noise_stability(at_zero_error(almost, params), params)
    assert "the rank of J is unclear" in told.warnings[0]


# --- verdicts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["dense", pytest.param("matrix-free", marks=pytest.mark.nightly)])
def test_the_drift_is_that_of_the_reference(method):
    """By an independent path through `references`."""
    for problem, params in (draw_two_outputs(SEED), draw(SEED)):
        exact = at_zero_error(problem, params)
        found = label_noise_stability(exact, params, method=method)
        velocity = flat(DRIFT(exact, params))
        assert found.drift == pytest.approx(np.linalg.norm(velocity), rel=1e-8)
        assert found.reg == pytest.approx(float(regularizer(exact, params)))
        assert found.verdict == "unstable"
        assert found.error < 1e-8
        assert (found.rows, found.parameters) == (problem.y.size, velocity.size)
        assert found.method == method


def test_single_precision_says_the_same():
    problem, params = draw(SEED)
    exact = at_zero_error(problem, params)
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (exact, params))
    for method in ("dense", "matrix-free"):
        single, double = (label_noise_stability(*case, method=method) for case in (narrow, (exact, params)))
        assert single.ratio == pytest.approx(double.ratio, rel=1e-4)
        assert single.residual <= 1e-5


@functools.cache
def end_points():
    """Where drift flows from two random zero-error points of ten tanh units on one point end."""
    problem = one_point()

    def end(key):
        a, b = jax.random.split(key)
        start = to_zero_error(problem, {"w": jax.random.normal(a, (3, 10)), "c": jax.random.normal(b, (10,))})
        return start, drift_flow(problem, start, 80.0, steps=1600, polish=2)

    return problem, *jax.jit(jax.vmap(end))(jax.vmap(jax.random.key)(jnp.array([SEED, SEED + 1])))


def one_point():
    return ba.Problem(TANH, jnp.array([[1.0, 0.5, -0.5]]), jnp.array([1.0]), squared_error)


def test_where_the_drift_ends_is_stable():
    """The end has one active unit: reg = 2 sqrt(s (1 + s)) - 2 s, s = |x|^2 y^2 = 1.5."""
    problem, starts, ends = end_points()
    for i in range(2):
        start, end = (jax.tree.map(lambda leaf, i=i: leaf[i], points) for points in (starts, ends))
        before = label_noise_stability(problem, start)
        assert before.ratio > 0.5
        assert before.verdict == "unstable"
        for method in ("dense", "matrix-free"):
            after = label_noise_stability(problem, end, method=method, lr=1e-3, std=0.5, batch_size=1)
            assert after.ratio < 1e-6
            assert after.verdict == "stable"
            assert after.reg == pytest.approx(2 * math.sqrt(3.75) - 3, abs=1e-8)
            assert after.escape_steps is None
            assert after.steps_to_halve is None


def test_a_nearly_stable_point_is_called_by_its_ratio():
    """A displacement along the zero-error set, tuned to either side of the threshold."""
    problem, _, ends = end_points()
    end = jax.tree.map(lambda leaf: leaf[0], ends)
    direction = jax.tree.map(lambda leaf: jax.random.normal(jax.random.key(SEED), leaf.shape), end)
    verdicts = {}
    for size in (1e-6, 1e-2):
        moved = to_zero_error(problem, jax.tree.map(lambda w, v, size=size: w + size * v, end, direction))
        told = label_noise_stability(problem, moved)
        verdicts[size] = told.verdict
        assert (told.verdict == "stable") == (told.ratio < 1e-3)
    assert verdicts == {1e-6: "stable", 1e-2: "unstable"}


@pytest.mark.parametrize(
    ("ratio", "error", "verdict"),
    [
        (5e-4, 1.0, "stable"),
        (2e-3, 1.9e-3, "unclear"),
        (2e-3, 1e-4, "unstable"),
        (0.5, 0.4, "unstable"),
        (0, 0, "stable"),
    ],
)
def test_an_inexact_projection_leaves_the_verdict_open_only_above_the_threshold(ratio, error, verdict):
    """The error adds in quadrature and never makes the ratio too small."""
    assert verdict_of(ratio, error) == verdict


def test_a_model_linear_in_its_parameters_has_exactly_no_drift():
    problem, params = draw(SEED)
    inner = dataclasses.replace(problem, x=jnp.tanh(problem.x @ params["w"]), network=linear)
    told = label_noise_stability(at_zero_error(inner, params["c"]), params["c"], lr=1e-3, std=0.3)
    assert (told.ratio, told.drift, told.gradient, told.drift_per_step) == (0.0, 0.0, 0.0, 0.0)
    assert told.verdict == "stable"
    assert "reg is constant" in told.warnings[0]
    free = label_noise_stability(at_zero_error(inner, params["c"]), params["c"], lr=1e-3, std=0.3, method="matrix-free")
    assert free.ratio == 0.0
    assert free.lr_limit == pytest.approx(told.lr_limit, rel=0.05)


def linear(c, x):
    return x @ c


@pytest.mark.parametrize("method", ["dense", "matrix-free"])
def test_where_the_parameters_have_their_origin_does_not_matter(method):
    """h = a + b + a^2 around the shift: at a = b = 0, J = (1, 1), grad reg = (4, 0), of which half is tangent."""
    for shift in (0.0, 1.0, -30.0):

        def bent(p, x, shift=shift):
            a, b = p - shift
            return x * (a + b + a**2)

        problem = ba.Problem(bent, jnp.ones(1), jnp.zeros(1), squared_error)
        told = label_noise_stability(problem, jnp.full(2, shift), method=method)
        assert told.gradient == pytest.approx(4)
        assert told.ratio == pytest.approx(math.sqrt(0.5))
        assert (told.verdict, told.warnings) == ("unstable", ())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_gradient_that_cancels_counts_as_none(dtype):
    """h = |theta| has slopes of length 1 everywhere, and a Hessian that only rounding keeps from taking them to 0."""
    theta = jnp.asarray(np.random.default_rng(SEED).normal(size=50), dtype)
    one = jnp.ones(1, dtype)
    problem = ba.Problem(lambda p, x: x * jnp.linalg.norm(p), one, one, squared_error)
    told = label_noise_stability(at_zero_error(problem, theta), theta)
    assert 0 < told.gradient < 1e-5
    assert (told.verdict, told.ratio) == ("stable", 0.0)
    assert "reg is constant" in told.warnings[0]
    bent = dataclasses.replace(problem, network=lambda p, x: x * (jnp.linalg.norm(p) + 0.1 * p[0] ** 2))
    assert label_noise_stability(at_zero_error(bent, theta), theta).verdict == "unstable"


def test_the_inner_layer_of_a_relu_network_has_none_either():
    """reg is piecewise constant in the weights of the hidden units alone."""
    problem, params = draw(SEED, predict=RELU)
    c = params["c"]
    inner = dataclasses.replace(problem, network=lambda w, x: jax.nn.relu(x @ w) @ c)
    told = label_noise_stability(at_zero_error(inner, params["w"]), params["w"])
    assert (told.ratio, told.gradient) == (0.0, 0.0)


def test_an_isolated_point_says_so():
    problem, params = draw(SEED, n=45)
    told = label_noise_stability(at_zero_error(problem, params), params)
    assert told.rank == told.parameters == 40
    assert (told.ratio, told.verdict) == (0.0, "stable")
    assert "isolated" in told.warnings[0]


# --- speeds -----------------------------------------------------------------------------------------------------------


def test_speeds_are_those_of_the_formula():
    problem, params = draw(SEED)
    exact = at_zero_error(problem, params)
    bare = label_noise_stability(exact, params)
    assert bare.drift_per_step is None
    told = label_noise_stability(exact, params, lr=2e-3, std=0.3, batch_size=2, move=0.1)
    assert told.drift_per_step == pytest.approx(4e-6 * 0.09 / 2 * bare.drift)
    assert told.steps_to_move == pytest.approx(0.1 / told.drift_per_step)
    assert told.width == pytest.approx(0.3 * math.sqrt(2e-3 * 4 / 2))
    assert told.escape_steps == pytest.approx(2e-3**-1.6)
    halved = dataclasses.replace(exact, loss=half_squared_error)
    half = label_noise_stability(halved, params, lr=2e-3, std=0.3, batch_size=2)
    assert half.drift_per_step == pytest.approx(told.drift_per_step / 4)
    full = label_noise_stability(exact, params, lr=2e-3, std=0.3)
    assert full.drift_per_step == pytest.approx(told.drift_per_step / 2)


@pytest.mark.parametrize("method", ["dense", "matrix-free"])
def test_the_halving_time_is_the_slope_of_the_slope(method):
    """The rate -d log |v|^2 / d tau by a short drift flow, in a place where it is above |v|^2 / reg."""
    problem, params = draw(SEED + 1)
    exact = at_zero_error(problem, params)
    told = label_noise_stability(exact, params, lr=1e-3, std=0.5, batch_size=1, method=method)
    tau = 1e-5
    ahead = drift_flow(exact, params, tau, steps=4)
    speeds = [float(np.sum(flat(DRIFT(exact, point)) ** 2)) for point in (params, ahead)]
    rate = math.log(speeds[0] / speeds[1]) / tau
    assert rate > told.drift**2 / told.reg
    assert told.steps_to_halve == pytest.approx(math.log(2) / (rate * 1e-6 * 0.25), rel=1e-2)


def test_the_step_size_has_its_limit():
    """On one example SGD is gradient descent on c (h - y)^2, which contracts where c lr |g|^2 < 1."""
    problem, params = draw(SEED, n=1)
    exact = at_zero_error(problem, params)
    reg = float(regularizer(exact, params))
    told = label_noise_stability(exact, params, lr=0.5 / reg, std=0.1, batch_size=1)
    assert told.lr_limit == pytest.approx(1 / reg)
    with pytest.raises(ba.UserError, match="lr must be below"):
        label_noise_stability(exact, params, lr=1.01 / reg, std=0.1, batch_size=1)
    several = at_zero_error(*draw(SEED))
    params = draw(SEED)[1]
    batch, whole = (label_noise_stability(several, params, lr=1e-4, std=0.1, batch_size=b).lr_limit for b in (1, None))
    assert batch < whole
    between = (batch * whole) ** 0.5
    assert any("above" in w for w in label_noise_stability(several, params, lr=between, std=0.1, batch_size=1).warnings)


def test_the_limit_counts_directions_that_the_drift_has_no_share_in():
    """J = ((100, 0, 0), (0, p_2, p_1)) in two blocks, and grad reg in the second: the first alone sets the limit."""
    x, params = jnp.array([[100.0, 0.0], [0.0, 1.0]]), jnp.array([0.5, 1.0, 1.8])
    problem = ba.Problem(lambda p, x: x[:, 0] * p[0] + x[:, 1] * p[1] * p[2], x, jnp.array([50.0, 1.8]), squared_error)
    dense, free = (
        label_noise_stability(problem, params, lr=1e-5, std=0.1, method=method) for method in ("dense", "matrix-free")
    )
    assert dense.lr_limit == pytest.approx(2e-4)
    assert free.lr_limit == pytest.approx(dense.lr_limit, rel=1e-6)
    assert free.largest == pytest.approx(100)
    assert free.ratio == pytest.approx(dense.ratio)
    with pytest.raises(ba.UserError, match="lr must be below"):
        label_noise_stability(problem, params, lr=3e-4, std=0.1, method="matrix-free")
    J = np.asarray(output_jacobian(problem, params))
    gradient = flat(jax.grad(regularizer, argnums=1)(problem, params))
    met = solve_gram(J.__matmul__, J.T.__matmul__, J @ gradient, rank_tolerance=1e-10, iterations=10)
    assert met.largest < 3, "what the projection alone meets"


@pytest.mark.nightly
def test_many_blocks_of_many_sizes_have_their_limit():
    """Two hundred examples, each with parameters of its own: J is block diagonal, its slopes 1 to 10."""
    slopes = jnp.geomspace(1, 10, 200)
    problem = ba.Problem(lambda p, x: x @ (p[0] + p[1] ** 2), jnp.diag(slopes), jnp.zeros(200), squared_error)
    params = jnp.zeros((2, 200)).at[1, :20].set(0.1).at[0, :20].set(-0.01)
    dense, free = (
        label_noise_stability(problem, params, lr=1e-3, std=0.1, method=method) for method in ("dense", "matrix-free")
    )
    assert free.lr_limit == pytest.approx(dense.lr_limit, rel=0.05)


# --- kinks ------------------------------------------------------------------------------------------------------------


def with_pre_activation(problem, params, value):
    """The first unit's pre-activation on the first example set to `value`, and the targets that are then fitted."""
    x, w = problem.x[0], params["w"]
    moved = w.at[:, 0].add(x * (value - x @ w[:, 0]) / (x @ x))
    return at_zero_error(problem, params | {"w": moved}), params | {"w": moved}


def nearest_kink(problem, params):
    """How far the nearest zero of a pre-activation is, in units of the norm of the parameters."""
    x, w = np.asarray(problem.x), np.asarray(params["w"])
    return (np.abs(x @ w) / np.linalg.norm(x, axis=1)[:, None]).min() / np.linalg.norm(flat(params))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_networks_in_general_position_are_told_by_their_nearest_kink(dtype):
    """No displacement shorter than the distance to the nearest kink crosses it."""
    distances, shares = [], []
    for seed in range(SEED, SEED + 40):
        problem, params = draw(seed, predict=RELU, dtype=dtype)
        on, near = kinks(problem, params, (1e-9 if dtype == np.float64 else 1e-6, 1e-3))
        assert on < 1e-6
        distances.append(nearest_kink(problem, params))
        shares.append(near)
    distances, shares = np.array(distances), np.array(shares)
    assert (shares[distances > 1e-3] < 1e-6).all()
    assert (distances > 1e-3).sum() > 3
    assert shares.max() > 1e-3, "some have a kink nearer than that"
    i = int(np.argmax(distances))
    problem, params = draw(SEED + i, predict=RELU, dtype=dtype)
    assert not label_noise_stability(at_zero_error(problem, params), params).warnings


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", [SEED, SEED + 1, SEED + 2])
def test_a_point_on_a_kink_is_refused_and_one_near_is_told(seed, dtype):
    problem, params = draw(seed, predict=RELU, dtype=dtype)
    with pytest.raises(NotCoveredError, match="on a kink"):
        label_noise_stability(*with_pre_activation(problem, params, 0.0))
    near = label_noise_stability(*with_pre_activation(problem, params, 1e-4))
    assert "kinks are near" in near.warnings[0]
    assert near.kink > 1e-4
    smooth = dataclasses.replace(problem, network=TANH)
    assert not label_noise_stability(*with_pre_activation(smooth, params, 0.0)).warnings


def test_kinks_are_seen_whatever_makes_them():
    """A tie of the largest of the units, and an absolute value; steep tanh units have none."""
    problem, params = draw(SEED)
    largest = int(jnp.argmax(problem.x[0] @ params["w"]))
    other = (largest + 1) % 10
    tied = params | {"w": params["w"].at[:, other].set(params["w"][:, largest])}
    pooled = dataclasses.replace(problem, network=lambda p, x: (x @ p["w"]).max(axis=1))
    steep = dataclasses.replace(problem, network=lambda p, x: jnp.tanh(20 * x @ p["w"]) @ p["c"])
    folded = dataclasses.replace(problem, network=lambda p, x: jnp.abs(x @ p["w"]) @ p["c"])
    assert kinks(pooled, params, (1e-9,))[0] < 1e-12 < 1e-3 < kinks(pooled, tied, (1e-9,))[0]
    assert kinks(folded, params, (1e-9,))[0] < 1e-12
    assert kinks(folded, with_pre_activation(problem, params, 0.0)[1], (1e-9,))[0] > 1e-3
    assert max(kinks(steep, params, (1e-9, 1e-3))) < 1e-4


@pytest.mark.nightly
def test_a_large_relu_network_in_single_precision_is_told_but_not_refused():
    """Of its pre-activations some lie within rounding of 0 by chance."""
    problem, params = draw(SEED, n=300, d=20, m=300, predict=RELU, dtype=np.float32)
    told = label_noise_stability(at_zero_error(problem, params), params, method="matrix-free")
    assert "kinks are near" in told.warnings[0]


# --- premises ---------------------------------------------------------------------------------------------------------


def test_a_polish_goes_to_the_zero_error_point_near_by():
    problem, params = draw(SEED)
    exact = at_zero_error(problem, params)
    rng = np.random.default_rng(SEED)
    shifted = jax.tree.map(lambda leaf: leaf + 1e-3 * rng.normal(size=leaf.shape), params)
    expected = label_noise_stability(exact, to_zero_error(exact, shifted))
    for method in ("dense", "matrix-free"):
        told = label_noise_stability(exact, shifted, method=method)
        assert told.residual_before > 1e-4
        assert told.residual < 1e-10
        assert 0 < told.moved < 1e-2
        assert told.ratio == pytest.approx(expected.ratio, rel=1e-4 if method == "matrix-free" else 1e-9)


@pytest.mark.parametrize("method", ["dense", "matrix-free"])
def test_a_point_off_zero_error_is_refused(method):
    problem, params = draw(SEED)
    assert float(jnp.abs(residuals(problem, params)).max()) > 0.1
    with pytest.raises(NotCoveredError, match="not at zero error: the polish moved"):
        label_noise_stability(problem, params, method=method, max_move=0.01)
    assert label_noise_stability(problem, params, method=method, max_move=2.0).moved > 0.01
    crowded, params = draw(SEED, n=45)
    with pytest.raises(NotCoveredError, match="not at zero error: the residual is"):
        label_noise_stability(crowded, params, method=method, max_move=100.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method", ["dense", "matrix-free"])
def test_zero_targets_are_reached(method, dtype):
    """Targets of 0, or next to it, from parameters near and at zero error, with residuals that are rounding."""
    problem, params = draw(SEED, dtype=dtype)
    fitted = dataclasses.replace(problem, y=jnp.zeros_like(problem.y))
    units = jnp.tanh(problem.x @ params["w"])
    start = params | {"c": params["c"] - jnp.linalg.pinv(units) @ (units @ params["c"])}
    for size in (0.0, 1e-30):
        exact = dataclasses.replace(fitted, y=jnp.full_like(fitted.y, size))
        told = label_noise_stability(exact, start, method=method)
        assert told.moved < 1e-5
        assert told.residual <= (1e-10 if dtype == np.float64 else 1e-5)
        assert told.verdict == "unstable"
    with pytest.raises(NotCoveredError, match="times the size of the targets or outputs"):
        label_noise_stability(fitted, start, method=method, tolerance=1e-19)
    with pytest.raises(NotCoveredError, match="the polish moved"):
        label_noise_stability(fitted, params, method=method, max_move=0.01)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"loss": cross_entropy}, "cross_entropy is not covered: .* label"),
        ({"loss": logistic}, "logistic is not covered"),
        ({"loss": lambda f, y: jnp.abs(f - y)}, "use squared_error"),
        ({"aggregate": jnp.sum}, "must be the mean"),
        ({"y": jnp.array([0, 1, 1, 0])}, "targets of type int"),
        ({"y": jnp.zeros((4, 1))}, "must have one shape"),
        ({"y": jnp.array([0.0, 1.0, jnp.nan, 0.0])}, "targets must be finite"),
        ({"x": jnp.full((4, 3), jnp.nan)}, "inputs x must be finite"),
        ({"network": lambda p, x: TANH(p, x) / 0.0, "y": jnp.zeros(4)}, "outputs at the parameters must be finite"),
        ({"network": lambda p, x: jnp.sqrt(TANH(p, x) * 0)}, "not finite here"),
        ({"network": lambda p, x: TANH(p, x - x.mean(axis=0))}, "on its own"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(change, match):
    problem, params = draw(SEED)
    asked = dataclasses.replace(problem, **change)
    if "network" in change and "y" not in change:
        asked = at_zero_error(asked, params)
    with pytest.raises(ba.UserError, match=match) as told:
        label_noise_stability(asked, params)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"w": np.zeros((3, 10)), "c": np.zeros(10), "n": np.arange(3)}, "partition"),
        ({"w": np.zeros((3, 10)), "c": np.zeros(10, np.float32)}, "all float32 or all float64, got float32, float64"),
        ({"w": np.zeros((3, 10)), "c": 1.0}, "got float, float64"),
        ({}, "got none"),
        ({"w": np.full((3, 10), np.inf), "c": np.zeros(10)}, "parameters must be finite"),
    ],
)
def test_parameters_that_are_no_float_arrays_are_refused(params, match):
    with pytest.raises(ba.UserError, match=match):
        label_noise_stability(draw(SEED)[0], params)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"lr": 0.1}, "give both"),
        ({"std": 0.1}, "give both"),
        ({"lr": -0.1, "std": 0.1}, "lr must be positive"),
        ({"lr": 0.1, "std": -0.1}, "std must be at least 0"),
        ({"lr": 0.1, "std": math.nan}, "std must be"),
        ({"batch_size": 0}, "batch_size must be an integer, at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be an integer, at least 1, got 2.5"),
        ({"move": 1.0}, "need lr and std"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"max_move": -1.0}, "max_move must be positive"),
        ({"kink_distance": 0.0}, "kink_distance must be positive"),
        ({"method": "exact"}, "method must be"),
    ],
)
def test_numbers_out_of_range_are_refused(given, match):
    with pytest.raises(ba.UserError, match=match):
        label_noise_stability(*draw(SEED), **given)


# --- use --------------------------------------------------------------------------------------------------------------


def test_an_equinox_module_is_tested_by_its_trained_part():
    model = eqx.nn.MLP(3, "scalar", 8, 1, activation=jnp.tanh, key=jax.random.key(SEED))
    trained, rest = eqx.partition(model, eqx.is_inexact_array)
    x = jax.random.normal(jax.random.key(SEED + 1), (5, 3))
    problem = ba.Problem(lambda p, x: jax.vmap(eqx.combine(p, rest))(x), x, jax.vmap(model)(x), squared_error)
    told = label_noise_stability(problem, trained)
    assert told.rank == 5
    assert told.parameters == sum(leaf.size for leaf in jax.tree.leaves(trained))
    assert told.drift == pytest.approx(np.linalg.norm(flat(DRIFT(problem, trained))), rel=1e-9)
    with pytest.raises(ba.UserError, match="partition"):
        label_noise_stability(problem, model)


def test_the_result_reads_as_a_sentence():
    problem, params = draw(SEED)
    told = ba.label_noise_stability(at_zero_error(problem, params), params, lr=1e-3, std=0.3, batch_size=1, move=0.1)
    assert isinstance(told, ba.Stability)
    text = str(told)
    assert text.startswith(f"unstable under label noise: |P_N grad reg| / |grad reg| = {told.ratio:.3g}")
    assert "4 examples, 4 rows of J, 40 parameters; dense, rank 4" in text
    assert f"{told.steps_to_move:.2g} steps to drift as far as asked" in text
    assert max(map(len, text.splitlines())) <= 120
    assert "warning: kinks" in str(dataclasses.replace(told, warnings=("kinks",)))
    plain = (str, float, int, tuple, type(None))
    assert all(isinstance(value, plain) for value in dataclasses.asdict(told).values())


LARGE = """
import json, resource, time
import jax, jax.numpy as jnp
import biassay as ba
from biassay.problem import squared_error

def network(params, x):
    return jnp.tanh(x @ params[0]) @ params[1]

k = jax.random.split(jax.random.key(10_000), 4)
problem = ba.Problem(network, jax.random.normal(k[0], (1000, 1000)), jax.random.normal(k[1], (1000,)), squared_error)
params = jax.random.normal(k[2], (1000, 1000)) * 1000**-0.5, jax.random.normal(k[3], (1000,)) * 1000**-0.5
jax.block_until_ready((problem, params))
used = time.process_time()
told = ba.label_noise_stability(problem, params, lr=1e-5, std=0.5, batch_size=100)
used = time.process_time() - used
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"cpu_s": used, "peak_gib": peak} | vars(told)))
"""


@pytest.mark.nightly
def test_a_million_parameters_and_a_thousand_points():
    """Polish and compilation included: 20 processor seconds are 10 seconds of two cores."""
    asked = subprocess.run([sys.executable, "-c", LARGE], check=True, capture_output=True, text=True)
    told = json.loads(asked.stdout)
    assert told["cpu_s"] < 20
    assert told["peak_gib"] < 2
    assert told["residual"] < 1e-5
    assert told["error"] < 1e-4
    assert told["ratio"] > 0.1
