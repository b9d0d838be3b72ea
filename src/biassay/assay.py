"""Assay: one published result as an experiment that can be run, judged and drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import xarray as xr

from .claims import Claim, Verdict
from .figures import Figure

Precision: TypeAlias = Literal["float32", "float64"]


@dataclass(frozen=True, kw_only=True)
class Assay:
    """An experiment, the claims judged on its data, and its figures.

    Args:
        name: as on the command line, e.g. "rank-jumps".
        sentence: the one sentence it tests.
        mathematics: the equations, in Markdown with `$...$` and `$$...$$`, for the assay's page.
        papers: BibTeX keys of `biassay.citations`.
        profiles: "quick" and "full" -> a frozen dataclass of plain values (int, float, str, bool, tuples of these).
            Every config has the fields `seed: int` and `seeds: int` and checks its ranges in `__post_init__`,
            raising ValueError with one line that names the field, the value and what is allowed.
        run: config -> `xarray.Dataset`; a pure function of the config.
        claims: judged on the dataset.
        figures: dataset -> figures.
        precision: the JAX precision that `run` is called under.
        seconds: expected duration of the quick profile on two cores.

    Raises:
        ValueError: no profile "quick", or two claims share a name.
    """

    name: str
    sentence: str
    mathematics: str
    papers: tuple[str, ...]
    profiles: Mapping[str, Any]
    run: Callable[[Any], xr.Dataset]
    claims: tuple[Claim, ...]
    figures: Callable[[xr.Dataset], tuple[Figure, ...]]
    precision: Precision = "float64"
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if "quick" not in self.profiles:
            raise ValueError(f"assay {self.name!r} needs the profile 'quick'")
        names = [claim.name for claim in self.claims]
        if len(set(names)) != len(names):
            raise ValueError(f"assay {self.name!r} names a claim twice")

    def judge(self, data: xr.Dataset) -> tuple[Verdict, ...]:
        """The verdict of every claim on `data`, in the claims' order."""
        return tuple(claim.judge(data) for claim in self.claims)
