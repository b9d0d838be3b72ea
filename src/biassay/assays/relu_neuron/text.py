"""The mathematics of the assay `relu-neuron`, for its page."""

MATHEMATICS = r"""
## The statements

One neuron $f(x) = \mathrm{relu}(w \cdot x)$, points $x_i \in \mathbb{R}^d$ with labels $y_i \ge 0$, and gradient flow
on the square loss:

$$L(w) = \frac{1}{2} \sum_i (\mathrm{relu}(w \cdot x_i) - y_i)^2, \qquad
\dot w = -\sum_{i :\, w \cdot x_i > 0} (w \cdot x_i - y_i) \, x_i .$$

The zero-loss set is the polyhedron of all $w^*$ with $w^* \cdot x_i = y_i$ where $y_i > 0$ and $w^* \cdot x_i \le 0$
where $y_i = 0$.

- **R1.** No function $R(w)$ describes the bias: there is none, beyond the trivial ones, whose minimum over the
  zero-loss set is the limit of gradient flow from small starts.
- **R2.** The bias can be described approximately: the limit has at most twice the smallest norm.
- **R3.** For $f(x) = \sum_i v_i \, \mathrm{relu}(w_i \cdot x)$ there is no such function in general either. What
  gradient flow does conserve, in every hidden unit, is $D_i = \lVert w_i \rVert^2 - v_i^2$ (balancedness).

R1, R2 and the first half of R3 are from Vardi and Shamir 2021, balancedness from Du, Hu and Lee 2018. The factor 2 was
recalled, not read; the proof below is ours.

## The witness of R1

$$x_1 = (3, -1, 0), \quad x_2 = (4, 2, 0), \quad x_3 = (0, g, g), \qquad y = \alpha \, (16, 18, 0), \qquad g > 0 .$$

**The zero-loss set does not know $g$.** The first two points fix $w_1 = 5 \alpha$ and $w_2 = -\alpha$; the third asks
for $g (w_2 + w_3) \le 0$, that is $w_3 \le \alpha$. So the set is $\{ \alpha (5, -1, s) : s \le 1 \}$ for every $g$.

**The limit does.** At $w \approx 0$ the velocity is $X^\top y = \alpha (120, 20, 0)$. So $w_2$ rises and $x_3$ becomes
active, which pushes $w_3$ down. Then $w_2$ turns negative, $x_3$ becomes inactive at a time $t^*$ ("dies"), and $w_3$
stays where it is. A function $R$ with the limit as its minimum would have to take the same least value at the limits of
all $g$. The loss is homogeneous: labels multiplied by $\alpha$ multiply the limit by $\alpha$. With rotations of the
data, which are not run here, this spreads the argument over the whole space.

**The limit is known exactly.** While all three points are active, the flow is linear with fixed point
$w_\mathrm{fix} = \alpha (5, -1, 1)$:

$$w(t) = w_\mathrm{fix} + e^{-X^\top X t} \, (w_0 - w_\mathrm{fix}), \qquad
t^* = \min \{ t > 0 : w_2(t) + w_3(t) = 0 \}, \qquad w_3(\infty) = w_3(t^*) .$$

One $3 \times 3$ eigendecomposition and one root search therefore predict what the integrator must find.

**Controls.** A *linear* neuron goes to $\alpha (5, -1, 1)$ for every $g$: not to $w_3 = 0$, but to one point. With
$x_3$ removed $w_3$ keeps its initial value. From a start at which no point is active nothing moves. A neuron
$\mathrm{softplus}(4z)/4$ is no longer homogeneous; it has no zero-loss limit at all, as its $w_3$ creeps on like a
logarithm of time, so that its number belongs to the horizon.

## The proof of R2

Let $w^*$ have zero loss. Along the flow

$$\frac{d}{dt} \frac{1}{2} \lVert w - w^* \rVert^2
= -\sum_{\mathrm{active}} (w \cdot x_i - y_i)(w \cdot x_i - w^* \cdot x_i) \le 0 ,$$

because the product is a square where $y_i > 0$, and where $y_i = 0$ an active point has
$w \cdot x_i > 0 \ge w^* \cdot x_i$. So the flow approaches *every* zero-loss solution at once. From 0 it starts at
distance $\lVert w^* \rVert$, hence $\lVert w_\infty - w^* \rVert \le \lVert w^* \rVert$ and
$\lVert w_\infty \rVert \le 2 \lVert w^* \rVert$.

Measured on random sets $y = \mathrm{relu}(X w_t)$ with Gaussian $X$ and $w_t$: the norm of the limit over that of the
smallest zero-loss solution, and the distance to three zero-loss solutions at every recorded step: the smallest, the
planted $w_t$, and the one nearest to a random point. That distance is compared between records, about a hundred along a
run and denser at its beginning, not after every step. The smallest solution is

$$\min \lVert w \rVert \quad \mathrm{s.t.} \quad X_+ w = y_+, \quad X_0 w \le 0 ,$$

a least-distance problem that one non-negative least-squares problem solves.

The bound of 2 is judged on every set with a label that is not 0, whether the run reaches zero loss or not, as the proof
asks for no zero loss. Its control, starts far from zero, is judged where they do reach zero loss; the caption of
`norms` says how many. Only *some* of these must lie above 2: a far start may happen to lie where the flow leads to a
small solution, which says nothing against the bound being one of small starts.

The norms are printed with many digits: a ratio of 1.0005 is not the minimum norm, and the claim `not-minimum-norm`
counts such ratios.

## Balancedness (R3)

Scaling $w_i$ by $c > 0$ and $v_i$ by $1/c$ changes nothing; this symmetry gives the conserved $D_i$. A step of size
$\eta$ changes $D_i$ by $\eta^2 (\lVert \partial_{w_i} L \rVert^2 - (\partial_{v_i} L)^2)$, which over a fixed time adds
up to $O(\eta)$: the claim is the slope of the drift in $\eta$, fitted where $\eta \le 0.01$ (larger steps leave the
regime). Weight decay on all parameters has the law $D_i(T) = D_i(0) \, e^{-2 \lambda T}$, a control that must come out
as a number. Heavy ball at the same effective step size $\eta / (1 - \beta)$ drifts more, but in proportion to its step
size. Adam divides each coordinate's gradient by its own size, which the symmetry does not survive: its drift does not
vanish with the step size.

## Conventions and caveats

- $\mathrm{relu}'(0) = 0$: from $w_0 = 0$ exactly nothing moves. The object is the limit of small starts
  $w_0 = \varepsilon X^\top y$, $\varepsilon = 10^{-6}$. The last panel of `limits` shows what larger ones do, computed
  exactly. The convention and the start of the paper were not read.
- Weights and losses of the witness are in units of $\alpha$ and $\alpha^2$. The sum of squares here is the mean of
  the package's problem with the loss multiplied by the number of points.
- The flow is integrated across the kink of ReLU by an adaptive Runge-Kutta method of order 8 with relative tolerance
  $10^{-9}$. A loose tolerance would not do; the comparison with the matrix exponential is the check.
- Gradient descent with step size 0.01 is visibly not the flow: its error is proportional to the step size. The control
  of `matrix-exponential` relies on that, and for $g$ well below 1, where all third weights are small, it is `unclear`.
  Values of $g$ outside $0.02, \dots, 100$ are refused: below, the linear neuron needs more steps than it is given;
  far above, the flow is too stiff for its integrator.
- In the same way the softplus neuron, the control of `exact-homogeneity`, is told apart clearly only while its kink is
  soft in units of the data; for large $g$ or $\alpha$ it is nearly ReLU, and the claim is `unclear`.
- With a single $g$ the claims on the dependence on $g$ speak of nothing and come out `vacuous`.
- Many random sets do not reach zero loss: a point with a positive label has died, or the run is slow. The claim
  `not-minimum-norm` drops them by their loss, and the caption of `norms` counts them; the bound of 2 and the monotone
  distance are judged on them as well.
- On random data the bound 2 is far from tight; the largest ratio stands beside the claim.
- The witness has no randomness: its claims are judged on the values of $g$ and $\alpha$ alone.
"""
