"""What the assay `square-loss` claims, and the control of each claim.

Every sentence is about each seed. The formulas of rho_eq are judged on those lambda alone whose run is long enough,
T lambda >= 1.5: where none is, there is nothing to judge and the verdict is unclear. They take rho and the margins of
the same time: that they hold does not show that the margins have come to rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim, Measure
from ...references import (
    MarginMoments,
    loss_equilibrium,
    rho_equilibrium,
    rho_from_moments,
)

ENOUGH = 1.5
"""T lambda from which on a run counts as finished."""

RHO_REGION = (-np.inf, 1e-3)
REBUILT_REGION = (-np.inf, 1e-2)
PATHS_REGION = (-np.inf, 1e-3)
VELOCITIES_REGION = (-np.inf, 1e-9)
SPREAD_REGION = (-np.inf, 5e-3)

XU: dict[str, Any] = {"cite": "xu2023dynamics", "statistic": "every"}


def finished(data: xr.Dataset) -> xr.Dataset:
    """The data at those lambda whose run is long enough."""
    return data.sel(lam=data["forgetting"] >= ENOUGH - 1e-9)


def path_moments(data: xr.Dataset) -> MarginMoments:
    """mu and M, (seed, lam, time)."""
    return MarginMoments(*(data[name].transpose("seed", "lam", "flow_time").values for name in ("mu", "M")))


def decays(data: xr.Dataset) -> np.ndarray:
    """lambda, of the shape that goes with (seed, lam, time)."""
    return data["lam"].values[None, :, None]


def worst(values: np.ndarray) -> np.ndarray:
    """The largest over all axes but the first, one number a seed; no number where there is nothing to compare."""
    return values.reshape(len(values), -1).max(axis=1) if values.size else np.zeros(0)


# --- rho --------------------------------------------------------------------------------------------------------------


def from_equilibrium(data: xr.Dataset) -> np.ndarray:
    """|rho / rho_eq - 1| along the run, (seed, lam, time), rho_eq from the margins at the same time."""
    rho = data["rho"].transpose("seed", "lam", "flow_time").values
    return np.abs(rho / rho_equilibrium(path_moments(data), decays(data)) - 1)


def _rho_at_the_end(data: xr.Dataset) -> np.ndarray:
    return worst(from_equilibrium(finished(data))[..., -1])


def _rho_of_descent(data: xr.Dataset) -> np.ndarray:
    """The least of the same for gradient descent on the weights themselves, with the weight decays wd = 2 lambda."""
    decayed = data.sel(wd=data["wd"] > 0).transpose("seed", "wd", ...)
    of = MarginMoments(decayed["descent_mu"].values, decayed["descent_M"].values)
    off = np.abs(decayed["descent_rho"].values / rho_equilibrium(of, decayed["wd"].values / 2) - 1)
    return off.min(axis=1)


def _from_formula(with_decay: bool) -> Measure:
    """|L / L_eq - 1| at the end, L the network's risk and the penalty, L_eq with lambda or without."""

    def measure(data: xr.Dataset) -> np.ndarray:
        done = finished(data)
        of, lam = path_moments(done), decays(done)
        loss = (done["risk"] + done["lam"] * done["rho"] ** 2).transpose("seed", "lam", "flow_time").values
        return worst(np.abs(loss / loss_equilibrium(of, lam * with_decay) - 1)[..., -1])

    return measure


def rebuilt(data: xr.Dataset, shuffled: bool = False) -> np.ndarray:
    """rho from its start and the moments alone, (seed, lam, time); `shuffled` takes mu in a random order of times."""
    of = path_moments(data)
    if shuffled:
        order = np.random.default_rng(0).permutation(data.sizes["flow_time"])
        of = of._replace(mean=of.mean[..., order])
    start = data["rho"].isel(flow_time=0).transpose("seed", "lam").values
    paths = [
        rho_from_moments(
            data["flow_time"].values, MarginMoments(of.mean[:, k], of.square[:, k]), float(lam), start[:, k]
        )
        for k, lam in enumerate(data["lam"].values)
    ]
    return np.stack(paths, axis=1)


def rebuilding_error(data: xr.Dataset, shuffled: bool = False) -> np.ndarray:
    """|rebuilt / rho - 1| along the run, (seed, lam, time)."""
    return np.abs(rebuilt(data, shuffled) / data["rho"].transpose("seed", "lam", "flow_time").values - 1)


