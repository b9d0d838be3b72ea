"""SGD with weight decay lowers the rank of the weights; batch size and step size matter through lr wd T.

T. Galanti, Z. Siegel, A. Gupte, T. Poggio, arXiv 2206.05794. SGD without momentum, W <- W - lr (G + wd W), forgets:
unrolled over the last k of T steps,

    W_T = (1 - lr wd)^k W_{T-k} - lr sum_{i=1..k} (1 - lr wd)^{i-1} G_{T-i},        rank G <= B for a batch of B.

    bound     for every k with B k below full rank: s_{B k + 1}(W_T) <= (1 - lr wd)^k |W_{T-k}|_F, checked on whole runs
              in double precision (`identity`), and whether it says anything of a network that learns;
    sweep     the rank of the hidden matrices (64, 64) of a network 64-64-64-64-10 on the digits, over batch size, step
              size and weight decay (`sweep`). lr wd T counts the forgetting times. Equal epochs at another batch size,
              or equal steps at another step size, are other lr wd T: verdicts are made at equal ones;
    rank two  whether long training ends at rank two (Chen, Yi and Yang, arXiv 2410.02176), with ten outputs and one.

The rank is the number of singular values of W / |W|_F above a tolerance: .01 and .05, both are shown. wd is the
optimiser's decay; a penalty lambda |W|^2 is wd = 2 lambda.
"""

from __future__ import annotations

import xarray as xr

from ...assay import Assay
from .bound_runs import identity
from .claims import CLAIMS
from .config import Config
from .digits_data import examples
from .figures import figures
from .on_cifar import cifar_study
from .on_digits import one_output, sweep
from .text import MATHEMATICS


def run(config: Config) -> xr.Dataset:
    """The sweep, the network with one output (`single_...`), the bound (`bound_...`), and CIFAR-10 (`cifar_...`).

    Raises:
        UserError: CIFAR-10 is asked for and cannot be had.
    """
    # CIFAR-10 comes first: where it cannot be had, that is told before anything is trained.
    cifar = [cifar_study(config)] if config.cifar else []
    data = examples(config.seed, config.seeds, config.train)
    found = xr.merge([sweep(config, data), one_output(config, data), identity(config, data), *cifar], join="exact")
    for name in found.data_vars:
        found[name].attrs["units"] = "steps" if name in STEPS else "1"
    return found


STEPS = ("steps", "equal_epochs", "equal_time", "equal_steps", "single_steps")

ASSAY = Assay(
    name="low-rank",
    sentence=(
        "SGD with weight decay lowers the rank of the weight matrices, and is said to lower it the more the smaller "
        "the batch and the larger the step size."
    ),
    mathematics=MATHEMATICS,
    papers=("galanti2022rank", "chen2024ranktwo"),
    profiles={
        "quick": Config(),
        "full": Config(seeds=16, identity_seeds=8, identity_batches=(1, 2, 4, 16, 64), cifar=True),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=70.0,
)
