"""Weight decay on networks of any width against the convex program that it amounts to. Everything is float64.

Gradient descent minimises (1/2n) sum_i (f(x_i) - y_i)^2 + (decay/2) |theta|^2 for scalar networks of several widths on
points in the plane, from several starts; `references.convex_two_layer` knows the least value over all widths. The step
size falls to a thousandth, as at a constant one gradient descent does not settle on the kinks where optima may lie.
Gradient flow without decay conserves |w_j|^2 - v_j^2, which gradient descent follows by small steps without momentum.
"""

from __future__ import annotations

from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from ...dynamics import ExponentialDecay, GradientDescent
from ...models import two_layer
from ...models.two_layer import TwoLayer
from ...problem import Problem, half_squared_error
from ...references import convex_two_layer
from ...simulation import PerSeed, simulate
from .config import Config

Networks: TypeAlias = tuple[TwoLayer, ...]

LR, LR_LEFT, MOMENTUM = 0.02, 1e-3, 0.99
"""Step size at the start, the share of it at the end, and momentum."""
FREE_WIDTH, FREE_LR = 16, 0.01
"""The width that is trained without decay as well, and its step size: constant, and without momentum."""


def draw_points(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Every set's points, X ~ N(0, I) of shape (dataset, n, 2), and targets +-1, (dataset, n)."""
    rngs = [np.random.default_rng((config.seed + i, 1)) for i in range(config.convex_sets)]
    drawn = [(rng.normal(size=(config.points, 2)), rng.choice([-1.0, 1.0], config.points)) for rng in rngs]
    X, y = (np.stack(part) for part in zip(*drawn, strict=True))
    return X, y


def draw_starts(config: Config, widths: tuple[int, ...]) -> Networks:
    """W ~ N(0, 1), V ~ N(0, 1/H), with the leading axis of the lanes: those of the first set first."""

    def one(lane: int, H: int) -> TwoLayer:
        of_set, start = divmod(lane, config.convex_starts)
        rng = np.random.default_rng((config.seed + of_set, 2, start, H))
        return TwoLayer(jnp.asarray(rng.normal(size=(H, 2))), jnp.asarray(rng.normal(size=(H, 1)) / H**0.5))

    lanes = range(config.convex_sets * config.convex_starts)
    return tuple(jax.tree.map(lambda *leaves: jnp.stack(leaves), *(one(i, H) for i in lanes)) for H in widths)


def predict(params: Networks, x: Float[Array, "n 2"]) -> Float[Array, "n net"]:
    """The output of every network."""
    return jnp.stack([two_layer.predict_scalar(network, x) for network in params], axis=1)


def summed_error(outputs: Float[Array, "n net"], targets: Float[Array, " n"]) -> Float[Array, " n"]:
    """(f - y)^2 / 2, summed over the networks, which share nothing."""
    return half_squared_error(outputs, jnp.broadcast_to(targets[:, None], outputs.shape))


def descend(
    config: Config, X: np.ndarray, y: np.ndarray, start: Networks, dynamics: GradientDescent, label: str
) -> Networks:
    """The networks at the end of all steps from `start`, with the leading axes (dataset, start)."""
    lanes = config.convex_sets * config.convex_starts
    points, targets = (jnp.asarray(np.repeat(part, config.convex_starts, axis=0)) for part in (X, y))
    run = simulate(
        PerSeed(Problem(predict, points, targets, summed_error)),
        dynamics,
        PerSeed(start),
        steps=config.convex_steps,
        record=(config.convex_steps,),
        seeds=lanes,
        lanes="vmap",
        label=label,
    )
    return of_sets(config, run.params)


def of_sets(config: Config, networks: Networks) -> Networks:
    """The axis of the lanes as (dataset, start)."""
    shape = (config.convex_sets, config.convex_starts)
    return jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), networks)


def imbalance(network: TwoLayer) -> np.ndarray:
    """max_j |‖w_j‖ - |v_j|| of every network."""
    W, V = map(np.asarray, network)
    return np.abs(np.linalg.norm(W, axis=-1) - np.abs(V[..., 0])).max(axis=-1)


