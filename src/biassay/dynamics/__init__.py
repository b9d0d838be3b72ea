"""How parameters move. One family a file; every one is an `AbstractDynamics`."""

from ._base import AbstractDynamics as AbstractDynamics
from ._descent import SGD as SGD
from ._descent import GradientDescent as GradientDescent
from ._flow import GradientFlow as GradientFlow
from ._label_noise_transform import label_noise as label_noise
from ._log_time_flow import LogTimeFlow as LogTimeFlow
from ._log_time_flow import logistic_log_slope as logistic_log_slope
from ._mirror import MirrorDescent as MirrorDescent
from ._noisy import IsotropicNoise as IsotropicNoise
from ._noisy import LabelNoise as LabelNoise
from ._normalised import NormalisedSteepestDescent as NormalisedSteepestDescent
from ._normalised import SpectralDescent as SpectralDescent
from ._optax import Optax as Optax
from ._ordered import AdversarialSGD as AdversarialSGD
from ._ordered import ForcedSGD as ForcedSGD
from ._preconditioned import FullMatrixAdaGrad as FullMatrixAdaGrad
from ._preconditioned import PreconditionedDescent as PreconditionedDescent
from ._row_column import CoordinateDescent as CoordinateDescent
from ._row_column import Kaczmarz as Kaczmarz
from ._schedules import CosineDecay as CosineDecay
from ._schedules import ExponentialDecay as ExponentialDecay
from ._schedules import PowerDecay as PowerDecay
from ._steepest import SignDescent as SignDescent
from ._steepest import SteepestDescent as SteepestDescent
from ._travelled import Travelled as Travelled
from ._tuned import TunedOptax as TunedOptax
