"""Sweeps: an assay over a grid of settings, on this machine or on a cluster, and the results on common axes."""

from ._axes import Axis, read_grid
from ._execute import check_workers, execute
from ._prepare import Prepared, prepare, prepare_latest
from ._result import Failure, Status, SweepResult
from ._sweep import sweep

__all__ = [
    "Axis",
    "Failure",
    "Prepared",
    "Status",
    "SweepResult",
    "check_workers",
    "execute",
    "prepare",
    "prepare_latest",
    "read_grid",
    "sweep",
]
