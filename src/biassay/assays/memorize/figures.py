"""Figures of the assay `memorize`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Bars, Figure, Line, Panel, Points, Role

_TWO_THIRDS = 2 / 3 - 1e-9


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The function itself, its accuracy, the float64 limit, the operations, and the width that training needs."""
    return along(data), fresh(data), precision(data), cost(data), widths(data)


def _over_draws(values: xr.DataArray, axis: str, label: str, role: Role) -> Line:
    """The median over the draws along `axis`, with their range."""
    samples = values.transpose("draw", axis).values
    low, middle, high = np.quantile(samples, [0, 0.5, 1], axis=0)
    return Line(values[axis].values, middle, label, role, low, high)


def along(data: xr.Dataset) -> Figure:
    """The memorizer along u, and both networks' outputs on fresh points against what the labels depend on."""

    def against_teacher(network: str, title: str, role: Role) -> Panel:
        return Panel(
            title=title,
            xlabel="w·x / |w|",
            ylabel="output f",
            series=(Points(data["fresh_w_x"].values, data["fresh_output"].sel(network=network).values, "", role),),
        )

    return Figure(
        name="what-was-learned",
        title="The same labels fitted by a memorizer and by training",
        caption=(
            "Both networks have the same architecture and fit all training labels sign(w·x). Left: the memorizer is a "
            "function of u·x alone, for a random u; it passes through every label and is saturated in between. Middle "
            "and right: outputs on fresh points against w·x, which decides their labels. First seed."
        ),
        panels=(
            Panel(
                title="Memorizer near 12 data points",
                xlabel="u·x",
                ylabel="output f",
                series=(
                    Line(data["u_x"].values, data["along"].values, "memorizer", "result"),
                    Points(data["near_u_x"].values, data["near_label"].values, "training labels", "control"),
                ),
                ylim=(-1.15, 1.15),
            ),
            against_teacher("memorizer", "Memorizer, fresh points", "result"),
            against_teacher("Adam", "Trained by Adam, fresh points", "second"),
        ),
        columns=3,
    )


def fresh(data: xr.Dataset) -> Figure:
    """Training and fresh accuracy."""
    names = ("memorizer", "Adam")

    def bars(sample: str, label: str, role: Role) -> Bars:
        values = data["accuracy"].sel(sample=sample, network=list(names)).transpose("network", "seed").values
        return Bars(names, values.mean(axis=1), label, role, values.min(axis=1), values.max(axis=1))

    return Figure(
        name="fresh-accuracy",
        title="Two global minima of one architecture",
        caption=(
            "Share of right signs on the training set and on fresh examples of the same linear rule; a coin has 0.5. "
            "Means and ranges over data sets."
        ),
        panels=(
            Panel(
                title="Accuracy on labels sign(w·x)",
                xlabel="",
                ylabel="share of right signs",
                series=(bars("training", "training set", "reference"), bars("fresh", "fresh examples", "result")),
                ylim=(0, 1.05),
                region=(0.47, 0.53),
                region_label="claimed of the memorizer, fresh",
            ),
        ),
        columns=1,
    )


def precision(data: xr.Dataset) -> Figure:
    """Error and largest weight against the number of points."""
    shown: tuple[tuple[str, str, Role], ...] = (
        ("balanced", "balanced, float64", "result"),
        ("zigzag", "zigzag, float64", "control"),
        ("float32", "balanced, float32", "third"),
    )
    errors = tuple(
        _over_draws(data["error"].sel(variant=name).clip(1e-17), "points", label, role) for name, label, role in shown
    )
    weights = tuple(
        _over_draws(data["largest_weight"].sel(variant=name), "points", label, role) for name, label, role in shown[:2]
    )
    return Figure(
        name="precision",
        title="The limit is double precision, not the construction",
        caption=(
            "Weights grow like one over the smallest gap between projected points, and the error with them. Which node "
            "serves which point decides how fast: with the paper's fixed zigzag the plateaus do a random walk that "
            "multiplies. Medians and ranges over data sets."
        ),
        panels=(
            Panel(
                title="Largest error",
                xlabel="points N",
                ylabel="max |f(x) - y|",
                series=errors,
                xscale="log",
                yscale="log",
                region=(0, 1e-5),
                region_label="claimed at the second largest N",
            ),
            Panel(
                title="Largest weight of the second layer",
                xlabel="points N",
                ylabel="max |V|",
                series=weights,
                xscale="log",
                yscale="log",
            ),
        ),
    )


