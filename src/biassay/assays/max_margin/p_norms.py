"""Steepest descent for p-norms between the card's geometries, with mirror descent for the same norm beside it.

On an exponential-tailed loss steepest descent in *any* norm has a step-independent limit, the largest margin in that
norm. (For the squared loss it has none: there its limit moves with the step size, see the assay `min-norm`.)
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from ...dynamics import AbstractDynamics, MirrorDescent, NormalisedSteepestDescent
from ...references.norm_margins import lp_margin
from ...simulation import PerSeed
from .panel import REFERENCE_GAIN, Points, train

STEP_SCALES = (1.0, 0.25)
"""Step sizes of steepest descent, relative to that of a reference row: the limit must not depend on it."""
MIRROR_LR = 0.1
SIZE = 20, 30
"""Points and parameters of the data: the certified p-norm margins of larger ones take long."""


def p_norm_margins(points: Points, p_norms: Sequence[float]) -> Float[np.ndarray, "seed p"]:
    """gamma_p of every seed's points (vectors)."""
    return np.array([[lp_margin(x, y, p).margin for p in p_norms] for x, y in zip(points.x, points.y, strict=True)])


def p_norm_descents(points: Points, p_norms: Sequence[float], steps: int) -> xr.Dataset:
    """Final ratios (seed, p, other_p): of steepest descent for p (at every step size), and of mirror descent for p."""
    largest = p_norm_margins(points, p_norms)

    def ratios(dynamics: AbstractDynamics | PerSeed[AbstractDynamics], label: str) -> np.ndarray:
        run = train(points, dynamics, steps=steps, record=1, label=label).isel(step=-1)
        norms = np.stack([np.linalg.norm(run["w"].values, p, axis=1) for p in p_norms], 1)
        return run["margin"].values[:, None] / norms / largest

    def steepest(scale: float, index: int, p: float) -> np.ndarray:
        lr = jnp.asarray(scale * REFERENCE_GAIN / largest[:, index])
        return ratios(PerSeed(NormalisedSteepestDescent(lr, p)), f"steepest descent, p = {p:.3g}")

    found = np.array([[steepest(scale, i, p) for i, p in enumerate(p_norms)] for scale in STEP_SCALES])
    mirror = np.array([ratios(MirrorDescent(MIRROR_LR, p), f"mirror descent, p = {p:.3g}") for p in p_norms])
    words = "margin over the largest margin in a p-norm, of {} descent"
    return xr.Dataset(
        {
            "steepest_ratio": (
                ("step_scale", "p", "seed", "other_p"),
                found,
                {"long_name": words.format("normalised steepest")},
            ),
            "mirror_ratio": (("p", "seed", "other_p"), mirror, {"long_name": words.format("mirror")}),
        },
        coords={"p": list(p_norms), "other_p": list(p_norms), "step_scale": list(STEP_SCALES)},
    )
