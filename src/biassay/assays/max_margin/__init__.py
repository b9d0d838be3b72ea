"""Separable data: which direction does each optimizer choose?

On linearly separable points x_n (n, d) with labels y_n, no intercept, and a loss with an exponential tail there is no
minimum: |w| grows for ever, and only the direction of w (d,) can converge. With a_n = y_n x_n and a norm G,

    gamma_G = max_{|w|_G <= 1} min_n <w, a_n>

is the largest margin in G. Gradient descent takes the direction of largest L2 margin (Soudry et al. 2018), at the pace
of log t; steepest descent in another norm that of the largest margin in it (Gunasekar et al. 2018). What runs:

    flow         the gradient flow in the clock log t, up to t = exp(10^6), with its laws and constants;
    descent      discrete runs on the same data, as long as one can afford;
    optimizers   the card: optimizers beside each other, measured in L1, L2, Linf and the spectral norm;
    panel        the same measurement for any Optax transformation (`margin_panel`);
    growth       how fast Adam can grow the margin;
    p_norms      steepest and mirror descent for p-norms.
"""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from ...assay import Assay
from .claims import CLAIMS
from .config import Config
from .descent import descend
from .figures import figures
from .flow import SHORT_LOG_TIMES, flow_laws, polynomial_laws
from .growth import AdamRun, adam_growth
from .optimizers import card
from .oracle import hard_margins
from .p_norms import SIZE, p_norm_descents
from .panel import Points, draw_points
from .panel import margin_panel as margin_panel
from .separable import draw_generic, draw_wide
from .text import MATHEMATICS


def run(config: Config) -> xr.Dataset:
    """The flow, the discrete runs, the card, Adam's growth and the p-norms; nothing depends on another."""
    generic = draw_generic(config.seed, config.seeds)
    points = draw_points(config.seed, config.seeds, config.n, config.shape)
    small = draw_points(config.seed, config.seeds, SIZE[0], SIZE[1:])
    adams = (
        AdamRun(1e-3, 0.999, config.card_steps),
        AdamRun(5e-5, 0.999, config.card_steps),
        AdamRun(1e-3, 0.9, config.card_steps // 10),
    )
    return xr.merge(
        [
            flows(config),
            hard_margins(generic),
            descend(generic, config.descent_steps),
            card(points, config),
            adam_growth(points, adams),
            p_norm_descents(small, config.p_norms, config.p_steps),
        ]
    )


def flows(config: Config) -> xr.Dataset:
    """The laws of the flow on every kind of data (`points`, seed), up to t = e^10^6 and to 10^6, and of the control."""
    kinds = {"generic": draw_generic} | ({"wide": draw_wide} if config.wide else {})

    def over(laws: Callable[[Points], xr.Dataset], prefix: str) -> xr.Dataset:
        found = [laws(draw(config.seed, config.seeds)) for draw in kinds.values()]
        stacked = xr.concat(found, "points").assign_coords(points=list(kinds))
        clock = "log_time" if prefix == "flow" else f"{prefix}_log_time"
        return stacked.rename({"log_time": clock} | {name: f"{prefix}_{name}" for name in stacked.data_vars})

    return xr.merge(
        [
            over(lambda points: flow_laws(points, label="flow"), "flow"),
            over(lambda points: flow_laws(points, SHORT_LOG_TIMES, label="flow, t up to 10^6"), "short"),
            over(lambda points: polynomial_laws(points, label="flow, polynomial tail"), "tail"),
        ]
    )


ASSAY = Assay(
    name="max-margin",
    sentence=(
        "On separable data an optimizer chooses the direction of largest margin in its own geometry, gradient descent "
        "that of largest L2 margin at the pace of log t."
    ),
    mathematics=MATHEMATICS,
    papers=(
        "soudry2018",
        "ji2021primaldual",
        "gunasekar2018geometry",
        "zhang2024adam",
        "fan2025spectral",
        "baek2025persample",
    ),
    profiles={
        "quick": Config(),
        "full": Config(matrix_steps=200_000, whole_card=True, per_example=True, wide=True),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=50.0,
)
