"""The mathematics of the part `escape` of the assay `label-noise`, for its page."""

MATHEMATICS = r"""
## Escape

$$h(x) = \sum_{j=1}^{10} c_j \tanh(w_j \cdot x), \qquad x = (1, 0.5, -0.5), \quad y = 1 .$$

The theorem as recalled, not read: from near a zero-error point that is not stable, after $t = \eta^{-1.6}$ steps SGD
with label noise is $\eta^{0.4}$ away, $\mathrm{reg}$ has fallen by as much, and the training error is $O(\eta)$. The
drift explains the exponent: it covers $\lVert P_N \nabla \mathrm{reg} \rVert \, \eta^2 s^2 t \propto \eta^{0.4}$.

**What is run.** $s = 0.5$, several step sizes, and two kinds of starts. *Unstable*: weights $\sim N(0, 1)$, taken to
zero error the shortest way. *Stable*: where the drift flow from there has ended, at $\tau = 80$ with $\lVert P_N
\nabla \mathrm{reg} \rVert < 10^{-6} \, \lVert \nabla \mathrm{reg} \rVert$. Draws that do not get there are passed
over: about one in thirty, in which a unit is saturated and its drift exponentially small.

**What is measured.** The distance from the start has two parts. Across the zero-error set the noise keeps a width of
order $s \sqrt{\eta}$, at stable points as well. Along the set, in the null space of the Jacobian of the start, only
the drift adds up:

$$\lVert P_N (\theta_t - \theta_0) \rVert \propto \eta^{0.4} \quad (\mathrm{unstable}), \qquad
O(\eta) \quad (\mathrm{stable}) .$$

The second is the square of the width, turned along the set by its curvature. The exponents 0.5 and 0.4 are too close
to be told apart by the whole distance, so the claim is about the part along the set: one slope a run, fitted to the
logarithms over all step sizes, and its mean over the starts.

**How to read it.** The fitted slope is a little off 0.4 in two known ways. The drift slows down on the way, which
takes 0.015 off the flow's own slope, and at the largest step sizes SGD runs a few per cent ahead of the flow, which
adds 0.01. As $\eta \to 0$ both vanish: the third claim compares with the flow itself at the smallest step size. A start
with a fast drift slows down the most, to a slope of 0.33 at the worst; one such start among sixteen can widen the
interval of the mean over the edge of the region, and on the default seeds it does. The fall of $\mathrm{reg}$ and the
error left are shown and not judged; one end point a run says little about either.
"""
