"""A store of 100,000 runs: listing it, taking 1,000 of them as one dataset, and writing one more.

    python benchmarks/sweep.py [--runs 100000] [--repeats 3] [--folder /dev/shm]

The runs are small (three variables of 2 x 8 x 5 numbers, 22 settings, 12 kB) and made by copying one file with another
record, key and seals: about 1.3 GB, removed afterwards. They lie in `--folder`, which may be in memory; the runs of the
last part are written to the disk in any case. Processor seconds (user and system) stand beside wall seconds, which
other processes on the machine lengthen.

*Listing*, in a process that has imported all: without an index (`cold`; the first listing makes it), with one
(`warm`), after 100 new files (`after_100`), with a condition on a setting (`by_setting`); and `biassay runs` as a
command, from its start to its last line. *Floor*: `os.scandir` with the status of every file.

*Dataset*: `ba.load_runs` of 1,000 runs by a condition on a setting. *Peers*: xarray opening the same files and
concatenating them.

*Records*: seconds a record from the files' ends, from netCDF attributes by xarray, and from a JSON file a run by
pandas, as a folder of results is usually read.

*Writing*: seconds a run by `Store.write`, by `Dataset.to_netcdf` in place, and the floor: its bytes written, flushed to
the disk and renamed, as an atomic file must be. `index_row` is what a row in the index would cost its writer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from environment import RESULTS, environment
from rich.console import Console
from rich.table import Table

import biassay as ba
from biassay import _layout, index
from biassay._atomic import replaced
from biassay._entries import read_entry
from biassay.found import listing
from biassay.index import Index
from biassay.store import Store, code_version

ASSAY = "rank-jumps"
CODE = code_version("biassay.assays.rank_jumps")
SHAPE = (2, 8, 5)
NAMES = ("loss", "rank", "norm")


def small(number: int) -> tuple[xr.Dataset, dict[str, Any]]:
    """Data and record of run `number`; every hundredth has the same epsilon."""
    generator = np.random.default_rng(0)
    data = xr.Dataset(
        {name: (("arm", "seed", "step"), generator.random(SHAPE), {"long_name": name}) for name in NAMES},
        coords={"arm": ["sgd", "gd"], "seed": np.arange(8), "step": np.arange(5)},
    )
    config = {f"field_{k}": 0.5 * k for k in range(18)}
    config |= {"epsilon": number % 100 / 100, "lr": float(number // 100), "seed": 0, "seeds": 8}
    versions = dict.fromkeys(("python", "biassay", "jax", "jaxlib", "numpy", "xarray"), "1.2.3")
    record = {
        "seconds": 1.5, "resumed": False, "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:02+00:00", "profile": "quick", "config": config, "changed": ["epsilon", "lr"],
        "code": CODE, "environment": {**versions, "platform": "Linux x86_64", "cpus": 2, "device": "cpu", "devices": 2},
    }  # fmt: skip
    return data, record


def key(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=12).hexdigest()


def make(store: Store, first: int, last: int) -> int:
    """Writes the runs `first`..`last` by copying one; returns the bytes of a file."""
    data, record = small(0)
    whole = _layout.packed(data, {**record, "assay": ASSAY, "key": key(0)})
    body = whole[: -_layout._SEAL_BYTES - _layout._length(whole[-_layout._SEAL_BYTES :])]
    _, record = small(0)
    for number in range(first, last):
        config = {**record["config"], "epsilon": number % 100 / 100, "lr": float(number // 100)}
        own = {**record, "config": config, "assay": ASSAY, "key": key(number), "schema": _layout.SCHEMA}
        text = json.dumps(own).encode()
        head = body + text + _layout._MARK + len(text).to_bytes(8, "big") + _layout._hash(text, 16)
        store.path(ASSAY, key(number)).write_bytes(head + _layout._hash(head, 20))
    return len(whole)


def timed(run: Callable[[], Any], repeats: int, before: Callable[[], Any] = lambda: None) -> dict[str, float]:
    """Median wall and processor seconds, those of child processes included."""
    wall, cpu = [], []
    for _ in range(repeats):
        before()
        begun, used = time.perf_counter(), _processor_seconds()
        run()
        wall.append(time.perf_counter() - begun)
        cpu.append(_processor_seconds() - used)
    return {"wall_s": statistics.median(wall), "cpu_s": statistics.median(cpu)}


def _processor_seconds() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def each(times: dict[str, float], count: int) -> dict[str, float]:
    """Milliseconds for one of `count`."""
    return {name.replace("_s", "_ms"): 1e3 * seconds / count for name, seconds in times.items()}


def statuses(folder: Path) -> list[os.stat_result]:
    with os.scandir(folder) as entries:
        return [entry.stat() for entry in entries]


def list_runs(out: Path, runs: int, repeats: int) -> dict[str, Any]:
    store = Store(out / "store")
    kept = Index(store.folder)
    command = [sys.executable, "-m", "biassay", "runs", "--out", str(out)]
    found = {
        "floor_scandir": timed(lambda: statuses(store.folder), repeats),
        "cold": timed(lambda: listing(out, []), repeats, before=kept.remove),
        "warm": timed(lambda: listing(out, []), repeats),
        "by_setting": timed(lambda: listing(out, ["epsilon=0.25"]), repeats),
        "command": timed(lambda: subprocess.run(command, check=True, capture_output=True), repeats),
        "index_mb": kept.path.stat().st_size / 1e6,
    }
    added = iter(range(runs, runs + 100 * repeats, 100))

    def add() -> None:
        start = next(added)
        make(store, start, start + 100)

    found["after_100"] = timed(lambda: listing(out, []), repeats, before=add)
    assert len(listing(out, [])[0]) == runs + 100 * repeats
    return found


def load(out: Path, repeats: int) -> dict[str, Any]:
    paths = [run.path for run in ba.find_runs(out, assay=ASSAY, epsilon=0.25)]

    def peer() -> xr.Dataset:
        return xr.concat([xr.open_dataset(path, engine="netcdf4").load() for path in paths], "run")

    ours = timed(lambda: ba.load_runs(out, ASSAY, "epsilon=0.25"), repeats)
    combined, other = ba.load_runs(out, ASSAY, "epsilon=0.25"), peer()
    assert all(np.array_equal(combined[name], other[name]) for name in NAMES)
    return {"runs": len(paths), "load_runs": ours, "xarray_concat": timed(peer, 1)}


def read_records(out: Path, repeats: int) -> dict[str, Any]:
    store = out / "store"
    names = [name for name, *_ in Index(store).files()[:1000]]
    folder = out / "json"
    folder.mkdir()
    _, record = small(0)
    for name in names:
        (folder / f"{name}.json").write_text(json.dumps(record))

    def by_xarray() -> None:
        for name in names:
            with xr.open_dataset(store / name, engine="netcdf4") as opened:
                json.loads(opened.attrs["biassay_record"])

    def by_pandas() -> pd.DataFrame:
        return pd.concat([pd.json_normalize(json.loads(path.read_text())) for path in folder.iterdir()])

    return {
        "end_of_file": each(timed(lambda: [read_entry(store, name) for name in names], repeats), len(names)),
        "xarray_attribute": each(timed(by_xarray, 1), len(names)),
        "pandas_json": each(timed(by_pandas, 1), len(names)),
    }


def write_runs(folder: Path, large: Path, repeats: int) -> dict[str, Any]:
    data, record = small(0)
    content = _layout.packed(data, {**record, "assay": ASSAY, "key": key(0)})
    count = 100

    def ours() -> None:
        for number in range(count):
            Store(folder).write(ASSAY, key(number), data, record)

    def rows() -> None:
        for number in range(count):
            entry = read_entry(large, f"{ASSAY}-{key(number)}.nc")
            assert entry is not None
            with Index(large)._connected() as database:
                index._keep(database, [entry], ())

    def floor() -> None:
        for number in range(count):
            with replaced(folder / f"floor-{number}.nc") as temporary:
                temporary.write_bytes(content)

    def by_xarray() -> None:
        for number in range(count):
            data.to_netcdf(folder / f"direct-{number}.nc", engine="netcdf4")

    return {
        "bytes": len(content),
        "store": each(timed(ours, repeats), count),
        "index_row": each(timed(rows, repeats), count),
        "floor_atomic_bytes": each(timed(floor, repeats), count),
        "to_netcdf_in_place": each(timed(by_xarray, repeats), count),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    asked = parser.parse_args()
    out = Path(tempfile.mkdtemp(prefix="biassay-sweep-", dir=asked.folder))
    empty = Path(tempfile.mkdtemp(prefix="biassay-sweep-"))
    try:
        (out / "store").mkdir()
        size = make(Store(out / "store"), 0, asked.runs)
        results = {
            "environment": environment(),
            "folder": str(asked.folder),
            "load_average": os.getloadavg()[0],
            "runs": asked.runs,
            "bytes_a_run": size,
            "listing": list_runs(out, asked.runs, asked.repeats),
            "dataset": load(out, asked.repeats),
            "records": read_records(out, asked.repeats),
            "writing": write_runs(empty, out / "store", asked.repeats),
        }
    finally:
        shutil.rmtree(out)
        shutil.rmtree(empty)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "sweep.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    table = Table("", "", "wall", "processor")
    for part in ("listing", "dataset", "records", "writing"):
        for name, times in results[part].items():
            if isinstance(times, dict):
                table.add_row(part, name, *(f"{value:.3g} {unit[-2:].strip('_')}" for unit, value in times.items()))
    Console().print(table, f"{path}")


if __name__ == "__main__":
    main()
