"""biassay: the laboratory for the implicit bias of optimizers.

Training reached zero error; which of the many zero-error solutions did it choose, and why?
"""

from .dynamics import SGD as SGD
from .dynamics import AbstractDynamics as AbstractDynamics
from .dynamics import GradientDescent as GradientDescent
from .dynamics import GradientFlow as GradientFlow
from .dynamics import IsotropicNoise as IsotropicNoise
from .dynamics import LabelNoise as LabelNoise
from .dynamics import Optax as Optax
from .problem import Batch as Batch
from .problem import Problem as Problem
from .simulation import PerSeed as PerSeed
from .simulation import Simulation as Simulation
from .simulation import log_steps as log_steps
from .simulation import progress_to as progress_to
from .simulation import simulate as simulate
