"""Nanoseconds per step and seed of SGD on a deep linear network: `simulate` against its peers, in one run.

    python benchmarks/engine.py [--repeats 3]

The work: 3 layers of width 10, float64, one example a step drawn with replacement from 32, squared error / 2. Peers:

- *eager*: the same loop in PyTorch, one seed after another (what a research script does);
- *eager, batched*: the same loop in PyTorch with the seeds batched by hand into `bmm`;
- *hand-written*: the gradient in closed form, a bare `lax.scan`, vmapped, the seeds split among the cores.

A second table holds one step of a small convolutional network through `simulate` (which drives it from the host on a
CPU) against the bare jitted step. Compilation is excluded everywhere; every number is the median over the repeats.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from environment import write
from jax.sharding import AxisType, PartitionSpec
from rich.console import Console
from rich.table import Table

import biassay as ba
from biassay.problem import cross_entropy, half_squared_error

WIDTH, LAYERS, EXAMPLES, LR = 10, 3, 32, 0.01
STEPS = {1: 100_000, 64: 20_000, 256: 8_000}
EAGER_STEPS = {1: 4_000, 64: 4_000, 256: 4_000}


def data() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Inputs (n, w), targets (n, w) and the layers' start (w, w), rotated identities at half size plus noise."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, EXAMPLES, WIDTH))
    return x, y, [0.5 * np.eye(WIDTH) + 0.1 * rng.normal(size=(WIDTH, WIDTH)) for _ in range(LAYERS)]


def predict(layers: list[jax.Array], x: jax.Array) -> jax.Array:
    """f(x) = W_3 W_2 W_1 x, for a batch of rows."""
    for w in layers:
        x = x @ w.T
    return x


def by_simulate(lanes: int) -> Callable[[], Any]:
    x, y, start = data()
    problem = ba.Problem(predict, jnp.asarray(x), jnp.asarray(y), half_squared_error)
    dynamics = ba.SGD(LR, batch_size=1, sampling="independent")
    start = [jnp.asarray(w) for w in start]
    return lambda: ba.simulate(problem, dynamics, start, steps=STEPS[lanes], seeds=lanes, record=1).params


def by_hand(lanes: int) -> Callable[[], Any]:
    x, y, start = (jax.tree.map(jnp.asarray, part) for part in data())

    def step(layers: list[jax.Array], i: jax.Array) -> tuple[list[jax.Array], None]:
        inputs = [x[i]]
        for w in layers:
            inputs.append(w @ inputs[-1])
        back = inputs.pop() - y[i]
        moved = []
        for w, h in zip(reversed(layers), reversed(inputs), strict=True):
            moved.append(w - LR * back[:, None] * h[None, :])
            back = w.T @ back
        return moved[::-1], None

    def lane(key: jax.Array) -> list[jax.Array]:
        return jax.lax.scan(step, start, jax.random.randint(key, (STEPS[lanes],), 0, EXAMPLES))[0]

    keys = jax.random.split(jax.random.key(0), lanes)
    if lanes == 1:
        one = jax.jit(lane)
        return lambda: one(keys[0])
    devices = jax.local_devices()
    mesh = jax.make_mesh((len(devices),), ("seed",), axis_types=(AxisType.Auto,))
    split = PartitionSpec("seed")
    run = jax.jit(jax.shard_map(jax.vmap(lane), mesh=mesh, in_specs=split, out_specs=split, check_vma=False))
    return lambda: run(keys)


def update(layers: list[torch.Tensor], loss: torch.Tensor) -> None:
    """W <- W - lr grad, in place: quicker than `torch.optim.SGD` at this size, so the peer is not held back."""
    with torch.no_grad():
        for w, g in zip(layers, torch.autograd.grad(loss, layers), strict=True):
            w.sub_(g, alpha=LR)


def by_eager(lanes: int) -> Callable[[], Any]:
    x, y, start = (torch.tensor(np.array(part)) for part in data())

    def run() -> list[torch.Tensor]:
        layers = [w.clone().requires_grad_() for w in start]
        for i in torch.randint(0, EXAMPLES, (EAGER_STEPS[lanes],)).tolist():
            h = x[i]
            for w in layers:
                h = w @ h
            loss = 0.5 * ((h - y[i]) ** 2).sum()
            update(layers, loss)
        return layers

    return run


def by_eager_batched(lanes: int) -> Callable[[], Any]:
    x, y, start = (torch.tensor(np.array(part)) for part in data())

    def run() -> list[torch.Tensor]:
        layers = [w.repeat(lanes, 1, 1).requires_grad_() for w in start]
        for i in torch.randint(0, EXAMPLES, (EAGER_STEPS[lanes], lanes)):
            h = x[i][:, :, None]
            for w in layers:
                h = torch.bmm(w, h)
            loss = 0.5 * ((h[:, :, 0] - y[i]) ** 2).sum()
            update(layers, loss)
        return layers

    return run


def seconds(run: Callable[[], Any], repeats: int) -> list[float]:
    """Wall seconds of each repeat, after one call that compiles."""
    jax.block_until_ready(run())
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        jax.block_until_ready(run())
        taken.append(time.perf_counter() - begun)
    return taken


def matrix_rate() -> float:
    """Float64 operations per second of a large matrix product on all cores: the machine's own ceiling."""
    a = np.random.default_rng(0).normal(size=(1500, 1500))
    return 2 * 1500**3 / min(seconds(lambda: a @ a, 5))