RHO = (
    Claim(
        name="rho-equilibrium",
        says="At T λ ≥ 1.5 the scale ρ of a normalised network stands at μ / (M + λ) of its margins of that time.",
        provenance="derived",
        measure=_rho_at_the_end,
        region=RHO_REGION,
        control=_rho_of_descent,
        control_says="gradient descent on layers of unequal norm with the weight decay 2 λ, which penalises Σ‖W_k‖²",
        min_seeds=3,
        unit="|ρ / ρ_eq − 1|",
        recorded="holds",
        **XU,
    ),
    Claim(
        name="loss-formula",
        says="There the loss with its penalty is (s² + λ) / (s² + λ + μ²); in the distance of ρ it is of second order.",
        provenance="derived",
        measure=_from_formula(True),
        region=(-np.inf, 1e-4),
        control=_from_formula(False),
        control_says="the formula without λ",
        min_seeds=3,
        unit="|L / L_eq − 1|",
        recorded="holds",
        **XU,
    ),
    Claim(
        name="rho-from-margins",
        says="The path of ρ follows from two moments of the margins, μ(t) and M(t), alone.",
        provenance="derived",
        measure=lambda data: worst(rebuilding_error(data)),
        region=REBUILT_REGION,
        control=lambda data: worst(rebuilding_error(data, shuffled=True)),
        control_says="μ in a random order of the times",
        min_seeds=3,
        unit="largest relative error of ρ(t)",
        recorded="holds",
        **XU,
    ),
)


# --- weight normalization ---------------------------------------------------------------------------------------------


def _from_multipliers(position: int) -> Measure:
    """The larger of |difference of V| at the end and |difference of rho| along the run, at the norm so placed."""

    def measure(data: xr.Dataset) -> np.ndarray:
        own = data.isel(norm=position)
        return np.maximum(own["wn_layers"].values, own["wn_rho"].transpose("seed", ...).values.max(axis=1))

    return measure


NORMALISATION = (
    Claim(
        name="velocities-equal",
        says="Weight normalization with ‖v‖ = 1 has the velocities of the flow with Lagrange multipliers.",
        provenance="derived",
        measure=lambda data: data["wn_velocities"].isel(norm=0).values,
        region=VELOCITIES_REGION,
        control=lambda data: data["wn_velocities"].isel(norm=-1).values,
        control_says="weight normalization with a longer v, whose direction moves 1/‖v‖² times as fast",
        min_seeds=3,
        unit="largest relative difference of the velocities",
        recorded="holds",
        **XU,
    ),
    Claim(
        name="lm-equals-wn",
        says="Weight normalization with ‖v‖ = 1 takes the path of the flow with Lagrange multipliers.",
        provenance="derived",
        measure=_from_multipliers(0),
        region=PATHS_REGION,
        control=_from_multipliers(-1),
        control_says="weight normalization with a longer v, whose direction moves 1/‖v‖² times as fast",
        min_seeds=3,
        unit="largest difference of V and of ρ",
        recorded="fails",
        **XU,
    ),
)


# --- margins ----------------------------------------------------------------------------------------------------------


def spread_of_margins(margins: xr.DataArray) -> xr.DataArray:
    """Standard deviation over mean."""
    return margins.std("rank") / margins.mean("rank")


def least_margin(margins: xr.DataArray) -> xr.DataArray:
    """Least over mean."""
    return margins.min("rank") / margins.mean("rank")


def _as_lambda_falls(name: str, of: Any) -> Measure:
    """The quantity at the smallest lambda less that at the largest."""

    def measure(data: xr.Dataset) -> np.ndarray:
        found = of(data[name])
        return (found.sel(lam=data["lam"].min()) - found.sel(lam=data["lam"].max())).values

    return measure


EARLY = "the same difference early in the same runs, at the time 0.02 / λ of the larger λ"
MARGINS = (
    Claim(
        name="margins-equalise",
        says="With a smaller λ the margins are more equal after the same time: less deviation over mean.",
        provenance="derived",
        measure=_as_lambda_falls("margins_end", spread_of_margins),
        region=(-np.inf, -0.02),
        control=_as_lambda_falls("margins_early", spread_of_margins),
        control_says=EARLY,
        min_seeds=3,
        unit="change of deviation / mean",
        recorded="holds",
        **XU,
    ),
    Claim(
        name="margins-equalise-least",
        says="With a smaller λ the margins are more equal after the same time: a larger least margin over mean.",
        provenance="derived",
        measure=_as_lambda_falls("margins_end", least_margin),
        region=(0.05, np.inf),
        control=_as_lambda_falls("margins_early", least_margin),
        control_says=EARLY,
        min_seeds=3,
        unit="change of least / mean",
        recorded="fails",
        **XU,
    ),
)


