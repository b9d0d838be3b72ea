"""The mathematics of the assay `random-labels`, for its page."""

MATHEMATICS = r"""
## The statement

A network that can fit *any* labels cannot owe its test accuracy to being too small to overfit. Zhang, Bengio, Hardt,
Recht and Vinyals train one network on the true labels and on labels drawn at random: it fits both, and generalises from
the first alone. What fits is therefore no measure of what was learned, and
the choice among the solutions that fit must come from elsewhere: from the data and from the algorithm.

## The settings

The training set is $(x_i, y_i)$, $i = 1, \dots, n$, with $K$ classes. At *corruption ratio* $p$ each label is replaced,
with probability $p$, by a class uniform over all $K$, drawn once and fixed. The new class may be the old one, so that

$$ \mathbb{E}\,\frac{1}{n} |\{ i : \tilde y_i \neq y_i \}| = p \, \frac{K - 1}{K}, $$

which is $0.9\,p$ for ten classes: the axes of the figures name both. At $p = 1$ the labels are independent of the
images. The draws are nested: what is wrong at one $p$ is wrong alike at every larger $p$. Test labels are never
corrupted. With test labels corrupted in the same way, independently, a rule of true test accuracy $a$ would be measured
at $(1 - p) a + p / K$, which falls with $p$ whatever was learned.

Three settings keep the labels and change the images, for training and for testing alike: one permutation of the pixels
for all images (*shuffled*), a permutation of its own for every image (*random pixels*), and independent normal numbers
with the mean and the variance of the data (*Gaussian*).

The network is $f(x) = W_3\,\sigma(W_2\,\sigma(W_1 x + b_1) + b_2) + b_3$ with $\sigma = \max(0, \cdot)$, $W \sim
\mathcal{N}(0, 2 / \mathrm{fan\,in})$ and zero biases. SGD, without momentum, weight decay or augmentation, minimises

$$ R(\theta) = \frac{1}{n} \sum_{i=1}^{n} -\log \frac{e^{f_{\tilde y_i}(x_i)}}{\sum_k e^{f_k(x_i)}} $$

in batches from a fresh permutation every epoch, of which an incomplete last batch is dropped.

## What is measured

$T(p)$, the epochs to fit, is the first *checked* epoch at which all training examples are classified rightly. The
relative time is $T(p) / T(0)$; the test accuracy is that at the same check, where the training error is zero and the
test error is the generalisation error. Neither depends on the seeds beside it. The interval between checks quantises
$T$, and the figures name it: $T$ is up to one interval too late, which with a check every 5 epochs is a sixth of a
$T(0)$ of 30 and an eighth of one of 40 (the median of a trial run).

Equal images with different labels cannot be fitted. The best train accuracy of any function is computed first (variable
`attainable`); where it is below $1$ the claim to fit would be vacuous.

**Chance is** $1/K$ at $p = 1$, exactly: the random labels are exchangeable between the classes, so that a rule learned
from them predicts each class equally often in expectation, whatever the image. The claims about chance are on the
distance from $1/K$, computed from the number of classes.

## Why shuffling is no noise for a dense network

With a permutation matrix $P$ the first layer computes $W_1 P x$ on shuffled pixels: the network with $W_1 P$ in place
of $W_1$ on the true ones. The entries of $W_1$ are independent and identically distributed, so that $W_1 P$ has the law
of $W_1$, and SGD commutes with the permutation: the law of the whole run is unchanged. The claim `shuffled-is-exact`
undoes the permutation in the initial weights: then the losses agree to rounding at the start and at the first check.
(Later, training amplifies the rounding of sums taken in another order.) A convolution has no such symmetry.

## A baseline without training

Among the functions of a kernel's Hilbert space that fit, the one of smallest norm is

$$ f(x) = \sum_i c_i \, k(x, x_i), \qquad K c = Y, \qquad k(x, x') = e^{-b \lVert x - x' \rVert^2}, $$

with one column of $Y$ a class and the prediction the largest entry of $f$. It fits random labels as exactly as true
ones. Its test error at every $p$ stands beside the network's: the fall is no peculiarity of deep networks.

## The controls

An undersized network, with fewer parameters than examples, must not fit random labels in all the epochs allowed. The
figure `capacity` shows, seed by seed, what it learns from the true labels: where it learns them, the optimiser is not
what stops it on random ones. (With so few units a start may leave some of them dead for good.) Further runs on the true
labels, with their own initialisation and order of batches, say what ratios of times chance produces, and runs with
shuffled pixels what falls of test accuracy it does. Of a seed's ratios $T'(0) / T(0)$ the control of
`slower-with-noise` takes the one furthest from 1, in either direction, and asks of their mean over seeds to lie in
$[0.67, 1.5]$. Single reruns may leave that range, in both directions: the caption of `time-to-fit` gives theirs.

## What came out, and caveats

**The time to fit does not grow with the corruption** on the digits. The paper's figure, as its caption in the lecture
tells it, makes the relative convergence time depend on the corruption ratio. Here it does in one way: any of the
ratios tried above 0 takes several times longer than none. But from $p = 0.25$ on it is a plateau, on which
neighbouring ratios come in either order from seed to seed: `time-monotone` fails, beside reruns on the true labels that
are as unordered. An explanation that fits, and was not tested: the slow part is to memorise the examples that
contradict their neighbours, and a quarter of them is enough to set the pace.

**How much slower is left unclear by six seeds.** The statement is that $T(p) / T(0)$ is at least 3 wherever
$p \geq 0.25$. `slower-with-noise` reads it strictly: it takes on every seed the *smallest* of these ratios over $p$,
and the mean of that over seeds, with its whole interval, must lie above 3. This is less than the mean ratio at any one
$p$, which the caption of `time-to-fit` gives. Its mean lies above 3 too, but its interval reaches below: $T(0)$, by
which all is divided, differs between seeds by a factor of two or so. That corrupted labels are slower at all is not in
doubt: on no seed does a corrupted run fit before the slowest of the reruns on the true labels.

**The two kinds of noise are not equally hard.** Random pixels and Gaussian inputs are fitted in hardly more epochs
than the true images, random labels in several times as many. An explanation that was not tested here: points that are
far from one another in 64 dimensions are easy to tell apart whatever their labels; near-duplicates with different
labels are not.

- With weight decay the fit may stop just short of 100 %: the claims to fit are about training without it.
- A step size that drops may carry the fit by itself. Times are compared at one constant step size only.
- Random pixels keep the values of an image's pixels, and with them its amount of ink. A network could use it; this one
  does not measurably.
- The full profile adds CIFAR-10 with the two networks of the demonstration that the paper's first author published: a
  dense one with one hidden layer of 512 units without biases (1 577 984 parameters), and the wide residual network
  WRN-28-1 with batch normalisation (369 498 parameters). Momentum and a step size that drops twice are as there. The
  settings are drawn, and no claim is judged on them. The true and the random labels are run with weight decay too.
- Batch normalisation computes with the batch while it trains and with running means and variances when it is tested.
  The train accuracies of that network are measured as it is tested. That one permutation of the pixels changes nothing
  holds for the dense network alone: a convolution sees neighbours.
"""
