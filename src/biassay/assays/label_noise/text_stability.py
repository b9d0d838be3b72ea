"""The mathematics of the part `stability`."""

MATHEMATICS = r"""
## The stability test

`biassay.label_noise_stability` asks of any model with a squared error whether label noise would move a solution of
zero error. It takes the parameters to zero error by minimum-norm Gauss-Newton steps and measures

$$\frac{\lVert P_N \nabla \mathrm{reg} \rVert}{\lVert \nabla \mathrm{reg} \rVert}, \qquad
\nabla \mathrm{reg} = \frac2n \sum_i H_i g_i, \qquad P_N g = g - J^\top (J J^\top)^+ J g ,$$

$g_i$ and $H_i$ the gradient and the Hessian of $h(x_i)$, $J$ the Jacobian with the rows $g_i$. A point is called stable
where the ratio is below $10^{-3}$. Large models need products with $J$ and $J^\top$ alone; stopping their iteration
early can only make the ratio larger.

Here the answer is known: tanh networks of ten units on one point, $x = (1, .5, -.5)$, $y = 1$. A random solution is not
stable, and the drift flow from it ends at one that is, with a single active unit and
$\mathrm{reg} = 2 \sqrt{3.75} - 3$.

**Controls.** With the outer layer alone trained the network is linear in its parameters: reg is constant, and the
ratio exactly 0. Points moved off zero error along $\nabla h$, by 0.3 of their norm, are refused: the test means nothing
there.

**Reading it.** The ratio compares directions, not speeds: the drift of a point with a ratio near 1 may still be slow,
which is why the result also tells steps. One point takes up one of forty directions; where the data take up a larger
share, random solutions may have smaller ratios: in trials with four points and 24 weights 12 % of 892 were below 0.5.
Flows from some starts rest for long next to a point that is stable in all but a few directions: of 200 trial networks
two had not ended at drift time 80, and all had at 120.
"""
