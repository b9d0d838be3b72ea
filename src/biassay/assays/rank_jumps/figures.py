"""Figures of the assay `rank-jumps`."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.stats import chi2

from ...claims import binomial_interval
from ...figures import Bars, Figure, Line, Panel, Points, Role, Series
from .claims import returned
from .experiments import JUMPED, RETURNED, UNDECIDED

ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth")
FLOOR = 1e-17
"""Smaller ratios are drawn here on logarithmic axes."""
RUNS = 8


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """Single runs, the jump map, ways back, offshoots, closure."""
    return single_runs(data), jump_map(data), ways_back(data), offshoots(data), closure(data)


def _role(place: int) -> Role:
    return ROLES[place % len(ROLES)]


def _share(flags: np.ndarray) -> tuple[float, float, float]:
    """Share of True and its exact interval; flags: (n,), NaN where nothing was measured."""
    known = np.asarray(flags, float)[~np.isnan(np.asarray(flags, float))]
    if not known.size:
        return np.nan, np.nan, np.nan
    return float(known.mean()), *binomial_interval(int(known.sum()), known.size)


def _bars(names: list[str], flags: list[np.ndarray], label: str, role: Role) -> Bars:
    shares, low, high = np.transpose([_share(flag) for flag in flags])
    return Bars(
        tuple(f"{name} (n={len(flag)})" for name, flag in zip(names, flags, strict=True)),
        shares,
        label,
        role,
        low,
        high,
    )


def single_runs(data: xr.Dataset) -> Figure:
    """A few runs and gradient descent at the largest eta and lambda, and the share that jumped in every cell."""
    eta, decay = data.eta.values, data["lambda"].values
    place = {"eta": int(eta.argmax()), "lambda": int(decay.argmax())}
    step = data.step.values
    runs = np.maximum(data.ratio.isel(place).values[:RUNS], FLOOR)
    lines: list[Series] = [
        Line(step, run, "SGD, one run each" if k == 0 else "", "result") for k, run in enumerate(runs)
    ]
    lines.append(Line(step, np.maximum(data.gd_track.isel(place).values, FLOOR), "gradient descent", "control"))
    shares = []
    for j in range(len(decay)):
        when = data.jump_step.isel({"eta": place["eta"], "lambda": j}).values
        band = np.transpose([_share(when <= t) for t in step])
        shares.append(Line(step, band[0], f"SGD, λ = {decay[j]:g}", _role(j), band[1], band[2]))
    still = data.gd_track.isel(eta=place["eta"]).min("lambda").values < JUMPED
    shares.append(Line(step, np.maximum.accumulate(still).astype(float), "gradient descent, every λ", "control"))
    return Figure(
        name="single-runs",
        title="SGD jumps to rank 1, gradient descent stays",
        caption=f"Runs at η = {eta.max():g}, λ = {decay.max():g} from the rank-2 minimum. A jump is s₂/s₁ < 10⁻⁴; "
        "after it the ratio decays to rounding and stays there. Bands: exact 95% intervals.",
        panels=(
            Panel(
                title=f"{len(runs)} runs",
                xlabel="steps",
                ylabel="s₂ / s₁ of A",
                series=tuple(lines),
                yscale="log",
                region=(0.0, JUMPED),
                region_label="jumped",
            ),
            Panel(
                title=f"Share of the runs that jumped, η = {eta.max():g}",
                xlabel="steps",
                ylabel="share",
                series=tuple(shares),
                ylim=(-0.03, 1.03),
            ),
        ),
    )


def _rates(data: xr.Dataset, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Jumps per step at risk with exact Poisson bounds for each eta; without jumps the bound 3/M stands alone."""
    step = data.jump_step.isel({"lambda": place}).values
    jumps = (~np.isnan(step)).sum(axis=0)
    at_risk = np.where(np.isnan(step), data.step.values[-1], step).sum(axis=0)
    low = np.where(jumps > 0, chi2.ppf(0.025, 2 * np.maximum(jumps, 1)) / 2, 0)
    high = np.where(jumps > 0, chi2.ppf(0.975, 2 * jumps + 2) / 2, chi2.ppf(0.95, 2) / 2)
    return jumps / at_risk, low / at_risk, high / at_risk


