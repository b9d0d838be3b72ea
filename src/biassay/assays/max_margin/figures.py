"""Figures of the assay `max-margin`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, quantile_band
from .claims import SLOW

NORM_ROLES: dict[str, Role] = {"L1": "third", "L2": "result", "Linf": "second", "spectral": "fourth"}
LOSS_TITLES = {"log_sum_exp": "Normalised loss, log Σ exp(−margin)", "logistic": "Logistic loss"}


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The logarithmic clock and its constants, the card and what its rows reached, directions, Adam's growth."""
    return (clock(data), constants(data), card(data), reached(data), along(data), directions(data), growth(data))


def _spread(names: list[str], values: np.ndarray, label: str, role: Role) -> Points:
    """The median over seeds of values (seed, category), with the range."""
    low, middle, high = np.quantile(values, [0, 0.5, 1], axis=0)
    return Points(names, middle, label, role, low, high)


def _paths(data: xr.Dataset, variable: str, label: str, role: Role) -> Line:
    """A flow's variable against its clock, over all sets of points."""
    values = data[variable]
    (log_time,) = (dim for dim in values.dims if str(dim).endswith("log_time"))
    rows = values.transpose(..., log_time).values.reshape(-1, values.sizes[log_time])
    return quantile_band(values[log_time].values, np.abs(rows), label, role)


def clock(data: xr.Dataset) -> Figure:
    """The flow up to t = exp(10^6), gradient descent where it gets to, and the slope that a fit finds on the way."""
    gd = data.sel(rule="gd")
    log_t = np.log(gd["descent_time"].median("seed").values)
    known = log_t >= 1

    def panel(name: str, title: str, ylabel: str) -> Panel:
        flow = _paths(data, f"flow_{name}", "gradient flow", "result")
        descent = gd[f"descent_{name.split('_')[1]}"].transpose("seed", "checkpoint").values
        guide = np.asarray(flow.y)[-1] * np.asarray(flow.x)[-1] / np.asarray(flow.x)
        return Panel(
            title=title,
            xlabel="log t",
            ylabel=ylabel,
            xscale="log",
            yscale="log",
            series=(
                flow,
                quantile_band(log_t[known], descent[:, known], "gradient descent", "second"),
                _paths(data, f"tail_{name}", "flow, polynomial tail", "control"),
                Line(flow.x, guide, "slope −1", "reference"),
            ),
        )

    def slopes(name: str, label: str, role: Role) -> Line:
        values = np.log(data[f"flow_{name}"].transpose("points", "seed", "log_time").values)
        log_log_t = np.log(data["log_time"].values)
        rows = np.gradient(values.reshape(-1, len(log_log_t)), log_log_t, axis=1)
        return quantile_band(data["log_time"].values, rows, label, role)

    local = Panel(
        title="Slope on the way",
        xlabel="log t",
        ylabel="slope of log error in log log t",
        xscale="log",
        ylim=(-1.6, -0.3),
        series=(
            slopes("direction_error", "direction", "result"),
            slopes("margin_gap", "margin gap", "third"),
            Line([log_t[-1]] * 2, [-1.6, -0.3], "where gradient descent ends", "reference"),
        ),
        region=(-1.01, -0.99),
        region_label="claimed for log t in [10⁴, 10⁶]",
    )
    return Figure(
        name="logarithmic-clock",
        title="The direction converges at the pace of log t",
        caption=(
            "Distance from the maximum-margin direction, and from the largest margin, against log t: the flow reaches "
            "t = exp(10⁶), gradient descent only as far as steps can be taken. The law 1 / log t holds far beyond any "
            "iteration; before that a fit finds another slope. For gradient descent t is the number of steps times the "
            "step size (median over the data sets). Bands: 90 % of the data sets."
        ),
        panels=(
            panel("direction_error", "Direction", "distance between directions"),
            panel("margin_gap", "Margin", "largest margin − margin"),
            local,
        ),
        columns=2,
    )


