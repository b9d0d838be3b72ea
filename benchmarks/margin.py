"""The maximum margin of separable data and the flow towards it: accuracy and seconds against their peers, in one run.

    OPENBLAS_NUM_THREADS=1 python benchmarks/margin.py [--repeats 5]

*Reference.* `hard_margin` (one non-negative least-squares problem) on n points in d dimensions, drawn as
x ~ N(0, I), y = sign(x . w_t), x += .3 y w_t / |w_t|, against liblinear without an intercept (`LinearSVC`, hinge loss,
C = 1e4, tolerance 1e-9, at most 1e5 passes) and a general solver of constrained problems (SciPy's SLSQP on |w|^2 / 2).
Of each: the shortfall of the margin it attains, 1 - (min a_n . w / |w|) / bound with the bound from the dual weights of
`hard_margin`; the angle to that w. The floor is one evaluation of A w and A^T alpha at the rate of a large matrix
product.

*Flow.* `LogTimeFlow` through `simulate` up to log t = 10^6 with 61 save points, n = 40, d = 10, for 1 and 5 lanes;
beside it gradient descent (step 1 / sigma_max^2 on the sum of the losses), and the t that it would reach in the flow's
time. To reach the flow's t it would need exp(10^6) steps.

Compilation is excluded everywhere; every number is the median over the repeats. One thread of linear algebra: with two
on a busy machine, waiting for each other, the same small solve took between 1 and 600 ms.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from environment import RESULTS, environment
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

import biassay as ba
from biassay.assays.max_margin.panel import Points
from biassay.assays.max_margin.separable import draw_generic
from biassay.dynamics import LogTimeFlow
from biassay.references import hard_margin

SIZES = ((40, 10), (200, 50), (1000, 100), (20, 2000))
LOG_TIMES = np.geomspace(1, 1e6, 61)
DESCENT_STEPS = 300_000
SEED = 10_000


def timed(run: Callable[[], Any], repeats: int) -> dict[str, Any]:
    """Median wall and processor seconds over the repeats, after one call that compiles or warms up."""
    run()
    wall, cpu = [], []
    for _ in range(repeats):
        begun, used = time.perf_counter(), time.process_time()
        run()
        wall.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)
    return {"wall_s": statistics.median(wall), "cpu_s": statistics.median(cpu), "raw_wall_s": wall}


def by_nnls(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return hard_margin(X, y).w


def by_liblinear(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    machine = LinearSVC(loss="hinge", C=1e4, fit_intercept=False, tol=1e-9, max_iter=100_000, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return machine.fit(X, y).coef_[0]


def by_slsqp(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    A = y[:, None] * X
    start = A.mean(axis=0) / np.linalg.norm(A.mean(axis=0))
    return minimize(
        lambda w: w @ w / 2,
        start,
        jac=lambda w: w,
        constraints={"type": "ineq", "fun": lambda w: A @ w - 1, "jac": lambda w: A},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    ).x


SOLVERS = {"hard_margin": by_nnls, "liblinear": by_liblinear, "SLSQP": by_slsqp}


def references(repeats: int, rate: float) -> list[dict[str, Any]]:
    """One row per size and solver."""
    rows = []
    for n, d in SIZES:
        points = draw_generic(SEED, 1, n, d)
        X, y = points.x[0], points.y[0]
        A, exact = y[:, None] * X, hard_margin(X, y)
        # Any convex combination of the rows bounds every margin from above.
        bound = np.linalg.norm(exact.alpha @ A) / exact.alpha.sum()
        for name, solve in SOLVERS.items():
            w = solve(X, y)
            unit = w / np.linalg.norm(w)
            rows.append(
                {
                    "n": n,
                    "d": d,
                    "solver": name,
                    "shortfall": float(1 - (A @ unit).min() / bound),
                    "angle": float(2 * math.asin(min(1.0, np.linalg.norm(unit - exact.w * exact.margin) / 2))),
                    "kkt": exact.kkt if name == "hard_margin" else None,
                    "floor_s": 4 * n * d / rate,
                    **timed(lambda solve=solve, X=X, y=y: solve(X, y), repeats),
                }
            )
    return rows


def flows(repeats: int) -> list[dict[str, Any]]:
    """The flow to log t = 1e6 for 1 and 5 lanes, and descent for `DESCENT_STEPS`."""

    def flow(points: Points) -> Any:
        seeds, _, d = points.x.shape
        clock = LogTimeFlow(jnp.logaddexp(0.0, jnp.asarray(LOG_TIMES)))
        start = jnp.zeros(d)
        problem, steps = points.problem("logistic"), len(LOG_TIMES)
        run = ba.simulate(problem, clock, start, steps=steps, record=1, seeds=seeds, seed=SEED)
        return jax.block_until_ready(run.params)

    def descent(points: Points) -> Any:
        seeds, n, d = points.x.shape
        eta = 1 / np.linalg.norm(points.x[0], 2) ** 2
        problem, rule = points.problem("logistic"), ba.GradientDescent(n * eta)
        run = ba.simulate(problem, rule, jnp.zeros(d), steps=DESCENT_STEPS, record=1, seeds=seeds, seed=SEED)
        return jax.block_until_ready(run.params)

    rows = []
    for lanes in (1, 5):
        points = draw_generic(SEED, lanes)
        final = np.asarray(flow(points))[0]
        exact = hard_margin(points.x[0], points.y[0])
        took = timed(lambda points=points: flow(points), repeats)
        rows.append({"what": "flow", "lanes": lanes, "log_t": 1e6, "angle": _angle(final, exact.w), **took})
        final = np.asarray(descent(points))[0]
        took = timed(lambda points=points: descent(points), repeats)
        log_t = math.log(DESCENT_STEPS / np.linalg.norm(points.x[0], 2) ** 2)
        rows.append({"what": "descent", "lanes": lanes, "log_t": log_t, "angle": _angle(final, exact.w), **took})
        # Descent's t is proportional to its time.
        rows[-2]["log_t_of_descent"] = log_t + math.log(rows[-2]["cpu_s"] / rows[-1]["cpu_s"])
    return rows


def _angle(w: np.ndarray, exact: np.ndarray) -> float:
    """In radians, exact where it is small."""
    return float(2 * math.asin(np.linalg.norm(w / np.linalg.norm(w) - exact / np.linalg.norm(exact)) / 2))


def matrix_rate() -> float:
    """Float64 operations per second of a large matrix product on all cores: the machine's own ceiling."""
    a = np.random.default_rng(0).normal(size=(1500, 1500))
    return 2 * 1500**3 / min(timed(lambda: a @ a, 5)["raw_wall_s"])


