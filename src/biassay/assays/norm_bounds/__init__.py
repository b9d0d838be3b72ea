"""Norm-based bounds of convolutional networks are orders of magnitude below the classical bounds of dense ones.

M. Xu, A. Rangamani, Q. Liao, T. Galanti, T. Poggio, Research 6:0024, 2023; the bounds are those of Golowich, Rakhlin
and Shamir (dense) and of Galanti, Xu, Galanti and Poggio (convolutional), as recalled, the peeling re-derived.

A bias-free ReLU network of L layers, m images x_i with pixels x_{i,j}; T_l the Toeplitz matrix of convolution l, which
has #loc_l locations and sees deg_l = k_l^2 places, w_l its filters, C0 the number of pixels:

    dense         prod_l |T_l|_F (sqrt(2 L ln 2) + 1) sqrt(sum_i |x_i|^2) / m
    convolutional prod_l |w_l|_F (1 + sqrt(2 (L ln 2 + sum_{l<L} ln deg_l + ln C0))) sqrt(prod_l deg_l max_j sum_i
                  |x_{i,j}|^2) / m
    dense / convolutional = closed form(geometry) x padding factor(weights) x pixel factor(images), exactly.

Networks are trained in single precision, norms and bounds are computed in double precision.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...assay import Assay
from .claims import CLAIMS
from .config import Config
from .figures import figures
from .image_sizes import LARGE_DESIGNS, SIDES, closed_forms
from .networks import DENSE, DESIGNS
from .on_cifar import cifar_study, coordinates
from .on_digits import LAYERS, digits_study
from .text import MATHEMATICS
from .training import SIDE


def run(config: Config) -> xr.Dataset:
    """The networks on the digits, the closed forms on larger images, and CIFAR-10's networks.

    Raises:
        UserError: CIFAR-10 is asked for and cannot be had.
    """
    # CIFAR-10 comes first: where it cannot be had, that is told before anything is trained.
    cifar = cifar_study(config) if config.cifar else {}
    found = {**digits_study(config), **closed_forms(), **cifar}
    pixels = np.arange(1, SIDE + 1)
    return xr.Dataset(
        {name: (axes, value, {"long_name": words, "units": "1"}) for name, (axes, value, words) in found.items()},
        coords={
            "seed": np.arange(config.seed, config.seed + config.seeds),
            "network": [*DESIGNS, DENSE],
            "cnn": list(DESIGNS),
            "layer": ("layer", np.arange(1, LAYERS + 1), {"long_name": "layer, the top last"}),
            "row": pixels,
            "column": pixels,
            "side": ("side", list(SIDES), {"long_name": "side of the images", "units": "pixels"}),
            "large_cnn": list(LARGE_DESIGNS),
            **(coordinates(config) if config.cifar else {}),
        },
        attrs={"train": config.train, "delta": config.delta, "small_rho": config.small_rho},
    )


ASSAY = Assay(
    name="norm-bounds",
    sentence=(
        "Norm-based bounds of convolutional networks are orders of magnitude below the classical bounds of dense "
        "networks."
    ),
    mathematics=MATHEMATICS,
    papers=("xu2023dynamics", "galanti2023sparse", "golowich2017"),
    profiles={"quick": Config(), "full": Config(seeds=6, cifar=True)},
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float32",
    seconds=18.0,
)
