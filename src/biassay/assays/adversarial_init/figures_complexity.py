"""The figures of the complexity of the found minima: who is the most complex, and which measures rank as tests do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from ...figures import Figure, Panel, Points, Role
from .claims_complexity import JUDGED, PERMUTATIONS, RANKING, permuted, ranked, ranked_without_decay, sizes
from .figures_seeds import INTERVAL, points

SETUPS: tuple[tuple[str, str, Role], ...] = (
    ("S2", "adversarial start (S2)", "result"),
    ("NC2", "norm-matched start (NC2)", "control"),
    ("S3[M+L2]", "repaired, M + L2", "second"),
)
MISRANKING = {
    "1 / margin": "INVERSE_MARGIN",
    "distance": "FRO_DIST",
    "PAC-Bayes\nof distance": "PACBAYES_INIT",
}
"""Measures that a bad minimum is small in, or a repaired one large."""

RANKINGS: tuple[tuple[Callable[[xr.Dataset, str], np.ndarray], str, Role], ...] = (
    (ranked, "measure against test error, all set-ups", "result"),
    (ranked_without_decay, "set-ups without weight decay", "second"),
    (permuted, f"permuted among the set-ups (mean of {PERMUTATIONS})", "control"),
)


def figures_complexity(data: xr.Dataset) -> tuple[Figure, ...]:
    """The measures of S2 and its controls, and the rankings of all set-ups."""
    return _most_complex(data), _rankings(data)


def _most_complex(data: xr.Dataset) -> Figure:
    def panel(title: str, measures: dict[str, str]) -> Panel:
        found = sizes(data, *measures.values()).transpose("setup", "seed", "measure")
        factors = found / found.sel(setup="S0")
        series = tuple(
            _over_seeds(list(measures), factors.sel(setup=name), words, role) for name, words, role in SETUPS
        )
        level = Points(list(measures), np.ones(len(measures)), "random start (S0)", "reference")
        return Panel(
            title=title,
            xlabel="measure",
            ylabel="factor to the random start (S0)",
            series=(*series, level),
            yscale="log",
        )

    return Figure(
        name="complexity",
        title="Complexity of the found minima, beside a random start of the same scale",
        caption="Complexity measures of the found minima (MLP) over those of S0 on the same seed, as sqrt(v / m). "
        "Mark: geometric mean over seeds; bars: the range over the seeds. Left: the measures claimed to be largest "
        "at S2; where NC2, which memorised nothing, is as large, a measure sees the scale of the weights. Right: the "
        "raw margin, and distances from the random initialisation, from which a repaired minimum may be far as well.",
        panels=(panel("Measures with a claim", JUDGED), panel("Raw margin and distances", MISRANKING)),
    )


def _over_seeds(names: Sequence[str], factors: xr.DataArray, label: str, role: Role) -> Points:
    """The geometric mean and the range over seeds of factors (seed, measure)."""
    values = np.asarray(factors, float)
    return Points(names, np.exp(np.log(values).mean(0)), label, role, values.min(0), values.max(0))


def _rankings(data: xr.Dataset) -> Figure:
    numbers = {str(name): int(number) for name, number in zip(data.measure.values, data.equation.values, strict=True)}
    first = {str(number): name for name, number in sorted(numbers.items(), key=lambda item: item[1]) if number}
    second = {name.removeprefix("PRODUCT_"): name for name, number in numbers.items() if not number}

    def panel(title: str, xlabel: str, measures: dict[str, str], region: tuple[float, float] | None = None) -> Panel:
        series = tuple(
            points(list(measures), _by_measure(rank, data, measures), words, role) for rank, words, role in RANKINGS
        )
        return Panel(
            title=title,
            xlabel=xlabel,
            ylabel="Kendall's τ over set-ups",
            series=series,
            region=region,
            region_label="claimed for 31, 36, 43, 49, 53",
            ylim=(-0.6, 1.0),
        )

    return Figure(
        name="complexity-ranks",
        title="Which measures rank the set-ups as their test errors do",
        caption="Kendall's τ between a measure and the test error over the set-ups trained on the true labels (MLP), "
        "seed by seed; 1 is the same order, 0 none. Those without weight decay are ranked by themselves too, as decay "
        "alone shrinks every norm. Above by the number of the equation in arXiv 1912.02178 (22: the "
        "raw margin; 40, 41, 48: distances), below the second family, products of norms over the margin. A measure "
        f"that is the same for all set-ups (20) or not defined on every seed has no mark. {INTERVAL}.",
        panels=(
            panel("Measures by equation", "number of the equation", first, RANKING),
            panel("Second family", "measure", second),
        ),
        columns=1,
    )


def _by_measure(
    rank: Callable[[xr.Dataset, str], np.ndarray], data: xr.Dataset, measures: dict[str, str]
) -> xr.DataArray:
    ranks = xr.DataArray(np.stack([rank(data, name) for name in measures.values()], 1), dims=("seed", "measure"))
    return ranks.where(ranks.notnull().all("seed"))
