"""How gradient descent walks to a solution: length of the path, distance, spectrum of J, and the nearest solution.

All measurements are taken on the host, in NumPy, from the parameters at the checkpoints; only the length of the path
is added up along the run, where every step counts.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from ...dynamics import GradientDescent, Travelled
from ...references import NearestMinimum, nearest_minimum
from ...simulation import PerSeed, Simulation, simulate
from .config import Config
from .linearised import linear_descent
from .smooth_network import jacobian, least_squares, outputs, pull_back, tangent_kernel

CONVERGED = 1e-3
"""The search for the nearest solution has converged where the part along the manifold is below this."""
_TOLERANCE = 5e-4
_EARLY = 14
_PART = 1


class Points(NamedTuple):
    """One seed's points: x (n, d) of norm one, y (n,), and the start W (m, d)."""

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    W: Float[np.ndarray, "m d"]


def draw(config: Config, seed: int, m: int) -> Points:
    """The points of a seed; the first neurons of a wide network are those of a narrow one."""
    rng = np.random.default_rng((_PART, seed))
    x, y = rng.normal(size=(config.n, config.d)), rng.normal(size=config.n)
    return Points(x / np.linalg.norm(x, axis=1, keepdims=True), y, rng.normal(size=(m, config.d)))


def checkpoint_steps(steps: int, checkpoints: int) -> Int[np.ndarray, " checkpoint"]:
    """0, `_EARLY` steps that grow geometrically, and `checkpoints` evenly spaced ones, the last of them `steps`."""
    even = np.linspace(0, steps, checkpoints + 1).round().astype(int)
    early = np.geomspace(1, even[1], _EARLY + 1).round().astype(int)[:-1]
    for i in range(1, len(early)):
        early[i] = max(early[i], early[i - 1] + 1)
    return np.concatenate([[0], early, even[1:]])


class Walk(NamedTuple):
    """One width: the seeds' points, eta (seed,), the checkpoints' steps, W at each (seed, checkpoint, m, d), and the
    length of the path up to each (seed, checkpoint)."""

    points: list[Points]
    eta: Float[np.ndarray, " seed"]
    steps: Int[np.ndarray, " checkpoint"]
    W: Float[np.ndarray, "seed checkpoint m d"]
    path: Float[np.ndarray, "seed checkpoint"]


def walk(config: Config, m: int) -> Walk:
    """Gradient descent at width m with eta = step_factor / beta_0^2, stopped at every checkpoint to be looked at."""
    collapsed = m == config.collapsed
    seeds, steps = (config.collapsed_seeds, config.collapsed_steps) if collapsed else (config.seeds, config.steps)
    points = [draw(config, config.seed + i, m) for i in range(seeds)]
    x, y, W = (jnp.asarray(np.stack(part)) for part in zip(*points, strict=True))
    beta = np.array([np.linalg.norm(jacobian(p.W, p.x), 2) for p in points])
    eta = config.step_factor / beta**2
    stops = checkpoint_steps(steps, config.checkpoints)
    run: Simulation | None = None
    places, lengths = [np.asarray(W)], [np.zeros(seeds)]
    for stop in stops[1:].tolist():
        run = simulate(
            PerSeed(least_squares(x, y)),
            PerSeed(Travelled(GradientDescent(jnp.asarray(eta)))),
            PerSeed(W),
            steps=stop,
            record=[stop],
            seeds=seeds,
            seed=config.seed,
            resume=run,
            label=f"gradient descent, {m} neurons",
        )
        places.append(np.asarray(run.params))
        lengths.append(np.asarray(run.state.length))
    return Walk(points, eta, stops, np.stack(places, axis=1), np.stack(lengths, axis=1))


def nearest(at: Points, end: Float[np.ndarray, "m d"], slides: int) -> NearestMinimum:
    """The solution nearest to the start: slid from gradient descent's solution, the linear model's, and between them.

    The nearest of the three counts. It is a local minimum of the distance, and an upper bound on the least one.
    """

    def residual(theta: np.ndarray) -> np.ndarray:
        return outputs(theta.reshape(at.W.shape), at.x) - at.y

    def slopes(theta: np.ndarray) -> np.ndarray:
        return jacobian(theta.reshape(at.W.shape), at.x)

    anchor = at.W.ravel()
    linear = anchor - np.linalg.lstsq(slopes(anchor), residual(anchor), rcond=None)[0]
    found = [
        nearest_minimum(residual, slopes, start, anchor, slides=slides, tolerance=_TOLERANCE)
        for start in (end.ravel(), linear, (end.ravel() + linear) / 2)
    ]
    return min(found, key=lambda solution: solution.distance)


