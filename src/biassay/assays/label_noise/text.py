"""The mathematics of the assay `label-noise`, for its page."""

from . import text_curve, text_drift, text_escape, text_one_point, text_sensing, text_sparse, text_stability

_INTRODUCTION = r"""
## The statement

A model $h(x, \theta)$ with more parameters than examples, and SGD on the squared error $\frac1n \sum_i (h(x_i,
\theta) - y_i)^2$ with *fresh noise in the labels* at every step: $y_i + \varepsilon$ in place of $y_i$, with
$\varepsilon$ of mean zero and variance $s^2$. Let

$$\mathrm{reg}(\theta) = \frac1n \sum_i \lVert \nabla_\theta h(x_i, \theta) \rVert^2 .$$

Blanc, Gupta, Valiant and Valiant 2020, informally: let the derivatives of $h$ be bounded up to the third order. A
solution of zero error is *stable* if and only if $\mathrm{reg}$ has zero gradient in every direction that keeps the
error zero, that is, if $P_N \nabla \mathrm{reg} = 0$ with $P_N$ the projector onto the null space of the Jacobian $J$
of the outputs. Otherwise it is strongly repellent: SGD leaves it, towards smaller $\mathrm{reg}$. The analysis is
local. How far and how fast it leaves, with exponents of the step size, is recalled and not read: $\eta^{0.4}$ after
$\eta^{-1.6}$ steps.

## The constant

Derived here, and measured in the part *drift*. Let the loss be $c \, (h - y)^2$, with $B$ examples a step. Near zero
error the parameters fluctuate across the solutions like an Ornstein-Uhlenbeck process, $G = \frac1n \sum_i g_i
g_i^\top$ and $g_i = \nabla h(x_i, \theta)$. Its stationary covariance balances the contraction $2 c \eta \, (G C + C
G)$ against the noise $4 c^2 \eta^2 s^2 G / B$ of the steps, hence

$$C = c \, \eta \, \frac{s^2}{B} \, P_\mathrm{range(G)} ,$$

which does not depend on $G$. The second-order term of the mean step, $-2 c \eta \, \frac1n \sum_i P_N H_i C g_i$ with
$H_i$ the Hessian of $h(x_i, \cdot)$, then is, as $\nabla \mathrm{reg} = \frac2n \sum_i H_i g_i$,

$$\mathrm{E} [P_N \, \Delta \theta] = - (c \, \eta)^2 \, \frac{s^2}{B} \, P_N \nabla \mathrm{reg}(\theta), \qquad
\frac{d \theta}{d \tau} = - P_N \nabla \mathrm{reg}(\theta), \qquad \tau = (c \, \eta)^2 \, \frac{s^2}{B} \, t .$$

So the time of the drift goes with $1 / \eta^2$ steps. The correction is of relative size $O(\eta \,
(\lambda_\mathrm{max}(G) + \max_i |g_i|^2 / B))$. Stability of SGD itself is ensured by $c \, \eta \,
(\lambda_\mathrm{max}(G) + \max_i |g_i|^2 / B) < 1$. A model that is linear in what is trained has a constant
$\mathrm{reg}$ and does not drift.
"""

_CAVEATS = r"""
## What is not claimed

- Not found: the paper's learning rates, widths, batches and its twelve points. The step sizes, sizes and noise here
  are our own, and curve lengths cannot be matched number for number.
- The theorem is about the squared error, constant variance, smooth units and times up to $\eta^{-1.6}$. What is
  measured at longer times is the drift equation's, not the theorem's. ReLU networks are outside it; so are label
  flips and cross-entropy.
- Regions were set after trial runs on other data and other seeds, and not changed since.
- With the noise on, errors have a floor of order $\eta s^2$: solutions are read after the noise or the step size was
  lowered, after averaging, or after a projection to zero error, as each part says.
"""

_PARTS = (text_drift, text_escape, text_sensing, text_curve, text_one_point, text_sparse, text_stability)

MATHEMATICS = "\n".join((_INTRODUCTION, *(part.MATHEMATICS for part in _PARTS), _CAVEATS))
