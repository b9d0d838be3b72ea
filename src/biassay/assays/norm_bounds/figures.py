"""Figures of the assay `norm-bounds`. Every ratio names its network and its image size."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...figures import Field, Figure, Line, Panel, Points, Role
from .claims import ABOVE_ONE
from .image_sizes import LARGE
from .networks import DENSE, DESIGNS
from .training import SIDE

SMALL_IMAGES = f"{SIDE}x{SIDE} digits"
LARGE_IMAGES = f"{LARGE}x{LARGE} images"
ROLES: tuple[Role, ...] = ("second", "third", "result", "fourth")
"""Of the convolutional networks, in their order."""
BARS = "Marks: median over seeds; bars: their range."
NETWORKS = "Networks: kernel / stride x number of convolutions, then a dense top"


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The ratios, why they differ, what they are made of, the norms behind them, and the bounds themselves."""
    drawn = (ratios(data), locations(data), factors(data), norms(data), absolute(data))
    return (*drawn, cifar(data)) if "cifar_ratio" in data else drawn


def _points(values: xr.DataArray, label: str, role: Role, axis: str = "network") -> Points:
    """The median over seeds and their range, of values (seed, axis)."""
    samples = np.asarray(values.transpose("seed", axis), float)
    names = [str(name) for name in values[axis].values]
    if np.isnan(samples).all(axis=0).any():
        # A network that diverged on every seed has neither.
        samples = np.where(np.isnan(samples).all(axis=0), 0, samples)
    low, middle, high = np.nanmin(samples, axis=0), np.nanmedian(samples, axis=0), np.nanmax(samples, axis=0)
    return Points(names, middle, label, role, low, high)


def _listed(names: list[str], values: np.ndarray) -> str:
    return ", ".join(f"{name}: {value:.3g}" for name, value in zip(names, values, strict=True))


def ratios(data: xr.Dataset) -> Figure:
    """Dense bound over convolutional bound: measured at 8x8, in closed form at 32x32."""
    cnns = list(DESIGNS)
    measured = data["ratio"].sel(network=cnns)
    large = [str(name) for name in data["large_cnn"].values]
    medians = _listed(cnns, measured.median("seed").values)
    return Figure(
        name="ratios",
        title="How far below the dense bound is the convolutional one?",
        caption=f"{NETWORKS}. Left: trained networks, medians {medians}: the strided 3x3 network is where the "
        "convolutional bound is the worse one. The control is the dense network, its layers written as convolutions "
        f"with one location. {BARS} Right: the same ratio in closed form for {LARGE_IMAGES}, no network trained, "
        f"padding and unequal pixels left out: {_listed(large, data['closed_at_32'].values)}. A ratio belongs to a "
        "network and to an image size.",
        panels=(
            Panel(
                title=f"Trained, {SMALL_IMAGES}",
                xlabel="network",
                ylabel="dense bound / convolutional bound",
                series=(
                    _points(measured, "convolutional networks", "result"),
                    _points(data["ratio"].sel(network=[DENSE]), "one location (control)", "control"),
                ),
                yscale="log",
                region=ABOVE_ONE,
                region_label="convolutional is better",
            ),
            Panel(
                title=f"Closed form, {LARGE_IMAGES}",
                xlabel="network",
                ylabel="dense bound / convolutional bound",
                series=(Points(large, data["closed_at_32"].values, "closed form", "reference"),),
                yscale="log",
                ylim=(0.1, 1e6),
                region=ABOVE_ONE,
                region_label="convolutional is better",
            ),
        ),
    )


