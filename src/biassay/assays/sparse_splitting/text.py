"""The mathematics of the assay `sparse-splitting`, for its page."""

MATHEMATICS = r"""
## The method

The penalty $P$ is put on a copy $u$ of the weights $w$, and a spring holds the two together:

$$\mathcal{L}_\beta(u, w) = L(w) + \lambda P(u) + \frac{\beta}{2} \lVert w - u \rVert^2 .$$

Every step minimises this in $u$, which is a thresholding, and takes a gradient step in $w$; optionally $w$ is then
brought back to norm 1:

$$u \leftarrow \mathrm{prox}_{\lambda/\beta}(w), \qquad
w \leftarrow w - \eta \nabla L(w) - \eta \beta (w - u), \qquad
w \leftarrow w / \lVert w \rVert .$$

This is RVSM, the relaxed variable splitting method of Dinh and Xin 2018. The exact zeros are in $u$, never in $w$.

- **R1.** For a one-hidden-layer convolutional ReLU network with non-overlapping patches and Gaussian input it learns
  the network with high probability, under the $\ell_1$, the $\ell_0$ and the transformed $\ell_1$ penalty.
- **R2.** The iterates converge to a limit that is the true weight under a thresholding.
- **R3.** The penalties trade accuracy for sparsity differently.

## The network

$f(w, x) = \frac1k \sum_{j=1}^{k} \mathrm{relu}(w \cdot x_j)$ with independent patches $x_j \sim N(0, I_d)$, and a truth
$w^*$ with $s$ entries that are not zero, $\lVert w^* \rVert = 1$. With $t$ the angle between $w$ and $w^*$,
$g = \lVert w \rVert (\sin t + (\pi - t) \cos t) / 2\pi$, $b = (k^2 - k) / 2\pi$ and $a = b + k/2$, the population risk
and its gradient are known in closed form (worked out here):

$$L(w) = \mathbb{E} (f(w, x) - f(w^*, x))^2
= \frac{1}{k^2} \left[ a (\lVert w \rVert^2 + 1) - 2 k g - 2 b \lVert w \rVert \right] ,$$

$$\nabla L(w) = \frac{1}{k^2} \left[
2 a w - \frac{k}{\pi} \left( \sin t \frac{w}{\lVert w \rVert} + (\pi - t) w^* \right)
- 2 b \frac{w}{\lVert w \rVert} \right] .$$

Nothing is sampled. At $w^*$ the Hessian is $1/k$ across $w^*$ and $2a/k^2$ along it; $t = \pi$ is a saddle.

## The three thresholdings

With $\tau = \lambda / \beta$, entry by entry:

- $\ell_1$: soft thresholding, $\mathrm{sgn}(w) \max(|w| - \tau, 0)$;
- $\ell_0$: hard thresholding, $w$ where $|w| > \sqrt{2\tau}$, else 0;
- transformed $\ell_1$ (Zhang and Xin 2017), $P(u) = \sum_i (a_1 + 1)|u_i| / (a_1 + |u_i|)$: zero up to
  $\tau (a_1 + 1)/a_1$ if $\tau \le a_1^2 / 2(a_1 + 1)$, else up to $\sqrt{2\tau(a_1 + 1)} - a_1/2$; beyond, with
  $\cos\varphi = 1 - 27 \tau a_1(a_1 + 1) / 2(a_1 + |w|)^3$,

$$\mathrm{sgn}(w) \left[ \frac23 (a_1 + |w|) \cos\frac{\varphi}{3} - \frac{2 a_1}{3} + \frac{|w|}{3} \right] .$$

## What is predicted

**Bias.** In the limit $\nabla L(w) = -\lambda P'(u)$ on the support. Across $w^*$ the Hessian is $1/k$, so to first
order in $\lambda$

$$\angle(w, w^*) = \lambda k \, \lVert P_\perp P'(w^*) \rVert ,$$

$P_\perp$ the projection across $w^*$. This is $\lambda k \sqrt{s - \lVert w^* \rVert_1^2}$ for $\ell_1$; for
transformed $\ell_1$ the entries of $P'$ are $\mathrm{sgn}(w^*_i) \, a_1(a_1 + 1) / (a_1 + |w^*_i|)^2$; for $\ell_0$ it
is zero. The spring $\beta$ does not enter. Shrinkage adds about $\tau \sqrt{s}$ to $\lVert u - w^* \rVert$ for
$\ell_1$, which is why the angle, and the error after a refit on the support of $u$ without a penalty, are shown beside
it.

**Support.** An entry with $u_i = 0$ is pulled down to $w^*_i / (1 + k\beta)$, where the spring balances the risk. If
that lies above the threshold, $\min |w^*_i| > (1 + k\beta)$ threshold, the entry comes back, and to leading order
(without the bias of the other entries, and away from the saddle opposite the truth) the support is found from every
start. If $\min |w^*_i|$ is below the threshold, it is lost. In between the start decides (hysteresis). The naive rule,
found if $\min |w^*_i|$ is above the threshold, forgets the spring.

**Lagrangian.** It must not rise for $\eta \le 1 / (\beta + 2a/k^2)$. The largest rise is carried along and updated at
every step, recorded or not; at the bound itself, which is the curvature at the truth and nowhere else, only the first
steps are run (`edge_steps`). The control leaves the norm of $w$ free: normalisation hides an unstable step size.

## Conditions of the theorem: unverified, not judged

The theorem's text was not at hand. From memory, its conditions are of this kind: the angle between start and truth
is bounded away from $\pi$; $\beta$ is small against that margin over $k$; $\eta$ is at most
$1 / (\beta + \text{a Lipschitz constant})$; $\lambda$ is small against $\beta^2 / \sqrt d$; $w$ is normalised in every
step. None of these constants is used, and no verdict here speaks about them. Here $\lambda$ is far above
$\beta^2 / \sqrt d$ in some runs, and the largest angle is whatever the starts give: in $d = 50$ they are nearly
orthogonal to the truth.

## The reading for R3

At equal $\lambda$:

- $\ell_0$ has no bias at all, and fails abruptly: its threshold grows like $\sqrt\lambda$. At $\lambda = 0.002$,
  $\beta = 0.04$ it is 0.32, above the smallest entry of most truths, while that of $\ell_1$ is 0.05.
- $\ell_1$ keeps the support there; its angle grows linearly in $\lambda$, to first order.
- Transformed $\ell_1$ at $a_1 = 1$ is *not* less biased than $\ell_1$: its angle is about 1.6 times as large
  (`tl1-more-biased`), as its slope $P'$ is larger and varies more over the entries. Its threshold is then twice that
  of $\ell_1$.

At equal threshold, the fairer comparison for sparsity, the order is the expected one: $\ell_0$ exact wherever the
support is found, transformed $\ell_1$ about 0.8 times the angle of $\ell_1$. Both comparisons have a figure. These
numbers are medians on seeds that judge nothing; those of a run are in the figures' captions.

## A small network on the digits

Our own experiment, not the paper's. `ba.dynamics.relaxed_splitting` around SGD with momentum trains a convolutional
network (three layers, about 2,000 weights) on 800 digits of 8 x 8 pixels, with the penalty on the kernels and without
normalisation; the network that is tested is $u$. Controls: dense training ($\lambda = 0$), and the dense network with
as many of its smallest weights set to zero after training as $u$ has. A network pruned and then trained further would
be a stronger rival; it is not run. Each penalty is judged at the $\lambda$ with the fewest zeros that are 80% at least.

## Conventions and caveats

- Every seed has a truth and a start of its own: $w^*$ with five entries of sizes uniform in $[0.5, 1.5]$ and random
  signs, then normalised; $w_0$ uniform on the sphere. Nothing depends on the seeds beside it.
- The claims are judged at $\beta = 0.04$ with normalised weights; the Lagrangian also without. Other springs and
  lambdas come on top, and enter the claims `support-rule` and `monotone`.
- Where $u = 0$ the refit is 0 as well, so that its error is 1; such dead starts are counted in the captions.
- Angles are computed as $2 \, \mathrm{atan2}(|p - q|, |p + q|)$, exact to rounding where an arccos gives some
  $10^{-8}$.
- The bound 0.003 on the angle of $\ell_1$ and transformed $\ell_1$ was set from trial runs, before the seeds that
  judge; it is no property of the method. The bias formula says which truths exceed it.
- "Without a bias" means to rounding: the claims on $\ell_0$ allow $10^{-7}$ for the angle and $10^{-12}$ for $u$.
"""
