"""A single ReLU neuron: a bias that no function of the parameters describes.

f(x) = relu(w . x) with the square loss L(w) = 1/2 sum_i (relu(w . x_i) - y_i)^2, w of shape (d,), points as rows of X.

    R1  no function R(w) has the limits of gradient flow from small starts as its minimum over the zero-loss set: on the
        `witness`, three points in R^3, the limit depends on a parameter g that the zero-loss set does not know;
    R2  yet the limit is never larger than twice the smallest zero-loss solution (`random_sets`);
    R3  of a network with one hidden layer, f(x) = sum_i v_i relu(w_i . x), gradient flow conserves
        D_i = |w_i|^2 - v_i^2 in every hidden unit (`balance`): balancedness is what can be said in general.

Vardi and Shamir 2021 for R1 to R3; Du, Hu and Lee 2018 for balancedness.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...assay import Assay
from .balance import OPTIMIZERS, balance
from .claims import CLAIMS
from .config import Config
from .figures import figures
from .random_sets import SOLUTIONS, STARTS, random_sets
from .text import MATHEMATICS
from .witness import G_CURVE, LRS, SEGMENT, START_SCALES, exact, gradient_descent, gradient_flow, linear_neuron


def run(config: Config) -> xr.Dataset:
    """The witness under flow and descent, the random sets, and the networks."""
    found = {
        **gradient_flow(config),
        **gradient_descent(config),
        **linear_neuron(config),
        **exact(config),
        **random_sets(config),
        **balance(config),
    }
    return xr.Dataset(
        {name: (axes, value, {"long_name": words}) for name, (axes, value, words) in found.items()},
        coords={
            "g": ("g", list(config.g), {"long_name": "g of x₃ = (0, g, g)"}),
            "alpha": ("alpha", list(config.scales), {"long_name": "scale α of the labels"}),
            "entry": [1, 2, 3],
            "lr": ("lr", list(LRS), {"long_name": "step size"}),
            "s": ("s", SEGMENT, {"long_name": "third entry of α (5, −1, s) / α"}),
            "g_curve": ("g_curve", G_CURVE, {"long_name": "g of x₃ = (0, g, g)"}),
            "start_scale": ("start_scale", START_SCALES, {"long_name": "ε of the start ε Xᵀy"}),
            "set": np.arange(config.seed, config.seed + config.sets),
            "start": list(STARTS),
            "solution": list(SOLUTIONS),
            "seed": np.arange(config.seed, config.seed + config.seeds),
            "optimizer": list(OPTIMIZERS),
            "balance_lr": ("balance_lr", list(config.balance_lr), {"long_name": "step size"}),
        },
        attrs={"decay_factor": float(np.exp(-2 * config.decay * config.balance_time))},
    )


ASSAY = Assay(
    name="relu-neuron",
    sentence=(
        "For a single ReLU neuron no function of the parameters describes where gradient flow ends, although the "
        "limit is never larger than twice the smallest solution."
    ),
    mathematics=MATHEMATICS,
    papers=("vardi2021relu", "du2018balanced"),
    profiles={
        "quick": Config(),
        "full": Config(
            g=tuple(float(g) for g in np.arange(0.75, 3.75, 0.25)),
            sets=600,
            set_steps=200_000,
            balance_lr=(0.1, 0.03, 0.01, 0.003),
        ),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=15.0,
)
