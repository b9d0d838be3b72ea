"""Figures of the assay `max-margin`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, quantile_band

NORM_ROLES: dict[str, Role] = {"L1": "third", "L2": "result", "Linf": "second", "spectral": "fourth"}
LOSS_TITLES = {"log_sum_exp": "Normalised loss, log Σ exp(−margin)", "logistic": "Logistic loss"}


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The logarithmic clock and its constants, the card and its ratios along the run, directions, Adam's growth."""
    return (clock(data), constants(data), card(data), along(data), directions(data), growth(data))


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
    reached = log_t >= 1

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
                quantile_band(log_t[reached], descent[:, reached], "gradient descent", "second"),
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
            Line(
                [np.log(data["descent_step"].values[-1])] * 2,
                [-1.6, -0.3],
                "t = steps of the discrete runs",
                "reference",
            ),
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
            "iteration; before that a fit finds another slope. Bands: 90 % of the data sets."
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
            "and not to that of the weights in another order. Below, round-off. Bands: 90 % of the data sets."
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
                region=(1e-16, 1e-6),
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
                region=(1e-14, 1e-6),
                region_label="claimed at log t = 10⁴",
            ),
        ),
    )


def card(data: xr.Dataset) -> Figure:
    """Every optimizer's ratios in every geometry."""

    def panel(loss: str) -> Panel:
        there = data["ratio"].sel(loss=loss).notnull().all(("seed", "norm"))
        ratio = data["ratio"].sel(loss=loss, optimizer=there).transpose("seed", "optimizer", "norm")
        titles = ratio["title"].values.tolist()
        return Panel(
            title=LOSS_TITLES[loss],
            xlabel="",
            ylabel="margin / largest margin",
            series=tuple(
                _spread(titles, ratio.sel(norm=norm).values, f"in {norm}", NORM_ROLES[norm])
                for norm in data["norm"].values
            ),
            ylim=(0.2, 1.05),
            region=(0.98, 1.0),
            region_label="claimed in its own geometry",
        )

    return Figure(
        name="card",
        title="Which largest margin each optimizer finds",
        caption=(
            "Margin attained over the largest margin in four norms, at the end of the run; 1 is the max-margin "
            "solution of that norm. Above on the normalised loss, which settles the direction; below on the logistic "
            "loss, where as many steps reach smaller margins. Medians and ranges over data sets."
        ),
        panels=(panel("log_sum_exp"), panel("logistic")),
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
            "Left: angles to the directions of largest L2 and Linf margin after the discrete runs on generic data. "
            "Right: steepest descent in a p-norm reaches the largest margin in that norm; mirror descent with the "
            "potential of the same norm beside it, after as many steps. Medians and ranges over data sets."
        ),
        panels=(
            Panel(
                title=f"After {int(data['descent_step'][-1]):,} steps".replace(",", " "),
                xlabel="",
                ylabel="angle (degrees)",
                series=angles,
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
    slowest = data["growth_cap"].values.min()
    steps = np.geomspace(data["growth_step"].values[:, 1].min(), data["growth_step"].values.max(), 30)
    lines.append(Line(steps, slowest * steps, "cap for b2 0.999", "reference"))
    names = [str(name) for name in data["adam"].values]
    slow = data["growth_formula"].values[:, data["adam_b2"].values == data["adam_b2"].values.max()].max(axis=1)
    return Figure(
        name="adam-growth",
        title="Adam's second moment limits how fast the margin grows",
        caption=(
            "Adam with eps = 0 on the logistic loss. Left: the margin; with b2 = 0.999 it cannot keep growing faster "
            "than -ln(b2) / 2 a step, the dotted line. Right: growth a step over the second half of the run, in units "
            "of the rate for b2 = 0.999 at the same step size (result) and of each run's own rate (reference)."
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
            ),
        ),
    )
