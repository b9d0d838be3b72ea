"""Figures of the assay `compositional-sparsity`."""

from __future__ import annotations

import xarray as xr

from ...figures import Figure
from .figures_pixels import digits, digits_over_sizes
from .figures_trees import budgets, controls, dimensions, over_sizes, smoothness, structure


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    """The advantage over sizes, its controls, what training finds, the digits; the rest where it was run."""
    drawn = (over_sizes, controls, structure, dimensions, budgets, smoothness, digits, digits_over_sizes)
    found = (draw(data) for draw in drawn)
    return tuple(figure for figure in found if figure is not None)