def jump_map(data: xr.Dataset) -> Figure:
    """Rate and share of jumps over the step size, for every lambda, with the landscape beside it."""
    etas, lambdas = data.eta.values, data["lambda"].values
    rates, shares, unseen = [], [], []
    for j, decay in enumerate(lambdas):
        rate, low, high = _rates(data, j)
        seen = rate > 0
        rates.append(Points(etas[seen], rate[seen], f"λ = {decay:g}", _role(j), low[seen], high[seen]))
        unseen += zip(etas[~seen], high[~seen], strict=True)
        band = np.transpose(
            [_share(~np.isnan(data.jump_step.isel({"eta": i, "lambda": j}).values)) for i in range(len(etas))]
        )
        shares.append(Points(etas, band[0], f"λ = {decay:g}", _role(j), band[1], band[2]))
    shares.append(Points(etas, data.gd_jumped.max("lambda").values.astype(float), "gradient descent", "control"))
    if unseen:
        where, bound = np.transpose(unseen)
        rates.append(Points(where, bound, "no jump seen: 95% bound", "reference"))
    return Figure(
        name="jump-map",
        title="Jumps are the more frequent, the larger the step size and λ",
        caption="Jumps per step at risk and share of the runs that jumped, with exact 95% intervals. In every cell "
        "gradient descent stays at the rank-2 minimum.",
        panels=(
            Panel(
                title="Rate of jumps",
                xlabel="step size η",
                ylabel="jumps per step at risk",
                series=tuple(rates),
                yscale="log",
            ),
            Panel(
                title=f"Share jumped in {int(data.step.max()):,} steps",
                xlabel="step size η",
                ylabel="share",
                series=tuple(shares),
                ylim=(-0.03, 1.03),
            ),
        ),
    )


def ways_back(data: xr.Dataset) -> Figure:
    """Which dynamics leave rank 1, and how near to it Gaussian noise stays."""
    back = returned(data)
    names = ["SGD, after a jump", "SGD, from rank 1", "adversary, small s₂"]
    flags = [back, data.deep_escaped.values, data.adversarial_peak.isel(planted_s2=0).values > RETURNED]
    others = ["two layers", f"adversary, s₂ < {float(data.planted_s2[-1]):g}"]
    other_flags = [data.two_escaped.values, data.adversarial_escaped.isel(planted_s2=-1).values]
    for k, sigma in enumerate(data.sigma.values):
        others.append(f"Gaussian noise, σ = {sigma:g}")
        other_flags.append(data.langevin_escaped.isel(sigma=k).values)
    low, middle, high = np.quantile(data.langevin_floor.transpose("seed", "sigma").values, [0, 0.5, 1], axis=0)
    return Figure(
        name="ways-back",
        title="Who comes back from rank 1",
        caption="Share of the runs that leave rank 1, with exact 95% intervals: where nothing was seen the bar's end "
        "is what the number of runs cannot exclude. Small Gaussian noise does not leave in this time either, "
        "but it keeps s₂/s₁ away from zero: medians along the run, with their median and range over the seeds.",
        panels=(
            Panel(
                title="Escape from rank 1",
                xlabel="",
                ylabel="share of the runs",
                series=(
                    _bars(names, flags, "claimed: never", "result"),
                    _bars(others, other_flags, "controls", "control"),
                ),
                ylim=(0.0, 1.03),
            ),
            Panel(
                title="Gaussian noise from rank 1",
                xlabel="σ, standard deviation in a parameter and step",
                ylabel="median s₂ / s₁",
                series=(Points(data.sigma.values, middle, "Gaussian noise", "control", low, high),),
                xscale="log",
                yscale="log",
            ),
        ),
        columns=1,
    )


