"""Exact answers to compare with: solutions found without training.

The functions can be imported from here, whichever module they live in.
"""

from .convex_two_layer import ConvexNetwork as ConvexNetwork
from .convex_two_layer import convex_two_layer as convex_two_layer
from .diagonal_drift import diagonal_drift as diagonal_drift
from .diagonal_drift import first_drift_time as first_drift_time
from .diagonal_drift import least_regularizer as least_regularizer
from .interpolators import dual_map as dual_map
from .interpolators import gradient_descent_iterate as gradient_descent_iterate
from .interpolators import min_l1_norm as min_l1_norm
from .interpolators import min_linf_norm as min_linf_norm
from .interpolators import min_norm as min_norm
from .interpolators import min_p_norm as min_p_norm
from .interpolators import projection as projection
from .interpolators import ridge as ridge
from .interpolators import weighted_min_norm as weighted_min_norm
from .iterative_solvers import conjugate_gradients as conjugate_gradients
from .iterative_solvers import lbfgs as lbfgs
from .kernel_interpolants import KernelInterpolant as KernelInterpolant
from .kernel_interpolants import gaussian_kernel as gaussian_kernel
from .kernel_interpolants import interpolate as interpolate
from .kernel_interpolants import one_vs_all as one_vs_all
from .label_noise_drift import drift as drift
from .label_noise_drift import drift_flow as drift_flow
from .label_noise_drift import drift_time as drift_time
from .label_noise_drift import regularizer as regularizer
from .landscape import Landscape as Landscape
from .margins import HardMargin as HardMargin
from .margins import ResidualLimit as ResidualLimit
from .margins import hard_margin as hard_margin
from .margins import kkt_residual as kkt_residual
from .margins import residual_limit as residual_limit
from .margins import signed_rows as signed_rows
from .memorizing_network import MemorizingNetwork as MemorizingNetwork
from .memorizing_network import memorize as memorize
from .memorizing_plateaus import memorize_line as memorize_line
from .nearest_minimum import NearestMinimum as NearestMinimum
from .nearest_minimum import nearest_minimum as nearest_minimum
from .norm_margins import NormMargin as NormMargin
from .norm_margins import l1_margin as l1_margin
from .norm_margins import linf_margin as linf_margin
from .norm_margins import lp_margin as lp_margin
from .norm_margins import margin_norm as margin_norm
from .norm_margins import spectral_margin as spectral_margin
from .relu_neuron import WitnessLimit as WitnessLimit
from .relu_neuron import min_norm_zero_loss as min_norm_zero_loss
from .relu_neuron import nearest_zero_loss as nearest_zero_loss
from .relu_neuron import witness as witness
from .relu_neuron import witness_limit as witness_limit
from .zero_error import output_jacobian as output_jacobian
from .zero_error import pseudo_solve as pseudo_solve
from .zero_error import residuals as residuals
from .zero_error import tangent_part as tangent_part
from .zero_error import to_zero_error as to_zero_error
