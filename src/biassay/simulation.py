"""simulate: the only training loop of the package.

A simulation is a rectangle of *lanes*: seeds x hyper-parameters. Every lane starts from its own parameters, sees its
own randomness (the same for all hyper-parameters of a seed, so that comparisons are paired) and is recorded at the
same steps. Three nested loops:

    host      chunks of steps: progress, early stop, Ctrl-C
    device      windows of `WINDOW` steps, whose noise is drawn at once, keyed by (key, window)
    device        steps up to the next recorded one, in a `while` loop whose bounds are data

As the bounds are data, one compiled program serves every chunk and every schedule of as many records: what is recorded
cannot change the run. Where a `while` loop is slow (convolutions on a CPU) the host drives single steps instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Key, PyTree

from . import _lanes
from ._checkpoints import Reached, next_checkpoint
from ._checkpoints import checkpoints_in as checkpoints_in
from ._devices import everyone, from_all, settled, splits_examples, to_all, writes
from ._lanes import WINDOW, Lanes, Moving, Probe, Static, Still
from ._lanes import PerSeed as PerSeed
from ._rectangle import beginning, flat, gathered, grouped, precision
from ._strategy import DataParallel, Driver, choose
from .dynamics import AbstractDynamics
from .problem import Problem

Progress: TypeAlias = Callable[[int, int, str], None]

_CHUNK_SECONDS = 0.2
_RECORDS_A_CHUNK = 256
_KEY_BLOCK = 256
_NEVER = np.iinfo(np.int32).max

_listener: ContextVar[Progress | None] = ContextVar("biassay_progress", default=None)


@contextmanager
def progress_to(listener: Progress) -> Iterator[None]:
    """Sends the progress of every simulation inside the block to `listener(steps done, steps in all, label)`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@dataclass(frozen=True)
class Simulation:
    """The outcome of `simulate`.

    data: one variable per probe with dimensions (seed, *swept, step, ...), `time` (*swept, step) = the sum of the step
        sizes (with the axis seed where seeds differ in it), and `diverged` (seed, *swept): whether the final parameters
        or batch statistics hold a number that is not finite.
    params, state: the final parameters and dynamics' state; every leaf has the leading axes (seed, *swept).
    statistics: the final batch statistics, with the same leading axes; None for a network without.
    elapsed: the final time, (seed, *swept).
    step: the number of steps taken.
    swept: the swept hyper-parameters and their values.
    """

    data: xr.Dataset
    params: PyTree
    state: PyTree
    statistics: PyTree
    elapsed: Array
    step: int
    swept: Mapping[str, tuple[float, ...]]

    def select(self, **values: float) -> PerSeed[PyTree]:
        """The final parameters at one point of the swept hyper-parameters, ready to start another simulation.

        Batch statistics belong to its problem: `select_statistics`.

        Raises:
            ValueError: a swept hyper-parameter is not given, or was not run at that value.
        """
        return self._at(self.params, values)

    def select_statistics(self, **values: float) -> PerSeed[PyTree]:
        """The final batch statistics at one point of the swept hyper-parameters; `select` raises the same errors."""
        return self._at(self.statistics, values)

    def _at(self, tree: PyTree, values: Mapping[str, float]) -> PerSeed[PyTree]:
        if set(values) != set(self.swept):
            raise ValueError(f"select takes a value for each of {list(self.swept)}, got {list(values)}")
        for name, swept in self.swept.items():
            if values[name] not in swept:
                raise ValueError(f"{name}={values[name]} was not run; there are {list(swept)}")
        point = tuple(swept.index(values[name]) for name, swept in self.swept.items())
        return PerSeed(jax.tree.map(lambda leaf: leaf[(slice(None), *point)], tree))


def log_steps(steps: int, points: int) -> tuple[int, ...]:
    """0 and about `points` steps up to `steps`, evenly spaced in the logarithm."""
    return (0, *np.unique(np.geomspace(1, steps, points).round().astype(int)).tolist())