def constants(data: xr.Dataset) -> Figure:
    """The constant of the loss, and the point that the residual tends to."""
    return Figure(
        name="constants",
        title="What the logarithm leaves over",
        caption=(
            "Left: t L(t) tends to the squared norm of the maximum-margin solution; with a polynomial tail it grows. "
            "Right: in the span of the support vectors w − ŵ log t tends to the point that their weights determine, "
            "and not to that of the weights in another order. Both claims are judged at log t = 10⁴; the rise after "
            "that is round-off, of numbers as large as log t from which differences of order one are taken. Bands: "
            "90 % of the data sets."
        ),
        panels=(
            Panel(
                title="Constant of the loss",
                xlabel="log t",
                ylabel="|t L / ‖ŵ‖² − 1|",
                xscale="log",
                yscale="log",
                ylim=(1e-16, 1e6),
                series=(
                    _paths(data, "flow_loss_excess", "logistic loss", "result"),
                    _paths(data, "tail_loss_excess", "polynomial tail", "control"),
                ),
                region=(-np.inf, 1e-6),
                region_label="claimed at log t = 10⁴",
            ),
            Panel(
                title="Residual",
                xlabel="log t",
                ylabel="distance from its limit",
                xscale="log",
                yscale="log",
                series=(
                    _paths(data, "flow_residual", "weights of the support vectors", "result"),
                    _paths(data, "flow_shuffled_residual", "the same weights shuffled", "control"),
                ),
                region=(-np.inf, 1e-6),
                region_label="claimed at log t = 10⁴",
            ),
        ),
    )


def card(data: xr.Dataset) -> Figure:
    """Every optimizer's ratios in every geometry."""

    def panel(loss: str) -> Panel:
        there = data["ratio"].sel(loss=loss).notnull().all(("seed", "norm"))
        ratio = data["ratio"].sel(loss=loss, optimizer=there).transpose("seed", "optimizer", "norm")
        titles, values = ratio["title"].values.tolist(), ratio.values
        judged = loss == "log_sum_exp"
        if judged:
            titles += [f"reference: steepest, {norm}" for norm in data["reference"].values]
            references = data["reference_ratio"].transpose("seed", "reference", "norm").values
            values = np.concatenate([values, references], axis=1)
        return Panel(
            title=LOSS_TITLES[loss],
            xlabel="",
            ylabel="margin / largest margin",
            series=tuple(
                _spread(titles, values[..., index], f"in {norm}", NORM_ROLES[norm])
                for index, norm in enumerate(data["norm"].values)
            ),
            ylim=(0.0, 1.05),
            region=(0.98, 1.0) if judged else None,
            region_label="claimed in its own geometry",
        )

    return Figure(
        name="card",
        title="Which largest margin each optimizer finds",
        caption=(
            "Margin attained over the largest margin in four norms, at the end of the run; 1 is the max-margin "
            "solution of that norm. Above on the normalised loss, which settles the direction; below on the logistic "
            "loss, where as many steps reach smaller margins and nothing is claimed. The reference rows are normalised "
            "steepest descent in each norm: what a ratio in the right geometry looks like. Medians and ranges over "
            "data sets."
        ),
        panels=(panel("log_sum_exp"), panel("logistic")),
        columns=1,
    )


