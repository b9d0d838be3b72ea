"""What the assay `low-rank` claims, and the control of each claim.

A difference of ranks is the mean over the hidden matrices of rank / smaller side, first minus second, so that -0.05 is
five hundredths of full rank. Comparisons are made at equal lr wd T, and shown beside what they look like otherwise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure

FINE, COARSE = 1e-2, 0.05
"""Tolerances of the numerical rank, relative to the Frobenius norm."""
ROUNDING = (-math.inf, 1e-10)
LOWER = (-math.inf, -1 / 64)
"""Lower by one singular value of 64: less cannot be told from two runs without decay."""
MARKEDLY_LOWER = (-math.inf, -0.05)
"""Lower by a twentieth of full rank."""
HALF = (0.0, 0.5)
FORGETTING_TIMES = 7.0
LONG = 20.0
LEARNED = 0.95
DIFFERENCE = "difference of rank / full rank"


# --- reading the sweep ------------------------------------------------------------------------------------------------


def run_at(data: xr.Dataset, batch: float, lr: float) -> int:
    """The number of the run with this batch size and step size."""
    return int(np.flatnonzero((data.batch.values == batch) & (data.lr.values == lr))[0])


def at_step(data: xr.Dataset, variable: str, run: int, step: float, decay: float) -> xr.DataArray:
    """A variable of the sweep at one step of one run, with the seed and its own dimensions."""
    record = int(np.flatnonzero(data.steps.values[run] == step)[0])
    return data[variable].isel(run=run, record=record).sel(weight_decay=decay)


def share(data: xr.Dataset, run: int, step: float, decay: float, tolerance: float = FINE) -> xr.DataArray:
    """Rank / smaller side, the mean over the hidden matrices, one number a seed."""
    return (at_step(data, "rank", run, step, decay).sel(tol=tolerance) / data.full_rank).mean("layer", skipna=False)


def compared(data: xr.Dataset, what: str) -> tuple[int, int]:
    """The runs of a comparison, the one said to have the lower rank first.

    what: "batch", the smallest and the largest batch; "lr", the largest and the smallest step size.
    """
    batches, lrs = np.unique(data.batch), np.unique(data.lr)
    first = int(data.batch.values[0])
    if what == "batch":
        lr = float(data.lr.values[0])
        return run_at(data, batches[0], lr), run_at(data, batches[-1], lr)
    return run_at(data, first, lrs[-1]), run_at(data, first, lrs[0])


def steps_of(data: xr.Dataset, run: int, how: str) -> float:
    """The step at which a comparison reads a run: at equal lr wd T ("time"), "epochs" or "steps"."""
    return float(data.equal_steps) if how == "steps" else float(data[f"equal_{how}"].values[run])


def difference(what: str, how: str, decayed: bool = True, tolerance: float = FINE) -> Measure:
    """The difference of the ranks of the runs of a comparison, read as `how` says, one number a seed."""

    def measure(data: xr.Dataset) -> xr.DataArray:
        decay = float(data.judged_decay) if decayed else 0.0
        low, high = (share(data, run, steps_of(data, run, how), decay, tolerance) for run in compared(data, what))
        return low - high

    return measure


def _both_learn(what: str, *ways: str) -> Measure:
    """Whether both runs of a comparison have learned at every step that is read."""

    def premise(data: xr.Dataset) -> xr.DataArray:
        decay = float(data.judged_decay)
        read = [
            at_step(data, "train", run, steps_of(data, run, how), decay) for run in compared(data, what) for how in ways
        ]
        return xr.concat(read, "reading", coords="minimal", compat="override").min("reading", skipna=False) >= LEARNED

    return premise


def longest(data: xr.Dataset, decay: float) -> tuple[int, float, float]:
    """The run of the smallest batch at the common step size, its last step, and its lr wd T."""
    run = compared(data, "batch")[0]
    step = float(np.nanmax(data.steps.values[run]))
    return run, step, float(data.lr.values[run]) * decay * step


def _inner_share(decayed: bool) -> Measure:
    """The largest rank / smaller side of the hidden matrices behind the first, at the end of the longest run."""

    def measure(data: xr.Dataset) -> xr.DataArray:
        decay = float(data.judged_decay)
        run, step, _ = longest(data, decay)
        found = at_step(data, "rank", run, step, decay if decayed else 0.0).sel(tol=FINE) / data.full_rank
        return found.isel(layer=slice(1, None)).max("layer", skipna=False)

    return measure


def _long_enough(times: float, strongest: bool) -> Measure:
    """Whether the longest run had so many forgetting times, and has learned."""

    def premise(data: xr.Dataset) -> xr.DataArray:
        decay = float(data.weight_decay[-1] if strongest else data.judged_decay)
        run, step, forgetting = longest(data, decay)
        return (at_step(data, "train", run, step, decay) >= LEARNED) & (forgetting >= times)

    return premise


def _largest_rank(decayed: bool) -> Measure:
    """The largest rank of a hidden matrix at the end of the longest run, with the strongest decay or without."""

    def measure(data: xr.Dataset) -> xr.DataArray:
        decay = float(data.weight_decay[-1])
        run, step, _ = longest(data, decay)
        found = at_step(data, "rank", run, step, decay if decayed else 0.0)
        return found.sel(tol=FINE).max("layer", skipna=False)

    return measure


# --- one output, and the bound ----------------------------------------------------------------------------------------


def _single_rank(decayed: bool, tolerance: float) -> Measure:
    """With one output, the largest rank of the hidden matrices behind the first, at the end."""
    place = -1 if decayed else 0

    def measure(data: xr.Dataset) -> xr.DataArray:
        found = data.single_rank.isel(single_decay=place, single_record=-1, layer=slice(1, None))
        return found.sel(tol=tolerance).max("layer", skipna=False)

    return measure


def single_forgetting(data: xr.Dataset) -> float:
    """lr wd T of the network with one output."""
    return float(data.lr[0] * data.single_decay[-1] * data.single_steps[-1])


def _single_long_enough(data: xr.Dataset) -> xr.DataArray:
    return (data.single_train.isel(single_decay=-1, single_record=-1) >= LEARNED) & (single_forgetting(data) >= LONG)


def _excess(variable: str, decayed: bool) -> Measure:
    """The largest excess over the bound, of every batch size, hidden matrix and checked step, one number a seed."""
    decays = slice(1, None) if decayed else slice(0, 1)

    def measure(data: xr.Dataset) -> xr.DataArray:
        found = data[variable].isel(bound_decay=decays)
        return found.max([dim for dim in found.dims if dim != "bound_seed"], skipna=False)

    return measure


def bound_share(data: xr.Dataset) -> xr.DataArray:
    """The bound on the rank / full rank, at most 1.

    1 is what holds of every matrix: also where nothing is forgotten to the tolerance, so that there is no bound. The
    data mark that by T + 1 steps.
    """
    forgotten = data.bound_of_rank < data.bound_batch * data.sizes["bound_step"]
    return (data.bound_of_rank / data.bound_full_rank).where(forgotten, 1.0).clip(max=1.0)


def learned_with_decay(data: xr.Dataset) -> xr.DataArray:
    """Whether a run with weight decay has learned."""
    return (data.bound_train >= LEARNED).isel(bound_decay=slice(1, None))


def least_share(data: xr.Dataset) -> xr.DataArray:
    """Of every seed the least `bound_share` of the matrices of the decayed runs that learn; 1 where none learns."""
    share = bound_share(data).isel(bound_decay=slice(1, None))
    return share.where(learned_with_decay(data), 1.0).min(["bound_layer", "bound_batch", "bound_decay"])


def _some_decayed_run_learns(data: xr.Dataset) -> xr.DataArray:
    return learned_with_decay(data).any(["bound_batch", "bound_decay"])


def _share_without_decay(data: xr.Dataset) -> xr.DataArray:
    return bound_share(data).isel(bound_decay=0).min(["bound_layer", "bound_batch"])


PAPER: dict[str, Any] = {"cite": "galanti2022rank", "provenance": "seed"}
DERIVED: dict[str, Any] = {"cite": "galanti2022rank", "provenance": "derived"}
BOTH_LEARN = "both runs reach a train accuracy of 0.95"
NO_DECAY = "the same runs without weight decay, whose ranks are near full"

CLAIMS = (
    Claim(
        name="bound-identity",
        says="At every k, singular value number B k + 1 is at most (1 - lr wd)^k times the norm k steps ago.",
        measure=_excess("bound_singular", True),
        region=ROUNDING,
        control=_excess("bound_singular", False),
        control_says="replay: the bound of the largest decay on runs trained without decay",
        statistic="every",
        min_seeds=3,
        recorded="holds",
        unit="largest excess over the bound, relative to the norm",
        **DERIVED,
    ),
    Claim(
        name="bound-tail",
        says="The same bounds the root of the sum of squares of all singular values from number B k + 1 on.",
        measure=_excess("bound_tail", True),
        region=ROUNDING,
        control=_excess("bound_tail", False),
        control_says="replay: the bound of the largest decay on runs trained without decay",
        statistic="every",
        min_seeds=3,
        recorded="holds",
        unit="largest excess over the bound, relative to the norm",
        **DERIVED,
    ),
    Claim(
        name="wd-lowers-rank",
        says="Weight decay lowers the rank of the hidden matrices behind the first to at most half, on every seed.",
        measure=_inner_share(True),
        region=HALF,
        control=_inner_share(False),
        control_says="the same run without weight decay",
        control_region=(0.9, 1.0),
        statistic="every",
        premise=_long_enough(FORGETTING_TIMES, strongest=False),
        premise_says=f"lr wd T is at least {FORGETTING_TIMES:g}, and the train accuracy at least {LEARNED}",
        min_seeds=3,
        recorded="holds",
        unit="largest rank / full rank, tolerance 0.01",
        **PAPER,
    ),
    Claim(
        name="batch-effect",
        says="At equal lr wd T the smallest batch gives a rank lower than the largest, by a singular value of 64.",
        measure=difference("batch", "time"),
        region=LOWER,
        control=difference("batch", "time", decayed=False),
        control_says=NO_DECAY,
        premise=_both_learn("batch", "time"),
        premise_says=BOTH_LEARN,
        min_seeds=5,
        recorded="unclear",
        unit=DIFFERENCE,
        **DERIVED,
    ),
    Claim(
        name="batch-effect-size",
        says="At equal lr wd T the rank of the smallest batch is lower by at least a twentieth of full rank.",
        measure=difference("batch", "time"),
        region=MARKEDLY_LOWER,
        control=difference("batch", "time", decayed=False),
        control_says=NO_DECAY,
        premise=_both_learn("batch", "time"),
        premise_says=BOTH_LEARN,
        min_seeds=5,
        recorded="fails",
        unit=DIFFERENCE,
        **DERIVED,
    ),
    Claim(
        name="epochs-confound",
        says="At equal epochs a smaller batch has a markedly lower rank; at equal lr wd T not by 1/20 of full rank.",
        measure=difference("batch", "epochs"),
        region=MARKEDLY_LOWER,
        control=difference("batch", "time"),
        control_says="the same runs at equal lr wd T",
        premise=_both_learn("batch", "epochs", "time"),
        premise_says=BOTH_LEARN,
        min_seeds=5,
        recorded="holds",
        unit=DIFFERENCE,
        **DERIVED,
    ),
    Claim(
        name="lr-effect",
        says="At equal lr wd T the largest step size gives a rank lower than the smallest, by a singular value of 64.",
        measure=difference("lr", "time"),
        region=LOWER,
        control=difference("lr", "time", decayed=False),
        control_says=NO_DECAY,
        premise=_both_learn("lr", "time"),
        premise_says=BOTH_LEARN,
        min_seeds=5,
        recorded="unclear",
        unit=DIFFERENCE,
        **DERIVED,
    ),
    Claim(
        name="lr-effect-size",
        says="At equal lr wd T the rank of the largest step size is lower by at least a twentieth of full rank.",
        measure=difference("lr", "time"),
        region=MARKEDLY_LOWER,
        control=difference("lr", "time", decayed=False),
        control_says=NO_DECAY,
        premise=_both_learn("lr", "time"),
        premise_says=BOTH_LEARN,
        min_seeds=5,
        recorded="fails",
        unit=DIFFERENCE,
        **DERIVED,
    ),
    Claim(
        name="steps-confound",
        says="At equal steps a larger step size has a markedly lower rank; at equal lr wd T not by 1/20 of full rank.",
        measure=difference("lr", "steps"),
        region=MARKEDLY_LOWER,
        control=difference("lr", "time"),
        control_says="the same runs at equal lr wd T",
        premise=_both_learn("lr", "steps", "time"),
        premise_says=BOTH_LEARN,
        min_seeds=5,
        recorded="holds",
        unit=DIFFERENCE,
        **DERIVED,
    ),
    Claim(
        name="bound-informative",
        says="The bound says something of networks that learn: it proves a rank below full at tolerance 0.05.",
        measure=least_share,
        region=(0.0, 0.999),
        control=_share_without_decay,
        control_says="the same runs without weight decay",
        statistic="every",
        premise=_some_decayed_run_learns,
        premise_says=f"some run with decay reaches a train accuracy of {LEARNED}",
        min_seeds=3,
        recorded="vacuous",
        unit="least bound / full rank of the runs that learn, at most 1",
        **DERIVED,
    ),
    Claim(
        name="rank-two",
        says="After long training with weight decay every hidden matrix has rank two at most.",
        measure=_largest_rank(True),
        region=(0.0, 2.0),
        control=_largest_rank(False),
        control_says="the same run without weight decay",
        statistic="every",
        premise=_long_enough(LONG, strongest=True),
        premise_says=f"lr wd T is at least {LONG:g}, and the train accuracy at least {LEARNED}",
        min_seeds=3,
        recorded="fails",
        unit="largest rank, tolerance 0.01",
        cite="chen2024ranktwo",
        provenance="read",
    ),
    Claim(
        name="rank-two-one-output",
        says="With one output instead of ten, the hidden matrices behind the first have rank two at most.",
        measure=_single_rank(True, FINE),
        region=(0.0, 2.0),
        control=_single_rank(False, FINE),
        control_says="the same run without weight decay",
        statistic="every",
        premise=_single_long_enough,
        premise_says=f"lr wd T is at least {LONG:g}, and the train accuracy at least {LEARNED}",
        min_seeds=3,
        recorded="fails",
        unit="largest rank, tolerance 0.01",
        cite="chen2024ranktwo",
        provenance="derived",
    ),
    Claim(
        name="rank-two-one-output-coarse",
        says="The same at the tolerance 0.05.",
        measure=_single_rank(True, COARSE),
        region=(0.0, 2.0),
        control=_single_rank(False, COARSE),
        control_says="the same run without weight decay",
        statistic="every",
        premise=_single_long_enough,
        premise_says=f"lr wd T is at least {LONG:g}, and the train accuracy at least {LEARNED}",
        min_seeds=3,
        recorded="holds",
        unit="largest rank, tolerance 0.05",
        cite="chen2024ranktwo",
        provenance="derived",
    ),
)