# --- layers that are not normalised -----------------------------------------------------------------------------------


def spread_of_norms(norms: xr.DataArray) -> xr.DataArray:
    """Largest less smallest norm, over the mean."""
    return (norms.max("layer") - norms.min("layer")) / norms.mean("layer")


def _final_spread(position: int) -> Measure:
    return lambda data: spread_of_norms(data["norms"].isel(descent_time=-1, wd=position)).values


def law_error(data: xr.Dataset, swapped: bool = False) -> xr.DataArray:
    """Largest deviation of rho_k^2 - rho_1^2 from its law, over its size at the start, (seed, law_wd).

    `swapped` takes the law of the other weight decay, which has the same values at the start.
    """
    law = data["apart_law"]
    if swapped:
        law = law.copy(data=law.isel(law_wd=slice(None, None, -1)).values)
    off = abs(data["apart"] - law) / abs(data["apart"].isel(law_time=0))
    return off.max(dim=["law_time", "pair"])


BALANCE = (
    Claim(
        name="balance",
        says="Weight decay brings layers of unequal norm to equal ones.",
        provenance="derived",
        measure=_final_spread(-1),
        region=SPREAD_REGION,
        control=_final_spread(0),
        control_says="gradient descent without weight decay",
        min_seeds=3,
        unit="(largest − least norm) / mean",
        recorded="holds",
        **XU,
    ),
    Claim(
        name="balance-law",
        says="Under gradient flow ρ_k² − ρ_j² is conserved, and falls like exp(−2 wd t) with weight decay.",
        provenance="derived",
        measure=lambda data: law_error(data).max("law_wd").values,
        region=(-np.inf, 1e-3),
        control=lambda data: law_error(data, swapped=True).min("law_wd").values,
        control_says="the same two runs against the law of the other weight decay, the lesser deviation of both",
        min_seeds=3,
        unit="deviation / difference at the start",
        recorded="holds",
        **XU,
    ),
)


# --- noise ------------------------------------------------------------------------------------------------------------


def _mini_over_full(data: xr.Dataset) -> np.ndarray:
    floor = data["smooth_floor"].isel(smooth_wd=-1)
    return (floor.sel(batch="mini") / floor.sel(batch="full")).values


def rises(data: xr.Dataset) -> xr.DataArray:
    """The floor of mini-batches at a weight decay over that at the one before, (relu_wd, seed) without the first."""
    floor = data["relu_floor"].sel(batch="mini")
    return floor.isel(relu_wd=slice(1, None)) / floor.shift(relu_wd=1).isel(relu_wd=slice(1, None))


NOISE = (
    Claim(
        name="noise-needs-batch",
        says="With weight decay mini-batches keep SGD moving far more than the full batch.",
        provenance="derived",
        measure=_mini_over_full,
        region=(100.0, np.inf),
        control=lambda data: data["smooth_floor"].isel(smooth_wd=0).sel(batch="mini").values,
        control_says="mini-batches without weight decay: no ratio, the displacement per step itself, at most 1e-5",
        control_region=(-np.inf, 1e-5),
        min_seeds=5,
        unit="displacement per step, B = 10 over full batch",
        recorded="unclear",
        **XU,
    ),
    Claim(
        name="noise-grows-with-wd",
        says="The displacement per step left at the end of the run, stationary or not, grows with the weight decay.",
        provenance="derived",
        measure=lambda data: rises(data).isel(relu_wd=slice(1, None)).min("relu_wd").values,
        region=(np.nextafter(1.0, 2.0), np.inf),
        control=lambda data: (1 / rises(data).isel(relu_wd=0)).values,
        control_says="no weight decay over the smallest",
        min_seeds=5,
        unit="displacement over that at the next smaller weight decay",
        recorded="holds",
        **XU,
    ),
)

CLAIMS = (*RHO, *NORMALISATION, *MARGINS, *BALANCE, *NOISE)
