"""What a sweep gives: while it runs, and when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import xarray as xr

from .. import assays
from ._axes import Axis, label

if TYPE_CHECKING:
    from ..figures import Figure


@dataclass(frozen=True)
class Status:
    """How far a sweep is.

    done: points with a result; cached: those of them that the store had before; failed: points that failed; total: all
    points; seconds: until the end by the pace so far, None while nothing has finished; slots: how many points can be
    computed at the same time, 0 while no worker has joined.
    """

    done: int
    cached: int
    failed: int
    total: int
    seconds: float | None
    slots: int


Progress: TypeAlias = Callable[[Status], None]


@dataclass(frozen=True)
class Failure:
    """A point without a result: its swept settings, the name and text of the error, and where it was raised."""

    settings: Mapping[str, Any]
    error: str
    message: str
    traceback: str

    @property
    def line(self) -> str:
        """The failure in a line."""
        place = ", ".join(f"{field}={label(value)}" for field, value in self.settings.items())
        return f"failed at {place}: {self.error}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A finished sweep.

    name, profile: what was run; id: what the sweep is called in its folder.
    axes: the swept fields and their values.
    data: what was measured, the swept axes first: NaN where a point failed, and `sweep_failed` (*axes) says where.
    verdicts: what every claim says at every point, dimensions (*axes, claim): `outcome` ("missing" where a point
        failed), `value` with its interval [`low`, `high`], `control` with [`control_low`, `control_high`], `n_seeds`,
        `diverged` and `reason`.
    failures: the points that failed.
    cached: how many points the store had before.
    path: the netCDF file of `data`, with `verdicts` as a group of that name; None when nothing was kept.
    """

    name: str
    profile: str
    id: str
    axes: tuple[Axis, ...]
    data: xr.Dataset
    verdicts: xr.Dataset
    failures: tuple[Failure, ...]
    cached: int
    path: Path | None

    def figures(self) -> tuple[Figure, ...]:
        """For every claim a figure of its measure and of its control over the swept axes."""
        from ._figures import figures

        return figures(assays.load(self.name).claims, self.axes, self.verdicts)

    def save_figures(self, folder: Path | str) -> tuple[Path, ...]:
        """Draws the figures into `folder`, each as PNG and SVG, and returns the files.

        Raises:
            OSError: the folder cannot be written.
        """
        from ..report import save_figure

        return tuple(path for figure in self.figures() for path in save_figure(figure, folder))

    def write_page(self, out: Path | str) -> Path:
        """Writes a page with the claims and their figures into the folder `out`, and returns its path.

        Raises:
            OSError: the folder cannot be written.
        """
        from ..report import SweptClaim, write_sweep_page

        assay = assays.load(self.name)
        claims = [
            SweptClaim(claim.name, claim.says, self.counts(claim.name), figure)
            for claim, figure in zip(assay.claims, self.figures(), strict=True)
        ]
        return write_sweep_page(
            out,
            id=self.id,
            name=self.name,
            sentence=assay.sentence,
            axes={axis.field: [label(value) for value in axis.values] for axis in self.axes},
            points=self.data["sweep_failed"].size,
            claims=claims,
            failures=[failure.line for failure in self.failures],
        )

    def counts(self, claim: str) -> Counter[Any]:
        """At how many points the claim came out as what, those that failed as "missing"."""
        return Counter(self.verdicts["outcome"].sel(claim=claim).values.ravel().tolist())
