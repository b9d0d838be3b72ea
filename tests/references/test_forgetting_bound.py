"""The forgetting bound against stored gradients, against ranks known in advance, and where it must break."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import small_cnn
from biassay.references import (
    asymptotic_rank_bound,
    patch_count,
    rank_bound_excess,
    remembered_norms,
    steps_to_forget,
    unrolled_sgd,
)

pytestmark = pytest.mark.usefixtures("x64")

LR, WD, STEPS, BATCH, SIDE = 0.1, 4.0, 120, 2, 24


@jax.jit
def gradient(params, x, y):
    """Of the mean over the batch of |relu(x W) v - y|^2, in both matrices."""

    def risk(params):
        W, v = params
        return jnp.mean(jnp.sum((jax.nn.relu(x @ W) @ v - y) ** 2, axis=1))

    return jax.grad(risk)(params)


@pytest.fixture(scope="module")
def trained():
    """Weights W_0, ..., W_T (T + 1, n, n) and gradients G_0, ..., G_{T-1} of SGD with decay and without."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(10_000)
        x, y = rng.normal(size=(60, SIDE)) / SIDE**0.5, rng.normal(size=(60, 3))
        start = (rng.normal(size=(SIDE, SIDE)) * (2 / SIDE) ** 0.5, rng.normal(size=(SIDE, 3)) / SIDE**0.5)
        batches = rng.integers(0, 60, (STEPS, BATCH))
        runs = {}
        for wd in (WD, 0.0):
            (W, v), weights, gradients = start, [start[0]], []
            for batch in batches:
                G, g = map(np.asarray, gradient((W, v), x[batch], y[batch]))
                W, v = W - LR * (G + wd * W), v - LR * g
                weights.append(W)
                gradients.append(G)
            runs[wd] = np.stack(weights), np.stack(gradients)
        return runs


def norms_of(weights):
    return np.linalg.norm(weights, axis=(1, 2))


def spectrum(W):
    return np.linalg.svd(W, compute_uv=False)


@pytest.mark.parametrize("k", [1, 5, 50])
def test_the_unrolled_sum_is_the_training(trained, k):
    weights, gradients = trained[WD]
    rebuilt = unrolled_sgd(weights[-1 - k], gradients[-k:], LR, WD)
    assert np.linalg.norm(rebuilt - weights[-1]) <= 1e-12 * np.linalg.norm(weights[-1])
    for lr, wd in ((LR, 0.0), (LR * 1.01, WD)):
        other = unrolled_sgd(weights[-1 - k], gradients[-k:], lr, wd)
        assert np.linalg.norm(other - weights[-1]) > 1e-4 * np.linalg.norm(weights[-1])


def test_the_gradient_of_a_dense_layer_has_the_rank_of_its_batch():
    rng = np.random.default_rng(10_001)
    x, y = rng.normal(size=(6, SIDE)), rng.normal(size=(6, 3))
    params = rng.normal(size=(SIDE, SIDE)), rng.normal(size=(SIDE, 3))

    def rank(batch):
        s = spectrum(gradient(params, x[:batch], y[:batch])[0])
        return int((s > 1e-12 * s[0]).sum())

    assert [rank(batch) for batch in (1, 2, 4)] == [1, 2, 4]
    with_decay = spectrum(gradient(params, x[:1], y[:1])[0] + WD * params[0])
    assert (with_decay > 1e-12 * with_decay[0]).sum() == SIDE, "the decayed gradient is of full rank"


def test_the_gradient_of_a_convolution_has_at_most_the_rank_of_its_patches():
    """Of one image of 6x6 pixels with 4 channels and a kernel of 3x3: 36 rows, 40 channels out."""
    rng = np.random.default_rng(10_002)
    x, W = jnp.asarray(rng.normal(size=(1, 6, 6, 4))), jnp.asarray(rng.normal(size=(36, 40)))

    def rank(stride):
        def loss(W):
            seen = small_cnn.patches(x, stride)
            return jnp.sum(jax.nn.relu(seen @ W) ** 2)

        s = spectrum(jax.grad(loss)(W))
        return int((s > 1e-12 * s[0]).sum())

    assert patch_count((6, 6), (3, 3), padding=1) == 36
    m = patch_count((6, 6), (3, 3), stride=2, padding=1)
    assert m == 9
    assert 1 < rank(2) <= m < rank(1) <= 36


@pytest.mark.parametrize(
    ("arguments", "m"), [(((28, 28), (5, 5)), 576), (((32, 32), (3, 3), 2, 1), 256), (((4, 6), (4, 3)), 4)]
)
def test_the_patches_of_a_convolution(arguments, m):
    assert patch_count(*arguments) == m


