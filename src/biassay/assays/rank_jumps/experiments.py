"""The experiments of the assay `rank-jumps`, each a dictionary of labelled variables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...dynamics import AdversarialSGD, ForcedSGD, GradientDescent, IsotropicNoise
from ...models import deep_linear
from ...probes import LowRankRegion, second_singular_value, singular_ratio
from ...problem import Problem
from ...references.landscape import Landscape
from ...simulation import simulate
from .config import RECORDS, Config
from .runs import (
    FIRST_COLUMN,
    OBSERVED,
    Weights,
    around,
    factorize,
    flatten,
    leaves_region,
    planted,
    repeat,
    single_sample,
    stack,
    starts_inside,
    train,
    unflatten,
)

Variables: TypeAlias = dict[str, tuple[Any, ...]]

JUMPED = 1e-4
"""Below this s2/s1 a run counts as jumped to rank 1."""
RETURNED = 0.02
"""Above this s2/s1, after a jump, it counts as a reverse jump."""
DIFFUSED = 0.1
"""Above this s2/s1 a run with Gaussian noise counts as escaped from rank 1."""
UNDECIDED = 1e-2
"""Between `JUMPED` and this s2/s1 a checkpoint is neither jumped nor not: it is still decaying."""

_CACHED_LANES = 512
"""Lanes a call at most: more fall out of the processor's caches."""

TIGHT = LowRankRegion(r=1, alpha=0.01, eps1=1e-3, eps2=0.1, C=3.0)
"""B_1 with constants small enough for closure at `closure_eta`."""
LOOSE = LowRankRegion(r=1, alpha=0.3, eps1=0.05, eps2=0.3, C=3.0)
"""B_1 with wider constants, closed at five times that step size as well."""

_rank_one_minimum = cache(Landscape.rank_one_minimum)


@dataclass(frozen=True)
class Setting:
    """What all experiments share."""

    config: Config

    @property
    def values(self) -> tuple[float, float, float]:
        """The observed values, in the order of `OBSERVED`."""
        return (1.0, self.config.epsilon, 1.0)

    @cached_property
    def problem(self) -> Problem:
        """Three observed entries of a 2x2 matrix."""
        return deep_linear.completion(OBSERVED, self.values, (2, 2))

    @property
    def block(self) -> int:
        """Lanes a call: as many as the jump map has, unless they are too many for the caches."""
        return min(self.config.seeds * len(self.config.etas) * len(self.config.lambdas), _CACHED_LANES)

    def landscape(self, decay: float, layers: int | None = None) -> Landscape:
        """The exact landscape at this lambda."""
        return Landscape(OBSERVED, self.values, layers or self.config.layers, decay)

    def rank_one(self, decay: float, layers: int | None = None) -> np.ndarray:
        """The rank-one minimum of the landscape."""
        return _rank_one_minimum(self.landscape(decay, layers))

    def factors(self, A: Any, layers: int | None = None) -> Weights:
        """Balanced factors of A."""
        return factorize(A, layers or self.config.layers)

    @cached_property
    def start(self) -> Weights:
        """The balanced factorization of [[1, 1/2], [epsilon, 1]]."""
        return self.factors([[1.0, 0.5], [self.config.epsilon, 1.0]])


