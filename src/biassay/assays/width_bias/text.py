"""The mathematics of the assay `width-bias`, for its page."""

MATHEMATICS = r"""
## The statement

A network with more hidden units can fit more. If its size were what limits its capacity, the test error should rise
with the width once the training set is fitted. Neyshabur, Tomioka and Srebro (2014) report experiments in which a
control of capacity other than the size of the network plays a central part, with matrix factorisation as an analogy. As
we recall the paper, beyond its abstract, they train two-layer ReLU networks of growing width by SGD with momentum,
without weight decay and without early stopping: the training error reaches zero at some width $H_0$, and the test error
goes on falling far beyond; in the analogy the norm of the factors, and not the rank, controls capacity.

## The networks

$$f(x) = \sum_{j=1}^{H} v_j \max(w_j^\top x, 0), \qquad w_j \in \mathbb{R}^{65},\; v_j \in \mathbb{R}^{10},$$

on the digits of scikit-learn: $8 \times 8$ pixels divided by 16, minus their mean over the 400 training images, and a
constant $1$; 1397 images are held out. At the start $W_{ji} \sim N(0, 2/65)$ and $V_{jk} \sim N(0, 1/H)$. A share of
the **training** labels is flipped to another class. Batches of 50, momentum $0.9$, step size $0.02$ and 4000 steps (500
epochs) at every width. A seed's split, flips and batches are the same at every width, so that widths are compared in
pairs. As we recall it, the paper used MNIST and CIFAR-10; these were **not run** here, in no profile.

Sizes that $(w_j, v_j) \to (c\,w_j, v_j / c)$ leaves unchanged, as it leaves $f$:

$$P = \sum_j \lVert w_j \rVert \lVert v_j \rVert, \qquad
\ell_1\text{-path} = \sum_j \lVert w_j \rVert_1 \lVert v_j \rVert_1, \qquad
\ell_2\text{-path} = \sqrt{\sum_j \lVert w_j \rVert^2 \lVert v_j \rVert^2} .$$

At the start $P_0 \approx 2\sqrt{5H}$: the product norm grows with the width before anything is learned.

## Where size does matter: the controls

- **Random features.** $W$ frozen, $V$ the least-squares solution of smallest norm for the one-hot targets minus $0.1$.
  At $H = n = 400$ features the solution is huge and the test error close to that of guessing. With the best ridge
  parameter (chosen on the test set) there is no peak: it is the norm of the solution that peaks.
- **Output weights that are not scaled.** $V_{jk} \sim N(0, 1)$ and step size $\min(0.02, 1/H)$. The outputs at the
  start, $f_0$, grow as $\sqrt{H}$ and remain in the function that fits the training set. The quick profile trains these
  networks without flips only, the full one at every rate; as a control of *no rise* they are judged without flips.
- **The same with $f_0 = 0$.** Half the neurons twice, as $(w, v)$ and $(w, -v)$: weights as large, no output. If the
  size of the weights did the harm, these would get worse with the width too: the claim `no-rise-needs-its-start` is
  judged on the worse of these networks (from 32 units on) and the scaled ones (from $H_0$ on).

## Weight decay: a convex program in the measure of neurons

As $\tfrac12(\lVert w \rVert^2 + \lVert v \rVert^2) \geq \lVert w \rVert \lVert v \rVert$, with equality after
rescaling, weight decay $\tfrac{\lambda}{2} \lVert \theta \rVert^2$ on a network of unbounded width is the penalty
$\lambda P$, and for one output

$$\min_\theta \; L(f_\theta) + \tfrac{\lambda}{2} \lVert \theta \rVert^2 = \min_a \;
L\left( \int \max(u^\top x, 0) \, da(u) \right) + \lambda \lvert a \rvert ,$$

over signed measures $a$ on the unit sphere: a lasso over directions. At a stationary point with $\lambda > 0$ every
neuron has $\lVert w_j \rVert = \lvert v_j \rvert$ (subtract $w_j^\top \nabla_{w_j}$ and $v_j \partial_{v_j}$); with
$\lambda = 0$ gradient flow conserves $\lVert w_j \rVert^2 - v_j^2$; the control descends so, by small steps without
momentum (momentum does not conserve it), and shows the largest of these differences as a share of that at the start:
it stays at 1, while the claim is about norms in absolute numbers. Pilanci and Ergen (2020) write it as a finite
convex program. Here the points lie in the plane, where the directions that violate the dual constraint most are known
in closed form; the optimum comes with a lower bound that holds for all directions, not for a grid. Atoms of one sign
between the same two kinks are one neuron, and are merged. The networks descend with momentum $0.99$ and a step size
that falls from $0.02$ to $2 \cdot 10^{-5}$: at a constant step they keep a gap of some $10^{-5}$ around optima whose
neurons sit on a kink.

## The analogue for matrices

$$\min_{U, V \in \mathbb{R}^{d \times k}} \;
\frac{1}{2d} \sum_{(i,j) \in \Omega} \left( (U V^\top)_{ij} - Y_{ij} \right)^2,
\qquad U_{ia}, V_{ja} \sim N(0, \alpha^2 k^{-1/2}),$$

for a matrix of rank 2 with $d = 40$ and 700 observed entries. The scale of the product at the start does not depend on
$k$. The error is measured on the entries not observed, relative to their size.

## How to read the outcomes

- *The error does not rise* and *keeps falling* compare different widths: every width beyond $H_0$ with $H_0$, and 256
  units with 32. Neither says that the error falls for ever: `plateau` asks whether it still falls from 512 to 1024
  units, which the quick profile judges without flips only and the full one also with 10 % flipped.
- *No peak*: least squares has a peak where it just fits. Networks of 6 to 12 units may show a shoulder, which moves
  with the number of steps; it is judged after the long runs, and the seeds are paired, as with one seed a shoulder can
  look like a peak.
- *Memorisation is free* asks whether fitting flipped labels costs anything. Its premise is the same difference without
  flips, where there is nothing wrong to memorise: if that cost something too, the flips would not be what is measured.
  Where the premise is met and the claim fails, memorised noise does harm, at every width. Its control are 8 units. The
  best checkpoint is chosen on the test set among steps that are multiples of 100: an oracle, and optimistic.
- *The product norm explains the width.* $P$ grows with the width already at the start, and the claim fails where the
  error falls meanwhile. The three claims about sizes are **one number, not three pieces of evidence**: wherever a size
  is monotone in the width, its rank correlation with the error is plus or minus that of the error with the width, and
  the sign only tells whether the size grows or shrinks. That the distance from the start goes with the error is no more
  than that it shrinks; one can choose a norm that agrees. Equal training loss changes the checkpoint, not this.
- Their control puts each error beside the size at another width. It is a null, and could only fail if the sizes had no
  order; it shows what the measure gives where there is nothing to find. A rank correlation lies in $[-1, 1]$, which the
  interval of the mean over a few seeds does not know: its ends may lie outside.
- *With noise the full inner dimension does as well as the true rank.* A small start is a bias towards a small nuclear
  norm while the noise is being fitted too, and at the end the factorisation interpolates the noise: where the claim
  fails, that is why. Its premise is the same comparison without noise, from the same small start, so that what fails is
  the noise and not the start; its control takes the noise away and makes the start large, so that a size of the start
  that spoils the fit is seen to be measured. With noise the error is largest between the true rank and the inner
  dimension at which the parameters, counted without the freedom of $U V^\top$, are as many as the entries:
  $k (2d - k) = 700$ at $k = 10$.

## Caveats

- One step size for all widths: wide networks learn in fewer steps. Width and effective time are confounded, and a
  statement about norms needs equal training loss beside equal steps.
- Cross-entropy has no finite minimum, so norms grow for ever: never compare $P$ of runs stopped differently.
- Ten classes and noise put the fitting threshold far above $75 H = 400$ parameters. Powers of two jump over it.
- Where a claim speaks of several widths or rates, the one that agrees least is judged; the largest of several mean
  rises is on average too large, which can only speak against the sentence.
- Statements about MNIST and CIFAR-10 in the paper are recalled, not read; they are not quoted.
"""
