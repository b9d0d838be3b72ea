"""The digits by networks of growing width: the trained family, and the two whose output weights are not scaled.

Everything has a leading seed axis: every seed has its own split, flips, initialisations and order of the batches, and
these are the same for every width and rate, so that widths are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import partial
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int, Key

from ...data import digits
from ...data.label_flips import flipped
from ...dynamics import SGD
from ...models.two_layer import TwoLayer
from ...problem import Batch, Problem
from ...simulation import PerSeed, Simulation, simulate
from .config import TEST, TRAIN, Config
from .networks import PROBES, Networks, StepSizes, antisymmetric, predict, scaled, stacked, unscaled

INPUTS = 65
"""8x8 pixels and a constant 1, whose weight is a neuron's bias."""
Init: TypeAlias = Callable[[np.random.Generator, int, int, int], TwoLayer]
"""(generator, H, inputs, classes) -> a network before training."""


class Stream(IntEnum):
    """The independent streams of randomness of a seed."""

    SPLIT = 300
    FLIPS = 301
    INIT = 302
    FEATURES = 303
    BATCHES = 304


class Digits(NamedTuple):
    """Every seed's inputs, pixels minus their mean over the training images and a 1, and its labels at every rate."""

    x: Float[Array, "seed n 65"]
    y: Int[Array, "seed rate n"]
    test_x: Float[Array, "seed m 65"]
    test_y: Int[Array, "seed m"]


def keys(config: Config, stream: int) -> Key[Array, " seed"]:
    """One key per seed, for draws that belong to `stream`."""
    roots = jax.vmap(jax.random.key)(jnp.arange(config.seed, config.seed + config.seeds))
    return jax.vmap(jax.random.fold_in, (0, None))(roots, stream)


def draw(config: Config) -> Digits:
    """The data of every seed."""
    return _draw(keys(config, Stream.SPLIT), keys(config, Stream.FLIPS), config.rates)


@partial(jax.jit, static_argnums=2)
def _draw(splits: Key[Array, " seed"], flips: Key[Array, " seed"], rates: tuple[float, ...]) -> Digits:
    def of_seed(split: Key[Array, ""], flip: Key[Array, ""]) -> Digits:
        drawn = digits.split(split, TRAIN, TEST)
        x, test_x = (part.reshape(len(part), -1) for part in (drawn.x, drawn.test_x))
        mean = jnp.mean(x, axis=0)
        x, test_x = (jnp.concatenate([part - mean, jnp.ones((len(part), 1))], axis=1) for part in (x, test_x))
        return Digits(x, flipped(flip, drawn.y, rates, digits.CLASSES), test_x, drawn.test_y)

    return jax.vmap(of_seed)(splits, flips)


def starts(config: Config, seeds: int, init: Init, widths: Sequence[int]) -> list[TwoLayer]:
    """A network of every width before training, of the first seeds, with a leading seed axis.

    A width's networks belong to seed and width, and are the same whichever others are drawn beside them.
    """

    def one(seed: int, H: int) -> TwoLayer:
        return init(np.random.default_rng((seed, Stream.INIT, H)), H, INPUTS, digits.CLASSES)

    own = range(config.seed, config.seed + seeds)
    return [jax.tree.map(lambda *leaves: np.stack(leaves), *(one(seed, H) for seed in own)) for H in widths]


def train(
    config: Config,
    data: Digits,
    rate: float,
    start: Networks,
    step_sizes: tuple[float, ...],
    record: Sequence[int],
    resume: Simulation | None = None,
) -> Simulation:
    """SGD on the networks `start` of the first seeds up to the last of the steps to record, or on from `resume`.

    step_sizes: that of every network, in the order of the stacks.
    """
    seeds = len(start[0].W)
    x, y, test_x, test_y = (leaf[:seeds] for leaf in data)
    y = y[:, config.rates.index(rate)]
    widths = f"{start[0].W.shape[2]}-{start[-1].W.shape[2]}"
    return simulate(
        PerSeed(Problem(predict, x, y, StepSizes(step_sizes), test=Batch(test_x, test_y))),
        SGD(1.0, config.batch, momentum=config.momentum),
        PerSeed(start),
        steps=record[-1],
        probes=PROBES,
        record=record,
        seeds=seeds,
        seed=config.seed,
        stream=Stream.BATCHES,
        resume=resume,
        lanes="map",
        label=f"{sum(stack.W.shape[1] for stack in start)} networks up to {widths} units, {rate:.0%} flipped",
    )


