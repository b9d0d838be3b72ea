"""The mathematics of the assay `memorize`, for its page."""

MATHEMATICS = r"""
## The statement

Any $N$ distinct points $x_i \in \mathbb{R}^{d_x}$ with any labels $y_i$ are fitted by a network with two hidden layers
of ReLUs and $O(N)$ weights (Yun, Sra and Jadbabaie 2019). The network is written down; nothing is trained. This page
checks four sentences about it:

- **Y1.** it is exact, has $O(N)$ weights, and takes linear time;
- **Y2.** for $d_y$ outputs $O(N d_y)$ weights are enough;
- **Y3.** training the same architecture needs a far larger network;
- **Y4.** it is a global minimum of the training loss that has learned nothing.

## The construction

**One direction.** $u$ is a random unit vector, the best of 16 by the smallest gap between neighbours among the numbers
$c_i = u \cdot x_i$. After a sort everything happens on the line. With $T(z) = \min(\max(z, -1), 1)
= \mathrm{relu}(z+1) - \mathrm{relu}(z-1) - 1$ the network is

$$f(c) = \sum_{k=0}^{q-1} T(g_k(c)) - 1, \qquad g_k(c) = \beta_k + \sum_{j=1}^{p} V_{kj} T_j(c), \qquad
T_j(c) = T(a_j c + b_j).$$

**Segments.** The points are cut into $p$ segments of $q$ consecutive points, $q$ even and $p q \approx N$. Unit $T_j$
is $-1$ to the left of segment $j$, $+1$ to its right and rises linearly across it: with the segment's ends $L_j, R_j$
half-way between neighbouring segments, $a_j = 2 / (R_j - L_j)$ and $b_j = -(R_j + L_j) / (R_j - L_j)$. The last segment
is filled up with points beyond the end.

**Plateaus.** Between two segments $g_k$ is constant. Let $P_{jk}$ be its value after segment $j$ and $P_{0k}$ the one
left of everything: $V_{kj} = (P_{jk} - P_{j-1,k}) / 2$ and $\beta_k = P_{0k} + \sum_j V_{kj}$. On segment $j$, with
$t = T_j$,

$$g_k = \tfrac12 \left( P_{j-1,k} (1 - t) + P_{jk} (1 + t) \right).$$

In every segment each node $k$ serves one point, the one at $t$ with label $y$. Setting $g_k = y$ there gives the next
plateau in a constant number of operations:

$$P_{jk} = \frac{2 y - P_{j-1,k} (1 - t)}{1 + t}.$$

**Parity.** The plateaus flip sign in every segment and are so large that a node is saturated, $|g_k| \geq 1$, at the
points it does not serve. Points at even positions in their segment, counted from 0, are served by nodes whose last
plateau is negative, odd ones by positive ones. At even position $2m$ the other nodes then sum to
$m - (q/2 - 1 - m)$ from the negative and $-m + (q/2 - m)$ from the positive ones, which is $+1$; odd positions give
$+1$ as well. So $f(x_i) = 1 + y_i - 1$.

**Scale.** $|P_{0k}|$ begins at 4 over the smallest gap in $t$ and is raised until no sign fails to flip, all
$|P| \geq 1$ and $|V_{kj}| \, \mathrm{gap} \geq 1 + |y|$, with the gap in $t$ to the nearer neighbour of the served
point.

**Which node serves which point.** The paper's fixed zigzag (node $k$ at position $k$, then $q-1-k$, then $k$ again)
multiplies $|P|$ by $(1-t)/(1+t)$ in every segment, and no choice of $t$ holds $|P|$ in place: it is a random walk in
$\log |P|$, and float64 fails at about $10^4$ to $10^5$ points. Only the parity matters. Here, in each class, small
plateaus are given the small $t$, where they grow: this *balanced* order is an addition to the paper, and the zigzag is
its control.

**ReLUs.** A hard-tanh unit is two ReLUs: widths $(2p, 2q)$, and $4 p q \approx 4 N$ weights between the hidden layers.
For $d_y$ outputs the first layer is shared and the second repeated with $q \approx \sqrt{N / d_y}$: widths
$(2p, 2 q d_y)$ and $4 N d_y$ weights. The theorem as recalled asks for
$4 \lfloor d_1 / 4 \rfloor \lfloor d_2 / (4 d_y) \rfloor \geq N$, that is for hidden weights $d_1 d_2 \geq 4 N d_y$: the
same number as here, up to rounding. For hard-tanh units, $4 \lfloor d_1 / 2 \rfloor \lfloor d_2 / (2 d_y) \rfloor \geq
N$, it is $N d_y$, which is $p q d_y$ here. Labels lie in $[-1, 1]$; larger ones are rescaled in the last layer.

## What is measured

- **Exactness** in rational arithmetic: the same lines of code on fractions, where $f(x_i) = y_i$ is an identity. In
  floats: the largest error, and the share of random signs reproduced. A sign is right as long as the error stays below
  one, a lenient measure; its control is the same network in single precision, in which about half of the signs are
  right at $10^5$ points. The paper's zigzag keeps most signs there, on some data sets all of them, although its largest
  error exceeds one; it is the control of `balanced-order`, which compares the two orders by the error itself.
- **Size**: hidden weights per point that is fitted, so that a network that fits nothing is not small. Every unit of
  the first layer is needed: up to 20 of them, spread evenly, are dropped one at a time, and the one that is missed
  least is judged.
- **Linear time** as a number of operations, counted while the construction runs, because seconds do not repeat; a
  benchmark of the repository has the seconds. The count begins with the points on the line: their sort is in it, with
  its logarithm; the choice of the direction, 16 projections of $d_x$ multiplications a point and a sort of each, is
  not. The control solves a dense
  $N \times N$ system for the output weights of $N$ random features, which fits the labels too; it is counted at
  smaller $N$, where the construction is counted too, for the figure.
- **The bad minimum**: labels $\mathrm{sign}(w \cdot x)$ for a random $w$, accuracy on fresh points, beside Adam on the
  same architecture and the same data, trained until it fits every training label as well.
- **Training the same architecture** with both hidden widths $w$ on $n$ random labels: $w^\ast$ is the smallest width
  tried at which a seed fits, over the construction's $2 \lceil \sqrt n \rceil$. Full-batch gradient descent stands in
  for the SGD of the sentence, so that the batch size is not one more choice. Mean squared error
  $\frac1n \sum_i (f_i - y_i)^2$, He initialisation, float32; gradient descent with a constant step, Adam with a step
  size that a cosine takes to 0 at the end of the budget. Success is every sign right, or an error below $10^{-2}$. A
  seed that fits at no width tried counts as diverged. The figure shows for each budget the smallest width at which two
  thirds of the seeds fit.

## Y3: a statement about budgets

The sentence that SGD needs a far larger network than the construction **is not confirmed as it stands**. At 4000
full-batch steps and $n = 64$ gradient descent with step $0.05$ needs *less* width than the construction, and so does
Adam: the construction spends four weights on a point, while training can use all of its weights. The claims
`gd-needs-more-width-...` therefore fail; what stands beside them as controls (Adam; four times the steps) lies below
one as well. In a trial run at $n = 64, 144, 256$, three seeds each, gradient descent needed widths 6, 12, 22 for
accuracy 1 and 8, 17, 32 for the small error, Adam 6, 8, 11 and 6, 8, 16; the construction has 16, 24, 32. The growth is
another matter: gradient descent's width grew like $n$ there, the construction's like $\sqrt n$, and they meet near
$n = 256$. Three sizes, one step size and the full batch are an indication and no law; the full profile runs them.
What the lecture's sentence describes is a gap between what is *proved* for SGD and the construction, not one between
SGD and the construction.

The two claims for a criterion have the same measure and differ in the control: the optimizer in one, the number of
steps in the other. Every width in this comparison belongs to a number of steps, a step size and a batch; with fewer
steps the width that gradient descent needs is larger, and the figure shows the budget as an axis. With five seeds the
share that fits need not rise with the width at every step of the grid: the whole curve is drawn.

## Caveats

- float64 is necessary, and the failure in float32 is not graceful: most outputs are wrong by far more than rounding.
  The largest weight grows like one over the smallest gap, which falls like $N^{-2}$ along one direction. That limit
  belongs to the arithmetic and not to the construction, as the rational check shows.
- Tight clusters, or points that differ in their last digits, need weights that float64 cannot hold. The rounding error
  is estimated when a network is built, as the last digits of $|\beta_k| + \sum_j |V_{kj}|$; above a twentieth of the
  labels' size other directions are tried and then the points are refused. Here that check is off, for the sake of the
  controls that are meant to fail.
- Written with ReLUs the network loses more digits than in its hard-tanh form, which is the one judged: to the right of
  its segment a unit is the difference of two ReLUs of a size up to about $p$.
- A point is evaluated at the very number $u \cdot x$ the network was built for, summed in a fixed order. Libraries that
  sum in another order (a matrix product on another device) add an error of the largest slope times the last digit of
  $u \cdot x$.
- Two equal points with different labels are refused, since no function fits both.
- The memorizer has no robustness to speak of: training inputs moved by noise of $10^{-3}$ already get outputs that are
  unrelated to their labels.
- The lower bound (a network with $2 d_1 d_2 + d_2 + 2 < N$ cannot memorize every data set, as recalled) and the
  statement that SGD started near a memorizing minimum finds a nearby better point are not reproduced here.
"""
