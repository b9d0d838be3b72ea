"""The mathematics of the assay `min-norm`, for its page."""

MATHEMATICS = r"""
## The statement, in two halves

$X \in \mathbb{R}^{d \times n}$ holds $n$ points as **columns**, $y \in \mathbb{R}^n$ their targets, and $d > n$: the
equations $X^\top w = y$ have a $(d-n)$-dimensional set of solutions. Gradient descent with step size $\gamma$ is

$$w_{k+1} = w_k - \gamma X (X^\top w_k - y), \qquad 0 < \gamma < \frac{2}{\sigma_{\max}(X)^2}.$$

- **N1.** From $w_0 = 0$ it converges to the solution of smallest Euclidean norm, $w_\infty = X (X^\top X)^{-1} y$.
- **N2.** So does *every* algorithm that reaches zero error with a limit $w = \sum_i a_i x_i = X a$. For
  $X^\top X a = y$ has one solution, and nothing else is left to choose.

N1 alone is a red herring: the linear problem is special, not gradient descent. The first figure therefore shows both,
with the part of $w$ outside the span beside the distance.

## Why gradient descent is a spectral filter

With $X^\top X = V \mathrm{diag}(\lambda) V^\top$ the iterates are known in closed form:

$$w_k = X V \mathrm{diag}\left( \frac{1 - (1 - \gamma \lambda)^k}{\lambda} \right) V^\top y .$$

Stopping early keeps the directions with $\gamma \lambda k \ll 1$ unlearned.

## Who keeps to the span

An algorithm is *span-preserving* when its update maps $\mathrm{span}(X)$ into itself. Gradient descent, SGD of any
batch size, heavy ball, Nesterov, Kaczmarz, conjugate gradients, L-BFGS, full-matrix AdaGrad and weight decay are.
Adam, RMSProp, diagonal AdaGrad, sign descent, coordinate descent, a diagonal preconditioner, isotropic noise and any
start outside the span are not. Three of the exceptions have a known destination:

- from $w_0 \neq 0$: the nearest solution, $w_0 + (X^\top)^{+} (y - X^\top w_0)$;
- with a fixed preconditioner $D$: the solution of smallest $w^\top D^{-1} w$, which is
  $D X (X^\top D X)^{-1} y$;
- with weight decay $\mu$ (inside the span, but not at zero error): ridge regression $X (X^\top X + \mu I)^{-1} y$.

## Mirror descent and steepest descent (N3)

Mirror descent moves $\theta = \nabla \psi(w)$ instead of $w$, here with $\psi(w) = \lVert w \rVert_p^p / p$:

$$\theta_{k+1} = \theta_k - \eta X (X^\top w_k - y), \qquad w = \mathrm{sign}(\theta) |\theta|^{q-1},
\qquad \frac{1}{p} + \frac{1}{q} = 1 .$$

Now $\theta$ stays in the span, and at zero error that is the optimality condition of the smallest $p$-norm: the limit,
if there is one, does not depend on $\eta$. Steepest descent for the same norm moves $w$ by
$-\eta \lVert g \rVert_q^{2-q} \, \mathrm{sign}(g) |g|^{q-1}$, and nothing stays in the span. On the two points
$(1,1,1)$ and $(1,2,0)$ with targets $1$ and $10$ and $p = 4/3$ its limit moves with $\eta$, and for small $\eta$ it
tends to a solution that is not the smallest either.

## What is measured

$$\mathrm{distance} = \frac{\lVert w - w_\infty \rVert}{\lVert w_\infty \rVert}, \qquad
\mathrm{span} = \frac{\lVert (I - Q Q^\top) w \rVert}{\lVert w \rVert}, \qquad
\mathrm{residual} = \frac{\lVert X^\top w - y \rVert}{\lVert y \rVert},$$

with $Q$ an orthonormal basis of $\mathrm{span}(X)$. Distances to the other references are relative to the norm of the
reference. The references come from a singular value decomposition, linear solves, Newton's method on the dual and
linear programs; none of them trains. The control of a claim is an algorithm that breaks the condition in question; the
controls of the distance count only where they have reached zero error themselves.

## Slips on the lecture's slides

1. The limit is printed as $(X^\top X)^{-1} X y$. The shapes do not fit; it is $X (X^\top X)^{-1} y$.
2. The sum up to $i = k-1$ of $(I - \gamma X X^\top)^i$ gives $w_k$, not $w_{k+1}$.
3. The constraint $W^\top x = y$ must read $X^\top w = y$.

## Caveats

- A distance means nothing without its residual. Adam with a constant step never reaches zero error, and a step size
  that vanishes too early freezes a run where it happens to be.
- A fixed step of mirror descent need not converge. For $p > 2$ the map from $\theta$ to $w$ is infinitely steep at
  zero: near a solution with a small entry $w_j$ the step overshoots unless
  $\eta \lVert X_{j \cdot} \rVert^2 < 2 (p-1) |w_j|^{p-2}$, and the iterates cycle. With $p = 3$ and $\eta = 0.05$ one
  of the ten regressions of the quick profile, whose smallest entry is $0.003$, keeps a residual of
  $7 \cdot 10^{-4}$ for ever. The sentence without a condition on convergence therefore fails here, and holds for
  every run that reaches zero error; a smaller step removes the cycle.
- SGD with isotropic noise in the gradient leaves the span *and* keeps an error; it illustrates and tests nothing.
- As its $\varepsilon$ grows Adam becomes gradient descent: at $\varepsilon = 10^3$ it is nearly back in the span.
- Full-matrix AdaGrad with $(G^{1/2} + 10^{-8} I)^{-1}$ multiplies the round-off in the null space of $G$ by $10^8$,
  which looks like a counter-example. Regularize inside the root, or use the $n$ coordinates of $Q$, where there is no
  null space; the table's row does both. The full profile shows the two variants in the $d$ coordinates of $w$.
"""
