"""Steps of matrix sensing under label noise: seconds, and the share of what the machine can do, in one run.

    python benchmarks/sensing.py [--steps 2000] [--repeats 7]

*Large*: d = 100, n = 2500, batches of 250, single precision, one lane. biassay (`LabelNoise(sampling="window")` through
`simulate`, measurements packed to their upper triangle, gradient written out) against two PyTorch eager loops:

- dense: `A[index]` of shape (250, d, d), `einsum`, autograd: the same step as it is usually written;
- packed: the same packed slice and the same written-out gradient as here, so that only the runner differs.

The peers take turns; PyTorch does so on one thread and on all of them, and its better number counts, as threads that
wait for one another cost it most on a busy machine. Before they are timed, their gradients on one batch are compared. A
step must read its batch once, 250 x 5050 numbers, and must compute 2 (2 x 250 x 5050) + 2 (2 x 100^3) operations: the
floors are these at the rates that the machine reaches here, reading a large array and multiplying large matrices. Peak
memory is that of a process which only runs biassay's step.

*Small*: d = 20, n = 100, batches of 10, double precision, 28 lanes, against the dense loop, which runs one lane.

Compilation is excluded; numbers are medians over the repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from environment import RESULTS, environment
from rich.console import Console
from rich.table import Table

import biassay as ba
from biassay.models.matrix_sensing import matrix_sensing

SEED = 10_000
STD = 0.1**0.5
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
THREADS = tuple(sorted({1, CORES}))
FULL_STEPS = 200_000
"""Steps of the assay's full profile."""


class Size(NamedTuple):
    """One problem, how it is trained, and on how many lanes biassay runs it."""

    d: int
    rank: int
    n: int
    batch: int
    lr: float
    dtype: Any
    lanes: int


SIZES = {
    "large": Size(100, 5, 2500, 250, 7e-3, np.float32, 1),
    "small": Size(20, 1, 100, 10, 4e-3, np.float64, 28),
}


