"""One epoch of ResNet18 on images like CIFAR's: biassay against PyTorch on the same device, in one run.

    python benchmarks/classifier.py [--steps 390] [--repeats 3] [--width 1] [--batch 128]

The work: 50,000 synthetic images of 32x32x3, bytes on the device, normalised there; batches of 128 from a permutation;
cross-entropy, SGD with momentum .9 and weight decay 5e-4 on all parameters. bfloat16 with float32 parameters on an
accelerator, float32 on a CPU. Ways:

- *biassay*: `simulate` with `SGD`, its records, chunks and its check of the result included;
- *biassay, bare*: the same step without the engine, a `lax.scan` over the epoch; on a CPU a host loop over the step;
- *PyTorch, eager*: channels_last, autocast on an accelerator, fused SGD, cuDNN's own search for algorithms;
- *PyTorch, compiled*: the same through `torch.compile`; on an accelerator also with its CUDA graphs.

On a CPU PyTorch runs on one thread and on all of them, and the better of the two counts: threads that wait for one
another cost it most on a busy machine.

Before anything is timed the losses of biassay's and PyTorch's networks on one batch, at equal weights, are compared. On
an accelerator whole epochs are timed; on a CPU `--steps` steps are, and the epoch is extrapolated from them: what
`simulate` costs once, some tenths of a second, is extrapolated too, to biassay's disadvantage. The ways take turns;
compilation is excluded; every time is the median over the repeats, the rate of the matrix product the best of ten.

Operations: two for every multiplication and addition of a convolution or the head, read off the program of a forward
pass; three times as many for a step, as a gradient takes two products for each one (the first layer's takes one, the
difference is below 1 %). They are held against the rate of a large matrix product in the same precision on this device.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

# PyTorch needs its share of the device's memory too.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import jax.numpy as jnp
import numpy as np
import torch
from environment import RESULTS, environment
from rich.console import Console
from rich.table import Table
from torch import nn

import biassay as ba
from biassay.models import resnet
from biassay.models.convolution import channels
from biassay.problem import cross_entropy

IMAGES, SIDE, CLASSES = 50_000, 32, 10
LR, MOMENTUM, DECAY = 0.1, 0.9, 5e-4
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
CPU_STEPS = 4
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
THREADS = sorted({1, CORES})


def data() -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 32, 32, 3) of bytes and labels (n,), both noise: the work does not depend on them."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8), rng.integers(0, CLASSES, IMAGES)


def normalised(x: jax.Array) -> jax.Array:
    """Bytes -> float32, mean 0 and variance 1 a channel for the images of CIFAR-10."""
    return (x.astype(jnp.float32) / 255 - jnp.asarray(MEAN)) / jnp.asarray(STD)


class Work:
    """What every way shares: the size, the device, the start."""

    def __init__(self, width: float, batch: int) -> None:
        self.width, self.batch = width, batch
        self.cpu = jax.default_backend() == "cpu"
        self.dtype = jnp.float32 if self.cpu else jnp.bfloat16
        self.x, self.y = data()
        init = partial(resnet.init, form=resnet.RESNET18, classes=CLASSES, width=width)
        self.params, self.statistics = jax.jit(init)(jax.random.key(0))

    def problem(self) -> ba.Problem:
        """Bytes in, logits out."""
        dtype = self.dtype

        def predict(params: Any, running: Any, x: jax.Array) -> jax.Array:
            return resnet.predict(params, running, normalised(x), dtype)

        def train(params: Any, running: Any, x: jax.Array) -> tuple[jax.Array, Any]:
            return resnet.train(params, running, normalised(x), dtype)

        x, y = jnp.asarray(self.x), jnp.asarray(self.y)
        return ba.Problem(predict, x, y, cross_entropy, statistics=self.statistics, training=train)

    def operations(self) -> int:
        """Of a forward pass of one image."""
        x = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)
        program = jax.make_jaxpr(resnet.predict)(self.params, self.statistics, x)
        total = 0
        for equation in program.jaxpr.eqns:
            if equation.primitive.name in ("conv_general_dilated", "dot_general"):
                weight, out = equation.invars[1].aval.shape, equation.outvars[0].aval.shape
                total += 2 * math.prod(out) * math.prod(weight) // weight[-1]
        return total


def by_simulate(work: Work) -> Callable[[int], Any]:
    problem = work.problem()
    rule = ba.SGD(LR, work.batch, momentum=MOMENTUM, weight_decay=DECAY)
    return lambda steps: ba.simulate(problem, rule, work.params, steps=steps, record=1).params


def by_hand(work: Work) -> Callable[[int], Any]:
    problem = work.problem()

    def step(carry: Any, picked: jax.Array, x: jax.Array, y: jax.Array) -> Any:
        params, velocity, running = carry
        batch = ba.Batch(x[picked], y[picked])
        gradient, running = problem.training_gradient(params, running, batch)
        velocity = jax.tree.map(lambda v, g, w: MOMENTUM * v + g + DECAY * w, velocity, gradient, params)
        return jax.tree.map(lambda w, v: w - LR * v, params, velocity), velocity, running

    def epoch(carry: Any, order: jax.Array, x: jax.Array, y: jax.Array) -> Any:
        return jax.lax.scan(lambda c, picked: (step(c, picked, x, y), None), carry, order)[0]

    one, whole = jax.jit(step, donate_argnums=0), jax.jit(epoch, donate_argnums=0)
    key = jax.random.key(0)

    def run(steps: int) -> Any:
        velocity = jax.tree.map(jnp.zeros_like, work.params)
        carry = jax.tree.map(jnp.copy, (work.params, velocity, work.statistics))
        order = jax.random.permutation(key, IMAGES)[: steps * work.batch].reshape(steps, work.batch)
        if not work.cpu:
            return whole(carry, order, problem.x, problem.y)
        for picked in order:
            carry = one(carry, picked, problem.x, problem.y)
        return carry

    return run


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, c: int, k: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k)
        self.conv2, self.norm2 = nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)
        self.shortcut = nn.Sequential()
        if stride > 1 or c != k:
            self.shortcut = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(y + self.shortcut(x))


class Network(nn.Module):
    """ResNet18 for CIFAR, which takes bytes (b, h, w, c)."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, width: float) -> None:
        super().__init__()
        sizes = [channels(base, width) for base in resnet.STAGES]
        c = sizes[0]
        self.conv, self.norm = nn.Conv2d(3, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c)
        blocks = []
        for stage, k in enumerate(sizes):
            for index in range(2):
                blocks.append(Block(c, k, 2 if stage and not index else 1))
                c = k
        self.blocks, self.head = nn.Sequential(*blocks), nn.Linear(c, CLASSES)
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(STD).view(3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x.permute(0, 3, 1, 2) - self.mean) / self.std
        x = x.contiguous(memory_format=torch.channels_last)
        return self.head(self.blocks(torch.relu(self.norm(self.conv(x)))).mean((2, 3)))


