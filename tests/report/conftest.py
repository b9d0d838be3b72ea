"""A made-up assay that uses all a report can show: every series, role, scale and outcome, and some bad numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from biassay.assay import Assay
from biassay.claims import Claim, Verdict
from biassay.figures import Bars, Field, Figure, Line, Panel, Points, quantile_band

MATHEMATICS = r"""
A chain of linear maps $A = W_L \cdots W_1$ with $W_\ell \in \mathbb{R}^{w \times w}$ is trained on
$$
\mathcal{L}(\theta) = \frac{1}{2N} \sum_{(i,j) \in I} \bigl(A^*_{ij} - A_{ij}\bigr)^2
  + \lambda \lVert \theta \rVert_F^2 .
$$

### What the penalty becomes

Minimising over the layers at fixed $A$ leaves the Schatten norm of order $2/L$,

$$
\begin{aligned}
J(A) &= \frac{1}{2N} \sum_I (A^*_{ij} - A_{ij})^2 + \lambda L \sum_i s_i(A)^{2/L}, \\
\hat A &= \operatorname*{arg\,min}_A J(A) .
\end{aligned}
$$

- $s_1 \ge s_2 \ge 0$ are the singular values; a jump is $s_2 / s_1 < 10^{-4}$.
- It costs \$0 to draw `$x_1$` as code.

