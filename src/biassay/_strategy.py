"""How a simulation is run where the options are left open: the measured defaults, and what must not be combined.

Two facts about XLA on CPUs decide, both read off the primitives of one lane's program:

- a convolution inside a loop is some ten times slower than outside (jax issue 12868): the host drives the steps;
- a batched matrix factorisation waits for the threads that its own devices occupy, and a lane split among devices may
  wait for ever; implicit solvers of Lineax refuse to be split. Such a program stays on one device.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.sharding import AxisType, Mesh
from jaxtyping import PyTree

from . import _lanes
from ._lanes import Lanes, Moving, PerSeed, Static, Still

Driver: TypeAlias = Literal["auto", "scan", "host"]

# Parameters above which a lane fills a core by itself: on a CPU an MLP of 3.5k gains from vmap, one of 26k loses.
_WIDE = 10_000
_FACTORISATIONS = {"cholesky", "eig", "eigh", "lu", "qr", "schur", "svd", "triangular_solve", "tridiagonal_solve"}


class Strategy(NamedTuple):
    """driver and lanes without "auto"; the devices to split seeds among; whether host steps avoid loops."""

    driver: Driver
    lanes: Lanes
    mesh: Mesh | None
    straight: bool


def choose(driver: Driver, lanes: Lanes, static: Static, still: Still, moving: Moving, seeds: int) -> Strategy:
    """The strategy for a simulation whose `moving` has the leading axes (seed, lane)."""
    if jax.default_backend() != "cpu":
        return Strategy(
            "scan" if driver == "auto" else driver,
            "vmap" if lanes == "auto" else lanes,
            None if lanes == "loop" else _all_devices(seeds),
            straight=False,
        )
    used = _primitives(static, still, moving)
    convolves = "conv_general_dilated" in used
    if driver == "auto":
        driver = "host" if convolves else "scan"
    if lanes == "auto":
        size = sum(math.prod(leaf.shape[2:]) for leaf in jax.tree.leaves(moving.params))
        lanes = "loop" if convolves else "map" if size > _WIDE else "vmap"
    unsplit = lanes == "loop" or "linear_solve" in used or (lanes == "vmap" and bool(used & _FACTORISATIONS))
    return Strategy(driver, lanes, None if unsplit else _all_devices(seeds), straight=convolves)


def _all_devices(seeds: int) -> Mesh | None:
    """The local devices in a row, when there are seeds to split among them."""
    devices = jax.local_devices()[:seeds]
    if len(devices) == 1:
        return None
    return jax.make_mesh((len(devices),), ("seed",), axis_types=(AxisType.Auto,), devices=devices)


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
