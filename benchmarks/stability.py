"""The stability test on a large network: seconds, memory, and how far both are from what the machine must do.

    python benchmarks/stability.py [--repeats 3]

A tanh network of 1000 units on 1000 points in R^1000, single precision, random targets: p = 1,001,000 parameters, J of
a billion entries, never formed. Weights w ~ N(0, 1/d), c ~ N(0, 1/m); the test polishes them to zero error itself.

*Whole calls*, each in a process of its own: wall and processor seconds of the first call (with its compilation) and of
a second one, and the peak of resident memory of the process, imports and data included.

*Parts*, in this process and compiled: products by J and J^T; grad reg, with the outputs and |g_i|^2, by the gradient of
the slopes of every h_i along its own gradient g_i; beside it, at the same chunk of rows, the two obvious ways to grad
reg alone (differentiate sum |g_i|^2; differentiate each g_i along itself, which is the product of a Hessian); one block
of columns of the Gram matrix J J^T, and from it the time for all of it. The projection takes as many pairs of products
as `iterations` says; forming J J^T would cost as many as `gram_in_iterations`.

*Floor*, in processor seconds: 4 n p operations for a pair of products and 6 n p for grad reg, at the rate of a large
matrix product. `written_gradients_cpu_s` is what writing every g_i once and reading it once would take at the rate of a
large copy.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from environment import RESULTS, environment
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree
from rich.console import Console
from rich.table import Table

import biassay as ba
from biassay.problem import squared_error
from biassay.stability import _tangent
from biassay.stability._rows import chunk_rows, row_sums

N, D, M = 1000, 1000, 1000
SEED = 10_000
BLOCK = chunk_rows(N, D * M + M)


def network(params: tuple[Array, Array], x: Array) -> Array:
    return jnp.tanh(x @ params[0]) @ params[1]


def large() -> tuple[ba.Problem, tuple[Array, Array]]:
    """The problem and random parameters near zero error."""
    x, y, w, c = jax.random.split(jax.random.key(SEED), 4)
    problem = ba.Problem(network, jax.random.normal(x, (N, D)), jax.random.normal(y, (N,)), squared_error)
    return problem, (jax.random.normal(w, (D, M)) * D**-0.5, jax.random.normal(c, (M,)) * M**-0.5)


def once() -> dict[str, Any]:
    """Two calls in this process."""
    problem, params = jax.block_until_ready(large())

    def call() -> tuple[dict[str, float], ba.Stability]:
        wall, cpu = time.perf_counter(), time.process_time()
        told = ba.label_noise_stability(problem, params, lr=1e-5, std=0.5, batch_size=100)
        return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}, told

    (first, told), (second, _) = call(), call()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"first": first, "second": second, "peak_gib": peak, "result": vars(told)}


def timed(run: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Median wall and processor seconds over the repeats, after one call that compiles."""
    jax.block_until_ready(run())
    wall, cpu = [], []
    for _ in range(repeats):
        begun, used = time.perf_counter(), time.process_time()
        jax.block_until_ready(run())
        wall.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)
    return {"wall_s": statistics.median(wall), "cpu_s": statistics.median(cpu)}


def _one(params: PyTree, x: Array) -> Array:
    return network(params, x[None])[0]


def _in_chunks(step: Callable[[PyTree, Array], PyTree], params: PyTree, x: Array) -> PyTree:
    """The sum of step(params, chunk of x) over the chunks."""

    def add(total: PyTree, chunk: Array) -> tuple[PyTree, None]:
        return jax.tree.map(jnp.add, total, step(params, chunk)), None

    chunks = x.reshape(-1, BLOCK, x.shape[1])
    return jax.lax.scan(add, jax.tree.map(jnp.zeros_like, params), chunks)[0]


@jax.jit
def double_backward(params: PyTree, x: Array) -> PyTree:
    """sum_i H_i g_i as half the gradient of sum |g_i|^2."""

    def squares(params: PyTree, x: Array) -> Array:
        g = jax.vmap(jax.grad(_one), (None, 0))(params, x)
        return sum((jnp.sum(leaf**2) for leaf in jax.tree.leaves(g)), jnp.zeros(()))

    return jax.tree.map(lambda leaf: leaf / 2, _in_chunks(jax.grad(squares), params, x))


@jax.jit
def hessian_products(params: PyTree, x: Array) -> PyTree:
    """sum_i H_i g_i, each product by itself."""

    def product(params: PyTree, x: Array) -> PyTree:
        gradient = jax.grad(lambda w: _one(w, x))
        return jax.jvp(gradient, (params,), (gradient(params),))[1]

    def summed(params: PyTree, x: Array) -> PyTree:
        return jax.tree.map(lambda leaf: leaf.sum(axis=0), jax.vmap(product, (None, 0))(params, x))

    return _in_chunks(summed, params, x)


