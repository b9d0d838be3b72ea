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
            "Means and ranges over data sets. The memorizer is saturated where it knows nothing: on fresh points |f| "
            f"is {float(data['fresh_size'].mean()):.3f} on average. On its training points moved by noise of standard "
            f"deviation {data.attrs['noise']:g} its root mean square error is {float(data['noisy_error'].mean()):.2f}."
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
    judged, checked = int(data["points"][-2]), int(data.attrs["checked"])
    errors = tuple(
        _over_draws(data["error"].sel(variant=name).clip(1e-17), "points", label, role) for name, label, role in shown
    )
    relus = data["relu_error"].dropna("points", how="all")
    others = data["other_error"].median("draw").values
    errors += (_over_draws(relus, "points", "balanced, as ReLUs", "fourth"),)
    for (n, d), error in zip(
        zip(data["other_points"].values, data["other_d"].values, strict=True), others, strict=True
    ):
        errors += (Points([n], [error], f"balanced, {d} coordinates", "second" if d > 10 else "reference"),)
    weights = tuple(
        _over_draws(data["largest_weight"].sel(variant=name), "points", label, role) for name, label, role in shown[:2]
    )
    return Figure(
        name="precision",
        title="The limit is double precision, not the construction",
        caption=(
            "Weights grow like one over the smallest gap between projected points, and the error with them. Which node "
            "serves which point decides how fast: with the paper's fixed zigzag the plateaus do a random walk that "
            "multiplies. The same network written with ReLUs loses more digits, since both ReLUs of a far unit are "
            f"large and cancel. Medians and ranges over data sets; errors at up to {checked:,} of the points."
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
                region_label=f"claimed at N = {judged:,}",
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
    small, large = data["small_operations"].rename(dense_n="n"), data["operations"].rename(counted_n="n")
    own = xr.concat([small, large], "n")
    line = _over_draws(own, "n", "construction", "result")
    dense = _over_draws(data["dense_operations"], "dense_n", "dense solve", "control")
    ends, count = own["n"].values[[0, -1]], float(own.median("draw")[0])
    return Figure(
        name="operations",
        title="A sort and a few operations a point",
        caption=(
            "Arithmetic operations and comparisons, counted while the code runs: the construction from the projected "
            "points on, with its sort, and Gaussian elimination for the output weights of N random features, which "
            "fits the same labels. The choice of the direction, 16 projections with a sort each, is not counted. The "
            "dotted line is proportional to N."
        ),
        panels=(
            Panel(
                title="Cost of fitting N points",
                xlabel="points N",
                ylabel="operations",
                series=(line, dense, Line(ends, count * ends / ends[0], "proportional to N", "reference")),
                xscale="log",
                yscale="log",
            ),
        ),
        columns=1,
    )


def smallest_width(data: xr.Dataset, optimizer: str) -> xr.DataArray:
    """The smallest width at which two thirds of the seeds succeed, for every size; NaN where none is."""
    share = data[f"{optimizer}_fits"].mean("seed")
    return data["width"].where(share >= _TWO_THIRDS).min("factor")


_OPTIMIZERS: tuple[tuple[str, str, Role], ...] = (("gd", "gradient descent", "result"), ("adam", "Adam", "second"))


def _title(data: xr.Dataset, criterion: int) -> str:
    told = str(data["criterion"].values[criterion])
    return told[0].upper() + told[1:]


def _against_budget(data: xr.Dataset, criterion: int) -> Panel:
    """w* over the construction's width at the most points; markers at the top where no width tried fits."""
    most = float((data["width"] / data["construction"]).isel(size=-1).max())
    series = []
    for name, label, role in _OPTIMIZERS:
        needed = (smallest_width(data, name) / data["construction"]).isel(size=-1, criterion=criterion)
        budgets, ratio = needed[f"{name}_budget"].values, needed.values
        none = np.isnan(ratio)
        if not none.all():
            series.append(Line(budgets[~none], ratio[~none], label, role))
        if none.any():
            height = 1.08 * most if name == "gd" else 1.16 * most
            told = f"{label} > {most:.2g}"
            series.append(Points(budgets[none], np.full(none.sum(), height), told, role))
    steps = data["gd_budget"].values
    series.append(Line(steps[[0, -1]], [1, 1], "construction", "reference"))
    return Panel(
        title=f"{_title(data, criterion)}, n = {int(data['size'][-1])}",
        xlabel="full-batch steps",
        ylabel="width over the construction's",
        series=tuple(series),
        xscale="log",
        ylim=(0, 1.24 * max(1.0, most)),
    )


def _success(data: xr.Dataset, criterion: int) -> Panel:
    """The share of seeds that fit against the width, at the stated budget and the most points."""
    budget, curves = int(data.attrs["budget"]), []
    for name, label, role in _OPTIMIZERS:
        share = data[f"{name}_fits"].isel(size=-1, criterion=criterion).sel({f"{name}_budget": budget}).mean("seed")
        curves.append(Line(data["width"].isel(size=-1).values, share.values, label, role))
    return Panel(
        title=f"{_title(data, criterion)}, {budget} steps",
        xlabel="width w",
        ylabel="share of seeds that fit",
        series=tuple(curves),
        ylim=(-0.03, 1.03),
    )


def _against_size(data: xr.Dataset, criterion: int) -> Panel:
    """w* at the stated budget against n, with the slopes in a log-log plot."""
    n, budget = data["size"].values, int(data.attrs["budget"])

    def line(width: np.ndarray, label: str, role: Role) -> Line:
        fits = np.isfinite(width)
        slope = np.polyfit(np.log(n[fits]), np.log(width[fits]), 1)[0] if fits.sum() > 1 else np.nan
        return Line(n[fits], width[fits], f"{label}: {slope:.2f}", role)

    widths = [
        line(smallest_width(data, name).isel(criterion=criterion).sel({f"{name}_budget": budget}).values, label, role)
        for name, label, role in _OPTIMIZERS
    ]
    return Panel(
        title=f"{_title(data, criterion)}, {budget} steps",
        xlabel="points n",
        ylabel="smallest width w that fits",
        series=(*widths, line(data["construction"].values.astype(float), "construction", "reference")),
        xscale="log",
        yscale="log",
    )


def widths(data: xr.Dataset) -> Figure:
    """The width that training needs against the budget and the points, and the success curves."""
    n, several = int(data["size"][-1]), data.sizes["size"] > 1
    grown = tuple(_against_size(data, criterion) for criterion in (0, 1)) if several else ()
    return Figure(
        name="width-needed",
        title="The width that training needs depends on the budget",
        caption=(
            f"Two hidden layers of width w trained on n = {n} random labels, full batch; gradient descent with step "
            f"{data.attrs['gd_lr']:g} stands in for SGD, Adam goes from {data.attrs['adam_lr']:g} to 0 by a cosine "
            "that ends with the budget. First row: the smallest width tried at which two thirds of the seeds fit, over "
            "the construction's 2⌈√n⌉; markers above the widest one tried stand where none fits. Second row: the whole "
            f"curve at {int(data.attrs['budget'])} steps."
            + (
                " Third row: the width against the number of points, with its exponent beside the name."
                if several
                else ""
            )
        ),
        panels=(*(_against_budget(data, k) for k in (0, 1)), *(_success(data, k) for k in (0, 1)), *grown),
    )