def torch_network(work: Work) -> tuple[Network, torch.device]:
    """PyTorch's network at biassay's parameters, on the same device."""
    network = Network(work.width)
    with torch.no_grad():
        for mine, leaf in zip(network.parameters(), jax.tree.leaves(work.params), strict=True):
            value = torch.from_numpy(np.array(leaf))
            mine.copy_(value.permute(3, 2, 0, 1) if value.ndim == 4 else value.T if value.ndim == 2 else value)
    device = torch.device("cpu" if work.cpu else "cuda")
    # The signature of `to` knows no memory format for a module.
    return network.to(device).to(memory_format=torch.channels_last), device  # pyright: ignore[reportCallIssue]


def by_torch(work: Work, mode: str | None, threads: int | None = None) -> Callable[[int], Any]:
    """mode: of `torch.compile`, or None for eager. threads: of the processor."""
    network, device = torch_network(work)
    forward = network if mode is None else torch.compile(network, mode=mode)
    x, y = torch.from_numpy(work.x).to(device), torch.from_numpy(work.y).to(device)
    sgd = torch.optim.SGD(network.parameters(), LR, momentum=MOMENTUM, weight_decay=DECAY, fused=True)
    torch.backends.cudnn.benchmark = True

    def run(steps: int) -> Any:
        if threads is not None:
            torch.set_num_threads(threads)
        network.train()
        for picked in torch.randperm(IMAGES, device=device)[: steps * work.batch].view(steps, work.batch):
            with torch.autocast(device.type, torch.bfloat16, enabled=not work.cpu):
                loss = nn.functional.cross_entropy(forward(x[picked]), y[picked])
            loss.backward()
            sgd.step()
            sgd.zero_grad(set_to_none=True)
        if not work.cpu:
            torch.cuda.synchronize()

    return run


def agreement(work: Work) -> float:
    """The relative difference of the losses on the first batch in training mode, in the precision that is timed."""
    problem, batch = work.problem(), slice(work.batch)
    train = jax.jit(partial(resnet.train, dtype=work.dtype))
    logits, _ = train(work.params, work.statistics, normalised(problem.x[batch]))
    ours = float(cross_entropy(logits, problem.y[batch]).mean())
    network, device = torch_network(work)
    x, y = (torch.from_numpy(part[batch]).to(device) for part in (work.x, work.y))
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=not work.cpu):
        theirs = float(nn.functional.cross_entropy(network.train()(x), y))
    return abs(ours - theirs) / theirs


