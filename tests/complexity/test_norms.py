"""Norm, margin and path measures: by hand, under the symmetries of a ReLU network, and where they are refused."""

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.complexity import (
    EQUATIONS,
    MeasuredLayer,
    circular_norm,
    fold_batch_norm,
    identity_batch_norm,
    margin_percentile,
    margins,
    norm_measures,
    path_sum,
    product_measures,
)

SIZES = (6, 9, 8, 4)
M = 60


def drawn(seed, biases=False):
    rng = np.random.default_rng(seed)
    return [
        MeasuredLayer(rng.normal(size=(b, a)) / a**0.5, rng.normal(size=b) if biases else None)
        for a, b in pairwise(SIZES)
    ]


def predict(params, x):
    """A ReLU network of (weight, bias or None) pairs."""
    for i, (weight, bias) in enumerate(params):
        x = x @ weight.T + (0 if bias is None else bias)
        x = jax.nn.relu(x) if i < len(params) - 1 else x
    return x


def arrays(layers):
    return [(jnp.asarray(a.weight), None if a.bias is None else jnp.asarray(a.bias)) for a in layers]


X = np.random.default_rng(5).normal(size=(M, SIZES[0]))


def everything(layers, initial, labels):
    """All measures of the network on the items X, and g."""
    logits = np.asarray(predict(arrays(layers), jnp.asarray(X)))
    g = margin_percentile(logits, labels)
    paths = {p: path_sum(predict, arrays(layers), SIZES[:1], p) for p in (1.0, 1.5, 2.0)}
    found = norm_measures(layers, m=M, g=g, initial=initial, path=paths[2.0])
    products = product_measures(layers, m=M, g=g, inputs=SIZES[0], initial=initial, paths=paths)
    return {name: value.printed for name, value in found.items()} | products | {"g": g}


@pytest.fixture
def network():
    """Layers, where they started, and labels that the network gives: it interpolates."""
    with jax.enable_x64(True):
        layers = drawn(0)
        labels = np.asarray(predict(arrays(layers), jnp.asarray(X))).argmax(axis=1)
        yield layers, drawn(1), labels


def changed(before, after, rtol=1e-10):
    """The names whose values differ."""
    assert before.keys() == after.keys()
    return {name for name in before if not math.isclose(before[name], after[name], rel_tol=rtol)}


USES_START = {
    "FRO_DIST",
    "DIST_SPEC_INIT",
    "LOG_SPEC_INIT_MAIN",
    "SPEC_L21_BOUND",
    "SPEC_FRO_BOUND",
}
GROUP_NORMS = {"L1_INF", "L3_1.5", "L1_INF_BOUND", "L3_1.5_BOUND"}


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_every_measure_by_hand():
    W1, W2 = np.diag([3.0, 4.0]), np.array([[2.0, 0.0], [0.0, 1.0]])
    S1, S2 = np.diag([3.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0]])
    m, g = 100, 2.0
    found = norm_measures(
        [MeasuredLayer(W1), MeasuredLayer(W2)], m=m, g=g, initial=[MeasuredLayer(S1), MeasuredLayer(S2)], path=7.0
    )
    log_s, log_f = math.log(16 * 4), math.log(25 * 5)
    F_over_s, D_over_s = 25 / 16 + 5 / 4, 4 / 16 + 1 / 4
    by_hand = {
        "PARAMS": 8,
        "INVERSE_MARGIN": 1 / 4,
        "LOG_PROD_OF_SPEC": log_s,
        "LOG_PROD_OF_SPEC_OVER_MARGIN": log_s - math.log(4),
        "LOG_SUM_OF_SPEC": math.log(2) + log_s / 2,
        "LOG_SUM_OF_SPEC_OVER_MARGIN": math.log(2) + (log_s - math.log(4)) / 2,
        "FRO_OVER_SPEC": F_over_s,
        "LOG_SPEC_ORIG_MAIN": log_s - math.log(4) + math.log(F_over_s),
        "LOG_SPEC_INIT_MAIN": log_s - math.log(4) + math.log(D_over_s),
        "LOG_PROD_OF_FRO": log_f,
        "LOG_PROD_OF_FRO_OVER_MARGIN": log_f - math.log(4),
        "LOG_SUM_OF_FRO": math.log(2) + log_f / 2,
        "LOG_SUM_OF_FRO_OVER_MARGIN": math.log(2) + (log_f - math.log(4)) / 2,
        "FRO_DIST": 5,
        "DIST_SPEC_INIT": 4 + 1,
        "PARAM_NORM": 30,
        "PATH_NORM": 7,
        "PATH_NORM_OVER_MARGIN": 7 / 4,
    }
    assert set(by_hand) == {name for name, number in EQUATIONS.items() if number <= 44}
    assert {name: value.v for name, value in found.items()} == pytest.approx(by_hand, rel=1e-12)
    for name, value in found.items():
        printed = (value.v - math.log(m)) / 2 if name.startswith("LOG_") else math.sqrt(value.v / m)
        assert value.printed == pytest.approx(printed, rel=1e-12)


