"""Made-up results of the deep classifiers, of the form that the assay `adversarial-init` gives them."""

import numpy as np
import xarray as xr

from biassay.assays.adversarial_init.complexity_of_minima import NAMES
from biassay.assays.adversarial_init.on_images import REPLICATED, SETUPS


def results(data_sets=("cifar-10",), networks=("vgg16", "resnet18"), seeds=4, checks=14) -> xr.Dataset:
    """Test accuracies in which S2 is worst, every pair of regularisers repairs, and larger R and N lose more."""
    rng = np.random.default_rng(0)
    grid = {"image_data": list(data_sets), "image_network": list(networks), "image_seed": np.arange(seeds)}
    size = tuple(map(len, grid.values()))
    dims = tuple(grid)
    loss = {"C": 0.8, "C true": 0.02, "S1": 0.8, "S2": 0.25, "NC2": 0.05, "S3[DA]": 0.15, "S3[M]": 0.1, "S3[L2]": 0.12}

    def noisy(shape: tuple[int, ...]) -> np.ndarray:
        return 0.004 * rng.normal(size=(*size, *shape))

    test = np.array([0.9 - loss.get(setup, 0.0) for setup in SETUPS]) + noisy((len(SETUPS),))
    data = xr.Dataset(coords={**grid, "image_setup": list(SETUPS), "image_replicated": list(REPLICATED)})
    data["image_test"] = (*dims, "image_setup"), test
    data["image_train"] = xr.ones_like(data.image_test)
    data["image_fit"] = xr.ones_like(data.image_test)
    data["image_diverged"] = xr.zeros_like(data.image_test, bool)
    epochs = 25 * np.arange(1, checks + 1)
    rise = 1 - 0.2 * np.exp(-epochs / 100)
    data = data.assign_coords(image_epoch=epochs)
    data["image_curve_test"] = (*dims, "image_setup", "image_epoch"), test[..., None] * rise
    for name, axis, values in (
        ("replicated", "image_replication", np.array([1, 3, 10])),
        ("erased", "image_fraction", np.array([0.1, 0.3, 0.5])),
    ):
        worst = 0.25 * (values / values.max()) ** 0.5
        base = 0.9 - worst[:, None] * np.array([3.0, 0.05, 1.0, 0.05])
        data = data.assign_coords({axis: values})
        data[f"image_{name}_test"] = (*dims, axis, "image_replicated"), base + noisy(base.shape)
        data[f"image_{name}_fit"] = xr.ones_like(data[f"image_{name}_test"])
    measures = 5 + 3 * (0.9 - test)[..., None] + noisy((len(SETUPS), len(NAMES)))
    data = data.assign_coords(image_measure=list(NAMES))
    data["image_complexity"] = (*dims, "image_setup", "image_measure"), measures
    return data
