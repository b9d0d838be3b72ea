"""Figures of the assay `overparameterization`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, quantile_band
from .claims import bend, gd_thresholds, over_nearest, thresholds
from .config import LEAST_N
from .thresholds import best_of_grid, smallest_width, threshold

_ROUND_OFF = 1e-16
"""Zeros are drawn here on logarithmic axes."""


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The walk, what it is compared with over widths, the spectrum along it, the law of widths, and the budgets."""
    return walks(data), over_widths(data), bounds(data), spectra(data), law(data), budgets(data)


def _over_seeds(x: np.ndarray, samples: np.ndarray, label: str, role: Role) -> Points:
    """The median over seeds (the first axis) with the range."""
    low, middle, high = np.quantile(samples, [0, 0.5, 1], axis=0)
    return Points(x, middle, label, role, low, high)


def _decades(x: np.ndarray) -> tuple[float, float]:
    """Whole powers of ten around x, so that a logarithmic axis has room for its labels."""
    return 10.0 ** np.floor(np.log10(x.min())), 10.0 ** np.ceil(np.log10(x.max()))


def walks(data: xr.Dataset) -> Figure:
    """The route of one seed seen from the straight line, and the distance travelled against the distance reached."""
    at = data.sel(m=int(data["near_width"])).isel(seed=0)
    across = np.sqrt(np.maximum(at["linear_distance"].values ** 2 - at["linear_along"].values ** 2, 0))
    reach = float(at["nearest"])
    furthest = float(at["path"].max())
    return Figure(
        name="walk",
        title="The route from the start to a solution",
        caption=(
            "One seed at the width where distances are judged. Left: displacement towards the nearest solution against "
            "displacement across that direction. The network ends beside the nearest solution, the linearised one at "
            "it, and both take a bend. Right: length of the path against the distance from the start; a straight "
            "route would stay on the diagonal."
        ),
        panels=(
            Panel(
                title="Seen from the straight line",
                xlabel="towards the nearest solution",
                ylabel="across that direction",
                series=(
                    Line(at["along"].values, at["across"].values, "gradient descent", "result"),
                    Line(at["linear_along"].values, across, "linearised network", "control"),
                    Points([0.0, reach], [0.0, 0.0], "start and nearest solution", "reference"),
                ),
            ),
            Panel(
                title="Travelled and reached",
                xlabel="distance from the start",
                ylabel="length of the path",
                series=(
                    Line(at["distance"].values, at["path"].values, "gradient descent", "result"),
                    Line(at["linear_distance"].values, at["linear_path"].values, "linearised network", "control"),
                    Line([0, furthest], [0, furthest], "straight", "reference"),
                ),
            ),
        ),
    )


def over_widths(data: xr.Dataset) -> Figure:
    """Is it the shortest path, is it the nearest solution: over widths."""
    m = data["m"].values
    ratio = over_nearest(data).transpose("seed", "m").values
    top = max(1.1, float(bend(data).max()), float(bend(data, "linear_").max())) + 0.02
    return Figure(
        name="over-widths",
        title="A near-minimal distance, but not the shortest path",
        caption=(
            "Left: length of the path over distance from the start. It stays where it is as the network gets wider, "
            "and it is the linearised network's: the directions converge one after the other. Right: distance over the "
            "distance of the nearest solution found, which falls towards 1. Medians, ranges over the seeds, and the "
            "claimed regions."
        ),
        panels=(
            Panel(
                title="Path over distance",
                xlabel="neurons m",
                ylabel="path / distance",
                xscale="log",
                xlim=_decades(m),
                ylim=(0.99, top),
                region=(1.0, 1.05),
                series=(
                    _over_seeds(m, bend(data).transpose("seed", "m").values, "gradient descent", "result"),
                    _over_seeds(
                        m * 1.12, bend(data, "linear_").transpose("seed", "m").values, "linearised network", "control"
                    ),
                ),
            ),
            Panel(
                title="Distance over nearest distance",
                xlabel="neurons m",
                ylabel="distance / nearest",
                xscale="log",
                xlim=_decades(m),
                ylim=(0.99, max(1.12, float(ratio.max()) + 0.02)),
                region=(1.0, 1.03),
                region_label=f"claimed at {int(data['near_width'])}",
                series=(_over_seeds(m, ratio, "gradient descent", "result"),),
            ),
        ),
    )


