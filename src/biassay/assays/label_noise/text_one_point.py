"""The mathematics of the part `one_point` of the assay `label-noise`, for its page."""

MATHEMATICS = r"""
## One point

$$h(x) = \sum_{j=1}^{m} c_j \, \mathrm{act}(w_j \cdot x), \qquad m = 10, \quad x = (1, 0.5, -0.5), \quad h(x) = y .$$

The paper (Blanc, Gupta, Valiant, Valiant 2020): for tanh or logistic units on a single point, the hidden activations
and the outer weights of a stable solution take at most two distinct values, or are zero.

**Why, and which.** Let $a_j = \mathrm{act}(w_j \cdot x)$, $p_j = c_j a_j$ and $k = |x|^2 = 1.5$. Then $\mathrm{reg} =
\sum_j a_j^2 + k \, c_j^2 \, \mathrm{act}'(w_j \cdot x)^2$, and zero error is $\sum_j p_j = y$. The least of unit
$j$'s part at fixed $p_j$ is $\varphi(p_j)$ (derived here), with $\sigma = k p^2$:

$$\varphi_{\tanh}(p) = 2 \sqrt{\sigma (1 + \sigma)} - 2 \sigma, \qquad
\varphi_{\mathrm{logistic}}(p) = \frac{\sigma}{1 + \sigma} \quad \mathrm{at} \quad a = \frac{\sigma}{1 + \sigma} .$$

$\varphi_{\tanh}$ is concave in $|p|$, so that one unit does all and the others are zero: for $y = 1$ the least reg is
$2 \sqrt{3.75} - 3 = 0.8730$. The slope of $\varphi_{\mathrm{logistic}}$ takes every value at most twice, so that
there are at most two kinds of units. For $y = 1$ the least has ten equal units, $\mathrm{reg} = 0.1478$; for $y = 3$
one against nine, $0.9279$.

**What is run.** Weights $\sim N(0, 1)$, taken to zero error. From there SGD with label noise, $\eta = 0.01$, $s =
0.5$, to the drift time $\tau = \eta^2 s^2 t = 30$; and the drift equation $\dot\theta = -P_N \nabla \mathrm{reg}$ in
the coordinates $(w_j \cdot x / |x|, c_j)$, by a stiff solver (LSODA), to $\tau = 10^7$. SGD with noise fluctuates
about zero error, so its points are taken back there by the shortest step before reg is read.

**How to read it.**

- Where label noise ends is judged at the end of the *drift equation*. Logistic units relax algebraically in $\tau$:
  when SGD ends, $|P_N \nabla \mathrm{reg}| / |\nabla \mathrm{reg}|$ is still 0.1 to 0.7 and the units are of many
  kinds. The sentence of the paper holds at times that SGD does not reach here.
- With tanh units SGD gets there: its number of active units at $\tau = 30$ is a claim of its own. It was added after
  the default runs had been seen, then tried on eight other starts, and all sixteen had one.
- That SGD follows the drift equation is judged beside it, on the logistic networks at $\tau = 30$; the tanh networks
  have mostly arrived by then, and even an equation that is twice as fast would agree. SGD's own path wanders, so the
  mean over starts is judged. Earlier, while reg is large, SGD is ahead by a share of order $\eta \, \mathrm{reg}$ of
  its clock: up to 2 % in reg for logistic units, more for tanh.
- At rest does not mean at the least: with $y = 3$ about 6 of 100 starts rest at ten equal units, $\mathrm{reg} =
  1.189$, a local minimum of reg. They too have one kind of units.
- Control: without noise SGD stays where it was put, at zero error with ten active units.
"""
