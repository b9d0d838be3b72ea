"""What the assay `rank-jumps` claims, and the control of each claim.

"Every" statements are about each run; where nothing was seen among M runs a second claim gives the 95 % bound on its
probability, as no simulation measures a probability of zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim
from .experiments import JUMPED, RETURNED, UNDECIDED

NEVER = (0.0, 0.0)
ALWAYS = (1.0, 1.0)
POSITIVE = (1e-9, np.inf)


def corner(data: xr.Dataset, variable: str) -> xr.DataArray:
    """`variable` at the largest eta and lambda."""
    return data[variable].sel({"eta": data.eta.max(), "lambda": data["lambda"].max()})


def rate_contributions(jump_step: np.ndarray, horizon: float) -> np.ndarray:
    """One number per run whose mean is the rate, jumps / steps at risk.

    jump_step: (n,), NaN where a run never jumped. With d_i jumps in t_i steps and r = sum d / sum t these are
    r + (d_i - r t_i) / mean(t), so that their scatter is that of the ratio to first order.
    """
    jumped = ~np.isnan(jump_step)
    at_risk = np.where(jumped, jump_step, horizon)
    rate = jumped.sum() / at_risk.sum()
    return rate + (jumped - rate * at_risk) / at_risk.mean()


def earlier(jump_step: xr.DataArray, axis: str) -> xr.DataArray:
    """Kendall's tau, per seed, between `axis` and the order of the jumps: 1 if a larger value always jumps earlier.

    Two runs that never jumped are a tie and count 0. Averaged over the other axis of the map.
    """
    step = jump_step.fillna(np.inf).transpose(..., axis).values
    pairs = [(i, j) for j in range(step.shape[-1]) for i in range(j)]
    if not pairs:
        return jump_step.isel({axis: 0}) * np.nan
    later, sooner = (step[..., [pair[k] for pair in pairs]] for k in (0, 1))
    signs = (sooner < later).astype(float) - (sooner > later)
    other = [dim for dim in jump_step.dims if dim not in ("seed", axis)]
    return xr.DataArray(signs.mean(axis=-1), dims=[dim for dim in jump_step.dims if dim != axis]).mean(other)


def gd_jump_step(data: xr.Dataset) -> xr.DataArray:
    """Where gradient descent jumped in each cell (step 0 stands for a jump at any time), with a seed axis of one."""
    return xr.where(data.gd_jumped, 0.0, np.nan).expand_dims("seed")


def returned(data: xr.Dataset) -> np.ndarray:
    """Whether a run that jumped came back, for all runs of the map and of its corner."""
    flat = [
        back.values[~np.isnan(step.values)]
        for step, back in ((data.jump_step, data.reverse), (data.trial_jump_step, data.trial_reverse))
    ]
    return np.concatenate(flat).astype(float)


def weak_cell(data: xr.Dataset, decay: float) -> xr.DataArray:
    """Whether SGD jumped within `trial_steps` at the second largest eta and this lambda."""
    etas = np.sort(data.eta.values)
    return data.jump_step.sel({"eta": etas[max(len(etas) - 2, 0)], "lambda": decay}) <= data.trial_steps


def checkpoints(data: xr.Dataset, variable: str, stage: int, jumped: bool) -> np.ndarray:
    """The worst `variable` of a seed at the checkpoints that had jumped (largest) or had not (smallest)."""
    ratio = data.checkpoint_ratio
    chosen = data[variable].isel(stage=stage).where(ratio < JUMPED if jumped else ratio > UNDECIDED)
    worst = chosen.max("checkpoint") if jumped else chosen.min("checkpoint")
    return worst.dropna("seed").values


def gap(data: xr.Dataset, stage: int) -> np.ndarray:
    """Least test error of the runs that had not jumped minus the largest of those that had, one number a checkpoint.

    Checkpoints without runs of both kinds are left out.
    """
    ratio, error = data.checkpoint_ratio, data.test_error.isel(stage=stage)
    apart = error.where(ratio > UNDECIDED).min("seed") - error.where(ratio < JUMPED).max("seed")
    return apart.dropna("checkpoint").values


def left(data: xr.Dataset, regime: str) -> xr.DataArray:
    """Whether a branch led out of the region."""
    return data.left_region.isel(regime=data.regime.values.tolist().index(regime))


def forced_jump(data: xr.Dataset, place: int) -> xr.DataArray:
    """Whether a run is at rank 1 at its end, after the shortest (0) or longest (-1) forced column."""
    return data.forced_ratio.isel(forced=place) < JUMPED


RANK_TWO: dict[str, Any] = {
    "premise": lambda data: ~np.isnan(data.exact_ratio),
    "premise_says": "the landscape has a rank-2 minimum to start from, at every lambda",
}
PAPER: dict[str, Any] = {"cite": "wang2024jumps", "provenance": "seed"}
DERIVED: dict[str, Any] = {"cite": "wang2024jumps", "provenance": "derived"}
GD = "full-batch gradient descent from the same point, for as many steps"
TWO_LAYERS = "two layers from rank 1 plus the same noise"

CLAIMS = (
    Claim(
        name="landscape-ratio",
        says="Gradient descent settles at the rank-2 minimum that the landscape has, in every cell.",
        measure=lambda data: abs(data.gd_ratio - data.exact_ratio),
        region=(-np.inf, 1e-3),
        control=lambda data: abs(data.gd_ratio_gone - data.exact_ratio.sel({"lambda": data["lambda"].max()})),
        control_says="gradient descent at the lambda where that minimum is gone",
        statistic="every",
        min_seeds=1,
        recorded="holds",
        **DERIVED,
        **RANK_TWO,
    ),
    Claim(
        name="landscape-gone",
        says="At a slightly larger lambda there is no rank-2 minimum, and gradient descent falls to rank 1 by itself.",
        measure=lambda data: data.gd_ratio_gone,
        region=(-np.inf, JUMPED),
        control=lambda data: data.gd_ratio.sel({"lambda": data["lambda"].max()}),
        control_says="gradient descent at the largest lambda of the map",
        statistic="every",
        min_seeds=1,
        premise=lambda data: data.exact_gone,
        premise_says="the landscape has no rank-2 minimum there",
        recorded="holds",
        **DERIVED,
    ),
    Claim(
        name="jump-happens",
        says="SGD leaves the rank-2 minimum for rank 1 (at the largest eta and lambda of the map).",
        measure=lambda data: ~np.isnan(data.trial_jump_step),
        region=(0.99, 1.0),
        control=lambda data: corner(data, "gd_jumped"),
        control_says=GD,
        control_region=NEVER,
        statistic="proportion",
        recorded="holds",
        **PAPER,
        **RANK_TWO,
    ),
    Claim(
        name="jump-happens-rate",
        says="It does so about once in 4 000 to 10 000 steps.",
        measure=lambda data: rate_contributions(data.trial_jump_step.values, float(data.trial_steps)),
        region=(1.0e-4, 2.3e-4),
        control=lambda data: corner(data, "gd_jumped") / float(data.trial_steps),
        control_says=GD,
        control_region=NEVER,
        unit="jumps per step",
        recorded="holds",
        **DERIVED,
        **RANK_TWO,
    ),
    Claim(
        name="jump-monotone-eta",
        says="At a larger step size SGD jumps at least as early, on average over the map (Kendall's tau; cells see "
        "different noise).",
        measure=lambda data: earlier(data.jump_step, "eta"),
        region=POSITIVE,
        control=lambda data: earlier(gd_jump_step(data), "eta"),
        control_says=GD,
        control_region=NEVER,
        unit="Kendall's tau",
        recorded="holds",
        **DERIVED,
        **RANK_TWO,
    ),
    Claim(
        name="jump-monotone-lambda",
        says="At a larger lambda SGD jumps at least as early, on average over the map (Kendall's tau; cells see "
        "different noise).",
        measure=lambda data: earlier(data.jump_step, "lambda"),
        region=POSITIVE,
        control=lambda data: earlier(gd_jump_step(data), "lambda"),
        control_says=GD,
        control_region=NEVER,
        unit="Kendall's tau",
        recorded="holds",
        **DERIVED,
        **RANK_TWO,
    ),
    Claim(
        name="jump-monotone-rare",
        says="At a smaller step size and lambda jumps are rare in the same number of steps.",
        measure=lambda data: weak_cell(data, float(data["lambda"].min())),
        region=(0.0, 0.10),
        control=lambda data: weak_cell(data, float(data["lambda"].max())),
        control_says="the same step size at the largest lambda",
        statistic="proportion",
        recorded="holds",
        **DERIVED,
        **RANK_TWO,
    ),
    Claim(
        name="jump-constructive",
        says="Drawing only the entries of one column for long enough, an order of positive probability, leads to rank "
        "1 at a step size too small for jumps to be seen.",
        measure=lambda data: forced_jump(data, -1),
        region=ALWAYS,
        control=lambda data: forced_jump(data, 0),
        control_says="the shortest forced column",
        statistic="every",
        recorded="holds",
        **PAPER,
        **RANK_TWO,
    ),
    Claim(
        name="jump-constructive-short",
        says="Too short a forced column leads back to rank 2, always.",
        measure=lambda data: forced_jump(data, 0),
        region=NEVER,
        control=lambda data: forced_jump(data, -1),
        control_says="the longest forced column",
        statistic="every",
        recorded="holds",
        **DERIVED,
        **RANK_TWO,
    ),
    Claim(
        name="one-way",
        says="No run that jumped to rank 1 comes back.",
        measure=returned,
        region=NEVER,
        control=lambda data: data.two_escaped,
        control_says=TWO_LAYERS,
        statistic="every",
        recorded="holds",
        **PAPER,
        **RANK_TWO,
    ),
    Claim(
        name="one-way-bound",
        says="With 95 % confidence less than one in a hundred of the runs that jumped comes back in the time left.",
        measure=returned,
        region=(0.0, 0.01),
        control=lambda data: data.two_escaped,
        control_says=TWO_LAYERS,
        statistic="proportion",
        recorded="holds",
        **DERIVED,
        **RANK_TWO,
    ),
    Claim(
        name="one-way-two-layers",
        says="With two layers rank 1 is no trap: SGD escapes from it.",
        measure=lambda data: data.two_escaped,
        region=(0.95, 1.0),
        control=lambda data: data.deep_escaped,
        control_says="L layers from rank 1 plus the same noise",
        control_region=NEVER,
        statistic="proportion",
        recorded="holds",
        **DERIVED,
    ),
    Claim(
        name="one-way-two-layers-completion",
        says="It ends near the completion of least nuclear norm, whose unobserved entry is epsilon.",
        measure=lambda data: data.two_A01 - data.epsilon,
        region=(-0.01, 0.01),
        control=lambda data: data.deep_A01 - data.epsilon,
        control_says="L layers from rank 1 plus the same noise",
        unit="difference of the entry to epsilon",
        recorded="holds",
        **DERIVED,
    ),
    Claim(
        name="one-way-adversarial",
        says="Not even choosing at every step the entry after which s2 is largest leads away from rank 1, once s2 is "
        "small: s2/s1 never exceeds 0.02.",
        measure=lambda data: data.adversarial_peak.isel(planted_s2=0) > RETURNED,
        region=NEVER,
        control=lambda data: data.adversarial_escaped.isel(planted_s2=-1),
        control_says="the same adversary with a larger s2 at the start: some runs are above 0.02 at the end",
        control_needs="some",
        statistic="every",
        recorded="holds",
        **DERIVED,
    ),
    Claim(
        name="not-diffusive",
        says="Isotropic Gaussian noise, as a diffusion has it, is not one-way: it leads back out of rank 1.",
        measure=lambda data: data.langevin_escaped.sel(sigma=0.05, method="nearest"),
        region=(0.95, 1.0),
        control=lambda data: data.langevin_escaped.isel(sigma=0),
        control_says="the same for the smallest noise, which does not escape in this time: the sentence needs enough "
        "noise or enough time",
        control_region=NEVER,
        statistic="proportion",
        recorded="holds",
        **PAPER,
    ),
    Claim(
        name="offshoot-jumped",
        says="Annealed from a checkpoint at rank 1, SGD recovers the unobserved entry of the rank-one matrix.",
        measure=lambda data: checkpoints(data, "test_error", -1, True),
        region=(-np.inf, 0.05),
        control=lambda data: checkpoints(data, "test_error", 0, True),
        control_says="the main run at the same checkpoints, without annealing",
        statistic="every",
        unit="squared error",
        recorded="holds",
        **PAPER,
        **RANK_TWO,
    ),
    Claim(
        name="offshoot-not-jumped",
        says="Annealed from a checkpoint that has not jumped, it does not.",
        measure=lambda data: checkpoints(data, "test_error", -1, False),
        region=(10.0, np.inf),
        control=lambda data: checkpoints(data, "test_error", -1, True),
        control_says="the same annealing from checkpoints that had jumped",
        statistic="every",
        unit="squared error",
        recorded="holds",
        **PAPER,
        **RANK_TWO,
    ),
    Claim(
        name="offshoot-gap",
        says="At every checkpoint annealing leaves a wide gap in test error between the runs that had jumped and those "
        "that had not (least of these minus largest of those).",
        measure=lambda data: gap(data, -1),
        region=(9.95, np.inf),
        control=lambda data: gap(data, 0),
        control_says="the same gap in the main run, without annealing",
        statistic="every",
        unit="squared error",
        recorded="holds",
        **PAPER,
        **RANK_TWO,
    ),
    Claim(
        name="closure-theorem-regime",
        says="At a small step size no branch of SGD leads out of the region B_1.",
        measure=lambda data: left(data, "theorem regime"),
        region=NEVER,
        control=lambda data: left(data, "demo regime"),
        control_says="the same region at the step size where jumps are seen",
        statistic="every",
        recorded="holds",
        **PAPER,
    ),
    Claim(
        name="closure-theorem-decay",
        says="That needs lambda to be large enough.",
        measure=lambda data: left(data, "theorem regime"),
        region=NEVER,
        control=lambda data: left(data, "weak decay"),
        control_says="the same region and step size with a small lambda, where a few runs in several hundred meet "
        "a branch that leaves",
        control_needs="some",
        statistic="every",
        recorded="holds",
        **DERIVED,
    ),
    Claim(
        name="closure-demo-regime",
        says="At the step size where jumps are seen, branches of SGD do lead out of B_1, in every run.",
        measure=lambda data: left(data, "demo regime"),
        region=ALWAYS,
        control=lambda data: left(data, "theorem regime"),
        control_says="the same region at the small step size of the theorem",
        control_region=NEVER,
        statistic="every",
        recorded="holds",
        **DERIVED,
    ),
    Claim(
        name="width-reduction",
        says="A wider network whose additional units are zero makes the same steps as the narrow one.",
        measure=lambda data: data.embedded_gap,
        region=(-np.inf, 1e-12),
        control=lambda data: data.random_gap,
        control_says="the wider network from a random start, on the same draws",
        statistic="every",
        recorded="holds",
        **DERIVED,
    ),
)