def seconds(run: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    begun = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - begun


def matrix_rate(work: Work) -> float:
    """Operations per second of a large matrix product in the precision of the convolutions."""
    n = 2048 if work.cpu else 8192
    a = jnp.ones((n, n), work.dtype)
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    return 2 * n**3 / min(seconds(lambda: product(a)) for _ in range(10))


def all_ways(work: Work) -> dict[tuple[str, int | None], Callable[[int], Any]]:
    """What this device offers: (way, threads) -> run; threads are None where there is no choice."""
    ways: dict[tuple[str, int | None], Callable[[int], Any]] = {
        ("biassay", None): by_simulate(work),
        ("biassay, bare", None): by_hand(work),
    }
    modes = {"PyTorch, eager": None, "PyTorch, compiled": "default"}
    choices: list[int | None] = []
    if work.cpu:
        choices = [*THREADS]
    elif torch.cuda.is_available():
        choices = [None]
        modes["PyTorch, compiled, CUDA graphs"] = "reduce-overhead"
    return ways | {(name, count): by_torch(work, modes[name], count) for name in modes for count in choices}


def main() -> None:
    parser = argparse.ArgumentParser(description="One epoch of ResNet18 against PyTorch.")
    parser.add_argument("--steps", type=int, help="steps to time; by default an epoch, on a CPU a few")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--width", type=float, default=1.0, help="multiplies the channels: below 1 for a trial")
    parser.add_argument("--batch", type=int, default=128)
    asked = parser.parse_args()
    work = Work(asked.width, asked.batch)
    an_epoch = IMAGES // work.batch
    steps = asked.steps or (CPU_STEPS if work.cpu else an_epoch)

    load, rate = os.getloadavg()[0], matrix_rate(work)
    ways = all_ways(work)
    differ = agreement(work) if len(ways) > 2 else None
    if differ is not None and differ > (1e-4 if work.cpu else 0.05):
        raise SystemExit(f"the two networks differ: their losses at equal weights by {differ:.1e}")
    taken: dict[tuple[str, int | None], list[float]] = {way: [] for way in ways}
    for run in ways.values():
        seconds(lambda run=run: run(steps))
    for _ in range(asked.repeats):
        for way, run in ways.items():
            taken[way].append(seconds(lambda run=run: run(steps)))

    forward = work.operations()
    best: dict[str, dict[str, Any]] = {}
    for (name, threads), raw in taken.items():
        step = statistics.median(raw) / steps
        images = work.batch / step
        row = {
            "way": name,
            "threads": threads or "default",
            "epoch_s": step * an_epoch,
            "images_per_s": images,
            "of_products": 3 * forward * images / rate,
            "raw_s": raw,
        }
        if name not in best or row["epoch_s"] < best[name]["epoch_s"]:
            best[name] = row
    rows = list(best.values())
    results = {
        "environment": environment(),
        "device": jax.devices()[0].device_kind,
        "precision": jnp.dtype(work.dtype).name,
        "load_before": load,
        "width": work.width,
        "batch": work.batch,
        "steps_an_epoch": an_epoch,
        "steps_timed": steps,
        "epoch_extrapolated": steps != an_epoch,
        "forward_operations_an_image": forward,
        "matrix_rate": rate,
        "losses_differ_by": differ,
        "rows": rows,
    }
    table = Table("way", "an epoch, s", "images a second", "of products", "biassay is faster by")
    for row in rows:
        faster = row["epoch_s"] / rows[0]["epoch_s"]
        cells = (f"{row['epoch_s']:.3g}", f"{row['images_per_s']:,.0f}", f"{row['of_products']:.0%}", f"{faster:.2f}")
        table.add_row(row["way"], *cells)
    console = Console(width=120)
    console.print(table)
    what = f"extrapolated from {steps} steps" if steps != an_epoch else "timed whole"
    console.print(
        f"{results['device']}, {results['precision']}; epochs of {an_epoch} steps, {what}; "
        f"{3 * forward / 1e9:.2f} G operations an image, large products at {rate / 1e12:.3g} T/s"
    )
    if differ is not None:
        console.print(f"losses of one batch at equal weights differ by {differ:.1e}")
    path = RESULTS / "classifier.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"written to {path}")


if __name__ == "__main__":
    main()
