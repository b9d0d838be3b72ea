"""A tiny assay for the tests of the store, the runs and the command line: coin flips, in no time.

The claim `fair` is recorded as it comes out; `loaded` is recorded otherwise when `BIASSAY_TEST_CHANGED` is set.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import xarray as xr

from biassay.assay import Assay
from biassay.assays import Entry
from biassay.claims import Claim
from biassay.figures import Figure, Panel, Points
from biassay.simulation import _listener


@dataclass(frozen=True, kw_only=True)
class Config:
    eta: float = 0.1
    replication: int = 2
    labels: tuple[float, ...] = (0.3, 0.4)
    pause: float = 0.0
    seed: int = 0
    seeds: int = 4

    def __post_init__(self) -> None:
        if self.eta <= 0:
            raise ValueError(f"eta must be above 0, got {self.eta}")
        if self.replication < 1:
            raise ValueError(f"replication must be at least 1, got {self.replication}")


calls: list[Config] = []


def run(config: Config) -> xr.Dataset:
    calls.append(config)
    listener = _listener.get()
    if listener is not None:
        listener(1, 2, "coins")
    time.sleep(config.pause)
    seeds = np.arange(config.seed, config.seed + config.seeds)
    heads = config.eta + 1e-3 * np.sin(seeds)
    return xr.Dataset(
        {"heads": ("seed", heads), "tails": ("seed", 1 - heads), "bits": ((), jnp.ones(()).dtype.itemsize * 8)},
        coords={"seed": seeds},
    )


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    points = Points(data["seed"].values, data["heads"].values, "heads")
    panel = Panel(title="Coins", xlabel="seed", ylabel="heads", series=(points,))
    first = Figure(name="coins", title="Coins", caption="Heads by seed.", panels=(panel,))
    return first, replace(first, name="again")


def _claim(name: str, **other: object) -> Claim:
    parts = {
        "says": "Heads are rare.", "cite": "lecture_sgd", "provenance": "derived",
        "measure": lambda data: data["heads"], "region": (0.0, 0.2), "control": lambda data: data["tails"],
        "control_says": "tails", "recorded": "holds",
    }  # fmt: skip
    return Claim(name=name, **{**parts, **other})  # pyright: ignore[reportArgumentType]


ASSAY = Assay(
    name="coins",
    sentence="Heads are rare.",
    mathematics="$p < 1/5$",
    papers=("lecture_sgd",),
    profiles={"quick": Config(), "full": Config(seeds=8)},
    run=run,
    claims=(
        _claim("fair"),
        _claim(
            "loaded",
            region=(0.5, 1.0),
            control=lambda data: 0 * data["heads"],
            control_says="no coins",
            recorded="holds" if "BIASSAY_TEST_CHANGED" in os.environ else "fails",
        ),
    ),
    figures=figures,
    seconds=0.5,
)

ENTRY = Entry("fake_assay", ASSAY.sentence, ("fair", "loaded"), 0.5, ASSAY.papers)
