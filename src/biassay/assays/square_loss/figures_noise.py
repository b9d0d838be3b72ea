"""Figures of the assay `square-loss`: the noise that is left at the end, and CIFAR-10."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Line, Panel, Points, Role, quantile_band

ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth")
BAND = "Lines: median over seeds; bands: the central 90%."


def _path(data: xr.Dataset, name: str, batch: str, wd: float, label: str, role: Role) -> Line:
    """The displacement up to the first sample of the floor: there are too many of these for a logarithmic axis."""
    axis, samples = f"{name}_step", data.attrs["noise_samples"]
    shown = data.isel({axis: slice(None, 1 - samples or None)})
    chosen = shown[f"{name}_displacement"].sel({"batch": batch, f"{name}_wd": wd}).transpose("seed", ...)
    return quantile_band(shown[axis].values, chosen.values, label, role)


def noise(data: xr.Dataset) -> Figure:
    """Displacement per step along the run, and its floor by weight decay."""
    lr, size, images = data.attrs["noise_lr"], data.attrs["noise_batch"], data.attrs["noise_images"]
    smooth, relu = float(data["smooth_wd"][-1]), [float(wd) for wd in data["relu_wd"].values]
    acting = ", ".join(f"{lr * wd * float(data['relu_step'][-1]):g} at wd = {wd:g}" for wd in relu if wd)
    mini = [wd for wd in relu if wd][-4:]
    return Figure(
        name="noise",
        title="The noise that is left when the step size never falls",
        caption=f"Mean over the layers of ‖W_t+1 − W_t‖ / ‖W_t‖ per step, lr = {lr:g}, {images} images. Above: along "
        "the run. Below: medians over the last samples, and their range over seeds. Weight decay acts within "
        f"1 / (lr wd) steps; with relu lr wd T is {acting}, and a "
        f"floor is not stationary where that is below 1. {BAND}",
        panels=(
            Panel(
                title="silu(2 z), no kinks",
                xlabel="steps",
                ylabel="relative displacement per step",
                xscale="log",
                yscale="log",
                series=(
                    _path(data, "smooth", "mini", smooth, f"B = {size}, wd = {smooth:g}", "result"),
                    _path(data, "smooth", "full", smooth, f"full batch, wd = {smooth:g}", "second"),
                    _path(data, "smooth", "mini", 0.0, f"B = {size}, wd = 0", "control"),
                ),
            ),
            Panel(
                title=f"relu, B = {size}",
                xlabel="steps",
                ylabel="relative displacement per step",
                xscale="log",
                yscale="log",
                series=(
                    *(
                        _path(data, "relu", "mini", wd, f"wd = {wd:g}", role)
                        for wd, role in zip(mini[::-1], ROLES, strict=False)
                    ),
                    _path(data, "relu", "mini", 0.0, "wd = 0", "control"),
                ),
            ),
            _floors(data, "smooth", "The floor with silu(2 z)"),
            _floors(data, "relu", "The floor with relu"),
        ),
    )


def _floors(data: xr.Dataset, name: str, title: str) -> Panel:
    """The floor of every seed by batch and weight decay; pairs that were not run are left out."""
    floors = data[f"{name}_floor"]
    series = []
    looks: tuple[tuple[str, str, Role], ...] = (
        ("mini", f"B = {data.attrs['noise_batch']}", "result"),
        ("full", "full batch", "second"),
    )
    for batch, label, role in looks:
        own = floors.sel(batch=batch).transpose("seed", f"{name}_wd")
        run = [k for k in range(own.sizes[f"{name}_wd"]) if np.isfinite(own.values[:, k]).any()]
        if run:
            names = [f"{float(own[f'{name}_wd'][k]):g}" for k in run]
            low, middle, high = np.nanquantile(own.values[:, run], [0, 0.5, 1], axis=0)
            series.append(Points(names, middle, label, role, low, high))
    return Panel(
        title=title,
        xlabel="weight decay",
        ylabel="displacement per step at the end",
        yscale="log",
        series=tuple(series),
    )


# --- CIFAR-10 ---------------------------------------------------------------------------------------------------------


def cifar(data: xr.Dataset) -> Figure:
    """rho by the norm at the start, and the margins at the end."""
    epochs = data["cifar_epoch"].values[1:]
    norms = [arm for arm in data["cifar_arm"].values if str(arm).startswith("norm")]
    drawn = [norms[k] for k in np.unique(np.linspace(0, len(norms) - 1, len(ROLES)).round().astype(int))]
    wds = [float(data["cifar_wd"].min()), float(data["cifar_wd"].max())]

    def arms(values: xr.DataArray, x: np.ndarray, wd: float) -> tuple[Line, ...]:
        chosen = values.sel(cifar_wd=wd)
        return tuple(
            quantile_band(x, chosen.sel(cifar_arm=arm).transpose("cifar_seed", ...).values, str(arm), role)
            for arm, role in zip(drawn, ROLES, strict=False)
        )

    def paths(wd: float) -> Panel:
        return Panel(
            title=f"ρ with weight decay {wd:g}",
            xlabel="epochs",
            ylabel="ρ",
            xscale="log",
            yscale="log",
            series=arms(data["cifar_rho"].sel(cifar_epoch=epochs), epochs, wd),
        )

    def margins(wd: float) -> Panel:
        return Panel(
            title=f"Margins at the end, weight decay {wd:g}",
            xlabel="share of the images",
            ylabel="margin",
            series=arms(data["cifar_margins"], data["cifar_share"].values, wd),
        )

    tests = data["cifar_test"].isel(cifar_epoch=-1).median("cifar_seed").sel(cifar_wd=wds[-1])
    shown = ", ".join(f"{float(tests.sel(cifar_arm=arm)):.3f} at {arm}" for arm in data["cifar_arm"].values)
    return Figure(
        name="cifar",
        title="Two classes of CIFAR-10: ρ and margins by the norm at the start",
        caption="A convolutional network without biases or batch normalisation, by SGD with momentum on the squared "
        f"error of two outputs. Drawn are {len(drawn)} of {len(norms)} norms, and no random labels. No claim is judged "
        f"on it. Test accuracy with weight decay {wds[-1]:g}: {shown}. {BAND}",
        panels=(*map(paths, wds), *map(margins, wds)),
    )


def noise_cifar(data: xr.Dataset) -> Figure:
    """Displacement per epoch at the end, by weight decay and step size."""
    last = data["noise_cifar_displacement"].isel(noise_cifar_epoch=-1).median("noise_cifar_seed")
    names = [f"{float(wd):g}" for wd in data["noise_cifar_wd"].values]
    lrs = data["noise_cifar_lr"].values[-len(ROLES) :]
    without = data["noise_cifar_lr"].values[: -len(ROLES)]
    left = f" (lr = {', '.join(f'{float(lr):g}' for lr in without)} is not drawn)" if len(without) else ""

    def panel(loss: str) -> Panel:
        return Panel(
            title=loss,
            xlabel="weight decay",
            ylabel="relative displacement per epoch",
            yscale="log",
            series=tuple(
                Points(names, last.sel(noise_cifar_loss=loss, noise_cifar_lr=lr).values, f"lr = {float(lr):g}", role)
                for lr, role in zip(lrs, ROLES, strict=False)
            ),
        )

    return Figure(
        name="noise-cifar",
        title="CIFAR-10: the noise of a deep convolutional network",
        caption="Mean over the layers of ‖W − W_before‖ / ‖W_before‖ over the last epoch (per epoch, not per step), at "
        f"a constant step size{left}; runs that diverged are missing. No claim is judged on it. Points: median over "
        "seeds.",
        panels=tuple(panel(str(loss)) for loss in data["noise_cifar_loss"].values),
    )
