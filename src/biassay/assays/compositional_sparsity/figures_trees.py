"""Figures of the targets composed along a tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ...claims import bootstrap_interval
from ...figures import Figure, Line, Panel, Points, Role
from .cells import EMBEDDED, PERMUTED, TRUE, WIDE
from .config import DEEP, LITERAL, SHALLOW, TREE
from .measures import dims, errors, proportional_budget, sizes

_ROLES: dict[str, Role] = {TREE: "result", DEEP: "second", SHALLOW: "third", LITERAL: "fourth", WIDE: "second"}
ERROR = "relative test error"
_SEEDS = "Bands and bars are 95% intervals of the geometric mean over seeds."


def _architectures(data: xr.Dataset) -> list[str]:
    """The networks compared at the centre of the star, in the order of their roles."""
    return [name for name in (TREE, LITERAL, DEEP, SHALLOW) if name in data["architecture"].values]


def _geometric(samples: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Geometric means of several rows of positive numbers, one a seed, and the ends of their intervals."""
    rows = [np.log10(row[np.isfinite(row)]) for row in samples]
    ends = [bootstrap_interval(row) if len(row) > 1 else (np.nan, np.nan) for row in rows]
    middle = np.array([row.mean() if len(row) else np.nan for row in rows])
    low, high = np.array(ends).T
    return 10**middle, 10**low, 10**high


def _line(x: Sequence[float], samples: Sequence[np.ndarray], label: str, role: Role) -> Line:
    middle, low, high = _geometric(samples)
    return Line(np.asarray(x, float), middle, label, role, low, high)


def _points(names: Sequence[str], samples: Sequence[np.ndarray], label: str, role: Role) -> Points:
    middle, low, high = _geometric(samples)
    return Points(list(names), middle, label, role, low, high)


def _center(data: xr.Dataset) -> str:
    return f"d = {data.attrs['base_d']}, about {data.attrs['base_budget']} parameters"


def over_sizes(data: xr.Dataset) -> Figure:
    """Errors against the number of points, their ratios, and what the choice of the checkpoint is worth."""
    n, names = sizes(data), _architectures(data)
    at = {name: [errors(data, name, size=size) for size in n] for name in names}
    wrong = [errors(data, TREE, size=size, wiring=PERMUTED) for size in n]
    counts = ", ".join(f"{name} {_counted(data, name)}" for name in names)
    residual, slope = (errors(data, TREE, name=name).mean() for name in ("residual", "slope"))

    def ratio(name: str, role: Role) -> Line:
        ratios = [tree / other for tree, other in zip(at[TREE], at[name], strict=True)]
        return _line(n, ratios, f"tree-4 / {name}", role)

    def overfitting(name: str) -> Line:
        worse = [errors(data, name, size=size, name="final") / best for size, best in zip(n, at[name], strict=True)]
        return _line(n, worse, name, _ROLES[name])

    return Figure(
        name="advantage",
        title="The wired network against dense ones, on targets composed along its tree",
        caption=(
            f"{_center(data)} ({counts}). A linear function leaves {residual:.2f} of the targets' variance, and the "
            f"mean |∇g| of the constituents is {slope:.2f}. Second: paired, target by target; the shaded region is "
            f"that of the claim against the shallow network, from 1024 points on. Third: how much worse the end of "
            f"training is than the checkpoint chosen on validation points. {_SEEDS}"
        ),
        panels=(
            Panel(
                title="Error",
                xlabel="training points n",
                ylabel=ERROR,
                xscale="log",
                yscale="log",
                series=(
                    *(_line(n, at[name], name, _ROLES[name]) for name in names),
                    _line(n, wrong, "tree-4, coordinates permuted", "control"),
                ),
            ),
            Panel(
                title="Ratio to the dense networks",
                xlabel="training points n",
                ylabel="ratio of test errors",
                xscale="log",
                yscale="log",
                region=(0.0, 0.2),
                series=(
                    *(ratio(name, _ROLES[name]) for name in names if name in (DEEP, SHALLOW)),
                    Line(np.array([n[0], n[-1]], float), np.ones(2), "equal", "reference"),
                ),
            ),
            Panel(
                title="Final over best checkpoint",
                xlabel="training points n",
                ylabel="ratio of test errors",
                xscale="log",
                series=tuple(overfitting(name) for name in names),
            ),
        ),
        columns=3,
    )


