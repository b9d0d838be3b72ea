"""Neural collapse: what the last layer's features and weights do to the classes at the end of training.

Features h_i in R^p with labels y_i in 0..C-1, last layer W in R^(C x p), outputs W h. With the class means mu_c and

    mu_G = mean of the mu_c,   M = the rows mu_c - mu_G,   S_B = M^T M / C,
    S_W  = mean over the classes of the covariance within the class,   v_c = its trace in class c,

every class counts the same, however many examples it has, and S_B has rank at most C - 1.

- NC1, the features of a class become equal: tr(S_W S_B^+) / C, tr S_W / tr S_B, and the class-distance normalised
  variance (v_i + v_j) / (2 |mu_i - mu_j|^2).
- NC2, the rows of M become a simplex equiangular tight frame: equal norms and cosines -1/(C - 1), or in one number
  | K/|K| - E/|E| | with K = M M^T and the target E = I - 11^T/C, |E| = sqrt(C - 1).
- NC3, W becomes M but for its scale: | W/|W| - M/|M| |^2 with W centred (Papyan), | W M^T/|W M^T| - E/|E| | (Zhu).
- NC4, the network decides for the nearest class mean: the share of examples where it does not.

Norms without an index are Frobenius norms. Papyan, Han and Donoho, PNAS 2020, arXiv 2008.08186; the class-distance
normalised variance is that of Galanti, Gyorgy and Hutter, ICLR 2022; the second form of NC3 that of Zhu et al., NeurIPS
2021. A class without examples makes every number NaN that needs its mean.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar


class Collapse(NamedTuple):
    """All measures of neural collapse, each a number that is 0 where the features have collapsed (`neural_collapse`).

    nc1, nc1_quotient, cdnv: variability within the classes; mean_norms, mean_cosines, mean_angles, etf: how far the
    centred class means are from a simplex equiangular tight frame; weight_norms, weight_cosines: the same of the rows
    of the last layer, centred; nc3, nc3_zhu: how far these are from the means; nc4: share of the examples that the
    network does not give to the class with the nearest mean.
    """

    nc1: Scalar
    nc1_quotient: Scalar
    cdnv: Scalar
    mean_norms: Scalar
    mean_cosines: Scalar
    mean_angles: Scalar
    etf: Scalar
    weight_norms: Scalar
    weight_cosines: Scalar
    nc3: Scalar
    nc3_zhu: Scalar
    nc4: Scalar


def neural_collapse(
    features: Float[Array, "n p"], labels: Int[Array, " n"], weight: Float[Array, "C p"], classes: int
) -> Collapse:
    """Every measure of this file at once. A last layer's bias plays no part but in the decisions: here it is 0.

    Raises:
        ValueError: fewer than two classes.

    Example:
        >>> import jax.numpy as jnp
        >>> from biassay.probes import neural_collapse
        >>> labels = jnp.arange(12) % 3
        >>> corners = jnp.eye(3)  # centred, a simplex equiangular tight frame
        >>> exact = neural_collapse(corners[labels], labels, corners, 3)
        >>> print(f"{float(exact.nc1):.3f} {float(exact.etf):.3f} {float(exact.nc3):.3f} {float(exact.nc4):.3f}")
        0.000 0.000 0.000 0.000
    """
    means, rows = centred_means(features, labels, classes), weight - jnp.mean(weight, axis=0)
    return Collapse(
        nc1=nc1(features, labels, classes),
        nc1_quotient=nc1_quotient(features, labels, classes),
        cdnv=cdnv(features, labels, classes),
        mean_norms=norm_spread(means),
        mean_cosines=cosine_spread(means),
        mean_angles=angle_error(means),
        etf=etf_error(means),
        weight_norms=norm_spread(rows),
        weight_cosines=cosine_spread(rows),
        nc3=nc3(features, labels, weight, classes),
        nc3_zhu=nc3_zhu(features, labels, weight, classes),
        nc4=nc4(features, labels, weight, classes),
    )


def class_means(features: Float[Array, "n p"], labels: Int[Array, " n"], classes: int) -> Float[Array, "C p"]:
    """mu_c as rows. Raises ValueError for fewer than two classes."""
    if classes < 2:
        raise ValueError(f"neural collapse needs at least two classes, got {classes}")
    return _shares(labels, classes, features.dtype) @ features


def centred_means(features: Float[Array, "n p"], labels: Int[Array, " n"], classes: int) -> Float[Array, "C p"]:
    """M: the rows mu_c - mu_G."""
    means = class_means(features, labels, classes)
    return means - jnp.mean(means, axis=0)


def _shares(labels: Int[Array, " n"], classes: int, dtype: jnp.dtype) -> Float[Array, "C n"]:
    """1/n_c where example i has the class c, else 0: a matrix that takes the mean of every class."""
    members = jax.nn.one_hot(labels, classes, dtype=dtype, axis=0)
    count = jnp.sum(members, axis=1, keepdims=True)
    # Compiled, 0 / 0 may come out as 0: a class without examples must not look like one at the origin.
    return jnp.where(count > 0, members / jnp.maximum(count, 1), jnp.nan)


def _within(features: Float[Array, "n p"], labels: Int[Array, " n"], classes: int) -> Float[Array, "n p"]:
    """h_i - mu_(y_i)."""
    return features - class_means(features, labels, classes)[labels]


def _variances(features: Float[Array, "n p"], labels: Int[Array, " n"], classes: int) -> Float[Array, " C"]:
    """v_c: the mean of |h_i - mu_c|^2 in every class."""
    squares = jnp.sum(_within(features, labels, classes) ** 2, axis=1)
    return _shares(labels, classes, features.dtype) @ squares


# --- NC1 --------------------------------------------------------------------------------------------------------------


def nc1(features: Float[Array, "n p"], labels: Int[Array, " n"], classes: int) -> Scalar:
    """tr(S_W S_B^+) / C, the pseudo-inverse cut off at rank C - 1.

    With M = U diag(s) Q^T it is the mean over classes and their examples of | diag(s)^-2 U^T M (h - mu) |^2, without
    the C-th singular value: that one is 0 but for rounding, and its inverse would be all there is to see.
    """
    M = centred_means(features, labels, classes)
    squares, U = jnp.linalg.eigh(M @ M.T)  # in increasing order
    projected = _within(features, labels, classes) @ M.T @ U[:, 1:] / squares[1:]
    return jnp.mean(_shares(labels, classes, features.dtype) @ jnp.sum(projected**2, axis=1))


def nc1_quotient(features: Float[Array, "n p"], labels: Int[Array, " n"], classes: int) -> Scalar:
    """tr S_W / tr S_B."""
    M = centred_means(features, labels, classes)
    return jnp.mean(_variances(features, labels, classes)) / (jnp.sum(M**2) / classes)


def cdnv(features: Float[Array, "n p"], labels: Int[Array, " n"], classes: int) -> Scalar:
    """(v_i + v_j) / (2 |mu_i - mu_j|^2), its mean over the pairs of different classes."""
    means, v = class_means(features, labels, classes), _variances(features, labels, classes)
    i, j = jnp.triu_indices(classes, 1)
    return jnp.mean((v[i] + v[j]) / (2 * jnp.sum((means[i] - means[j]) ** 2, axis=1)))


# --- NC2, of centred rows: M, or the centred last layer ---------------------------------------------------------------


def norm_spread(rows: Float[Array, "C p"]) -> Scalar:
    """Standard deviation of the rows' norms over their mean."""
    norms = jnp.linalg.norm(rows, axis=1)
    return jnp.std(norms) / jnp.mean(norms)


