"""Splitting by thresholding and gradient descent in turns trains networks with exact zeros, and finds a sparse truth.

RVSM, the relaxed variable splitting method of Dinh and Xin 2018, keeps two copies of the weights, w (d,) and u (d,):

    L_beta(u, w) = L(w) + lambda P(u) + (beta/2)|w - u|^2,
    u <- prox_{lambda/beta}(w),     w <- w - eta grad L(w) - eta beta (w - u),     optionally w <- w/|w|,

with the penalties P = l1, l0 and transformed l1. L is the population risk of f(w, x) = (1/k) sum_j relu(w . x_j)
against a sparse truth w* (`neuron`), where the limit is known to first order (`predictions`):

    R1  it finds the truth's support from random starts;
    R2  u tends to the thresholded truth, up to a bias that is small with lambda;
    R3  the penalties trade accuracy for sparsity differently; also on a small network for the digits (`digits_cnn`).
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...assay import Assay
from .claims import CLAIMS
from .config import Config
from .digits_cnn import NETWORKS, digits_cnn
from .figures import figures
from .neuron import COMPARISONS, PATHS, VARIANTS, neuron
from .predictions import PENALTIES
from .text import MATHEMATICS

_ATTRIBUTES = ("k", "d", "nonzeros", "shape", "lr", "unstable_lr", "steps", "edge_steps")


def run(config: Config) -> xr.Dataset:
    """The neuron from all starts, and the network on the digits."""
    found = {**neuron(config), **digits_cnn(config)}
    return xr.Dataset(
        {name: (axes, value, {"long_name": words}) for name, (axes, value, words) in found.items()},
        coords={
            "compare": list(COMPARISONS),
            "penalty": list(PENALTIES),
            "variant": list(VARIANTS),
            "beta": ("beta", list(config.all_betas), {"long_name": "spring β"}),
            "lam": ("lam", list(config.all_lams), {"long_name": "weight λ of the penalty"}),
            "seed": np.arange(config.seed, config.seed + config.seeds),
            "path": list(PATHS),
            "cnn_seed": np.arange(config.seed, config.seed + config.cnn_seeds),
            "cnn_lam": ("cnn_lam", [0.0, *sorted(config.cnn_lams)], {"long_name": "weight λ of the penalty"}),
            "network": list(NETWORKS),
        },
        attrs={name: getattr(config, name) for name in _ATTRIBUTES},
    )


ASSAY = Assay(
    name="sparse-splitting",
    sentence=(
        "Thresholding and gradient descent in turns train a network with exact zeros: they find the support of a "
        "sparse truth, and the limit is the truth under a thresholding."
    ),
    mathematics=MATHEMATICS,
    papers=("dinh2018splitting",),
    profiles={
        "quick": Config(),
        "full": Config(betas=(0.004, 0.01, 0.02, 0.04), lams=(1e-5, 1e-4, 2e-4, 1e-3, 2e-3)),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=25.0,
)
