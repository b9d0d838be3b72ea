"""Many small computations on many processes, of which any may be killed at any moment.

An executor of `concurrent.futures` is asked to compute; `supervise` keeps it busy, tells an item that kills its worker
from its innocent neighbours, and replaces what broke. Nothing here knows what is computed.
"""

from ._dask import dask_workers
from ._items import Answer, Failed, Finished, failure
from ._local import LocalWorkers, cores
from ._packing import Packing, remaining
from ._pool import Death, WorkerError, Workers
from ._slurm import slurm_workers
from ._supervise import supervise

__all__ = [
    "Answer",
    "Death",
    "Failed",
    "Finished",
    "LocalWorkers",
    "Packing",
    "WorkerError",
    "Workers",
    "cores",
    "dask_workers",
    "failure",
    "remaining",
    "slurm_workers",
    "supervise",
]