def cost(data: xr.Dataset) -> Figure:
    """Operations of the construction and of a dense solve."""
    line = _over_draws(data["operations"].rename(counted_n="points_"), "points_", "construction", "result")
    dense = _over_draws(data["dense_operations"].rename(dense_n="points_"), "points_", "dense solve", "control")
    first, count = float(np.asarray(line.x)[0]), float(np.asarray(line.y)[0])
    far = np.array([first / 100, float(np.asarray(line.x)[-1])])
    return Figure(
        name="operations",
        title="A sort and a few operations a point",
        caption=(
            "Arithmetic operations and comparisons, counted while the code runs: the construction from the projected "
            "points on, sort included, and Gaussian elimination for the output weights of N random features, which "
            "fits the same labels. The dotted line is proportional to N."
        ),
        panels=(
            Panel(
                title="Cost of fitting N points",
                xlabel="points N",
                ylabel="operations",
                series=(line, dense, Line(far, count * far / first, "proportional to N", "reference")),
                xscale="log",
                yscale="log",
            ),
        ),
        columns=1,
    )


def smallest_width(data: xr.Dataset, optimizer: str) -> xr.DataArray:
    """The smallest width, over the construction's, at which two thirds of the seeds succeed; NaN where none is."""
    share = data[f"{optimizer}_fits"].mean("seed")
    ratio = data["width"] / data["construction"]
    return ratio.where(share >= _TWO_THIRDS).min("factor").isel(size=-1)


def widths(data: xr.Dataset) -> Figure:
    """The width that training needs against the budget, and the success curves at the stated budget."""
    n, budget = int(data["size"][-1]), int(data.attrs["budget"])
    rows: tuple[tuple[str, str, Role], ...] = (("gd", "gradient descent", "result"), ("adam", "Adam", "second"))

    def against_budget(criterion: int) -> Panel:
        series = []
        for name, label, role in rows:
            needed = smallest_width(data, name).isel(criterion=criterion).dropna(f"{name}_budget")
            if needed.size:
                series.append(Line(needed[f"{name}_budget"].values, needed.values, label, role))
        steps = data["gd_budget"].values
        series.append(Line(steps[[0, -1]], [1, 1], "construction", "reference"))
        return Panel(
            title=f"{data['criterion'].values[criterion]}, n = {n}",
            xlabel="full-batch steps",
            ylabel="width over the construction's",
            series=tuple(series),
            xscale="log",
            ylim=(0, 1.05 * max(1.0, float((data["width"] / data["construction"]).max()))),
        )

    def success(criterion: int) -> Panel:
        curves = []
        for name, label, role in rows:
            share = data[f"{name}_fits"].isel(size=-1, criterion=criterion).sel({f"{name}_budget": budget}).mean("seed")
            curves.append(Line(data["width"].isel(size=-1).values, share.values, label, role))
        return Panel(
            title=f"{data['criterion'].values[criterion]}, {budget} steps",
            xlabel="width w",
            ylabel="share of seeds that fit",
            series=tuple(curves),
            ylim=(-0.03, 1.03),
        )

    return Figure(
        name="width-needed",
        title="The width that training needs depends on the budget",
        caption=(
            f"Two hidden layers of width w trained on n = {n} random labels, full batch; gradient descent with step "
            f"{data.attrs['gd_lr']:g}, Adam from {data.attrs['adam_lr']:g} to 0 by a cosine that ends with the budget. "
            "Top: the smallest width tried at which two thirds of the seeds fit, over the construction's "
            "2⌈√n⌉; budgets at which no width tried is enough are left out. Bottom: the whole curve at the stated "
            "budget."
        ),
        panels=(against_budget(0), against_budget(1), success(0), success(1)),
    )
