"""Fitting N random labels exactly: the memorizing network against a dense solve and against training, in one run.

    python benchmarks/memorize.py [--points 1000 10000 100000 1000000] [--evaluate 100000] [--repeats 3]

The work: x ~ N(0, I_10), labels uniform in [-1, 1] (error) or random signs (accuracy), float64. Three ways to fit them:

- *construction*: `biassay.references.memorize`, about 4 N hidden weights, and its evaluation in hard-tanh form;
- *dense solve*: N random ReLU features and LAPACK's solution of the N x N system, at the N where that is bearable;
- *training*: Adam (PyTorch, full batch, squared error) on the construction's own architecture until every random sign
  is right, at small N, within a stated number of steps.

Beside the seconds stands the floor: a sort of N numbers and one pass over the 8 N bytes of the second layer's weights,
timed alone. Memory is the peak of a process of its own, and what the build added to it. Seconds are those of the
processor (all threads of the process), which other programs on the machine disturb least; for the construction the wall
seconds stand beside it. Everything runs once before it is timed, except training; builds, evaluations, floors and dense
solves are medians over the repeats, a training run is timed once. PyTorch has one thread, which is faster at these
sizes. The results hold what they were measured on, and the load of the machine before and after.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from environment import RESULTS, environment
from rich.console import Console
from rich.table import Table

from biassay.references import memorize

D = 10
DENSE = (1_000, 2_000, 4_000, 8_000)
TRAINED = (100, 300, 1_000)
TRAIN_STEPS = 3_000
LR = 1e-2


def data(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (n, 10), uniform labels (n,), random signs (n,)."""
    rng = np.random.default_rng(n)
    return rng.normal(size=(n, D)), rng.uniform(-1, 1, n), rng.choice([-1.0, 1.0], n)


def median_seconds(run: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Seconds of the processor and of the wall, medians over the repeats, after one run that is not timed."""
    run()
    processor, wall = [], []
    for _ in range(repeats):
        begun, begun_wall = time.process_time(), time.perf_counter()
        run()
        processor.append(time.process_time() - begun)
        wall.append(time.perf_counter() - begun_wall)
    return statistics.median(processor), statistics.median(wall)


def construction(n: int, most: int, repeats: int) -> dict[str, Any]:
    """Build and evaluation times, errors and size at n points; at most `most` points are evaluated."""
    x, y, sign = data(n)
    build, wall = median_seconds(lambda: memorize(x, y), repeats)
    network, signs, some = memorize(x, y), memorize(x, sign), slice(most)
    evaluate, evaluate_wall = median_seconds(lambda: network(x[some]), repeats)
    error = np.abs(network(x[some]) - y[some])
    return {
        "points": n,
        "widths": network.widths,
        "weights_per_point": network.hidden_weights / n,
        "passes": network.passes,
        "build_s": build,
        "build_wall_s": wall,
        "floor_s": floor(n, repeats),
        "evaluated": min(n, most),
        "evaluate_s": evaluate,
        "evaluate_wall_s": evaluate_wall,
        "rounding_error": network.rounding_error,
        "max_error": float(error.max()),
        "median_error": float(np.median(error)),
        "sign_accuracy": float((signs(x[some]) * sign[some] > 0).mean()),
    }


def floor(n: int, repeats: int) -> float:
    """Seconds of a sort of n numbers and of one pass over n weights: nothing builds the network faster."""
    numbers = np.random.default_rng(0).normal(size=n)
    return median_seconds(lambda: (np.sort(numbers), numbers.sum()), max(repeats, 5))[0]


def _high_water() -> int:
    """Peak resident kilobytes of this process (Linux); `getrusage` would tell the parent's where that is larger."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def _peak(n: int, connection: Any) -> None:
    x, y, _ = data(n)
    before = _high_water()
    memorize(x, y)
    connection.send((before, _high_water()))


def peak_memory(n: int) -> dict[str, float]:
    """Peak resident megabytes of a process that builds the network, and what the build added."""
    receive, send = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_peak, args=(n, send))
    process.start()
    before, after = receive.recv()
    process.join()
    return {"peak_mb": after / 1e3, "added_mb": (after - before) / 1e3}


