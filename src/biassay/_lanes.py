"""The device's half of a simulation: one lane, and how lanes run beside each other.

A lane is one seed at one point of the swept hyper-parameters. Everything here is pure and compiled once per problem:
the steps to take and the steps to record are data, not structure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Int, PyTree

from ._devices import split_examples, splits_examples, whole
from .dynamics import AbstractDynamics
from .problem import Problem

Probe: TypeAlias = Callable[[Problem, PyTree], Array]
Lanes: TypeAlias = Literal["auto", "vmap", "map", "loop"]
T = TypeVar("T")

WINDOW = 1024
"""Steps whose noise is drawn at once. Part of the definition of a run: another value gives other noise."""


class PerSeed(eqx.Module, Generic[T]):
    """Marks a problem, dynamics or parameters that differ from seed to seed: every leaf has a leading seed axis."""

    value: T


class Static(NamedTuple):
    """What a compiled program is specialised to.

    `frame` holds those leaves of a dynamics that are no numbers; `mesh` the devices, if there are several, and what is
    split among them; `straight` asks for host steps without a loop.
    """

    build: Callable[..., AbstractDynamics] | None
    frame: AbstractDynamics | None
    probes: tuple[tuple[str, Probe], ...]
    lanes: Lanes = "vmap"
    mesh: Mesh | None = None
    straight: bool = False


class Still(NamedTuple):
    """What a lane needs and does not change: its problem, its noise key's data, dynamics and swept hyper-parameters."""

    problem: Any
    key: Any
    dynamics: Any
    swept: Any


class Moving(NamedTuple):
    """What a lane carries from step to step; `time` is the sum of its step sizes."""

    params: PyTree
    state: PyTree
    time: Array


# --- one lane ---------------------------------------------------------------------------------------------------------


def _dynamics(static: Static, still: Still) -> AbstractDynamics:
    """The lane's dynamics: built from its swept values, or the given one with those fields replaced."""
    if static.build is not None:
        return static.build(**still.swept)
    dynamics = eqx.combine(still.dynamics, static.frame)
    return replace(dynamics, **still.swept) if still.swept else dynamics


def begin(static: Static, still: Still, moving: Moving) -> Moving:
    """The lane before its first step.

    Raises:
        ValueError: the problem has batch statistics and the dynamics does not carry them.
    """
    dynamics = _dynamics(static, still)
    state = dynamics.init(still.problem, moving.params)
    if still.problem.statistics is not None and dynamics.statistics(state) is None:
        raise ValueError(
            f"{type(dynamics).__name__} does not carry batch statistics: train this network by GradientDescent, SGD or "
            "Optax, or leave out its batch normalisation"
        )
    # Without weak types, which a loop's carry may lose on the way and a checkpoint has not.
    return moving._replace(state=jax.tree.map(_strong, state))


def _strong(leaf: Any) -> Array:
    array = jnp.asarray(leaf)
    return jnp.asarray(array, array.dtype) if array.weak_type else array


def statistics(static: Static, still: Still, moving: Moving) -> PyTree:
    """The lane's batch statistics."""
    return _dynamics(static, still).statistics(moving.state)


def noise(static: Static, still: Still, moving: Moving, start: Int[Array, ""]) -> PyTree:
    """The noise of the window that begins at step `start`."""
    return _dynamics(static, still).noise(still.problem, jax.random.wrap_key_data(still.key), start, WINDOW)


def step(static: Static, still: Still, moving: Moving, window: PyTree, offset: Int[Array, ""]) -> Moving:
    """One step, with the noise at `offset` in its window."""
    dynamics = _dynamics(static, still)
    now = jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, offset, keepdims=False), window)
    elapsed = dynamics.time_step(moving.state)
    problem = still.problem
    if static.mesh is not None and splits_examples(static.mesh):
        problem = split_examples(problem, static.mesh)
    params, state = dynamics.step(problem, moving.params, moving.state, now)
    return Moving(params, state, moving.time + elapsed)


def measure(static: Static, still: Still, moving: Moving) -> dict[str, Array]:
    """What is recorded of a lane at one step."""
    problem = still.problem
    if problem.statistics is not None:
        problem = replace(problem, statistics=statistics(static, still, moving))
    probed = {name: jnp.asarray(probe(problem, moving.params)) for name, probe in static.probes}
    return {"time": moving.time} | probed


