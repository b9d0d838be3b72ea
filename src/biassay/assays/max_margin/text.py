"""The mathematics of the assay `max-margin`, for its page."""

MATHEMATICS = r"""
## The statement

Points $x_n \in \mathbb{R}^d$ with labels $y_n \in \{-1, +1\}$, and $a_n = y_n x_n$. The data are linearly separable by
a plane through the origin: some $w$ has $\langle w, a_n \rangle > 0$ for every $n$. There is **no intercept**. On

$$L(w) = \sum_n \ell(\langle w, a_n \rangle), \qquad \ell(m) = \log(1 + e^{-m}),$$

gradient descent with a step $\eta < 2 / (\beta \sigma_{\max}(X)^2)$, from any start, obeys (Soudry et al. 2018,
Theorem 3)

$$w(t) = \hat w \log t + \rho(t), \qquad \hat w = \operatorname{argmin} \{ \lVert w \rVert^2 :
\langle w, a_n \rangle \ge 1 \text{ for all } n \},$$

with $\rho$ bounded for almost all data and $O(\log \log t)$ always. The loss has no minimum; its direction chooses the
largest margin, and does so at the pace of $\log t$.

## Time is logarithmic

For the gradient flow with $s = \log(1 + t)$,

$$\frac{dw}{ds} = \sum_n \exp\bigl( s + \log \sigma(-\langle w, a_n \rangle) \bigr) a_n ,$$

in which nothing overflows, and $t = e^{10^6}$ is a finite interval of $s$. There the laws can be seen:

- the direction error $\lVert w / \lVert w \rVert - u \rVert$, with $u = \hat w / \lVert \hat w \rVert$, and the
  relative gap of the margin both fall like $1 / \log t$;
- $t\,L(t) \to \lVert \hat w \rVert^2$;
- with $\hat w = \sum_n \alpha_n a_n$ over the support vectors $S$, the part of $\rho$ in their span tends to the
  $\tilde w$ with $\exp(-\langle \tilde w, a_n \rangle) = \alpha_n$ for $n \in S$.

**Over a range of $t$ that a computer can iterate the fitted slope of the direction is not $-1$.** The first figure
therefore puts gradient descent beside the flow, with the slope that is found on the way. The control of the direction's
slope, of its limit and of the loss's constant is the flow of a loss with a polynomial tail, for which none of them is
the one above. The control of the margin gap's slope is the same fit over $t \le 10^6$.

Data that are symmetric hide the law: where the support vectors mirror each other and span the space, the limit
$\tilde w$ is parallel to $\hat w$ from any start, and the direction error falls much faster. The generic data here are
40 points in 10 dimensions, Gaussian, labelled by a random $w_t$ and moved by $0.3$ along $y w_t / \lVert w_t \rVert$.

## Faster: follow the normalised gradient

The gradient of $\log \sum_n e^{-\langle w, a_n \rangle}$ is that of the exponential loss over its value,
$-\sum_n s_n a_n$ with $s = \mathrm{softmax}(-\langle w, a_n \rangle)$, and does not vanish. Gradient descent on it with
a constant step is an aggressive schedule for the exponential loss, whose gap falls polynomially in the steps (Ji and
Telgarsky 2021).

## Every geometry has its margin

For a norm $G$ let $\gamma_G = \max_{\lVert w \rVert_G \le 1} \min_n \langle w, a_n \rangle$, which equals the smallest
dual norm of a convex combination of the $a_n$. The **margin ratio** of a $w$ is

$$\frac{\min_n \langle w, a_n \rangle}{\lVert w \rVert_G \, \gamma_G} \le 1 .$$

Steepest descent in a norm, $w \leftarrow w - \eta \, \mathrm{argmax}_{\lVert v \rVert_G \le 1} \langle v, g \rangle$,
reaches the largest margin *in that norm* (Gunasekar et al. 2018). For $L_1$ it moves the coordinate of largest
derivative, for $L_2$ it is normalised gradient descent, for $L_\infty$ sign descent, for the spectral norm
$w \leftarrow w - \eta\, U V^\top$ with $g = U S V^\top$. Unlike on the squared loss (the assay `min-norm`), the limit
does not depend on the step size; two step sizes are run for each $p$-norm. Mirror descent with the potential
$\lVert w \rVert_p^p / p$ is shown beside it as a measurement, without a claim.

Adam without its stability constant belongs to $L_\infty$ (Zhang, Zou and Cao 2024), Muon to the spectral norm (Fan,
Schmidt and Thrampoulidis 2025). The **card** measures all geometries for each optimizer, on 30 points whose 60
parameters form a $6 \times 10$ matrix, so that the spectral norm has a meaning. It is run on two losses: the
normalised one, which gives the verdict, and the logistic one, which users train.

## How fast Adam can go

Let the margin grow by $r$ a step on an exponential tail; then $g_t \sim e^{-rt}$, and with $\varepsilon = 0$

$$\frac{v_t}{g_t^2} = (1 - \beta_2) \sum_{k \ge 0} (\beta_2 e^{2r})^k = \frac{1 - \beta_2}{1 - \beta_2 e^{2r}} ,$$

which diverges at $2r = -\ln \beta_2$: the margin cannot keep growing faster than $-\ln(\beta_2)/2$ a step, however
large the learning rate. With $\gamma = \mathrm{margin} / \lVert w \rVert_\infty$ the rate solves

$$r = \mathrm{lr}\, \gamma \sqrt{\frac{1 - \beta_2 e^{2r}}{1 - \beta_2}} .$$

At the cap the second moment remembers gradients that were much larger, the coordinates' steps are no longer of one
size, and the bias towards $L_\infty$ shows only where $\mathrm{lr}\,\gamma$ is well below the cap.

## What is measured

A run of the card that is void, separates nothing, or has no ratio ahead of the others by more than round-off has no
nearest geometry. Beside the card's rows stands normalised steepest descent in each of the norms: what a ratio in the
right geometry looks like.

Reference margins come from least-distance programming ($L_2$), linear programs ($L_1$, $L_\infty$) and a central path
with a certificate ($p$-norms, spectral norm); none of them trains. Angles are to the direction of largest margin.
Claims about each data set are judged on the worst of them, the others on their mean. What `hard-margin-feasible` judges
is the smallest margin of the solution as it was solved for, before it is scaled to be $1$ exactly.

Choices that the numbers depend on:

- In the quick profile the methods that factorise a matrix take an eighth of the steps of the others, with steps eight
  times as long: their paths are as long as $200\,000$ steps of $10^{-3}$.
- Greedy coordinate descent takes steps of $5 \cdot 10^{-3}$; five times shorter ones are still on their way at the end.
- `own-geometry` speaks of the rows whose geometry a theorem names or whose step tends to that norm's steepest
  direction. AdaGrad, whose limit depends on its start, is measured without a claim, and Muon has two claims of its own.
- The run of Adam with $\beta_2 = 0.9$ takes a tenth of the steps of the other two, as its margin grows faster.
- The angles of Adam and the margin of `aggressive-step` are judged on their mean over the data sets.

## Your own optimizer

`margin_panel` measures any Optax transformation, or any dynamics, in the same way:

```python
import optax
from biassay.assays.max_margin import margin_panel

panel = margin_panel(optax.adam(1e-3, eps=0.0), shape=(6, 10))
print(panel["nearest"].values, panel["ratio"].isel(step=-1).mean("seed").values)
```

## What does not come out, and why

- **The margin gap's law** has slope $-1$ at large $t$ on all data sets, and yet `margin-gap-law` is vacuous: over
  $t \le 10^6$ the same fit found slopes from $-1.5$ to $-0.7$ in trial runs, and on a data set now and then it happens
  to find $-1$ as well; one such set is among those that judge.
  A fit over times that can be iterated is not the law, but neither is it a reliable control. The direction's slope and
  its control are apart on all.
- **The angles of Adam** on generic data vary with the data more than five data sets can average. The directions of
  largest $L_2$ and $L_\infty$ margin were $3$ to $25$ degrees apart in trial runs: "more than 10 degrees from
  $L_2$" is out of reach for some; where they are close, `adam-nearer-linf`, which divides by the sum of both
  angles, decides little. Also the $L_\infty$ margin can be flat around its optimum: nearly all of the largest margin
  may be attained several degrees away. The margin ratios of the card have neither problem.
- **Muon as shipped** does not reach the largest spectral margin: its five steps of a tuned quintic polynomial do not
  converge to the polar factor, singular values end up anywhere between about $0.7$ and $1.2$. More steps of the same
  polynomial do not repair this. A cubic iteration that converges does (`muon-converged`), and so does the exact factor.
- **On the logistic loss** SGD and Adam are still on their way after as many steps. This is unclear at that budget, not
  a failure; the normalised loss settles it.

## Caveats

- An intercept is another problem: `sklearn.svm.SVC(kernel="linear")` has one, and its direction is wrong here without
  any warning. It is the control of `hard-margin-optimal`.
- The geometry belongs to the optimizer **and the batch**: one example a step, Adam tends to the $L_2$ solution (Baek,
  Song and Yun 2025). The full profile has these rows.
- **Underflow makes numbers void.** Squared gradients of the logistic loss underflow from a margin of about $354$, and
  then numbers describe the arithmetic, not the optimizer. Runs on the logistic loss end at a margin of $300$, and a row
  whose last gradient cannot be squared is marked `void`.
- **Epsilon is geometry.** Once gradients are smaller than it, Adam is heavy ball and Muon is plain momentum; Optax's
  RMSProp adds its epsilon inside the root. The figure of what the rows reached, and the variable `eps` of the data,
  have the epsilon of every row, also where its name does not show it (AdaGrad, Muon).
- The step sizes belong to the rows; a ratio is to be read together with the margin reached.
"""
