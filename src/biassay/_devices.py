"""Several devices: what is split among them, and what each of them holds whole.

The axis of a mesh is named after what is split:

- "seed": every device trains seeds of its own and nothing is exchanged. The devices are those of this process; several
  processes are independent of each other.
- "example": the devices train every lane together (data-parallel). Each holds the parameters and the data set whole and
  computes on its part of the batch; XLA puts the sums over examples together, those of batch normalisation as well, so
  that they are the whole batch's. The devices are those of all processes, which take every step together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from .problem import Problem


class IndivisibleError(ValueError):
    """A batch that the devices cannot share equally."""


def seed_mesh(seeds: int) -> Mesh | None:
    """This process's devices in a row, no more than `seeds`; None where that is at most one."""
    return _row("seed", jax.local_devices()[:seeds])


def example_mesh() -> Mesh | None:
    """All processes' devices in a row; None where there is one."""
    return _row("example", jax.devices())


def _row(axis: str, devices: list[Any]) -> Mesh | None:
    if len(devices) < 2:
        return None
    return jax.make_mesh((len(devices),), (axis,), axis_types=(AxisType.Auto,), devices=devices)


def splits_examples(mesh: Mesh | None) -> bool:
    """Whether the devices train every lane together."""
    return mesh is not None and mesh.axis_names == ("example",)


# --- what is split ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Split:
    """`function`, whose last `count` arguments are split by their first axis, which counts the examples."""

    function: Callable[..., Any]
    count: int
    mesh: Mesh

    def __call__(self, *args: Any) -> Any:
        split = NamedSharding(self.mesh, PartitionSpec("example"))
        for examples in args[-self.count :]:
            if examples.shape[0] % self.mesh.size:
                raise IndivisibleError(
                    f"a batch of {examples.shape[0]} examples cannot be shared equally by {self.mesh.size} devices: "
                    "choose a multiple, or data_parallel=False"
                )
        examples = jax.lax.with_sharding_constraint(args[-self.count :], split)
        return self.function(*args[: -self.count], *examples)


def split_examples(problem: Problem, mesh: Mesh) -> Problem:
    """The problem, whose network splits the examples that it is given.

    That is enough: what is done with a batch before (taking it from the data set, augmentation) and after (the loss,
    the way back) is split along with it by XLA, so that a dynamics need not know of devices.
    """
    training, rule = problem.training, problem.gradient_rule
    return replace(
        problem,
        network=_Split(problem.network, 1, mesh),
        training=None if training is None else _Split(training, 1, mesh),
        gradient_rule=None if rule is None else _Split(rule, 2, mesh),
    )


def to_each(mesh: Mesh, tree: PyTree, seeds: np.ndarray) -> PyTree:
    """These seeds of the tree, an equal part of them on every device; sliced by the host, as the devices would
    compile a program for every shape."""
    split = NamedSharding(mesh, PartitionSpec("seed"))
    return _moved(tree, lambda raw: jax.device_put(raw[seeds], split))


# --- what every device holds whole ------------------------------------------------------------------------------------


def whole(mesh: Mesh) -> NamedSharding:
    """Every device has all of it."""
    return NamedSharding(mesh, PartitionSpec())


def to_all(mesh: Mesh | None, tree: PyTree) -> PyTree:
    """The tree with its arrays on every device that splits examples; every process must give equal arrays."""
    return _moved(tree, lambda raw: jax.device_put(raw, whole(mesh))) if mesh and splits_examples(mesh) else tree


def from_all(mesh: Mesh | None, tree: PyTree) -> PyTree:
    """The tree with its arrays on this process's default device again."""
    return _moved(tree, jnp.asarray) if splits_examples(mesh) else tree


def _moved(tree: PyTree, put: Callable[[np.ndarray], Array]) -> PyTree:
    """Through the host's memory: the only way that leads from one process's devices to all and back."""

    def move(leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            raw = put(np.asarray(jax.random.key_data(leaf)))
            return jax.random.wrap_key_data(raw, impl=jax.random.key_impl(leaf))
        return put(np.asarray(leaf))

    return jax.tree.map(move, tree)


# --- several processes ------------------------------------------------------------------------------------------------


def _several_processes(mesh: Mesh | None) -> bool:
    return splits_examples(mesh) and jax.process_count() > 1


def settled(mesh: Mesh | None, tree: PyTree) -> PyTree:
    """The tree; where processes train together on CPUs, once it is computed.

    Programs that exchange numbers between such processes (by gloo) were seen to wait for each other for ever when a
    second one was begun before the first was over.
    """
    return jax.block_until_ready(tree) if _several_processes(mesh) and jax.default_backend() == "cpu" else tree


def everyone(mesh: Mesh | None, value: float) -> list[float]:
    """What each of the processes says that train together, the first process first; all of them must ask."""
    if not _several_processes(mesh):
        return [value]
    return multihost_utils.process_allgather(np.asarray(value)).tolist()


def writes(mesh: Mesh | None) -> bool:
    """Whether this process writes down what all of them compute: the first does."""
    return not splits_examples(mesh) or jax.process_index() == 0
