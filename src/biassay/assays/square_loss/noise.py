"""The displacement per step at the end of training with a step size that never falls.

If all mini-batches of B < N examples are stationary in W, exchanging one example for another shows that the gradients
of all examples are equal, so that for every example n

    wd W_k = -dl_n/dW_k,

for a dense layer an outer product: with wd > 0 every W_k has rank 1 at most, whatever the activation and the number of
outputs, and without biases only W = 0 is left where two images are not parallel. With wd = 0 all gradients vanish, and
nothing follows for the rank. SGD with weight decay is therefore predicted to keep moving, unless it ends at W = 0. The
floor of a run is the median displacement of its last samples.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ...dynamics import SGD, GradientDescent
from ...problem import Problem, squared_error
from ...simulation import PerSeed, log_steps, simulate
from .config import Config
from .displacement import Remembering, at_rest, current_risk, relative_displacement
from .networks import Layers, draw_digits, he_start, relu_network, smooth_network
from .rho_flow import Variables, seeds, stacked

_POINTS = 40
BATCHES = ("full", "mini")
"""In this order along the axis `batch`."""


def recorded_steps(config: Config, steps: int) -> list[int]:
    """Evenly spaced in the logarithm over the run, and the samples at its end."""
    early = [step for step in log_steps(steps - config.samples * config.sample_every, _POINTS) if step]
    return [*early, *(steps - config.sample_every * np.arange(config.samples)[::-1])]


def relu_noise(config: Config) -> Variables:
    """With relu: mini-batches at every weight decay, the full batch where it is asked for."""
    runs = [(batch, config.relu_decays) for batch in BATCHES[not config.all_full :]]
    return _noise(config, "relu", relu_network, config.relu_steps, config.relu_decays, runs)


def smooth_noise(config: Config) -> Variables:
    """With silu(2 z): mini-batches at every weight decay, the full batch at the largest or, where asked for, at all."""
    full = config.smooth_decays if config.all_full else config.smooth_decays[-1:]
    runs = [("full", full), ("mini", config.smooth_decays)]
    return _noise(config, "smooth", smooth_network, config.smooth_steps, config.smooth_decays, runs)


def _noise(
    config: Config,
    name: str,
    network: Callable[[Layers, Array], Array],
    steps: int,
    decays: tuple[float, ...],
    runs: list[tuple[str, tuple[float, ...]]],
) -> Variables:
    """Displacement, floor and loss, (batch, seed, decay); NaN where a pair was not run."""
    drawn = [draw_digits(seed, config.noise_digits, config.images) for seed in seeds(config)]
    x, classes = (np.stack(part) for part in zip(*drawn, strict=True))
    problem = Problem(network, jnp.asarray(x), jnp.asarray(np.eye(len(config.noise_digits))[classes]), squared_error)
    start = at_rest(stacked([he_start(seed, config.noise_widths) for seed in seeds(config)]))
    records = recorded_steps(config, steps)
    found = {
        part: np.full((len(BATCHES), config.seeds, len(decays), len(records)), np.nan)
        for part in ("displacement", "risk")
    }
    for batch, own in runs:

        def dynamics(decay: Array, batch: str = batch) -> Remembering:
            if batch == "full":
                return Remembering(GradientDescent(config.noise_lr, weight_decay=decay))
            return Remembering(SGD(config.noise_lr, config.batch, sampling="subset", weight_decay=decay))

        run = simulate(
            PerSeed(problem),
            dynamics,
            PerSeed(start),
            steps=steps,
            record=records,
            probes={"displacement": relative_displacement, "risk": current_risk},
            seeds=config.seeds,
            seed=config.seed,
            sweep={"decay": own},
            label=f"{name}, {batch} batch",
        )
        for (part, values), (position, decay) in product(found.items(), enumerate(own)):
            values[BATCHES.index(batch), :, decays.index(decay)] = run.data[part].values[:, position]
    shape = ("batch", "seed", f"{name}_wd")
    floor = np.median(found["displacement"][..., -config.samples :], axis=-1)
    return {
        f"{name}_displacement": ((*shape, f"{name}_step"), found["displacement"], "relative displacement per step"),
        f"{name}_floor": (shape, floor, "median relative displacement per step over the last samples"),
        f"{name}_risk": (shape, found["risk"][..., -1], "mean squared error at the end"),
        f"{name}_step": (f"{name}_step", np.array(records), "steps"),
    }