def reached(data: xr.Dataset) -> Figure:
    """What belongs to every row of the card: how clear its geometry is, how far it got, and what it used."""
    titles = data["title"].values.tolist()
    # Powers of ten apart, the ends of an error bar are differences that round to 0 on a logarithmic axis.
    log_gradient = np.log10(data["gradient"].where(data["gradient"] > 0))
    by_optimizer = data.assign(log_gradient=log_gradient).transpose("seed", "optimizer", ...)
    nearest = by_optimizer["nearest"].sel(loss="log_sum_exp").values
    lead = by_optimizer["lead"].sel(loss="log_sum_exp").values

    def ahead(norm: str) -> Points:
        own = np.ma.masked_invalid(np.where(nearest == norm, lead, np.nan))
        low, middle, high = own.min(axis=0), np.ma.median(own, axis=0), own.max(axis=0)
        return Points(titles, *(np.ma.filled(middle, np.nan), f"nearest to {norm}", NORM_ROLES[norm]),
                      low=np.ma.filled(low, np.nan), high=np.ma.filled(high, np.nan))  # fmt: skip

    def both(variable: str) -> tuple[Points, ...]:
        roles: tuple[tuple[str, str, Role], ...] = (
            ("log_sum_exp", "normalised loss", "result"),
            ("logistic", "logistic loss", "second"),
        )
        return tuple(
            _spread(titles, by_optimizer[variable].sel(loss=loss).values, label, role) for loss, label, role in roles
        )

    eps = [
        f"{title}: {value:g}"
        for title, value in zip(titles, data["eps"].values.tolist(), strict=True)
        if np.isfinite(value)
    ]
    schedules = ", ".join(sorted(set(data["schedule"].values.tolist())))
    matrix = data["learning_rate"].sel(optimizer="spectral").item()
    void = [
        f"{title} ({str(loss).replace('_', '-')})"
        for title, row in zip(
            titles, by_optimizer["void"].any("seed").transpose("optimizer", "loss").values, strict=True
        )
        for loss, gone in zip(data["loss"].values, row, strict=True)
        if gone
    ]
    return Figure(
        name="card-reached",
        title="What the rows of the card reached, and with what",
        caption=(
            "Lead of the nearest geometry over the second on the normalised loss, by how much one ratio is above the "
            "others; the margin that was reached; the largest entry of the last gradient (void below 1e-154). A row "
            "without a point did "
            f"not run on that loss. Step size schedule of every row: {schedules}; of the rows that factorise a matrix "
            f"{matrix:g}, of the others in the title. Stability constants eps: {'; '.join(eps)} (in RMSProp inside "
            f"the root); the other rows have none. Void rows: {', '.join(void) or 'none'}. Medians and ranges over "
            "data sets."
        ),
        panels=(
            Panel(
                title="Lead of the nearest geometry",
                xlabel="",
                ylabel="ratio − second ratio",
                ylim=(0.0, 1.1 * float(np.nanmax(lead))),
                series=tuple(ahead(str(norm)) for norm in data["norm"].values),
            ),
            Panel(title="Margin reached", xlabel="", ylabel="margin", yscale="log", series=both("margin")),
            Panel(
                title="Last gradient",
                xlabel="",
                ylabel="log₁₀ of the largest entry",
                series=both("log_gradient"),
            ),
        ),
        columns=1,
    )


def along(data: xr.Dataset) -> Figure:
    """How far from its own geometry's largest margin an optimizer is as it runs."""

    def line(optimizer: str, norm: str, loss: str, role: Role) -> Line:
        row = data["path"].sel(optimizer=optimizer, norm=norm, loss=loss).transpose("seed", "record")
        steps = row["path_step"].values
        known = np.isfinite(steps)
        label = f"{row['title'].item()} in {norm}"
        return quantile_band(steps[known], 1 - row.values[:, known], label, role)

    def panel(loss: str, rows: tuple[tuple[str, str, Role], ...]) -> Panel:
        return Panel(
            title=LOSS_TITLES[loss],
            xlabel="steps",
            ylabel="1 − margin / largest margin",
            xscale="log",
            yscale="log",
            series=tuple(line(optimizer, norm, loss, role) for optimizer, norm, role in rows),
        )

    normalised: tuple[tuple[str, str, Role], ...] = (
        ("sgd", "L2", "result"), ("adam", "Linf", "second"), ("coordinate", "L1", "third"),
        ("muon-cubic", "spectral", "fourth"), ("muon", "spectral", "control"),
    )  # fmt: skip
    trained: tuple[tuple[str, str, Role], ...] = (
        ("sgd", "L2", "result"), ("adam", "Linf", "second"), ("adam-eps", "Linf", "control"),
        ("sign", "Linf", "third"), ("rmsprop", "Linf", "fourth"),
    )  # fmt: skip
    return Figure(
        name="along-the-run",
        title="Distance from the largest margin along the run",
        caption=(
            "On the normalised loss every optimizer approaches its own geometry's largest margin, but Muon with its "
            "default polynomial, which does not converge to the polar factor. On the logistic loss the margin grows "
            "slowly, and eps decides as soon as gradients come down to its size. Bands: 90 % of the data sets."
        ),
        panels=(panel("log_sum_exp", normalised), panel("logistic", trained)),
    )


