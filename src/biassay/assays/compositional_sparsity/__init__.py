"""Compositional sparsity: a network wired like its target, against dense networks of the same size.

Targets on R^d, d = 2^L, composed of functions of two variables along a binary tree: h = (g(a, b) - mean) / deviation
at every node. A network wired as the same tree approximates them without the curse of dimensionality; shallow networks,
in the worst case over such functions, do not (Poggio, Mhaskar, Rosasco, Miranda, Liao 2017; Xu, Rangamani, Liao,
Galanti, Poggio 2023). These are statements on the best approximation. Does training find it?

- `trees`: the tree against dense and shallow networks of as many parameters; with permuted coordinates, which make it
  the wrong tree; on a generic target, composed along no tree, and on a ridge, composed along every one; and a dense
  network that contains the tree, started at random and at the tree itself;
- `pixels`: convolutional, local and dense networks on the digits, the pixels in their places and permuted.

Conventions: mean squared error relative to the target's variance; Adam, batches drawn with replacement, step sizes
chosen on other seeds. The cells of the first part form a star around one dimension, one budget and one size.
"""

from __future__ import annotations

import xarray as xr

from ...assay import Assay
from .claims import CLAIMS
from .config import CONV, DEEP, DENSE, DENSE_WIDE, LITERAL, LOCAL, SHALLOW, TREE, Config
from .figures import figures
from .pixels import measure_digits
from .text import MATHEMATICS
from .trees import measure_trees


def run(config: Config) -> xr.Dataset:
    """Both parts; cells of the first are (cell, seed), the second has (network, pixels, digits_size, seed)."""
    return xr.merge([measure_trees(config), measure_digits(config)], combine_attrs="no_conflicts")


ASSAY = Assay(
    name="compositional-sparsity",
    sentence=(
        "A network wired as its target is composed beats dense networks of its size; on a generic target, or "
        "wired wrongly, it loses."
    ),
    mathematics=MATHEMATICS,
    papers=("poggio2017why", "xu2023dynamics"),
    profiles={
        "quick": Config(),
        "full": Config(
            architectures=(TREE, LITERAL, DEEP, SHALLOW),
            sizes=(256, 1024, 4096, 16384, 65536),
            wide_sizes=(1024, 4096, 16384),
            other_dims=(4, 16, 32),
            other_budgets=(250, 2_700, 10_000),
            smoothness=(1, 2, 3),
            steps=20_000,
            digits_sizes=(100, 300, 1_000),
            digits_networks=(CONV, LOCAL, DENSE, SHALLOW, DENSE_WIDE),
            seeds=16,
        ),
    },
    run=run,
    claims=CLAIMS,
    figures=figures,
    precision="float32",
    seconds=65.0,
)