def _counted(data: xr.Dataset, architecture: str, size: int | None = None, name: str = "parameters") -> int:
    """The number of parameters (or of hidden units) of an architecture at the centre of the star."""
    return int(errors(data, architecture, size=size, name=name))


def controls(data: xr.Dataset) -> Figure:
    """Other targets, where the order changes, and permuted coordinates, which only the tree notices."""
    names = _architectures(data)
    targets = ("tree", "generic", "ridge")

    def against_shallow(name: str) -> Points:
        ratios = [errors(data, name, target=t) / errors(data, SHALLOW, target=t) for t in targets]
        return _points(targets, ratios, f"{name} / shallow", _ROLES[name])

    wrong = [errors(data, name, wiring=PERMUTED) / errors(data, name) for name in names]
    return Figure(
        name="controls",
        title="Where the advantage goes away",
        caption=(
            f"{_center(data)}, {data.attrs['base_size']} points. Left: “generic”, in which all coordinates interact, "
            f"is composed along no tree; “ridge” varies in one direction and is composed along every tree, so that no "
            f"network should suffer. Right: the coordinates permuted so that no two "
            f"siblings stay together; the shaded region is the claim for tree-4. {_SEEDS}"
        ),
        panels=(
            Panel(
                title="Three kinds of target",
                xlabel="target",
                ylabel="ratio of test errors",
                yscale="log",
                series=tuple(against_shallow(name) for name in names if name != SHALLOW),
            ),
            Panel(
                title="The wrong tree",
                xlabel="network",
                ylabel="error permuted / true",
                yscale="log",
                region=(5.0, np.inf),
                series=(_points(names, wrong, "permuted / true", "result"),),
            ),
        ),
    )


def structure(data: xr.Dataset) -> Figure | None:
    """The dense network that contains the tree, from a random start and from the tree."""
    n = sorted({int(size) for size in data["size"].values[data["architecture"].values == WIDE]})
    if not n:
        return None
    size = data.attrs["base_size"] if data.attrs["base_size"] in n else n[-1]
    steps = data["step"].values.tolist()
    width, parameters = (_counted(data, WIDE, size, name) for name in ("hidden", "parameters"))

    def path(name: str, label: str, role: Role) -> Line:
        return _line(steps, list(errors(data, name, size=size, name="path").T), label, role)

    def ratio(name: str, label: str, role: Role) -> Points:
        ratios = [errors(data, name, size=k, name="final") / errors(data, TREE, size=k, name="final") for k in n]
        return _points([str(k) for k in n], ratios, label, role)

    embedded, tree = (errors(data, name, size=size, name="path") for name in (EMBEDDED, TREE))
    apart = np.max(np.abs(embedded[:, 0] / tree[:, -1] - 1))
    return Figure(
        name="structure",
        title="A dense network that contains the tree: does training find it?",
        caption=(
            f"A dense network of width {width} ({parameters} parameters) is the tree for one choice of its weights. "
            f"Left: {size} points. Started at the trained tree it begins where the tree ended (to {apart:.0e} of the "
            f"error), so the gap to the random start is the work of training, not of what the network can express. "
            f"Right: errors at the end of training, where “training-keeps-the-tree” is judged; shaded is a factor 2 "
            f"either way. “training-finds-the-tree” is judged at the best checkpoints. {_SEEDS}"
        ),
        panels=(
            Panel(
                title="Along training",
                xlabel="steps of Adam",
                ylabel=ERROR,
                yscale="log",
                series=(
                    path(TREE, "tree-4", "result"),
                    path(WIDE, "wide, from a random start", "second"),
                    path(EMBEDDED, "wide, from the trained tree", "control"),
                ),
            ),
            Panel(
                title="At the end of training",
                xlabel="training points n",
                ylabel="error / that of tree-4",
                yscale="log",
                region=(0.5, 2.0),
                series=(
                    ratio(WIDE, "from a random start", "second"),
                    ratio(EMBEDDED, "from the trained tree", "control"),
                ),
            ),
        ),
    )


