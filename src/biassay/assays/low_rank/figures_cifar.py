"""The figures of CIFAR-10."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Panel, Points, Role

ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth", "control", "reference")
BY_DECAY: tuple[Role, ...] = ("control", "result", "second", "third", "fourth", "reference")
"""The first is without decay."""
NETWORKS = {"mlp": "Dense", "mlp-wn": "Dense, weight norm.", "resnet18": "ResNet18", "vgg16": "VGG16"}


def hidden(data: xr.Dataset) -> xr.DataArray:
    """Which places of the axis of layers hold one that is not the head, (network, layer)."""
    return ~data.cifar_layer_name.isin(["", "head"])


def mean_over_layers(data: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    """The mean over the layers but the head; NaN where one of them is."""
    chosen = hidden(data)
    return values.where(chosen, 0.0).sum("cifar_layer", skipna=False) / chosen.sum("cifar_layer")


def cifar(data: xr.Dataset) -> Figure:
    """Mean rank at the end: against the batch size as published, the sum of lr wd as it must be read, the accuracy."""
    tolerance = float(data.cifar_tol[0])
    rank = mean_over_layers(data, data.cifar_rank.sel(cifar_tol=tolerance).isel(cifar_epoch=-1)).mean("cifar_seed")
    full = mean_over_layers(data, data.cifar_full_rank)
    train = data.cifar_train.isel(cifar_epoch=-1).mean("cifar_seed")
    forgetting = data.cifar_forgetting.isel(cifar_epoch=-1)
    decays, batches = data.cifar_decay.values, data.cifar_batch.values

    def panels(network: str) -> tuple[Panel, ...]:
        label = f"mean rank (of {float(full.sel(cifar_network=network)):.3g})"
        name, own = NETWORKS[network], rank.sel(cifar_network=network)
        by_batch, by_accuracy, by_forgetting = [], [], []
        for decay, role in zip(decays, BY_DECAY[: len(decays)], strict=True):
            words = f"wd {decay:g}" if decay else "no decay"
            one = own.sel(cifar_decay=decay)
            by_batch.append(Points(batches, one.isel(cifar_lr=-1).values, words, role))
            order = ("cifar_batch", "cifar_lr")
            learned = train.sel(cifar_network=network, cifar_decay=decay).transpose(*order).values.ravel()
            by_accuracy.append(Points(learned, one.transpose(*order).values.ravel(), words, role))
        for batch, role in zip(batches, ROLES[: len(batches)], strict=True):
            at = {"cifar_batch": batch, "cifar_decay": decays[1:]}
            order = ("cifar_lr", "cifar_decay")
            x = forgetting.sel(cifar_network=network, **at).transpose(*order).values.ravel()
            y = own.sel(**at).transpose(*order).values.ravel()
            by_forgetting.append(Points(np.sort(x), y[np.argsort(x)], f"B = {batch:g}", role))
        title = f"{name}, η = {float(data.cifar_lr[-1]):g}: equal epochs"
        return (
            Panel(title=title, xlabel="batch size", ylabel=label, series=tuple(by_batch), xscale="log"),
            Panel(
                title=f"{name}: by forgetting times",
                xlabel="sum of η·wd over the steps",
                ylabel=label,
                series=tuple(by_forgetting),
                xscale="log",
            ),
            Panel(
                title=f"{name}: by what was learned",
                xlabel="train accuracy at the end",
                ylabel=label,
                series=tuple(by_accuracy),
                xlim=(0.0, 1.05),
            ),
        )

    test = data.cifar_test.isel(cifar_epoch=-1)
    return Figure(
        name="cifar",
        title="CIFAR-10: the rank of the weights",
        caption=f"Mean over the layers but the head, and over seeds, at the end; tolerance {tolerance:g}. Kernels are "
        "matrices (out, in · k · k), without the batch normalisation behind them; those of shortcuts count too. Equal "
        "epochs for all: a smaller batch has more steps and more forgetting times. A rank that is low where nothing "
        f"was learned says nothing. Test accuracies lie in {float(test.min()):.2f} to {float(test.max()):.2f}.",
        panels=tuple(panel for network in data.cifar_network.values for panel in panels(str(network))),
        columns=3,
    )


def cifar_layers(data: xr.Dataset) -> Figure:
    """The rank of every layer at the end, at the smallest batch and the last step size, by weight decay."""
    tolerance, decays = float(data.cifar_tol[0]), data.cifar_decay.values
    at = {"cifar_batch": 0, "cifar_lr": -1}
    share = (data.cifar_rank.sel(cifar_tol=tolerance).isel(cifar_epoch=-1, **at) / data.cifar_full_rank).mean(
        "cifar_seed", skipna=False
    )

    def panel(network: str) -> Panel:
        there, series = hidden(data).sel(cifar_network=network).values, []
        for decay, role in zip(decays, BY_DECAY[: len(decays)], strict=True):
            own = share.sel(cifar_network=network, cifar_decay=decay).values[there]
            words = f"wd {decay:g}" if decay else "no decay"
            series.append(Points(data.cifar_layer.values[there], own, words, role))
        return Panel(
            title=NETWORKS[network],
            xlabel="layer, in the order of a pass",
            ylabel="rank / full rank",
            series=tuple(series),
            ylim=(0.0, 1.05),
        )

    shown = data.isel(at)
    return Figure(
        name="cifar-layers",
        title="CIFAR-10: the rank layer by layer",
        caption=f"Batch {float(shown.cifar_batch):g}, η = {float(shown.cifar_lr):g}, at the end; tolerance "
        f"{tolerance:g}; mean over seeds. The head is left out; the convolution of a shortcut comes after those of its "
        "block.",
        panels=tuple(panel(str(network)) for network in data.cifar_network.values),
    )
