"""Checkpoints: where a simulation has got to, on the disk, so that a killed process goes on from there.

Inside the block `checkpoints_in(folder)` every simulation has a file there, named by its place among them and by a
fingerprint of what it depends on: data, start, dynamics, probes, stop rule, seeds, steps, devices and the version of
JAX. It is written about once in `every` seconds, when the simulation ends, unless that took less than a second, and on
Ctrl-C. A simulation that finds its file goes on from there, bit for bit the run that was not interrupted; one that
finds a damaged file, or none of its name, starts anew.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ._atomic import replaced
from ._identity import array_bytes, fingerprint, is_key

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


@dataclass
class Kept:
    """The checkpoints of a block.

    folder, every: as given; simulations: how many there have been; earlier: seconds that earlier processes had spent on
    what this one did not compute again.
    """

    folder: Path
    every: float
    simulations: int = 0
    earlier: float = 0.0


_kept: ContextVar[Kept | None] = ContextVar("biassay_checkpoints", default=None)


@contextlib.contextmanager
def checkpoints_in(folder: Path, every: float = 60.0) -> Iterator[Kept]:
    """Keeps the simulations of the block in `folder`, and goes on with those that are there.

    The block must make its simulations in the same order whenever it runs. On another number of devices they start
    anew. A checkpoint that cannot be written is left out: a simulation needs none to go on.

    Args:
        folder: made when the first checkpoint is written. To be removed by the caller once it is not needed.
        every: seconds between two checkpoints of a simulation; 0 for one after every chunk.
    """
    kept = Kept(folder, every)
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)


class Checkpoint:
    """The checkpoint of one simulation."""

    def __init__(self, path: Path, kept: Kept) -> None:
        self._path, self._kept, self._earlier = path, kept, 0.0
        self._begun = time.monotonic()
        self._next = self._begun + kept.every

    def read(self, template: PyTree) -> Reached | None:
        """What the file holds, its carried arrays in the form of `template`; None if it is not there or damaged."""
        try:
            with self._path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                kept = dict(file)
            leaves, form = jax.tree.flatten(template)
            carried = [_array(kept[f"carried {i}"], leaf) for i, leaf in enumerate(leaves)]
            ends = np.cumsum(kept["chunks"])[:-1]
            names = [name.removeprefix("record ") for name in kept if name.startswith("record ")]
            columns = {name: np.split(_record(kept, name), ends, axis=2) for name in names}
            recorded = [{name: columns[name][i] for name in names} for i in range(len(kept["chunks"]))]
            reached = Reached(int(kept["position"]), jax.tree.unflatten(form, carried), recorded, bool(kept["over"]))
            self._earlier = float(kept["seconds"])
        except Exception:  # a damaged archive may raise anything
            return None
        self._kept.earlier += self._earlier
        return reached

    def offer(self, reached: Reached, last: bool = False) -> None:
        """Writes where the simulation has got to, if it is time.

        last: the process is about to end.
        """
        now = time.monotonic()
        soon = self._begun + min(_SHORT, self._kept.every)
        if now < (soon if reached.over or last else self._next):
            return
        with contextlib.suppress(OSError):
            self._write(reached, now - self._begun + self._earlier)
        written = time.monotonic()
        every = self._kept.every
        self._next = written + (max(every, _SHARE * (written - now)) if every else 0)

    def _write(self, reached: Reached, seconds: float) -> None:
        carried = jax.tree.leaves(reached.carried)
        arrays: dict[str, Any] = {f"carried {i}": array_bytes(leaf) for i, leaf in enumerate(carried)}
        for name in reached.recorded[0] if reached.recorded else ():
            whole = np.concatenate([chunk[name] for chunk in reached.recorded], axis=2)
            arrays[f"record {name}"] = array_bytes(whole)
            arrays[f"form {name}"] = np.array([whole.dtype.name, *map(str, whole.shape)])
        arrays["chunks"] = np.array([next(iter(chunk.values())).shape[2] for chunk in reached.recorded], int)
        arrays |= {"position": np.array(reached.position), "over": np.array(reached.over), "seconds": np.array(seconds)}
        with replaced(self._path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


def next_checkpoint(*identity: Any) -> Checkpoint | None:
    """The checkpoint of the next simulation of the block `checkpoints_in`, None outside of one.

    identity: all that the simulation depends on.
    """
    kept = _kept.get()
    if kept is None:
        return None
    kept.simulations += 1
    name = fingerprint((identity, _environment()))
    return Checkpoint(kept.folder / f"{kept.simulations:03d}-{name}.npz", kept)


def _environment() -> tuple[Any, ...]:
    """What decides the last bits of a number beside the program."""
    kinds = [device.device_kind for device in jax.local_devices()]
    precision = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    return version("jax"), version("jaxlib"), kinds, precision, os.environ.get("XLA_FLAGS")


def _array(raw: np.ndarray, like: Any) -> jax.Array:
    """The array with these bytes, of the type and shape of `like`."""
    plain = jax.random.key_data(like) if is_key(like) else like
    array = jnp.asarray(raw.view(plain.dtype).reshape(plain.shape))
    return jax.random.wrap_key_data(array) if is_key(like) else array


def _record(kept: dict[str, np.ndarray], name: str) -> np.ndarray:
    kind, *shape = kept[f"form {name}"].tolist()
    return kept[f"record {name}"].view(jnp.dtype(kind)).reshape([int(size) for size in shape])
