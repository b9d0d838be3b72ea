"""What the assay `compositional-sparsity` claims of targets composed along a tree.

Errors are compared in pairs, seed by seed: log10 of their ratio, whose mean is the logarithm of the geometric mean. The
papers speak of the best approximation by a network, in the largest error over the cube and over a class of targets.
Here networks are trained, and their mean squared error is taken on random targets.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from ...claims import Claim
from .cells import EMBEDDED, PERMUTED, TRUE, WIDE
from .config import DEEP, LITERAL, SHALLOW, TREE
from .measures import (
    LEAST_SIZE,
    LEAST_SLOPE_SIZES,
    dims,
    errors,
    exponent_in_d,
    exponent_in_n,
    log_ratio,
    over_cells,
    over_sizes,
    sizes,
    smallest,
    tree_over_shallow,
    was_run,
)

INF = math.inf
RATIO = "log₁₀ of the ratio of test errors"
XU: dict[str, Any] = {"cite": "xu2023dynamics", "provenance": "seed", "min_seeds": 8, "unit": RATIO}
POGGIO: dict[str, Any] = {"cite": "poggio2017why", "provenance": "memory", "min_seeds": 8}
DERIVED: dict[str, Any] = {"cite": "poggio2017why", "provenance": "derived", "min_seeds": 8, "unit": RATIO}
LARGE_SETS: dict[str, Any] = {
    "premise": lambda data: np.array([bool(sizes(data, LEAST_SIZE))]),
    "premise_says": f"a training set of {LEAST_SIZE} points or more is run",
}


def times(low: float, high: float) -> tuple[float, float]:
    """The region of log10 ratios for ratios between `low` and `high`."""
    return (math.log10(low) if low else -INF, math.log10(high) if high < INF else INF)


def permutation_ratio(data: xr.Dataset, architecture: str) -> np.ndarray:
    """log10 of the error with permuted coordinates over that with true ones."""
    return log_ratio(errors(data, architecture, wiring=PERMUTED), errors(data, architecture))


def _dense_permutation_ratios(data: xr.Dataset) -> np.ndarray:
    """The same of the dense networks that were run, one after the other."""
    ratios = [permutation_ratio(data, name) for name in (DEEP, SHALLOW) if was_run(data, name)[0]]
    return np.concatenate(ratios)


def _run_at(architecture: str) -> dict[str, Any]:
    return {
        "premise": lambda data: was_run(data, architecture),
        "premise_says": f"the network “{architecture}” is run",
    }


def _over_tree(data: xr.Dataset, architecture: str, name: str = "error") -> np.ndarray:
    return log_ratio(errors(data, architecture, name=name), errors(data, TREE, name=name))


def _steeper(data: xr.Dataset, wiring: str) -> np.ndarray:
    """The exponent in n of tree-4 minus that of the shallow network."""
    return exponent_in_n(data, TREE, wiring) - exponent_in_n(data, SHALLOW)


ADVANTAGE = (
    Claim(
        name="sparse-beats-shallow",
        says="On a target composed along a tree, the tree errs less than a fifth of what a shallow network of its "
        "size does, from 1024 points on.",
        measure=lambda data: over_sizes(data, TREE, SHALLOW),
        region=times(0, 0.2),
        control=lambda data: tree_over_shallow(data, "generic"),
        control_says="a target in which all coordinates interact: there the tree loses by more than 3",
        control_region=times(3, INF),
        recorded="unclear",
        **XU,
        **LARGE_SETS,
    ),
    Claim(
        name="no-advantage-on-a-ridge",
        says="On a target of a single direction the tree errs as a shallow network does, to a factor 3.",
        measure=lambda data: tree_over_shallow(data, "ridge"),
        region=times(1 / 3, 3),
        control=lambda data: tree_over_shallow(data, "tree"),
        control_says="the target composed along the tree",
        control_region=times(0, 0.2),
        recorded="unclear",
        **DERIVED,
    ),
    Claim(
        name="sparse-beats-dense",
        says="It errs less than a quarter of what a dense network of the same depth and size does.",
        measure=lambda data: over_sizes(data, TREE, DEEP),
        region=times(0, 0.25),
        control=lambda data: over_sizes(data, TREE, DEEP, PERMUTED, smallest),
        control_says="a tree on permuted coordinates, against the same dense network: it loses at every size",
        control_region=times(1, INF),
        recorded="holds",
        premise=lambda data: was_run(data, DEEP) & LARGE_SETS["premise"](data),
        premise_says=f"the network “{DEEP}” is run, and {LARGE_SETS['premise_says']}",
        **XU,
    ),
    Claim(
        name="wrong-tree-loses",
        says="A tree that disagrees with the target's errs more than 5 times what the right one does.",
        measure=lambda data: permutation_ratio(data, TREE),
        region=times(5, INF),
        control=_dense_permutation_ratios,
        control_says="the dense networks, on the same permuted coordinates: they do not notice",
        control_region=times(1 / 1.5, 1.5),
        recorded="holds",
        **DERIVED,
    ),
)

THEOREM = (
    # Vacuous in the quick profile, which does not run tree-1.
    Claim(
        name="literal-tree",
        says="The network of the theorem, one number handed on from node to node, errs less after training than a "
        "shallow one, for every number of points and every dimension.",
        measure=lambda data: over_cells(data, LITERAL, SHALLOW),
        region=times(0, 1),
        control=lambda data: log_ratio(
            errors(data, LITERAL, target="generic"), errors(data, SHALLOW, target="generic")
        ),
        control_says="a target in which all coordinates interact: there it loses by more than 3",
        control_region=times(3, INF),
        recorded="vacuous",
        **DERIVED,
        **_run_at(LITERAL),
    ),
    # Vacuous in the quick profile, which runs one dimension.
    Claim(
        name="flat-in-d",
        says="With parameters in proportion to d − 1 the error of the tree stays the same as the dimension grows.",
        measure=lambda data: exponent_in_d(data, TREE),
        region=(-0.5, 0.5),
        control=lambda data: exponent_in_d(data, SHALLOW),
        control_says="the shallow network at the same budgets",
        control_region=(2.0, INF),
        premise=lambda data: np.array([len(dims(data)) > 1]),
        premise_says="several dimensions are run",
        unit="exponent of d in the test error",
        recorded="vacuous",
        **POGGIO,
    ),
    Claim(
        name="slope-in-n",
        says="The error of the tree falls faster with the number of points than that of a shallow network.",
        measure=lambda data: _steeper(data, TRUE),
        region=(-INF, -0.3),
        control=lambda data: _steeper(data, PERMUTED),
        control_says="a tree on permuted coordinates",
        premise=lambda data: np.array([len(sizes(data)) >= LEAST_SLOPE_SIZES]),
        premise_says=f"{LEAST_SLOPE_SIZES} sizes of the training set are run",
        recorded="unclear",
        unit="exponent of n in the test error, tree-4 minus shallow",
        cite="poggio2017why",
        provenance="derived",
        min_seeds=8,
    ),
)

TRAINING = (
    Claim(
        name="training-finds-the-tree",
        says="A dense network that contains the tree errs as the tree does after training, to a factor 2.",
        measure=lambda data: _over_tree(data, WIDE),
        region=times(1 / 2, 2),
        control=lambda data: permutation_ratio(data, TREE),
        control_says="a tree on permuted coordinates, which does not contain it",
        recorded="fails",
        **DERIVED,
        **_run_at(WIDE),
    ),
    Claim(
        name="training-keeps-the-tree",
        says="Started at the trained tree, the same dense network ends training on with at most twice the error.",
        # Errors at the end: the start, which is the tree, is among the checkpoints and would often be the best.
        measure=lambda data: _over_tree(data, EMBEDDED, "final"),
        region=times(0, 2),
        control=lambda data: _over_tree(data, WIDE, "final"),
        control_says="the same network started at random",
        recorded="holds",
        **DERIVED,
        **_run_at(EMBEDDED),
    ),
)

TREES = (*ADVANTAGE, *THEOREM, *TRAINING)
