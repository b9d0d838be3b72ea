"""Figures of the assay `overparameterization`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, quantile_band
from .config import LEAST_N
from .path_measures import at_near_width, bend, distance_over_bound, over_nearest, path_over_bound
from .thresholds import smallest_width
from .width_measures import best_step_fits, best_step_thresholds, gd_thresholds, thresholds

_FLOOR = 1e-12
"""Curves of the residual end at this share of its first value, before round-off."""

_TABLE = (
    ("n: Kawaguchi, Huang 2019", 1.0),
    ("n^1.5: Song et al. 2021", 1.5),
    ("n²: Oymak, Soltanolkotabi 2019", 2.0),
    ("n²: Song, Yang 2019", 2.0),
    ("n⁶: Du et al. 2018", 6.0),
    ("n⁸ L¹²: Zou, Gu 2019", 8.0),
)
"""The rows of the lecture's table, with the exponent of n. The last one has the factor 2^12 for two layers."""
_LAST_FACTOR = 2**12

CRITERIA = (("accuracy", "accuracy 1"), ("error", "error below 0.01"))
_CURVES: tuple[Role, ...] = ("result", "second", "third", "fourth")


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The walk, what it is compared with over widths, the spectrum along it, the law of widths, and the budgets."""
    return walks(data), over_widths(data), spectra(data), law(data), budgets(data)


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
    reach, furthest = float(at["nearest"]), float(at["path"].max())
    bent, bent_linear = float(bend(at)), float(bend(at, "linear_"))
    return Figure(
        name="walk",
        title="The route from the start to a solution",
        caption=(
            f"One seed, {int(data['near_width'])} neurons. Left: displacement towards the nearest solution found "
            f"against displacement across that direction; the linearised network is seen from the straight line to its "
            f"own nearest solution. Here the route of gradient descent is {bent:.3f} times as long as the straight "
            f"line to its end, that of the linearised network {bent_linear:.3f} times. Right: length of the path "
            f"against the distance from the start; a straight route stays on the diagonal."
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
                equal_aspect=True,
            ),
            Panel(
                title="Travelled and reached",
                xlabel="distance from the start",
                ylabel="length of the path",
                series=(
                    Line(at["distance"].values, at["path"].values, "gradient descent", "result"),
                    Points(at["linear_distance"].values, at["linear_path"].values, "linearised network", "control"),
                    Line([0, furthest], [0, furthest], "straight", "reference"),
                ),
            ),
        ),
    )


def over_widths(data: xr.Dataset) -> Figure:
    """Is it the shortest path, is it the nearest solution, and how loose are the bounds: over widths."""
    near = int(data["near_width"])
    loose = float(np.median(at_near_width(path_over_bound(data, "alpha"), data)))
    room = float(np.median(at_near_width(distance_over_bound(data, "beta"), data)))
    missed = int((~data["nearest_converged"]).sum())
    return Figure(
        name="over-widths",
        title="Path, distance, nearest distance and their bounds",
        caption=(
            f"Above: length of the path over distance from the start, beside the linearised network's; distance over "
            f"the distance of the nearest solution found. Where a search has not converged (here {missed} of "
            f"{data['nearest_converged'].size}) its distance is only an upper bound, and the ratio is at least what is "
            f"drawn. Below: path and distance between their bounds; at {near} neurons the path is {loose:.2f} of "
            f"|r₀| / α and {loose / 4:.2f} of 4 |r₀| / α, the distance {room:.1f} times |r₀| / β. Medians, ranges over "
            f"the seeds, and the claimed regions."
        ),
        panels=(_bends(data), _ratios(data), *_between_bounds(data)),
    )


def _bends(data: xr.Dataset) -> Panel:
    m = data["m"].values
    top = max(1.1, float(bend(data).max()), float(bend(data, "linear_").max())) + 0.02

    def points(prefix: str, label: str, role: Role, shift: float) -> Points:
        values = bend(data, "linear_" if prefix else "").transpose("seed", "m").values
        return _over_seeds(m * shift, values, label, role)

    return Panel(
        title="Path over distance",
        xlabel="neurons m",
        ylabel="path / distance",
        xscale="log",
        xlim=_decades(m),
        ylim=(0.99, top),
        region=(1.0, 1.05),
        region_label=f"claimed at {int(data['near_width'])}",
        series=(
            points("", "gradient descent", "result", 0.94),
            points("linear_", "linearised network", "control", 1.06),
        ),
    )


def _ratios(data: xr.Dataset) -> Panel:
    m = data["m"].values
    ratio = over_nearest(data).transpose("seed", "m").values
    converged = data["nearest_converged"].transpose("seed", "m").values
    _, column = np.nonzero(~converged)
    short = (Points(m[column] * 1.15, ratio[~converged], "a seed not converged: at least", "control"),)
    return Panel(
        title="Distance over nearest distance",
        xlabel="neurons m",
        ylabel="distance / nearest",
        xscale="log",
        xlim=_decades(m),
        ylim=(0.99, max(1.12, float(ratio.max()) + 0.02)),
        region=(1.0, 1.03),
        region_label=f"claimed at {int(data['near_width'])}",
        series=(_over_seeds(m, ratio, "gradient descent", "result"), *(short if column.size else ())),
    )


def _between_bounds(data: xr.Dataset) -> tuple[Panel, Panel]:
    m = data["m"].values
    first, last = data["residual"].isel(checkpoint=0), data["residual"].isel(checkpoint=-1)
    alpha, beta = data["alpha"].min("checkpoint"), data["beta"].max("checkpoint")

    def points(values: xr.DataArray, label: str, role: Role) -> Points:
        return _over_seeds(m, values.transpose("seed", "m").values, label, role)

    lengths = np.array([(4 * first / alpha).max(), ((first - last) / beta).min()])

    def panel(title: str, *series: Points) -> Panel:
        return Panel(
            title=title,
            xlabel="neurons m",
            ylabel="length",
            xscale="log",
            xlim=_decades(m),
            yscale="log",
            ylim=_decades(lengths),
            series=series,
        )

    return (
        panel(
            "The path and its upper bounds",
            points(4 * first / alpha, "4 |r₀| / α, the recalled form", "third"),
            points(first / alpha, "|r₀| / α, of the flow", "second"),
            points(data["path"].isel(checkpoint=-1), "path", "result"),
        ),
        panel(
            "The distance and its lower bound",
            points(data["distance"].isel(checkpoint=-1), "distance", "result"),
            points((first - last) / beta, "(|r₀| − |r_T|) / β", "second"),
        ),
    )


def spectra(data: xr.Dataset) -> Figure:
    """The Polyak-Lojasiewicz constant and the residual along the run, the collapsed width beside."""
    widest = data.isel(m=-1)
    step, own = widest["step"].values, data["collapsed_step"].values
    kept = data["collapsed_alpha"].min("checkpoint") / data["collapsed_alpha"].isel(checkpoint=0)
    stuck = data["collapsed_residual"].isel(checkpoint=-1).argmax("collapsed_seed")
    worst = data.isel(collapsed_seed=stuck)
    few, many = int(data["collapsed_m"]), int(widest["m"])
    one = widest.isel(seed=0)
    first = float(one["residual"][0])
    bound = np.exp(-float(one["eta"]) * float(one["alpha"].min()) ** 2 * step) * first

    def above_round_off(x: np.ndarray, y: np.ndarray, label: str, role: Role) -> Line:
        shown = y > _FLOOR * first
        return Line(x[shown], y[shown], label, role)

    return Figure(
        name="along-the-run",
        title="What keeps gradient descent going",
        caption=(
            f"Left: the smallest eigenvalue of J Jᵀ, the constant of the PL* inequality, along the run (band: 90 % of "
            f"the seeds). Of the {kept.size} seeds of the network with {few} neurons, the smallest singular value "
            f"falls more than twentyfold for {int((kept < 1 / 20).sum())}; the one with the largest final residual is "
            f"shown. Right: the residual of the first seed, its bound, and the residual of that narrow network. Curves "
            f"end where round-off begins, at {_FLOOR:g} of the first residual."
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
                    above_round_off(step, one["residual"].values, f"{many} neurons, first seed", "result"),
                    above_round_off(own, worst["collapsed_residual"].values, f"{few} neurons, worst seed", "control"),
                    above_round_off(step, bound, "its bound exp(−η α² k) ‖r₀‖", "reference"),
                ),
            ),
        ),
    )


def law(data: xr.Dataset) -> Figure:
    """m*(n), the widths that were proved to suffice, and the success curves behind it."""
    n = data["law_n"].values
    return Figure(
        name="width-law",
        title="How wide is wide enough?",
        caption=(
            f"Above, left: m*, the smallest width at which two thirds of the seeds fit random labels, with the range "
            f"of the seeds' own thresholds; {int(data['law_steps'])} full-batch steps, of Adam or of gradient descent "
            f"with the best of its step sizes. Right: the same at n = {n[-1]}, beside the widths that were proved to "
            f"suffice, as a lecture lists them, without constants (L = 2). Below: Adam's success curves for four "
            f"n from {LEAST_N} on, or fewer, and the control with conflicting labels."
        ),
        panels=(_needed(data), _proved(data), *(_success(data, name, words) for name, words in CRITERIA)),
    )


def _adam_needs(data: xr.Dataset, criterion: str) -> tuple[np.ndarray, np.ndarray]:
    """m* at every n (NaN where no width is enough), and the seeds' thresholds (seed, n)."""
    fits = data["adam_fits"].sel(criterion=criterion).transpose("law_n", "law_seed", "width").values
    return _finite(smallest_width(fits, data["width"].values)), thresholds(data, "adam_fits", criterion).values.T


