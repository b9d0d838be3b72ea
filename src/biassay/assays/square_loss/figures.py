"""Figures of the assay `square-loss`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, quantile_band
from ...references import rho_equilibrium
from .claims import (
    PATHS_REGION,
    REBUILT_REGION,
    RHO_REGION,
    SPREAD_REGION,
    VELOCITIES_REGION,
    decays,
    from_equilibrium,
    path_moments,
    rebuilding_error,
    rebuilt,
    spread_of_norms,
)
from .figures_noise import cifar, noise, noise_cifar

_POINTS = 150
ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth", "control", "reference")
BAND = "Lines: median over seeds; bands: the central 90%."


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """rho, margins, normalisation, layers, noise, and CIFAR-10 where it was run."""
    drawn = [scales(data), distances(data), margins(data), normalisation(data), layers(data), noise(data)]
    if "cifar_rho" in data:
        drawn.append(cifar(data))
    if "noise_cifar_displacement" in data:
        drawn.append(noise_cifar(data))
    return tuple(drawn)


def _thin(length: int) -> np.ndarray:
    """Positions of about `_POINTS` records, the last one among them."""
    return np.unique(np.linspace(0, length - 1, _POINTS).round().astype(int))


def _lambdas(data: xr.Dataset) -> list[tuple[int, float, Role]]:
    """Position, value and role of every lambda that is drawn: as many as there are roles."""
    return [(k, float(lam), role) for (k, lam), role in zip(enumerate(data["lam"].values), ROLES[:4], strict=False)]


def _run_length(data: xr.Dataset) -> str:
    return ", ".join(f"{float(data['forgetting'][k]):g} at λ = {lam:g}" for k, lam, _ in _lambdas(data))


def _change(data: xr.Dataset) -> str:
    """By how much mu changes over the last tenth of the run."""
    end = float(data["flow_time"][-1])
    of = data["mu"]
    change = abs(of.isel(flow_time=-1) / of.sel(flow_time=0.9 * end, method="nearest") - 1).median("seed")
    return ", ".join(f"{100 * float(change[k]):.2g}% at λ = {lam:g}" for k, lam, _ in _lambdas(data))


def scales(data: xr.Dataset) -> Figure:
    """rho(t) beside the value it would rest at for margins that stay, and its path from the moments."""
    kept = _thin(data.sizes["flow_time"])
    t = data["flow_time"].values[kept]
    rho = data["rho"].transpose("seed", "lam", "flow_time").values[..., kept]
    rest = rho_equilibrium(path_moments(data), decays(data))[..., kept]
    path = rebuilt(data)[..., kept]

    def panel(k: int) -> Panel:
        lam, forgotten = float(data["lam"][k]), float(data["forgetting"][k])
        few = slice(None, None, 10)
        return Panel(
            title=f"λ = {lam:g}: T λ = {forgotten:g}",
            xlabel="time",
            ylabel="scale ρ",
            series=(
                quantile_band(t, rho[:, k], "ρ of the flow", "result"),
                quantile_band(t, rest[:, k], "μ / (M + λ) of that time", "second"),
                Points(t[few], np.median(path[:, k], axis=0)[few], "from μ(t) and M(t) alone", "control"),
            ),
            ylim=(0.0, 1.1 * float(rest[:, k, len(kept) // 4 :].max())),
        )

    return Figure(
        name="scale",
        title="The scale ρ follows from the margins",
        caption="The flow moves ρ towards the value at which it would rest if the margins of that time stayed, within "
        "1 / (2 (M + λ)); that it stands there does not show that the margins rest. Over the last tenth of the run μ "
        f"changes by {_change(data)} (medians over seeds). T λ is {_run_length(data)}, and ρ is judged where it is at "
        f"least 1.5. Circles: the path rebuilt from two moments of the margins, median over seeds. {BAND}",
        panels=(panel(0), panel(-1)),
    )


def distances(data: xr.Dataset) -> Figure:
    """The distance from the equilibrium, and the error of the rebuilt path with its control."""
    kept = _thin(data.sizes["flow_time"])[1:]
    t = data["flow_time"].values[kept]
    off = from_equilibrium(data)[..., kept]
    right, wrong = (rebuilding_error(data, shuffled)[..., kept] for shuffled in (False, True))
    return Figure(
        name="distances",
        title="How near the formulas come",
        caption="Left: the distance of ρ from μ / (M + λ), both of the same time, which is claimed where T λ is 1.5 or "
        "more. Right: the relative error of the path of ρ rebuilt from μ(t) and M(t); the control takes μ in a random "
        f"order. {BAND}",
        panels=(
            Panel(
                title="Distance from the equilibrium",
                xlabel="time",
                ylabel="|ρ / ρ_eq − 1|",
                yscale="log",
                series=tuple(quantile_band(t, off[:, k], f"λ = {lam:g}", role) for k, lam, role in _lambdas(data)),
                region=RHO_REGION,
                region_label="claimed from T λ = 1.5 on",
            ),
            Panel(
                title="The rebuilt path",
                xlabel="time",
                ylabel="relative error of ρ(t)",
                yscale="log",
                series=(
                    *(quantile_band(t, right[:, k], f"λ = {lam:g}", role) for k, lam, role in _lambdas(data)),
                    quantile_band(t, wrong[:, 0], "μ in a random order", "control"),
                ),
                region=REBUILT_REGION,
            ),
        ),
    )


def margins(data: xr.Dataset) -> Figure:
    """The distribution of the margins at the start and at the end, as it is and over its mean."""
    n = data.sizes["rank"]
    share = (np.arange(n) + 0.5) / n
    start = data["margins_start"].isel(lam=0).transpose("seed", "rank").values
    ends = data["margins_end"].transpose("seed", "lam", "rank").values
    start_line = quantile_band(share, start, "at the start", "control")

    def panel(title: str, ylabel: str, values: np.ndarray, more: tuple[Line, ...]) -> Panel:
        lines = (quantile_band(share, values[:, k], f"end, λ = {lam:g}", role) for k, lam, role in _lambdas(data))
        return Panel(title=title, xlabel="share of the images", ylabel=ylabel, series=(*lines, *more))

    spreads = ", ".join(
        f"{np.median(ends[:, k].std(axis=-1) / ends[:, k].mean(axis=-1)):.3f} at λ = {lam:g}"
        for k, lam, _ in _lambdas(data)
    )
    return Figure(
        name="margins",
        title="The margins grow, and the more equally the smaller λ",
        caption="Margins y f_V(x) of the normalised network, sorted, at the start and after the same time for every λ. "
        f"At the end deviation over mean is {spreads} (medians over seeds). {BAND}",
        panels=(
            panel("Sorted margins", "margin", ends, (start_line,)),
            panel(
                "Over their mean",
                "margin / mean margin",
                ends / ends.mean(axis=-1, keepdims=True),
                (Line([0, 1], [1, 1], "all equal", "reference"),),
            ),
        ),
    )


def normalisation(data: xr.Dataset) -> Figure:
    """Weight normalization beside Lagrange multipliers."""
    apart = data["wn_rho"].transpose("norm", "seed", "short_time").values[..., 1:]
    steps = np.arange(1, apart.shape[-1] + 1) / apart.shape[-1]
    names = [f"‖v‖ = {float(norm):g}" for norm in data["norm"].values]
    looks: tuple[Role, ...] = ("result", "control")
    floor = np.finfo(float).eps
    return Figure(
        name="normalisation",
        title="Weight normalization is the flow with Lagrange multipliers, if v has norm 1",
        caption="The direction of a longer v moves 1 / ‖v‖² times as fast, and the path is another one. At ‖v‖ = 1 the "
        "velocities at the same points are equal to rounding; what is left between two paths, each computed for "
        "itself, comes from the kinks of relu, where the method has a low order and two paths that are close by may "
        f"part. Points are not drawn below {floor:.1e}, the rounding. {BAND}",
        panels=(
            Panel(
                title="Velocities at the same points",
                xlabel="",
                ylabel="largest relative difference",
                yscale="log",
                series=tuple(
                    Points([name] * own.size, np.maximum(own, floor), "every seed", role)
                    for own, name, role in zip(data["wn_velocities"].values, names, looks, strict=True)
                ),
                region=VELOCITIES_REGION,
            ),
            Panel(
                title="Difference of ρ along the run",
                xlabel="share of the run",
                ylabel="|ρ − ρ by multipliers|",
                yscale="log",
                series=tuple(
                    quantile_band(steps, np.maximum(own, floor), name, role)
                    for own, name, role in zip(apart, names, looks, strict=True)
                ),
                region=PATHS_REGION,
            ),
            Panel(
                title="Largest difference of the layers at the end",
                xlabel="",
                ylabel="|V − V by multipliers|",
                yscale="log",
                series=tuple(
                    Points([name] * own.size, np.maximum(own, floor), "every seed", role)
                    for own, name, role in zip(data["wn_layers"].values, names, looks, strict=True)
                ),
                region=PATHS_REGION,
            ),
        ),
    )


def layers(data: xr.Dataset) -> Figure:
    """The norms of layers that are not normalised, with and without weight decay, and the law of their differences."""
    t, law_t = data["descent_time"].values, data["law_time"].values
    norms = data["norms"].transpose("seed", "wd", "descent_time", "layer").values
    spreads = spread_of_norms(data["norms"]).transpose("seed", "wd", "descent_time").values

    def panel(k: int) -> Panel:
        return Panel(
            title=f"Norms with weight decay {float(data['wd'][k]):g}",
            xlabel="time",
            ylabel="‖W_k‖",
            series=tuple(
                quantile_band(t, norms[:, k, :, layer], f"layer {layer + 1}", role)
                for layer, role in zip(range(norms.shape[-1]), ROLES[:4], strict=False)
            ),
            ylim=(0.0, 1.1 * float(norms.max())),
        )

    def differences() -> tuple[Line | Points, ...]:
        series: list[Line | Points] = []
        looks: tuple[Role, ...] = ("control", "result")
        for wd, role in zip(data["law_wd"].values, looks, strict=True):
            own = data.sel(law_wd=wd).isel(pair=0)
            series.append(quantile_band(law_t, own["apart"].transpose("seed", "law_time").values, f"wd = {wd:g}", role))
            law = np.median(own["apart_law"].transpose("seed", "law_time").values, axis=0)
            series.append(Points(law_t[::4], law[::4], "law" if role == "result" else "", "reference"))
        return tuple(series)

    return Figure(
        name="layers",
        title="Weight decay makes the layers' norms equal",
        caption="Above: Frobenius norms under gradient descent from unequal starts. Below left: their spread. Below "
        f"right: the difference of two squared norms under gradient flow, and exp(−2 wd t). {BAND}",
        panels=(
            panel(0),
            panel(-1),
            Panel(
                title="Spread of the norms",
                xlabel="time",
                ylabel="(largest − least) / mean",
                yscale="log",
                series=tuple(
                    quantile_band(t, spreads[:, k], f"wd = {float(wd):g}", role)
                    for (k, wd), role in zip(enumerate(data["wd"].values), ("control", *ROLES[:4]), strict=False)
                ),
                region=SPREAD_REGION,
                region_label=f"claimed at the end, wd = {float(data['wd'][-1]):g}",
            ),
            Panel(
                title="Gradient flow: second layer less first",
                xlabel="time",
                ylabel="‖W₂‖² − ‖W₁‖²",
                series=differences(),
            ),
        ),
    )
