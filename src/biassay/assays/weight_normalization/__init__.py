"""Weight normalization: sparse solutions from starts of practical size, and where that ends.

A diagonal linear network x = w_+^L - w_-^L, D = [A, -A] of shape (m, 2d), is fitted to A x = y from w = alpha (1, ...),
r0^2 = |w|^2 = 2 d alpha^2, by gradient flow on f = |D w^L - y|^2 / 2 in polar coordinates w = r u, the magnitude eta
times as fast as the direction.

    W1  the limit is sparse, as plain flow's is from small starts, but from practically large starts as well
    W2  the more so and the faster, say the experiments
    and derived here: it ends where plain flow ends from alpha_eff = alpha (r/r0) exp(-(r^2 - r0^2) / (2 eta)), while
        r >= r0: so robustness ends where r0^2 exceeds |x*|_1, q = 1, whatever eta is

Chou, Rauhut and Ward 2024 for W1 and W2.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...assay import Assay
from .claims import CLAIMS
from .config import Config
from .descent import descent, recorded_steps
from .figures import figures
from .flows import integrated
from .identity import AS_PLAIN, NAMES, NOT_PLAIN, identity
from .systems import arms, draw_systems, exact_limits
from .text import MATHEMATICS


def run(config: Config) -> xr.Dataset:
    """The exact limits, the flows, what they conserve, and discrete gradient descent."""
    systems = draw_systems(config.seed, config.seeds, config.d, config.m, config.sparsity)
    found = {
        **exact_limits(config, systems),
        **integrated(config, systems),
        **identity(config),
        **descent(config),
    }
    starts, flow_starts = config.starts, config.flow_alpha
    return xr.Dataset(
        {name: (axes, value, {"long_name": words}) for name, (axes, value, words) in found.items()},
        coords={
            "seed": np.arange(config.seed, config.seed + config.seeds),
            "arm": [name for name, _, _ in arms(config.ratios, config.exponential_eta)],
            "alpha": ("alpha", list(starts), {"long_name": "initialization α"}),
            "q": ("alpha", [config.q_at(a) for a in starts], {"long_name": "q = r₀² / |x*|₁"}),
            "flow_arm": [name for name, _, _ in arms(config.flow_eta, config.flow_exponential_eta)],
            "flow_alpha": ("flow_alpha", list(flow_starts), {"long_name": "initialization α"}),
            "flow_q": ("flow_alpha", [config.q_at(a) for a in flow_starts], {"long_name": "q = r₀² / |x*|₁"}),
            "flow_depth": ("flow_depth", list(config.flow_depth), {"long_name": "depth L"}),
            "identity_depth": ("identity_depth", list(config.identity_depth), {"long_name": "depth L"}),
            "setting": list(NAMES),
            "path_setting": [NAMES[AS_PLAIN], NAMES[NOT_PLAIN]],
            "descent_seed": np.arange(config.seed, config.seed + config.descent_seeds),
            "descent_arm": [name for name, _, _ in arms(config.descent_eta, ())],
            "descent_alpha": ("descent_alpha", list(config.descent_alpha), {"long_name": "initialization α"}),
            "descent_lr": ("descent_lr", list(config.descent_lr), {"long_name": "step size"}),
            "descent_depth": ("descent_depth", list(config.descent_depth), {"long_name": "depth L"}),
            "descent_step": ("descent_step", list(recorded_steps(config)), {"long_name": "steps taken"}),
        },
        attrs={"identity_d": config.identity_d},
    )


ASSAY = Assay(
    name="weight-normalization",
    sentence=(
        "With weight normalization gradient flow finds sparse solutions from starts of practical size, up to the size "
        "of the solution itself and not beyond."
    ),
    mathematics=MATHEMATICS,
    papers=("chou2024weight", "salimans2016"),
    profiles={
        "quick": Config(),
        "full": Config(
            alpha=(1e-3, 0.01, 0.03, 0.07, 0.1, 0.5),
            flow_alpha=(1e-3, 0.01, 0.03, 0.07, 0.1, 0.2, 0.5),
            flow_eta=(1.0, 0.3, 0.1, 0.03),
            flow_exponential_eta=(1.0, 0.3, 0.1),
            flow_depth=(2, 3, 4),
            identity_depth=(2, 3, 4),
            identity_alpha=(0.2, 0.4, 0.5),
            descent_alpha=(1e-3, 0.03, 0.07, 0.1, 0.2),
            descent_depth=(2, 3),
        ),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float64",
    seconds=20.0,
)