def simulate(
    problem: Problem | PerSeed[Problem],
    dynamics: AbstractDynamics | PerSeed[AbstractDynamics] | Callable[..., AbstractDynamics],
    params: PyTree | PerSeed[PyTree] | Callable[[Key[Array, ""]], PyTree],
    *,
    steps: int,
    probes: Mapping[str, Probe] | None = None,
    record: int | Sequence[int] = 100,
    seeds: int = 1,
    seed: int = 0,
    stream: int = 0,
    sweep: Mapping[str, Sequence[float]] | None = None,
    until: Callable[[dict[str, np.ndarray]], bool] | None = None,
    resume: Simulation | None = None,
    driver: Driver = "auto",
    lanes: Lanes = "auto",
    data_parallel: DataParallel = False,
    chunk: int | None = None,
    label: str = "",
) -> Simulation:
    """Trains every lane for `steps` steps and records probes along the way.

    Args:
        problem: one problem for all seeds, or `PerSeed` problems.
        dynamics: how parameters move, for all seeds or `PerSeed` (step sizes that suit each seed's data); with `sweep`
            also a function of the swept values that returns a dynamics.
        params: where to start: a pytree of arrays, `PerSeed` parameters, or a function of a key.
        steps: steps to take (with `resume`: the step to reach).
        probes: name -> probe(problem, params) -> array; the first line of its docstring becomes the variable's long
            name.
        record: how many times to record after the start, evenly spaced, or the very steps.
        seeds: how many seeds; they are seed, seed + 1, ..., each the same whichever others run beside it.
        seed: the first seed.
        stream: simulations of one experiment that must see independent noise take different streams.
        sweep: hyper-parameter -> values; every combination becomes a lane. A hyper-parameter is a field of
            `dynamics`, or an argument of the function given in its place.
        until: called with what was recorded last, {name: (seed, *swept, ...)}; stops when it returns True.
        resume: a simulation of the same problem and dynamics to go on from; the result is, bit for bit, the run that
            was not interrupted. Only what comes after is recorded; `params` is ignored.
        driver: "scan" (loop on the device), "host" (loop over single steps), "auto" (host for convolutions on a CPU).
        lanes: "vmap" (all at once), "map" (one after another on the device), "loop" (one seed after another from the
            host), "auto" (on a CPU, map for wide networks and loop for convolutions; else vmap. With `data_parallel`
            map, and loop for convolutions on a CPU).
        data_parallel: whether all devices train every lane together, each on its part of the batch; "auto" does so
            where there are several accelerators, more of them than lanes, that can share a batch equally. On one device
            it changes nothing.
        chunk: steps between two looks of the host; by default so many as take about 0.2 s.
        label: what the progress display calls this simulation.

    Returns:
        A `Simulation`. Where a process has several devices the seeds are split among them (by "vmap" on a CPU at least
        two to a device), unless they run by "loop" or their program factorises matrices on a CPU.

        With `data_parallel` the devices share the examples instead: each holds the parameters and the data set whole
        and computes on an equal part of the batch, and batch statistics are those of the whole batch. The parameters
        are those of one device up to the order of sums. Probes are computed whole on every device.

        In several processes (`jax.distributed.initialize`) a simulation is its own process's, on that process's
        devices. With `data_parallel` it is one on the devices of all: every process calls `simulate` with the same
        arguments and gets the whole result; `until` is answered by the first, which alone writes checkpoints; all must
        find them, in a folder that they share, to go on from there.

    Raises:
        ValueError: steps, seeds or chunk below 1, a recording step outside the run, an unknown option, a name that is
            taken, a hyper-parameter that cannot be swept, a `resume` that does not fit, parameters that are not
            floating arrays, or a batch that the devices cannot share equally.
    """
    for name, value in {"steps": steps, "seeds": seeds, "chunk": 1 if chunk is None else chunk}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if driver not in ("auto", "scan", "host"):
        raise ValueError(f"driver must be auto, scan or host, got {driver!r}")
    if lanes not in ("auto", "vmap", "map", "loop"):
        raise ValueError(f"lanes must be auto, vmap, map or loop, got {lanes!r}")
    if data_parallel not in (True, False, "auto"):
        raise ValueError(f"data_parallel must be True, False or auto, got {data_parallel!r}")
    swept = {name: tuple(float(v) for v in values) for name, values in (sweep or {}).items()}
    sizes = tuple(len(values) for values in swept.values())
    first = 0 if resume is None else resume.step
    stops = _recording_steps(record, first, steps)

    _check_names(probes or {}, swept, dynamics)
    if seed < 0 or seed + seeds > 2**32:
        raise ValueError(f"seeds must lie in 0..2^32 - 1, got {seed}..{seed + seeds - 1}")
    if steps >= _NEVER:
        raise ValueError(f"steps must be below {_NEVER}, got {steps}")
    if resume is not None:
        if dict(resume.swept) != swept or resume.data["seed"].values.tolist() != list(range(seed, seed + seeds)):
            raise ValueError("resume needs the seed, the seeds and the sweep of the simulation it goes on from")
        if resume.step > steps:
            raise ValueError(f"steps must be at least the {resume.step} taken by the resumed simulation, got {steps}")

    keys = _keys(seed, seeds, stream)
    if resume is None:
        moving = beginning(params, keys[:, 0], seeds, sizes)
    else:
        # The host driver consumes what it is given; the caller's arrays stay the caller's.
        moving = flat(Moving(resume.params, resume.state, resume.elapsed), sizes)
    numbers = frame = build = None
    if isinstance(dynamics, AbstractDynamics | PerSeed):
        numbers, frame = eqx.partition(dynamics, eqx.is_array_like)
        frame = frame.value if isinstance(frame, PerSeed) else frame
    else:
        build = dynamics
    real = precision(moving.params)
    grid = np.meshgrid(*swept.values(), indexing="ij") if swept else []
    values = {name: jnp.asarray(axis.ravel(), real) for name, axis in zip(swept, grid, strict=True)}
    still = Still(problem, keys[:, 1], numbers, values)
    static = Static(build, frame, tuple((probes or {}).items()))
    strategy = choose(driver, lanes, static, still, moving, seeds, data_parallel)
    mesh = strategy.mesh
    static = static._replace(lanes=strategy.lanes, mesh=mesh, straight=strategy.straight)
    # How many devices share a batch decides the order of its sums, and so the last bits.
    sharing = mesh.size if mesh is not None and splits_examples(mesh) else None
    checkpoint = next_checkpoint(static._replace(mesh=None), sharing, still, moving, steps, stops, first, until)
    groups = grouped(to_all(mesh, still), to_all(mesh, moving), seeds, strategy.lanes, mesh)
    if resume is None:
        groups = [(held, _lanes.all_lanes(_lanes.begin, static, held, carried)) for held, carried in groups]

    advance = _advance_by_scan if strategy.driver == "scan" else _advance_by_steps
    slots = min(len(stops), _RECORDS_A_CHUNK) + 1
    recorded: list[dict[str, np.ndarray]] = []
    position, length, listener = first, chunk or WINDOW, _listener.get()

    def over(records: dict[str, np.ndarray]) -> bool:
        last = {name: r[:, :, -1] for name, r in records.items()}
        if until is None:
            return False
        stop = until({name: r.reshape(seeds, *sizes, *r.shape[2:]) for name, r in last.items()})
        return bool(everyone(mesh, stop)[0])

    reached = None if checkpoint is None else checkpoint.read([carried for _, carried in groups])
    if len(set(everyone(mesh, -1 if reached is None else reached.position))) > 1:
        reached = None
    checkpoint = checkpoint if writes(mesh) else None
    if reached is not None:
        position, recorded = reached.position, reached.recorded
        carried = to_all(mesh, reached.carried)
        groups = [(held, carried) for (held, _), carried in zip(groups, carried, strict=True)]
        for records in recorded:  # so that a stop rule which counts has seen what it had seen
            over(records)
    ended = position == steps or (reached is not None and reached.over)
    try:
        while not ended:
            clock = time.perf_counter()
            wanted = min(position + length, steps)
            end, due = _next_chunk(position, wanted, stops, each=until is not None)
            moved = [advance(static, held, carried, position, end, due, slots) for held, carried in groups]
            groups = [(held, carried) for (held, _), (carried, _) in zip(groups, moved, strict=True)]
            records = _joined(jax.device_get([record for _, record in moved]), seeds)
            position = end
            if listener is not None:
                listener(position, steps, label)
            if due:
                recorded = [*recorded, {name: r[:, :, : len(due)] for name, r in records.items()}]
            ended = position == steps or (bool(due) and over(recorded[-1]))
            if checkpoint is not None:
                reached = Reached(position, [carried for _, carried in groups], recorded, ended)
                checkpoint.offer(reached)
            if chunk is None and end == wanted and everyone(mesh, time.perf_counter() - clock)[0] < _CHUNK_SECONDS / 2:
                length *= 2
    except KeyboardInterrupt:
        # Single steps consume what they are given: after them there is nothing left to keep.
        if checkpoint is not None and reached is not None and strategy.driver == "scan":
            checkpoint.offer(reached, last=True)
        raise

    if (problem.value if isinstance(problem, PerSeed) else problem).statistics is None:
        averages = None
    else:
        averages = [_lanes.all_lanes(_lanes.statistics, static, held, carried) for held, carried in groups]
        averages = from_all(mesh, gathered(averages, seeds, sizes))
    final = from_all(mesh, gathered([carried for _, carried in groups], seeds, sizes))
    ends = final.params, averages
    data = _dataset(recorded, [s for s in stops if s <= position], ends, seed, seeds, swept, probes or {})
    if recorded and bool((data["time"] == data["time"][0]).all()):
        data = data.assign_coords(time=data["time"][0].drop_vars("seed"))
    return Simulation(data, final.params, final.state, averages, final.time, position, swept)


