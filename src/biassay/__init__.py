"""biassay: the laboratory for the implicit bias of optimizers.

Training reached zero error; which of the many zero-error solutions did it choose, and why?
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data as data
    from . import dynamics as dynamics
    from . import models as models
    from . import probes as probes
    from . import references as references
    from .dynamics import SGD as SGD
    from .dynamics import AbstractDynamics as AbstractDynamics
    from .dynamics import GradientDescent as GradientDescent
    from .dynamics import GradientFlow as GradientFlow
    from .dynamics import IsotropicNoise as IsotropicNoise
    from .dynamics import LabelNoise as LabelNoise
    from .dynamics import Optax as Optax
    from .errors import StoreError as StoreError
    from .errors import UserError as UserError
    from .found import find_runs as find_runs
    from .found import load_runs as load_runs
    from .index import StoredRun as StoredRun
    from .problem import Batch as Batch
    from .problem import Problem as Problem
    from .runs import Result as Result
    from .runs import run as run
    from .simulation import PerSeed as PerSeed
    from .simulation import Simulation as Simulation
    from .simulation import checkpoints_in as checkpoints_in
    from .simulation import log_steps as log_steps
    from .simulation import progress_to as progress_to
    from .simulation import simulate as simulate
    from .stability import Stability as Stability
    from .stability import label_noise_stability as label_noise_stability
    from .sweeps import SweepResult as SweepResult
    from .sweeps import sweep as sweep

# Imported when first asked for, so that `biassay list` and `--help` need not wait for JAX.
_HOMES = {
    "dynamics": (
        "SGD",
        "AbstractDynamics",
        "GradientDescent",
        "GradientFlow",
        "IsotropicNoise",
        "LabelNoise",
        "Optax",
    ),
    "errors": ("StoreError", "UserError"),
    "found": ("find_runs", "load_runs"),
    "index": ("StoredRun",),
    "problem": ("Batch", "Problem"),
    "runs": ("Result", "run"),
    "simulation": ("PerSeed", "Simulation", "checkpoints_in", "log_steps", "progress_to", "simulate"),
    "stability": ("Stability", "label_noise_stability"),
    "sweeps": ("SweepResult", "sweep"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}
_FOLDERS = ("data", "dynamics", "models", "probes", "references")
__all__ = sorted(_MODULES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return import_module(f".{name}", __name__)
    if name not in _MODULES:
        raise AttributeError(f"module 'biassay' has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__, *_FOLDERS]
