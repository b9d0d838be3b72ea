"""The mathematics of the assay `low-rank`, for its page."""

MATHEMATICS = r"""
## The statement

Galanti, Siegel, Gupte and Poggio: training by mini-batch SGD with weight decay biases the weight matrices towards low
rank; weight decay is necessary; and the bias is the stronger the smaller the batch, the larger the step size and the
stronger the decay. Its link to generalisation is marginal. Chen, Yi and Yang: sufficiently trained with SGD and weight
decay, a ReLU network has weight matrices of approximate rank two.

## Forgetting

SGD without momentum, $W \leftarrow W - \eta (G + \mu W)$, where $\mu$ is the optimiser's weight decay (a penalty
$\lambda \lVert W \rVert^2$ is $\mu = 2 \lambda$). Unrolled over the last $k$ of $T$ steps this is, exactly,

$$ W_T = (1 - \eta \mu)^k \, W_{T-k} - \eta \sum_{i=1}^{k} (1 - \eta \mu)^{i-1} \, G_{T-i} . $$

The gradient of one example's loss in the matrix of a dense layer is an outer product, of rank 1; in that of a
convolution its rank is at most the number $m$ of patches. A batch of $B$ gives $\mathrm{rank}\, G \le m B$, so the sum
has rank at most $m B k$. By Eckart and Young, with $\sigma_1 \ge \sigma_2 \ge \dots$ the singular values of $W_T$, for
every $k$ with $m B k$ below full rank,

$$ \sigma_{m B k + 1} \;\le\; \Big( \sum_{j > m B k} \sigma_j^2 \Big)^{1/2} \;\le\;
(1 - \eta \mu)^k \, \lVert W_{T-k} \rVert_F . $$

This is the statement that `bound-identity` and `bound-tail` check, in double precision, for every such $k$, at three
times of every run. It needs no limit and no assumption on the loss. Without decay its right-hand side is
$\lVert W_{T-k} \rVert_F$, which does not shrink with $k$.

Let $k_\epsilon$ be the first $k$ at which the right-hand side is at most $\epsilon \lVert W_T \rVert_F$. Then at most
$m B k_\epsilon$ singular values of $W_T / \lVert W_T \rVert_F$ exceed $\epsilon$. At constant norm $k_\epsilon \approx
\log(1/\epsilon) / (\eta \mu)$; the paper's theorem for long training has $\log(2/\epsilon)$ in its place.

**When the bound says something.** At constant norm and small $\eta \mu$ it is below full rank $d$ only where
$\eta \mu > B \log(1/\epsilon) / d$. Where the start of the run is not forgotten to $\epsilon$ there is no bound, and
the trivial one, full rank, is taken. On a network whose outputs do not depend on the size of its hidden matrices, a
stationary norm means that a step turns a matrix by an angle of about $\sqrt{2 \eta \mu}$: decay that bounds the rank
lets every batch turn the matrix far. Wider networks leave more room. `bound-informative` asks for the least
bound of the runs that learn, and is vacuous where no run with decay does.

## The number of forgetting times

$\eta \mu T$ says how often the weights have been forgotten, to a factor $e$ each time. It must be the same where two
batch sizes or two step sizes are compared:

- At *equal epochs* a batch of $B$ takes $T = E n / B$ steps. So $B = 4$ has 16 times the $\eta \mu T$ of $B = 64$.
- At *equal steps* a step size 15 times larger has 15 times the $\eta \mu T$. At equal $\eta \mu T$ and equal $\mu$ the
  time $\eta T$ is equal: what is left of a difference is the size of the step and of the noise.

Each run is recorded along the way and read at the step that a comparison asks for. Two claims about each comparison:
whether the rank is lower by one singular value of 64 (`batch-effect`, `lr-effect`), and whether it is lower by a
twentieth of full rank (`...-size`). Their control is the same runs without decay. It shows how far ranks differ by
chance near full rank, their ceiling; further down they may differ by more. `epochs-confound` and `steps-confound` hold
where the difference at equal epochs or equal steps is large, and the same runs at equal $\eta \mu T$ do not show it.

## The rank

The number of singular values of $W / \lVert W \rVert_F$ above a tolerance: the tolerance decides the number. Claims
name theirs, 0.01 or 0.05; figures show both, the stable rank $\lVert W \rVert_F^2 / \lVert W \rVert_2^2$, and the
spectra.

## Caveats

- Collapse to zero lowers the rank as well. The comparisons ask for a train accuracy of at least 0.95, and every figure
  that can shows the accuracy beside the rank.
- The bound needs momentum 0: a momentum buffer holds older gradients. With weight normalization the gradient in the
  direction is orthogonal to it and the factor of forgetting is another one, so that no bound is given there.
- At the default configuration batch sizes and step sizes are compared at $\eta \mu T = 4.8$, before the ranks stand
  still, while the theorem is about large $T$. The comparison at equal $\eta \mu T$ is ours, not the paper's.
- The edge of one singular value is ours. It replaced an edge at 0, which no control of two equal runs could stay off;
  at the default seeds both edges gave the same outcomes.
- Rank two is a statement about a limit, and a finite run does not refute it: where `rank-two` fails, the rank is above
  two after so many forgetting times. The tolerances, the network with one output and the choice of the hidden
  matrices behind the first are ours. Fitting ten one-hot outputs may ask for more directions, so one output is judged
  apart. It says nothing of the first hidden matrix, which faces 64 inputs.
- The correlation of rank and test accuracy over the sweep is shown with its interval over seeds. It is not judged: runs
  of different decay and length differ in more than their rank.
- Digits of 8x8 pixels and three hidden matrices of 64x64. CIFAR-10, in the protocol of the paper's published code, is
  run where it is asked for, and shown without a verdict: dense networks without and with weight normalization, ResNet18
  and VGG16 with batch normalisation. Its dense networks with batch normalisation are not here.
- A kernel is the matrix of shape (out, in $k k$), as in that code, and without the batch normalisation behind it, whose
  scales would multiply the rows. The published means leave out the convolutions of shortcuts; here they count.
- In a convolutional layer $m$ is the number of places of its output, from 1024 down to 4 or 16 on CIFAR-10. Batch
  normalisation couples the images of a batch; a batch's gradient is still a sum of $m B$ outer products, so that the
  bound applies. It is far above full rank at the published step sizes and decays.
"""
