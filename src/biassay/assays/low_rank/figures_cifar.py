"""The figure of CIFAR-10."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Figure, Panel, Points, Role

ROLES: tuple[Role, ...] = ("result", "second", "third", "fourth", "control", "reference")


def cifar(data: xr.Dataset) -> Figure:
    """Mean rank at the end against batch size, as published, and against the sum of lr wd, as it must be read."""
    tolerance = float(data.cifar_tol[0])
    rank = data.cifar_rank.sel(cifar_tol=tolerance).isel(cifar_epoch=-1).mean(["cifar_layer", "cifar_seed"])
    forgetting = data.cifar_forgetting.isel(cifar_epoch=-1)

    def panels(network: str) -> tuple[Panel, Panel]:
        by_batch, by_forgetting = [], []
        decayed = [float(decay) for decay in data.cifar_decay.values if decay > 0]
        for decay, role in zip([0.0, *decayed], ROLES, strict=False):
            own = rank.sel(cifar_network=network, cifar_decay=decay).isel(cifar_lr=-1)
            by_batch.append(Points(data.cifar_batch.values, own.values, f"wd {decay:g}", role))
        for batch, role in zip(data.cifar_batch.values, ROLES, strict=False):
            x = forgetting.sel(cifar_network=network, cifar_batch=batch, cifar_decay=decayed).values.ravel()
            y = rank.sel(cifar_network=network, cifar_batch=batch, cifar_decay=decayed)
            order = np.argsort(x)
            values = y.transpose("cifar_lr", "cifar_decay").values.ravel()[order]
            by_forgetting.append(Points(x[order], values, f"B = {batch:g}", role))
        label = f"mean rank (tolerance {tolerance:g})"
        lr = float(data.cifar_lr[-1])
        return (
            Panel(
                title=f"{network}, η = {lr:g}: equal epochs",
                xlabel="batch size",
                ylabel=label,
                series=tuple(by_batch),
                xscale="log",
            ),
            Panel(
                title=f"{network}: by forgetting times",
                xlabel="sum of η·wd over the steps",
                ylabel=label,
                series=tuple(by_forgetting),
                xscale="log",
            ),
        )

    test = data.cifar_test.isel(cifar_epoch=-1)
    return Figure(
        name="cifar",
        title="CIFAR-10, dense networks without batch normalisation",
        caption="Equal epochs for all: a smaller batch has more steps and more forgetting times. Mean over seeds at "
        f"the end. Test accuracies lie in {float(test.min()):.2f} to {float(test.max()):.2f}.",
        panels=tuple(panel for network in data.cifar_network.values for panel in panels(str(network))),
    )