def passage(steps: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """When a run was first seen at rank 1 (NaN: never), and whether it ever came back.

    ratio: (..., records). Both results have shape (...).
    """
    below = ratio < JUMPED
    jumped = below.any(axis=-1)
    first = np.where(jumped, below.argmax(axis=-1), len(steps))
    after = np.arange(len(steps)) > first[..., None]
    back = (after & (ratio > RETURNED)).any(axis=-1)
    when = np.where(jumped, steps[np.minimum(first, len(steps) - 1)].astype(float), np.nan)
    return when, np.asarray(back)


def settled(setting: Setting) -> tuple[Variables, Weights, Weights, Weights]:
    """Gradient descent from the start to the rank-2 minimum of every cell, and on from there as the control.

    Returns:
        The variables, the settled factors with leading axes (eta, lambda), those of the demonstration cell, and those
        of the forced column.
    """
    c = setting.config
    lambdas = (*c.lambdas, c.gone_lambda)
    eta, decay = (axis.ravel() for axis in np.meshgrid(c.etas, lambdas, indexing="ij"))
    eta, decay = np.append(eta, [c.demo_eta, c.forced_eta]), np.append(decay, [c.demo_lambda, c.forced_lambda])
    shape = len(c.etas), len(lambdas)
    common = {"lr": eta, "weight_decay": 2 * decay, "seed": c.seed, "stream": 0, "block": c.seeds}
    first = train(
        setting.problem, GradientDescent, repeat(setting.start, len(eta)), c.settle_steps, label="settle", **common
    )
    then = train(setting.problem, GradientDescent, first.end, c.steps, label="gradient descent", **common)
    cells = tuple(W[:-2].reshape(*shape, *W.shape[1:])[:, :-1] for W in first.end)
    ratio = first.ratio[:-2, -1].reshape(shape)
    jump, _ = passage(then.steps, then.ratio[:-2])
    track = then.ratio[:-2].reshape(*shape, -1)
    two = [setting.landscape(value).rank_two_minimum() for value in lambdas]
    exact = [np.nan if A is None else second_over_first(A) for A in two]
    variables: Variables = {
        "gd_ratio": (("eta", "lambda"), ratio[:, :-1], "s2/s1 where gradient descent settles"),
        "gd_ratio_gone": (("eta",), ratio[:, -1], "s2/s1 where gradient descent ends at the lambda without rank 2"),
        "gd_track": (("eta", "lambda", "step"), track[:, :-1], "s2/s1 along gradient descent from the settled point"),
        "gd_jumped": (("eta", "lambda"), ~np.isnan(jump.reshape(shape))[:, :-1], "whether gradient descent jumped"),
        "exact_ratio": (("lambda",), exact[:-1], "s2/s1 of the landscape's rank-2 minimum"),
        "exact_gone": ((), np.isnan(exact[-1]), "whether the landscape has no rank-2 minimum at gone_lambda"),
    }
    return variables, cells, tuple(W[-2] for W in first.end), tuple(W[-1] for W in first.end)


def second_over_first(A: np.ndarray) -> float:
    """s2/s1 by a singular value decomposition."""
    s = np.linalg.svd(A, compute_uv=False)
    return float(s[1] / s[0])


def jump_map(setting: Setting, cells: Weights) -> Variables:
    """SGD from the rank-2 minimum of every cell, and more runs of the cell with the largest eta and lambda."""
    c = setting.config
    eta, decay, _ = np.meshgrid(c.etas, c.lambdas, np.arange(c.seeds), indexing="ij")
    starts = tuple(np.repeat(W[:, :, None], c.seeds, axis=2) for W in cells)
    common = {"seed": c.seed, "block": setting.block}
    track = train(
        setting.problem,
        single_sample,
        flatten(starts, 3),
        c.steps,
        label="jump map",
        stream=1,
        lr=eta.ravel(),
        weight_decay=2 * decay.ravel(),
        **common,
    )
    ratio = np.moveaxis(track.ratio.reshape(*eta.shape, -1), 2, 0)
    step, back = passage(track.steps, ratio)
    corner = int(np.argmax(c.etas)), int(np.argmax(c.lambdas))
    more = train(
        setting.problem,
        single_sample,
        repeat(tuple(W[corner] for W in cells), c.trials),
        c.trial_steps,
        label="jump cell",
        stream=2,
        lr=max(c.etas),
        weight_decay=2 * max(c.lambdas),
        **common,
    )
    more_step, more_back = passage(more.steps, more.ratio)
    cell = ("seed", "eta", "lambda")
    return {
        "step": (("step",), track.steps, "steps taken"),
        "ratio": ((*cell, "step"), ratio, "s2/s1 along SGD"),
        "jump_step": (cell, step, "step at which SGD was first seen at rank 1"),
        "reverse": (cell, back, "whether it came back to rank 2"),
        "trial_jump_step": (("trial",), more_step, "the same, in the cell of largest eta and lambda"),
        "trial_reverse": (("trial",), more_back, "whether it came back, in that cell"),
    }


def depth_two(setting: Setting) -> Variables:
    """Rank 1 plus a little noise under SGD: with two layers it escapes, with L it does not."""
    c = setting.config
    found: Variables = {}
    for name, layers in (("two", 2), ("deep", c.layers)):
        base = setting.factors(setting.rank_one(c.demo_lambda, layers), layers)
        track = train(
            setting.problem,
            single_sample,
            around(base, c.depth_noise, c.seed, c.trials),
            c.depth_steps,
            seed=c.seed,
            stream=3,
            label=f"{layers} layers from rank 1",
            block=setting.block,
            lr=c.depth_eta,
            weight_decay=2 * c.demo_lambda,
        )
        late = track.A[:, track.A.shape[1] // 2 :, 0, 1].mean(axis=1)
        escaped = (track.ratio > RETURNED).any(axis=1)
        found[f"{name}_escaped"] = (("trial",), escaped, f"escape from rank 1 with {layers} layers")
        found[f"{name}_A01"] = (("trial",), late, f"unobserved entry with {layers} layers, mean of the second half")
    return found


def offshoots(setting: Setting, start: Weights) -> Variables:
    """Branches of SGD from checkpoints, continued with smaller eta and lambda."""
    c = setting.config
    common = {"block": setting.block, "seed": c.seed}
    main = train(
        setting.problem,
        single_sample,
        repeat(start, c.seeds),
        c.checkpoints * c.checkpoint_every,
        stream=9,
        label="offshoots: main run",
        lr=c.demo_eta,
        weight_decay=2 * c.demo_lambda,
        **common,
    )
    kept = np.linspace(0, len(main.steps), c.checkpoints + 1).round().astype(int)[1:] - 1
    shape = (c.checkpoints, c.seeds)
    branch = flatten(unflatten(np.swapaxes(main.factors[:, kept], 0, 1), start), 2)
    matrices = [np.swapaxes(main.A[:, kept], 0, 1)]
    for k, (decay, steps) in enumerate(zip(c.anneal_lambdas, c.anneal_steps, strict=True)):
        track = train(
            setting.problem,
            single_sample,
            branch,
            steps,
            stream=100 + k,
            label="offshoots",
            lr=c.anneal_eta,
            weight_decay=2 * decay,
            **common,
        )
        branch = track.end
        matrices.append(track.A[:, -1].reshape(*shape, 2, 2))
    A = np.stack(matrices)
    observed = A[..., [i for i, _ in OBSERVED], [j for _, j in OBSERVED]]
    fits = ((observed - np.asarray(setting.values)) ** 2).sum(axis=-1) / (2 * len(OBSERVED))
    axes = ("stage", "checkpoint", "seed")
    return {
        "checkpoint": (("checkpoint",), main.steps[kept], "steps of the main run"),
        "checkpoint_ratio": (("checkpoint", "seed"), main.ratio[:, kept].T, "s2/s1 of the main run at the checkpoint"),
        "test_error": (axes, (A[..., 0, 1] - 1 / c.epsilon) ** 2, "squared error of the unobserved entry"),
        "train_error": (axes, fits, "train error without the penalty"),
    }


def forced_column(setting: Setting, start: Weights) -> Variables:
    """Only entries of column 0 for T steps, then free SGD: a way to rank 1 of positive probability."""
    c = setting.config
    run = simulate(
        setting.problem,
        ForcedSGD(c.forced_eta, 0.0, FIRST_COLUMN, 2 * c.forced_lambda),
        start,
        steps=c.forced_steps[-1] + c.free_steps,
        probes={"ratio": singular_ratio},
        record=1,
        seeds=c.seeds,
        seed=c.seed,
        stream=4,
        sweep={"duration": c.forced_steps},
        label="forced column",
    )
    return {
        "forced_ratio": (("seed", "forced"), run.data.ratio[..., -1].values, "s2/s1 at the end, after T forced steps"),
    }


def langevin(setting: Setting) -> Variables:
    """Gradient descent with isotropic Gaussian noise, from the rank-1 minimum."""
    c = setting.config
    run = simulate(
        setting.problem,
        IsotropicNoise(c.demo_eta, 0.0, weight_decay=2 * c.demo_lambda),
        setting.factors(setting.rank_one(c.demo_lambda)),
        steps=c.langevin_steps,
        probes={"ratio": singular_ratio},
        record=min(RECORDS, c.langevin_steps),
        seeds=c.seeds,
        seed=c.seed,
        stream=5,
        sweep={"std": c.sigmas},
        label="isotropic noise",
    )
    ratio, axes = run.data.ratio.values, ("seed", "sigma")
    return {
        "langevin_escaped": (axes, (ratio > DIFFUSED).any(axis=-1), "escape from rank 1 under isotropic noise"),
        "langevin_floor": (axes, np.median(ratio, axis=-1), "median s2/s1 along the run"),
    }


def adversarial(setting: Setting) -> Variables:
    """Near rank 1, at every step the entry after which s2 is largest."""
    c = setting.config
    A = setting.rank_one(c.demo_lambda)
    starts = flatten(stack([planted(A, s2, c.layers, c.seed, c.seeds) for s2 in c.adversarial_s2]), 2)

    def adversary(lr: Any, weight_decay: Any) -> AdversarialSGD:
        return AdversarialSGD(lr, second_singular_value, weight_decay)

    track = train(
        setting.problem,
        adversary,
        starts,
        c.adversarial_steps,
        seed=c.seed,
        stream=6,
        label="adversarial order",
        block=setting.block,
        lr=c.demo_eta,
        weight_decay=2 * c.demo_lambda,
    )
    shape = (len(c.adversarial_s2), c.seeds)
    escaped = (track.ratio[:, -1] > RETURNED).reshape(shape)
    peak = track.ratio.max(axis=1).reshape(shape)
    return {
        "adversarial_escaped": (("planted_s2", "seed"), escaped, "s2/s1 > 0.02 at the end of an adversarial order"),
        "adversarial_peak": (("planted_s2", "seed"), peak, "largest s2/s1 along it, the start left out"),
    }


def closure(setting: Setting) -> Variables:
    """Whether any branch of SGD leads out of B_1, for pairs of regions and hyper-parameters."""
    c = setting.config
    arms = (
        ("theorem regime", TIGHT, c.closure_eta, c.demo_lambda),
        ("wider region", LOOSE, 5 * c.closure_eta, c.demo_lambda),
        ("demo regime", TIGHT, c.demo_eta, c.demo_lambda),
        ("weak decay", TIGHT, c.closure_eta, c.weak_lambda),
    )
    A = setting.rank_one(c.demo_lambda)
    begun = {
        region: starts_inside(region, A, c.layers, spread, c.seed, c.trials)
        for region, spread in ((TIGHT, c.closure_noise), (LOOSE, 3 * c.closure_noise))
    }
    track = train(
        setting.problem,
        single_sample,
        flatten(stack([begun[region][0] for _, region, _, _ in arms]), 2),
        c.closure_steps,
        seed=c.seed,
        stream=7,
        label="closure",
        block=setting.block,
        lr=np.repeat([eta for _, _, eta, _ in arms], c.trials),
        weight_decay=2 * np.repeat([decay for *_, decay in arms], c.trials),
    )
    factors = track.factors.reshape(len(arms), c.trials, len(track.steps), -1)
    left = []
    for (_, region, eta, decay), path in zip(arms, factors, strict=True):
        starts, inside = begun[region]
        later = unflatten(path, like=setting.start)
        points = tuple(np.concatenate([W[:, None], Ws], axis=1) for W, Ws in zip(starts, later, strict=True))
        out = np.asarray(leaves_region(setting.problem, region, points, eta, 2 * decay))
        left.append(np.where(inside, out.astype(float), np.nan))
    return {
        "regime": (("regime",), [name for name, *_ in arms], "region and hyper-parameters"),
        "closure_eta": (("regime",), [eta for _, _, eta, _ in arms], "step size"),
        "closure_lambda": (("regime",), [decay for *_, decay in arms], "lambda"),
        "left_region": (("regime", "trial"), np.stack(left), "whether a branch leads out of B_1 (NaN: no start)"),
    }


def width(setting: Setting, start: Weights) -> Variables:
    """The same draws with w = 2, with w = 10 and zeros, and with w = 10 from a random start."""
    c = setting.config
    common = {
        "steps": c.width_steps,
        "seed": c.seed,
        "stream": 8,
        "lr": c.demo_eta,
        "weight_decay": 2 * c.demo_lambda,
    }
    narrow = train(
        setting.problem, single_sample, repeat(start, c.seeds), label="narrow", block=setting.block, **common
    )
    keys = jax.vmap(jax.random.key)(np.arange(c.seed, c.seed + c.seeds))
    drawn = tuple(map(np.asarray, _random(keys, c.layers, c.width)))
    embedded = repeat(tuple(map(np.asarray, deep_linear.embed(tuple(map(jnp.asarray, start)), c.width))), c.seeds)
    found: Variables = {}
    for name, starts in (("embedded", embedded), ("random", drawn)):
        wide = train(setting.problem, single_sample, starts, label="wide", **common)
        gap = np.abs(wide.A[:, :, 0, 1] - narrow.A[:, :, 0, 1]).max(axis=1)
        found[f"{name}_gap"] = (("seed",), gap, f"largest difference of A01 to the narrow network, {name} start")
    return found


@partial(jax.jit, static_argnums=(1, 2))
def _random(keys: Any, layers: int, width: int) -> tuple[Float[Array, "seeds rows columns"], ...]:
    return jax.vmap(lambda key: deep_linear.random(key, (2, 2), layers, width))(keys)
