r"""Complexity measures of a trained network: norms, margins, paths and sharpness.

The measures of Jiang, Neyshabur, Mobahi, Krishnan and Bengio, ICLR 2020, arXiv 1912.02178, as the public code of the
"robust generalization measures" evaluates them (https://github.com/nitarshan/robust-generalization-measures), and
those of https://github.com/bneyshabur/generalization-bounds. What is known to be wrong in those programs is not copied:
a standard deviation is one here, a network that does not interpolate has no margin measures, and a search that did not
reach its target says so.

A network is a list of `MeasuredLayer`s for what depends on the weights alone: weights (out, in) or (out, in, k, k),
batch normalisation folded in beforehand. The margin takes logits and labels; paths and sharpness take a function of the
parameters. Distances are from the weights given as `initial`: name them, the ranking depends on it.

Compare runs with equal numbers m of training items only: the printed values depend on m.
"""

from ._circular import circular_norm as circular_norm
from ._layers import MeasuredLayer as MeasuredLayer
from ._layers import fold_batch_norm as fold_batch_norm
from ._layers import identity_batch_norm as identity_batch_norm
from ._margin import margin_percentile as margin_percentile
from ._margin import margins as margins
from ._noise import NoiseLevel as NoiseLevel
from ._noise import find_noise_level as find_noise_level
from ._noise import noise_level as noise_level
from ._norms import EQUATIONS as EQUATIONS
from ._norms import Measure as Measure
from ._norms import norm_measures as norm_measures
from ._pac_bayes import pac_bayes_measures as pac_bayes_measures
from ._path import path_sum as path_sum
from ._products import product_measures as product_measures
