"""The finite rank bound, checked on whole runs in double precision.

A network 64-w-w-10 whose hidden activations are divided by their root mean square, so that its hidden matrices can have
the strong decay that the bound needs. Their norm is recorded at every step, their singular values after each third of
the run. At the decay 0 the right-hand side is that of the largest decay: the replay, which must break the bound.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Float

from ...data import digits
from ...dynamics import Optax
from ...problem import Problem
from ...references import rank_bound_excess, remembered_norms, steps_to_forget
from ...simulation import PerSeed, simulate
from .config import Config
from .digits_data import Examples, problem, starts
from .networks import Matrices, norms, predict_normalised, test_accuracy, train_accuracy

EPS = 0.05
"""The tolerance of the rank that the bound is compared with."""
HEAD_SHARE = 0.005
"""The weight decay of the head, relative to that of the hidden matrices."""
THIRDS = 3
_HIDDEN = (True, True, False)
_HEAD = (False, False, True)


def decayed_sgd(batch: int, lr: float, decay: Any) -> Optax:
    """SGD whose hidden matrices decay by `decay` and whose head by `HEAD_SHARE` of it."""
    return Optax(
        optax.chain(
            optax.add_decayed_weights(decay, mask=_HIDDEN),
            optax.add_decayed_weights(HEAD_SHARE * decay, mask=_HEAD),
            optax.sgd(lr),
        ),
        batch,
        "independent",
    )


def identity(config: Config, data: Examples) -> xr.Dataset:
    """Every batch size and decay, all variables named `bound_...`, with the dimension bound_seed."""
    runs = [_one_batch(config, data, batch) for batch in config.identity_batches]
    both = xr.concat(runs, "bound_batch", join="exact").assign_coords(
        bound_seed=np.arange(config.seed, config.seed + _seeds(config)),
        bound_batch=("bound_batch", list(config.identity_batches), {"long_name": "batch size"}),
        bound_decay=("bound_decay", list(config.identity_decays), {"long_name": "weight decay"}),
        bound_layer=[1, 2],
        bound_end=[round(config.identity_steps * third / THIRDS) for third in range(1, THIRDS + 1)],
    )
    sides = [min(64, config.identity_width), config.identity_width]
    return both.assign(
        bound_full_rank=("bound_layer", sides, {"long_name": "smaller side of the matrix"}),
        bound_lr=((), config.identity_lr, {"long_name": "step size of the bound's runs"}),
    )


def _seeds(config: Config) -> int:
    return min(config.identity_seeds, config.seeds)


def _starts(config: Config) -> PerSeed[Matrices]:
    widths = (64, config.identity_width, config.identity_width, digits.CLASSES)
    return starts(config.seed, _seeds(config), widths, np.float64)


def _one_batch(config: Config, data: Examples, batch: int) -> xr.Dataset:
    """One batch size: trained in thirds, each going on from the last."""
    seeds, lr = _seeds(config), config.identity_lr
    own = Examples(*(part[:seeds] for part in data))
    simulation, spectra, recorded = None, [], []
    examples, start = problem(predict_normalised, own, np.float64), _starts(config)
    # One function for all thirds, so that they share one compiled program.
    sgd = partial(decayed_sgd, batch, lr)
    for third in range(1, THIRDS + 1):
        begun, end = 0 if simulation is None else simulation.step, round(config.identity_steps * third / THIRDS)
        simulation = simulate(
            examples,
            sgd,
            start,
            steps=end,
            record=range(begun, end + 1),
            probes={"norms": norms},
            seeds=seeds,
            seed=config.seed,
            sweep={"decay": config.identity_decays},
            resume=simulation,
            label=f"bound, batch {batch}",
        )
        recorded.append(simulation.data["norms"].values)
        spectra.append([_singular_values(np.asarray(W)) for W in simulation.params[:-1]])
    assert simulation is not None
    every_norm = np.moveaxis(np.concatenate(recorded, axis=2), 3, 2)  # (seed, decay, layer, step)
    return _judged(config, batch, every_norm, spectra).assign(_accuracies(config, own, simulation.params))


def _singular_values(W: np.ndarray) -> np.ndarray:
    """Of matrices (..., m, n), NaN where one is not finite."""
    finite = np.asarray(np.isfinite(W).all(axis=(-2, -1), keepdims=True))
    s = np.linalg.svd(np.where(finite, W, 0), compute_uv=False)
    return np.where(finite.reshape(*s.shape[:-1], 1), s, np.nan)


def _judged(config: Config, batch: int, every_norm: np.ndarray, spectra: list[list[np.ndarray]]) -> xr.Dataset:
    """The bound at every k after every third, and how small it makes the rank at the end."""
    seeds, lr, width = every_norm.shape[0], config.identity_lr, config.identity_width
    decays, ends = config.identity_decays, [round(config.identity_steps * t / THIRDS) for t in range(1, THIRDS + 1)]
    shape = (seeds, len(decays), 2, THIRDS)
    # -inf where a matrix is so small that no k is left.
    singular, tail = np.full(shape, -np.inf), np.full(shape, -np.inf)
    bound, rank = np.full((seeds, len(decays), 2), np.inf), np.full((seeds, len(decays), 2), np.nan)
    left = np.full((seeds, len(decays), 2, width), np.nan)
    right = np.full((seeds, len(decays), 2, config.identity_steps + 1), np.nan)
    for j, decay in enumerate(decays):
        rate = lr * (decay or decays[-1])
        for layer in range(2):
            for third, end in enumerate(ends):
                s = spectra[third][layer][:, j]
                if batch < s.shape[-1]:
                    sizes = every_norm[:, j, layer, : end + 1]
                    found = rank_bound_excess(s, sizes, rate, batch)
                    singular[:, j, layer, third] = found.singular.max(axis=-1) / sizes[:, -1]
                    tail[:, j, layer, third] = found.tail.max(axis=-1) / sizes[:, -1]
            s, sizes = spectra[-1][layer][:, j], every_norm[:, j, layer]
            bound[:, j, layer] = batch * steps_to_forget(sizes, lr * decay, EPS)
            rank[:, j, layer] = np.where(np.isfinite(s).all(axis=-1), (s > EPS * sizes[:, -1:]).sum(axis=-1), np.nan)
            left[:, j, layer, : s.shape[-1]] = s
            right[:, j, layer] = remembered_norms(sizes, rate)
    axes = ("bound_seed", "bound_decay", "bound_layer")
    values = {
        "singular": (
            (*axes, "bound_end"),
            singular,
            "largest excess of a singular value over the bound, relative to ‖W‖",
        ),
        "tail": (
            (*axes, "bound_end"),
            tail,
            "largest excess of a tail of singular values over the bound, relative to ‖W‖",
        ),
        "rank": (axes, rank, f"numerical rank at tolerance {EPS}"),
        "of_rank": (axes, bound, f"bound B k on that rank; B (T + 1) where no step is forgotten to {EPS}"),
        "values": ((*axes, "bound_index"), left, "singular values at the end"),
        "remembered": ((*axes, "bound_step"), right, "(1 - lr wd)^k ‖W‖ k steps before the end"),
    }
    return xr.Dataset(
        {f"bound_{name}": (dims, value, {"long_name": words}) for name, (dims, value, words) in values.items()}
    )


def _accuracies(config: Config, data: Examples, params: Any) -> dict[str, tuple[Any, ...]]:
    """Train and test accuracy of every lane at the end; params have the leading axes (seed, decay)."""
    train, test = _both_accuracies(problem(predict_normalised, data, np.float64).value, params)
    axes = ("bound_seed", "bound_decay")
    return {
        "bound_train": (axes, np.asarray(train), {"long_name": "train accuracy at the end"}),
        "bound_test": (axes, np.asarray(test), {"long_name": "test accuracy at the end"}),
    }


@jax.jit
def _both_accuracies(
    problems: Problem, params: tuple[Float[Array, "seed decay _ _"], ...]
) -> tuple[Float[Array, "seed decay"], Float[Array, "seed decay"]]:
    def of_lane(one: Problem, lane: Matrices) -> tuple[Array, Array]:
        return train_accuracy(one, lane), test_accuracy(one, lane)

    return jax.vmap(jax.vmap(of_lane, (None, 0)))(problems, params)
