"""Overparameterization: how gradient descent walks to a solution, and how wide a network must be to have one.

Part one, least squares f(theta) = y with n equations and p > n parameters, J = df/dtheta of shape (n, p), r = f - y:
gradient descent converges to a global minimum at a geometric rate, ends close to the nearest one, on a path of length
at most |r_0| / alpha, where alpha <= sigma(J) <= beta along the path (Oymak and Soltanolkotabi, ICML 2019; Liu, Zhu
and Belkin, arXiv:2003.00307). Is the path the shortest one, as the title asks?

Part two, one hidden ReLU layer on n random labels: widths n, n^{3/2}, n^2, n^6 and n^8 were proved to suffice. How
many neurons does training need, under a budget of steps that is spelled out?

Conventions: in part one the loss is |r|^2 / 2, a sum over the points, and the step size is that of
theta <- theta - eta J^T r (the problem names the sum as its aggregate). In part two it is the mean of (f - y)^2.
"""

from __future__ import annotations

import xarray as xr

from ...assay import Assay
from .claims import CLAIMS
from .config import Config
from .figures import figures
from .shortest_path import measure_paths
from .text import MATHEMATICS
from .width_law import measure_widths


def run(config: Config) -> xr.Dataset:
    """Both parts; the axes of the first are (seed, m, checkpoint), those of the second begin with law_."""
    return xr.merge([measure_paths(config), measure_widths(config)])


ASSAY = Assay(
    name="overparameterization",
    sentence=(
        "In an overparameterized network gradient descent finds a global minimum, close to the nearest one, along "
        "a path that is hardly longer than a linear model's; it needs fewer neurons than were proved to suffice."
    ),
    mathematics=MATHEMATICS,
    papers=("oymak2019shortest", "liu2020landscapes", "song2021subquadratic", "lecture_sgd"),
    profiles={
        "quick": Config(),
        "full": Config(
            wide=(100, 400, 1600),
            steps=10_000,
            law_n=(16, 32, 64, 128, 256, 512, 1024),
            widths=(3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200),
            adam_budgets=(500, 1_000, 2_000, 4_000, 8_000, 16_000),
            gd_n=(64, 128, 256, 512, 1024),
            gd_lr=(0.005, 0.01, 0.02, 0.05, 0.1),
            gd_budgets=(500, 1_000, 2_000, 4_000, 8_000, 16_000),
            batches=(8, 32),
            theory_exponents=(1.0, 1.5, 2.0, 3.0),
        ),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=60.0,
)
