"""The rows of the optimizer card: what runs beside each other on the same points, and which geometry is claimed for it.

A step size belongs to a row as its name does: the numbers move with it, and so does the margin that is reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import optax
import xarray as xr

from ...dynamics import AbstractDynamics, NormalisedSteepestDescent, Optax, SignDescent, TunedOptax
from ...models.linear_classifier import Loss
from .config import Config
from .panel import Points, follow, nearest, steepest

NORMALISED: tuple[Loss, ...] = ("log_sum_exp",)
BOTH: tuple[Loss, ...] = ("log_sum_exp", "logistic")


@dataclass(frozen=True)
class Row:
    """One optimizer of the card.

    title: as shown, with the hyper-parameters that matter; make: its dynamics, given the step size of the matrix
    methods; claimed: the geometry a theorem (or the steepest direction it approximates) names, "" where there is none;
    matrix: whether its step factorises a matrix, which takes longer: it runs for `matrix_steps`; losses: those it
    runs on, unless the card is asked for whole.
    """

    title: str
    make: Callable[[float], AbstractDynamics]
    claimed: str = ""
    matrix: bool = False
    losses: tuple[Loss, ...] = NORMALISED


def _sgd(lr: float, momentum: float) -> AbstractDynamics:
    return TunedOptax(optax.sgd, learning_rate=lr, momentum=momentum)


def _adam(lr: float, b1: float = 0.9, b2: float = 0.999, eps: float = 0.0) -> AbstractDynamics:
    return TunedOptax(optax.adam, learning_rate=lr, b1=b1, b2=b2, eps=eps)


_CONVERGENT = (1.5, -0.5, 0.0)
"""The cubic Newton-Schulz polynomial s -> (3 s - s^3) / 2: its iteration takes every 0 < s < sqrt 3 to 1."""

ROWS: dict[str, Row] = {
    "sgd": Row("SGD 0.5", lambda _: _sgd(0.5, 0.0), "L2", losses=BOTH),
    "heavy-ball": Row("heavy ball 0.1, 0.9", lambda _: _sgd(0.1, 0.9), "L2"),
    "adam": Row("Adam 1e-3, eps 0", lambda _: _adam(1e-3), "Linf", losses=BOTH),
    "adam-eps": Row("Adam 1e-3, eps 1e-8", lambda _: _adam(1e-3, eps=1e-8), losses=("logistic",)),
    "sign": Row("sign descent 1e-3", lambda _: SignDescent(1e-3), "Linf", losses=BOTH),
    "lion": Row("Lion 1e-3", lambda _: TunedOptax(optax.lion, learning_rate=1e-3, weight_decay=0.0), "Linf"),
    "rmsprop": Row(
        "RMSProp 1e-3, eps 1e-30",
        lambda _: TunedOptax(optax.rmsprop, learning_rate=1e-3, eps=1e-30),
        "Linf",
        losses=BOTH,
    ),
    "adagrad": Row("AdaGrad 0.1", lambda _: TunedOptax(optax.adagrad, learning_rate=0.1)),
    "coordinate": Row("greedy coordinate 5e-3", lambda _: NormalisedSteepestDescent(5e-3, 1.0), "L1"),
    "spectral": Row("spectral descent, exact", lambda lr: steepest("spectral", lr), "spectral", matrix=True),
    "muon": Row("Muon as shipped (5 steps)", lambda lr: Optax(optax.contrib.muon(lr)), matrix=True),
    "muon-10": Row("Muon, 10 steps", lambda lr: Optax(optax.contrib.muon(lr, ns_steps=10)), matrix=True, losses=()),
    "muon-cubic": Row(
        "Muon, cubic, 20 steps",
        lambda lr: Optax(optax.contrib.muon(lr, ns_coeffs=_CONVERGENT, ns_steps=20)),
        matrix=True,
    ),
}
"""The full-batch card. A gradient of 1e-8 and less turns `adam-eps` into heavy ball, `muon` into plain momentum; on the
normalised loss, whose gradients stay larger, `adam-eps` is `adam`."""

PER_EXAMPLE: dict[str, Row] = {
    "adam-1": Row("Adam 1e-3, eps 0, batch 1", lambda _: Optax(optax.adam(1e-3, eps=0.0), 1)),
    "signum-1": Row("Signum 1e-4, 0.9, batch 1", lambda _: Optax(optax.lion(1e-4, 0.9, 0.9, weight_decay=0.0), 1)),
    "signum-1-slow": Row(
        "Signum 1e-4, 0.99, batch 1", lambda _: Optax(optax.lion(1e-4, 0.99, 0.99, weight_decay=0.0), 1)
    ),
}
"""One example a step, on the logistic loss. Lion with equal betas is the sign of the mean gradient, Signum."""

MATRIX_LENGTH = 200.0
"""Length, in the spectral norm, of the path of exact spectral descent: steps times step size."""
RECORDS = 30
"""Points at which a row's ratios are kept, evenly spaced in the logarithm over the last two decades of its steps."""


def card(points: Points, config: Config) -> xr.Dataset:
    """The card: final ratios (seed, optimizer, loss, norm), what was reached, and the ratios along the run.

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
    for i, (name, row) in enumerate(rows.items()):
        steps = config.matrix_steps if row.matrix else config.card_steps
        for j, loss in enumerate(losses):
            if name in PER_EXAMPLE and loss != "logistic":
                continue
            if not (loss in row.losses or config.whole_card or name in PER_EXAMPLE):
                continue
            dynamics = row.make(MATRIX_LENGTH / config.matrix_steps)
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
            "loss": list(losses),
            "norm": list(points.geometries),
            "path_step": (("optimizer", "loss", "record"), step, {"long_name": "steps"}),
        },
    )
    return found.merge(nearest(found["ratio"]))
