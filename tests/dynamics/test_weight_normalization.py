"""Weight normalization around an Optax optimizer, against automatic differentiation through w = r v / |v|."""

import doctest
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
from biassay.dynamics import _weight_normalization as module
from biassay.dynamics import weight_normalization
from biassay.problem import half_squared_error

pytestmark = pytest.mark.usefixtures("x64")


RNG = np.random.default_rng(10_000)
X, Y = RNG.normal(size=(7, 3)), RNG.normal(size=7)
WEIGHTS = {"in": RNG.normal(size=(3, 5)), "out": (RNG.normal(size=5),)}


def loss(params):
    """A two-layer network's, which is not quadratic in the parameters."""
    return jnp.mean((jnp.tanh(X @ params["in"]) @ params["out"][0] - Y) ** 2)


def network():
    return jax.tree.map(jnp.asarray, WEIGHTS), loss


def norm(v, axis):
    kept = () if axis is None else (axis % v.ndim,)
    return jnp.sqrt(jnp.sum(v**2, axis=tuple(a for a in range(v.ndim) if a not in kept), keepdims=True))


@partial(jax.jit, static_argnums=(0, 1))
def coordinates(form, axis, params):
    """(g, v), |v| = 1."""
    r = jax.tree.map(lambda w: norm(w, axis), params)
    return r if form == "linear" else jax.tree.map(jnp.log, r), jax.tree.map(jnp.divide, params, r)


@partial(jax.jit, static_argnums=(0, 1, 2))
def step_by_hand(loss, form, axis, g, v, lr, ratio):
    """One step on (g, v) by automatic differentiation, and the weights after it."""

    def weights(g, v):
        return jax.tree.map(lambda g, v: (g if form == "linear" else jnp.exp(g)) * v / norm(v, axis), g, v)

    in_g, in_v = jax.grad(lambda g, v: loss(weights(g, v)), (0, 1))(g, v)
    g = jax.tree.map(lambda a, b: a - ratio * lr * b, g, in_g)
    v = jax.tree.map(lambda a, b: a - lr * b, v, in_v)
    return g, v, weights(g, v)


def by_hand(params, loss, steps, lr, ratio, form, axis):
    """Gradient descent on (g, v); the weights after every step."""
    (g, v), path = coordinates(form, axis, params), []
    for _ in range(steps):
        g, v, w = step_by_hand(loss, form, axis, g, v, lr, ratio)
        path.append(w)
    return path


def by_transformation(params, loss, steps, optimizer):
    @jax.jit
    def step(params, state):
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    state, path = jax.jit(optimizer.init)(params), []
    for _ in range(steps):
        params, state = step(params, state)
        path.append(params)
    return path, state


def largest_difference(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)


@pytest.mark.parametrize(
    ("form", "axis"), [("linear", None), ("exponential", None), ("linear", -1), ("exponential", 0)]
)
def test_it_is_gradient_descent_in_magnitude_and_direction(form, axis):
    params, loss = network()
    path, _ = by_transformation(params, loss, 15, weight_normalization(optax.sgd(0.1), ratio=0.3, form=form, axis=axis))
    expected = by_hand(params, loss, 15, 0.1, 0.3, form, axis)
    assert largest_difference(path, expected) < 1e-12
    others = [by_hand(params, loss, 15, 0.1, 0.6, form, axis)]
    others += [by_hand(params, loss, 15, 0.1, 0.3, "linear" if form == "exponential" else "exponential", axis)]
    others += [by_hand(params, loss, 15, 0.1, 0.3, form, -1 if axis is None else None)]
    for other in others:
        assert largest_difference(path, other) > 1e-3, "another ratio, form or axis is another path"


def test_the_ratio_multiplies_the_step_whatever_the_optimizer():
    """Adam's step is blind to the size of the gradient: a ratio inside the gradient would do nothing."""
    params, loss = network()

    def moved(ratio):
        optimizer = weight_normalization(optax.adam(1e-2), ratio=ratio)
        (_, state), start = by_transformation(params, loss, 1, optimizer), jax.jit(optimizer.init)(params)
        return jax.tree.map(lambda a, b: np.asarray(a) - np.asarray(b), state.polar, start.polar)

    whole, part = moved(1.0), moved(0.25)
    for a, b in zip(jax.tree.leaves(whole.magnitude), jax.tree.leaves(part.magnitude), strict=True):
        np.testing.assert_allclose(b, 0.25 * a, rtol=1e-9)
    assert largest_difference(whole.direction, part.direction) == 0
    assert not any(leaf.any() for leaf in jax.tree.leaves(moved(0.0).magnitude))


