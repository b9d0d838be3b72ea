"""SGD with label noise: which solution of zero error is kept?

SGD on the squared error, with fresh noise in the labels at every step, does not stay at a solution of zero error. It
moves along the solutions, down

    reg(theta) = (1/n) sum_i |grad h(x_i, theta)|^2,

and only stops where reg has no slope along them. With the loss c (h - y)^2, label noise of variance s^2, B examples a
step and step size eta, the point after t steps is that of the flow

    d theta / d tau = -P_N grad reg(theta)          at the drift time        tau = (c eta)^2 s^2 t / B,

P_N the projector onto the directions that keep zero error. One file a part of the experiment:

    drift       measures the constant (c eta)^2 s^2 / B
    escape      the first steps away from an unstable solution, and from a stable one
    sensing     recovery of a matrix of low rank
    curve       interpolation on the line by a ReLU network
    one_point   networks of tanh and of logistic units on a single point
    sparse      recovery of a sparse vector by h(v) = <x, v.v>
    stability   the test that says of a solution whether label noise would leave it (stable_points.py)

Blanc, Gupta, Valiant, Valiant, COLT 2020.
"""

from __future__ import annotations

from typing import Any

import xarray as xr

from ...assay import Assay
from . import curve, drift, escape, one_point, sensing, sparse, stable_points
from .claims import CLAIMS
from .config import Config
from .figures import figures
from .text import MATHEMATICS

PARTS = (
    (sensing.sensing, sensing.sensing_coords),
    (drift.drift, drift.drift_coords),
    (escape.escape, escape.escape_coords),
    (curve.curve, curve.curve_coords),
    (one_point.one_point, one_point.point_coords),
    (sparse.sparse, sparse.sparse_coords),
    (stable_points.stability, stable_points.stability_coords),
)
"""Every part's experiment, config -> {name: (axes, values, words)}, and the coordinates of its axes."""


def check_step_sizes(config: Config) -> None:
    """Every part's step size is stable on its data, which must be told before any long work.

    The step sizes of `drift` need no data: the configuration refuses them.

    Raises:
        UserError: a step size above its limit.
    """
    one_point.check_one_point(config)
    sparse.check_sparse(config)
    curve.check_curve(config)
    escape.check_escape(config)
    sensing.check_sensing(config)


def run(config: Config) -> xr.Dataset:
    """All parts. The variables and the axes of a part begin with its name.

    Raises:
        UserError: a step size above its limit, or too few draws that `drift` or `escape` can use.
    """
    check_step_sizes(config)
    found: dict[str, tuple[Any, ...]] = {}
    coords: dict[str, Any] = {}
    for experiment, axes in PARTS:
        found |= experiment(config)
        coords |= axes(config)
    return xr.Dataset(
        {name: (axes, values, {"long_name": words}) for name, (axes, values, words) in found.items()}, coords=coords
    )


ASSAY = Assay(
    name="label-noise",
    sentence=(
        "SGD with fresh noise in the labels leaves a solution of zero error for others at which the output depends "
        "less on the parameters, and keeps only those where this cannot fall any more."
    ),
    mathematics=MATHEMATICS,
    papers=("blanc2020", "haochen2021", "damian2021", "li2022zero"),
    profiles={
        "quick": Config(),
        "full": Config(
            drift_sets=16,
            escape_lr=(4e-3, 2e-3, 1e-3, 5e-4, 2.5e-4, 1.25e-4),
            escape_runs=64,
            sensing_large=True,
            curve_pairs=60,
            sparse_lr=5e-3,
            sparse_steps=1_200_000,
            sparse_sets=8,
            seeds=32,
        ),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=100.0,
)