def deep_linear(repeats: int) -> list[dict[str, Any]]:
    """One row per number of lanes and way of running, in nanoseconds per step and seed."""
    rows = []
    for lanes in STEPS:
        ways = {
            "simulate": (by_simulate, STEPS[lanes] * lanes),
            "hand-written": (by_hand, STEPS[lanes] * lanes),
            "eager": (by_eager, EAGER_STEPS[lanes]),
            "eager, batched": (by_eager_batched, EAGER_STEPS[lanes] * lanes),
        }
        for way, (make, work) in ways.items():
            raw = [1e9 * s / work for s in seconds(make(lanes), repeats)]
            rows.append({"lanes": lanes, "way": way, "ns": statistics.median(raw), "raw_ns": raw})
    return rows


def cnn_predict(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """Two 3x3 convolutions with ReLU, global average, linear: (b, 16, 16, 3) -> (b, 10)."""
    for name in ("conv1", "conv2"):
        x = jax.lax.conv_general_dilated(x, params[name], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x)
    return x.mean((1, 2)) @ params["out"]


def convolution(repeats: int) -> dict[str, Any]:
    """Milliseconds per step of `simulate` and of the bare jitted, donated step on batches drawn alike."""
    rng = np.random.default_rng(0)
    shapes = {"conv1": (3, 3, 3, 8), "conv2": (3, 3, 8, 16), "out": (16, 10)}
    start = {name: jnp.asarray(0.1 * rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()}
    x = jnp.asarray(rng.normal(size=(512, 16, 16, 3)), jnp.float32)
    y = jnp.asarray(rng.integers(0, 10, 512))
    problem, steps, batch = ba.Problem(cnn_predict, x, y, cross_entropy), 200, 32
    dynamics = ba.SGD(0.01, batch_size=batch)

    def through_simulate() -> Any:
        return ba.simulate(problem, dynamics, start, steps=steps, record=1).params

    @partial(jax.jit, donate_argnums=0)
    def step(params: Any, x: jax.Array, y: jax.Array, picked: jax.Array) -> Any:
        gradient = jax.grad(lambda p: cross_entropy(cnn_predict(p, x[picked]), y[picked]).mean())(params)
        return jax.tree.map(lambda w, g: w - 0.01 * g, params, gradient)

    order = jax.jit(lambda: dynamics.noise(problem, jax.random.key(0), jnp.int32(0), 1024)[0])()
    batches = [order[t] for t in range(steps)]

    def bare() -> Any:
        params = jax.tree.map(jnp.copy, start)
        for picked in batches:
            params = step(params, x, y, picked)
        return params

    ours, plain = (statistics.median(seconds(run, repeats)) / steps * 1e3 for run in (through_simulate, bare))
    return {"simulate_ms": ours, "bare_ms": plain, "ratio": ours / plain}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    jax.config.update("jax_num_cpu_devices", os.cpu_count())

    with jax.enable_x64(True):
        rows = deep_linear(repeats)
        rate = matrix_rate()
    conv = convolution(repeats)
    # Forward 3 and backward 2 products of a matrix and a vector, 3 outer products with their update.
    flops = 5 * 2 * WIDTH**2 + 3 * 3 * WIDTH**2
    table = Table(title="SGD on a deep linear network, ns per step and seed (median)")
    for column in (
        "lanes",
        "simulate",
        "hand-written",
        "eager",
        "eager, batched",
        "eager / simulate",
        "simulate / hand",
    ):
        table.add_column(column, justify="right")
    ratios = []
    for lanes in STEPS:
        ns = {row["way"]: row["ns"] for row in rows if row["lanes"] == lanes}
        over_eager, over_hand = ns["eager"] / ns["simulate"], ns["simulate"] / ns["hand-written"]
        ratios.append({"lanes": lanes, "eager_over_simulate": over_eager, "simulate_over_hand": over_hand})
        table.add_row(str(lanes), *(f"{v:,.0f}" for v in ns.values()), f"{over_eager:.0f}x", f"{over_hand:.2f}x")
    console = Console()
    console.print(table)
    console.print(
        f"floor: {flops} operations a step = {1e9 * flops / rate:.0f} ns at the {rate / 1e9:.0f} GFLOP/s of a large "
        f"matrix product; {2 * 8 * LAYERS * WIDTH**2} bytes of weights read and written, in cache"
    )
    console.print(
        f"convolutional step: simulate {conv['simulate_ms']:.2f} ms, bare jitted step {conv['bare_ms']:.2f} ms, "
        f"ratio {conv['ratio']:.2f}"
    )
    results = {"rows": rows, "ratios": ratios, "flops_per_step": flops, "matrix_rate": rate, "convolution": conv}
    console.print(f"written to {write('engine', results)}")


if __name__ == "__main__":
    main()