def dense(n: int, repeats: int) -> dict[str, Any]:
    """N random ReLU features, solved for their output weights, beside the construction on the same data."""
    x, y, _ = data(n)
    rng = np.random.default_rng(1)
    W, b = rng.normal(size=(D, n)), rng.normal(size=n)

    def solve() -> np.ndarray:
        features = np.maximum(x @ W + b, 0)
        return features @ np.linalg.solve(features, y)

    seconds, _ = median_seconds(solve, repeats)
    ours, _ = median_seconds(lambda: memorize(x, y)(x), repeats)
    error = float(np.abs(solve() - y).max())
    return {"points": n, "dense_s": seconds, "construction_s": ours, "ratio": seconds / ours, "dense_max_error": error}


def trained(n: int) -> dict[str, Any]:
    """Adam on the construction's architecture until every random sign is right."""
    x, _, sign = data(n)
    begun = time.process_time()
    network = memorize(x, sign)
    right = bool((network(x) * sign > 0).all())
    ours = time.process_time() - begun
    torch.manual_seed(0)
    torch.set_num_threads(1)
    first, second = network.widths
    linear, relu = torch.nn.Linear, torch.nn.ReLU
    module = torch.nn.Sequential(linear(D, first), relu(), linear(first, second), relu(), linear(second, 1)).double()
    optimizer = torch.optim.Adam(module.parameters(), lr=LR)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(sign)
    begun, steps, fits = time.process_time(), 0, False
    while steps < TRAIN_STEPS and not fits:
        f = module(inputs)[:, 0]
        fits = bool((f * labels > 0).all())
        optimizer.zero_grad()
        ((f - labels) ** 2).mean().backward()
        optimizer.step()
        steps += 1
    seconds = time.process_time() - begun
    return {
        "points": n,
        "widths": network.widths,
        "training_s": seconds,
        "steps": steps,
        "training_fits": fits,
        "construction_s": ours,
        "construction_fits": right,
        "ratio": seconds / ours,
    }


def slope(points: list[int], seconds: list[float]) -> float:
    return float(np.polyfit(np.log(points), np.log(seconds), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--evaluate", type=int, default=100_000, help="the most points to evaluate")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    console, load = Console(), os.getloadavg()[0]
    memorize(*data(1_000)[:2])

    rows = []
    for n in asked.points:
        rows.append(construction(n, asked.evaluate, asked.repeats) | peak_memory(n))
    table = Table(title="Memorizing N random labels: processor seconds, median")
    for column in ("N", "build", "floor", "evaluated", "evaluate", "max error", "peak MB"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            f"{row['points']:,}",
            f"{row['build_s']:.3f}",
            f"{row['floor_s']:.4f}",
            f"{row['evaluated']:,}",
            f"{row['evaluate_s']:.2f}",
            f"{row['max_error']:.1e}",
            f"{row['peak_mb']:.0f}",
        )
    console.print(table)
    large = [row for row in rows if row["points"] >= 10_000]
    build_slope = slope([r["points"] for r in large], [r["build_s"] for r in large]) if len(large) > 1 else None
    solved = [dense(n, asked.repeats) for n in DENSE]
    dense_slope = slope([r["points"] for r in solved], [r["dense_s"] for r in solved])
    fitted = [trained(n) for n in TRAINED]
    console.print(
        f"slope of the build time from 10,000 points on: {build_slope or float('nan'):.2f}; "
        f"of the dense solve: {dense_slope:.2f}"
    )
    for row in solved:
        console.print(
            f"N = {row['points']:,}: dense solve {row['dense_s']:.3f} s (max error {row['dense_max_error']:.1e}), "
            f"construction and evaluation {row['construction_s']:.3f} s, ratio {row['ratio']:.1f}"
        )
    for row in fitted:
        end = "every sign right" if row["training_fits"] else "not every sign right"
        console.print(
            f"N = {row['points']:,}: Adam {row['training_s']:.2f} s, {row['steps']} of {TRAIN_STEPS} steps, {end}; "
            f"construction and evaluation {row['construction_s']:.4f} s, ratio {row['ratio']:.0f}"
        )
    results = {
        "construction": rows,
        "build_slope": build_slope,
        "dense": solved,
        "dense_slope": dense_slope,
        "training": fitted,
        "train_steps": TRAIN_STEPS,
        "adam_lr": LR,
        "load_average": [load, os.getloadavg()[0]],
        "environment": environment(),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "memorize.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"written to {path}")


if __name__ == "__main__":
    main()
