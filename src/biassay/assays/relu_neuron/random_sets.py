"""Random realizable sets: how large the limit of a small start is, beside the smallest zero-loss solution.

For every zero-loss w* the distance |w - w*| never increases along the flow. From 0 it starts at |w*|, so that the limit
is within |w*| of w*, and |w_inf| <= 2 |w*|.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...dynamics import GradientDescent
from ...models.linear_regression import linear_regression
from ...probes import weights
from ...problem import Problem
from ...references.relu_neuron import min_norm_zero_loss, nearest_zero_loss
from ...simulation import PerSeed, log_steps, simulate
from .config import Config
from .neuron import neuron_problems, relu_loss, relu_neuron, small_start

Variables: TypeAlias = dict[str, tuple[Any, ...]]

ZERO_LOSS = 1e-16
"""A run whose loss ends below this has reached zero loss; the others are dropped, and counted."""
SOLUTIONS = ("minimum norm", "planted", "nearest to a random point")
"""The zero-loss solutions to which the distance is followed."""
STARTS = ("small", "N(0, I)", "5 N(0, I)")
"""Where the neuron starts."""

_FAR = (1.0, 5.0)
_RECORDS = 100
_STILL = 1e-6
_PROBES = {"w": weights}


class Sets(NamedTuple):
    """Realizable sets, y = relu(X planted), with three zero-loss solutions each in the order of `SOLUTIONS`."""

    X: Float[np.ndarray, "set n d"]
    y: Float[np.ndarray, "set n"]
    solutions: Float[np.ndarray, "set 3 d"]
    direction: Float[np.ndarray, "set d"]

    @property
    def usable(self) -> np.ndarray:
        """Whether some label is not 0, (set,)."""
        return (self.y != 0).any(axis=1)


def draw_sets(seed: int, sets: int, points: int, d: int) -> Sets:
    """One set a seed: X, the planted weights and the direction of the far starts ~ N(0, I)."""

    def one(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        X, planted, direction = rng.normal(size=(points, d)), rng.normal(size=d), rng.normal(size=d)
        y = np.maximum(X @ planted, 0)
        nearest = nearest_zero_loss(X, y, 5 * rng.normal(size=d))
        return X, y, np.stack([min_norm_zero_loss(X, y), planted, nearest]), direction

    drawn = [one(np.random.default_rng(seed + i)) for i in range(sets)]
    return Sets(*(np.stack(part) for part in zip(*drawn, strict=True)))


def _train(
    config: Config, problem: PerSeed[Problem], start: np.ndarray, label: str
) -> Float[np.ndarray, "set record d"]:
    """The weights along gradient descent from `start` (set, d), early steps recorded more finely."""
    run = simulate(
        problem,
        GradientDescent(config.set_lr),
        PerSeed(jnp.asarray(start)),
        steps=config.set_steps,
        probes=_PROBES,
        record=log_steps(config.set_steps, _RECORDS),
        seeds=config.sets,
        seed=config.seed,
        label=label,
    )
    return run.data["w"].values


def _largest_increase(w: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The largest increase of |w - point| from one record to the next; w (set, record, d), point (set, d)."""
    return np.diff(np.linalg.norm(w - point[:, None], axis=-1), axis=1).max(axis=1)


def random_sets(config: Config) -> Variables:
    """The ReLU neuron from a small start and from far ones, and a linear neuron, on every set."""
    data = draw_sets(config.seed, config.sets, config.points, config.d)
    X, y = data.X, data.y
    problem, small = neuron_problems(relu_neuron, X, y), small_start(X, y, config.start)
    smallest = np.linalg.norm(data.solutions[:, 0], axis=1)
    unit = np.where(data.usable, smallest, 1.0)

    starts = (small, *(scale * data.direction for scale in _FAR))
    paths = [_train(config, problem, w0, f"random sets, start {name}") for name, w0 in zip(STARTS, starts, strict=True)]
    w = paths[0]
    ends = np.stack([path[:, -1] for path in paths])
    loss = np.stack([relu_loss(X, y, end) for end in ends])
    converged = (loss < ZERO_LOSS) & data.usable
    norm = np.linalg.norm(ends, axis=-1) / unit

    line = _train(config, PerSeed(linear_regression(jnp.asarray(X), jnp.asarray(y))), small, "random sets, linear")[
        :, -1
    ]
    fitted = np.array([np.sum((x @ v - t) ** 2) / 2 for x, v, t in zip(X, line, y, strict=True)]) < ZERO_LOSS
    own = np.linalg.norm([np.linalg.pinv(x) @ t for x, t in zip(X, y, strict=True)], axis=-1)
    linear = np.linalg.norm(line, axis=-1) / np.where(data.usable, own, 1.0)

    z = np.einsum("snd,sd->sn", X, w[:, -1])
    gradient = np.einsum("sn,snd->sd", (np.maximum(z, 0) - y) * (z > 0), X)
    still = np.linalg.norm(gradient, axis=1) < _STILL
    apart = np.linalg.norm(w[:, -1] - data.solutions[:, 0], axis=1) / unit
    increases = [_largest_increase(w, data.solutions[:, k]) for k in range(len(SOLUTIONS))]
    return {
        "usable": (("set",), data.usable, "whether some label is not 0"),
        "converged": (("start", "set"), converged, f"whether the loss ends below {ZERO_LOSS:g}"),
        "stuck": (("set",), still & ~converged[0] & data.usable, "whether it rests at a positive loss"),
        "set_loss": (("start", "set"), loss, "loss at the end"),
        "norm": (
            ("start", "set"),
            np.where(data.usable, norm, np.nan),
            "norm at the end over the smallest norm of a zero-loss solution",
        ),
        "ratio": (("start", "set"), np.where(converged, norm, np.nan), "the same, where the loss ends at zero"),
        "linear_ratio": (("set",), np.where(fitted & data.usable, linear, np.nan), "the same of a linear neuron"),
        "apart": (("set",), np.where(converged[0], apart, np.nan), "|w − w*| / |w*| at the end, w* of minimum norm"),
        "increase": (("solution", "set"), np.stack(increases), "largest increase of |w − w*|"),
        "increase_mirrored": (("set",), _largest_increase(w, -data.solutions[:, 0]), "largest increase of |w + w*|"),
    }