def _descent_needs(data: xr.Dataset, criterion: str) -> tuple[np.ndarray, np.ndarray]:
    """The same of gradient descent with the best of its step sizes, at the n at which it was run."""
    at_law = data.sel(budget=int(data["law_steps"]))
    fits = best_step_fits(at_law, "gd_fits", criterion).transpose("gd_n", "law_seed", "width").values
    found = best_step_thresholds(at_law, "gd_fits", criterion).transpose("law_seed", "gd_n").values
    return _finite(smallest_width(fits, data["width"].values)), found


def _finite(width: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(width), width, np.nan)


def _with_range(x: np.ndarray, needs: tuple[np.ndarray, np.ndarray], label: str, role: Role) -> Points:
    width, found = needs
    return Points(x, width, label, role, np.fmin(found.min(axis=0), width), np.fmax(found.max(axis=0), width))


def _needed(data: xr.Dataset) -> Panel:
    n, descent_n, d = data["law_n"].values, data["gd_n"].values, int(data["d"])
    ends = np.array([n.min(), n.max()], float)
    return Panel(
        title="Width against points",
        xlabel="points n",
        ylabel="neurons m*",
        xscale="log",
        yscale="log",
        xlim=(n.min() / 1.3, n.max() * 1.3),
        series=(
            _with_range(n * 0.93, _adam_needs(data, "accuracy"), "Adam, accuracy 1", "result"),
            _with_range(n * 0.98, _adam_needs(data, "error"), "Adam, error below 0.01", "second"),
            _with_range(descent_n * 1.03, _descent_needs(data, "accuracy"), "descent, accuracy 1", "third"),
            _with_range(descent_n * 1.08, _descent_needs(data, "error"), "descent, error below 0.01", "fourth"),
            Line(ends, ends / d, "n / d", "reference"),
        ),
    )