def locations(data: xr.Dataset) -> Figure:
    """Locations against degrees, and the closed form by image size."""
    sides = data["side"].values
    gained = data["locations_by_side"].transpose("cnn", "side").values
    closed = data["closed_by_side"].transpose("cnn", "side").values
    names = list(DESIGNS)
    diagonal = np.array([1.0, 2e3])
    rows = list(zip(names, ROLES, gained, closed, strict=True))
    first = tuple(Points(g / c, g, name, role) for name, role, g, c in rows)
    second = tuple(Line(sides, c, name, role) for name, role, _, c in rows)
    return Figure(
        name="locations",
        title="The gain is that of locations over degrees",
        caption=f"{NETWORKS}; no network is trained for this figure. Left: each network on images of "
        f"{', '.join(f'{s}x{s}' for s in sides)} pixels, from below; above the line the convolutional bound is "
        "the better one. Strides cut the locations while patches of 3x3 keep the degrees: that network starts on the "
        f"line. Right: the same as a ratio. At {SIDE}x{SIDE} it is {_listed(names, closed[:, 0])}, before the factors "
        "for padding and for unequal pixels.",
        panels=(
            Panel(
                title="Locations against degrees",
                xlabel="√(∏ degrees / pixels) · constants of the two bounds",
                ylabel="√(∏ locations)",
                series=(*first, Line(diagonal, diagonal, "equal bounds", "reference")),
                xscale="log",
                yscale="log",
                xlim=(1.0, 2e3),
            ),
            Panel(
                title="Closed form of the ratio by image size",
                xlabel="side of the images (pixels)",
                ylabel="dense bound / convolutional bound",
                series=second,
                xscale="log",
                yscale="log",
                region=ABOVE_ONE,
                region_label="convolutional is better",
            ),
        ),
    )


def factors(data: xr.Dataset) -> Figure:
    """The ratio as closed form x padding factor x pixel factor."""
    cnns = list(DESIGNS)
    at = data.sel(network=cnns)
    closed = at["closed_form"].expand_dims(seed=data["seed"])
    padded = at["closed_form"] * at["padding"]
    product = padded * at["pixel_factor"]
    energy = data["pixel_energy"].mean("seed").transpose("row", "column")
    pixel = data["pixel_factor"].values
    return Figure(
        name="factors",
        title="What the ratio is made of",
        caption=f"Left, on {SMALL_IMAGES}: the closed form of the geometry alone overstates the gain of padded "
        f"networks; padding takes a factor of {_listed(cnns, at['padding'].median('seed').values)} (medians), unequal "
        f"pixels one of {np.median(pixel):.3f}. The product of all three is the measured ratio, exactly. {BARS} Right: "
        "the mean over training images and seeds. The convolutional bound counts every pixel as if it had the energy "
        "of the strongest.",
        panels=(
            Panel(
                title=f"Closed form times its two factors, {SMALL_IMAGES}",
                xlabel="network",
                ylabel="dense bound / convolutional bound",
                series=(
                    _points(closed, "closed form", "reference"),
                    _points(padded, "… × padding", "fourth"),
                    _points(product, "… × padding × pixels", "second"),
                    _points(at["ratio"], "measured", "result"),
                ),
                yscale="log",
            ),
            Panel(
                title="Energy of the pixels",
                xlabel="column",
                ylabel="row, from below",
                series=(
                    Field(energy["column"].values, energy["row"].values[::-1], energy.values, "mean square of a pixel"),
                ),
                equal_aspect=True,
            ),
        ),
    )


def norms(data: xr.Dataset) -> Figure:
    """What counting locations costs the dense bound, and what ignoring padding would add."""
    cnns = list(DESIGNS)
    at = data.sel(network=cnns)
    locations = (at["locations"].prod("layer", skipna=True) ** 0.5).expand_dims(seed=data["seed"])
    exact = data["toeplitz_error"].rename(cnn="network")
    ignoring = data["no_padding_error"].rename(cnn="network")
    return Figure(
        name="norms",
        title="The same filters as dense matrices",
        caption=f"Left, on {SMALL_IMAGES}: written as a dense matrix, a convolution's norm is that of its filters "
        "once for every location at which the tap falls inside the image; ∏ √locations overstates it where there is "
        "padding. Right: the closed count against the Jacobian of the trained networks' convolutions, largest relative "
        f"difference over the layers; the control ignores padding (no mark: no difference). {BARS}",
        panels=(
            Panel(
                title="Dense norms over filter norms",
                xlabel="network",
                ylabel="∏ ‖Tₗ‖ / ∏ ‖wₗ‖",
                series=(
                    _points(locations, "∏ √locations", "control"),
                    _points(at["rho_toeplitz"] / at["rho_filters"], "trained networks", "result"),
                ),
                yscale="log",
            ),
            Panel(
                title="Closed count against the Jacobian",
                xlabel="network",
                ylabel="relative difference of the norm",
                series=(
                    _points(exact, "closed count", "result"),
                    _points(ignoring.where(ignoring > 1e-12, 0.0), "padding ignored (control)", "control"),
                ),
                yscale="log",
                ylim=(1e-17, 10),
                region=(0.0, 1e-10),
            ),
        ),
    )