def dimensions(data: xr.Dataset) -> Figure | None:
    """Errors against the dimension, at one budget and at a budget in proportion to d - 1."""
    d, names = dims(data), _architectures(data)
    if len(d) < 2:
        return None
    budget = data.attrs["base_budget"]

    def curve(name: str, proportional: bool) -> Line:
        at = [errors(data, name, d=k, budget=proportional_budget(data, k) if proportional else budget) for k in d]
        return _line(d, at, name, _ROLES[name])

    slopes = [errors(data, TREE, d=k, budget=proportional_budget(data, k), name="slope").mean() for k in d]
    return Figure(
        name="dimension",
        title="The error over the dimension",
        caption=(
            f"{data.attrs['base_size']} points. A theorem on the best approximation has the parameters that a tree "
            f"needs grow like d − 1. Targets of more levels are harder, being composed more often; mean "
            f"|∇g| of a constituent: {', '.join(f'{s:.2f}' for s in slopes)} at d = {', '.join(map(str, d))}. {_SEEDS}"
        ),
        panels=(
            Panel(
                title=f"Parameters about {budget}",
                xlabel="dimension d",
                ylabel=ERROR,
                xscale="log",
                yscale="log",
                series=tuple(curve(name, False) for name in names),
            ),
            Panel(
                title="Parameters in proportion to d − 1",
                xlabel="dimension d",
                ylabel=ERROR,
                xscale="log",
                yscale="log",
                series=(curve(TREE, True), curve(SHALLOW, True)),
            ),
        ),
    )


def budgets(data: xr.Dataset) -> Figure | None:
    """Errors against the number of parameters."""
    here = (data["d"] == data.attrs["base_d"]) & (data["size"] == data.attrs["base_size"])
    here &= (data["target"] == "tree") & (data["wiring"] == TRUE)
    names = _architectures(data)
    budget = sorted({int(p) for p in data["budget"].values[here.values]})
    if len(budget) < 2:
        return None

    def curve(name: str) -> Line:
        counted = [float(errors(data, name, budget=p, name="parameters")) for p in budget]
        return _line(counted, [errors(data, name, budget=p) for p in budget], name, _ROLES[name])

    return Figure(
        name="budget",
        title="The error over the number of parameters",
        caption=f"d = {data.attrs['base_d']}, {data.attrs['base_size']} points. {_SEEDS}",
        panels=(
            Panel(
                title="Error",
                xlabel="parameters",
                ylabel=ERROR,
                xscale="log",
                yscale="log",
                series=tuple(curve(name) for name in names),
            ),
        ),
    )


def smoothness(data: xr.Dataset) -> Figure | None:
    """Targets whose constituents have finitely many derivatives."""
    orders = sorted({int(t.removeprefix("smooth-")) for t in data["target"].values if t.startswith("smooth-")})
    if not orders:
        return None
    n = sizes(data)

    def panel(m: int) -> Panel:
        at = {name: [errors(data, name, target=f"smooth-{m}", size=k) for k in n] for name in (TREE, SHALLOW)}
        return Panel(
            title=f"m = {m}",
            xlabel="training points n",
            ylabel=ERROR,
            xscale="log",
            yscale="log",
            series=tuple(_line(n, rows, name, _ROLES[name]) for name, rows in at.items()),
        )

    return Figure(
        name="smoothness",
        title="Constituents with m derivatives",
        caption=f"{_center(data)}. Rates in n belong to targets of finite smoothness. {_SEEDS}",
        panels=tuple(panel(m) for m in orders),
        columns=3,
    )