def _proved(data: xr.Dataset) -> Panel:
    n = float(data["law_n"].values[-1])
    proved = [n**exponent for _, exponent in _TABLE]
    proved[-1] *= _LAST_FACTOR
    needed = [_adam_needs(data, name)[0][-1] for name, _ in CRITERIA]
    return Panel(
        title=f"Needed, and proved to suffice, for n = {n:.0f}",
        xlabel="",
        ylabel="neurons m",
        yscale="log",
        series=(
            Points([words for _, words in CRITERIA], needed, "needed by Adam", "result"),
            Points([name for name, _ in _TABLE], proved, "proved to suffice", "reference"),
        ),
    )


def _success(data: xr.Dataset, criterion: str, words: str) -> Panel:
    widths, n = data["width"].values, data["law_n"].values
    large = n[n >= LEAST_N]
    # As many n as there are styles, from the least to the largest.
    chosen = large[np.unique(np.linspace(0, len(large) - 1, min(len(large), len(_CURVES))).round().astype(int))]
    share = data["adam_fits"].sel(criterion=criterion).mean("law_seed")
    conflicting = data["conflict_fits"].sel(criterion=criterion).mean(("conflict", "law_n"))
    return Panel(
        title=f"Share of seeds with {words}",
        xlabel="neurons m",
        ylabel="share",
        xscale="log",
        ylim=(-0.03, 1.03),
        series=(
            *(
                Line(widths, share.sel(law_n=int(at)).values, f"n = {at}", role)
                for at, role in zip(chosen, _CURVES[: len(chosen)], strict=True)
            ),
            Line(widths, conflicting.values, "conflicting labels", "control"),
        ),
    )


def budgets(data: xr.Dataset) -> Figure:
    """The width that is needed against the steps that may be taken."""
    panels = [_budget_series(data, name) for name, _ in CRITERIA]
    steps = data["budget"].values[1:]
    beyond = float(gd_thresholds(data, "error").sel(budget=0).max())
    least = min(float(np.min(series.low)) for panel in panels for series in panel if series.low is not None)
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
        panels=tuple(
            Panel(
                title=words[0].upper() + words[1:],
                xlabel="steps",
                ylabel="neurons m",
                xscale="log",
                yscale="log",
                xlim=(steps.min() / 1.4, steps.max() * 1.4),
                ylim=(least / 1.15, beyond * 1.15),
                series=(*series, Line([steps.min(), steps.max()], [beyond, beyond], "no width fits", "reference")),
            )
            for series, (_, words) in zip(panels, CRITERIA, strict=True)
        ),
    )


def _budget_series(data: xr.Dataset, criterion: str) -> list[Points]:
    def points(x: np.ndarray, found: xr.DataArray, label: str, role: Role) -> Points:
        values = found.transpose("law_seed", ...).values
        return Points(x, np.exp(np.log(values).mean(axis=0)), label, role, values.min(axis=0), values.max(axis=0))

    tried = data["budget"].values[1:]
    adam = thresholds(data, "adam_budget_fits", criterion)
    series = [
        points(tried * 0.94, gd_thresholds(data, criterion).sel(budget=tried), "gradient descent", "result"),
        points(data["adam_budget"].values * 1.02, adam, "Adam", "second"),
    ]
    if "sgd_fits" in data:
        sgd = best_step_thresholds(data, "sgd_fits", criterion).sel(budget=tried)
        styles: list[tuple[Role, float]] = [("third", 1.1), ("fourth", 1.19)]
        for batch, (role, shift) in zip(data["batch"].values, styles[: sgd.sizes["batch"]], strict=True):
            series.append(points(tried * shift, sgd.sel(batch=batch), f"SGD, batch {batch}", role))
    return series