# --- before the loop --------------------------------------------------------------------------------------------------


def _recording_steps(record: int | Sequence[int], first: int, steps: int) -> list[int]:
    """The steps to record, sorted; those after `first` where a resumed run has recorded the others already."""
    if isinstance(record, int | np.integer):
        if record < 1:
            raise ValueError(f"record must be at least 1, got {record}")
        stops = sorted({round(stop) for stop in np.linspace(0, steps, record + 1)})
    else:
        stops = sorted({int(stop) for stop in record})
    if stops and not 0 <= stops[0] <= stops[-1] <= steps:
        raise ValueError(f"recording steps must lie in 0..{steps}, got {stops[0]}..{stops[-1]}")
    return [stop for stop in stops if stop > first or first == 0]


@jax.jit
def _block_of_keys(first: Array, stream: Array) -> Array:
    """Key data of the seeds first, ..., first + _KEY_BLOCK - 1: (seed, [start, noise], ...)."""

    def of_seed(seed: Array) -> Array:
        return jax.random.key_data(jax.random.split(jax.random.fold_in(jax.random.key(seed), stream)))

    return jax.vmap(of_seed)(first + jnp.arange(_KEY_BLOCK, dtype=jnp.uint32))


def _keys(seed: int, seeds: int, stream: int) -> np.ndarray:
    """Key data of every seed, (seed, [start, noise], ...); in blocks, so that no number of seeds compiles anew."""
    firsts = range(seed, seed + seeds, _KEY_BLOCK)
    return np.concatenate([_block_of_keys(np.uint32(first), np.uint32(stream)) for first in firsts])[:seeds]