def bounds(data: xr.Dataset) -> Figure:
    """The lengths between the bounds of the theorems."""
    m = data["m"].values
    first = data["residual"].isel(checkpoint=0)
    alpha, beta = data["alpha"].min("checkpoint"), data["beta"].max("checkpoint")

    def points(values: xr.DataArray, label: str, role: Role, shift: float = 1.0) -> Points:
        return _over_seeds(m * shift, values.transpose("seed", "m").values, label, role)

    return Figure(
        name="bounds",
        title="How loose the bounds are",
        caption=(
            "The path is about half of |r₀| / α and an eighth of the 4 |r₀| / α of the theorem; the distance several "
            "times |r₀| / β. True, and far from what happens. Medians and ranges over the seeds."
        ),
        panels=(
            Panel(
                title="Path, distance and their bounds",
                xlabel="neurons m",
                ylabel="length",
                xscale="log",
                xlim=_decades(m),
                yscale="log",
                series=(
                    points(4 * first / alpha, "4 |r₀| / α, upper bound of the paper", "fourth"),
                    points(first / alpha, "|r₀| / α, upper bound of the flow", "third"),
                    points(data["path"].isel(checkpoint=-1), "path", "result", 0.95),
                    points(data["distance"].isel(checkpoint=-1), "distance", "second", 1.05),
                    points(first / beta, "|r₀| / β, lower bound", "reference"),
                ),
            ),
        ),
        columns=1,
    )


def spectra(data: xr.Dataset) -> Figure:
    """The Polyak-Lojasiewicz constant and the residual along the run, the collapsed width beside."""
    widest = data.isel(m=-1)
    step = widest["step"].values
    own = data["collapsed_step"].values
    stuck = data["collapsed_residual"].isel(checkpoint=-1).argmax("collapsed_seed")
    worst = data.isel(collapsed_seed=stuck)
    few, many = int(data["collapsed_m"]), int(widest["m"])
    one = widest.isel(seed=0)
    bound = np.exp(-float(one["eta"]) * float(one["alpha"].min()) ** 2 * step) * float(one["residual"][0])
    drawn = bound > _ROUND_OFF
    return Figure(
        name="along-the-run",
        title="What keeps gradient descent going",
        caption=(
            "Left: the smallest eigenvalue of J Jᵀ, the constant of the PL* inequality, along the run. In the wide "
            "network it hardly moves (band: 90 % of the seeds); in the narrow one it falls by orders of magnitude for "
            "some seeds, of which the one with the largest final residual is shown. Right: the residual of the first "
            "seed below its bound, and that of the narrow network."
        ),
        panels=(
            Panel(
                title="Smallest eigenvalue of J Jᵀ",
                xlabel="steps",
                ylabel="λ min",
                xscale="log",
                yscale="log",
                series=(
                    quantile_band(step[1:], widest["alpha"].values[:, 1:] ** 2, f"{many} neurons", "result"),
                    Line(own[1:], worst["collapsed_alpha"].values[1:] ** 2, f"{few} neurons, worst seed", "control"),
                ),
            ),
            Panel(
                title="Residual",
                xlabel="steps",
                ylabel="‖f − y‖",
                yscale="log",
                xlim=(0.0, float(step[-1])),
                series=(
                    Line(step, np.maximum(one["residual"].values, _ROUND_OFF), f"{many} neurons, first seed", "result"),
                    Line(own, worst["collapsed_residual"].values, f"{few} neurons, worst seed", "control"),
                    Line(step[drawn], bound[drawn], "its bound exp(−η α² k) ‖r₀‖", "reference"),
                ),
            ),
        ),
    )


