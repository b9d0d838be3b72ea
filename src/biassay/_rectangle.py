"""The rectangle of lanes as arrays: leading axes (seed, *swept) outside, (seed, lane) inside, split among devices.

What touches every leaf is one compiled program, or a slice on the host: leaf by leaf it would be hundreds of programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, PyTree

from ._devices import splits_examples, to_each
from ._lanes import Lanes, Moving, PerSeed, Still

Sizes = tuple[int, ...]


def beginning(params: Any, keys: np.ndarray, seeds: int, sizes: Sizes) -> Moving:
    """Every lane before its first step, (seed, lane), in arrays of their own; `keys` has the seeds' keys' data.

    Raises:
        ValueError: a leaf is no floating array, or lacks its axis of seeds.
    """
    makes = callable(params) and not isinstance(params, eqx.Module)
    per_seed = isinstance(params, PerSeed) or makes
    if isinstance(params, PerSeed):
        params = params.value
    elif makes:
        params = jax.vmap(cast(Callable[..., PyTree], params))(jax.random.wrap_key_data(jnp.asarray(keys)))
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf) if hasattr(leaf, "__jax_array__") else leaf, params)
    for leaf in jax.tree.leaves(params):
        if not (eqx.is_array_like(leaf) and jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)):
            raise ValueError(
                f"parameters must be a pytree of floating arrays, found {_kind(leaf)}: split a module with "
                "equinox.partition(module, equinox.is_inexact_array) and let predict combine its parts"
            )
        if per_seed and jnp.shape(leaf)[:1] != (seeds,):
            raise ValueError(f"PerSeed parameters need a leading axis of {seeds} seeds, got shape {jnp.shape(leaf)}")
    return _spread(params, per_seed, seeds, math.prod(sizes))


def precision(params: PyTree) -> Any:
    """The precision that holds every one of the parameters."""
    return jnp.result_type(*jax.tree.leaves(params), jnp.bfloat16)


def _kind(leaf: Any) -> str:
    return f"{jnp.result_type(leaf)} numbers" if eqx.is_array_like(leaf) else type(leaf).__name__


@partial(jax.jit, static_argnums=(1, 2, 3))
def _spread(params: PyTree, per_seed: bool, seeds: int, lanes: int) -> Moving:
    def spread(leaf: Any) -> Array:
        # A weak type (that of `jnp.full(8, 0.1)`) would let the loop's carry change its precision.
        leaf = jnp.array(leaf, jnp.result_type(leaf))
        leaf = leaf[:, None] if per_seed else leaf[None, None]
        return jnp.broadcast_to(leaf, (seeds, lanes, *leaf.shape[2:]))

    params = jax.tree.map(spread, params)
    return Moving(params, None, jnp.zeros((seeds, lanes), jnp.promote_types(precision(params), jnp.float32)))


@partial(jax.jit, static_argnums=1)
def flat(tree: PyTree, sizes: Sizes) -> PyTree:
    """Leading axes (seed, *swept) -> (seed, lane), in arrays of their own."""
    lanes = math.prod(sizes)
    return jax.tree.map(lambda leaf: jnp.array(leaf.reshape(len(leaf), lanes, *leaf.shape[1 + len(sizes) :])), tree)


def grouped(still: Still, moving: Moving, seeds: int, lanes: Lanes, mesh: Mesh | None) -> list[tuple[Still, Moving]]:
    """The seeds in groups that advance together: one by one for "loop", else all, filled up to divide the mesh."""

    def pick(index: np.ndarray, picked: Callable[..., PyTree] = _picked) -> tuple[Still, Moving]:
        own = {name: part for name, part in still._asdict().items() if isinstance(part, PerSeed)}
        own, carried = picked((own, moving), index)
        return still._replace(key=still.key[index], **own), carried

    if lanes == "loop":
        return [pick(np.array([i])) for i in range(seeds)]
    if mesh is None or splits_examples(mesh):
        return [(still, moving)]
    filled = -(-seeds // mesh.size) * mesh.size
    return [pick(np.minimum(np.arange(filled), seeds - 1), partial(to_each, mesh))]


@jax.jit
def _picked(tree: PyTree, index: Array) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[index], tree)


@partial(jax.jit, static_argnums=(1, 2))
def gathered(groups: list[PyTree], seeds: int, sizes: Sizes) -> PyTree:
    """The groups' seeds in one leading axis, without the repeated ones: (seed, lane) -> (seed, *swept)."""

    def gather(*leaves: Array) -> Array:
        leaf = jnp.concatenate(leaves)[:seeds]
        return leaf.reshape(seeds, *sizes, *leaf.shape[2:])

    return jax.tree.map(gather, *groups)