def directions(data: xr.Dataset) -> Figure:
    """Angles of the discrete runs, and steepest descent in p-norms."""
    last = data["descent_angle"].isel(checkpoint=-1).transpose("seed", "rule", "target")
    titles = last["rule_title"].values.tolist()
    angles = tuple(
        _spread(titles, last.sel(target=target).values, f"to the {target} direction", NORM_ROLES[target])
        for target in ("L2", "Linf")
    )
    own, others = [], []
    for name in ("steepest_ratio", "mirror_ratio"):
        ratio = data[name].isel(step_scale=0) if name == "steepest_ratio" else data[name]
        for p in data["p"].values:
            own.append(ratio.sel(p=p, other_p=p).values)
            rest = ratio.sel(p=p).drop_sel(other_p=p)
            others.append(rest.max("other_p").values)
    rules = [f"{kind}, p = {p:.3g}" for kind in ("steepest", "mirror") for p in data["p"].values]
    return Figure(
        name="directions",
        title="The geometry decides the direction",
        caption=(
            "Above: angles to the directions of largest L2 and Linf margin after the discrete runs on generic data; "
            "Adam with a decaying step and eps = 0 is claimed to end within 2 degrees of the Linf direction. "
            "Below: steepest descent in a p-norm reaches the largest margin in that norm; mirror descent with the "
            "potential of the same norm beside it, after as many steps. Medians and ranges over data sets."
        ),
        panels=(
            Panel(
                title=f"After {int(data['descent_step'][-1]):,} steps".replace(",", " "),
                xlabel="",
                ylabel="angle (degrees)",
                series=angles,
                region=(0.0, 2.0),
                region_label="claimed for Adam 0.1/√t, to the Linf direction, on average",
            ),
            Panel(
                title="Steepest and mirror descent in p-norms",
                xlabel="",
                ylabel="margin / largest margin",
                series=(
                    _spread(rules, np.stack(own, 1), "in its own p-norm", "result"),
                    _spread(rules, np.stack(others, 1), "in the other p-norm", "control"),
                ),
                region=(0.98, 1.0),
                region_label="claimed for steepest descent",
            ),
        ),
        columns=1,
    )


def growth(data: xr.Dataset) -> Figure:
    """Adam's margin against the step, and its growth against the formula."""
    roles: tuple[Role, ...] = ("result", "second", "control")
    lines = []
    for name, role in zip(data["adam"].values, roles, strict=True):
        run = data["growth_margin"].sel(adam=name).transpose("seed", "growth_record").isel(growth_record=slice(1, None))
        lines.append(quantile_band(run["growth_step"].values, run.values, str(name), role))
    fastest = data.isel(adam=int(np.argmax(data["adam_lr"].values * (data["adam_b2"].values == SLOW))))
    steps = fastest["growth_step"].values
    fitted = steps >= steps[-1] / 2
    begins = fastest["growth_margin"].transpose("seed", "growth_record").median("seed").values[fitted][0]
    cap = begins + fastest["growth_cap"].item() * (steps[fitted] - steps[fitted][0])
    lines.append(Line(steps[fitted], cap, "at the cap for b2 0.999, from where the fit begins", "reference"))
    names = [str(name) for name in data["adam"].values]
    slow = data["growth_formula"].values[:, data["adam_b2"].values == data["adam_b2"].values.max()].max(axis=1)
    return Figure(
        name="adam-growth",
        title="Adam's second moment limits how fast the margin grows",
        caption=(
            "Adam with eps = 0 on the logistic loss. Left: the margin; with b2 = 0.999 it cannot keep growing faster "
            "than −ln(b2) / 2 a step. The dotted line grows at that pace from where the regression of the run with the "
            "larger step begins, the second half of its steps. Right: growth a step over the second half of a run, in "
            "units of the rate for its own b2 and, for the run with b2 = 0.9, also of the rate for b2 = 0.999 at the "
            "same step size (the control). Medians; central 90 % (left) and range (right) of the data sets."
        ),
        panels=(
            Panel(title="Margin", xlabel="steps", ylabel="margin", xscale="log", yscale="log", series=tuple(lines)),
            Panel(
                title="Growth per step",
                xlabel="",
                ylabel="measured / formula",
                yscale="log",
                series=(
                    _spread(names, data["growth"].values / data["growth_formula"].values, "its own b2", "result"),
                    _spread(names[-1:], data["growth"].values[:, -1:] / slow[:, None], "b2 0.999 instead", "control"),
                ),
                region=(0.9, 1.1),
                region_label="claimed for b2 0.999",
            ),
        ),
    )
