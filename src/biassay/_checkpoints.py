"""Checkpoints: where a simulation has got to, on the disk, so that a killed process goes on from there.

Inside the block `checkpoints_in(folder)` every simulation has a file there, named by its place among them and by a
fingerprint of all it depends on. It is written about once in `every` seconds and when the simulation ends, unless that
took less than a second. A simulation that finds its file goes on from there, bit for bit the run that was not
interrupted; one that finds a damaged file, or that of another simulation, starts anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
import zipfile
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ._atomic import replaced

_SHORT = 1.0
"""A simulation of fewer seconds is computed again rather than kept."""
_SHARE = 20.0
"""A checkpoint that takes s seconds to write is followed by another after at least `_SHARE` s."""

Records = list[dict[str, np.ndarray]]


class Reached(NamedTuple):
    """Where a simulation has got to: steps taken, the carried arrays, the chunks recorded (as `simulate` has them) and
    whether it is over."""

    position: int
    carried: PyTree
    recorded: Records
    over: bool


class _Folder:
    def __init__(self, folder: Path, every: float) -> None:
        self.folder, self.every, self.simulations = folder, every, 0


_folder: ContextVar[_Folder | None] = ContextVar("biassay_checkpoints", default=None)


@contextlib.contextmanager
def checkpoints_in(folder: Path, every: float = 60.0) -> Iterator[None]:
    """Keeps the simulations of the block in `folder`, and goes on with those that are there.

    The block must make its simulations in the same order whenever it runs.

    Args:
        folder: made when the first checkpoint is written. To be removed by the caller once it is not needed.
        every: seconds between two checkpoints of a simulation; 0 for one after every chunk.
    """
    token = _folder.set(_Folder(folder, every))
    try:
        yield
    finally:
        _folder.reset(token)


class Checkpoint:
    """The checkpoint of one simulation."""

    def __init__(self, path: Path, every: float) -> None:
        self._path, self._every = path, every
        self._begun = time.monotonic()
        self._next = self._begun + every

    def read(self, template: PyTree) -> Reached | None:
        """What the file holds, its carried arrays in the form of `template`; None if it is not there or damaged."""
        try:
            with self._path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                kept = dict(file)
            leaves, form = jax.tree.flatten(template)
            carried = [_array(kept[f"carried {i}"], leaf) for i, leaf in enumerate(leaves)]
            ends = np.cumsum(kept["chunks"])[:-1]
            names = [name.removeprefix("record ") for name in kept if name.startswith("record ")]
            columns = {name: np.split(kept[f"record {name}"], ends, axis=2) for name in names}
            recorded = [{name: columns[name][i] for name in names} for i in range(len(kept["chunks"]))]
            return Reached(int(kept["position"]), jax.tree.unflatten(form, carried), recorded, bool(kept["over"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def offer(self, reached: Reached) -> None:
        """Writes where the simulation has got to, if it is time. A file that cannot be written is left unwritten: the
        simulation needs none to go on."""
        now = time.monotonic()
        if now < (self._begun + min(_SHORT, self._every) if reached.over else self._next):
            return
        with contextlib.suppress(OSError):
            self._write(reached)
        written = time.monotonic()
        self._next = written + (max(self._every, _SHARE * (written - now)) if self._every else 0)

    def _write(self, reached: Reached) -> None:
        arrays: dict[str, Any] = {
            f"carried {i}": _bytes(leaf) for i, leaf in enumerate(jax.tree.leaves(reached.carried))
        }
        for name in reached.recorded[0] if reached.recorded else ():
            arrays[f"record {name}"] = np.concatenate([chunk[name] for chunk in reached.recorded], axis=2)
        arrays["chunks"] = np.array([next(iter(chunk.values())).shape[2] for chunk in reached.recorded], int)
        arrays |= {"position": np.array(reached.position), "over": np.array(reached.over)}
        with replaced(self._path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


def next_checkpoint(*identity: Any) -> Checkpoint | None:
    """The checkpoint of the next simulation of the block `checkpoints_in`, None outside of one.

    identity: all that the simulation depends on; arrays by their bytes, the rest by its `repr`, functions by name.
    """
    kept = _folder.get()
    if kept is None:
        return None
    kept.simulations += 1
    return Checkpoint(kept.folder / f"{kept.simulations:03d}-{_fingerprint(identity)}.npz", kept.every)


def _fingerprint(identity: Any) -> str:
    leaves, form = jax.tree.flatten(identity, is_leaf=lambda node: node is None)
    digest = hashlib.blake2b(_words(form).encode(), digest_size=12)
    for leaf in leaves:
        if isinstance(leaf, jax.Array | np.ndarray):
            digest.update(f"{leaf.dtype}{leaf.shape}".encode())
            digest.update(_bytes(leaf).data)
        else:
            digest.update(_words(leaf).encode())
    return digest.hexdigest()


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _bytes(leaf: Any) -> np.ndarray:
    """The bytes of an array of any type: numbers that NumPy has no name for (bfloat16), keys of randomness."""
    plain = jax.random.key_data(leaf) if _is_key(leaf) else leaf
    return np.frombuffer(np.asarray(jax.device_get(plain)).tobytes(), np.uint8)


def _array(raw: np.ndarray, like: Any) -> jax.Array:
    """The array with these bytes, of the type and shape of `like`."""
    plain = jax.random.key_data(like) if _is_key(like) else like
    array = jnp.asarray(raw.view(plain.dtype).reshape(plain.shape))
    return jax.random.wrap_key_data(array) if _is_key(like) else array


def _words(thing: Any) -> str:
    """The `repr` of a thing without the addresses in memory that functions have in theirs."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(thing))
