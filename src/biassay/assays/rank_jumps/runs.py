"""Many small networks trained side by side, and the experiments of the assay `rank-jumps` built from them.

Every experiment is a list of lanes: a start, a step size and a weight decay each. Lanes of one kind of dynamics go
through the engine in blocks of one size with one recording schedule, so that a kind is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from ...dynamics import SGD, AbstractDynamics
from ...models import deep_linear
from ...probes import LowRankRegion, end_to_end, singular_ratio
from ...problem import Problem
from ...simulation import PerSeed, simulate
from .config import RECORDS

Weights: TypeAlias = tuple[np.ndarray, ...]
"""Factors W_1, ..., W_L held by the host, possibly with leading axes."""
Traced: TypeAlias = tuple[Array, ...]
"""The same inside a compiled function."""

OBSERVED = ((0, 0), (1, 0), (1, 1))
"""The observed entries; (0, 1) is the one to be completed."""

FIRST_COLUMN = (0, 1)
"""The observed entries in column 0, by their place in `OBSERVED`."""


def product_matrix(problem: Problem, params: PyTree) -> Float[Array, "2 2"]:
    """End-to-end matrix A."""
    return end_to_end(params)


def flat_factors(problem: Problem, params: PyTree) -> Float[Array, " p"]:
    """Entries of the factors, W_1 first."""
    return jnp.concatenate([W.ravel() for W in params])


def unflatten(flat: np.ndarray, like: Weights) -> Weights:
    """The factors, with the shapes of `like`, from their entries, shape (..., p)."""
    ends = np.cumsum([W.size for W in like])[:-1].tolist()
    pieces = np.split(flat, ends, axis=-1)
    return tuple(piece.reshape(*flat.shape[:-1], *W.shape) for piece, W in zip(pieces, like, strict=True))


PROBES = {"ratio": singular_ratio, "A": product_matrix, "factors": flat_factors}


class Track(NamedTuple):
    """What became of n lanes: recorded `steps`, then `ratio` (n, steps), `A` (n, steps, 2, 2), `factors` (n, steps, p),
    and the factors at the `end`, with the leading axis n."""

    steps: np.ndarray
    ratio: np.ndarray
    A: np.ndarray
    factors: np.ndarray
    end: Weights


def factorize(A: Any, layers: int) -> Weights:
    """Balanced factors of A."""
    return tuple(map(np.asarray, deep_linear.balanced(jnp.asarray(A, float), layers)))


def stack(starts: Sequence[Weights]) -> Weights:
    """Weights of several networks in one leading axis."""
    return tuple(np.stack(leaves) for leaves in zip(*starts, strict=True))


def repeat(params: Weights, times: int) -> Weights:
    """`times` copies in a leading axis, in front of any other."""
    return tuple(np.broadcast_to(W, (times, *W.shape)) for W in params)


def flatten(params: Weights, axes: int) -> Weights:
    """The first `axes` axes in one."""
    return tuple(np.reshape(W, (-1, *W.shape[axes:])) for W in params)


def train(
    problem: Problem,
    dynamics: Callable[..., AbstractDynamics],
    starts: Weights,
    steps: int,
    *,
    seed: int,
    stream: int,
    label: str,
    block: int | None = None,
    **per_lane: Any,
) -> Track:
    """Trains n lanes for `steps` steps; `starts` and the arguments `per_lane` of `dynamics` have the leading axis n.

    The lanes are seeds seed, seed + 1, ...; they run in blocks of `block` (all at once by default), the last filled up.
    """
    lanes = len(starts[0])
    block = lanes if block is None else block
    record = np.unique(np.linspace(0, steps, RECORDS + 1).round().astype(int))[1:]
    values = {name: np.broadcast_to(np.asarray(value, float), lanes) for name, value in per_lane.items()}
    runs = []
    for first in range(0, lanes, block):
        pick = np.minimum(first + np.arange(block), lanes - 1)
        here = {name: jnp.asarray(value[pick]) for name, value in values.items()}
        run = simulate(
            problem,
            PerSeed(dynamics(**here)),
            PerSeed(tuple(jnp.asarray(W[pick]) for W in starts)),
            steps=steps,
            probes=PROBES,
            record=record.tolist(),
            seeds=block,
            seed=seed + first,
            stream=stream,
            label=label,
        )
        runs.append(run)

    def joined(parts: Sequence[Any]) -> np.ndarray:
        return np.concatenate([np.asarray(part) for part in parts])[:lanes]

    return Track(
        record,
        joined([run.data.ratio for run in runs]),
        joined([run.data.A for run in runs]),
        joined([run.data.factors for run in runs]),
        tuple(joined(W) for W in zip(*[run.params for run in runs], strict=True)),
    )


def single_sample(lr: Any, weight_decay: Any) -> SGD:
    """SGD on one observed entry a step, drawn independently."""
    return SGD(lr, 1, "independent", weight_decay=weight_decay)


def draws(seed: int, seeds: int, purpose: int) -> list[np.random.Generator]:
    """One independent source of random numbers a seed, for the starts of one experiment."""
    return [np.random.default_rng((purpose, s)) for s in range(seed, seed + seeds)]


def around(base: Weights, scale: float, seed: int, seeds: int) -> Weights:
    """`base` plus N(0, scale^2) in every entry, one draw a seed."""
    return stack(
        [tuple(W + scale * source.normal(size=W.shape) for W in base) for source in draws(seed, seeds, purpose=1)]
    )


def second_direction(A: np.ndarray, layers: int) -> Weights:
    """D such that balanced(A) + sigma D has the product A + sigma^L u2 v2^T, for A of rank one and width 2."""
    U, _, Vt = np.linalg.svd(A)
    unit = np.array([0.0, 1.0])
    return (np.outer(unit, Vt[1]), *[np.outer(unit, unit)] * (layers - 2), np.outer(U[:, 1], unit))


def planted(A: np.ndarray, s2: float, layers: int, seed: int, seeds: int) -> Weights:
    """Balanced factors of rank-one A plus a second singular component of size U(s2/2, s2) and either sign, by seed."""
    base, direction = factorize(A, layers), second_direction(A, layers)
    starts = []
    for source in draws(seed, seeds, purpose=2):
        sigma, sign = (s2 * source.uniform(0.5, 1)) ** (1 / layers), source.choice((-1, 1))
        moved = [W + sigma * D for W, D in zip(base, direction, strict=True)]
        starts.append((*moved[:-1], base[-1] + sign * sigma * direction[-1]))
    return stack(starts)


def starts_inside(
    region: LowRankRegion, A: np.ndarray, layers: int, scale: float, seed: int, seeds: int, tries: int = 256
) -> tuple[Weights, np.ndarray]:
    """A start in the region for every seed, and whether one was found, shape (seeds,).

    Candidates are the balanced factors of rank-one A, plus a second singular value of every layer that is uniform up
    to the region's edge, plus N(0, scale^2) in every entry; the first of `tries` inside the region is taken.
    """
    base, direction = factorize(A, layers), second_direction(A, layers)
    edge = np.sqrt(region.alpha * (1 - np.sqrt(1 - min(region.eps2, 1))))
    candidates = []
    for source in draws(seed, seeds, purpose=3):
        sigma = source.uniform(0, edge, (tries, 1, 1))
        drawn = [source.normal(size=(tries, *W.shape)) for W in base]
        candidates.append(tuple(W + sigma * D + scale * xi for W, D, xi in zip(base, direction, drawn, strict=True)))
    stacked = stack(candidates)
    inside: np.ndarray = np.asarray(_members(region, stacked))
    first = inside.argmax(axis=1)
    return tuple(W[np.arange(seeds), first] for W in stacked), np.asarray(inside.any(axis=1))


@jax.jit
def _members(region: LowRankRegion, params: Traced) -> Bool[Array, "n tries"]:
    """Which factors, with the leading axes (n, tries), lie in the region."""
    return jax.vmap(jax.vmap(region.contains))(params)


@jax.jit
def leaves_region(problem: Problem, region: LowRankRegion, paths: Traced, lr: float, decay: float) -> Bool[Array, " n"]:
    """Whether, from any point of a path, some branch of SGD leads out of the region.

    paths: factors with the leading axes (n, steps). Every point is moved by each of the possible steps, not only by the
    one that was drawn.

    Returns:
        One boolean per path, shape (n,).
    """
    sgd = single_sample(lr, decay)

    def out(params: Traced) -> Bool[Array, ""]:
        state = sgd.init(problem, params)
        branches = [sgd.step(problem, params, state, (jnp.array([i]), None))[0] for i in range(problem.size)]
        return ~jnp.all(jnp.stack([region.contains(branch) for branch in branches]))

    return jax.vmap(jax.vmap(out))(paths).any(axis=1)
