r"""Would label noise move a zero-error solution? A test for any model with a squared error.

SGD on c (h - y)^2 with fresh noise in the labels (variance s^2, B examples a step, step size eta), started where
h(theta) = y, moves along the set of zero error by

    E[P_N step] = -(c eta)^2 (s^2 / B) P_N grad reg,        reg(theta) = (1/n) sum_i |grad h(x_i, theta)|^2,

with P_N the projector onto the null space of the Jacobian J (N, p) of all N outputs. It stays where P_N grad reg = 0
and leaves where not: Blanc, Gupta, Valiant and Valiant, COLT 2020, arXiv 1904.09080; the constant is derived in
`biassay.references.label_noise_drift`. `label_noise_stability` measures |P_N grad reg| / |grad reg|; where the model is
large it forms neither J, nor its null space, nor a Hessian.
"""

from ._result import NotCoveredError as NotCoveredError
from ._result import Stability as Stability
from ._stability import label_noise_stability as label_noise_stability
