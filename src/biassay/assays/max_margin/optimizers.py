"""The rows of the optimizer card: what runs beside each other on the same points, and which geometry is claimed for it.

A step size belongs to a row as its name does: the numbers move with it, and so does the margin that is reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optax
import xarray as xr

from ...dynamics import AbstractDynamics, NormalisedSteepestDescent, Optax, SignDescent, TunedOptax
from ...models.linear_classifier import Loss
from .config import Config
from .panel import Points, follow, nearest, reference_rows, steepest

NORMALISED: tuple[Loss, ...] = ("log_sum_exp",)
BOTH: tuple[Loss, ...] = ("log_sum_exp", "logistic")


@dataclass(frozen=True)
class Row:
    """One optimizer of the card.

    title: as shown, with the hyper-parameters that matter; make: its dynamics, given its step size; lr: that step
    size, constant along the run, or None for the matrix methods, whose steps are as long in all as `MATRIX_LENGTH`;
    eps: its stability constant, None where there is none; claimed: the geometry in which the claim `own-geometry` asks
    for the largest margin, "" where none is claimed (AdaGrad, one example a step) and for Muon, which the claims
    `muon-as-shipped` and `muon-converged` judge; matrix: whether its step factorises a matrix, which takes longer: it
    runs for `matrix_steps`; losses: those it runs on, unless the card is asked for whole.
    """

    title: str
    make: Callable[[float], AbstractDynamics]
    lr: float | None = None
    eps: float | None = None
    claimed: str = ""
    matrix: bool = False
    losses: tuple[Loss, ...] = NORMALISED


def _sgd(lr: float, momentum: float) -> AbstractDynamics:
    return TunedOptax(optax.sgd, learning_rate=lr, momentum=momentum)


def _adam(lr: float, b1: float = 0.9, b2: float = 0.999, eps: float = 0.0) -> AbstractDynamics:
    return TunedOptax(optax.adam, learning_rate=lr, b1=b1, b2=b2, eps=eps)


def _signum(lr: float, beta: float) -> AbstractDynamics:
    return Optax(optax.lion(lr, beta, beta, weight_decay=0.0), 1)


def _muon(lr: float, **options: Any) -> AbstractDynamics:
    return Optax(optax.contrib.muon(lr, eps=1e-8, **options))


_CONVERGENT = (1.5, -0.5, 0.0)
"""The cubic Newton-Schulz polynomial s -> (3 s - s^3) / 2: its iteration takes every 0 < s < sqrt 3 to 1."""

ROWS: dict[str, Row] = {
    "sgd": Row("SGD 0.5", lambda lr: _sgd(lr, 0.0), 0.5, claimed="L2", losses=BOTH),
    "heavy-ball": Row("heavy ball 0.1, 0.9", lambda lr: _sgd(lr, 0.9), 0.1, claimed="L2"),
    "adam": Row("Adam 1e-3, eps 0", _adam, 1e-3, 0.0, claimed="Linf", losses=BOTH),
    "adam-eps": Row("Adam 1e-3, eps 1e-8", lambda lr: _adam(lr, eps=1e-8), 1e-3, 1e-8, losses=("logistic",)),
    "sign": Row("sign descent 1e-3", SignDescent, 1e-3, claimed="Linf", losses=BOTH),
    "lion": Row(
        "Lion 1e-3", lambda lr: TunedOptax(optax.lion, learning_rate=lr, weight_decay=0.0), 1e-3, claimed="Linf"
    ),
    "rmsprop": Row(
        "RMSProp 1e-3, eps 1e-30",
        lambda lr: TunedOptax(optax.rmsprop, learning_rate=lr, eps=1e-30),
        1e-3,
        1e-30,
        claimed="Linf",
        losses=BOTH,
    ),
    "adagrad": Row("AdaGrad 0.1", lambda lr: TunedOptax(optax.adagrad, learning_rate=lr, eps=1e-7), 0.1, 1e-7),
    "coordinate": Row("greedy coordinate 5e-3", lambda lr: NormalisedSteepestDescent(lr, 1.0), 5e-3, claimed="L1"),
    "spectral": Row("spectral descent, exact", lambda lr: steepest("spectral", lr), claimed="spectral", matrix=True),
    "muon": Row("Muon as shipped (5 steps)", _muon, eps=1e-8, matrix=True),
    "muon-10": Row("Muon, 10 steps", lambda lr: _muon(lr, ns_steps=10), eps=1e-8, matrix=True, losses=()),
    "muon-cubic": Row(
        "Muon, cubic, 20 steps",
        lambda lr: _muon(lr, ns_coeffs=_CONVERGENT, ns_steps=20),
        eps=1e-8,
        matrix=True,
    ),
}
"""The full-batch card. A gradient of 1e-8 and less turns `adam-eps` into heavy ball, `muon` into plain momentum; on the
normalised loss, whose gradients stay larger, `adam-eps` is `adam`."""

PER_EXAMPLE: dict[str, Row] = {
    "adam-1": Row("Adam 1e-3, eps 0, batch 1", lambda lr: Optax(optax.adam(lr, eps=0.0), 1), 1e-3, 0.0),
    "signum-1": Row("Signum 1e-4, 0.9, batch 1", lambda lr: _signum(lr, 0.9), 1e-4),
    "signum-1-slow": Row("Signum 1e-4, 0.99, batch 1", lambda lr: _signum(lr, 0.99), 1e-4),
}
"""One example a step, on the logistic loss. Lion with equal betas is the sign of the mean gradient, Signum."""

MATRIX_LENGTH = 200.0
"""Length, in the spectral norm, of the path of exact spectral descent: steps times step size."""
RECORDS = 30
"""Points at which a row's ratios are kept, evenly spaced in the logarithm over the last two decades of its steps."""


