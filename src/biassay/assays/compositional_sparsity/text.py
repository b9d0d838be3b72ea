"""The mathematics of the assay `compositional-sparsity`, for its page."""

MATHEMATICS = r"""
## The statements

A function of $d$ variables is *compositionally sparse* if it is composed of functions of few variables each. Here they
are functions of two, arranged in a binary tree over the coordinates, $d = 2^L$:

$$f(x_1, \dots, x_8) = h_{31}\big( h_{21}(h_{11}(x_1, x_2), \, h_{12}(x_3, x_4)), \;
h_{22}(h_{13}(x_5, x_6), \, h_{14}(x_7, x_8)) \big) .$$

- **K1.** Deep networks have the larger advantage on problems suited to sparse deep architectures such as convolutional
  networks, because such networks approximate compositionally sparse targets without the curse of dimensionality (Xu,
  Rangamani, Liao, Galanti, Poggio 2023, in our words).
- **K2.** The theory behind it (Poggio, Mhaskar, Rosasco, Miranda, Liao 2017; the rates as recalled, not read): for an
  error $\varepsilon$ in the largest deviation, on functions with $m$ derivatives, a shallow network needs
  $O(\varepsilon^{-d/m})$ units in the worst case, a network wired as the tree $O((d - 1)\, \varepsilon^{-2/m})$. This
  says that a good network *exists*. It does not say that training finds it.
- **K3.** Sharing weights is not the main reason for the advantage of convolutional networks (same source).
- **K4** (ours). A network whose graph disagrees with the target's has no such guarantee, and is expected to lose at
  equal budget.

## The experiment

Points $x \sim U[-\sqrt 3, \sqrt 3]^d$, no noise, mean squared errors relative to the variance of the target. Every seed
draws a target of its own. At each node

$$h = \frac{g(a, b) - \mu}{\sigma}, \qquad g(a, b) = \sum_{k=1}^{6} c_k \cos(a\, w_{k1} + b\, w_{k2} + p_k), \qquad
w \sim N(0, 0.6^2), \; c \sim N(0, 1), \; p \sim U[0, 2 \pi] .$$

Two other targets: `generic`, 64 waves with $|w_j| = 2$ across all coordinates, composed along no tree; and `ridge`,
$\sin(2\, u \cdot x + 1/2)$, composed along *every* tree (the nodes add, the root takes the sine) and simple for a dense
network too, so that no architecture should suffer. Networks with tanh; all but `wide` have nearly as many parameters:

- **tree-r**: every node an MLP with $q$ hidden units and $r$ outputs, the root one. `tree-1` is the network of the
  theorem; `tree-4` hands on four numbers.
- **deep**: dense, $L$ hidden layers of equal width; **shallow**: one hidden layer.
- **wide**: dense, $L$ hidden layers of $(d/2)\, q$ units, 6945 parameters by default, where
  the others have 900. It contains every tree with that $q$: merge each node's
  linear output into the weights that read it, and set to zero what the tree does not join. A gap between the two is a
  matter of training, not of what can be expressed.

Weights into a tanh are drawn from $N(0, 1.96 / \mathrm{fan\,in})$, into outputs from $N(0, 1 / \mathrm{fan\,in})$,
hidden biases from $U[-1, 1]$. Adam with a cosine to 0; the step size is chosen for every architecture, target and size
by the validation error on two other seeds. Training sets are nested.

**The wrong tree.** The coordinates are put in an order in which no two siblings stay together; the target and the step
size remain. $2^{d-1}$ of the $d!$ orders keep the tree: 8 of 24 for $d = 4$, so that a *random* permutation would leave
that tree right one time in three.

**The digits.** 8x8 images, ReLU, cross-entropy. `conv`: 3x3 with stride 2 and 12 channels, 3x3 with stride 2 and 24
channels, ten logits; `local`: the same graph without sharing, 3.6 times the parameters; `dense` 64-39-24-10 and
`shallow` 64-50-10 with as many parameters as `conv`. The pixels are permuted by one permutation a seed. The step size
is chosen on the true pixels and used for both: chosen apart, a dense network seems to gain from the permutation.

## How it is judged

Ratios are paired: same target, same points, same order of batches. The measure is $\log_{10}$ of the ratio, its mean
the logarithm of the geometric mean over seeds. Errors on $\mathbb{R}^d$ are those at the checkpoint of the least
validation error. Errors on the digits are those at the end, because the least loss on 200 images is a poor guide to a
checkpoint: on seeds that do not judge it cost half a point. Both kinds stand in the data and in the figures of both
parts. Where a statement is about several sizes or dimensions, the cell of the largest mean is judged, and of a control
that should come out large the one of the smallest. `training-keeps-the-tree` takes the errors at the end: the tree it
starts from is itself a checkpoint, and the best one could not be worse on the points that choose it.

The papers give no such ratios of trained networks. The regions are ours, fixed on other seeds than those that judge.
Among them: `permutation-hurts-conv` asks for 0.3 points at least; `sharing-is-not-it` calls two networks equal within
0.5 points; `training-finds-the-tree` asks for a factor within $[1/2, 2]$, beside the tree on permuted coordinates as
its control; `no-advantage-on-a-ridge` allows a factor 3; and the dense networks that are the control of
`wrong-tree-loses` must stay within a factor 1.5.

A mistake $e$ at one node reaches the root through the slopes of the nodes above: if $g$ is $\Lambda$-Lipschitz in each
argument and every node is fitted to $e$,

$$\text{error} \le e \sum_{l < \log_2 d} (2 \Lambda)^l ,$$

which is $(d - 1)\, e$ for $\Lambda = 1$ and grows like $d^{\log_2 2\Lambda}$ beyond. The mean $|\nabla g|$ is printed
beside every figure about $d$.

## Caveats

- The theorems are about the largest error and the worst function of a class; the experiment takes the mean squared
  error of trained networks on random targets. Agreement illustrates a theorem, and disagreement does not refute it.
- The constituents above are analytic, and all $m$ at once: rates in $n$ or in the number of parameters cannot be read
  off them. Ratios at equal budget can. The full profile adds constituents with
  $c_k \propto k^{-(m + 1/2)}$, $k \le 64$.
- `literal-tree` is about training, of which the theorem does not speak: bottlenecks of one number trap Adam, and four
  channels free it.
- Targets become harder with $d$, as they are composed more often. `flat-in-d` does not tell this from a failure of the
  network. Its control has a ceiling: the shallow network's error saturates near 1, that of the mean, which makes its
  exponent in $d$ look smaller than it is.
- `training-finds-the-tree` and its converse use one optimizer with one budget and no weight decay.
- The digits are small and centred. What happens there says little about large images, either way.
- `sharing-is-not-it` does not compare at equal size: `local` has 3.6 times the parameters of `conv`.
- Step sizes on the digits are chosen on other splits of the same 1797 images, which share images with the test sets.
- `permutation-hurts-conv` and `sharing-is-not-it` compare means of a few splits of one small data set whose test parts
  overlap; the intervals treat the splits as independent.
"""
