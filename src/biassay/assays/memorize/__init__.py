"""A network that memorizes anything, written down in linear time: small, exact, and a bad global minimum.

For N distinct points and any labels, hidden widths (2 p, 2 q) with p q about N suffice at depth 3:

    f(x) = sum_k T(beta_k + sum_j V_kj T(a_j u.x + b_j)) - 1,    T(z) = relu(z + 1) - relu(z - 1) - 1,

with u (d,) one random direction, a, b (p,) the edges of p segments of the projection, and V (q, p) from plateaus that
are computed one segment after the other; see `biassay.references.memorizing_plateaus`. What is asked of it:

    Y1  exact, with O(N) weights and in O(N) operations after a sort;
    Y2  also for d_y outputs, with O(N d_y) weights;
    Y3  training the same architecture needs more width, at a stated budget;
    Y4  it fits the labels of a simple teacher and predicts fresh ones no better than a coin.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...assay import Assay
from .claims import CLAIMS
from .config import Config
from .construction import counted, exact, in_floats, other_sizes, several_outputs
from .figures import figures
from .generalisation import bad_minimum
from .text import MATHEMATICS
from .width_needed import same_architecture


def run(config: Config) -> xr.Dataset:
    """The construction, its generalisation, and the training of the same architecture."""
    parts = (exact, in_floats, other_sizes, counted, several_outputs, bad_minimum, same_architecture)
    found = xr.merge(
        [part(config) for part in parts], compat="no_conflicts", combine_attrs="no_conflicts", join="outer"
    )
    return found.assign_coords(
        seed=np.arange(config.seed, config.seed + config.seeds),
        draw=np.arange(config.seed, config.seed + config.draws),
    )


ASSAY = Assay(
    name="memorize",
    sentence=(
        "Any data set is memorized by a 3-layer ReLU network with O(n) weights that is written down in linear time, "
        "and is a bad global minimum."
    ),
    mathematics=MATHEMATICS,
    papers=("yun2019memorizers", "liu2020bad", "lecture_sgd"),
    profiles={
        "quick": Config(),
        "full": Config(
            points=(101, 1_000, 10_000, 100_000),
            counted_points=(10_000, 100_000, 1_000_000),
            other_sizes=((100_000, 784), (1_000_000, 10)),
            dense_points=(100, 200, 400, 800),
            sizes=(64, 144, 256),
            width_factors=(0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0),
            adam_budgets=(250, 500, 1_000, 2_000, 4_000, 8_000, 16_000),
        ),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=25.0,
)
