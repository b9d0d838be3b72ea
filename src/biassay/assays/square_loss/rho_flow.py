"""The flow of rho f_V under the square loss, by Lagrange multipliers and by weight normalization.

Of every record the scale rho, the risk and the first two moments of the margins are kept, mu and M, and all margins at
the start, early on and at the end. The start is rho = 1 with layers of norm 1.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ...dynamics import LagrangeFlow, Normalised
from ...problem import Problem, squared_error
from ...references import margin_moments
from ...simulation import PerSeed, Simulation, simulate
from .config import Config
from .networks import draw_digits, he_start, margins, normalising_network, risk, scale, scaled_network

Variables: TypeAlias = dict[str, tuple[Any, ...]]

_PROBES = {"rho": scale, "margins": margins}
_EARLY = 0.02
"""t times the largest lambda at which no lambda has acted for long."""


def stacked(trees: list[PyTree]) -> PyTree:
    """Pytrees of the seeds as one with a leading seed axis."""
    return jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *trees)


def seeds(config: Config) -> range:
    """The seeds of a config."""
    return range(config.seed, config.seed + config.seeds)


def binary_digits(config: Config) -> tuple[jax.Array, jax.Array]:
    """Images (seed, n, 64) and labels -1 or 1, (seed, n)."""
    drawn = [draw_digits(seed, config.digits, config.images) for seed in seeds(config)]
    x, classes = (np.stack(part) for part in zip(*drawn, strict=True))
    return jnp.asarray(x), jnp.asarray(2.0 * classes - 1)


def unit_start(config: Config) -> Normalised:
    """rho = 1 and He's weights scaled to norm 1, with a leading seed axis."""
    drawn = [he_start(seed, config.widths) for seed in seeds(config)]
    layers = stacked([tuple(W / np.linalg.norm(W) for W in own) for own in drawn])
    return Normalised(jnp.asarray(np.ones(config.seeds)), layers)


def lagrange_flow(config: Config) -> Variables:
    """rho(t) and the margins at every lambda."""
    x, y = binary_digits(config)
    steps = round(config.time / config.dt)
    run = simulate(
        PerSeed(Problem(scaled_network, x, y, squared_error)),
        LagrangeFlow(config.dt),
        PerSeed(unit_start(config)),
        steps=steps,
        record=[*range(0, steps, config.every), steps],
        probes={**_PROBES, "risk": risk},
        seeds=config.seeds,
        seed=config.seed,
        sweep={"decay": config.lams},
        label="flow in ρ and V",
    )
    found = run.data["margins"].values
    of = margin_moments(found)
    own = ("seed", "lam")
    early = np.abs(flow_times(config) - _EARLY / max(config.lams)).argmin()
    return {
        "rho": ((*own, "flow_time"), run.data["rho"].values, "scale ρ"),
        "mu": ((*own, "flow_time"), of.mean, "mean μ of the margins"),
        "M": ((*own, "flow_time"), of.square, "mean M of the squared margins"),
        "risk": ((*own, "flow_time"), run.data["risk"].values, "mean squared error, without the penalty λ ρ²"),
        "margins_start": ((*own, "rank"), np.sort(found[:, :, 0]), "margins at the start, sorted"),
        "margins_early": (
            (*own, "rank"),
            np.sort(found[:, :, early]),
            f"margins at the time {_EARLY:g} / (largest λ), sorted",
        ),
        "margins_end": ((*own, "rank"), np.sort(found[:, :, -1]), "margins at the end, sorted"),
        "forgetting": ("lam", config.time * np.array(config.lams), "T λ"),
    }


def flow_times(config: Config) -> np.ndarray:
    """Times of the records of `lagrange_flow`."""
    steps = round(config.time / config.dt)
    return config.dt * np.array([*range(0, steps, config.every), steps])