def _cosines(rows: Float[Array, "C p"]) -> Float[Array, " pairs"]:
    unit = rows / jnp.linalg.norm(rows, axis=1, keepdims=True)
    return (unit @ unit.T)[jnp.triu_indices(len(rows), 1)]


def cosine_spread(rows: Float[Array, "C p"]) -> Scalar:
    """Standard deviation of the cosines between two rows."""
    return jnp.std(_cosines(rows))


def angle_error(rows: Float[Array, "C p"]) -> Scalar:
    """Mean of |cos + 1/(C - 1)| over the pairs of rows."""
    return jnp.mean(jnp.abs(_cosines(rows) + 1 / (len(rows) - 1)))


def etf_error(rows: Float[Array, "C p"]) -> Scalar:
    """| K/|K| - E/|E| | with K = rows rows^T: 0 for a simplex equiangular tight frame of any scale and rotation."""
    return _off_target(rows @ rows.T)


def _off_target(K: Float[Array, "C C"]) -> Scalar:
    """| K/|K| - E/|E| | with E = I - 11^T/C."""
    C = len(K)
    target = (jnp.eye(C, dtype=K.dtype) - 1 / C) / (C - 1) ** 0.5
    return jnp.linalg.norm(K / jnp.linalg.norm(K) - target)


# --- NC3 and NC4 ------------------------------------------------------------------------------------------------------


def nc3(features: Float[Array, "n p"], labels: Int[Array, " n"], weight: Float[Array, "C p"], classes: int) -> Scalar:
    """| W/|W| - M/|M| |^2 with W centred, between 0 (the same direction) and 4 (opposite)."""
    M, W = centred_means(features, labels, classes), weight - jnp.mean(weight, axis=0)
    return jnp.sum((W / jnp.linalg.norm(W) - M / jnp.linalg.norm(M)) ** 2)


def nc3_zhu(
    features: Float[Array, "n p"], labels: Int[Array, " n"], weight: Float[Array, "C p"], classes: int
) -> Scalar:
    """| W M^T/|W M^T| - E/|E| |.

    It is 0 for every network that fits one-hot targets exactly: W h_i = e_(y_i) gives W M^T = E whatever the features
    look like. So a small value says that the network fits, not that it has collapsed.
    """
    return _off_target(weight @ centred_means(features, labels, classes).T)


def nc4(features: Float[Array, "n p"], labels: Int[Array, " n"], weight: Float[Array, "C p"], classes: int) -> Scalar:
    """Share of the examples whose largest output W h is not that of the nearest class mean.

    On the examples that the network fits, it is the training error of the nearest class mean.
    """
    means = class_means(features, labels, classes)
    distances = jnp.sum(means**2, axis=1) - 2 * features @ means.T  # and |h|^2, the same for every class
    outputs = features @ weight.T
    differs = jnp.argmax(outputs, axis=1) != jnp.argmin(distances, axis=1)
    # Of numbers that are not finite no order tells anything.
    finite = jnp.all(jnp.isfinite(distances)) & jnp.all(jnp.isfinite(outputs))
    return jnp.where(finite, jnp.mean(differs, dtype=features.dtype), jnp.nan)