def main() -> None:
    parser = argparse.ArgumentParser(description="The maximum margin and the flow towards it.")
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    jax.config.update("jax_enable_x64", True)
    rate = matrix_rate()
    solved, moved = references(repeats, rate), flows(repeats)

    console = Console(width=120)
    table = Table("n", "d", "solver", "shortfall", "angle", "wall ms", "CPU ms", "floor µs")
    for row in solved:
        table.add_row(
            str(row["n"]),
            str(row["d"]),
            row["solver"],
            f"{row['shortfall']:.1e}",
            f"{row['angle']:.1e}",
            f"{1e3 * row['wall_s']:.3g}",
            f"{1e3 * row['cpu_s']:.3g}",
            f"{1e6 * row['floor_s']:.2g}",
        )
    console.print(table)
    table = Table("what", "lanes", "log t", "descent's log t", "angle", "wall s", "CPU s")
    for row in moved:
        reached = f"{row.get('log_t_of_descent', row['log_t']):.3g}"
        cells = (row["what"], str(row["lanes"]), f"{row['log_t']:.6g}", reached, f"{row['angle']:.2e}")
        table.add_row(*cells, f"{row['wall_s']:.3g}", f"{row['cpu_s']:.3g}")
    console.print(table)
    path = RESULTS / "margin.json"
    results = {"environment": environment(), "repeats": repeats, "matrix_rate": rate, "references": solved}
    path.write_text(json.dumps(results | {"flow": moved}, indent=2) + "\n")
    console.print(f"written to {path}")


if __name__ == "__main__":
    main()
