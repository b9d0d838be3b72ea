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

The confusion set is made on the device, item by item, whenever a batch asks for it. That it can be fitted is
established without holding it: every item is made once and hashed, and only items with equal hashes are compared entry
by entry. For colour images of 32x32 pixels with a tenth of the entries erased, two copies of one image are equal with
a probability below $10^{-400}$, unless the image is almost black.

The networks have batch normalisation. Its running statistics go on from pre-training, while the optimiser starts anew;
NC2 begins with the statistics of the random start. Before a complexity measure is taken each batch norm is folded into
the convolution before it; measures and margins are those of the first `image_measured` training images with their true
labels, and depend on that number.
"""