# --- what is kept of a run --------------------------------------------------------------------------------------------

MEASURED = {
    "test": "test error at the end",
    "train": "training error at the end, on the labels trained on",
    "loss": "training cross-entropy at the end, nats",
    "best": "test error of the best checkpoint, chosen on the test set",
    "product_norm": "product norm at the end",
    "l1_path": "L1 path norm at the end",
    "l2_path": "L2 path norm at the end",
    "distance": "distance of the parameters from their start",
}
"""The variables of a family of networks, dimensions (seed, width)."""


def _distances(after: TwoLayer, before: TwoLayer) -> Float[np.ndarray, "seed net"]:
    """|theta - theta_0| of every seed and network of a stack."""
    squares = [np.sum((np.asarray(a) - b) ** 2, axis=(2, 3)) for a, b in zip(after, before, strict=True)]
    return np.sqrt(sum(squares))


def summary(run: Simulation, start: Networks) -> dict[str, np.ndarray]:
    """`MEASURED`, (seed, network), of one run; NaN for a network whose parameters are not finite."""
    history = {name: run.data[name].values for name in PROBES}
    found = {name: values[:, -1] for name, values in history.items()}
    found["best"] = history["test"].min(axis=1)
    found["distance"] = np.concatenate([_distances(*both) for both in zip(run.params, start, strict=True)], axis=1)
    finite = np.isfinite(found["distance"])
    return {name: np.where(finite, found[name], np.nan) for name in MEASURED}


# --- the families -----------------------------------------------------------------------------------------------------


