"""The construction on drawn data: exactness in rationals and in floats, size, operations, several outputs."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Shaped

from ...references.memorizing_network import MemorizingNetwork, memorize
from ...references.memorizing_plateaus import memorize_line
from .config import Config
from .operations import eliminate, operations

VARIANTS = ("balanced", "zigzag", "float32", "unit dropped")
"""The construction; with the paper's order; in single precision; and with one unit of the first layer removed."""
FITTED = 0.1
"""An output counts as fitted within this distance of its label."""


class Points(NamedTuple):
    """x: (n, d) from N(0, I); y: (n,) uniform in [-1, 1]; sign: (n,) random signs."""

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    sign: Float[np.ndarray, " n"]


def draw_points(seed: int, n: int, d: int) -> Points:
    """The data of a seed at n points."""
    rng = np.random.default_rng((3, seed, n))
    return Points(rng.normal(size=(n, d)), rng.uniform(-1, 1, n), rng.choice([-1.0, 1.0], n))


def fractions(values: Float[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """The same numbers as rationals, exactly."""
    return np.array([Fraction(v) for v in values.ravel()], object).reshape(values.shape)


def without_unit(network: MemorizingNetwork) -> MemorizingNetwork:
    """The network without the first layer's first hard-tanh unit, which all nodes of the second layer use."""
    V = network.line.V.copy()
    V[:, :, 0] = 0
    return network._replace(line=network.line._replace(V=V))


def exact(config: Config) -> xr.Dataset:
    """How many points of each data set are missed in rational arithmetic, and with one weight off by a thousandth."""
    missed = np.zeros((2, config.draws, len(config.exact_points)), int)
    for i in range(config.draws):
        for k, n in enumerate(config.exact_points):
            drawn = draw_points(config.seed + i, n, 1)
            c, y = fractions(drawn.x[:, 0]), fractions(drawn.y)[:, None]
            network = memorize_line(c, y)
            missed[0, i, k] = (network(c) != y).sum()
            network.V[0, 0, 0] += Fraction(1, 1000)
            missed[1, i, k] = (network(c) != y).sum()
    words = {"long_name": "points missed in rational arithmetic"}
    return xr.Dataset(
        {"missed": (("weights", "draw", "exact_n"), missed, words)},
        coords={"weights": ["exact", "one off by 1/1000"], "exact_n": list(config.exact_points)},
    )


def in_floats(config: Config) -> xr.Dataset:
    """Errors, signs, weights and size of the variants at every number of points."""
    shape = (len(VARIANTS), config.draws, len(config.points))
    error, right, fitted, largest = (np.full(shape, np.nan) for _ in range(4))
    sizes, gaps = np.zeros(shape[1:]), np.zeros(shape[1:])
    for i in range(config.draws):
        for k, n in enumerate(config.points):
            x, y, sign = draw_points(config.seed + i, n, config.d)
            real, signs = (
                {order: memorize(x, labels, order=order, seed=config.seed + i) for order in ("balanced", "zigzag")}
                for labels in (y, sign)
            )
            sizes[i, k], gaps[i, k] = real["balanced"].hidden_weights / n, real["balanced"].gap
            some = slice(config.checked)
            for v, name in enumerate(VARIANTS):
                own = _variant(real, name)
                off = np.abs(own(x[some]) - y[some])
                error[v, i, k], fitted[v, i, k] = off.max(), (off < FITTED).mean()
                largest[v, i, k] = np.abs(own.line.V).max()
                if name in ("balanced", "zigzag"):
                    right[v, i, k] = (_variant(signs, name)(x) * sign > 0).mean()
    axes, points = ("variant", "draw", "points"), ("draw", "points")
    return xr.Dataset(
        {
            "error": (axes, error, {"long_name": "largest error, labels in [-1, 1]"}),
            "right": (axes, right, {"long_name": "share of random signs reproduced"}),
            "fitted": (axes, fitted, {"long_name": "share of outputs within 0.1 of their labels"}),
            "largest_weight": (axes, largest, {"long_name": "largest weight of the second layer"}),
            "weights_per_point": (points, sizes, {"long_name": "hidden weights per point"}),
            "gap": (points, gaps, {"long_name": "smallest gap of the projection over its range"}),
        },
        coords={"variant": list(VARIANTS), "points": ("points", list(config.points), {"long_name": "points N"})},
    )


def _variant(built: dict[str, MemorizingNetwork], name: str) -> MemorizingNetwork:
    if name == "float32":
        return built["balanced"].astype(np.float32)
    return without_unit(built["balanced"]) if name == "unit dropped" else built[name]


def counted(config: Config) -> xr.Dataset:
    """Operations of the construction on a line, sort included, and of a dense solve for random features."""
    line = np.zeros((config.draws, len(config.counted_points)))
    dense = np.zeros((config.draws, len(config.dense_points)))
    for i in range(config.draws):
        for k, n in enumerate(config.counted_points):
            x, y, _ = draw_points(config.seed + i, n, 1)
            line[i, k] = operations(memorize_line, x[:, 0], y[:, None])
        for k, n in enumerate(config.dense_points):
            x, y, _ = draw_points(config.seed + i, n, config.d)
            rng = np.random.default_rng((4, config.seed + i, n))
            features = np.maximum(x @ rng.normal(size=(config.d, n)) + rng.normal(size=n), 0)
            dense[i, k] = operations(eliminate, features, y)
    return xr.Dataset(
        {
            "operations": (("draw", "counted_n"), line, {"long_name": "operations of the construction"}),
            "dense_operations": (("draw", "dense_n"), dense, {"long_name": "operations of a dense solve"}),
        },
        coords={"counted_n": list(config.counted_points), "dense_n": list(config.dense_points)},
    )


def several_outputs(config: Config) -> xr.Dataset:
    """Random classes, one-hot: errors, decisions and size; beside them the same outputs against permuted labels."""
    n, shape = config.class_points, (2, config.draws)
    error, right, fitted, sizes = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(config.draws)
    for i in range(config.draws):
        rng = np.random.default_rng((5, config.seed + i))
        x, label = rng.normal(size=(n, config.d)), rng.integers(0, config.classes, n)
        one_hot = 2.0 * np.eye(config.classes) - 1
        network = memorize(x, one_hot[label], seed=config.seed + i)
        f, sizes[i] = network(x), network.hidden_weights / (n * config.classes)
        for k, compared in enumerate((label, rng.permutation(label))):
            off = np.abs(f - one_hot[compared])
            error[k, i], fitted[k, i] = off.max(), (off < FITTED).mean()
            right[k, i] = (f.argmax(axis=1) == compared).mean()
    axes = ("labels", "draw")
    return xr.Dataset(
        {
            "class_error": (axes, error, {"long_name": "largest error of an output"}),
            "class_right": (axes, right, {"long_name": "share of right decisions"}),
            "class_fitted": (axes, fitted, {"long_name": "share of outputs within 0.1 of their labels"}),
            "class_weights": ("draw", sizes, {"long_name": "hidden weights per point and output"}),
        },
        coords={"labels": ["own", "permuted"]},
    )