def absolute(data: xr.Dataset) -> Figure:
    """The bounds of the difference of the errors, as trained and scaled down, beside the accuracies."""
    smallest = data["dense_gap"].where(data["dense_gap"] < data["sparse_gap"], data["sparse_gap"]).median("seed")
    best, test = smallest.argmin("network"), data["test"].median("seed")
    names = data["network"].values
    most_accurate = ", ".join(str(name) for name in names[np.isclose(test, test.max())])
    small_rho = data.attrs["small_rho"]
    return Figure(
        name="bounds",
        title="The bounds themselves: vacuous above 1",
        caption=f"On {SMALL_IMAGES}. Left: both bounds of test minus training error, of every network (the dense one "
        "has its layers written as convolutions with one location). Below 1 is necessary for a bound to say anything, "
        f"as an error is never above 1. The smallest is that of {names[best]}, {float(smallest[best]):.3g} with a test "
        f"accuracy of {float(test[best]):.3f}; the highest is that of {most_accurate}, "
        f"{float(test.max()):.3f} (medians). Scaled: all layers scaled down to a product of norms of "
        f"{small_rho:g}. No decision has changed, and the training error that the bound speaks of, one of margins, is "
        f"near 1. What is compared in this assay are ratios. {BARS}",
        panels=(
            Panel(
                title=f"Bounds, {SMALL_IMAGES}",
                xlabel="network",
                ylabel="bound of test − training error",
                series=(
                    _points(data["dense_gap"], "dense", "second"),
                    _points(data["sparse_gap"], "convolutional", "result"),
                    _points(data["dense_gap_small"], "dense, scaled", "control"),
                    _points(data["sparse_gap_small"], "convolutional, scaled", "reference"),
                ),
                yscale="log",
                region=(0.0, 1.0),
                region_label="below 1",
            ),
            Panel(
                title="Accuracy",
                xlabel="network",
                ylabel="accuracy",
                series=(_points(data["train"], "train", "reference"), _points(data["test"], "test", "result")),
            ),
        ),
    )


def cifar(data: xr.Dataset) -> Figure:
    """Two classes of CIFAR-10: ratios and bounds of trained networks at 32x32."""
    own = [name for name in data.data_vars if str(name).startswith("cifar_")]
    found = data[own].rename(cifar_seed="seed", cifar_cnn="network")
    names = [str(name) for name in found["network"].values]
    predicted = found["cifar_closed_form"].expand_dims(seed=found["seed"])
    decays = found["cifar_decay"].values

    def by_decay(name: str, roles: tuple[Role, ...]) -> tuple[Points, ...]:
        return tuple(
            _points(found[name].isel(cifar_decay=i), f"weight decay {decays[i]:g}", roles[i % len(roles)])
            for i in range(len(decays))
        )

    accuracy = found["cifar_test"].mean("seed").transpose("cifar_decay", "network").values
    tested = "; ".join(f"weight decay {d:g}: {_listed(names, row)}" for d, row in zip(decays, accuracy, strict=True))
    return Figure(
        name="cifar",
        title=f"Two classes of CIFAR-10, {LARGE_IMAGES}",
        caption=f"{NETWORKS}. Left: the measured ratio beside the closed form, which leaves out padding and unequal "
        f"pixels (pixel factor {float(data['cifar_pixel_factor']):.3f}). Right: the convolutional bounds of test minus "
        "training error; below 1 is necessary for them to say anything. "
        f"Mean test accuracies, {tested}. No claim is judged on these networks. {BARS}",
        panels=(
            Panel(
                title=f"Ratio, {LARGE_IMAGES}",
                xlabel="network",
                ylabel="dense bound / convolutional bound",
                series=(
                    _points(predicted, "closed form", "reference"),
                    *by_decay("cifar_ratio", ("result", "second", "third", "fourth")),
                ),
                yscale="log",
                region=ABOVE_ONE,
                region_label="convolutional is better",
            ),
            Panel(
                title=f"Bounds, {LARGE_IMAGES}",
                xlabel="network",
                ylabel="convolutional bound of test − training error",
                series=by_decay("cifar_sparse_gap", ("result", "second", "third", "fourth")),
                yscale="log",
                region=(0.0, 1.0),
                region_label="below 1",
            ),
        ),
    )