def law(data: xr.Dataset) -> Figure:
    """m*(n) against the widths that theorems ask for, and the success curves behind it."""
    n, widths, d = data["law_n"].values, data["width"].values, int(data["d"])
    criteria: tuple[tuple[str, str, Role], ...] = (
        ("accuracy", "needed: accuracy 1", "result"),
        ("error", "needed: error below 0.01", "second"),
    )

    def needed(criterion: str) -> np.ndarray:
        fits = data["adam_fits"].sel(criterion=criterion).transpose("law_n", "law_seed", "width").values
        return np.where(np.isfinite(smallest_width(fits, widths)), smallest_width(fits, widths), np.nan)

    grid = np.array([n.min(), n.max()], float)
    curves: tuple[Role, ...] = ("result", "second", "third", "fourth")
    chosen = n[n >= LEAST_N][: len(curves)]
    share = data["adam_fits"].sel(criterion="accuracy").mean("law_seed")
    return Figure(
        name="width-law",
        title="How wide is wide enough?",
        caption=(
            f"Left: the smallest width at which two thirds of the seeds fit random labels (Adam, "
            f"{int(data['law_steps'])} full-batch steps), beside widths that theorems ask for, without constants, "
            f"and the count n / d. Right: the success curves; the last one is the control with conflicting labels."
        ),
        panels=(
            Panel(
                title="Width against points",
                xlabel="points n",
                ylabel="neurons m",
                xscale="log",
                yscale="log",
                series=(
                    *(Points(n, needed(name), label, role) for name, label, role in criteria),
                    Line(grid, grid / d, "n / d", "reference"),
                    Line(grid, grid, "n (Kawaguchi, Huang)", "third"),
                    Line(grid, grid**1.5, "n^1.5 (Song et al.)", "fourth"),
                    Line(grid, grid**2, "n² (Oymak, Soltanolkotabi; Song, Yang)", "control"),
                ),
            ),
            Panel(
                title="Share of seeds that fit",
                xlabel="neurons m",
                ylabel="share with accuracy 1",
                xscale="log",
                ylim=(-0.03, 1.03),
                series=(
                    *(
                        Line(widths, share.sel(law_n=int(at)).values, f"n = {at}", role)
                        for at, role in zip(chosen, curves, strict=False)
                    ),
                    Line(
                        widths,
                        data["conflict_fits"].sel(criterion="accuracy").mean(("conflict", "law_n")).values,
                        "conflicting labels",
                        "control",
                    ),
                ),
            ),
        ),
    )


def budgets(data: xr.Dataset) -> Figure:
    """The width that is needed against the steps that may be taken."""
    return Figure(
        name="budgets",
        title="The width that is needed is a statement about a budget",
        caption=(
            f"Width needed for n = {int(data['budget_n'])} random labels against full-batch steps: geometric mean of "
            f"the seeds' thresholds, with the range; under accuracy 1 and under an error below 0.01. Gradient descent "
            f"with the best step size of {', '.join(f'{lr:g}' for lr in data['lr'].values)} at every width and budget; "
            f"Adam from its first step size to 0 by a cosine, one run a budget. The dotted line is one step of the "
            f"grid beyond the widest network tried, where runs stand that fit at no width."
        ),
        panels=tuple(_budget_panel(data, name, words) for name, words in (("accuracy", "1"), ("error", "< 0.01"))),
    )


def _budget_panel(data: xr.Dataset, criterion: str, words: str) -> Panel:
    def points(x: np.ndarray, found: np.ndarray, label: str, role: Role) -> Points:
        return Points(x, np.exp(np.log(found).mean(axis=0)), label, role, found.min(axis=0), found.max(axis=0))

    descent = gd_thresholds(data, criterion)
    steps = descent["budget"].values
    trained = descent.isel(budget=np.flatnonzero(steps > 0)).transpose("law_seed", "budget").values
    adam = thresholds(data, "adam_budget_fits", criterion).transpose("law_seed", "adam_budget").values
    tried = steps[steps > 0]
    series: list[Points | Line] = [
        points(tried, trained, "gradient descent", "result"),
        points(data["adam_budget"].values * 1.06, adam, "Adam", "second"),
    ]
    roles: tuple[Role, ...] = ("third", "fourth")
    for batch, role in zip(data["batch"].values if "sgd_fits" in data else (), roles, strict=False):
        fits = data["sgd_fits"].sel(batch=batch, criterion=criterion).transpose("lr", "budget", "law_seed", "width")
        found = threshold(best_of_grid(fits.values), data["width"].values)[steps > 0].T
        series.append(points(tried * 1.12, found, f"SGD, batch {batch}", role))
    beyond = float(descent.sel(budget=0).max())
    series.append(Line([tried.min(), tried.max()], [beyond, beyond], "no width fits", "reference"))
    return Panel(
        title="Accuracy 1" if criterion == "accuracy" else f"Mean squared error {words}",
        xlabel="steps",
        ylabel="neurons m",
        xscale="log",
        yscale="log",
        xlim=_decades(tried),
        series=tuple(series),
    )