def card(points: Points, config: Config) -> xr.Dataset:
    """The card: final ratios (seed, optimizer, loss, norm), what was reached, and the ratios along the run.

    Beside it `reference_ratio` (reference, seed, norm), what normalised steepest descent in each norm reaches.
    NaN (and `void` false) where a row does not run on a loss. A run on the logistic loss may end early.
    """
    rows = {name: row for name, row in ROWS.items() if row.losses or config.whole_card}
    if config.per_example:
        rows |= PER_EXAMPLE
    losses = BOTH
    seeds, norms = len(points.y), len(points.geometries)
    shape = (seeds, len(rows), len(losses))
    path = np.full((*shape, RECORDS, norms), np.nan)
    step = np.full((len(rows), len(losses), RECORDS), np.nan)
    ratio, margin, gradient = np.full((*shape, norms), np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    void = np.zeros(shape, bool)
    lr = [MATRIX_LENGTH / config.matrix_steps if row.lr is None else row.lr for row in rows.values()]
    for i, (name, row) in enumerate(rows.items()):
        steps = config.matrix_steps if row.matrix else config.card_steps
        for j, loss in enumerate(losses):
            if name in PER_EXAMPLE and loss != "logistic":
                continue
            if not (loss in row.losses or config.whole_card or name in PER_EXAMPLE):
                continue
            dynamics = row.make(lr[i])
            kept = np.geomspace(steps / 100, steps, RECORDS).round().astype(int).tolist()
            run = follow(points, dynamics, loss=loss, steps=steps, record=kept, label=f"{row.title}, {loss}")
            path[:, i, j, : run.sizes["step"]] = run["ratio"].values
            step[i, j, : run.sizes["step"]] = run["step"].values
            last = run.isel(step=-1)
            ratio[:, i, j], margin[:, i, j] = last["ratio"].values, last["margin"].values
            gradient[:, i, j], void[:, i, j] = last["gradient"].values, last["void"].values
    own = ("seed", "optimizer", "loss")
    found = xr.Dataset(
        {
            "ratio": ((*own, "norm"), ratio, {"long_name": "margin over the largest margin in a norm"}),
            "margin": (own, margin, {"long_name": "margin reached"}),
            "gradient": (own, gradient, {"long_name": "largest entry of the last gradient"}),
            "void": (own, void, {"long_name": "gradients too small to be squared, or not finite"}),
            "path": ((*own, "record", "norm"), path, {"long_name": "margin over the largest margin along the run"}),
        },
        coords={
            "seed": np.arange(points.seed, points.seed + seeds),
            "optimizer": list(rows),
            "title": ("optimizer", [row.title for row in rows.values()]),
            "claimed": ("optimizer", [row.claimed for row in rows.values()]),
            "learning_rate": ("optimizer", lr, {"long_name": "step size"}),
            "schedule": ("optimizer", ["constant"] * len(rows)),
            "eps": (
                "optimizer",
                [np.nan if row.eps is None else row.eps for row in rows.values()],
                {"long_name": "stability constant, NaN where there is none"},
            ),
            "loss": list(losses),
            "norm": list(points.geometries),
            "path_step": (("optimizer", "loss", "record"), step, {"long_name": "steps"}),
        },
    )
    found = found.merge(nearest(found["ratio"], found["void"]))
    return found.assign(reference_ratio=reference_rows(points))
