"""Figures of the assay `weight-normalization`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, Series
from .claims import ONE, PLAIN, TENTH
from .config import SPEED_LR, TINY
from .descent import REACHED
from .flows import COMPARABLE

_ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth")
_COMPARED: tuple[tuple[str, str, Role], ...] = (
    (PLAIN, "plain", "control"),
    (ONE, "η = 1", "result"),
    (TENTH, "η = 0.1", "second"),
)
_SMALLEST = 1e-13
"""Errors below this are rounding, and are drawn here."""


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """Where robustness ends, why, the tiny starts, the flows beside their limits, what they conserve, the speed."""
    return (
        robustness(data),
        effective_start(data),
        tiny_starts(data),
        flows(data),
        conserved(data),
        speed(data),
    )


def _of_form(data: xr.Dataset, form: str, dim: str = "arm") -> list[tuple[str, Role]]:
    """Up to four arms of a form with their roles, the ratios evenly among those that were run."""
    names = [str(name) for name in data[dim].values if str(name).startswith(form)]
    picked = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(4, len(names))).round().astype(int))]
    return list(zip(picked, _ROLES, strict=False))


def _ratio(name: str) -> str:
    return name.split(", ")[-1]


def _band(x: np.ndarray, samples: np.ndarray, label: str, role: Role) -> Line:
    """Median over the systems, with the range from the smallest to the largest; samples (seed, n)."""
    drawn = np.maximum(samples, _SMALLEST)
    return Line(x, np.median(drawn, axis=0), label, role, drawn.min(axis=0), drawn.max(axis=0))


def _exact(data: xr.Dataset, arm: str, label: str, role: Role, starts: np.ndarray) -> Line:
    errors = data["error"].sel(arm=arm).isel(alpha=starts).transpose("seed", "alpha").values
    return _band(data["q"].values[starts], errors, label, role)


def _median_and_largest(data: xr.Dataset, arm: str, q: float) -> str:
    place = int(np.abs(data["q"].values - q).argmin())
    error = data["error"].sel(arm=arm).isel(alpha=place).values
    return f"{np.median(error):.1e} ({error.max():.1e})"


def robustness(data: xr.Dataset) -> Figure:
    """The error against q, plain and weight-normalized, in both forms."""
    starts = np.flatnonzero(data["q"].values >= 0.03)
    one = Line([1, 1], [_SMALLEST, 3], "q = 1, predicted", "reference")

    def flow_points() -> list[Series]:
        drawn: list[Series] = []
        if 2 not in data["flow_depth"]:
            return drawn
        roles = dict(_of_form(data, "linear"))
        at = data.sel(flow_depth=2).isel(flow_alpha=np.flatnonzero(data["flow_q"].values >= 0.03))
        for name in map(str, data["flow_arm"].values):
            if name != PLAIN and name not in roles:
                continue
            errors = at["flow_error"].sel(flow_arm=name).transpose("seed", "flow_alpha").values
            q, role = at["flow_q"].values, roles.get(name, "control")
            drawn.append(Points(q, np.median(errors, axis=0), "", role, errors.min(axis=0), errors.max(axis=0)))
        return drawn

    def panel(form: str, title: str, points: list[Series]) -> Panel:
        curves = [_exact(data, name, _ratio(name), role, starts) for name, role in _of_form(data, form)]
        plain = _exact(data, PLAIN, "plain flow", "control", starts)
        return Panel(
            title=title,
            xlabel="q = r₀² / |x*|₁",
            ylabel="|x − x*| / |x*|",
            xscale="log",
            yscale="log",
            ylim=(_SMALLEST, 3),
            region=(-np.inf, 1e-3),
            region_label="sparse solution found",
            series=(plain, *curves, *points, one),
        )

    panels = [panel("linear", "r = g, with the flow as points", flow_points())]
    if any(str(name).startswith("exponential") for name in data["arm"].values):
        panels.append(panel("exponential", "r = eᵍ", []))
    told = ", ".join(f"{_median_and_largest(data, TENTH, q)} at q = {q:g}" for q in (0.4, 0.6, 1.0, 2.0))
    return Figure(
        name="robustness-ends",
        title="Robust up to the size of the solution, and not beyond",
        caption=(
            "Error of the exact limit against q, the squared norm of the start over |x*|₁; median and range over "
            f"{data.sizes['seed']} systems, drawn at {_SMALLEST:g} where it is smaller. Below q = 1 a small enough "
            "ratio η finds the sparse solution where plain flow does not; above, none does: the mass of the weights "
            f"at the limit is never below the start's. Median (largest) error with ratio 0.1: {told}. "
            f"{_flow_words(data)}"
        ),
        panels=tuple(panels),
    )


def _flow_words(data: xr.Dataset) -> str:
    """What the points are, with the residuals of those that are not finished."""
    if 2 not in data["flow_depth"]:
        return ""
    rows = []
    for name in map(str, data["flow_arm"].values):
        largest = data["flow_residual"].sel(flow_arm=name, flow_depth=2).max("seed")
        rows += [f"{name}, α = {float(r.flow_alpha):g}: {float(r):.0e}" for r in largest if not r < COMPARABLE]
    told = f"below {COMPARABLE:g}" + (f" but for {'; '.join(rows)}" if rows else "")
    return (
        f"Points: the integrated flow when it was stopped. Its residuals |A x − y|, the largest of the systems: {told}."
    )


def effective_start(data: xr.Dataset) -> Figure:
    """alpha_eff / alpha against q, and that plain flow from there ends in the same place."""
    q, alpha = data["q"].values, data["alpha"].values

    def curve(name: str, role: Role) -> Line:
        log_alpha = data["log_alpha"].sel(arm=name).transpose("seed", "alpha").values
        powers = (log_alpha - np.log(alpha)) / np.log(10)
        return Line(q, np.median(powers, axis=0), _ratio(name), role, powers.min(axis=0), powers.max(axis=0))

    linear = [curve(name, role) for name, role in _of_form(data, "linear")]
    depth = int(data["identity_depth"].values[0])
    settings = [_short(str(name)) for name in data["setting"].values]

    def points(name: str, label: str, role: Role) -> Points:
        gaps = np.maximum(data[name].sel(identity_depth=depth).transpose("seed", "setting").values, 1e-16)
        return Points(settings, np.median(gaps, axis=0), label, role, gaps.min(axis=0), gaps.max(axis=0))

    residual = float(data["identity_residual"].sel(identity_depth=depth).max())
    return Figure(
        name="effective-start",
        title="Why: it is plain flow from another start",
        caption=(
            "Left: how much smaller the effective start is than the start. Below q = 1 it vanishes exponentially in "
            "1/η, above it does not; where η is above r₀² it can be larger than the start itself. Right, on "
            f"systems of {data.attrs['identity_d']} unknowns at depth {depth}: the distance of the flow's "
            "end to the end of plain flow from the effective start, and from the start itself; range over systems, "
            f"all residuals at most {_rounded_up(residual)}. With r = eᵍ and η = 1 the two starts are one."
        ),
        panels=(
            Panel(
                title="The effective start, r = g",
                xlabel="q = r₀² / |x*|₁",
                ylabel="log₁₀ of α_eff / α",
                xscale="log",
                series=(*linear, Line(q[[0, -1]], [0, 0], "plain flow", "control")),
            ),
            Panel(
                title="Distance between the ends",
                xlabel="form and η",
                ylabel="distance of x",
                yscale="log",
                region=(-np.inf, 1e-6),
                series=(
                    points("to_effective", "plain flow from α_eff", "result"),
                    points("to_plain", "plain flow from α", "control"),
                ),
            ),
        ),
    )


def _rounded_up(value: float) -> str:
    """One digit, never below the value."""
    power = 10.0 ** np.floor(np.log10(value)) if value > 0 else 1.0
    return f"{np.ceil(value / power) * power:.0e}"


def _short(setting: str) -> str:
    """'linear, η = 0.5' as 'g 0.5' and the exponential form as 'eᵍ'."""
    form, _, ratio = setting.partition(", η = ")
    return f"{'g' if form == 'linear' else 'eᵍ'}, {ratio}"


def tiny_starts(data: xr.Dataset) -> Figure:
    """Ratio 1 is worse than plain flow from tiny starts; and the size of the limits."""
    starts = np.flatnonzero(data["q"].values <= 1.2)
    alpha = data["alpha"].values[starts]

    def panel(name: str, title: str, ylabel: str, log: bool) -> Panel:
        at = data[name].isel(alpha=starts).transpose("seed", "arm", "alpha")
        curves = [_band(alpha, at.sel(arm=arm).values, label, role) for arm, label, role in _COMPARED]
        return Panel(
            title=title,
            xlabel="initialization α",
            ylabel=ylabel,
            xscale="log",
            yscale="log" if log else "linear",
            series=tuple(curves),
        )

    worse, plain = (np.median(data["error"].sel(arm=arm).sel(alpha=TINY, method="nearest")) for arm in (ONE, PLAIN))
    return Figure(
        name="tiny-starts",
        title="The ratio matters: at η = 1 tiny starts are no help",
        caption=(
            f"Median and range over the systems. From α = {TINY:g} the median error is {worse:.2g} with weight "
            f"normalization at η = 1 and {plain:.2g} without: where η is above r₀² the effective start can be larger "
            "than the start. Right: the L1 norm of the limit; the sparse solution has the least."
        ),
        panels=(
            panel("error", "Error of the exact limit", "|x − x*| / |x*|", log=True),
            panel("l1_ratio", "Size of the exact limit", "|x|₁ / |x*|₁", log=False),
        ),
    )


def flows(data: xr.Dataset) -> Figure:
    """How far the flows are from their limits, beside their residuals."""
    series: list[Series] = []
    roles: tuple[Role, ...] = ("control", "result", "second", "third", "fourth")
    names = [str(name) for name in data["flow_arm"].values]
    picked = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(5, len(names))).round().astype(int))]
    for name, role in zip(picked, roles, strict=False):
        at = data.sel(flow_arm=name)
        residual, gap = (np.maximum(at[part].values.ravel(), _SMALLEST) for part in ("flow_residual", "flow_gap"))
        series.append(Points(residual, gap, name, role))
    finished = float((data["flow_residual"] < COMPARABLE).mean())
    return Figure(
        name="flows",
        title="A flow is at its limit once its residual has vanished",
        caption=(
            "Every integrated flow of depth 2 when it was stopped: its distance to the exact limit against its "
            f"residual. {finished:.0%} of all flows were compared with a limit, those with residuals below "
            f"{COMPARABLE:g}; with a small ratio the residual falls slowly, and the flow is not finished at the "
            "horizon."
        ),
        panels=(
            Panel(
                title="Distance to the exact limit",
                xlabel="residual |A x − y|",
                ylabel="distance / |x*|",
                xscale="log",
                yscale="log",
                series=(*series, Line([COMPARABLE] * 2, [_SMALLEST, 1], "compared to the left", "reference")),
            ),
        ),
    )


def conserved(data: xr.Dataset) -> Figure:
    """What the flow conserves, what it does not, and one path on two clocks."""
    settings = [_short(str(name)) for name in data["setting"].values]

    def points(name: str, label: str, role: Role) -> Points:
        change = np.maximum(data[name].max("identity_depth").transpose("seed", "setting").values, 1e-16)
        return Points(settings, np.median(change, axis=0), label, role, change.min(axis=0), change.max(axis=0))

    def path(k: int, role: Role) -> Line:
        gap = np.maximum(data["path_gap"].isel(path_setting=k).transpose("seed", "path_time").values, 1e-16)
        clock = data["path_clock"].isel(path_setting=k).median("seed").values
        label = _short(str(data["path_setting"].values[k]))
        return Line(clock, np.median(gap, axis=0), label, role, gap.min(axis=0), gap.max(axis=0))

    depths = " and ".join(f"{depth:g}" for depth in data["identity_depth"].values)
    return Figure(
        name="conserved",
        title="What the flow conserves",
        caption=(
            f"Left: the largest change of the conserved vector across the kernel of D, over depths {depths}, beside "
            "the same with twice the η and what plain flow conserves; range over systems. With r = eᵍ and η = 1 the "
            "flow is plain flow on another clock and conserves the same. Right: distance to plain flow at equal times "
            "on plain flow's clock."
        ),
        panels=(
            Panel(
                title="Change along the flow",
                xlabel="form and η",
                ylabel="largest change",
                yscale="log",
                region=(-np.inf, 1e-10),
                series=(
                    points("drift", "conserved", "result"),
                    points("drift_wrong_eta", "twice the η", "control"),
                    points("drift_plain", "plain flow's", "second"),
                ),
            ),
            Panel(
                title="One path, two clocks",
                xlabel="time of plain flow",
                ylabel="distance of x",
                yscale="log",
                region=(-np.inf, 1e-8),
                series=(path(0, "result"), path(1, "control")),
            ),
        ),
    )


def speed(data: xr.Dataset) -> Figure:
    """Residuals along gradient descent at one step size, and the steps to a small residual at every step size."""
    chosen: list[tuple[str, str, Role]] = [row for row in _COMPARED if row[0] in data["descent_arm"]]
    depth, lrs = data["descent_depth"].values[0], np.sort(data["descent_lr"].values)
    lr, last = float(lrs[np.abs(lrs - SPEED_LR).argmin()]), int(data["descent_step"][-1])
    alphas = data["descent_alpha"].values
    alphas = alphas[np.unique(np.linspace(0, len(alphas) - 1, min(2, len(alphas))).round().astype(int))]

    def paths(alpha: float) -> Panel:
        at = (
            data["descent_path"]
            .sel(descent_depth=depth, descent_alpha=alpha, descent_lr=lr)
            .isel(descent_step=slice(1, None))
        )
        steps = at["descent_step"].values
        at = at.transpose("descent_seed", "descent_arm", "descent_step")
        curves = [_band(steps, at.sel(descent_arm=arm).values, label, role) for arm, label, role in chosen]
        return Panel(
            title=f"α = {alpha:g}, step size {lr:g}",
            xlabel="step",
            ylabel="residual |A x − y|",
            xscale="log",
            yscale="log",
            region=(-np.inf, REACHED),
            region_label="reached",
            series=tuple(curves),
        )

    def counts(alpha: float) -> Panel:
        series: list[Series] = []
        for arm, label, role in chosen:
            at = (
                data["descent_steps"]
                .sel(descent_depth=depth, descent_alpha=alpha, descent_arm=arm)
                .sortby("descent_lr")
            )
            steps = at.transpose("descent_seed", "descent_lr").fillna(last).values
            series.append(Line(lrs, np.median(steps, axis=0), label, role, steps.min(axis=0), steps.max(axis=0)))
        return Panel(
            title=f"α = {alpha:g}",
            xlabel="step size",
            ylabel=f"steps to {REACHED:g}",
            xscale="log",
            yscale="log",
            series=(*series, Line(lrs[[0, -1]], [last, last], "not reached", "reference")),
        )

    def reached(alpha: float) -> str:
        at = data["descent_steps"].sel(descent_depth=depth, descent_alpha=alpha, descent_lr=lr)
        rows = [f"{label} {int(at.sel(descent_arm=arm).notnull().sum())}" for arm, label, _ in chosen]
        return f"from α = {alpha:g} {', '.join(rows)}"

    return Figure(
        name="speed",
        title="Faster or slower depends on the start, the ratio and the step size",
        caption=(
            f"Discrete gradient descent, depth {depth}, median and range over {data.sizes['descent_seed']} systems. "
            f"Top: residuals at the step size {lr:g}. Bottom: steps to the residual {REACHED:g} at every step size, "
            f"drawn at {last} where it was not reached. The direction of w moves r² times as fast as in plain descent, "
            "and becomes unstable at smaller steps; then |v| grows and slows it down. Systems that got there at this "
            f"step size: {'; '.join(map(reached, alphas))}."
        ),
        panels=(*map(paths, alphas), *map(counts, alphas)),
    )
