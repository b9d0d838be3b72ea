"""The splitting on the convolutional ReLU network with a sparse truth.

    u <- prox_{lambda/beta}(w)
    w <- w - eta grad L(w) - eta beta (w - u),     then w <- w / |w| in the variant "normalised".

Every seed has a truth w* and a start w0 of its own, both on the unit sphere. L is the population risk in closed form:
nothing is sampled. The penalties are compared at one lambda, and at the lambdas that give them l1's threshold.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...dynamics import Penalty, RelaxedSplitting, sparse_params
from ...models import conv_neuron
from ...probes import weights
from ...simulation import PerSeed, Simulation, log_steps, simulate
from .config import BETA, LAM, LOST_LAM, RECORDS, Config
from .predictions import PENALTIES, first_order_angle, penalty_named

Variables: TypeAlias = dict[str, tuple[Any, ...]]

COMPARISONS = ("equal lambda", "equal threshold")
VARIANTS = ("normalised", "free")
PATHS = (f"λ = {LAM:g}", f"λ = {LOST_LAM:g}", "unstable step size")
"""The paths that are kept, at the judged beta: normalised at two lambdas; the control, free, at the first of them."""

_CELL = ("compare", "penalty", "variant", "beta", "lam", "seed")


class Instances(NamedTuple):
    """Truths with `nonzeros` entries of sizes uniform in [0.5, 1.5] before w* is normalised, and uniform starts."""

    truth: Float[np.ndarray, "seed d"]
    start: Float[np.ndarray, "seed d"]


def draw(seed: int, seeds: int, d: int, nonzeros: int) -> Instances:
    """One truth and one start a seed, each the same whichever others are drawn."""

    def one(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        truth, support = np.zeros(d), rng.choice(d, nonzeros, replace=False)
        truth[support] = rng.uniform(0.5, 1.5, nonzeros) * rng.choice([-1, 1], nonzeros)
        start = rng.normal(size=d)
        return truth / np.linalg.norm(truth), start / np.linalg.norm(start)

    drawn = [one(np.random.default_rng(seed + i)) for i in range(seeds)]
    return Instances(*(np.stack(part) for part in zip(*drawn, strict=True)))


class Runs(NamedTuple):
    """The trained neurons of one penalty and beta, and how far the Lagrangian rose at three step sizes.

    w, u have shape (lane, variant, seed, d); the rises (lane, variant, seed); the paths of w (lane, seed, record, d),
    the normalised one at the step size of the config and the free one at the unstable one.
    """

    w: np.ndarray
    u: np.ndarray
    rise: np.ndarray
    rise_limit: np.ndarray
    rise_unstable: np.ndarray
    path: np.ndarray
    unstable_path: np.ndarray


def safe_lr(beta: float, k: int) -> float:
    """1 / (beta + 2a/k^2), the inverse of the largest curvature at the truth."""
    a, _ = conv_neuron.constants(k)
    return 1 / (beta + 2 * a / k**2)


def record_steps(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The recorded steps of the runs and of their controls: as many, so that one program serves both."""
    usual = np.array(log_steps(config.steps, RECORDS))
    return usual, np.linspace(0, config.edge_steps, len(usual)).round().astype(int)


def _train(config: Config, drawn: Instances, penalty: Penalty, beta: float, lams: np.ndarray, name: str) -> Runs:
    """Every lambda in both variants, from every start: one compiled program for all step sizes and betas."""
    usual, edge = record_steps(config)

    def trained(lr: float, steps: np.ndarray) -> Simulation:
        return simulate(
            PerSeed(conv_neuron.population_problem(jnp.asarray(drawn.truth), config.k)),
            RelaxedSplitting(lr, penalty, 0.0, beta, 0.0),
            PerSeed(jnp.asarray(drawn.start)),
            steps=int(steps[-1]),
            probes={"w": weights},
            record=steps.tolist(),
            seeds=config.seeds,
            seed=config.seed,
            sweep={"lam": lams.tolist(), "normalise": (1.0, 0.0)},
            label=f"{name}, β = {beta:g}, η = {lr:.3g}",
        )

    def by_lane(values: Array) -> np.ndarray:
        return np.moveaxis(np.asarray(values), 0, 2)

    run, limit, unstable = (
        trained(lr, steps)
        for lr, steps in ((config.lr, usual), (safe_lr(beta, config.k), edge), (config.unstable_lr, edge))
    )
    paths = [np.moveaxis(r.data["w"].values[:, :, i], 0, 1) for i, r in enumerate((run, unstable))]
    rises = [by_lane(r.state.rise) for r in (run, limit, unstable)]
    return Runs(by_lane(run.params), by_lane(sparse_params(run.state)), *rises, *paths)


