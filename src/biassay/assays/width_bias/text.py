"""The mathematics of the assay `width-bias`, for its page."""

MATHEMATICS = r"""
## The statement

A network with more hidden units can fit more. If its size were what limits its capacity, the test error should rise
with the width once the training set is fitted. Neyshabur, Tomioka and Srebro (2014) train two-layer ReLU networks of
growing width by SGD with momentum, without weight decay and without early stopping, and observe that it does not: the
training error reaches zero at some width $H_0$, and the test error goes on falling far beyond. Something other than
the size must control the capacity. Their analogy is matrix factorisation, where the norm of the factors and not the
rank can do so.

## The networks

$$f(x) = \sum_{j=1}^{H} v_j \max(w_j^\top x, 0), \qquad w_j \in \mathbb{R}^{65},\; v_j \in \mathbb{R}^{10},$$

on the digits of scikit-learn: $8 \times 8$ pixels divided by 16, minus their mean over the 400 training images, and a
constant $1$; 1397 images are held out. At the start $W_{ji} \sim N(0, 2/65)$ and $V_{jk} \sim N(0, 1/H)$. A share of
the **training** labels is flipped to another class. Batches of 50, momentum $0.9$, step size $0.02$ and 4000 steps (500
epochs) at every width. A seed's split, flips and batches are the same at every width, so that widths are compared in
pairs. The paper used MNIST and CIFAR-10; these were **not run** here, in no profile.

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
  start, $f_0$, grow as $\sqrt{H}$ and remain in the function that fits the training set.
- **The same with $f_0 = 0$.** Half the neurons twice, as $(w, v)$ and $(w, -v)$: weights as large, no output.

## Weight decay: a convex program in the measure of neurons

As $\tfrac12(\lVert w \rVert^2 + \lVert v \rVert^2) \geq \lVert w \rVert \lVert v \rVert$, with equality after
rescaling, weight decay $\tfrac{\lambda}{2} \lVert \theta \rVert^2$ on a network of unbounded width is the penalty
$\lambda P$, and for one output

$$\min_\theta \; L(f_\theta) + \tfrac{\lambda}{2} \lVert \theta \rVert^2 = \min_a \;
L\left( \int \max(u^\top x, 0) \, da(u) \right) + \lambda \lvert a \rvert ,$$

over signed measures $a$ on the unit sphere: a lasso over directions. At a stationary point with $\lambda > 0$ every
neuron has $\lVert w_j \rVert = \lvert v_j \rvert$ (subtract $w_j^\top \nabla_{w_j}$ and $v_j \partial_{v_j}$); with
$\lambda = 0$ gradient flow conserves $\lVert w_j \rVert^2 - v_j^2$. Pilanci and Ergen (2020) write it as a finite
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

## What came out, and why some sentences fail

- *The error does not rise*, and falls between 32 and 256 units. From 512 units on it no longer falls: a plateau. The
  quick profile judges the plateau without flips only; the full one also with 10 % flipped.
- *No peak*: least squares has a peak where it just fits, the trained networks have a shoulder at most, which moves
  with the number of steps. After 12 000 steps every narrow network is worse than after 4000.
- *Memorisation is free* is false. With flipped labels the last iterate of a wide network is much worse than its best
  checkpoint; without flips it is as good, which is the premise of the claim. The best checkpoint is chosen on the test
  set among steps that are multiples of 100: an oracle, and optimistic.
- *The product norm explains the width* is false here: $P$ and the $\ell_1$-path norm grow with the width while the
  error falls, also at the checkpoint of equal training loss. The $\ell_2$-path norm and the distance from the start
  fall with it, which is compatible with the sentence and proves nothing: one can choose a norm that agrees.
- *With noise the full inner dimension does as well as the true rank* is false: a small start is a bias towards small
  nuclear norm while the noise is being fitted too, and at the end the factorisation interpolates the noise. Without
  noise the same start finds the matrix, which is the premise; from a large start it does not.

## Caveats

- One step size for all widths: wide networks learn in fewer steps. Width and effective time are confounded, and a
  statement about norms needs equal training loss beside equal steps.
- Cross-entropy has no finite minimum, so norms grow for ever: never compare $P$ of runs stopped differently.
- Ten classes and noise put the fitting threshold far above $75 H = 400$ parameters. Powers of two jump over it.
- Where a claim speaks of several widths or rates, the one that agrees least is judged; the largest of several mean
  rises is on average too large, which can only speak against the sentence.
- Statements about MNIST and CIFAR-10 in the paper are recalled, not read; they are not quoted.
"""