def _check_names(probes: Mapping[str, Probe], swept: Mapping[str, tuple[float, ...]], dynamics: Any) -> None:
    """Raises ValueError for names the dataset needs itself, and for what cannot be swept."""
    axes = {"seed", "step", "time", "diverged"}
    if clash := sorted((axes | set(swept)) & set(probes)) or sorted(axes & set(swept)):
        raise ValueError(f"{clash[0]!r} names an axis of the dataset: choose another name")
    rule = dynamics.value if isinstance(dynamics, PerSeed) else dynamics
    for name, values in swept.items():
        if not values:
            raise ValueError(f"sweep gives no values for {name!r}")
        if isinstance(rule, AbstractDynamics):
            field = {f.name: f for f in fields(rule)}.get(name)
            if field is None or field.metadata.get("static"):
                raise ValueError(f"{type(rule).__name__} has no number {name!r} to sweep")
            for value in values:
                replace(rule, **{name: value})  # a value that the dynamics refuses is refused before anything runs


# --- the loop ---------------------------------------------------------------------------------------------------------


def _next_chunk(position: int, end: int, stops: Sequence[int], each: bool) -> tuple[int, list[int]]:
    """The end of the chunk that begins at `position` and the recording steps in it; with `each` it ends at the next."""
    due = [stop for stop in stops if position < stop <= end or stop == position == 0]
    most = 1 + (due[:1] == [0]) if each else _RECORDS_A_CHUNK
    if len(due) < most:
        return end, due
    return due[most - 1], due[:most]


