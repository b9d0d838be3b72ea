"""What the assay `compositional-sparsity` claims, and the control of each claim."""

from __future__ import annotations

from .claims_pixels import PIXELS
from .claims_trees import TREES

CLAIMS = (*TREES, *PIXELS)