def advance(
    static: Static,
    still: Still,
    moving: Moving,
    start: Int[Array, ""],
    end: Int[Array, ""],
    stops: Int[Array, " slots"],
) -> tuple[Moving, dict[str, Array]]:
    """Moves a lane from step `start` to step `end` and records it at `stops`.

    `stops` is sorted and its unused slots, at least one, lie beyond every step.
    """
    shapes = jax.eval_shape(lambda: measure(static, still, moving))
    records = {name: jnp.zeros((stops.shape[0], *shape.shape), shape.dtype) for name, shape in shapes.items()}

    def window(carry: tuple[Array, Array, Moving, dict[str, Array]]) -> tuple[Array, Array, Moving, dict[str, Array]]:
        first = carry[0] // WINDOW * WINDOW
        last = jnp.minimum(first + WINDOW, end)
        drawn = noise(static, still, moving, first)

        def segment(
            carry: tuple[Array, Array, Moving, dict[str, Array]],
        ) -> tuple[Array, Array, Moving, dict[str, Array]]:
            t, slot, moving, records = carry
            until = jnp.minimum(last, stops[slot])
            moving = jax.lax.fori_loop(t, until, lambda s, m: step(static, still, m, drawn, s - first), moving)

            def record() -> dict[str, Array]:
                return jax.tree.map(lambda kept, new: kept.at[slot].set(new), records, measure(static, still, moving))

            due = until == stops[slot]
            records = jax.lax.cond(due, record, lambda: records)
            return until, slot + due.astype(slot.dtype), moving, records

        return jax.lax.while_loop(lambda c: c[0] < last, segment, carry)

    begun = (start, jnp.zeros((), stops.dtype), moving, records)
    _, _, moving, records = jax.lax.while_loop(lambda c: c[0] < end, window, begun)
    return moving, records


# --- all lanes --------------------------------------------------------------------------------------------------------


def _map_lanes(function: Callable[..., Any], static: Static, still: Still, carried: PyTree, *shared: PyTree) -> Any:
    """function(static, still, carried, *shared), mapped over the leading axes (seed, swept) of what a lane carries."""
    over = jax.lax.map if static.lanes == "map" else lambda f, xs: jax.vmap(f)(xs)
    given = (still.problem, still.dynamics)

    def seed(args: tuple[tuple[PyTree, ...], Array, PyTree]) -> Any:
        own, key, carried = args
        problem, dynamics = (a if b is None else b for a, b in zip(given, own, strict=True))

        def lane(args: tuple[dict[str, Array], PyTree]) -> Any:
            return function(static, Still(problem, key, dynamics, args[0]), args[1], *shared)

        if still.swept:
            return over(lane, (still.swept, carried))
        alone = lane(({}, jax.tree.map(lambda leaf: leaf[0], carried)))
        return jax.tree.map(lambda leaf: leaf[None], alone)

    own = tuple(part.value if isinstance(part, PerSeed) else None for part in given)
    return over(seed, (own, still.key, carried))


def _on_mesh(function: Callable[..., Any], static: Static, still: Still, carried: PyTree, *shared: PyTree) -> Any:
    """`_map_lanes` on the devices of the mesh: seeds are split among them here, examples inside a step."""
    lanes = partial(_map_lanes, function, static)
    if static.mesh is None:
        return lanes(still, carried, *shared)
    if splits_examples(static.mesh):
        return jax.lax.with_sharding_constraint(lanes(still, carried, *shared), whole(static.mesh))
    split, everywhere = PartitionSpec("seed"), PartitionSpec()
    problem, dynamics = (split if isinstance(p, PerSeed) else everywhere for p in (still.problem, still.dynamics))
    return jax.shard_map(
        lanes,
        mesh=static.mesh,
        in_specs=(Still(problem, split, dynamics, everywhere), split, *[everywhere] * len(shared)),
        out_specs=split,
        check_vma=False,
    )(still, carried, *shared)


all_lanes = jax.jit(_on_mesh, static_argnums=(0, 1))
"""all_lanes(function, static, still, carried, *shared): `function` for every lane, compiled once per function."""


def _step_of_pair(static: Static, still: Still, pair: tuple[Moving, PyTree], offset: Array, after: Array) -> Moving:
    moving, window = pair
    if static.straight:
        return step(static, still, moving, window, offset)
    # Inside a loop of one turn XLA compiles the step as it does inside `advance`, down to where it rounds: outside it
    # may compute a value twice rather than store it. The bounds are data, so that the loop is not optimised away.
    return jax.lax.fori_loop(offset, after, lambda s, m: step(static, still, m, window, s), moving)


@partial(jax.jit, static_argnums=0, donate_argnums=2)
def step_all(
    static: Static, still: Still, moving: Moving, window: PyTree, offset: Int[Array, ""], after: Int[Array, ""]
) -> Moving:
    """One step of every lane, for the host's loop, from `offset` in the window to `after`; `moving` is consumed."""
    return _on_mesh(_step_of_pair, static, still, (moving, window), offset, after)
