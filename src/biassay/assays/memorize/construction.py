"""The construction on drawn data: exactness in rationals and in floats, size, operations, several outputs."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Shaped

from ...references.memorizing_network import MemorizingNetwork, memorize
from ...references.memorizing_plateaus import Order, memorize_line
from .config import Config
from .operations import eliminate, operations

ORDERS: tuple[Order, ...] = ("balanced", "zigzag")
VARIANTS = ("balanced", "zigzag", "float32", "unit dropped")
"""The construction; with the paper's order; in single precision; and with one unit of the first layer removed."""
DROPPED = 20
"""How many units of the first layer are dropped, one at a time, where it has more."""
MOST_SIGNS = 200_000
"""The largest number of points at which every sign is evaluated; beyond, those at the checked points."""
MOST_AS_RELUS = 10_000
"""The largest number of points at which the ReLU form is evaluated; it needs four times the products."""
BLOCK = 5_000
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


def without_unit(network: MemorizingNetwork, unit: int = 0) -> MemorizingNetwork:
    """The network without one of the first layer's hard-tanh units, which all nodes of the second layer use."""
    V = network.line.V.copy()
    V[:, :, unit] = 0
    return network._replace(line=network.line._replace(V=V))


def least_error_without_a_unit(network: MemorizingNetwork, points: Points) -> float:
    """The largest error without one unit of the first layer, for the unit that is missed least.

    Each of up to `DROPPED` units, spread evenly over the first layer, is dropped by itself. The error is that at the
    points of the unit's own segment and of the one before it, which is no more than the largest error of all.
    """
    line = network.line
    p = len(line.a)
    c = points.x @ network.u
    order = np.argsort(c)
    ends = np.searchsorted(c[order], (1 - line.b) / line.a)
    starts = np.concatenate([[0], ends[:-1]])
    errors = []
    for unit in np.unique(np.linspace(0, p - 1, DROPPED).astype(int)):
        near = order[starts[max(unit - 1, 0)] : ends[unit]]
        errors.append(np.abs(without_unit(network, unit)(points.x[near]) - points.y[near]).max())
    return float(min(errors))


def error_as_relus(network: MemorizingNetwork, points: Points, most: int) -> float:
    """The largest error of the ReLU form at up to `most` points, in blocks."""
    (W_1, b_1), (W_2, b_2), (W_3, b_3) = network.relu_layers()
    worst = 0.0
    for start in range(0, min(most, len(points.x)), BLOCK):
        block = slice(start, min(most, start + BLOCK))
        h = np.maximum(points.x[block] @ W_1.T + b_1, 0)
        h = np.maximum(h @ W_2.T + b_2, 0)
        worst = max(worst, float(np.abs((h @ W_3.T + b_3)[:, 0] - points.y[block]).max()))
    return worst


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
    as_relus, estimate, needed = (np.full(shape[1:], np.nan) for _ in range(3))
    for i in range(config.draws):
        seed = config.seed + i
        for k, n in enumerate(config.points):
            drawn = draw_points(seed, n, config.d)
            real, signs = (
                # The zigzag is meant to fail: it is built whatever its rounding error.
                {order: memorize(drawn.x, labels, order=order, seed=seed, check=False) for order in ORDERS}
                for labels in (drawn.y, drawn.sign)
            )
            built = real["balanced"]
            sizes[i, k], gaps[i, k] = built.hidden_weights / n, built.gap
            estimate[i, k], needed[i, k] = built.rounding_error, least_error_without_a_unit(built, drawn)
            if n <= MOST_AS_RELUS:
                as_relus[i, k] = error_as_relus(built, drawn, config.checked)
            some = slice(config.checked)
            for v, name in enumerate(VARIANTS):
                own = _variant(real, name)
                off = np.abs(own(drawn.x[some]) - drawn.y[some])
                error[v, i, k], fitted[v, i, k] = off.max(), (off < FITTED).mean()
                largest[v, i, k] = np.abs(own.line.V).max()
                if name != "unit dropped":
                    counted = slice(config.checked if n > MOST_SIGNS else None)
                    f = _variant(signs, name)(drawn.x[counted])
                    right[v, i, k] = (f * drawn.sign[counted] > 0).mean()
    axes, points = ("variant", "draw", "points"), ("draw", "points")
    return xr.Dataset(
        {
            "error": (axes, error, {"long_name": "largest error, labels in [-1, 1]"}),
            "right": (axes, right, {"long_name": "share of random signs reproduced"}),
            "fitted": (axes, fitted, {"long_name": "share of outputs within 0.1 of their labels"}),
            "largest_weight": (axes, largest, {"long_name": "largest weight of the second layer"}),
            "weights_per_point": (points, sizes, {"long_name": "hidden weights per point"}),
            "relu_error": (points, as_relus, {"long_name": "largest error of the ReLU form"}),
            "rounding_error": (points, estimate, {"long_name": "rounding error estimated when the network is built"}),
            "error_without_a_unit": (points, needed, {"long_name": "least error without one unit of the first layer"}),
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
    small, dense = np.zeros((2, config.draws, len(config.dense_points)))

    def on_the_line(seed: int, n: int) -> int:
        x, y, _ = draw_points(seed, n, 1)
        return operations(memorize_line, x[:, 0], y[:, None])

    for i in range(config.draws):
        for k, n in enumerate(config.counted_points):
            line[i, k] = on_the_line(config.seed + i, n)
        for k, n in enumerate(config.dense_points):
            small[i, k] = on_the_line(config.seed + i, n)
            x, y, _ = draw_points(config.seed + i, n, config.d)
            rng = np.random.default_rng((4, config.seed + i, n))
            features = np.maximum(x @ rng.normal(size=(config.d, n)) + rng.normal(size=n), 0)
            dense[i, k] = operations(eliminate, features, y)
    return xr.Dataset(
        {
            "operations": (("draw", "counted_n"), line, {"long_name": "operations of the construction"}),
            "small_operations": (("draw", "dense_n"), small, {"long_name": "operations of the construction"}),
            "dense_operations": (("draw", "dense_n"), dense, {"long_name": "operations of a dense solve"}),
        },
        coords={"counted_n": list(config.counted_points), "dense_n": list(config.dense_points)},
    )


def other_sizes(config: Config) -> xr.Dataset:
    """Errors and signs at further numbers of points and coordinates, at up to `checked` points; nothing is judged."""
    shape = (config.draws, len(config.other_sizes))
    error, right, estimate = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for i in range(config.draws):
        for k, (n, d) in enumerate(config.other_sizes):
            x, y, sign = draw_points(config.seed + i, n, d)
            some = slice(config.checked)
            real, signs = (memorize(x, labels, seed=config.seed + i, check=False) for labels in (y, sign))
            error[i, k], estimate[i, k] = np.abs(real(x[some]) - y[some]).max(), real.rounding_error
            right[i, k] = (signs(x[some]) * sign[some] > 0).mean()
    axes = ("draw", "other")
    return xr.Dataset(
        {
            "other_error": (axes, error, {"long_name": "largest error"}),
            "other_right": (axes, right, {"long_name": "share of random signs reproduced"}),
            "other_rounding_error": (axes, estimate, {"long_name": "rounding error estimated at the build"}),
        },
        coords={
            "other_points": ("other", [n for n, _ in config.other_sizes], {"long_name": "points N"}),
            "other_d": ("other", [d for _, d in config.other_sizes], {"long_name": "input coordinates"}),
        },
        attrs={"checked": config.checked},
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
