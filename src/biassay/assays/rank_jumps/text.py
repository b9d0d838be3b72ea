"""The mathematics of the assay `rank-jumps`, for its page."""

MATHEMATICS = r"""
## The model

A deep linear network is a matrix written as a product, $A = W_L \cdots W_1$, with $\theta = (W_1, \ldots, W_L)$. Here
$A$ is $2 \times 2$ and three of its entries are observed: $A_{00} = 1$, $A_{10} = \epsilon$, $A_{11} = 1$. The fourth
is free. With $I$ the observed entries, $N = 3$ and targets $y_{ij}$, the objective is

$$\frac{1}{2N} \sum_{(i,j) \in I} (A_{ij} - y_{ij})^2 + \lambda \lVert \theta \rVert^2 .$$

A matrix of rank one that fits has $A_{01} = 1/\epsilon$; the test error is $(A_{01} - 1/\epsilon)^2$. SGD draws one
entry a step, uniformly and independently:

$$\theta \leftarrow (1 - 2 \eta \lambda)\, \theta - \frac{\eta}{2} \nabla (A_{ij} - y_{ij})^2 .$$

One entry moves every factor by a matrix of rank one: with $e = y_{ij} - A_{ij}$, $b_l$ the row $i$ of
$W_L \cdots W_{l+1}$ and $c_{l-1}$ the column $j$ of $W_{l-1} \cdots W_1$,

$$W_l \leftarrow (1 - 2 \eta \lambda) W_l + \eta\, e\, b_l c_{l-1}^\top .$$

In this package's convention that is SGD of batch size 1 on the loss $(A_{ij} - y_{ij})^2 / 2$, with step size $\eta$
and weight decay $2 \lambda$. The mean of its three possible steps is a step of gradient descent.

## The landscape, exactly

At a fixed $A$ the least $\lVert \theta \rVert^2$ is $L \sum_i s_i(A)^{2/L}$. The minima are therefore those of

$$J(A) = \frac{1}{2N} \sum_{(i,j) \in I} (A_{ij} - y_{ij})^2 + \lambda L \sum_i s_i(A)^{2/L},$$

a function of four numbers. For $L \geq 3$ it has a minimum of rank one on a ridge, and for small enough $\lambda$ a
second one of rank two. For $\epsilon = 0.25$ and $L = 3$ the rank-two minimum disappears between $\lambda = 0.024$ and
$0.026$; for $\epsilon = 0.5$ there is none, nothing can jump, and the verdicts say *vacuous*. A jump at a $\lambda$
where gradient descent falls as well shows nothing, so gradient descent runs beside SGD in every cell.

## The claims

- **A jump has positive probability.** Every run starts at the rank-two minimum. It has *jumped* when
  $s_2 / s_1 < 10^{-4}$. The rate is the number of jumps over the steps at risk. At step sizes where none is seen, the
  statement rests on a construction: draw the entries of column 0 only, for $T$ steps. SGD does so with probability
  $(2/3)^T$, which is positive, and invisible by sampling. Where jumps are rare, 64 runs bound their share too loosely
  for a verdict; the full profile has more. That jumps come earlier at a larger $\eta$ or $\lambda$ is measured by
  Kendall's $\tau$ over the map, run by run; the cells see different noise, and two runs without a jump are a tie.
- **There is no way back.** A *reverse jump* is $s_2 / s_1 > 0.02$ after a jump. None among $M$ runs bounds the
  probability by about $3/M$; it does not measure zero. The stronger test is the adversary: at every step the entry
  after which $s_2$ is largest. This choice is greedy: an order that looks further ahead is not excluded. From a small
  $s_2$ the ratio must stay below 0.02 at every recorded time; from a larger one, the control, some runs are above it at
  the end.
- **Why depth matters** (a heuristic that neglects cross terms). A layer's second singular value $\sigma$ grows at the
  relative rate $\eta |e| \sigma^{L-2}$ and decays at $2 \eta \lambda$. For $L \geq 3$ small $\sigma$ loses, and rank
  one has a contracting neighbourhood; for $L = 2$ the size of $\sigma$ drops out, and rank one is left again. Two
  layers are the control.
- **No diffusion.** Gradient descent plus $\sigma\, \mathcal{N}(0, I)$ a step does come back. For a small $\sigma$ it
  does not within the run, yet $s_2 / s_1$ stays at a floor that grows with $\sigma$, where SGD decays to rounding. What
  separates SGD is that its noise vanishes with the rank, and it is the time or the noise that decides what one sees.

## The absorbing region

$B_r$ holds the factors that are balanced, of rank about $r$ and bounded:

$$\lVert W_{l+1}^\top W_{l+1} - W_l W_l^\top \rVert_F^2 \leq \epsilon_1, \quad
\sum_i f_\alpha(s_i(W_l^\top W_l)) \leq r + \epsilon_2, \quad \lVert W_l \rVert_F^2 \leq C .$$

The paper asks of $f_\alpha$ to be concave and increasing, 0 at 0 and 1 beyond $\alpha$; we take $z (2 - z)$ with
$z = \min(x / \alpha, 1)$. The constants and all hyper-parameters on this page are ours, not the paper's. The proof
shows that no step of SGD leads out of $B_r$. We start inside $B_1$, follow SGD for 60 steps, and at every point
try *all three* possible steps.

- **Theorem regime** ($\eta = 0.02$, $\lambda = 0.024$): none leads out. With $\lambda = 0.001$ one of 384 runs
  meets a branch that does (3 and 7 of 384 on two other sets of seeds): the check can fail, but as a control this is
  weak.
- **Demo regime** ($\eta = 0.4$, where jumps are seen): every run meets a branch that does, as the imbalance is of order
  $\eta^2$; rank one was absorbing in every run nevertheless. The theorem's set is not the reason there.

The two are reported side by side, each the other's control; neither can speak for the other. The eventual collapse to
rank zero is out of reach of a simulation, and nothing is claimed about it.

## What annealing shows

Branches of the run are continued with small $\eta$ and $\lambda$. From a checkpoint at rank one the test error goes to
zero; from one at rank two it stays near 12. The gap is measured at each checkpoint: the least test error of the runs
that had not jumped, minus the largest of those that had. Before annealing it is small and may be negative, because
$\lambda$ shrinks $A$. **The rank-two solution fits the observed entries better**: it is the test error that rewards the
jump. A checkpoint with $10^{-4} < s_2 / s_1 < 10^{-2}$ is still decaying and may return once $\lambda$ is small, as
$B_1$ depends on $\lambda$; it counts on neither side.
"""
