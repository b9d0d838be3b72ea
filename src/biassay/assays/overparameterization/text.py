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
minimum, at a near-minimal distance from the start, along a near-direct route. The constants of the theorem, *as
recalled*, are $\lVert r_k \rVert^2 \leq (1 - \eta \alpha^2 / 2)^k \lVert r_0 \rVert^2$ and a path of at most
$4 \lVert r_0 \rVert / \alpha$. It assumes bounds on the singular values and the slope of $J$ in a whole ball around
$\theta_0$; these hypotheses are not verified here, where $\alpha$ and $\beta$ are measured along the path alone.

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
eigenvalues and gradients, which are computed in different ways. With $\alpha$ taken along the run's own path the
geometric rate, the bound on the path and that on the distance all but follow from it: up to the size of the steps
they are identities of the calculus, and that they hold is a check of the computation rather than of the theory.

What can fail is that $\mu$ stays away from zero. Hence three claims have a narrow network as their control: six
neurons, with two parameters an equation, may lose the rank of $J$ on the way. A seed that does, held to the $\alpha$
*of its start*, which is all that can be known before the run, breaks the geometric rate, and may be stuck away from a
minimum.

**The nearest solution.** The solutions form a manifold. From the solution that gradient descent found, and from the
linearised network's, we slide along it towards $\theta_0$,

$$u \leftarrow u - \delta (I - J^+ J)(u - \theta_0), \qquad \text{then Newton's method} \quad
u \leftarrow u - J^\top (J J^\top)^{-1} r(u),$$

with $\delta$ halved whenever that does not come nearer. Where the tangential part $(I - J^+ J)(u - \theta_0)$
vanishes the distance is stationary: a local minimum, so that the "nearest distance" is an upper bound, and distance
over nearest distance a lower one. We search from three starts, those two and the point half-way between them, and take
the nearest; in narrow networks they may end at different local minima. A search counts as converged when the
tangential part is below $10^{-3}$. Where it has not, the nearest distance is an upper bound for that reason too: the
data tell which, the figure marks these seeds, and the claims about wide networks are `vacuous` if one is among them.

**The linearised network** is the control of the title's question. With the eigenvalues $\lambda_i$ of $J_0 J_0^\top$
and the coordinates $c_i$ of $r_0$, its gradient descent is known in closed form:

$$\mathrm{path} = \sum_k \eta \sqrt{\sum_i \lambda_i (1 - \eta \lambda_i)^{2k} c_i^2}, \qquad
\mathrm{dist} = \sqrt{\sum_i \frac{c_i^2}{\lambda_i}}.$$

### What to make of the verdicts of part one

- *Near-minimal distance.* The region, 3 % at 400 neurons, and its control, 12 neurons more than 10 % off, come from one
  trial run in which the search for the nearest solution of the narrow network had not converged. If the verdict reads
  `unclear` because the control did not do what it must, the narrow network is not that far off once the search
  converges and several seeds are taken: the sentence then separates wide networks from narrow ones less sharply than
  the trial suggested. The figure shows both.
- *Nearer when wider* is said of the wide networks only, where every search converges. Its control is the step between
  the two narrow widths, where the sentence must break for some seeds. A single seed is enough for that, so that a
  trend that narrow networks share on average does not count against it: read the figure, not the word alone.
- *The shortest path*, taken literally (5 % at most), is refuted where path over distance stays above 1.05. The control
  then tells why: if the linearised network's path is bent just as much (the claim *bend is the spectrum*, at the width
  where distances are judged), it is the spread of the eigenvalues that bends it, as directions of large $\lambda_i$
  are walked first, and nonlinearity has no part in it. In narrow networks the two may differ: there nonlinearity adds
  a bend of its own. The theorem itself only asks for a path of at most $4 \lVert r_0 \rVert / \alpha$, in the recalled
  form.
- *How loose the bounds are* is written under the figure. A bound that holds with much room is weak evidence that the
  proof has found the reason.

## Part two: how wide is wide enough?