def test_the_direction_grows_at_right_angles_to_itself():
    """|v|^2 grows by the square of every step, and a flow (small steps) would conserve it."""
    params, loss = network()

    def growth(lr, steps):
        _, state = by_transformation(params, loss, steps, weight_normalization(optax.sgd(lr)))
        return float(jnp.linalg.norm(state.polar.direction["in"])) - 1

    assert growth(1e-3, 1) > 1e-7
    assert growth(1e-3, 40) > growth(1e-3, 1)
    assert growth(1e-4, 400) == pytest.approx(growth(1e-3, 40) / 10, rel=0.2)


def test_update_without_params_is_the_same_update():
    params, loss = network()
    optimizer = weight_normalization(optax.adam(0.1), axis=-1)
    state, G, update = jax.jit(optimizer.init)(params), jax.jit(jax.grad(loss))(params), jax.jit(optimizer.update)
    assert largest_difference(update(G, state)[0], update(G, state, params)[0]) < 1e-14


def test_the_contract_of_optax():
    """Pure, traced once, the same under jit; shapes, structure and precision of the parameters are kept."""
    params, loss = network()
    params = jax.tree.map(lambda w: w.astype(jnp.float32), params)
    optimizer = weight_normalization(optax.adam(0.1), ratio=0.5, form="exponential", axis=-1)
    state, G = optimizer.init(params), jax.jit(jax.grad(loss))(params)
    kept = jax.tree.map(lambda a: np.array(a), (G, state, params))
    first, second = (optimizer.update(G, state, params) for _ in range(2))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(jax.tree.leaves(kept), jax.tree.leaves((G, state, params)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert largest_difference(jax.jit(optimizer.update)(G, state, params), first) < 1e-5
    assert largest_difference(jax.jit(optimizer.init)(params), state) < 1e-5
    assert jax.tree.structure(first[1]) == jax.tree.structure(state)
    for a, b in zip(jax.tree.leaves((params, state)), jax.tree.leaves(first), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert state.polar.magnitude["in"].shape == (1, 5)
    assert state.polar.magnitude["out"][0].shape == (5,)


def test_it_chains_and_passes_leaves_by():
    """Biases start at zero: `optax.partition` gives them another optimizer; what a chain passes along arrives."""
    params, loss = network()
    biased = {**params, "bias": jnp.zeros(5)}
    polar = optax.chain(optax.clip_by_global_norm(1.0), weight_normalization(optax.sgd(0.1), axis=-1))
    labels = {"in": "polar", "out": ("polar",), "bias": "plain"}
    optimizer = optax.partition({"polar": polar, "plain": optax.sgd(0.1)}, labels)

    def biased_loss(p):
        return loss(p) + jnp.sum((p["bias"] - 1) ** 2)

    path, _ = by_transformation(biased, biased_loss, 50, optimizer)
    assert biased_loss(path[-1]) < 0.5 * biased_loss(biased)
    np.testing.assert_allclose(path[0]["bias"], 0.2, rtol=1e-12)

    polyak = weight_normalization(optax.polyak_sgd(max_learning_rate=0.1))
    value, G = jax.jit(jax.value_and_grad(loss))(params)
    updates, _ = jax.jit(polyak.update)(G, jax.jit(polyak.init)(params), params, value=value)
    assert loss(optax.apply_updates(params, updates)) < value


@pytest.mark.parametrize(
    "wrap", [optax.masked, lambda t, mask: optax.partition({True: t, False: optax.sgd(0.1)}, mask)]
)
def test_a_tree_without_a_leaf_to_normalize(wrap):
    """What `optax.masked` and `optax.partition` hand over where no leaf is named; and a tree that is empty."""
    params = {"bias": jnp.ones(3)}
    G = {"bias": jnp.full(3, 2.0)}
    optimizer = wrap(weight_normalization(optax.sgd(0.1)), {"bias": False})
    updates, _ = optimizer.update(G, optimizer.init(params), params)
    assert updates["bias"].shape == (3,)
    bare = weight_normalization(optax.adam(0.1))
    assert bare.update({}, bare.init({}), {})[0] == {}


@pytest.mark.parametrize("form", ["linear", "exponential"])
@pytest.mark.parametrize(("axis", "shape"), [(None, (0,)), (-1, (0, 5)), (0, (0, 5)), (-1, (5, 0))])
def test_an_empty_leaf_is_left_alone(form, axis, shape):
    params = {"a": jnp.ones((2, 3)), "empty": jnp.zeros(shape)}
    optimizer = weight_normalization(optax.adam(0.1), form=form, axis=axis)
    state = optimizer.init(params)
    updates, state = optimizer.update(jax.tree.map(jnp.ones_like, params), state, params)
    assert updates["empty"].shape == shape
    assert np.isfinite(jax.flatten_util.ravel_pytree((updates, state))[0]).all()
    assert not state.polar.magnitude["empty"].any()
    assert updates["a"].any()


def unit_in_the_last_place(w):
    return float(jnp.finfo(w.dtype).eps) * 2.0 ** np.floor(np.log2(np.abs(np.asarray(w, float)).max()))


@pytest.mark.parametrize("form", ["linear", "exponential"])
@pytest.mark.parametrize(("dtype", "most"), [("float16", 1), ("bfloat16", 1), ("float32", 4), ("float64", 4)])
def test_no_gradient_moves_nothing(form, dtype, most):
    """Of 300 x 300 weights, whose squares overflow when summed in float16; to rounding of the largest weight."""
    w = jnp.asarray(np.random.default_rng(10_000).normal(size=(300, 300)), dtype)
    optimizer = weight_normalization(optax.sgd(0.1), form=form)
    for given in (w, None):
        state = optimizer.init(w)
        for _ in range(3):
            updates, state = optimizer.update(jnp.zeros_like(w), state, given)
        assert updates.dtype == w.dtype
        assert float(jnp.abs(updates).max()) <= most * unit_in_the_last_place(w)
    assert float(jnp.abs(optimizer.update(jnp.ones_like(w), state, w)[0]).max()) > 4 * unit_in_the_last_place(w)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_follows_single_precision(dtype):
    """The state is single, so that steps far below the rounding of the parameters add up."""
    start = jnp.asarray(np.random.default_rng(10_000).normal(size=(30, 4)), dtype)
    optimizer = weight_normalization(optax.sgd(1e-4), axis=-1)

    def path(w):
        state = optimizer.init(w)
        for _ in range(100):
            updates, state = optimizer.update(jnp.full_like(w, 0.5), state, w)
            w = optax.apply_updates(w, updates)
        return w, state

    (half, state), (single, other) = path(start), path(start.astype(jnp.float32))
    assert half.dtype == dtype
    assert {leaf.dtype for leaf in jax.tree.leaves(state.polar)} == {np.dtype("float32")}
    assert largest_difference(state.polar, other.polar) < 1e-6
    assert largest_difference(half, single) < unit_in_the_last_place(half)
    assert largest_difference(single, start) > 4 * 1e-3, "it moved"


def test_in_a_simulation_its_ratio_can_be_swept():
    rng = np.random.default_rng(10_000)
    x, y = jnp.asarray(rng.normal(size=(6, 8))), jnp.asarray(rng.normal(size=6))
    problem = ba.Problem(lambda w, x: x @ w, x, y, half_squared_error)
    start = jnp.full(8, 0.3)

    def dynamics(eta):
        return ba.Optax(weight_normalization(optax.sgd(0.05), ratio=eta))

    def risk(w):
        return problem.risk(w)

    run = ba.simulate(problem, dynamics, start, steps=30, record=1, sweep={"eta": (0.1, 1.0)})
    for lane, eta in enumerate((0.1, 1.0)):
        expected = by_hand(start, risk, 30, 0.05, eta, "linear", None)[-1]
        np.testing.assert_allclose(run.params[0, lane], expected, atol=1e-12)


def test_slips_are_told():
    with pytest.raises(ValueError, match="form must be linear or exponential, got 'polar'"):
        weight_normalization(optax.sgd(0.1), form="polar")  # pyright: ignore[reportArgumentType]
    for ratio in (-1, -0.5, np.float32(-1), np.int64(-1), jnp.asarray(-1.0), np.nan, np.inf, np.float64("nan")):
        with pytest.raises(ValueError, match=f"ratio must be finite and not negative, got {ratio}"):
            weight_normalization(optax.sgd(0.1), ratio=ratio)
    with pytest.raises(ValueError, match=r"the leaf \['b'\] is zero somewhere and has no direction there: pass it by"):
        weight_normalization(optax.sgd(0.1)).init({"a": jnp.ones(2), "b": jnp.zeros(2)})
    with pytest.raises(ValueError, match="the parameter is zero"):
        weight_normalization(optax.sgd(0.1), axis=0).init(jnp.array([[0.0, 0.0], [1.0, 2.0]]))
    with pytest.raises(ValueError, match=r"\['b'\] of shape \(2,\) has no axis 1"):
        weight_normalization(optax.sgd(0.1), axis=1).init({"a": jnp.ones((2, 2)), "b": jnp.ones(2)})
    assert np.isnan(jax.jit(weight_normalization(optax.sgd(0.1)).init)(jnp.zeros(2)).polar.direction).all()


def test_the_example_of_the_docstring_runs():
    told = doctest.testmod(module)
    assert told.attempted > 0
    assert told.failed == 0
