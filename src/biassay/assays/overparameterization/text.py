"""The mathematics of the assay `overparameterization`, for its page."""

MATHEMATICS = r"""
## Part one: how gradient descent walks to a solution

Nonlinear least squares with more parameters than equations. The network has one smooth hidden layer that is trained,
$\theta = (w_1, \dots, w_m)$, under output signs that are not:

$$f_i(\theta) = \sum_{k=1}^m v_k \, \phi(x_i \cdot w_k), \qquad \phi(z) = \frac{\log(1 + e^{4z})}{4}, \qquad
v_k = \pm \frac{1}{\sqrt{m}} \text{ alternating}, \qquad w_k(0) \sim N(0, I).$$

The $n = 30$ points $x_i$ lie on the unit sphere in ten dimensions, the targets are $N(0, 1)$: nothing is to be
learned but the numbers themselves. With $r = f - y$ and $J = \partial f / \partial \theta$ of shape $(n, md)$,

$$L = \frac{\lVert r \rVert^2}{2}, \qquad \theta_{k+1} = \theta_k - \eta J^\top r, \qquad
\eta = \frac{1}{2 \beta_0^2},$$

full batch, one step size. The loss is a sum over the points as in the paper; the package's usual mean would make the
same step size read $n \eta$. Let $\alpha \leq \sigma(J) \leq \beta$ bound the singular values of $J$ along the path.

**Three statements** (Oymak and Soltanolkotabi, ICML 2019): gradient descent converges geometrically to a global
minimum, at a near-minimal distance from the start, along a near-direct route. Their constants, as recalled, are
$\lVert r_k \rVert^2 \leq (1 - \eta \alpha^2 / 2)^k \lVert r_0 \rVert^2$ and a path of at most $4 \lVert r_0 \rVert /
\alpha$.

For the gradient flow $\dot\theta = -J^\top r$ sharper ones follow in two lines. As
$\lVert \dot\theta \rVert = \lVert J^\top r \rVert \geq \alpha \lVert r \rVert$,

$$\frac{d}{dt} \lVert r \rVert = - \frac{\lVert J^\top r \rVert^2}{\lVert r \rVert}
\leq - \alpha \lVert \dot\theta \rVert
\quad \Longrightarrow \quad \mathrm{path} \leq \frac{\lVert r_0 \rVert}{\alpha},$$

and where $\lVert J \rVert \leq \beta$ on the segment from $\theta_0$ to $\theta_T$ the outputs change by at most
$\beta \, \mathrm{dist}$, so that $\mathrm{dist} \geq (\lVert r_0 \rVert - \lVert r_T \rVert)/\beta$. For a linear
model with one parameter both are equalities.

**The PL\* inequality** (Liu, Zhu and Belkin, 2020). $\lVert \nabla L \rVert^2 / 2 \geq \mu L$ with $\mu =
\lambda_{\min}(J J^\top) = \sigma_{\min}(J)^2$ is linear algebra, and as such cannot fail; the measurement checks the
eigenvalues and gradients, which are computed in different ways. What can fail is that $\mu$ stays away from zero. In
a wide network it hardly moves; six neurons, with two parameters an equation, lose it for some seeds, and these are
stuck.

**The nearest solution.** The solutions form a manifold. From the solution that gradient descent found, and from the
linearised network's, we slide along it towards $\theta_0$,

$$u \leftarrow u - \delta (I - J^+ J)(u - \theta_0), \qquad \text{then Newton's method} \quad
u \leftarrow u - J^\top (J J^\top)^{-1} r(u),$$

with $\delta$ halved whenever that does not come nearer. Where the tangential part $(I - J^+ J)(u - \theta_0)$
vanishes the distance is stationary: a local minimum, so that the "nearest distance" is an upper bound, and distance
over nearest distance a lower one. In narrow networks two starts often end at two different local minima.

**The linearised network** is the control of the title's question. With the eigenvalues $\lambda_i$ of $J_0 J_0^\top$
and the coordinates $c_i$ of $r_0$, its gradient descent is known in closed form:

$$\mathrm{path} = \sum_k \eta \sqrt{\sum_i \lambda_i (1 - \eta \lambda_i)^{2k} c_i^2}, \qquad
\mathrm{dist} = \sqrt{\sum_i \frac{c_i^2}{\lambda_i}}.$$

### What to make of the verdicts of part one

- *Near-minimal distance* gets sharper with the width. The region, 3 % at 400 neurons, and its control, 12 neurons
  more than 10 % off, were fixed from one trial run in which the search for the nearest solution of the narrow network
  had not converged; with a search that converges, and over seeds, the narrow network is about 5 to 10 % off in most
  of them. When the verdict reads `unclear` because the control did not do what it must, that is why; the figure shows
  both.
- *The shortest path*, read literally, fails: the path is about a fifth longer than the straight line, at every width,
  and the linearised network's path just as much. It is the spread of the eigenvalues that bends it: directions of
  large $\lambda_i$ are walked first. Nonlinearity has no part in it, and width does not help. The theorem itself only
  asks for $\mathrm{path} \leq 4 \lVert r_0 \rVert / \alpha$.
- *The bounds hold with much room.* The path is about half of $\lVert r_0 \rVert / \alpha$, an eighth of the theorem's
  bound. A bound this loose is weak evidence that the proof has found the reason.

## Part two: how wide is wide enough?

One hidden ReLU layer, all parameters trained on the mean of $(f - y)^2$; $n$ inputs $N(0, I)$ in ten dimensions with
random labels $\pm 1$; weights $N(0, 2/d)$, outputs $N(0, 1/m)$, biases zero; full batch. Neurons are masked: a neuron
with zero weights has no gradient and never moves, so that all widths run in one program.

A width is needed only *under a budget* $B$ = (optimizer, step size or the best of a grid, schedule, steps, batch,
criterion):

$$m^*(n; B) = \text{the smallest width on a grid at which at least } 2/3 \text{ of the seeds fit.}$$

Two criteria are judged side by side: all signs right, and a mean squared error below $10^{-2}$. For intervals over
seeds every seed gets its own threshold, the smallest width times one step of the grid for each width at which it
fails (the smallest width that fits, where success is monotone). The grid is the same for every $n$, so that runs
which never fit would show the exponent 0, not the grid's own; its steps are a factor of about 1.3, and the exponent
of a seed moves in steps.

Widths that were *proved* to suffice, as the lecture lists them (with the loss, the layers that are trained and the
activation of each; QL quadratic loss, CLL convex Lipschitz loss, SD separable data):

| width | reference | depth, training, setting, activation |
|---|---|---|
| $n$ | Kawaguchi, Huang | $L$, gradient descent on layer $L$, CLL, ReLU |
| $n^{3/2}$ | Song, Ramezani-Kebrya, Pethick, Eftekhari, Cevher | 2, gradient descent, QL, smooth |
| $n^2$ | Oymak, Soltanolkotabi | 2, gradient descent on layer 1, QL, ReLU |
| $n^2$ | Song, Yang | 2, gradient descent, SD, ReLU |
| $n^6$ | Du et al. | 2, gradient descent, SD and QL, ReLU |
| $n^8 L^{12}$ | Zou, Gu | $L$, gradient descent, SD and QL, ReLU |

### What to make of the verdicts of part two

- *The theorems' widths suffice*: true and `vacuous`, for about $2n/d$ neurons do as well, in the seeds or most of
  them. Only the widths that fit into a computer are trained, on 32 points, with all layers and without the theorems'
  constants; $n^6$ would be $10^9$ neurons. The step size there is $\min(.05, 1/m)$, as the curvature grows with $m$.
- *The law.* About $n/d$ neurons are enough, one to one and a half parameters a point. Below 64 points a few neurons
  are needed whatever $n$ is, and those are left out of the exponent. The range of $n$ in the quick profile is short,
  the grid coarse, and a threshold of seven neurons has little room to be smaller: an exponent whose interval crosses
  the edge of its region says that more sizes are needed, not that the law is another one.
- *Budgets.* With more steps gradient descent needs less width, until it needs about as little as Adam. That still
  more steps save nothing is likely but not shown: ten seeds on a coarse grid do not tell a saving of 15 % from none.
  How flat Adam is depends on the criterion: for all signs right it needs little more width in few steps, for a small
  error it needs about twice as much, and the sentence fails. "SGD needs far larger networks than an explicit
  construction" is therefore a statement about a budget; without the steps, the step size and the batch it has no
  truth value.
- The control with conflicting labels (a quarter of the points come in pairs with opposite labels) fits at no width:
  the measures can fail.

## Caveats

- One law of the inputs, one of the labels, full batch (SGD in the full profile only), one depth. The best step size
  depends on the width; "gradient descent" takes the best of its grid at every width and budget.
- $\alpha$ and $\beta$ are extremes over checkpoints, not over every step, and the bounds are those of the flow.
- Not every seed of the narrow network collapses: its controls ask for some.
"""