def draw(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Measurements (n, d, d) and target (d, d)."""
    rng = np.random.default_rng(SEED)
    Q, _ = np.linalg.qr(rng.normal(size=(size.d, size.rank)))
    return rng.standard_normal((size.n, size.d, size.d), size.dtype), (Q @ Q.T).astype(size.dtype)


class Peer(NamedTuple):
    """`run(steps)` takes steps; `gradient(U, first)` is that on the batch of neighbours from `first` on, clean labels;
    `lanes` is how many runs advance at once; `threads` the numbers of threads to try, 0 for the default."""

    run: Callable[[int], Any]
    gradient: Callable[[np.ndarray, int], np.ndarray]
    lanes: int = 1
    threads: tuple[int, ...] = (0,)


def biassay(size: Size) -> Peer:
    problem = matrix_sensing(*draw(size))
    rule = ba.LabelNoise(size.lr, STD, size.batch, "window" if size.lanes == 1 else "independent")
    start = jnp.eye(size.d, dtype=size.dtype)

    def run(steps: int) -> Any:
        done = ba.simulate(problem, rule, start, steps=steps, record=1, seeds=size.lanes, seed=SEED, chunk=steps)
        return jax.block_until_ready(done.params)

    def gradient(U: np.ndarray, first: int) -> np.ndarray:
        return np.asarray(problem.gradient(jnp.asarray(U), problem.batch(first + jnp.arange(size.batch))))

    return Peer(run, gradient, size.lanes)


def torch_dense(size: Size) -> Peer:
    """A[index], einsum and autograd."""
    import torch

    measurements, target = draw(size)
    A = torch.from_numpy(measurements)
    y = torch.from_numpy(np.einsum("nij,ij->n", measurements, target))

    def loss_of(U: Any, index: Any, noise: Any) -> Any:
        outputs = torch.einsum("bij,ij->b", A[index], U @ U.T)
        return ((outputs - y[index] - noise) ** 2).mean()

    def run(steps: int) -> Any:
        torch.manual_seed(SEED)
        U = torch.eye(size.d, dtype=A.dtype, requires_grad=True)
        optimizer = torch.optim.SGD([U], lr=size.lr)
        for _ in range(steps):
            index = torch.randint(size.n, (size.batch,))
            optimizer.zero_grad()
            loss_of(U, index, STD * torch.randn(size.batch, dtype=A.dtype)).backward()
            optimizer.step()
        return U

    def gradient(U: np.ndarray, first: int) -> np.ndarray:
        at = torch.from_numpy(U).requires_grad_()
        (found,) = torch.autograd.grad(loss_of(at, torch.arange(first, first + size.batch), 0.0), at)
        return found.numpy()

    return Peer(run, gradient, threads=THREADS)


def torch_packed(size: Size) -> Peer:
    """A slice of the packed measurements, and the gradient written out, updated in place."""
    import torch

    problem = matrix_sensing(*draw(size))
    x, y = (torch.from_numpy(np.array(part)) for part in (problem.x, problem.y))
    # The first examples again at the end: every window of neighbours is one slice.
    x, y = torch.cat([x, x[: size.batch]]), torch.cat([y, y[: size.batch]])
    row, column = np.triu_indices(size.d)
    upper = torch.from_numpy(row * size.d + column)
    place = np.zeros((size.d, size.d), np.int64)
    place[row, column] = place[column, row] = np.arange(len(row))
    full = torch.from_numpy(place)
    twice = 1 + torch.eye(size.d, dtype=x.dtype)

    def gradient_at(U: Any, first: int, noise: Any) -> Any:
        window = x[first : first + size.batch]
        residual = window @ (U @ U.T).view(-1)[upper] - y[first : first + size.batch] - noise
        return 2 / size.batch * ((residual @ window)[full] * twice) @ U

    @torch.no_grad()
    def run(steps: int) -> Any:
        torch.manual_seed(SEED)
        U = torch.eye(size.d, dtype=x.dtype)
        firsts = torch.randint(size.n, (steps,)).tolist()
        for first in firsts:
            U -= size.lr * gradient_at(U, first, STD * torch.randn(size.batch, dtype=x.dtype))
        return U

    def gradient(U: np.ndarray, first: int) -> np.ndarray:
        return gradient_at(torch.from_numpy(U), first, 0.0).numpy()

    return Peer(run, gradient, threads=THREADS)


PEERS = {"biassay": biassay, "PyTorch, dense": torch_dense, "PyTorch, packed": torch_packed}


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds of one call."""
    begun, used = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begun, time.process_time() - used


def product_rate() -> float:
    """Operations a second of a large product in single precision on all cores, the better of NumPy's and PyTorch's."""
    import torch

    a = np.random.default_rng(0).standard_normal((2000, 2000), np.float32)
    b = torch.from_numpy(a)
    best = min(timed(product)[0] for _ in range(5) for product in (lambda: a @ a, lambda: b @ b))
    return 2 * 2000**3 / best


def read_rate() -> float:
    """Bytes a second of reading an array of 400 MB on all cores."""
    import torch

    a = torch.ones(100_000_000)
    return 4e8 / min(timed(a.sum)[0] for _ in range(5))


def agreement(size: Size, peers: dict[str, Peer]) -> float:
    """The largest difference between the peers' gradients on one batch, relative to the gradient."""
    U = np.random.default_rng(0).normal(size=(size.d, size.d)).astype(size.dtype)
    ours, *others = (peer.gradient(U, 3) for peer in peers.values())
    return float(max(np.abs(other - ours).max() for other in others) / np.abs(ours).max())


def compare(size: Size, names: tuple[str, ...], steps: int, repeats: int) -> dict[str, Any]:
    """Seconds a step and lane of each peer, taking turns."""
    peers = {name: PEERS[name](size) for name in names}
    differ = agreement(size, peers)
    tried = [(name, count) for name, peer in peers.items() for count in peer.threads]
    taken: dict[tuple[str, int], list[tuple[float, float]]] = {key: [] for key in tried}
    peers["biassay"].run(steps)
    for _ in range(repeats):
        for name, count in tried:
            if count:
                _use_threads(count)
            taken[name, count].append(timed(lambda name=name: peers[name].run(steps)))
    rows: dict[str, dict[str, Any]] = {}
    for (name, count), times in taken.items():
        scale = 1e-3 * steps * peers[name].lanes
        row = {
            "lanes": peers[name].lanes,
            "threads": count or "default",
            "wall_ms": statistics.median(wall for wall, _ in times) / scale,
            "cpu_ms": statistics.median(cpu for _, cpu in times) / scale,
            "raw_wall_s": [wall for wall, _ in times],
        }
        if name not in rows or row["wall_ms"] < rows[name]["wall_ms"]:
            rows[name] = row
    return {"steps": steps, "gradients_differ_by": differ, "peers": rows}


def _use_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def peak_memory() -> float:
    """Peak memory of a process that runs biassay's large step alone, in GB."""
    asked = subprocess.run([sys.executable, __file__, "--memory"], check=True, capture_output=True, text=True)
    return float(asked.stdout)


def _own_peak() -> float:
    """This process's peak memory in GB. Linux counts what a parent held before it into `ru_maxrss`, and not here."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps of matrix sensing under label noise.")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--memory", action="store_true", help="run biassay's large step alone, print its peak memory")
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    if asked.memory:
        biassay(SIZES["large"]).run(200)
        print(_own_peak())
        return

    large, small = SIZES["large"], SIZES["small"]
    p = large.d * (large.d + 1) // 2
    operations, numbers = 4 * large.batch * p + 4 * large.d**3, large.batch * p
    rates = {"product_flops": product_rate(), "read_bytes": read_rate()}
    floor = {
        "operations": operations,
        "bytes": 4 * numbers,
        "product_ms": 1e3 * operations / rates["product_flops"],
        "read_ms": 4e3 * numbers / rates["read_bytes"],
    }
    results = {
        "environment": environment(),
        "cores_used": CORES,
        "load_before": os.getloadavg()[0],
        "repeats": asked.repeats,
        "rates": rates,
        "floor": floor,
        "large": compare(large, tuple(PEERS), asked.steps, asked.repeats),
        "small": compare(small, ("biassay", "PyTorch, dense"), asked.steps, asked.repeats),
        "peak_gb": peak_memory(),
    }
    results["full_run_s"] = FULL_STEPS * results["large"]["peers"]["biassay"]["wall_ms"] / 1e3
    table = Table(
        "size",
        "peer",
        "lanes",
        "threads",
        "ms a step, lane",
        "CPU ms",
        "biassay is faster by",
        "of products",
        "of reading",
    )
    for size in ("large", "small"):
        rows = results[size]["peers"]
        for name, row in rows.items():
            row["slower_than_biassay"] = row["wall_ms"] / rows["biassay"]["wall_ms"]
            row["slower_than_biassay_by_processor"] = row["cpu_ms"] / rows["biassay"]["cpu_ms"]
            shares = ("", "")
            if size == "large":
                row["share_of_products"] = floor["product_ms"] / row["wall_ms"]
                row["share_of_reading"] = floor["read_ms"] / row["wall_ms"]
                shares = (f"{row['share_of_products']:.0%}", f"{row['share_of_reading']:.0%}")
            cells = (f"{row['wall_ms']:.3g}", f"{row['cpu_ms']:.3g}", f"{row['slower_than_biassay']:.1f}")
            table.add_row(size, name, str(row["lanes"]), str(row["threads"]), *cells, *shares)
    console = Console(width=120)
    console.print(table)
    console.print(
        f"a large step computes {operations / 1e6:.1f} M operations ({floor['product_ms']:.3f} ms at "
        f"{rates['product_flops'] / 1e9:.0f} G/s) and reads {4 * numbers / 1e6:.1f} MB ({floor['read_ms']:.3f} ms at "
        f"{rates['read_bytes'] / 1e9:.0f} GB/s); at this rate {FULL_STEPS} steps take {results['full_run_s']:.0f} s; "
        f"peak memory {results['peak_gb']:.2f} GB"
    )
    path = RESULTS / "sensing.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"written to {path}")


if __name__ == "__main__":
    main()
