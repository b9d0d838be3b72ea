"""Batch size x step size x weight decay: the rank along the way, and the test accuracy.

Each run is SGD without momentum at a constant step size, its batches drawn with replacement. A run is read at several
steps: those at which another run has the same number of steps, of epochs, or of forgetting times lr wd T.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import xarray as xr

from ...data import digits
from ...dynamics import SGD
from ...simulation import simulate
from .config import LAYERS, Config
from .digits_data import Examples, Targets, problem, starts
from .networks import predict, spectra, test_accuracy, train_accuracy

Variables: TypeAlias = dict[str, tuple[Any, ...]]

TOLERANCES = (1e-2, 0.05)
"""A singular value of W / |W|_F above the tolerance counts; the claims name theirs."""
_PROBES = {"spectrum": spectra, "train": train_accuracy, "test": test_accuracy}


class Run(NamedTuple):
    """Some weight decays at one batch size and step size; `read` are the steps that comparisons need."""

    batch: int
    lr: float
    steps: int
    read: frozenset[int]
    decays: tuple[float, ...]


def epoch_steps(config: Config, batch: int) -> int:
    """The steps that make up the epochs to compare at."""
    return max(1, round(config.epochs * config.train / batch))


def equal_time_steps(config: Config, lr: float) -> int:
    """The steps at `lr` with the lr wd T of `steps` steps at the configuration's own."""
    return max(1, round(config.steps * config.lr / lr))


def plan(config: Config) -> list[Run]:
    """The runs: every batch size at one step size, and the two other step sizes at the smallest batch.

    The small step size needs many steps for the same lr wd T: it is run with the judged decay and without decay only.
    """
    runs = []
    for batch in config.batches:
        read = {epoch_steps(config, batch)}
        if batch in (config.batches[0], config.batches[-1]):
            read.add(config.steps)
        runs.append(Run(batch, config.lr, max(read), frozenset(read), config.weight_decays))
    for lr, decays in zip(config.lrs, ((0.0, config.judged_decay), config.weight_decays), strict=True):
        read = {config.lr_steps, equal_time_steps(config, lr)}
        runs.append(Run(config.batches[0], lr, max(read), frozenset(read), decays))
    return runs


def recording_steps(steps: int, read: Sequence[int] | frozenset[int], records: int) -> list[int]:
    """0 and about `records` evenly spaced steps, the nearest ones moved to those that must be read.

    As many whatever is read: runs with as many records share one compiled program.
    """
    grid = np.unique(np.linspace(0, steps, records + 1).round().astype(int))
    for step in sorted(read, reverse=True):
        free = [i for i in range(1, len(grid)) if grid[i] not in read]
        if step not in grid:
            grid[min(free, key=lambda i: abs(grid[i] - step))] = step
    return sorted(int(step) for step in grid)


def train_run(config: Config, data: Examples, run: Run, targets: Targets, label: str) -> dict[str, np.ndarray]:
    """`step` (record,) and the probes (seed, decay, record, ...) of one run, in single precision."""
    outputs = 1 if targets == "parity" else digits.CLASSES
    simulation = simulate(
        problem(predict, data, np.float32, targets),
        SGD(run.lr, run.batch, "independent", weight_decay=0.0),
        starts(config.seed, config.seeds, (*config.widths, outputs), np.float32),
        steps=run.steps,
        record=recording_steps(run.steps, run.read, config.records),
        probes=_PROBES,
        seeds=config.seeds,
        seed=config.seed,
        sweep={"weight_decay": run.decays},
        label=label,
    )
    found = {name: simulation.data[name].values.astype(float) for name in _PROBES}
    return {**found, "step": simulation.data["step"].values}


def ranks(spectrum: np.ndarray) -> np.ndarray:
    """Numerical ranks (..., tolerance) of normalised singular values (..., width), NaN where these are not finite."""
    counts = np.stack([(spectrum > tolerance).sum(axis=-1) for tolerance in TOLERANCES], axis=-1)
    return np.where(np.isfinite(spectrum).all(axis=-1, keepdims=True), counts, np.nan)


