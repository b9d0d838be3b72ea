"""The mathematics of the assay `adversarial-init`, for its page."""

MATHEMATICS = r"""
### The statement

An over-parameterised network can fit its training set in many ways. Random starts lead SGD to solutions that
generalise; Liu, Papailiopoulos and Achlioptas build, from unlabelled images alone, a start from which plain SGD
reaches a solution that fits every training image and generalises badly, and they report that explicit regularisation
undoes the harm.

### The experiment

For $n$ training images with $D$ entries and $K$ classes the *confusion set* $C$ holds $R$ copies of every image. In
each copy $\lfloor N D \rfloor$ entries, drawn without replacement, are set to $0$, and each copy gets its own label,
uniform over the classes. Fitting $C$ from a random start $w_0$ gives the *adversarial initialisation* $w_C$. Training
on the true labels then goes on from $w_C$ with

$$ v \leftarrow \beta v + \nabla R_B(w) + \lambda w, \qquad w \leftarrow w - \eta v, $$

where $R_B$ is the mean cross-entropy of a batch. Vanilla SGD has $\beta = \lambda = 0$ and no augmentation.
Regularisers are compared at one effective step size $\eta / (1 - \beta)$, and each from both starts: the set-up S3[r]
from $w_C$ beside S0[r] from $w_0$.

Two equal copies with different labels cannot both be fitted. The best any function can do on $C$,

$$ \frac{1}{|C|} \sum_{x} \max_{k} \, |\{ i : x_i = x, \; y_i = k \}|, $$

is computed before anything is trained. With a tenth of the entries erased it is below $1$ on the digits, as most of
what is erased is black already. A set that cannot be fitted is drawn again, up to 10 draws, and refused after them;
the variable `draws` counts the draws and the claim `attainable` judges the first. In the quick profile no seed needed a
second one.

### What is measured

The gap is the test accuracy of S0 (from $w_0$) minus that of S2 (from $w_C$), both by vanilla SGD with one step size.
Two controls take it apart. NC1 starts where the same corrupted copies with their *true* labels lead: if corruption or
long training did the harm, NC1 would show it. NC2 starts at $w_0$ with every leaf rescaled to the norm of the same
leaf of $w_C$: it has the scale of the adversarial start and has memorised nothing. The share of the gap that is scale
is

$$ \frac{\mathrm{test}(S0) - \mathrm{test}(NC2)}{\mathrm{test}(S0) - \mathrm{test}(S2)} . $$

Distances run over all parameters, $d(a, b) = \lVert a - b \rVert_2$. In the plane, the length of the decision
boundary and the area of disagreement with the Bayes line say what test accuracy cannot, as the clouds lie far apart.

How complex the minima of the MLP are is measured as in Jiang et al.: by products of the layers' norms, sums over paths,
the margin, distances, and the noise that the weights bear, all from the $m$ training images with their true labels and
in double precision. Distances are from the random start $w_0$ in *every* set-up. With $g$ the 10th percentile of the
margin, $W_i$ the layers' weights and $\sigma$ the standard deviation of the noise on all parameters at which the train
accuracy falls by $0.1$, the measures judged are

$$ \frac{1}{g^2} \prod_i \lVert W_i \rVert_2^2 \;\; (31), \qquad \frac{1}{g^2} \prod_i \lVert W_i \rVert_F^2 \;\; (36),
\qquad \frac{1}{g^2} \sum_{\mathrm{paths}} \prod_{j \in \mathrm{path}} w_j^2 \;\; (43), \qquad
\frac{\lVert w \rVert^2}{4 \sigma^2} + \ln \frac{m}{\sigma} + 10 \;\; (49), \qquad \frac{1}{\sigma^2} \;\; (53), $$

numbered as the equations of that paper. They are compared as $\sqrt{v / m}$, which their public code prints, or half
whose logarithm. The draws of the noise are the same for all set-ups of a seed. Only networks with $g > 0$ are judged;
`without_margin` counts the others. All other measures are in the variable `complexity`.

### What came out, and caveats

The bad minimum is real on the digits: vanilla SGD fits every image and moves little from $w_C$, and NC1 loses
nothing. But **most of the gap is weight scale**: large weights alone make training lazy, and a random start of the
same norms loses most of what the adversarial one loses. What the memorised labels add beyond that is a few points.
(Pre-training left one copy of 4000 unfitted on one of eight seeds.)

Weight decay does the repair: it shrinks the weights until the start is forgotten, which takes $\eta \lambda t / (1 -
\beta)$ of about $3$ or more after $t$ steps. Momentum alone acts mostly as a larger step size. So on the digits it is
not true that any two of the three regularisers suffice: augmentation with momentum leaves a gap. Augmentation with
weight decay does not fit every image on every seed, so that pair decides nothing. One strength of augmentation and
one schedule were tried, on small networks without batch normalisation: this does not refute the paper's networks,
whose weights are scale-invariant.

Stopping at the first fit or training on changes the size of the gap, so the stop rule is fixed: S0, S2, NC1 and NC2
stop at the third check at which all seeds fit all images.

The bad minimum is more complex than the random start's and than the repaired one's by all five measures and on every
seed: against S0 by factors of 5.8 (31), 5.8 (36), 6.0 (43), 2.5 (49) and 1.4 (53), means over 8 seeds. But the random
start of the same norms is so too, by 5.6, 5.5, 5.5, 3.0 and 1.7: by the last two it is *more* complex than the bad
minimum, and it tests better (76 % against 72 %). These measures see the scale of the weights and not what was
memorised, so the claim `most-complex` is vacuous. Over the 20 set-ups trained on the true labels Kendall's $\tau$ with
the test error is 0.68 (31), 0.59 (36), 0.60 (43) and 0.57 (49), and only 0.15 for the sharpness (53), whose interval
excludes 0 but not the threshold of 0.1. It is not weight decay alone that is ranked: over the 12 set-ups without it
$\tau$ is 0.77, 0.79, 0.79 and 0.70, and 0.32 for the sharpness.

Three measures do *not* agree, and are shown without a verdict. The raw margin is larger at the bad minimum (4.1) than
at S0's (2.4): INVERSE_MARGIN (22) calls the bad minimum the simpler one, by a factor of 0.58, and its $\tau$ is
$-0.12$; with the norms beside it (31, 36, 43) the same margin ranks rightly. FRO_DIST (40) and PACBAYES_INIT (48) call
the repaired minimum S3[M+L2] more complex than S0's, by factors of 8.5 and 6.5, though it tests better (93.5 % against
91.9 %): it has travelled far from $w_0$ and shrunk, and the distance tells only the former; by (31) and (43) it is
simpler, by 0.19 and 0.07. Over all set-ups these two have a $\tau$ of 0.26 and 0.34. PACBAYES_MAG_ORIG (57) is the root
of a negative number for 19 of 160 networks and is not ranked.

More copies at the same number of epochs are more steps: $R = 20$ has twice the pre-training steps of $R = 10$. NC1 has
the same two lengths, so steps by themselves do no harm, but the norm that longer fitting of random labels adds is not
separated from the number of copies.

On the toy, pre-training fits 90 to 100 % of the coin flips, not all of them (variable `toy_fit`): the adversarial
start has memorised most of the random labels.

### Deep classifiers on images

With `image_data_sets` (the full profile) VGG16, ResNet18, ResNet50 and DenseNet40 are run on CIFAR-10, CIFAR-100 and
CINIC-10, and on Restricted ImageNet for those who have ImageNet: every set-up above, and every subset of the three
regularisers from both starts. The schedule is that of the authors' code for CIFAR-10; for the other data sets it is an
assumption. There momentum keeps the step size, so that its effective step size is ten times that of the others:
`image_momentum_lr` compares at equal ones. No claim is judged on these runs.

Pre-training on random labels ends at the first check, every 25 epochs, that finds 99.99 % of them fitted, and every
confusion set has epochs of its own. NC1's start is trained on the true labels for exactly as many, beyond their fit:
so the control has the steps that long fitting took. Checkpoints of the full profile grow to about 180 GB, which are
freed when its result is kept.

The confusion set is made on the device, item by item, whenever a batch asks for it. That it can be fitted is
established without holding it: every item is made once and hashed, and only items with equal hashes are compared entry
by entry. For colour images of 32x32 pixels with a tenth of the entries erased, two copies of one image are equal with
a probability below $10^{-400}$, unless the image is almost black.

The networks have batch normalisation. Its running statistics go on from pre-training, while the optimiser starts anew;
NC2 begins with the statistics of the random start. Before a complexity measure is taken each batch norm is folded into
the convolution before it; measures and margins are those of the first `image_measured` training images with their true
labels, and depend on that number.
"""
