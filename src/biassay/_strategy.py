"""How a simulation is run where the options are left open: the measured defaults, and what must not be combined.

Three facts about XLA on CPUs decide, the first two read off the primitives of one lane's program:

- a convolution inside a loop is some ten times slower than outside (jax issue 12868): the host drives the steps;
- a batched matrix factorisation waits for the threads that its own devices occupy, and a lane split among devices may
  wait for ever; implicit solvers of Lineax refuse to be split. Such a program stays on one device;
- a batch of one has other last bits than the same lane in a batch of several: by vmap a device gets two seeds or more.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PyTree

from . import _lanes
from ._devices import IndivisibleError, example_mesh, seed_mesh
from ._lanes import Lanes, Moving, PerSeed, Static, Still

Driver: TypeAlias = Literal["auto", "scan", "host"]
DataParallel: TypeAlias = bool | Literal["auto"]

# Parameters above which a lane fills a core by itself: on a CPU an MLP of 3.5k gains from vmap, one of 26k loses.
_WIDE = 10_000
_FACTORISATIONS = {"cholesky", "eig", "eigh", "lu", "qr", "schur", "svd", "triangular_solve", "tridiagonal_solve"}


class Strategy(NamedTuple):
    """driver and lanes without "auto"; the devices to split seeds or examples among; whether host steps avoid loops."""

    driver: Driver
    lanes: Lanes
    mesh: Mesh | None
    straight: bool


def choose(
    driver: Driver,
    lanes: Lanes,
    static: Static,
    still: Still,
    moving: Moving,
    seeds: int,
    data_parallel: DataParallel = False,
) -> Strategy:
    """The strategy for a simulation whose `moving` has the leading axes (seed, lane).

    Raises:
        ValueError: a batch that the devices cannot share, or lanes by vmap whose matrix factorisations they would wait
            for.
    """
    shared = example_mesh() if _together(data_parallel, static, still, moving) else None
    if jax.default_backend() != "cpu":
        # A lane that has all devices to itself is worth their while, and leaves the memory to its batch.
        lanes = ("map" if shared else "vmap") if lanes == "auto" else lanes
        mesh = shared or (None if lanes == "loop" else seed_mesh(seeds))
        return Strategy("scan" if driver == "auto" else driver, lanes, mesh, straight=False)
    used = _primitives(static._replace(mesh=shared), still, moving)
    convolves = "conv_general_dilated" in used
    if driver == "auto":
        driver = "host" if convolves else "scan"
    if lanes == "auto":
        size = sum(math.prod(leaf.shape[2:]) for leaf in jax.tree.leaves(moving.params))
        lanes = "loop" if convolves else "map" if size > _WIDE or shared else "vmap"
    batched = lanes == "vmap" and bool(used & _FACTORISATIONS)
    if shared and batched:
        raise ValueError('data_parallel lanes that factorise matrices cannot run by "vmap" on a CPU: take lanes="map"')
    unsplit = lanes == "loop" or "linear_solve" in used or batched
    split = None if unsplit else seed_mesh(seeds // 2 if lanes == "vmap" else seeds)
    return Strategy(driver, lanes, shared or split, straight=convolves)


def _together(asked: DataParallel, static: Static, still: Still, moving: Moving) -> bool:
    """Whether the devices train every lane together. "auto" asks for that where there are accelerators left over by the
    lanes, and they can share a batch equally."""
    if asked != "auto":
        return asked
    seeds, lanes = moving.time.shape
    if jax.default_backend() == "cpu" or seeds * lanes >= jax.device_count():
        return False
    try:
        _primitives(static._replace(mesh=example_mesh()), still, moving)
    except IndivisibleError:
        return False
    return True


def _primitives(static: Static, still: Still, moving: Moving) -> set[str]:
    """The names of the JAX primitives in one lane's program."""

    def first(tree: PyTree, axes: int) -> PyTree:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[axes:], leaf.dtype), tree)

    def own(part: Any) -> Any:
        return first(part.value, 1) if isinstance(part, PerSeed) else part

    lane = Still(own(still.problem), first(still.key, 1), own(still.dynamics), first(still.swept, 1))
    traced = _whole_lane.trace(static, lane, first(moving, 2), np.int32(0))
    return set(re.findall(r"= (\w+)", str(traced.jaxpr)))


def _lane(static: Static, still: Still, moving: Moving, start: jax.Array) -> tuple[Moving, dict[str, jax.Array]]:
    moving = _lanes.begin(static, still, moving)
    window = _lanes.noise(static, still, moving, start)
    moving = _lanes.step(static, still, moving, window, start)
    return moving, _lanes.measure(static, still, moving)


# Jitted for its cache of traces: a simulation like an earlier one is not traced again to be looked at.
_whole_lane = jax.jit(_lane, static_argnums=0)