def lams_at_equal_threshold(config: Config, penalty: Any, beta: float) -> np.ndarray:
    """The lambdas at which `penalty` has the thresholds that l1 has at the config's, (lam,)."""
    return beta * np.asarray(penalty.strength(np.array(config.all_lams) / beta))


@partial(jax.jit, static_argnums=2)
def _risk_and_angle(
    w: Float[Array, "lane d"], truth: Float[Array, "lane d"], k: int
) -> tuple[Float[Array, " lane"], Float[Array, " lane"]]:
    return jax.vmap(lambda w, truth: (conv_neuron.population_risk(w, truth, k), conv_neuron.angle(w, truth)))(w, truth)


@partial(jax.jit, static_argnums=3)
def _gradient(
    w: Float[Array, "lane d"], pull: Float[Array, "lane d"], truth: Float[Array, "lane d"], k: int
) -> Float[Array, "lane d"]:
    """grad L(w) + pull, pull = beta (w - u) the spring's force."""
    return jax.vmap(lambda w, pull, truth: conv_neuron.population_gradient(w, truth, k) + pull)(w, pull, truth)


@partial(jax.jit, static_argnums=2)
def _refitted(u: Float[Array, "lane d"], truth: Float[Array, "lane d"], k: int) -> Float[Array, "lane d"]:
    return jax.vmap(lambda u, truth: conv_neuron.best_on_support(u, truth, k))(u, truth)


@eqx.filter_jit
def _prox(penalty: Penalty, truth: Float[Array, "seed d"], t: Float[Array, "lam 1 1"]) -> Float[Array, "lam seed d"]:
    """prox_t(w*) for every strength."""
    return penalty.prox(jnp.broadcast_to(truth, (len(t), *truth.shape)), t)


@eqx.filter_jit
def _zeros_and_springs(
    penalty: Penalty, w: Float[Array, "path seed record d"], lam: Float[Array, "path 1 1"]
) -> tuple[Float[Array, "path seed record"], Float[Array, "path seed record"]]:
    """The share of zeros in u, and what the Lagrangian adds to the risk, along the kept paths."""
    u = penalty.prox(w, lam[..., None] / BETA)
    value = jnp.apply_along_axis(penalty.value, -1, u)
    return jnp.mean(u == 0, axis=-1), lam * value + BETA / 2 * jnp.sum((w - u) ** 2, axis=-1)


def _rows(part: np.ndarray, shape: tuple[int, ...]) -> Float[Array, "lane d"]:
    """`part`, broadcast to `shape`, one row a lane."""
    return jnp.asarray(np.broadcast_to(part, shape).reshape(-1, shape[-1]))


def _over_lanes(function: Any, v: np.ndarray, truth: np.ndarray, k: int) -> Any:
    """function(v, truth, k) over all leading axes of v (..., d); truth broadcasts."""
    flat = [_rows(part, v.shape) for part in (v, truth)]
    return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(*v.shape[:-1], *leaf.shape[1:]), function(*flat, k))