def trained(config: Config, data: Digits) -> xr.Dataset:
    """The networks that are scaled at the start, at every width and rate, and the narrow ones on to `long_steps`.

    Returns:
        `MEASURED` with dimensions (rate, seed, width), `test_path`, `loss_path` and `product_norm_path` with (rate,
        seed, width, step), NaN where nothing was run; `ran` (rate, width), how many of the seeds were; `long_test` and
        `long_train` (seed, narrow).
    """
    c = config
    every = (*c.narrow, *c.widths, *c.wide)
    shape = (len(c.rates), c.seeds, len(every))
    paths = {name: f"{name}_path" for name in ("test", "loss", "product_norm")}
    found = {name: np.full(shape, np.nan) for name in MEASURED}
    found |= {path: np.full((*shape, c.steps // c.checkpoint + 1), np.nan) for path in paths.values()}
    ran = np.zeros((len(c.rates), len(every)), int)
    steps = list(range(0, c.steps + 1, c.checkpoint))
    extra: dict[str, tuple] = {}
    blocks = [(c.narrow, c.seeds, c.rates), (c.widths, c.seeds, c.rates), (c.wide, c.wide_seeds, c.wide_rates)]
    for widths, seeds, rates in blocks:
        start = stacked(starts(c, seeds, scaled, widths))
        at = slice(every.index(widths[0]), every.index(widths[-1]) + 1)
        for rate in rates:
            row = c.rates.index(rate)
            run = train(c, data, rate, start, (c.lr,) * len(widths), steps)
            for name, values in summary(run, start).items():
                found[name][row, :seeds, at] = values
            for name, path in paths.items():
                found[path][row, :seeds, at] = run.data[name].values.swapaxes(1, 2)
            ran[row, at] = seeds
            if widths == c.narrow and rate == c.rates[-1]:
                # Looked at as often as the shorter runs, it needs no program of its own.
                late = np.linspace(c.steps, c.long_steps, len(steps) + 1)[1:].round().astype(int).tolist()
                longer = summary(train(c, data, rate, start, (c.lr,) * len(widths), late, run), start)
                for name in ("test", "train"):
                    words = {"long_name": f"{MEASURED[name]} of {c.long_steps} steps"}
                    extra[f"long_{name}"] = (("seed", "narrow"), longer[name], words)
    axes = ("rate", "seed", "width")
    words = MEASURED | {paths[name]: PROBES[name].__doc__.splitlines()[0].rstrip(".") for name in paths}  # pyright: ignore[reportOptionalMemberAccess]
    dims = {name: (*axes, "step")[: values.ndim] for name, values in found.items()}
    variables = {name: (dims[name], values, {"long_name": words[name]}) for name, values in found.items()}
    return xr.Dataset(
        variables | extra | {"ran": (("rate", "width"), ran, {"long_name": "seeds trained"})},
        coords={
            "rate": ("rate", list(c.rates), {"long_name": "share of flipped labels"}),
            "seed": np.arange(c.seed, c.seed + c.seeds),
            "width": ("width", list(every), {"long_name": "hidden units"}),
            "narrow": ("narrow", list(c.narrow), {"long_name": "hidden units"}),
            "step": ("step", steps, {"long_name": "steps taken"}),
        },
        attrs={"long_steps": c.long_steps},
    )


START_OUTPUT = "root mean square of the outputs on the training set, before training"


def not_scaled(config: Config, data: Digits) -> xr.Dataset:
    """Output weights of variance 1 at the start, and the same with f = 0: `unscaled_...` and `antisymmetric_...`.

    The step size is the smaller of `lr` and 1/H. Dimensions (control_rate, control_seed, control_width) of `MEASURED`
    without the best checkpoint, as only the last step is recorded, and `..._start_output` without the rate.
    """
    c = config
    families: dict[str, Init] = {"unscaled": unscaled, "antisymmetric": antisymmetric}
    drawn = {family: starts(c, c.wide_seeds, init, c.control_widths) for family, init in families.items()}
    # Both networks of a width share a stack: unscaled, antisymmetric, unscaled, ...
    start = stacked([network for pair in zip(*drawn.values(), strict=True) for network in pair])
    step_sizes = tuple(min(c.lr, 1 / H) for H in c.control_widths for _ in families)
    rows = [summary(train(c, data, rate, start, step_sizes, [c.steps]), start) for rate in c.control_rates]
    x = np.asarray(data.x[: c.wide_seeds])
    axes = ("control_rate", "control_seed", "control_width")
    found = {}
    for i, (family, networks) in enumerate(drawn.items()):
        for name, words in MEASURED.items():
            if name != "best":
                values = np.stack([row[name][:, i :: len(families)] for row in rows])
                found[f"{family}_{name}"] = (axes, values, {"long_name": words})
        outputs = [np.maximum(x @ W.swapaxes(1, 2), 0) @ V for W, V in networks]
        sizes = np.stack([np.sqrt(np.mean(output**2, axis=(1, 2))) for output in outputs], axis=1)
        found[f"{family}_start_output"] = (axes[1:], sizes, {"long_name": START_OUTPUT})
    return xr.Dataset(
        found,
        coords={
            "control_rate": ("control_rate", list(c.control_rates), {"long_name": "share of flipped labels"}),
            "control_seed": np.arange(c.seed, c.seed + c.wide_seeds),
            "control_width": ("control_width", list(c.control_widths), {"long_name": "hidden units"}),
        },
    )


def at_equal_loss(data: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """The paths `names` at the first checkpoint whose training loss is that of the worst width at the end.

    The level is one for all widths of a seed and rate: the largest final loss among those from 32 units on that the
    seed ran. Networks of unlike width take unlike times to it. Returns `equal_<name>` (rate, seed, width), NaN where
    the level was never reached, and for every width of a seed of which one diverged: it then has no level.
    """
    loss = data["loss_path"]
    final = loss.isel(step=-1)
    place = xr.DataArray(np.arange(data.sizes["seed"]), dims="seed")
    compared = (final["width"] >= 32) & (place < data["ran"])
    level = final.where(np.isfinite(final)).where(compared, -np.inf).max("width", skipna=False)
    reached = loss <= level
    first = reached.argmax("step")
    return xr.Dataset(
        {
            f"equal_{name}": data[f"{name}_path"]
            .isel(step=first)
            .where(reached.any("step"))
            .drop_vars("step", errors="ignore")
            .assign_attrs(long_name=f"{data[f'{name}_path'].attrs['long_name']}, at equal training loss")
            for name in names
        }
    )
