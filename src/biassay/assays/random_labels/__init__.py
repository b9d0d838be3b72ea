"""Networks fit random labels, and the same training generalises on true ones.

C. Zhang, S. Bengio, M. Hardt, B. Recht, O. Vinyals, "Understanding deep learning requires rethinking generalization",
ICLR 2017, arXiv 1611.03530.

Corruption ratio p: each training label is replaced, with probability p, by a class uniform over all K, drawn once. As
the new class may be the old one, p (K - 1) / K of the labels are wrong in expectation. Test labels are never corrupted.

    setting          inputs (n, h, w, c)                                                  labels (n,)
    corrupt(p)       clean                                                                corrupted with p
    shuffled         one permutation of the pixels for all training and test images       true
    random-pixels    a permutation of its own for every image                             true
    gaussian         independent normal numbers with the data's mean and variance         true

Measured: epochs to fit, the first *checked* epoch with train accuracy 1 (so the interval between checks quantises it),
and the test accuracy at that check. Both belong to a seed alone, whichever seeds run beside it. All is float32 but
the kernel baseline.
"""

from __future__ import annotations

import xarray as xr

from ...assay import Assay
from .claims import CLAIMS
from .config import Config
from .figures import figures
from .on_cifar import cifar_study
from .on_digits import inputs_study, labels_study
from .text import MATHEMATICS


def run(config: Config) -> xr.Dataset:
    """The study of the labels (dims seed, p), of the inputs (`input_...`, dims seed, inputs), and CIFAR-10's.

    Raises:
        UserError: CIFAR-10 is asked for and cannot be had.
    """
    # CIFAR-10 comes first: where it cannot be had, that is told before anything is trained.
    cifar = [cifar_study(config)] if config.cifar else []
    return _described(xr.merge([labels_study(config), inputs_study(config), *cifar], join="exact"))


def _described(data: xr.Dataset) -> xr.Dataset:
    """The dataset with long names and units."""
    for name in (*data.data_vars, *data.coords):
        prefix = next((part for part in PREFIXES if str(name).startswith(part)), "")
        own = str(name).removeprefix(prefix)
        words = LONG_NAMES.get(str(name)) or PREFIXES[prefix] + LONG_NAMES[own]
        data[name].attrs["long_name"] = words
        if name in data.data_vars:
            data[name].attrs["units"] = "epochs" if own in ("epochs", "check_epochs") else UNITS.get(own, "1")
    return data


PREFIXES = {
    "input_": "inputs: ",
    "cifar_": "CIFAR-10: ",
    "repeat_": "true labels again: ",
    "shuffle_": "shuffled pixels: ",
    "small_": "undersized network: ",
    "": "",
}
LONG_NAMES = {
    "seed": "seed",
    "p": "corruption ratio p",
    "epoch": "epochs trained",
    "repeat": "further run on the true labels",
    "shuffle": "further run with shuffled pixels",
    "inputs": "setting",
    "setting": "setting",
    "network": "network",
    "epochs": "epochs to fit: first check with train accuracy 1",
    "train": "best train accuracy at a check",
    "test": "test accuracy at the check that fits",
    "loss_curve": "train loss",
    "train_curve": "train accuracy",
    "test_curve": "test accuracy",
    "kernel_test": "test accuracy of the kernel's minimum-norm interpolant",
    "kernel_residual": "largest error of the kernel's interpolant on its training targets",
    "wrong": "fraction of wrong training labels",
    "expected_wrong": "expected fraction of wrong training labels",
    "attainable": "attainable train accuracy",
    "classes": "classes K",
    "examples": "training examples in the study of the labels",
    "parameters": "parameters",
    "check_epochs": "epochs between checks",
}
UNITS = {"loss_curve": "nats"}

ASSAY = Assay(
    name="random-labels",
    sentence="A network large enough to fit random labels by SGD still generalises when the labels are true.",
    mathematics=MATHEMATICS,
    papers=("zhang2017rethinking", "lecture_sgd"),
    profiles={"quick": Config(), "full": Config(seeds=16, cifar=True)},
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float32",
    seconds=45.0,
)
