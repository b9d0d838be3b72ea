"""Measures of neural collapse: 0 on an exact simplex, their definitions written out, and what they must not see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.probes import (
    Collapse,
    angle_error,
    cdnv,
    centred_means,
    class_means,
    cosine_spread,
    etf_error,
    nc1,
    nc1_quotient,
    nc3,
    nc3_zhu,
    nc4,
    neural_collapse,
    norm_spread,
)

pytestmark = pytest.mark.usefixtures("x64")

C, P = 5, 12
SIZES = (4, 7, 5, 6, 3)
LABELS = np.repeat(np.arange(C), SIZES)


def simplex(rng):
    """Rows of a simplex equiangular tight frame in R^P, rotated and scaled, and a vector orthogonal to all of them."""
    basis = np.linalg.qr(rng.normal(size=(P, P)))[0]
    return 3.7 * (np.eye(C) - 1 / C) @ basis[:C], basis[C]


compiled = jax.jit(neural_collapse, static_argnums=3)


def measured(features, weight, labels=LABELS):
    """All measures in NumPy."""
    return Collapse(*map(np.asarray, compiled(jnp.asarray(features), jnp.asarray(labels), jnp.asarray(weight), C)))


def random_network(seed=10_000):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(len(LABELS), P)), rng.normal(size=(C, P))


def test_an_exact_simplex_has_collapsed_and_noise_has_not():
    """Every measure is 0 to 1e-12, wherever the mean of all features is; for independent noise none is small."""
    rows, offset = simplex(np.random.default_rng(10_000))
    exact = measured(rows[LABELS] + 2 * offset, 0.3 * rows + offset)
    noise = measured(*random_network())
    for name in Collapse._fields:
        assert float(getattr(exact, name)) == pytest.approx(0, abs=1e-12), name
        assert float(getattr(noise, name)) > 0.03, name


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("spread", {"nc1", "nc1_quotient", "cdnv"}),
        ("length", {"mean_norms", "mean_angles", "mean_cosines", "etf", "nc3", "nc3_zhu"}),
        ("weight", {"weight_norms", "weight_cosines", "nc3", "nc3_zhu"}),
    ],
)
def test_each_measure_sees_its_own_defect(change, seen):
    """Spread within the classes, one class mean too long, one row of the last layer turned: no measure sees all."""
    rng = np.random.default_rng(10_001)
    rows, offset = simplex(rng)
    features, weight = rows[LABELS] + 2 * offset, rows.copy()
    if change == "spread":
        noise = rng.normal(size=features.shape)
        features += 0.05 * (noise - np.stack([noise[c == LABELS].mean(axis=0) for c in range(C)])[LABELS])
    elif change == "length":
        features[LABELS == 2] += 0.2 * rows[2]
    else:
        weight[1] += 0.5 * offset + 0.3 * rows[2]
    values = measured(features, weight)._asdict()
    assert {name for name, value in values.items() if abs(value) > 1e-6} == seen


def test_the_definitions_written_out():
    """Class by class and pair by pair, on classes of unequal sizes."""
    features, weight = random_network()
    found = measured(features, weight)
    mu = np.stack([features[c == LABELS].mean(axis=0) for c in range(C)])
    within = [np.cov(features[c == LABELS].T, bias=True) for c in range(C)]
    M, W = mu - mu.mean(axis=0), weight - weight.mean(axis=0)
    S_W, S_B, v = np.mean(within, axis=0), M.T @ M / C, [np.trace(S) for S in within]
    pairs = [(i, j) for i in range(C) for j in range(i)]
    distances = [(v[i] + v[j]) / (2 * np.sum((mu[i] - mu[j]) ** 2)) for i, j in pairs]

    def cosines(rows):
        return [rows[i] @ rows[j] / np.linalg.norm(rows[i]) / np.linalg.norm(rows[j]) for i, j in pairs]

    def norms(rows):
        sizes = [np.linalg.norm(row) for row in rows]
        return np.std(sizes) / np.mean(sizes)

    target = (np.eye(C) - 1 / C) / np.sqrt(C - 1)
    K, B = M @ M.T, weight @ M.T
    nearest = [np.argmin([np.sum((h - m) ** 2) for m in mu]) for h in features]
    expected = Collapse(
        nc1=np.trace(S_W @ np.linalg.pinv(S_B, rcond=1e-10)) / C,
        nc1_quotient=np.trace(S_W) / np.trace(S_B),
        cdnv=np.mean(distances),
        mean_norms=norms(M),
        mean_cosines=np.std(cosines(M)),
        mean_angles=np.mean(np.abs(np.array(cosines(M)) + 1 / (C - 1))),
        etf=np.linalg.norm(K / np.linalg.norm(K) - target),
        weight_norms=norms(W),
        weight_cosines=np.std(cosines(W)),
        nc3=np.sum((W / np.linalg.norm(W) - M / np.linalg.norm(M)) ** 2),
        nc3_zhu=np.linalg.norm(B / np.linalg.norm(B) - target),
        nc4=np.mean((features @ weight.T).argmax(axis=1) != nearest),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@jax.jit
def one_by_one(h, y, W):
    M, rows = centred_means(h, y, C), W - W.mean(axis=0)
    return (
        *(measure(h, y, C) for measure in (nc1, nc1_quotient, cdnv)),
        *(measure(M) for measure in (norm_spread, cosine_spread, angle_error, etf_error)),
        *(measure(rows) for measure in (norm_spread, cosine_spread)),
        *(measure(h, y, W, C) for measure in (nc3, nc3_zhu, nc4)),
    )


def test_the_measures_one_by_one():
    features, weight = random_network()
    each = one_by_one(jnp.asarray(features), jnp.asarray(LABELS), jnp.asarray(weight))
    np.testing.assert_allclose(each, measured(features, weight), rtol=1e-12)
    means = class_means(jnp.asarray(features), jnp.asarray(LABELS), C)
    np.testing.assert_allclose(means[3], features[LABELS == 3].mean(axis=0), rtol=1e-12)


def test_without_its_cut_the_pseudo_inverse_blows_up():
    """S_B has rank C - 1; the inverse of what rounding leaves in the other directions is larger by orders."""
    features, _ = random_network()
    mu = np.stack([features[c == LABELS].mean(axis=0) for c in range(C)])
    M, R = mu - mu.mean(axis=0), features - mu[LABELS]
    S_B = M.T @ M / C
    S_W = np.mean([R[c == LABELS].T @ R[c == LABELS] / np.sum(c == LABELS) for c in range(C)], axis=0)
    assert np.linalg.matrix_rank(S_B) == C - 1
    cut = float(nc1(jnp.asarray(features), jnp.asarray(LABELS), C))
    untruncated = abs(np.trace(S_W @ np.linalg.pinv(S_B, rcond=0.0)) / C)
    assert cut == pytest.approx(np.trace(S_W @ np.linalg.pinv(S_B, rcond=1e-10)) / C, rel=1e-9)
    assert untruncated > 1e6 * cut
    with_float32 = nc1(jnp.asarray(features, jnp.float32), jnp.asarray(LABELS), C)
    assert float(with_float32) == pytest.approx(cut, rel=1e-3)


def test_rotation_scale_and_shift_change_nothing():
    """Of the features with the last layer turned along; stretching one axis is seen."""
    features, weight = random_network()
    Q = np.linalg.qr(np.random.default_rng(10_002).normal(size=(P, P)))[0]
    unseen = ("nc4",)  # decisions do depend on the shift, as the network has no bias
    turned, stretched = (
        measured(5 * features @ Q + 1, 0.1 * weight @ Q),
        measured(features * np.arange(1, P + 1), weight),
    )
    for name, value in measured(features, weight)._asdict().items():
        if name not in unseen:
            assert float(getattr(turned, name)) == pytest.approx(float(value), rel=1e-9)
            assert not name.startswith(("nc", "mean")) or abs(getattr(stretched, name) / value - 1) > 1e-3


def test_every_class_counts_the_same():
    """A class whose examples are all there twice changes nothing but the share of decisions.

    A covariance over all examples alike, in which a class counts by its size, does change.
    """
    features, weight = random_network()
    twice = np.concatenate([np.arange(len(LABELS)), np.flatnonzero(LABELS == 1)])
    found, doubled = measured(features, weight), measured(features[twice], weight, LABELS[twice])
    np.testing.assert_allclose(doubled[:-1], found[:-1], rtol=1e-12)

    def by_size(labels, features):
        """tr S_W / tr S_B with S_W the covariance over all examples alike."""
        mu = np.stack([features[labels == c].mean(axis=0) for c in range(C)])
        return np.mean(np.sum((features - mu[labels]) ** 2, axis=1)) / np.mean(
            np.sum((mu - mu.mean(axis=0)) ** 2, axis=1)
        )

    once, again = by_size(LABELS, features), by_size(LABELS[twice], features[twice])
    assert abs(again / once - 1) > 1e-3
    assert abs(once / found.nc1_quotient - 1) > 1e-3


def test_what_fitting_alone_makes_small():
    """A last layer that fits random features has NC3 (Zhu) and NC4 at 0, and no collapse: neither can be a claim."""
    rng = np.random.default_rng(10_003)
    n, p = 40, 400
    labels = np.arange(n) % C
    features = rng.normal(size=(n, p))
    weight = (np.linalg.pinv(features) @ np.eye(C)[labels]).T
    found = measured(features, weight, labels)
    assert float(found.nc3_zhu) < 1e-12
    assert float(found.nc4) == 0
    assert float(found.nc1) > 0.03
    assert float(found.nc1_quotient) > 5
    assert float(found.cdnv) > 2


def test_numbers_that_are_not_there():
    """A class without examples, features that overflowed, and a single class."""
    features, weight = random_network()
    missing = measured(features, weight, np.where(LABELS == 2, 3, LABELS))._asdict()
    assert {name for name, value in missing.items() if np.isfinite(value)} == {"weight_norms", "weight_cosines"}
    assert np.isnan(measured(features * np.where(LABELS == 0, np.inf, 1.0)[:, None], weight).nc4)
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        nc1(jnp.asarray(features), jnp.zeros(len(features), int), 1)