def sweep(config: Config, data: Examples) -> xr.Dataset:
    """All runs side by side, with the dimensions seed, run, weight_decay, record; NaN where a decay was not run."""
    runs = plan(config)
    found = [train_run(config, data, run, "digit", f"digits, batch {run.batch}, step size {run.lr:g}") for run in runs]
    most = max(len(one["step"]) for one in found)

    def side_by_side(name: str) -> np.ndarray:
        """(seed, run, decay, record, ...)"""
        own = found[0][name].shape[3:]
        table = np.full((config.seeds, len(runs), len(config.weight_decays), most, *own), np.nan)
        for i, (run, one) in enumerate(zip(runs, found, strict=True)):
            places = [config.weight_decays.index(decay) for decay in run.decays]
            table[:, i, places, : len(one["step"])] = one[name]
        return table

    spectrum = side_by_side("spectrum")
    last = [len(one["step"]) - 1 for one in found]
    steps = np.full((len(runs), most), np.nan)
    for i, one in enumerate(found):
        steps[i, : len(one["step"])] = one["step"]
    axes, by_run = ("seed", "run", "weight_decay", "record"), ("run",)
    final = np.stack([spectrum[:, i, :, end] for i, end in enumerate(last)], axis=1)
    values: Variables = {
        "rank": ((*axes, "layer", "tol"), ranks(spectrum), "numerical rank of the hidden matrices"),
        "stable_rank": ((*axes, "layer"), stable_ranks(spectrum), "stable rank of the hidden matrices"),
        "train": (axes, side_by_side("train"), "train accuracy"),
        "test": (axes, side_by_side("test"), "test accuracy"),
        "spectrum": (("seed", "run", "weight_decay", "layer", "index"), final, "singular values of W / ‖W‖ at the end"),
        "steps": (("run", "record"), steps, "steps taken"),
        "last": (by_run, last, "record at the end of the run"),
        "equal_epochs": (by_run, [epoch_steps(config, run.batch) for run in runs], "steps of the equal epochs"),
        "equal_time": (by_run, [equal_time_steps(config, run.lr) for run in runs], "steps of equal lr·wd·T"),
        "equal_steps": ((), config.lr_steps, "steps of the step sizes compared at equal steps"),
        "full_rank": (
            ("layer",),
            [min(64, config.width)] + [config.width] * (LAYERS - 1),
            "smaller side of the matrix",
        ),
        "judged_decay": ((), config.judged_decay, "weight decay of the comparisons"),
        "train_size": ((), config.train, "digits to train on"),
    }
    return xr.Dataset(
        {name: (axes, value, {"long_name": words}) for name, (axes, value, words) in values.items()},
        coords={
            "seed": np.arange(config.seed, config.seed + config.seeds),
            "batch": ("run", [run.batch for run in runs], {"long_name": "batch size"}),
            "lr": ("run", [run.lr for run in runs], {"long_name": "step size"}),
            "weight_decay": ("weight_decay", list(config.weight_decays), {"long_name": "weight decay"}),
            "layer": np.arange(1, LAYERS + 1),
            "tol": ("tol", list(TOLERANCES), {"long_name": "tolerance of the rank"}),
            "index": np.arange(1, spectrum.shape[-1] + 1),
        },
    )


def stable_ranks(spectrum: np.ndarray) -> np.ndarray:
    """|W|_F^2 / |W|_2^2 (...) of normalised singular values (..., width)."""
    return (spectrum**2).sum(axis=-1) / spectrum[..., 0] ** 2


def one_output(config: Config, data: Examples) -> xr.Dataset:
    """The same network with one output, on even against odd digits, at the smallest batch: `single_...`."""
    batch = config.batches[0]
    decays = (0.0, config.weight_decays[-1])
    run = Run(batch, config.lr, epoch_steps(config, batch), frozenset(), decays)
    found = train_run(config, data, run, "parity", "digits, one output")
    axes = ("seed", "single_decay", "single_record")
    values: Variables = {
        "single_rank": ((*axes, "layer", "tol"), ranks(found["spectrum"]), "one output: numerical rank"),
        "single_train": (axes, found["train"], "one output: train accuracy"),
        "single_test": (axes, found["test"], "one output: test accuracy"),
        "single_spectrum": (
            ("seed", "single_decay", "layer", "index"),
            found["spectrum"][:, :, -1],
            "one output: singular values of W / ‖W‖ at the end",
        ),
        "single_steps": (("single_record",), found["step"], "one output: steps taken"),
    }
    return xr.Dataset(
        {name: (axes, value, {"long_name": words}) for name, (axes, value, words) in values.items()},
        coords={"single_decay": ("single_decay", list(decays), {"long_name": "one output: weight decay"})},
    )