One hidden ReLU layer, all parameters trained on the mean of $(f - y)^2$; $n$ inputs $N(0, I)$ in ten dimensions with
random labels $\pm 1$; weights $N(0, 2/d)$, outputs $N(0, 1/m)$, biases zero; full batch. Neurons are masked: a neuron
with zero weights has no gradient and never moves, so that all widths run in one program.

A width is needed only *under a budget* $B$ = (optimizer, step size or the best of a grid, schedule, steps, batch,
criterion):

$$m^*(n; B) = \text{the smallest width on a grid at which at least } 2/3 \text{ of the seeds fit.}$$

Two criteria are judged side by side: all signs right, and a mean squared error below $10^{-2}$, both when the budget
has run out. For intervals over seeds every seed gets its own threshold, the smallest width times one step of the grid
for each width at which it fails (the smallest width that fits, where success is monotone). The grid is the same for
every $n$, so that runs which never fit would show the exponent 0, not the grid's own; its steps are a factor of about
1.3, and the exponent of a seed moves in steps.

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

The table is the lecture's; the alignment of its columns was reconstructed from a damaged copy, and of the papers only
the abstract of one, Song, Ramezani-Kebrya, Pethick, Eftekhari and Cevher (2021), has been read. The years in the figure
are those of the preprints that we take the names to mean.

### What to make of the verdicts of part two

- *The theorems' widths suffice.* Only the widths that fit into a computer are trained, on 32 points, with all layers
  and without the theorems' constants; $n^6$ would be $10^9$ neurons. The step size is $\min(.05, 1/m)$, as the
  curvature grows with $m$. These runs end at the first of about forty looks at which every seed has all signs right,
  or with the steps of the law, so that the error they leave says nothing and accuracy is the only criterion. The
  control has $2n/d$ neurons, which no row of the table names. Where seeds fit there as well the verdict is `vacuous`:
  that the large width suffices is true, and tells nothing of why.
- *The law.* Were $n$ labels to cost $n$ parameters, $n/(d + 2)$ neurons would do, and the exponent would be 1. Below 64
  points a few neurons are needed whatever $n$ is, and those are left out of the exponent. The range of $n$ in the quick
  profile is short, the grid coarse, and a threshold of a few neurons has little room to be smaller: an exponent whose
  interval crosses the edge of its region says that more sizes are needed, not that the law is another one.
- *Budgets.* What steps save is counted in doublings of the width, $\log_2$ of the width needed with few steps over
  that with many, so that no saving is 0. A factor of 1.25 is 0.32 doublings, and divides "saves width" from "nearly
  flat" for both optimizers: gradient descent, with the best of its step sizes, is to lie above it, Adam below, over
  the same budgets, and each is the control of the other. Where *budget saves width* reads `vacuous`, Adam too saves
  more than that between the least budget and the steps of the law, and the contrast between the two is one of degree:
  at the least budget Adam as well has not finished. *Then flat* allows a factor of 1.15, 0.20 doublings, beyond the
  steps of the law. That is less than one step of the grid: a seed's threshold either stays or moves by more. Ten seeds
  may not tell such a saving from none, and then `unclear` is the honest word; where the claim holds it says that most
  thresholds stay, no more. The criterion matters as well, since a small error takes more steps than the right signs.
- "SGD needs far larger networks than an explicit construction" is therefore a statement about a budget; without the
  steps, the step size and the batch it has no truth value.
- The control with conflicting labels (a quarter of the points come in pairs with opposite labels) fits at no width,
  and networks that take no step fit at none under the small error: the measures can fail.

## Caveats

- One law of the inputs, one of the labels, full batch (SGD in the full profile only), one depth. The best step size
  depends on the width; "gradient descent" takes the best of its grid at every width and budget.
- $\alpha$ and $\beta$ are extremes over checkpoints, not over every step, and the bounds are those of the flow.
- Not every seed of the narrow network collapses: its controls ask for some. The caption says how many do.
- A statement about every width is told by the worst width of each seed, so that the number of cases is that of seeds.
"""