@jax.jit
def gram_block(params: PyTree, x: Array) -> Array:
    """Columns of J J^T: (n, BLOCK)."""
    g = jax.vmap(jax.grad(_one), (None, 0))(params, x[:BLOCK])
    _, push = jax.linearize(lambda w: network(w, x), params)
    return jax.vmap(push, out_axes=1)(g)


def parts(repeats: int) -> dict[str, Any]:
    """Seconds of the parts, and how far the ways to grad reg agree."""
    problem, params = large()
    space = _tangent.MatrixFree(problem, params, 1e-5)
    g = row_sums(problem, params, BLOCK).gradient
    size = float(jnp.linalg.norm(g))
    u = np.ones(N)
    counted: list[int] = []

    def solve(*given: Any, **named: Any) -> Any:
        found = original(*given, **named)
        counted.append(found.iterations)
        return found

    original, _tangent.solve_gram = _tangent.solve_gram, solve
    projected = space.tangent(g, 1e-5)
    _tangent.solve_gram = original
    by_others = {"double backward": double_backward, "each Hessian product": hessian_products}
    gaps = {
        name: float(jnp.linalg.norm(ravel_pytree(other(params, problem.x))[0] - g)) / size
        for name, other in by_others.items()
    }
    found = {
        "J v": timed(lambda: space.push(g), repeats),
        "J^T u": timed(lambda: space.pull(u), repeats),
        "projection": timed(lambda: space.tangent(g, 1e-5).direction, repeats),
        "grad reg": timed(lambda: row_sums(problem, params, BLOCK), repeats),
        **{name: timed(lambda other=other: other(params, problem.x), repeats) for name, other in by_others.items()},
        f"{BLOCK} columns of the Gram matrix": timed(lambda: gram_block(params, problem.x), repeats),
    }
    pair = found["J v"]["cpu_s"] + found["J^T u"]["cpu_s"]
    gram = found[f"{BLOCK} columns of the Gram matrix"]["cpu_s"] * N / BLOCK
    return {
        "seconds": found,
        "iterations": sum(counted),
        "error_of_projection": projected.leak / (projected.smallest * float(jnp.linalg.norm(projected.direction))),
        "gram_cpu_s": gram,
        "gram_in_iterations": gram / pair,
        "relative_difference_of_grad_reg": gaps,
    }


def rates() -> dict[str, float]:
    """Single-precision operations of a matrix product, and bytes of a copy, in a second of one processor."""
    a = jnp.ones((3000, 3000), jnp.float32)
    product, copy = jax.jit(lambda a: a @ a), jax.jit(lambda b: b + 1)
    b = jnp.ones(50_000_000, jnp.float32)
    return {
        "flops": 2 * 3000**3 / timed(lambda: product(a), 5)["cpu_s"],
        "bytes": 2 * b.nbytes / timed(lambda: copy(b), 5)["cpu_s"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="The stability test on a large network.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--once", action="store_true", help="two calls, as JSON; what the benchmark runs for each repeat"
    )
    given = parser.parse_args()
    if given.once:
        print(json.dumps(once()))
        return
    command = [sys.executable, __file__, "--once"]
    calls = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(given.repeats)
    ]
    speed, measured = rates(), parts(given.repeats)
    p = D * M + M
    floor = {"pair of products": 4 * N * p / speed["flops"], "grad reg": 6 * N * p / speed["flops"]}

    console = Console(width=120)
    table = Table("whole call", "wall s", "CPU s")
    for which in ("first", "second"):
        middle = {unit: statistics.median(call[which][unit] for call in calls) for unit in ("wall_s", "cpu_s")}
        table.add_row(which, f"{middle['wall_s']:.2f}", f"{middle['cpu_s']:.2f}")
    console.print(table)
    console.print(
        f"peak {max(call['peak_gib'] for call in calls):.2f} GiB; {measured['iterations']} iterations to project"
    )
    table = Table("part", "wall s", "CPU s")
    for name, row in measured["seconds"].items():
        table.add_row(name, f"{row['wall_s']:.3f}", f"{row['cpu_s']:.3f}")
    for name, seconds in floor.items():
        table.add_row(f"floor: {name}", "", f"{seconds:.3f}")
    console.print(table)
    console.print(f"the Gram matrix would take {measured['gram_cpu_s']:.0f} CPU s")
    path = RESULTS / "stability.json"
    sizes = {"n": N, "p": p, "dtype": "float32"}
    results = {"environment": environment(), "sizes": sizes, "rates": speed, "floor_cpu_s": floor, "calls": calls}
    results["written_gradients_cpu_s"] = 8 * N * p / speed["bytes"]
    path.write_text(json.dumps(results | measured, indent=2) + "\n")
    console.print(f"written to {path}")


if __name__ == "__main__":
    main()
