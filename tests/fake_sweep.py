"""A tiny assay for the tests of sweeps: points that work, raise, or kill their worker; every run leaves a mark.

A worker process finds it by the name of this module, so what it does is decided by its configuration alone.
"""

from __future__ import annotations

import os
import resource
import signal
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from biassay.assay import Assay
from biassay.assays import Entry
from biassay.claims import Claim
from biassay.figures import Figure


@dataclass(frozen=True, kw_only=True)
class Config:
    n: int = 0
    lr: float = 0.1
    decay: float | None = None
    etas: tuple[float, ...] = (0.3,)
    steps: int = 4
    loud: bool = False
    kind: str = "plain"
    killers: tuple[int, ...] = ()
    once: tuple[int, ...] = ()
    bad: tuple[int, ...] = ()
    pause: float = 0.0
    marks: str = ""
    seed: int = 0
    seeds: int = 3

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr must be above 0, got {self.lr}")
        if self.n > 900 and self.lr > 1:
            raise ValueError(f"lr must be at most 1 where n is above 900, got {self.lr}")


def marked(folder: Path) -> list[tuple[int, int]]:
    """(n, process) of every run that was begun."""
    names = [path.name.split("-") for path in folder.glob("*-*-*")]
    return [(int(n), int(process)) for n, process, _ in names]


def run(config: Config) -> xr.Dataset:
    if config.marks:
        folder = Path(config.marks)
        (folder / f"{config.n}-{os.getpid()}-{uuid.uuid4().hex}").touch()
        if (folder / "full").exists():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        again = folder / f"again{config.n}"
        if config.n in config.once and not again.exists():
            again.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if config.n in config.killers:
        os.kill(os.getpid(), signal.SIGKILL)
    if config.n in config.bad:
        raise ValueError(f"no solution\nfor n = {config.n}")
    time.sleep(config.pause)
    seeds = np.arange(config.seed, config.seed + config.seeds)
    steps = np.arange(config.steps)
    loss = np.random.default_rng(config.n).normal(size=(config.seeds, config.steps)) * config.lr
    return xr.Dataset(
        {
            "loss": (("seed", "step"), loss, {"long_name": "the loss"}),
            "ends": ("seed", seeds % 2 == 0),
            "weight": (("seed", "weight_0"), np.ones((config.seeds, len(config.etas)))),
            "count": ((), config.n),
        },
        coords={"seed": seeds, "step": steps, "time": ("step", config.lr * steps)},
        attrs={"steepness": 2.0 * config.lr, "of": "grains"},
    )


def _figures(data: xr.Dataset) -> tuple[Figure, ...]:
    return ()


ASSAY = Assay(
    name="grains",
    sentence="Losses are small.",
    mathematics="$l < 1$",
    papers=("lecture_sgd",),
    profiles={"quick": Config(), "full": Config(seeds=5)},
    run=run,
    claims=(
        Claim(
            name="small",
            says="Losses are small.",
            cite="lecture_sgd",
            provenance="derived",
            measure=lambda data: abs(data["loss"].values).max(axis=1),
            region=(0.0, 5.0),
            control=lambda data: 10 + 0 * data["loss"].values[:, 0],
            control_says="large numbers",
            statistic="every",
        ),
        Claim(
            name="counts",
            says="There are few grains.",
            cite="lecture_sgd",
            provenance="derived",
            measure=lambda data: data["count"].values + 0.0 * data["seed"].values,
            region=(0.0, 30.0),
            control=lambda data: 1000.0 + data["seed"].values,
            control_says="many grains",
            statistic="every",
        ),
    ),
    figures=_figures,
    seconds=0.1,
)

ENTRY = Entry("fake_sweep", ASSAY.sentence, ("small", "counts"), 0.1, ASSAY.papers)