def test_the_second_family_by_hand():
    W1, W2 = np.array([[3.0, -4.0], [1.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 1.0]])
    S1, S2 = np.array([[3.0, -4.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    layers, start = [MeasuredLayer(W1, np.zeros(2)), MeasuredLayer(W2)], [MeasuredLayer(S1), MeasuredLayer(S2)]
    m, g = 100, 0.5
    found = product_measures(layers, m=m, g=g, inputs=2, initial=start, paths={2.0: 9.0})
    s1, s2 = np.linalg.svd(W1, compute_uv=False), np.array([2.0, 1.0])
    row = (27 + 64) ** (1 / 3)
    l3 = (row**1.5 + 1) ** (2 / 3) * (2**1.5 + 1) ** (2 / 3) / g
    fro = math.sqrt(26 * 5) / g
    spec = s1[0] * 2 / g
    shares = (1 / s1[0]) ** (2 / 3) + (1 / 2) ** (2 / 3)
    alpha = math.sqrt(2 + math.log(2))
    by_hand = {
        "L1_INF": 7 * 2 / g,
        "FRO": fro,
        "L3_1.5": l3,
        "SCHATTEN_INF": spec,
        "SCHATTEN_1.5": np.sum(s1**1.5) ** (2 / 3) * np.sum(s2**1.5) ** (2 / 3) / g,
        "SCHATTEN_1": s1.sum() * 3 / g,
        "PATH_2": 3 / g,
        "L1_INF_BOUND": alpha * 14 / g / 10,
        "FRO_BOUND": alpha * fro / 10,
        "L3_1.5_BOUND": alpha * l3 / 100 ** (1 / 3),
        "SPEC_L21_BOUND": math.log(100) * math.log(10) * spec * shares**1.5 / 10,
        "SPEC_FRO_BOUND": 2 * spec * math.sqrt(2 * 1 / s1[0] ** 2 + 2 * 1 / 4) / 10,
    }
    assert found == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.usefixtures("x64")
def test_the_path_norm_of_a_linear_network():
    rng = np.random.default_rng(0)
    W1, W2 = (jnp.asarray(rng.normal(size=shape)) for shape in ((5, 3), (2, 5)))
    found = path_sum(lambda w, x: x @ w[0].T @ w[1].T, (W1, W2), (3,))
    assert found == pytest.approx(float(jnp.sum(W2**2 @ W1**2 @ jnp.ones(3))), rel=1e-12)
    assert path_sum(lambda w, x: x @ w[0].T @ w[1].T, (W1, W2), (3,), p=1.0) != pytest.approx(found, rel=0.1)
    with_bias = path_sum(predict, [(W1, jnp.full(5, -2.0)), (W2, None)], (3,))
    assert with_bias == pytest.approx(found + 4 * float(jnp.sum(W2**2)), rel=1e-12), "biases are squared too"


def test_margins():
    logits = np.array([[2.0, 1.0, -1.0], [0.0, 3.0, 5.0]])
    np.testing.assert_allclose(margins(logits, np.array([0, 1])), [1.0, -2.0])
    ladder = np.stack([np.arange(1.0, 31), np.zeros(30)], axis=1)
    assert margin_percentile(ladder, np.zeros(30, int)) == 3, "the third smallest of thirty"
    assert margin_percentile(ladder[:19], np.zeros(19, int)) == 1


def test_the_number_of_the_trial_run():
    """Row "rand vanilla" of a trial run: .244 - ln 2.30, against -.585 as the mean over seeds."""
    s = math.exp(2 * 0.244 + math.log(200))
    layer = MeasuredLayer(np.array([[math.sqrt(s)]]))
    found = norm_measures([layer], m=200, g=2.30)
    assert found["LOG_PROD_OF_SPEC"].printed == pytest.approx(0.244)
    assert found["LOG_PROD_OF_SPEC_OVER_MARGIN"].printed == pytest.approx(-0.589, abs=5e-4)


# --- symmetries -------------------------------------------------------------------------------------------------------


def test_rescaling_layers_against_each_other(network):
    layers, initial, labels = network
    rescaled = [MeasuredLayer(10 * layers[0].weight), MeasuredLayer(layers[1].weight / 10), layers[2]]
    found = changed(everything(layers, initial, labels), everything(rescaled, initial, labels))
    assert found == USES_START | {"PARAM_NORM"}


def test_rescaling_one_unit(network):
    layers, initial, labels = network
    first, second = layers[0].weight.copy(), layers[1].weight.copy()
    first[2], second[:, 2] = 10 * first[2], second[:, 2] / 10
    rescaled = [MeasuredLayer(first), MeasuredLayer(second), layers[2]]
    before, after = everything(layers, initial, labels), everything(rescaled, initial, labels)
    unchanged = before.keys() - changed(before, after)
    assert unchanged == {
        "g", "PARAMS", "INVERSE_MARGIN", "PATH_NORM", "PATH_NORM_OVER_MARGIN", "PATH_1", "PATH_1.5", "PATH_2"
    }  # fmt: skip


def test_permuting_hidden_units(network):
    layers, initial, labels = network
    order = np.random.default_rng(0).permutation(SIZES[1])
    permuted = [MeasuredLayer(layers[0].weight[order]), MeasuredLayer(layers[1].weight[:, order]), layers[2]]
    assert changed(everything(layers, initial, labels), everything(permuted, initial, labels)) == USES_START


def test_scaling_the_logits(network):
    layers, initial, labels = network
    scaled = [*layers[:2], MeasuredLayer(3 * layers[2].weight)]
    before, after = everything(layers, initial, labels), everything(scaled, initial, labels)
    over_margin = {name for name in before if name.endswith("_OVER_MARGIN")} | {"LOG_SPEC_ORIG_MAIN"}
    products = {name for name in before if name not in EQUATIONS and name != "g"}
    assert not changed(before, after) & (over_margin | products - USES_START)
    assert after["INVERSE_MARGIN"] == pytest.approx(before["INVERSE_MARGIN"] / 3, rel=1e-12)
    assert after["PATH_NORM"] == pytest.approx(3 * before["PATH_NORM"], rel=1e-12)
    assert {"LOG_PROD_OF_SPEC", "LOG_PROD_OF_FRO", "PARAM_NORM", "g"} <= changed(before, after)


# --- circular convolutions --------------------------------------------------------------------------------------------


def circulant(w, n, stride):
    """The circular convolution of n x n images as a matrix, output places kept every `stride`."""
    c_out, c_in, k, _ = w.shape
    T = np.zeros((c_out, n // stride, n // stride, c_in, n, n))
    for y in range(n // stride):
        for x in range(n // stride):
            for a in range(k):
                for b in range(k):
                    T[:, y, x, :, (y * stride + a) % n, (x * stride + b) % n] += w[:, :, a, b]
    return T.reshape(c_out * (n // stride) ** 2, c_in * n * n)


@pytest.mark.parametrize(("k", "stride"), [(1, 1), (2, 1), (3, 1), (3, 2), (2, 2), (5, 1), (3, 4)])
def test_the_circular_norm_is_that_of_the_circulant(k, stride):
    w = np.random.default_rng(k).normal(size=(3, 2, k, k))
    exact = np.linalg.norm(circulant(w, 4, stride), 2)
    assert circular_norm(w, (4, 4), stride) == pytest.approx(exact, rel=1e-10)
    # Windows that do not overlap make the matrix (out, in k k) the whole of it.
    reshaped = np.linalg.norm(w.reshape(3, -1), 2)
    assert (reshaped == pytest.approx(exact, rel=1e-10)) == (k <= stride)
    if stride > 1 and k > 1:
        assert circular_norm(w, (4, 4)) > 1.02 * exact, "without the stride it is too large"


def test_the_circular_twins():
    rng = np.random.default_rng(0)
    conv, dense, start = rng.normal(size=(3, 2, 3, 3)), rng.normal(size=(2, 12)), rng.normal(size=(3, 2, 3, 3))
    layers = [MeasuredLayer(conv, grid=(4, 4), stride=2), MeasuredLayer(dense)]
    found = norm_measures(layers, m=50, g=1.5, initial=[MeasuredLayer(start), MeasuredLayer(0 * dense)], circular=True)
    s = [circular_norm(conv, (4, 4), 2) ** 2, np.linalg.norm(dense, 2) ** 2]
    ratio = np.sum(conv**2) / s[0] + np.sum(dense**2) / s[1]
    assert found["LOG_PROD_OF_SPEC_FFT"].v == pytest.approx(math.log(s[0] * s[1]))
    assert found["FRO_OVER_SPEC_FFT"].v == pytest.approx(ratio)
    assert found["LOG_SPEC_ORIG_MAIN_FFT"].v == pytest.approx(math.log(s[0] * s[1] / 2.25 * ratio))
    distance = circular_norm(conv - start, (4, 4), 2) ** 2 + np.linalg.norm(dense, 2) ** 2
    assert found["DIST_SPEC_INIT_FFT"].v == pytest.approx(distance)
    twins = {EQUATIONS[name.removesuffix("_FFT")] for name in found if name.endswith("_FFT")}
    assert twins == {29, 30, 31, 32, 33, 34, 35, 41}
    assert found["LOG_PROD_OF_SPEC_FFT"].v != pytest.approx(found["LOG_PROD_OF_SPEC"].v, rel=0.01)


# --- batch normalisation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_bias", [True, False])
def test_folding_batch_normalisation(with_bias):
    rng = np.random.default_rng(0)
    eps = 1e-3
    weight, x = rng.normal(size=(4, 3, 1, 1)), rng.normal(size=(10, 3))
    bias = rng.normal(size=4) if with_bias else None
    scale, shift, mean = rng.normal(size=(3, 4))
    variance = rng.uniform(0.5, 2, 4)
    layer = x @ weight[..., 0, 0].T + (bias if bias is not None else 0)
    normalised = scale * (layer - mean) / np.sqrt(variance + eps) + shift
    folded, new_bias = fold_batch_norm(weight, bias, scale, shift, mean, variance, eps)
    np.testing.assert_allclose(x @ folded[..., 0, 0].T + new_bias, normalised, atol=1e-12)
    again = fold_batch_norm(folded, new_bias, *identity_batch_norm(4, eps), eps)
    np.testing.assert_allclose(again[0], folded, rtol=1e-15)
    np.testing.assert_allclose(again[1], new_bias, rtol=1e-15)
    # What it computes depends on the bias and on the eps, and a variance of 1 is not the identity.
    left = fold_batch_norm(folded, new_bias, np.ones(4), np.zeros(4), np.zeros(4), np.ones(4), eps)
    assert np.abs(left[0] / folded - 1).min() > 1e-4
    if with_bias:
        _, forgotten = fold_batch_norm(weight, None, scale, shift, mean, variance, eps)
        assert np.abs(forgotten - new_bias).max() > 0.1


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_what_does_not_interpolate_has_no_margin_measures():
    wrong = np.stack([-np.ones(20), np.zeros(20)], axis=1)
    with pytest.raises(ValueError, match="margin must be positive, got -1: train until it is"):
        margin_percentile(wrong, np.zeros(20, int))
    for g in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="g must be positive"):
            norm_measures([MeasuredLayer(np.eye(2))], m=10, g=g)
        with pytest.raises(ValueError, match="g must be positive"):
            product_measures([MeasuredLayer(np.eye(2))], m=10, g=g, inputs=2)
    assert "INVERSE_MARGIN" not in norm_measures([MeasuredLayer(np.eye(2))], m=10)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: norm_measures([], m=10), "at least one layer"),
        (lambda: norm_measures([MeasuredLayer(np.ones(3))], m=10), r"got shape \(3,\) in layer 1"),
        (
            lambda: norm_measures([MeasuredLayer(np.eye(2)), MeasuredLayer(np.zeros((1, 2)))], m=10),
            "layer 2 has only zeros",
        ),
        (lambda: norm_measures([MeasuredLayer(np.eye(2))], m=0), "m, the number of training items, must be at least 1"),
        (lambda: norm_measures([MeasuredLayer(np.eye(2))], m=9, initial=[]), "the 1 layers of the network, got 0"),
        (
            lambda: norm_measures([MeasuredLayer(np.eye(2))], m=9, initial=[MeasuredLayer(np.eye(3))]),
            "the network's shapes",
        ),
        (
            lambda: norm_measures([MeasuredLayer(np.ones((1, 1, 3, 3)))], m=9, circular=True),
            "grid of the input of layer 1",
        ),
        (lambda: circular_norm(np.ones((1, 1, 3, 3)), (5, 4), 2), "stride must divide the grid 5 x 4, got 2"),
        (lambda: product_measures([MeasuredLayer(np.eye(2))], m=1, g=1.0, inputs=2), "m must be at least 2"),
        (lambda: path_sum(lambda w, x: x @ w, jnp.eye(2), (2,), p=0.0), "p must be positive, got 0.0"),
        (lambda: margin_percentile(np.eye(3), np.arange(3)), "at least 10 items, got 3"),
        (lambda: margins(np.ones((3, 1)), np.zeros(3, int)), "at least two classes"),
        (lambda: margins(np.ones((3, 2)), np.zeros(2, int)), r"each of the 3 items, got shape \(2,\)"),
        (
            lambda: fold_batch_norm(np.eye(2), None, np.ones(2), np.ones(2), np.ones(2), -np.ones(2), 0.1),
            r"variance \+ eps must be positive, got -0.9",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(call, words):
    with pytest.raises(ValueError, match=words) as error:
        call()
    assert "\n" not in str(error.value)