| step | size |
|---|---|
| $\eta$ | 0.4 |
"""

BIBTEX = {
    "wang2024jumps": """@inproceedings{wang2024jumps,
  author = {Zihan Wang and Arthur Jacot},
  title = {Implicit bias of {SGD} in {L2}-regularized linear {DNNs}: One-way jumps from high to low rank},
  booktitle = {International Conference on Learning Representations},
  year = {2024},
}"""
}

ENVIRONMENT: dict[str, Any] = {
    "biassay": "0.1.0",
    "code": "3f2a9c1d",
    "python": "3.11.7",
    "packages": {"jax": "0.10.2", "numpy": "2.4.1"},
    "devices": ["cpu:0", "cpu:1"],
}


@dataclass(frozen=True)
class DemoConfig:
    seed: int = 0
    seeds: int = 64
    epsilon: float = 0.25
    steps: tuple[float, ...] = (0.3, 0.4, 0.5)


@dataclass(frozen=True)
class DemoResult:
    name: str
    assay: Assay
    config: DemoConfig
    profile: str
    seconds: float
    cached: bool
    data: xr.Dataset
    verdicts: tuple[Verdict, ...]
    environment: dict[str, Any]


def demo_run(config: DemoConfig) -> xr.Dataset:
    rng = np.random.default_rng(config.seed)
    step = np.arange(0, 50_000, 500)
    jump = rng.exponential(15_000, config.seeds)
    ratio = np.where(step < jump[:, None], 0.23 * np.exp(0.1 * rng.normal(size=(config.seeds, step.size))), 1e-6)
    ratio[3, 40:] = np.nan
    return xr.Dataset(
        {
            "ratio": (("seed", "step"), ratio),
            "jumped": ("seed", jump < 50_000),
            "gap": ("seed", rng.exponential(3e-9, config.seeds)),
            "error": ("seed", np.where(np.arange(config.seeds) == 3, np.nan, rng.normal(0.1, 0.05, config.seeds))),
        },
        {"step": step, "seed": np.arange(config.seeds)},
    )


def demo_claim(name: str, says: str, **parts: Any) -> Claim:
    common: dict[str, Any] = {
        "cite": "wang2024jumps",
        "provenance": "seed",
        "control": lambda data: np.zeros(data.sizes["seed"]),
        "control_says": "gradient descent from the same start",
    }
    return Claim(name=name, says=says, **(common | parts))


DEMO_CLAIMS = (
    demo_claim(
        "jump-happens", "Almost every run of SGD jumps to rank one.",
        measure=lambda data: data["jumped"], statistic="proportion", region=(0.85, 1.0), recorded="holds",
    ),
    demo_claim(
        "min-norm", "The solution is the interpolant of least norm, to rounding.", provenance="derived",
        measure=lambda data: data["gap"], region=(-math.inf, 1e-7), statistic="every", unit="relative",
        control=lambda data: data["gap"] + 0.31, control_says="the same problem from a start outside the span",
    ),
    demo_claim(
        "small-error", "The test error after the jump lies below five per cent.", provenance="read",
        measure=lambda data: data["error"][4:], region=(-math.inf, 0.05), recorded="holds",
        control=lambda data: data["error"][4:] + 0.6, control_says="training stopped before the jump",
    ),
    demo_claim(
        "no-return", "No run returns to a higher rank.", cite="wang2024jumps, unknown2020",
        measure=lambda data: data["error"], region=(-math.inf, 0.3), provenance="memory",
        control=lambda data: np.full(3, 0.9), control_says="isotropic noise of the same size", unit="per run",
        premise=lambda data: np.ones(data.sizes["seed"]), premise_says="the run jumped before the end",
    ),
    demo_claim(
        "flat", "Stochastic noise finds flatter minima.",
        measure=lambda data: data["ratio"][:, -1], region=(0.0, 1.0), control=lambda data: np.full(64, 0.4),
    ),
    demo_claim(
        "lost", "The comparison can be made.",
        measure=lambda data: data["gap"], region=(1.0, math.inf), control=lambda data: np.full(5, np.nan),
    ),
)  # fmt: skip


def demo_figures(data: xr.Dataset) -> tuple[Figure, ...]:
    step, ratio = data["step"].values, data["ratio"].values
    decay = np.exp(-step / 2e4)
    gap = np.where((step > 2e4) & (step < 2.5e4), np.nan, decay)
    names = ("gradient descent", "SGD", "label noise")
    grid = np.linspace(-1.5, 1.5, 41)
    landscape = np.hypot(*np.meshgrid(grid, grid)) ** 2 - 1
    landscape[:3, :3] = np.nan
    jumps = Figure(
        name="jumps", title="Rank falls and does not rise",
        caption="Median ratio of singular values with the central 90 % of seeds; the claimed region is shaded.",
        panels=(
            Panel(
                title="Ratio of singular values along training", xlabel="step", ylabel="s₂ / s₁", yscale="log",
                region=(0.0, 1e-4),
                series=(
                    quantile_band(step, ratio, "SGD"),
                    Line(step, 0.23 + 0 * step, "gradient descent (control)", "control"),
                    Line(step, np.full(step.size, 3e-2), "display threshold", "reference"),
                ),
            ),
            Panel(
                title="Every role, with a gap in the second", xlabel="step", ylabel="quantity", region=(0.6, math.inf),
                region_label="claimed: at least 0.6",
                series=(
                    Line(step, decay, "result", "result", decay - 0.05, decay + 0.05),
                    Line(step, gap * 0.85, "second", "second", gap * 0.8, gap * 0.9),
                    Line(step, decay * 0.7, "third", "third"),
                    Line(step, decay * 0.55, "fourth", "fourth"),
                    Line(step, decay * 0.4, "control", "control"),
                    Line(step, decay * 0.25, "reference", "reference"),
                ),
            ),
        ),
    )  # fmt: skip
    rates = Figure(
        name="rates", title="How often, and where",
        caption="Left: share of runs that jumped. Right: jump rate against step size on logarithmic axes.",
        panels=(
            Panel(
                title="Share of runs that jumped", xlabel="", ylabel="share of runs", region=(0.9, 1.0), ylim=(0, 1.05),
                series=(
                    Bars(names, (0.02, 0.95, 0.6), "λ = 0.024", "result", (0.0, 0.88, 0.5), (0.08, 0.99, 0.7)),
                    Bars(names, (0.01, 0.7, 0.4), "λ = 0.022", "second", (0.0, 0.6, 0.3), (0.06, 0.8, 0.5)),
                    Bars(names, (0.02, 0.03, np.nan), "one step size (control)", "control"),
                ),
            ),
            Panel(
                title="Rate of jumps against step size", xlabel="η", ylabel="jumps per step", xscale="log",
                yscale="log", region=(1e-4, 2.3e-4),
                series=tuple(
                    Points([0.2, 0.3, 0.4, 0.5], np.array([0.1, 0.6, 1.1, 1.6]) * 1e-4 / k, role, role,
                           np.array([0.0, 0.4, 0.9, 1.4]) * 1e-4 / k, np.array([0.3, 0.9, 1.4, 1.9]) * 1e-4 / k)
                    for k, role in enumerate(("result", "second", "third", "fourth", "control", "reference"), 1)
                ),
            ),
            Panel(
                title="Points at named optimizers", xlabel="optimizer", ylabel="distance to the least norm",
                yscale="log", region=(-math.inf, 1e-8),
                series=(
                    Points(names, (3e-10, 2e-9, 0.4), "from zero", "result", (1e-10, 1e-9, 0.3), (1e-9, 4e-9, 0.5)),
                    Points(names, (0.3, np.inf, 0.7), "from a random start (control)", "control"),
                ),
            ),
            Panel(
                title="Landscape with its level lines", xlabel="a", ylabel="b", equal_aspect=True,
                series=(
                    Field(grid, grid, landscape, "loss", (0.0, 1.0)),
                    Line(grid, 0.3 * grid, "path", "result"),
                    Points([0.0, 1.0], [0.0, 0.3], "minima", "second"),
                ),
            ),
        ),
    )  # fmt: skip
    return jumps, rates


DEMO_ASSAY = Assay(
    name="rank-jumps",
    sentence="SGD on an L2-regularized deep linear network goes down in rank and never up.",
    mathematics=MATHEMATICS,
    papers=("wang2024jumps",),
    profiles={"quick": DemoConfig()},
    run=demo_run,
    claims=DEMO_CLAIMS,
    figures=demo_figures,
)


def finished(assay: Assay, config: DemoConfig | None = None) -> DemoResult:
    """The assay run and judged."""
    config = config or DemoConfig()
    data = assay.run(config)
    return DemoResult(assay.name, assay, config, "quick", 12.3, False, data, assay.judge(data), ENVIRONMENT)


@pytest.fixture(scope="session")
def result() -> DemoResult:
    return finished(DEMO_ASSAY, DemoConfig(epsilon=0.5, steps=(0.3, 0.4)))


@pytest.fixture(scope="session")
def figures(result: DemoResult) -> tuple[Figure, ...]:
    return demo_figures(result.data)


@pytest.fixture(scope="session")
def bibtex() -> dict[str, str]:
    return BIBTEX


@pytest.fixture(scope="session")
def hostile() -> DemoResult:
    """An assay every word of which tries to be markup."""
    attack = "<script>alert(1)</script>"
    panel = Panel(
        title=attack, xlabel=attack, ylabel=f"${attack}$", region=(0.0, 1.0), region_label=attack,
        series=(Points((attack, "</script>"), (0.1, 0.2), attack), Bars((attack,), (0.4,), attack)),
    )  # fmt: skip
    claim = demo_claim(
        attack, attack, cite=attack, control_says=attack, unit=attack, region=(0.5, 1.0), recorded="fails",
        measure=lambda data: data["jumped"], statistic="proportion",
        premise=lambda data: np.ones(64), premise_says=attack,
    )  # fmt: skip
    assay = replace(
        DEMO_ASSAY, name=attack, sentence=attack, papers=(attack,), claims=(claim,),
        mathematics=f"{attack} $\\text{{{attack}}}$ $$\n{attack}\n$$ ![x](https://example.org/x.png) `{attack}`",
        figures=lambda data: (Figure(name=attack, title=attack, caption=attack, panels=(panel,)),),
    )  # fmt: skip
    return replace(finished(assay), environment={attack: attack})


@pytest.fixture(scope="session")
def other() -> DemoResult:
    """A second assay without figures, read from the store."""
    claims = DEMO_CLAIMS[:2]
    assay = replace(DEMO_ASSAY, name="min-norm", sentence="Gradient methods from zero find the interpolant of least "
                    "norm if they stay in the span of the data.", claims=claims, figures=lambda data: ())  # fmt: skip
    return replace(finished(assay), cached=True)
