"""Under the square loss the scale of a normalised network follows from its margins, and SGD should keep moving.

M. Xu, A. Rangamani, Q. Liao, T. Galanti, T. Poggio, "Dynamics in Deep Classifiers Trained with the Square Loss:
Normalization, Low Rank, Neural Collapse, and Generalization Bounds", Research 6:0024, 2023.

A network without biases is f_W(x) = rho f_V(x), with layers V_k of unit Frobenius norm and rho = prod_k |W_k|. Labels
are y_n = +-1, margins m_n = y_n f_V(x_n), mu and M the means of m_n and m_n^2.

    flow                rho' = -2 (rho M - mu) - 2 lambda rho, drawn to mu / (M + lambda)            `rho_flow`
    normalisation       weight normalization with |v| = 1 is the flow with Lagrange multipliers      `rho_flow`
    balance             (rho_k^2 - rho_j^2)' = -2 wd (rho_k^2 - rho_j^2) without normalisation       `balance`
    noise               |W_{t+1} - W_t| / |W_t| at the end, by batch size and weight decay           `noise`
    CIFAR-10            rho and margins by the norm at the start; noise of a deep network            `on_cifar`

Neural collapse, which the same paper speaks of, is another assay. All on digits is float64: single precision hides the
full batch's floor.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...assay import Assay
from .balance import descent, law
from .claims import CLAIMS
from .config import Config
from .figures import figures
from .noise import BATCHES, relu_noise, smooth_noise
from .noise_on_cifar import noise_study
from .on_cifar import cifar_study
from .rho_flow import flow_times, lagrange_flow, weight_normalization
from .text import MATHEMATICS


def run(config: Config) -> xr.Dataset:
    """The flows, the layers, the noise, and CIFAR-10's variables `cifar_...` and `noise_cifar_...` if asked for.

    Raises:
        UserError: CIFAR-10 is asked for and cannot be had.
    """
    # CIFAR-10 comes first: where it cannot be had, that is told before anything is trained.
    cifar = [study(config) for asked, study in _studies(config) if asked]
    found = {
        **lagrange_flow(config),
        **weight_normalization(config),
        **descent(config),
        **law(config),
        **relu_noise(config),
        **smooth_noise(config),
    }
    data = xr.Dataset(
        {name: (axes, value, {"long_name": words}) for name, (axes, value, words) in found.items()},
        coords={
            "seed": np.arange(config.seed, config.seed + config.seeds),
            "lam": ("lam", list(config.lams), {"long_name": "λ of the penalty λ ρ²"}),
            "flow_time": ("flow_time", flow_times(config), {"long_name": "time"}),
            "norm": ("norm", [1.0, config.long_norm], {"long_name": "norm ‖v‖ of weight normalization"}),
            "wd": ("wd", list(config.decays), {"long_name": "weight decay"}),
            "law_wd": ("law_wd", [0.0, config.law_decay], {"long_name": "weight decay"}),
            "batch": list(BATCHES),
            "relu_wd": ("relu_wd", list(config.relu_decays), {"long_name": "weight decay"}),
            "smooth_wd": ("smooth_wd", list(config.smooth_decays), {"long_name": "weight decay"}),
        },
        attrs={
            "noise_lr": config.noise_lr,
            "noise_batch": config.batch,
            "noise_images": config.images,
            "noise_samples": config.samples,
        },
    )
    for part in cifar:
        for name in (*part.data_vars, *part.coords):
            part[name].attrs["long_name"] = LONG_NAMES[str(name)]
    return xr.merge([data, *cifar], join="exact", combine_attrs="override")


def _studies(config: Config) -> tuple:
    return (config.cifar, cifar_study), (config.noise_cifar, noise_study)


LONG_NAMES = {
    "cifar_rho": "CIFAR-10: product ρ of the layers' norms",
    "cifar_mu": "CIFAR-10: mean μ of the margins",
    "cifar_M": "CIFAR-10: mean M of the squared margins",
    "cifar_train": "CIFAR-10: train accuracy",
    "cifar_test": "CIFAR-10: test accuracy",
    "cifar_margins": "CIFAR-10: quantiles of the margins at the end",
    "cifar_seed": "seed",
    "cifar_arm": "norm of a layer at the start, or share of random labels",
    "cifar_wd": "weight decay",
    "cifar_epoch": "epochs",
    "cifar_share": "share of the images",
    "noise_cifar_displacement": "CIFAR-10: relative displacement per epoch",
    "noise_cifar_seed": "seed",
    "noise_cifar_loss": "loss",
    "noise_cifar_lr": "step size",
    "noise_cifar_wd": "weight decay",
    "noise_cifar_epoch": "epochs",
}

ASSAY = Assay(
    name="square-loss",
    sentence=(
        "Under the square loss the scale of a normalised network follows from its margins to a value in closed form, "
        "and mini-batch SGD with weight decay is predicted to keep moving."
    ),
    mathematics=MATHEMATICS,
    papers=("xu2023dynamics",),
    profiles={
        "quick": Config(),
        "full": Config(
            time=20_000.0,
            every=20,
            all_full=True,
            smooth_decays=(0.0, 1e-4, 1e-3, 1e-2),
            relu_steps=300_000,
            seeds=10,
            cifar=True,
            noise_cifar=True,
        ),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=80.0,
)
