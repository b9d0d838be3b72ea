"""The mathematics of the part `curve` of the assay `label-noise`, for its page."""

MATHEMATICS = r"""
## A curve through twelve points

$$f(x) = \sum_{j=1}^{m} c_j \, \mathrm{relu}(a_j x + b_j) + l x + d, \qquad \theta = (a, b, c, l, d), \quad m = 60 ,$$

on four groups of three collinear points. Unit $j$ bends the curve at $x = -b_j / a_j$, where the slope jumps by $c_j
|a_j|$. The paper (Blanc, Gupta, Valiant, Valiant 2020) shows pictures in which label noise simplifies the curve
after the loss first vanished, and has a theorem for ReLU networks on the line: a stable solution does not bend inside
three or more collinear points, and changes its convexity as rarely as the points allow. Its points, widths and step
sizes were not found; those here are our own, so that its numbers cannot be matched one by one.

**What is run.** Starts $a_j, c_j \sim N(0, 1)$, kinks uniform on $[-1.3, 1.3]$, $l = d = 0$. From each, SGD on single
examples with $(f - y)^2$, $\eta = 0.003$ and label noise of $s = 0.7$, in four arms: no noise; noise; noise with only
the outer weights $(c, l, d)$ trained; noise with only the inner weights $(a, b)$ trained. The noise is off for the
last quarter of the steps: with it on, the length fluctuates by 0.1 to 0.3.

**When the points are fitted.** While the noise is on they are not: it keeps the training error near $\eta s^2 \,
\mathrm{reg}$ (derived here, from the stationary covariance above, to first order in $\eta$): with both layers trained
its median is about 0.1 up to 10 000 steps, and 0.01 after 240 000, as reg has fallen by then. So error and bends fall
together. Below 0.001 the error falls only after the noise is switched off, within the first 4000 steps; the shape then
stays as it was.

**What is measured**, exactly, from the kinks of the piecewise linear $f$ on $[-1, 1]$:

- the length $\int \sqrt{1 + f'^2}$. A curve through the points is at least as long as the polyline through them,
  3.880. Claimed is the *excess* over it, as the ratio of the means over the starts with and without noise;
- the total variation of the slope, $\sum_j |c_j a_j|$ over the kinks inside: the same ratio;
- the changes of convexity. Kinks closer than 0.03 are taken together and jumps below 0.1 dropped, so that counts are
  good to about one. The polyline has 3, the least at zero error. Of the 30 default starts with noise 3 end with one
  change, 16 with two and 11 with three: 63 % are below what zero error allows. They undershoot because they still miss
  the points by about 0.02 (those with a single change by the most), and because merging kinks and dropping small jumps
  can hide a change. So what is claimed is not the theorem's count, but that the mean over the starts is within one of
  the polyline's. It is 0.73 below it, with an interval from 0.99 to 0.50 below, close to the edge of the region at 1:
  with 10 starts the interval may cross it; hence 30.

**Controls.** With the outer layer alone, $f$ is linear in what is trained and $\mathrm{reg} = \frac{1}{n} \sum_i
|\nabla f(x_i)|^2$ over those weights is constant, to the last digit. With the inner layer alone, reg is piecewise
constant: it changes where a unit switches on or off at a data point, and has no slope.

**How to read the length.** The point set is the third that was tried. With evenly spaced points and a smaller $c$,
and with irregular points, the curve was about as short as the polyline without any noise, and there was no contrast
to see, although reg fell. So the length is claimed of these points and these starts, not of ReLU networks in general:
it depends on data and initialization. Kinks, convexity and the variation of the slope separate more clearly. A final
curve that is shorter than the polyline has not converged; one that is by more than 0.03 makes the claims vacuous.
"""
