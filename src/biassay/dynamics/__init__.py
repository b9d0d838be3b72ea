"""How parameters move. One family a file; every one is an `AbstractDynamics`."""

from ._base import AbstractDynamics as AbstractDynamics
from ._descent import SGD as SGD
from ._descent import GradientDescent as GradientDescent
from ._flow import GradientFlow as GradientFlow
from ._noisy import IsotropicNoise as IsotropicNoise
from ._noisy import LabelNoise as LabelNoise
from ._optax import Optax as Optax