def weight_normalization(config: Config) -> Variables:
    """How far weight normalization, with |v| = 1 and with |v| = `long_norm`, is from the flow by multipliers.

    The velocities are compared at the same points, the start and the end of the flow by multipliers; the paths each run
    for itself.
    """
    x, y = binary_digits(config)
    start = unit_start(config)
    steps = round(config.short_time / config.short_dt)

    def run(network: Any, copies: int, params: Normalised, label: str) -> Simulation:
        repeated = PerSeed(Problem(network, *(jnp.concatenate([part] * copies) for part in (x, y)), loss=squared_error))
        return simulate(
            repeated,
            LagrangeFlow(config.short_dt, config.lams[0]),
            PerSeed(params),
            steps=steps,
            record=max(1, steps // config.every),
            probes=_PROBES,
            seeds=copies * config.seeds,
            seed=config.seed,
            label=label,
        )

    def longer(norm: float) -> Normalised:
        return start._replace(layers=jax.tree.map(lambda v: norm * v, start.layers))

    norms = (1.0, config.long_norm)
    both = jax.tree.map(lambda *parts: jnp.concatenate(parts), *map(longer, norms))
    multipliers = run(scaled_network, 1, start, "Lagrange multipliers")
    weights = run(normalising_network, len(norms), both, "weight normalization")

    def by_norm(leaf: Any) -> np.ndarray:
        return np.asarray(leaf).reshape(len(norms), config.seeds, *np.shape(leaf)[1:])

    apart_rho = np.abs(by_norm(weights.data["rho"]) - multipliers.data["rho"].values)
    between = []
    for v, V in zip(weights.params.layers, multipliers.params.layers, strict=True):
        v = by_norm(v)
        between.append(np.abs(v / np.linalg.norm(v, axis=(-2, -1), keepdims=True) - np.asarray(V)).max(axis=(-2, -1)))
    held = by_norm(jnp.stack([jnp.linalg.norm(v, axis=(-2, -1)) for v in weights.params.layers], axis=-1))
    return {
        "wn_rho": (("norm", "seed", "short_time"), apart_rho, "difference of ρ from the flow by multipliers"),
        "wn_layers": (("norm", "seed"), np.max(between, axis=0), "largest difference of an entry of V at the end"),
        "wn_velocities": (
            ("norm", "seed"),
            _velocities_apart(config, x, y, (start, multipliers.params)),
            "largest relative difference of the velocities of ρ and of v / ‖v‖",
        ),
        "wn_norms": (("norm", "seed", "layer"), held, "norm of v at the end"),
    }


def _velocities_apart(config: Config, x: jax.Array, y: jax.Array, points: tuple[Normalised, ...]) -> np.ndarray:
    """The largest difference of rho' and of (v / |v|)' at the points, over the largest entry, (norm, seed)."""
    flow = LagrangeFlow(config.short_dt, config.lams[0])

    def velocities(network: Any) -> Any:
        return jax.jit(jax.vmap(lambda x, y, at: flow.velocity(Problem(network, x, y, squared_error), at)))

    by_multipliers, by_weights = velocities(scaled_network), velocities(normalising_network)

    def largest(values: Any) -> np.ndarray:
        return np.abs(np.asarray(values)).reshape(config.seeds, -1).max(axis=1)

    apart = np.zeros((2, config.seeds))
    for point in points:
        unit = jax.tree.map(lambda V: V / jnp.linalg.norm(V, axis=(-2, -1), keepdims=True), point.layers)
        right = by_multipliers(x, y, point._replace(layers=unit))
        for k, norm in enumerate((1.0, config.long_norm)):
            found = by_weights(x, y, point._replace(layers=jax.tree.map(lambda V, norm=norm: norm * V, unit)))
            # v' is orthogonal to v, so that v / |v| moves with v' / |v|.
            pairs = zip((found.rho, *(v / norm for v in found.layers)), (right.rho, *right.layers), strict=True)
            apart[k] = np.max([apart[k], *(largest(own - other) / largest(other) for own, other in pairs)], axis=0)
    return apart
