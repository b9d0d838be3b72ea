"""The mathematics on the page of the assay `square-loss`."""

MATHEMATICS = r"""
A bias-free ReLU network is homogeneous in every layer: $f_W(x) = \rho f_V(x)$ with $V_k = W_k / \|W_k\|_F$ and
$\rho = \prod_k \|W_k\|_F$. Labels are $y_n = \pm 1$, margins $m_n = y_n f_V(x_n)$, and of these two moments matter,
$\mu = \frac1N \sum_n m_n$ and $M = \frac1N \sum_n m_n^2$; $s^2 = M - \mu^2$.

**The flow.** Lagrange multipliers hold the norms and the scale pays for its size,

$$
L = \frac1N \sum_n (\rho f_V(x_n) - y_n)^2 + \sum_k \nu_k (\|V_k\|_F^2 - 1) + \lambda \rho^2,
$$

so that

$$
\dot\rho = -2 (\rho M - \mu) - 2 \lambda \rho, \qquad
\dot V_k = \frac{2\rho}{N} \sum_n (1 - \rho m_n) \Big( \frac{\partial m_n}{\partial V_k} - V_k m_n \Big).
$$

At rest

$$
\rho_{eq} = \frac{\mu}{M + \lambda}, \qquad L_{eq} = \frac{s^2 + \lambda}{s^2 + \lambda + \mu^2}.
$$

A smaller $\rho_{eq}$ goes with larger margins, and as $\lambda \to 0$ the least loss has $s = 0$: equal margins and
$\rho = 1/m$. Relaxation takes a time of order $1/\lambda$: a $\rho$ at a finite $T$ is not $\rho_{eq}$, and the
formulas are judged only where $T \lambda \ge 1.5$. That the flow ends at the *least* $\rho$ of all minima is not
tested here. An image for which all units of a layer are dead has the margin 0 and keeps it: no margin can then equal
the others.

**Weight normalization** $W = g\, v / \|v\|$ with one scale is the same flow where $\|v\| = 1$; its directions move
$1 / \|v\|^2$ times as fast otherwise. The velocities are equal to rounding; the paths of two computations are as near
as the kinks of relu allow, at which close paths may part whatever the step.

**Without normalisation** gradient flow with weight decay $wd$, the penalty $\frac{wd}{2} \sum_k \|W_k\|^2$, has

$$
\frac{d}{dt} (\rho_k^2 - \rho_j^2) = -2\, wd\, (\rho_k^2 - \rho_j^2).
$$

With equal norms that penalty is $L \frac{wd}{2} \rho^{2/L}$ for $L$ layers, another one than $\lambda \rho^2$; it
rests at another $\rho$.

**Noise.** If every mini-batch of $B < N$ examples were stationary, exchanging example $i$ for $j$ in one would give,
with $\ell_n = 1 - \rho m_n$,

$$
V_k (\ell_i m_i - \ell_j m_j) = \ell_i \frac{\partial m_i}{\partial V_k} - \ell_j \frac{\partial m_j}{\partial V_k},
$$

a matrix of rank at most 2, in every layer. Where matrices of rank 2 do not fit the data, SGD with weight decay cannot
come to rest. Measured is the mean over the layers of $\|W_{t+1} - W_t\|_F / \|W_t\|_F$ *per step*; the floor of a run
is its median over the last samples, at a step size that never falls. With relu the full batch may not come to rest
either at a finite step size; $\mathrm{silu}(2z)$, which has no kink, tells whether it would. A weight decay acts within
$1 / (lr\, wd)$ steps: where $lr\, wd\, T$ is below 1 the floor is not stationary yet.

**Convention.** Weight decay adds $wd\, W$ to the gradient; a penalty $\lambda \|W\|^2$ is $wd = 2 \lambda$. The loss
has no factor 1/2 and is summed over the outputs. With batch normalisation the effective scale is another one,
$\prod \|W\|_F \prod \|\sqrt\gamma\| / \prod \sigma_{BN}$; there is none in these networks.
"""
