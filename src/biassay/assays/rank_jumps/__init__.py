"""SGD on an L2-regularized deep linear network jumps from high rank to low rank, and never back.

A = W_L ... W_1 with W_1 (w, 2), W_L (2, w) and (w, w) between; w = 2 except where the width is the subject. Three of
the four entries of A are observed: 1, epsilon and 1 at (0, 0), (1, 0) and (1, 1). The paper minimises

    1/(2N) sum over observed (A_ij - y_ij)^2 + lambda |theta|^2,  N = 3,

by theta <- (1 - 2 eta lambda) theta - (eta/2) grad (A_ij - y_ij)^2 with (i, j) uniform. In the package's convention
this is SGD of batch size 1, drawn independently, on l = (A_ij - y_ij)^2 / 2 with lr = eta and weight_decay = 2 lambda.

Runs start at the rank-2 minimum that gradient descent finds. `experiments` has the experiments in order.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...assay import Assay
from . import experiments
from .claims import CLAIMS
from .config import Config
from .figures import figures
from .text import MATHEMATICS


def run(config: Config) -> xr.Dataset:
    """Landscape and gradient descent, the jump map, and the experiments that take it apart."""
    setting = experiments.Setting(config)
    variables, cells, demo, forced = experiments.settled(setting)
    variables |= experiments.jump_map(setting, cells)
    variables |= experiments.depth_two(setting)
    variables |= experiments.offshoots(setting, demo)
    variables |= experiments.forced_column(setting, forced)
    variables |= experiments.langevin(setting)
    variables |= experiments.adversarial(setting)
    variables |= experiments.closure(setting)
    variables |= experiments.width(setting, demo)
    coordinates = {
        "seed": (range(config.seed, config.seed + config.seeds), "seed"),
        "trial": (range(config.seed, config.seed + config.trials), "seed of the claims about rare events"),
        "eta": (config.etas, "step size"),
        "lambda": (config.lambdas, "coefficient of the squared norm of the parameters"),
        "forced": (config.forced_steps, "steps with entries of column 0 only"),
        "sigma": (config.sigmas, "standard deviation of the noise in a parameter and step"),
        "planted_s2": (config.adversarial_s2, "largest second singular value at the start"),
        "stage": (["main run", *(f"lambda {value:g}" for value in config.anneal_lambdas)], "part of the run"),
    }
    data = xr.Dataset(coords={name: (name, list(axis), {"long_name": w}) for name, (axis, w) in coordinates.items()})
    for name, (dimensions, values, words) in variables.items():
        data[name] = (dimensions, np.asarray(values), {"long_name": words})
    data["trial_steps"] = ((), config.trial_steps, {"long_name": "steps of a trial"})
    data["epsilon"] = ((), config.epsilon, {"long_name": "observed value at (1, 0)"})
    return data.set_coords(["closure_eta", "closure_lambda", "trial_steps", "epsilon"])


ASSAY = Assay(
    name="rank-jumps",
    sentence=(
        "SGD on an L2-regularized deep linear network jumps from a minimum of high rank to one of low rank, and "
        "never back."
    ),
    mathematics=MATHEMATICS,
    papers=("wang2024jumps",),
    profiles={
        "quick": Config(),
        "full": Config(
            seeds=256, trials=1536, etas=(0.2, 0.3, 0.4, 0.5), lambdas=(0.02, 0.022, 0.024), steps=1_000_000
        ),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=20.0,
)