def conserved(network: TwoLayer) -> np.ndarray:
    """max_j |‖w_j‖^2 - v_j^2| of every network."""
    W, V = map(np.asarray, network)
    return np.abs(np.sum(W**2, axis=-1) - V[..., 0] ** 2).max(axis=-1)


def measured(config: Config, X: np.ndarray, y: np.ndarray, network: TwoLayer) -> tuple[np.ndarray, ...]:
    """Objective, imbalance and product norm of networks (dataset, start)."""
    W, V = map(np.asarray, network)
    outputs = np.sum(np.maximum(np.einsum("cnd,cshd->csnh", X, W), 0) * V[:, :, None, :, 0], axis=-1)
    fit = np.mean((outputs - y[:, None]) ** 2, axis=-1) / 2
    size = np.sum(W**2, axis=(-2, -1)) + np.sum(V**2, axis=(-2, -1))
    product = np.sum(np.linalg.norm(W, axis=-1) * np.abs(V[..., 0]), axis=-1)
    return fit + config.decay / 2 * size, imbalance(network), product


def convex_equivalence(config: Config) -> xr.Dataset:
    """The networks (dataset, start, convex_width) beside the convex optimum (dataset), without decay for the balance,
    and the first set's certificate on the circle."""
    X, y = draw_points(config)
    falling = ExponentialDecay(LR, LR_LEFT, config.convex_steps)
    decayed = GradientDescent(falling, MOMENTUM, weight_decay=config.decay)
    ends = descend(config, X, y, draw_starts(config, config.convex_widths), decayed, "with weight decay")
    rows = [measured(config, X, y, net) for net in ends]
    objective, balance, product = (np.stack(part, axis=-1) for part in zip(*rows, strict=True))
    start = draw_starts(config, (FREE_WIDTH,))
    free = descend(config, X, y, start, GradientDescent(FREE_LR), "without weight decay")
    invariants = [conserved(own[0]) for own in (of_sets(config, start), free)]
    exact = [convex_two_layer(*points, config.decay) for points in zip(X, y, strict=True)]
    first = exact[0]
    axes = ("dataset", "start", "convex_width")
    names = {
        "objective": (objective, "regularised objective of the network"),
        "imbalance": (balance, "largest difference of ‖w‖ and |v| of a neuron"),
        "net_product_norm": (product, "product norm of the network"),
    }
    one = {
        "optimum": ([own.objective for own in exact], "convex optimum"),
        "dual_bound": ([own.bound for own in exact], "lower bound on the objective of every network"),
        "atom_norm": ([np.abs(own.a).sum() for own in exact], "sum of the atoms' amplitudes at the optimum"),
        "atoms": ([len(own.a) for own in exact], "atoms at the optimum"),
    }
    return xr.Dataset(
        {name: (axes, values, {"long_name": words}) for name, (values, words) in names.items()}
        | {name: ("dataset", values, {"long_name": words}) for name, (values, words) in one.items()}
        | {
            f"conserved_{when}": (axes[:2], values, {"long_name": f"largest |‖w‖² - v²| {words}, without weight decay"})
            for when, words, values in zip(("start", "end"), ("before training", "at the end"), invariants, strict=True)
        }
        | {
            "certificate": ("angle", first.certificate, {"long_name": "correlation of the residual with a neuron"}),
            "atom_angle": ("atom", np.arctan2(first.u[:, 1], first.u[:, 0]) % (2 * np.pi), {"long_name": "direction"}),
            "atom_amplitude": ("atom", first.a, {"long_name": "amplitude"}),
        },
        coords={
            "dataset": np.arange(config.seed, config.seed + config.convex_sets),
            "convex_width": ("convex_width", list(config.convex_widths), {"long_name": "hidden units"}),
            "angle": ("angle", first.angles, {"long_name": "direction of the neuron, radians"}),
        },
        attrs={"decay": config.decay},
    )