def _advance_by_scan(
    static: Static, still: Still, moving: Moving, start: int, end: int, due: list[int], slots: int
) -> tuple[Moving, dict[str, Array]]:
    """One call for the whole chunk; the records have the leading axes (seed, lane, slot)."""
    stops = np.full(slots, _NEVER, np.int32)
    stops[: len(due)] = due
    moved = _lanes.all_lanes(_lanes.advance, static, still, moving, np.int32(start), np.int32(end), stops)
    return settled(static.mesh, moved)


def _advance_by_steps(
    static: Static, still: Still, moving: Moving, start: int, end: int, due: list[int], slots: int
) -> tuple[Moving, dict[str, Array]]:
    """One call a step, with the same noise; the records have the leading axes (seed, lane, slot)."""
    records: list[dict[str, Array]] = []
    window: PyTree = None
    for step in range(start, end + 1):
        if step in due:
            records.append(_lanes.all_lanes(_lanes.measure, static, still, moving))
        if step == end:
            break
        if step == start or step % WINDOW == 0:
            window = _lanes.all_lanes(_lanes.noise, static, still, moving, np.int32(step // WINDOW * WINDOW))
        offset = step % WINDOW
        moved = _lanes.step_all(static, still, moving, window, np.int32(offset), np.int32(offset + 1))
        moving = settled(static.mesh, moved)
    return moving, jax.tree.map(lambda *slot: jnp.stack(slot, axis=2), *records) if records else {}


def _joined(groups: list[dict[str, np.ndarray]], seeds: int) -> dict[str, np.ndarray]:
    """The groups' records with all seeds in the leading axis, without the repeated ones."""
    return {name: np.concatenate([group[name] for group in groups])[:seeds] for name in groups[0]}


# --- after the loop ---------------------------------------------------------------------------------------------------


def _dataset(
    recorded: list[dict[str, np.ndarray]],
    stops: Sequence[int],
    ends: PyTree,
    seed: int,
    seeds: int,
    swept: Mapping[str, tuple[float, ...]],
    probes: Mapping[str, Probe],
) -> xr.Dataset:
    """Labelled axes for what was recorded: (seed, lane, slot, ...) chunks -> variables (seed, *swept, step, ...)."""
    sizes = tuple(len(values) for values in swept.values())
    data = xr.Dataset(coords={"seed": np.arange(seed, seed + seeds), **{n: list(v) for n, v in swept.items()}})
    for name in recorded[0] if recorded else ():
        values = np.concatenate([chunk[name] for chunk in recorded], axis=2)
        values = values.reshape(seeds, *sizes, *values.shape[2:])
        own = [f"{name}_{axis}" for axis in range(values.ndim - 2 - len(sizes))]
        if name == "time":
            axes = ("seed", *swept, "step")
            data = data.assign_coords(time=(axes, values, {"long_name": "sum of the step sizes"}))
        else:
            words = (probes[name].__doc__ or name).strip().splitlines()[0].rstrip(".")
            data[name] = (("seed", *swept, "step", *own), values, {"long_name": words})
    if recorded:
        data = data.assign_coords(step=("step", list(stops), {"long_name": "steps taken"}))
    finite = [np.isfinite(leaf).reshape(seeds, *sizes, -1).all(-1) for leaf in map(np.asarray, jax.tree.leaves(ends))]
    data["diverged"] = (
        ("seed", *swept),
        ~np.logical_and.reduce(finite),
        {"long_name": "final parameters or batch statistics not finite"},
    )
    return data
