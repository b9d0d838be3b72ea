"""Figures of the assay `label-noise`, part by part."""

from __future__ import annotations

import xarray as xr

from ...figures import Figure
from . import (
    figures_curve,
    figures_drift,
    figures_escape,
    figures_one_point,
    figures_sensing,
    figures_sparse,
    figures_stability,
)

_PARTS = (
    figures_drift,
    figures_escape,
    figures_sensing,
    figures_curve,
    figures_one_point,
    figures_sparse,
    figures_stability,
)


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The figures of every part, in the order of the claims."""
    return tuple(figure for part in _PARTS for figure in part.figures(data))
