"""What a sweep costs besides the work, in milliseconds a point.

    python benchmarks/sweep_overhead.py [--points 4000] [--workers 2]

The assay does nothing but return four numbers. *The work* is what a run costs in one process, one after another:
running, writing the file, judging. A sweep adds *planning* (every point before anything runs), batches, processes,
answers, and reading the files onto common axes: the *overhead* is planning and *sweep* less the work and less the start
of the workers, which is told apart. *All from the store* is the same sweep again. Processor time of all processes, so
that other work on the machine does not count, and wall time.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from environment import write

from biassay import assays
from biassay.assay import Assay
from biassay.assays import Entry
from biassay.claims import Claim


@dataclass(frozen=True, kw_only=True)
class Config:
    """One number to sweep."""

    n: int = 0
    seed: int = 0
    seeds: int = 4


def run(config: Config) -> xr.Dataset:
    """Four numbers, and no work."""
    seeds = np.arange(config.seed, config.seed + config.seeds)
    return xr.Dataset({"value": ("seed", seeds + 0.001 * config.n)}, {"seed": seeds})


ASSAY = Assay(
    name="nothing",
    sentence="Nothing is computed.",
    mathematics="",
    papers=(),
    profiles={"quick": Config()},
    run=run,
    claims=(
        Claim(
            name="small",
            says="The numbers are small.",
            cite="",
            provenance="derived",
            measure=lambda data: data["value"].values,
            region=(0.0, 1e6),
            control=lambda data: 1e9 + data["value"].values,
            control_says="large numbers",
            statistic="every",
        ),
    ),
    figures=lambda data: (),
)


def processor() -> float:
    """Seconds of processor time of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class Clock:
    """Milliseconds a point of what happens between two calls, as [processor, wall]."""

    def __init__(self, points: int) -> None:
        self._points = points
        self._last = processor(), time.perf_counter()

    def lap(self) -> list[float]:
        """Since the last call."""
        now = processor(), time.perf_counter()
        spent = [1e3 * (b - a) / self._points for a, b in zip(self._last, now, strict=True)]
        self._last = now
        return spent


def overhead(points: int, workers: int) -> dict[str, Any]:
    """Milliseconds a point, [processor, wall], of the work and of what a sweep adds."""
    from biassay.runs import execute as execute_run
    from biassay.runs import plan
    from biassay.store import Store
    from biassay.sweeps import execute, prepare

    assays.CATALOGUE["nothing"] = Entry("sweep_overhead", ASSAY.sentence, ("small",), 0.0, ())

    def prepared(out: str, grid: range) -> Any:
        return prepare("nothing", {"n": grid}, profile="quick", fields={}, out=Path(out))

    with tempfile.TemporaryDirectory() as out:
        execute_run(plan("nothing", "quick", {"n": points}), Store(Path(out)))  # imports and first calls
        clock = Clock(points)
        for n in range(points):
            execute_run(plan("nothing", "quick", {"n": n}), Store(Path(out)))
        work = clock.lap()
    with tempfile.TemporaryDirectory() as out:
        start = Clock(1)
        execute(prepared(out, range(workers)), workers=workers)
        starting = start.lap()
    with tempfile.TemporaryDirectory() as out:
        clock = Clock(points)
        made = prepared(out, range(points))
        planning = clock.lap()
        execute(made, workers=workers)
        first = clock.lap()
        execute(made, workers=workers)  # all from the store: what gathering costs
        gathering = clock.lap()
    added = [planning[k] + first[k] - starting[k] / points - work[k] / share for k, share in enumerate((1, workers))]
    return {
        "points": points,
        "workers": workers,
        "milliseconds a point, [processor, wall]": {
            "work": work,
            "sweep": first,
            "planning": planning,
            "all from the store": gathering,
            "overhead": added,
        },
        "seconds to start the workers, [processor, wall]": [ms / 1e3 for ms in starting],
    }


def main() -> None:
    """Measures and writes results/sweep_overhead.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--points", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    found = overhead(asked.points, asked.workers)
    for name, (cpu, wall) in found["milliseconds a point, [processor, wall]"].items():
        print(f"{name:20} {cpu:8.3f} ms processor {wall:8.3f} ms wall")
    print(write("sweep_overhead", found))


if __name__ == "__main__":
    main()