def offshoots(data: xr.Dataset) -> Figure:
    """Test and train error of the main run and of its branches."""
    ratio = data.checkpoint_ratio.values
    groups: tuple[tuple[str, Role, np.ndarray], ...] = (
        ("jumped", "result", ratio < JUMPED),
        ("not jumped", "control", ratio > UNDECIDED),
    )
    stages = [str(stage).replace("lambda", "λ =") for stage in data.stage.values]

    def errors(variable: str) -> tuple[Points, ...]:
        series = []
        for label, role, chosen in groups:
            if not chosen.any():
                continue
            values = data[variable].transpose("stage", "checkpoint", "seed").values[:, chosen]
            low, middle, high = np.quantile(values, [0, 0.5, 1], axis=1)
            series.append(Points(stages, middle, label, role, low, high))
        return tuple(series)

    steps = data.checkpoint.values
    band = np.transpose([_share(row < JUMPED) for row in ratio])
    ends = data.test_error.isel(stage=-1).values
    right = np.transpose([_share(row < 0.05) for row in ends])
    return Figure(
        name="offshoots",
        title="Annealing shows which side of the jump a run is on",
        caption="Branches of SGD continued with small η and λ; medians and ranges over all checkpoints. The rank-2 "
        "solution fits the training data better and completes the matrix wrongly.",
        panels=(
            Panel(
                title="Test error",
                xlabel="",
                ylabel="(A₀₁ − 1/ε)²",
                series=errors("test_error"),
                yscale="log",
                region=(0.0, 0.05),
                region_label="claimed after a jump",
            ),
            Panel(
                title="Train error",
                xlabel="",
                ylabel="error without penalty",
                series=errors("train_error"),
                yscale="log",
            ),
            Panel(
                title="Along the main run",
                xlabel="steps at the checkpoint",
                ylabel="share of the runs",
                series=(
                    Line(steps, band[0], "jumped", "result", band[1], band[2]),
                    Points(steps, right[0], "offshoot's test error < 0.05", "second", right[1], right[2]),
                ),
                ylim=(0.0, 1.03),
            ),
        ),
    )


def closure(data: xr.Dataset) -> Figure:
    """The region B_1 in the theorem's regime and in the demonstration's, side by side; forced columns."""
    names = [
        f"{name}, η={eta:g}, λ={decay:g}"
        for name, eta, decay in zip(
            data.regime.values, data.closure_eta.values, data.closure_lambda.values, strict=True
        )
    ]
    closed = [name.startswith(("theorem", "wider")) for name in names]
    flags = list(data.left_region.values)

    def group(chosen: bool, label: str, role: Role) -> Bars:
        places = [k for k, is_closed in enumerate(closed) if is_closed == chosen]
        return _bars([names[k] for k in places], [flags[k] for k in places], label, role)

    reached = data.forced_ratio < JUMPED
    band = np.transpose([_share(row) for row in reached.transpose("forced", "seed").values])
    return Figure(
        name="closure",
        title="Where the theorem holds, and where jumps are seen",
        caption="First: share of the runs from which some branch of SGD leaves B₁, in the theorem's regime (once more "
        "with wider constants at a larger step size) and where jumps are seen. Second: forcing one column reaches rank "
        "1 at a small step size. Exact 95% intervals.",
        panels=(
            Panel(
                title="Leaving B₁",
                xlabel="",
                ylabel="share of the runs",
                series=(group(True, "small η: closed", "result"), group(False, "outside the theorem", "control")),
                ylim=(0.0, 1.03),
            ),
            Panel(
                title="Forced column",
                xlabel="forced steps T",
                ylabel="share at rank 1 in the end",
                series=(Points(data.forced.values, band[0], "forced, then free SGD", "result", band[1], band[2]),),
                ylim=(-0.03, 1.03),
            ),
        ),
        columns=1,
    )
