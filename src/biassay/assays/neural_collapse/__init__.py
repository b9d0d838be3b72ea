"""Neural collapse: at the end of training the features of a class become one point, and the points a simplex.

M. Xu, A. Rangamani, Q. Liao, T. Galanti, T. Poggio, Research 6:0024 (2023), predict it for deep homogeneous ReLU
networks trained with the square loss, normalised layers and weight decay.

A bias-free network f(x) = W_L h(x), h(x) = relu(W_(L-1) ... relu(W_1 x)) in R^p, x in R^64, is trained on n digits,
n / 10 of each of the C = 10 classes, by SGD with momentum on |f(x) - e_y|^2. With M (C, p) the centred class means of h
and S_W, S_B (p, p) the covariances within and between the classes:

    NC1  tr S_W / tr S_B -> 0        NC2  M M^T ~ I - 11^T / C        NC3  W_L ~ M

Conventions: the loss is the mean over a batch of the squared error summed over the outputs; v <- beta v + g + wd w,
w <- w - lr v. Everything is float32. `network` has the network and its probes, `training` the runs.
"""

from __future__ import annotations

import xarray as xr

from ...assay import Assay
from .claims import CLAIMS
from .config import Config
from .figures import figures
from .text import MATHEMATICS
from .training import trained


def run(config: Config) -> xr.Dataset:
    """Every arm on every seed."""
    return trained(config)


ASSAY = Assay(
    name="neural-collapse",
    sentence=(
        "Under the square loss with weight decay a deep ReLU network is predicted to end in neural collapse: the "
        "features of every class become one point, the points a simplex, and the last layer these points."
    ),
    mathematics=MATHEMATICS,
    papers=("xu2023dynamics", "papyan2020collapse", "han2022collapse"),
    profiles={"quick": Config(), "full": Config(seeds=20, records=48)},
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float32",
    seconds=80.0,
)