def measure(path: Walk) -> dict[str, np.ndarray]:
    """What is told of every width, with the axes (seed, checkpoint), and the step size and the steps themselves."""
    found: dict[str, list[np.ndarray]] = {}
    for at, W in zip(path.points, path.W, strict=True):
        spectra = np.linalg.eigvalsh(np.stack([tangent_kernel(w, at.x) for w in W]))
        r = np.stack([outputs(w, at.x) - at.y for w in W])
        squared = (r**2).sum(axis=1)
        slope = np.array([(pull_back(w, at.x, rk) ** 2).sum() for rk, w in zip(r, W, strict=True)])
        numbers = {
            "residual": np.sqrt(squared),
            "distance": np.linalg.norm((W - at.W).reshape(len(W), -1), axis=1),
            "alpha": np.sqrt(np.maximum(spectra[:, 0], 0)),
            "beta": np.sqrt(spectra[:, -1]),
            "pl_ratio": slope / (spectra[:, 0] * squared),
            "pl_ratio_largest": slope / (spectra[:, -1] * squared),
        }
        for name, value in numbers.items():
            found.setdefault(name, []).append(value)
    stacked = {name: np.stack(values) for name, values in found.items()}
    return stacked | {"path": path.path, "eta": path.eta, "step": path.steps}


def compare(path: Walk, slides: int) -> dict[str, np.ndarray]:
    """What runs that reach a solution are compared with: the nearest solution and the linearised model."""
    found: dict[str, list[np.ndarray]] = {}
    for at, W, eta in zip(path.points, path.W, path.eta, strict=True):
        moved = (W - at.W).reshape(len(W), -1)
        close = nearest(at, W[-1], slides)
        towards = (close.theta - at.W.ravel()) / close.distance
        along = moved @ towards
        linear = linear_descent(tangent_kernel(at.W, at.x), outputs(at.W, at.x) - at.y, float(eta), path.steps)
        numbers = {
            "along": along,
            "across": np.linalg.norm(moved - along[:, None] * towards, axis=1),
            "linear_path": linear.path,
            "linear_distance": linear.distance,
            "linear_along": linear.along,
            "nearest": np.array(close.distance),
            "nearest_residual": np.array(close.residual),
            "tangential": np.array(close.tangential),
            "nearest_converged": np.array(close.tangential < CONVERGED),
        }
        for name, value in numbers.items():
            found.setdefault(name, []).append(value)
    return {name: np.stack(values) for name, values in found.items()}


WORDS = {
    "residual": "residual norm |f - y|",
    "distance": "distance from the start",
    "alpha": "smallest singular value of the Jacobian",
    "beta": "largest singular value of the Jacobian",
    "pl_ratio": "|grad L|^2 / (2 lambda_min L)",
    "pl_ratio_largest": "|grad L|^2 / (2 lambda_max L)",
    "along": "displacement towards the nearest solution",
    "across": "displacement across that direction",
    "linear_path": "length of the linearised model's path",
    "linear_distance": "distance of the linearised model from the start",
    "linear_along": "displacement of the linearised model towards its nearest solution",
    "nearest": "distance of the start from the nearest solution found",
    "nearest_residual": "residual norm at the nearest solution found",
    "tangential": "part along the manifold of the nearest solution's displacement",
    "nearest_converged": "whether the search converged; where not, the nearest distance is only an upper bound",
    "path": "length of the path",
    "eta": "step size",
}


def measure_paths(config: Config) -> xr.Dataset:
    """All widths of part one, with the axes (seed, m, checkpoint); the collapsed one has its own seeds."""
    widths = (*config.narrow, *config.wide)
    walks = [walk(config, m) for m in widths]
    rows = [measure(path) | compare(path, config.slides) for path in walks]
    collapsed = measure(walk(config, config.collapsed))
    data = xr.Dataset(
        coords={
            "seed": ("seed", _seeds(config, config.seeds), {"long_name": "seed of part one"}),
            "m": ("m", list(widths), {"long_name": "neurons"}),
            "wide": ("m", np.isin(widths, config.wide), {"long_name": "whether the statements are made at this width"}),
            "step": (("m", "checkpoint"), np.stack([row["step"] for row in rows]), {"long_name": "steps taken"}),
            "collapsed_seed": ("collapsed_seed", _seeds(config, config.collapsed_seeds), {"long_name": "seed"}),
            "collapsed_step": ("checkpoint", collapsed["step"], {"long_name": "steps taken at the collapsed width"}),
        }
    )
    for name, words in WORDS.items():
        values = np.stack([row[name] for row in rows], axis=1)
        data[name] = (("seed", "m", "checkpoint")[: values.ndim], values, {"long_name": words})
        if name in collapsed:
            axes = ("collapsed_seed", "checkpoint")[: collapsed[name].ndim]
            data[f"collapsed_{name}"] = (axes, collapsed[name], {"long_name": f"{words}, collapsed width"})
    data["near_width"] = ((), config.near_width, {"long_name": "width at which near-minimal distance is judged"})
    data["collapsed_m"] = ((), config.collapsed, {"long_name": "neurons of the collapsed width"})
    data["n"] = ((), config.n, {"long_name": "points of part one"})
    return data


def _seeds(config: Config, count: int) -> np.ndarray:
    return np.arange(config.seed, config.seed + count)