def test_no_run_with_decay_breaks_the_bound_and_a_replay_without_decay_does(trained):
    for wd, broken in ((WD, False), (0.0, True)):
        weights, _ = trained[wd]
        for T in (40, 80, STEPS):
            found = rank_bound_excess(spectrum(weights[T]), norms_of(weights[: T + 1]), LR * WD, BATCH)
            assert found.singular.shape == found.tail.shape == ((SIDE - 1) // BATCH,)
            assert (found.tail.max() > 1e-10) == broken
            assert (found.tail >= found.singular).all()
        assert (found.singular.max() > 1e-10) == broken


def test_the_bound_is_that_of_its_rank_per_step(trained):
    """Counted as if a batch of two gave a gradient of rank one, the bound breaks: the count is not idle.

    With lr wd = 1 W_T is -lr G_{T-1} and has the rank of the last gradient: 2, not 1.
    """
    rng = np.random.default_rng(10_003)
    G = rng.normal(size=(SIDE, BATCH)) @ rng.normal(size=(BATCH, SIDE))
    W = rng.normal(size=(SIDE, SIDE))
    after = unrolled_sgd(W, G[None], LR, 1 / LR)
    np.testing.assert_allclose(after, -LR * G, atol=1e-14)
    s = spectrum(after)
    assert (s > 1e-12 * s[0]).sum() == BATCH
    norms = [np.linalg.norm(W), np.linalg.norm(after)]
    assert rank_bound_excess(s, norms, 1.0, BATCH).singular.max() <= 1e-14
    assert rank_bound_excess(s, norms, 1.0, 1).singular.max() > 0.1


def test_without_decay_there_is_never_a_constraint(trained):
    weights, _ = trained[0.0]
    norms = norms_of(weights)
    np.testing.assert_array_equal(remembered_norms(norms, 0.0), norms[::-1])
    found = rank_bound_excess(spectrum(weights[-1]), norms, 0.0, BATCH)
    assert found.tail.max() < -1
    assert steps_to_forget(norms, 0.0, 0.05) == STEPS + 1


def test_steps_to_forget_at_a_constant_norm():
    """log(1 / eps) / -log(1 - decay) steps, rounded up; the limit has another factor 2 in the logarithm."""
    norms, decay, eps = np.ones((2, 2001)), 0.01, 0.05
    k = steps_to_forget(norms, decay, eps)
    np.testing.assert_array_equal(k, int(np.ceil(np.log(1 / eps) / -np.log1p(-decay))))
    assert steps_to_forget(norms[0, :100], decay, eps) == 100
    bound = asymptotic_rank_bound(0.1, 0.1, eps, step_rank=4)
    assert bound == pytest.approx(4 * np.log(2 / eps) / 0.01)
    assert bound > 4 * k[0]


def test_decays_that_change_are_multiplied():
    norms, decays = np.array([4.0, 3.0, 2.0, 1.0]), np.array([0.5, 0.1, 0.2])
    np.testing.assert_allclose(remembered_norms(norms, decays), [1, 0.8 * 2, 0.8 * 0.9 * 3, 0.8 * 0.9 * 0.5 * 4])


def test_k_eps_bounds_the_count_of_singular_values(trained):
    weights, _ = trained[WD]
    norms, s = norms_of(weights), spectrum(weights[-1])
    for eps in (0.3, 0.1):
        assert (s > eps * norms[-1]).sum() <= BATCH * steps_to_forget(norms, LR * WD, eps)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: remembered_norms([1.0], 0.1), "norms"),
        (lambda: remembered_norms([1.0, 1.0], 1.5), "decay"),
        (lambda: rank_bound_excess([2.0, 1.0], [1.0, 1.0], 0.1, 2), "step_rank"),
        (lambda: rank_bound_excess([2.0, 1.0], [1.0, 1.0], 0.1, 0), "step_rank"),
        (lambda: steps_to_forget([1.0, 1.0], 0.1, 1.0), "eps"),
        (lambda: asymptotic_rank_bound(0.1, 0.0, 0.1), "wd"),
        (lambda: asymptotic_rank_bound(0.1, 0.1, 0.0), "eps"),
        (lambda: patch_count((3, 3), (4, 3)), "kernel"),
        (lambda: patch_count((3, 3), (3, 3), stride=0), "stride"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, words):
    with pytest.raises(ValueError, match=words) as error:
        call()
    assert "\n" not in str(error.value)
