"""Which networks are trained on which targets: a star around one dimension, one budget and one size."""

from __future__ import annotations

from typing import NamedTuple

from .config import SHALLOW, TREE, Config

WIDE, EMBEDDED = "wide", "wide from tree-4"
"""The dense network that contains tree-4; the same, started at the trained tree-4."""
TRUE, PERMUTED = "true", "permuted"
"""The coordinates as the target composes them, and in an order that no two siblings survive."""


class Cell(NamedTuple):
    """One architecture with about `budget` parameters, trained on `size` examples of a target on R^d."""

    architecture: str
    d: int
    budget: int
    target: str
    wiring: str
    size: int


def budget_at(config: Config, d: int) -> int:
    """The budget in proportion to d - 1, the number of nodes of the tree; that of the config at its own dimension."""
    return round(config.budget * (d - 1) / (config.d - 1))


def cells(config: Config) -> list[Cell]:
    """Every cell of the config, once; those of one architecture, dimension and budget beside each other.

    A permuted cell and one of `EMBEDDED` come after the cell they take their step size or their start from.
    """
    d, budget, size = config.d, config.budget, config.size
    # The trees that others start from come first.
    compared = sorted(config.architectures, key=lambda name: name != TREE)
    found = [Cell(name, d, budget, "tree", TRUE, n) for name in compared for n in config.sizes]
    found += [Cell(TREE, d, budget, "tree", PERMUTED, n) for n in config.sizes]
    found += [Cell(name, d, budget, "tree", PERMUTED, size) for name in compared]
    found += [Cell(name, d, budget, target, TRUE, size) for name in compared for target in ("generic", "ridge")]
    found += [Cell(name, d, budget, "tree", TRUE, n) for name in (WIDE, EMBEDDED) for n in config.wide_sizes]
    for other in config.other_dims:
        found += [Cell(name, other, budget, "tree", TRUE, size) for name in compared]
        found += [Cell(name, other, budget_at(config, other), "tree", TRUE, size) for name in (TREE, SHALLOW)]
    found += [Cell(name, d, p, "tree", TRUE, size) for p in config.other_budgets for name in compared]
    for m in config.smoothness:
        found += [Cell(name, d, budget, f"smooth-{m}", TRUE, n) for name in (TREE, SHALLOW) for n in config.sizes]
    unique = list(dict.fromkeys(found))
    programs = list(dict.fromkeys((cell.architecture, cell.d, cell.budget) for cell in unique))
    return sorted(unique, key=lambda cell: programs.index((cell.architecture, cell.d, cell.budget)))
