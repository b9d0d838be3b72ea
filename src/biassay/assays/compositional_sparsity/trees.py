"""Part one: the networks on targets composed along a tree, one cell after another.

The step size of a cell is chosen on other seeds, with the coordinates as they are, and used for permuted ones as well:
chosen apart, a difference between the two would be one of step sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import groupby

import jax
import numpy as np
import xarray as xr
from jaxtyping import PyTree

from ...data.compositional import wrong_order
from ...models.tree import embed
from ...problem import squared_error
from .cells import EMBEDDED, PERMUTED, TRUE, WIDE, Cell, cells
from .config import TREE, Config
from .networks import count, hidden_units, network, start
from .targets import Drawn, draw, permuted
from .training import Fit, Stream, Trainer, choose_step_size

FEW = 1024
"""Below so many points the step sizes are chosen from `small_step_sizes`."""

WORDS = {
    "error": "mean squared error on the test points, relative to the target's variance, at the best checkpoint",
    "final": "relative mean squared error on the test points at the end",
    "train": "relative mean squared error on the training points at the end",
    "residual": "share of the target's variance that no linear function explains",
    "slope": "mean |∇g| of the standardized constituents",
}
"""The variables with the dimensions (cell, seed)."""


def measure_trees(config: Config) -> xr.Dataset:
    """All cells: `WORDS` (cell, seed), `path` (cell, seed, step), and the step size and parameters of every cell."""
    order = cells(config)
    drawn = cache(partial(draw, config))
    chosen: dict[Cell, float] = {}
    fits: dict[Cell, Fit] = {}
    for _, group in groupby(order, key=lambda cell: (cell.architecture, cell.d, cell.budget)):
        together = list(group)
        rows = math.lcm(*(cell.size for cell in together))
        for cell in together:
            alike = tuned_as(cell)
            if alike not in chosen:
                chosen[alike] = _step_size(config, alike, rows, drawn)
            fits[cell] = _fit(config, cell, rows, chosen[alike], drawn, fits)
    return _dataset(config, fits, [chosen[tuned_as(cell)] for cell in order], drawn)


def tuned_as(cell: Cell) -> Cell:
    """The cell whose step size is used: the coordinates as they are, and the start at random."""
    return cell._replace(architecture=_built_as(cell), wiring=TRUE)


def _built_as(cell: Cell) -> str:
    return WIDE if cell.architecture == EMBEDDED else cell.architecture


def _trainer(config: Config, cell: Cell) -> Trainer:
    return Trainer(
        network=network(_built_as(cell)),
        loss=squared_error,
        measure=squared_error,
        steps=config.steps,
        batch=config.batch,
        checkpoints=config.checkpoints,
        validation=config.validation,
    )


def _start(cell: Cell, seed: int, stream: int) -> PyTree:
    """A network before training: the same for all targets, wirings and sizes."""
    architecture = _built_as(cell)
    hidden = hidden_units(architecture, cell.d, cell.budget)
    return start(np.random.default_rng((seed, stream, cell.d)), architecture, cell.d, hidden)


def _step_size(config: Config, cell: Cell, rows: int, drawn: Callable[..., Drawn]) -> float:
    grid = config.small_step_sizes if cell.size < FEW else config.step_sizes
    seeds = range(config.seed, config.seed + config.tuning_seeds)
    lr, _ = choose_step_size(
        _trainer(config, cell),
        [drawn(cell.target, cell.d, seed, True).examples.first(cell.size, rows) for seed in seeds],
        [_start(cell, seed, Stream.INIT + Stream.TUNING) for seed in seeds],
        grid,
        seed=config.seed,
        stream=Stream.BATCHES + Stream.TUNING,
        label=f"step size, {_label(cell)}",
    )
    return lr


def _fit(
    config: Config, cell: Cell, rows: int, lr: float, drawn: Callable[..., Drawn], done: Mapping[Cell, Fit]
) -> Fit:
    seeds = range(config.seed, config.seed + config.seeds)
    examples = [drawn(cell.target, cell.d, seed, False).examples.first(cell.size, rows) for seed in seeds]
    if cell.wiring == PERMUTED:
        examples = [permuted(of_seed, wrong_order(cell.d)) for of_seed in examples]
    if cell.architecture == EMBEDDED:
        trees = done[cell._replace(architecture=TREE)].params
        starts = [embed(jax.tree.map(lambda leaf, i=i: leaf[i], trees)) for i in range(config.seeds)]
    else:
        starts = [_start(cell, seed, Stream.INIT) for seed in seeds]
    trainer, lrs = _trainer(config, cell), [lr] * config.seeds
    return trainer(examples, starts, lrs, seed=config.seed, stream=Stream.BATCHES, label=_label(cell))


def _label(cell: Cell) -> str:
    return f"{cell.architecture}, {cell.target} {cell.wiring}, d {cell.d}, P {cell.budget}, n {cell.size}"


def _dataset(config: Config, fits: dict[Cell, Fit], lrs: list[float], drawn: Callable[..., Drawn]) -> xr.Dataset:
    """Everything measured, with the fields of a cell as coordinates."""
    seeds = range(config.seed, config.seed + config.seeds)
    facts = [[drawn(cell.target, cell.d, seed, False) for seed in seeds] for cell in fits]
    found = {
        "error": np.stack([fit.best for fit in fits.values()]),
        "final": np.stack([fit.test[:, -1] for fit in fits.values()]),
        "train": np.stack([fit.train[:, -1] for fit in fits.values()]),
        "residual": np.array([[fact.residual for fact in of_cell] for of_cell in facts]),
        "slope": np.array([[fact.slope for fact in of_cell] for of_cell in facts]),
    }
    paths = np.stack([fit.test for fit in fits.values()])
    parameters = [count(_start(cell, config.seed, Stream.INIT)) for cell in fits]
    hidden = [hidden_units(_built_as(cell), cell.d, cell.budget) for cell in fits]
    return xr.Dataset(
        {name: (("cell", "seed"), values, {"long_name": WORDS[name]}) for name, values in found.items()}
        | {
            "path": (("cell", "seed", "step"), paths, {"long_name": "relative mean squared error on the test points"}),
            "lr": ("cell", lrs, {"long_name": "step size chosen on other seeds"}),
            "parameters": ("cell", parameters, {"long_name": "parameters, counted"}),
            "hidden": ("cell", hidden, {"long_name": "hidden units of a node, or of a layer of a dense network"}),
        },
        coords={
            **{
                field: ("cell", list(values))
                for field, values in zip(Cell._fields, zip(*fits, strict=True), strict=True)
            },
            "seed": list(seeds),
            "step": ("step", next(iter(fits.values())).step, {"long_name": "steps taken"}),
        },
        attrs={"base_d": config.d, "base_budget": config.budget, "base_size": config.size},
    )
