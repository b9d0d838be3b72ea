"""What `test_devices.py` has run in processes of their own.

    python on_devices.py DEVICES OUT.npz RUN... [--process 0|1 --port PORT]

Every run's final parameters and batch statistics are kept under its name, the names of the collectives in its compiled
steps under "NAME collectives". With --process two such processes train together.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import optax

import biassay as ba
from biassay import _lanes
from biassay.models import batch_norm, resnet
from biassay.models.convolution import convolve
from biassay.problem import cross_entropy

STEPS = 50
SGD = ba.SGD(0.05, 8, "independent", momentum=0.9)


def mlp(layers: list[jax.Array], x: jax.Array) -> jax.Array:
    for w in layers[:-1]:
        x = jax.nn.relu(x @ w)
    return x @ layers[-1]


def mlp_starts(seeds: int) -> ba.PerSeed[list[jax.Array]]:
    """Where so many seeds start."""
    rng = np.random.default_rng(3)
    return ba.PerSeed([jnp.asarray(rng.normal(size=(seeds, *s)) / s[0] ** 0.5) for s in ((6, 16), (16, 16), (16, 3))])


def classification() -> ba.Problem:
    """An MLP's: 40 examples of 3 classes."""
    rng = np.random.default_rng(0)
    return ba.Problem(mlp, jnp.asarray(rng.normal(size=(40, 6))), jnp.asarray(rng.integers(0, 3, 40)), cross_entropy)


def normalised(training: bool, params: Any, statistics: Any, x: jax.Array) -> Any:
    """Convolution, batch norm, relu, mean over the pixels, affine map."""
    norm = batch_norm.Pass(statistics, training)
    hidden = jax.nn.relu(norm(params["norm"], convolve(x, params["conv"], 1, jnp.float64)))
    outputs = hidden.mean((1, 2)) @ params["out"]
    return (outputs, tuple(norm.after)) if training else outputs


def images(n: int, classes: int) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(1)
    return jnp.asarray(rng.normal(size=(n, 8, 8, 3))), jnp.asarray(rng.integers(0, classes, n))


def doubled(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), tree)


def convolutional() -> tuple[ba.Problem, Any]:
    """A convolution with batch norm in double precision, and where it starts."""
    rng = np.random.default_rng(2)
    params = doubled({"conv": 0.3 * rng.normal(size=(3, 3, 3, 4)), "norm": batch_norm.init(4), "out": np.eye(4, 3)})
    statistics = batch_norm.initial_statistics(params)
    training = partial(normalised, True)
    problem = ba.Problem(
        partial(normalised, False), *images(40, 3), cross_entropy, statistics=statistics, training=training
    )
    return problem, params


def residual() -> tuple[ba.Problem, Any]:
    """ResNet18 of 4 to 32 channels in double precision, and where it starts."""
    params, statistics = doubled(resnet.init(jax.random.key(0), resnet.RESNET18, 3, 1 / 16))
    network, training = (partial(function, dtype=jnp.float64) for function in (resnet.predict, resnet.train))
    problem = ba.Problem(network, *images(40, 3), cross_entropy, statistics=statistics, training=training)
    return problem, params


def train(problem: ba.Problem, dynamics: ba.AbstractDynamics, start: Any, **options: Any) -> ba.Simulation:
    return ba.simulate(problem, dynamics, start, **{"steps": STEPS, "record": 2, **options})


def apart(seeds: int, **options: Any) -> ba.Simulation:
    return train(classification(), SGD, mlp_starts(seeds), seeds=seeds, **options)


def swept(seeds: int) -> ba.Simulation:
    """Every seed has data of its own."""
    x = np.random.default_rng(4).normal(size=(seeds, 40, 6))
    y = np.random.default_rng(5).integers(0, 3, (seeds, 40))
    problem: Any = ba.PerSeed(ba.Problem(mlp, jnp.asarray(x), jnp.asarray(y), cross_entropy))
    return train(problem, SGD, mlp_starts(seeds), seeds=seeds, sweep={"lr": (0.02, 0.05)})


def together(dynamics: ba.AbstractDynamics, **options: Any) -> ba.Simulation:
    return train(classification(), dynamics, mlp_starts(2), seeds=2, data_parallel=True, **options)


def resumed(**options: Any) -> ba.Simulation:
    first = together(SGD, steps=20, until=lambda last: False, **options)
    return together(SGD, resume=first, **options)


RUNS: dict[str, Callable[[], ba.Simulation]] = {
    # 2 seeds on each of 4 devices, on each of 3, on 2 of which one repeats one, on one; one on each of 3 devices.
    **{f"{n} seeds": partial(apart, n) for n in (8, 6, 5, 3)},
    "5 swept seeds": partial(swept, 5),
    "mapped seeds": partial(apart, 3, lanes="map"),
    "sgd": partial(together, SGD),
    "adam": lambda: together(ba.Optax(optax.adam(1e-2), 8), lanes="vmap"),
    "descent": partial(together, ba.GradientDescent(0.05), lanes="loop", driver="host"),
    "resumed": resumed,
    "batch norm": lambda: train(convolutional()[0], SGD, convolutional()[1], data_parallel=True),
    # Ten times the step size amplifies the last bits a thousandfold.
    "resnet": lambda: train(residual()[0], ba.SGD(0.002, 16, momentum=0.9), residual()[1], data_parallel=True),
}


def looked_into(run: Callable[[], ba.Simulation]) -> tuple[ba.Simulation, str]:
    """The run, and the text of the compiled programs that took its steps."""
    compiled: dict[Any, Any] = {}

    def stepping(program: Any, static: int, *args: Any) -> Any:
        """program(*args), whose first `static` arguments it is specialised to."""
        if static == 2 and args[0] is not _lanes.advance:
            return program(*args)
        key = args[:static], tuple(map(jnp.shape, jax.tree.leaves(args[static:])))
        if key not in compiled:
            compiled[key] = program.lower(*args).compile()
        return compiled[key](*args[static:])

    with (
        patch.object(_lanes, "all_lanes", partial(stepping, _lanes.all_lanes, 2)),
        patch.object(_lanes, "step_all", partial(stepping, _lanes.step_all, 1)),
    ):
        done = run()
    return done, "".join(program.as_text() for program in compiled.values())


def collectives(text: str) -> list[str]:
    """What compiled programs exchange between devices."""
    return sorted(set(re.findall(r" (all-\w+|reduce-scatter|collective-\w+)(?:-start)?\(", text)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("devices", type=int)
    parser.add_argument("out")
    parser.add_argument("runs", nargs="+", choices=RUNS)
    parser.add_argument("--process", type=int)
    parser.add_argument("--port", type=int)
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_num_cpu_devices", asked.devices)
    if asked.process is not None:
        jax.distributed.initialize(f"127.0.0.1:{asked.port}", num_processes=2, process_id=asked.process)
    kept: dict[str, Any] = {}
    for name in asked.runs:
        run, text = looked_into(RUNS[name])
        leaves = jax.tree.leaves((run.params, run.statistics))
        kept[name] = np.concatenate([np.ravel(leaf) for leaf in leaves])
        kept[f"{name} collectives"] = np.array(collectives(text), str)
    np.savez(asked.out, **kept)


if __name__ == "__main__":
    main()