def neuron(config: Config) -> Variables:
    """All penalties, springs, lambdas, variants and step sizes, from all starts."""
    drawn = draw(config.seed, config.seeds, config.d, config.nonzeros)
    truth, lams, k = drawn.truth, np.array(config.all_lams), config.k
    cells = (len(COMPARISONS), len(PENALTIES), len(VARIANTS), len(config.all_betas), len(lams), config.seeds)
    w, u, *by_threshold = (np.empty((*cells, config.d)) for _ in range(4))
    rises = [np.empty(cells) for _ in range(3)]
    used = np.empty((*cells[:2], *cells[3:5], 1))
    bias, threshold = np.empty((*used.shape[:-1], config.seeds)), np.empty(used.shape)
    paths, points = [], []

    for p, name in enumerate(PENALTIES):
        penalty = penalty_named(name, config.shape)
        for b, beta in enumerate(config.all_betas):
            matched = lams_at_equal_threshold(config, penalty, beta)
            # l1 is matched with itself, and so is every penalty without one: these lanes are not run twice.
            different = np.flatnonzero(~np.isclose(matched, lams, rtol=1e-9, atol=0))
            runs = _train(config, drawn, penalty, beta, np.concatenate([lams, matched[different]]), name)
            own = np.arange(len(lams))
            elsewhere = own.copy()
            elsewhere[different] = len(lams) + np.arange(len(different))
            for c, (lanes, values) in enumerate(((own, lams), (elsewhere, matched))):
                used[c, p, b, :, 0] = values
                threshold[c, p, b] = np.asarray(penalty.threshold(values / beta))[:, None]
                bias[c, p, b] = first_order_angle(penalty, truth, values[:, None], k)
                for whole, part in zip((w, u, *rises), runs[:5], strict=True):
                    whole[c, p, :, b] = np.moveaxis(part[lanes], 1, 0)
                for whole, share in zip(by_threshold, (1.0, 0.5), strict=True):
                    whole[c, p, :, b] = _prox(penalty, *map(jnp.asarray, (truth, share * values[:, None, None] / beta)))
            if beta == BETA:
                judged = [runs.path[config.all_lams.index(lam)] for lam in (LAM, LOST_LAM)]
                kept = np.stack([*judged, runs.unstable_path[config.all_lams.index(LAM)]])
                paths.append(kept)
                along = jnp.array([LAM, LOST_LAM, LAM])[:, None, None]
                points.append(_zeros_and_springs(penalty, jnp.asarray(kept), along))

    _, angle = _over_lanes(_risk_and_angle, w, truth, k)
    loss, _ = _over_lanes(_risk_and_angle, u, truth, k)
    refit = _over_lanes(_refitted, u, truth, k)
    pull = np.array(config.all_betas)[:, None, None, None] * (w - u)
    gradient = np.array(_gradient(*(_rows(part, w.shape) for part in (w, pull, truth)), k)).reshape(w.shape)
    turning = VARIANTS.index("normalised")  # where only the direction of w moves
    along = (gradient[:, :, turning] * w[:, :, turning]).sum(axis=-1, keepdims=True)
    gradient[:, :, turning] -= along * w[:, :, turning]
    path_risk, path_angle = _over_lanes(_risk_and_angle, np.stack(paths), truth[:, None], k)
    zeros, springs = np.stack([z for z, _ in points]), np.stack([s for _, s in points])
    usual, edge = record_steps(config)
    path = ("penalty", "path", "seed", "record")
    predicted = ("compare", "penalty", "beta", "lam")

    def size(v: np.ndarray) -> np.ndarray:
        return np.linalg.norm(v, axis=-1)

    return {
        "angle": (_CELL, angle, "angle between w and the truth (radians)"),
        "weight_error": (_CELL, size(w - truth), "|w − w*|"),
        "error": (_CELL, size(u - truth), "|u − w*|"),
        "refit_error": (_CELL, size(refit - truth), "|u − w*| after a refit on the support of u, without a penalty"),
        "zeros": (_CELL, (u == 0).mean(axis=-1), "share of exact zeros in u"),
        "exact": (_CELL, ((u != 0) == (truth != 0)).all(axis=-1), "whether u has exactly the support of the truth"),
        "dead": (_CELL, (u == 0).all(axis=-1), "whether u = 0"),
        "loss": (_CELL, loss, "population risk of u"),
        "from_threshold": (_CELL, size(u - by_threshold[0]), "|u − prox_t(w*)|, t = λ/β"),
        "from_half_threshold": (_CELL, size(u - by_threshold[1]), "|u − prox_(t/2)(w*)|, t = λ/β"),
        "rise": (_CELL, rises[0], "largest rise of the Lagrangian in one step"),
        "rise_limit": (_CELL, rises[1], "the same at η = 1 / (β + 2a/k²)"),
        "rise_unstable": (_CELL, rises[2], "the same at the unstable step size"),
        "left": (_CELL, size(gradient), "|∇L(w) + β(w − u)| at the end, across w where w is normalised"),
        "bias": ((*predicted, "seed"), bias, "angle predicted to first order in λ (radians)"),
        "lam_used": (predicted, used[..., 0], "λ that is run"),
        "threshold": (predicted, threshold[..., 0], "entries of w up to this size are zero in u"),
        "smallest": (("seed",), np.where(truth != 0, np.abs(truth), np.inf).min(axis=1), "smallest |w*ᵢ| not 0"),
        "safe_lr": (("beta",), [safe_lr(beta, k) for beta in config.all_betas], "1 / (β + 2a/k²)"),
        "path_angle": (path, path_angle, "angle between w and the truth along the way (radians)"),
        "path_zeros": (path, zeros, "share of exact zeros in u along the way"),
        "path_lagrangian": (path, path_risk + springs, "Lagrangian along the way"),
        "path_step": (("path", "record"), np.stack([usual, usual, edge]), "steps taken"),
    }
