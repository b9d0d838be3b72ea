"""The size of a network is not its capacity: test error against the number of hidden units.

B. Neyshabur, R. Tomioka, N. Srebro, 2014, arXiv 1412.6614.

The network is f(x) = sum_j v_j relu(w_j . x) with H hidden units, w_j in R^65 (64 pixels and a constant 1), v_j in
R^10; W of shape (H, 65), V of shape (H, 10). It is trained on the digits by SGD with momentum on the cross-entropy,
without any explicit regularisation. At the start W ~ N(0, 2/65) and V ~ N(0, 1/H).

- `digits_widths`: the test error over widths, rates of flipped labels and seeds; the same without the factor
  1/sqrt(H) in V, and with f = 0 at the start;
- `random_features`: the first layer frozen, where the size of the model does decide;
- `factorization`: the analogue for matrices U V^T with ever more inner dimensions;
- `convex`: with weight decay a network of any width is a convex program with an l1 penalty.

Sizes that rescaling a neuron does not change: the product norm P = sum_j |w_j| |v_j| and the path norms.

Conventions: the loss is the mean cross-entropy of a batch; v <- beta v + g, w <- w - lr v. The digits are trained in
float32, everything else is float64.
"""

from __future__ import annotations

import jax
import xarray as xr

from ...assay import Assay
from .claims import CLAIMS
from .config import Config
from .convex import convex_equivalence
from .digits_widths import at_equal_loss, draw, not_scaled, trained
from .factorization import factorizations
from .figures import figures
from .random_features import random_features
from .text import MATHEMATICS


def run(config: Config) -> xr.Dataset:
    """Every part of the assay, each with dimensions of its own."""
    data = draw(config)
    digits = trained(config, data)
    parts = [
        digits,
        at_equal_loss(digits, ("test", "product_norm")),
        not_scaled(config, data),
        random_features(config, data),
    ]
    with jax.enable_x64(True):
        parts += [factorizations(config), convex_equivalence(config)]
    return xr.merge(parts, combine_attrs="no_conflicts")


WIDE = (512, 1024, 2048)
RATES = (0.0, 0.1, 0.2)

ASSAY = Assay(
    name="width-bias",
    sentence=(
        "Test error does not rise with the width of a network beyond the width that fits the training set: something "
        "other than its size controls capacity."
    ),
    mathematics=MATHEMATICS,
    papers=("neyshabur2014search", "pilanci2020convex"),
    profiles={
        "quick": Config(),
        "full": Config(
            rates=RATES,
            narrow=(2, 4, 6, 8, 10, 12, 16),
            wide=WIDE,
            wide_rates=RATES,
            control_rates=RATES,
            features=(25, 50, 100, 200, 300, 360, 400, 440, 600, 800, 1200, 2000, 4000, 8000),
            factor_widths=(1, 2, 4, 8, 20, 40, 80),
            scales=(1e-3, 0.1, 1.0),
            convex_widths=(1, 2, 4, 8, 16, 64, 256),
        ),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float32",
    seconds=70.0,
)
