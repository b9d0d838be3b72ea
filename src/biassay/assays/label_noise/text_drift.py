"""The mathematics of the part `drift` of the assay `label-noise`, for its page."""

MATHEMATICS = r"""
## Drift

$$h(x) = \sum_{j=1}^{6} c_j \tanh(w_j \cdot x), \qquad x_1, \dots, x_4 \in \mathbb{R}^2, \qquad
y = (0.5, -0.7, 0.3, 0.9) .$$

Is the constant of the drift right, and its direction? A data set is Gaussian points and a network with weights $\sim
N(0, 1)$, taken to zero error by gradient descent and then by minimum-norm Gauss-Newton steps: the start $\theta^*$.
From there SGD with label noise, $s = 0.3$, $B = 1$, many runs at each of several step sizes $\eta$, each for the same
drift time $\tau = \eta^2 s^2 t$. Every end is mapped back to zero error by gradient flow. With $d$ the mean over the
runs of the end minus $\theta^*$, and $D$ the displacement of the flow $\dot\theta = -P_N \nabla \mathrm{reg}$ over
the time $\tau$,

$$\mathrm{ratio} = \frac{\langle d, D \rangle}{\lVert D \rVert^2}, \qquad
\mathrm{cosine} = \frac{\langle d, D \rangle}{\lVert d \rVert \, \lVert D \rVert} .$$

**Why gradient flow maps the ends back.** The limit $\Phi(\theta)$ of gradient flow does not change along the flow, so
that of a step only the noise moves it, in the mean by $\frac12 \partial^2 \Phi$ applied to the covariance of the
step. The transient at the beginning, while the noise has not reached its width, and the width at the end drop out.
The shortest way back would leave both in the result.

**A check by hand.** For $h = u v$, one example and $y = 1$, a step multiplies $u^2 - v^2$ by exactly $1 - (2 c \eta
r)^2$, with $r = uv - y - \varepsilon$. Near zero error $\mathrm{E} \, r^2 = s^2$, so that $u^2 - v^2$ shrinks by
$e^{-4 (c \eta)^2 s^2}$ a step; the flow of the drift has $u^2 - v^2 \propto e^{-4 \tau}$.

**How small $\eta$ must be** depends on the data. The correction is of the order of $\kappa = 2 \eta \,
(\lambda_\mathrm{max}(G) + \max_i |g_i|^2 / B)$; it was about a quarter of that on the sets tried. So draws are used
in their order, but passed over where they have no zero error, where $\kappa > 0.08$ at $\eta = 0.002$, or where
$\lambda_\mathrm{min}(G) < 0.05$: there neither the noise settles nor gradient flow maps back within the run. About
one draw in eight is used. The rule looks at the start alone, and was fixed before the sets that are judged were
drawn. On sets with $\lambda_\mathrm{min}$ down to $0.001$, not used, the ratio was between 0.97 and 1.12 at $\eta =
0.002$.

**The order of the correction** is measured by how the excess of the ratio over 1 shrinks when $\eta$ halves: the
geometric mean over the halvings, of the mean over the data sets with the inverse of the variance as weights; its
error is from the jackknife over the runs. At the smallest $\eta$ the excess is less than a per cent and its error a
tenth of it, so that a single halving there says little.

**Controls.** Without noise nothing moves. Against the flow with twice the constant, or a quarter of it, the ratio is
near 1/2 and 4, and the excess does not shrink. Isotropic noise in the parameters, of the same total variance, wanders
many times as far as label noise drifts, and its mean along $D$ is within three standard errors of zero. That is no
proof of zero: isotropic noise of variance $\sigma^2$ a step has a drift of its own, by the same argument (derived
here) $-\frac{\sigma^2}{4} P_N \nabla \log \det J J^\top$, which at this many runs is about one standard error. It
depends on $\mathrm{reg}$ in no way. By chance alone a mean of 256 runs is beyond three standard errors in 0.3 % of data
sets without a drift, and in 2.4 % with a drift of one standard error: at least one of four sets is, in 1 % and in 9 %
of repetitions. One set beyond them would be weak evidence of a drift along $D$.
"""
