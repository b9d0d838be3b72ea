"""The mathematics of the assay `weight-normalization`, for its page."""

MATHEMATICS = r"""
## The statements

A sparse $x^* \in \mathbb{R}^d$ is to be found from $m < d$ equations $A x = y$ by a diagonal linear network
$x = w_+^{\odot L} - w_-^{\odot L}$, that is, with $D = [A, -A]$ and $n = 2d$ positive weights,

$$f(w) = \frac{1}{2} \lVert D w^{\odot L} - y \rVert^2, \qquad \nabla f = L \, w^{\odot (L-1)} \odot h, \qquad
h = D^\top (D w^{\odot L} - y), \qquad w_0 = \alpha (1, \dots, 1), \quad r_0^2 = n \alpha^2 .$$

Weight normalization writes $w = r u$ with $\lVert u \rVert = 1$ and lets the magnitude move $\eta$ times as fast as the
direction:

$$u' = -r \, (I - u u^\top) \nabla f, \qquad
\begin{cases} r = g, & g' = -\eta \, \langle u, \nabla f \rangle \\
r = e^g, & g' = -\eta \, \langle w, \nabla f \rangle \end{cases}$$

- **W1.** Gradient flow in these coordinates is biased towards sparse solutions, and, unlike plain gradient flow, is so
  from practically large initialization.
- **W2.** In experiments convergence is faster as well, and robustness better, with weight normalization.

Both are from the abstract of Chou, Rauhut and Ward 2024; the coordinates are those of Salimans and Kingma 2016. Whether
the paper stores $g$ or $e^g$, its ratio and its figures were not read: both forms are here, and no number is compared
with one of the paper's. Everything below is derived here.

## What the flow conserves

In $\ell = \log u$ and $R = r^2 / (2 \eta)$ (for $r = g$) or $R = (\log r) / \eta$ (for $r = e^g$), with
$s = L \sum_i u_i^L h_i$,

$$R' = -r^L s, \qquad \ell' = -r^L \left( L \, u^{\odot (L-2)} \odot h - s \right), \qquad
\textrm{plain flow:} \quad (\log w)' = -L \, w^{\odot (L-2)} \odot h .$$

As $h$ is a combination of the rows of $D$, for every $z$ with $D z = 0$ the flow conserves
$z \cdot (\log u + R \mathbf{1})$ at $L = 2$ and $z \cdot (u e^R)^{\odot (2 - L)}$ above; plain flow conserves
$z \cdot \log w$ and $z \cdot w^{\odot (2-L)}$. At $L = 2$ the invariant is linear in the coordinates, and a Runge-Kutta
method keeps it to rounding whatever its tolerance; at $L = 3$ it also tests the integration. There the change is told
in units of the vector's entries at the start, and is held to the same bound, $10^{-10}$, as the absolute change at
$L = 2$.

## The effective initialization

Plain and weight-normalized flow therefore end on one family of points, and the parameter of the family can be read off:
**weight-normalized flow ends where plain flow ends that started at**

$$\alpha_\mathrm{eff} = \alpha \, \frac{r}{r_0} \, e^{-(r^2 - r_0^2) / (2 \eta)} \quad (r = g), \qquad
\alpha_\mathrm{eff} = \alpha \left( \frac{r}{r_0} \right)^{1 - 1/\eta} \quad (r = e^g),$$

with $r = \lVert w \rVert$ at the end, for every $L \ge 2$. With $r = e^g$ and $\eta = 1$ it is plain flow itself, at
the speed $r^2$.

For $L = 2$ plain flow ends at $x = 2 \kappa \sinh(2 A^\top \nu)$, $\kappa = \alpha^2$, where $\nu$ minimises the convex
$\sum_j \kappa \cosh(2 A^\top \nu)_j - y \cdot \nu$. The weight-normalized limit solves in addition one scalar equation
between $\kappa$ and the mass $S = \lVert w \rVert^2 = \sum_j 2 \kappa \cosh(2 A^\top \nu)_j$,

$$\log \kappa = \log \frac{S}{n} - \frac{S - r_0^2}{\eta} \quad (r = g), \qquad
\log \kappa = \log \alpha^2 + \left( \frac{1}{\eta} - 1 \right) \log \frac{r_0^2}{S} \quad (r = e^g),$$

which has one solution. So the limits are computed exactly, at any ratio, without integrating anything; $\kappa$ reaches
$10^{-74}$ at $\eta = 0.03$, and only its logarithm is ever used. The flows are the check on these limits, and not the
other way round.

## Where robustness ends

As each of the $d$ terms of $S$ is at least $2 \kappa$, $S \ge n \alpha_\mathrm{eff}^2$, and with the equation above
$S \ge r_0^2$ **always**: the limit's mass is never below the start's. Let $q = r_0^2 / \lVert x^* \rVert_1$,
where $x^*$ is the unique solution of least $L_1$ norm.

- $q < 1$: as $\eta \to 0$ the effective start vanishes exponentially in $(\lVert x^* \rVert_1 - r_0^2) / \eta$ and the
  sparse solution is found, whatever $\alpha$ is.
- $q > 1$: the limit's mass is above $\lVert x^* \rVert_1$ at every ratio, and no ratio makes it sparse.

**So W1 is confirmed up to $q = 1$ and not beyond.** A start of practical size, $\alpha = 0.07 \approx 1 / \sqrt{2d}$
with $\lVert x^* \rVert_1 = 5$, has $q = 0.2$. For sparser or smaller solutions, or more unknowns, the same $\alpha$ can
lie beyond. The figure `robustness-ends` draws the errors on both sides of $q = 1$, and any $\alpha$, $q$ and $\eta$ can
be named. Above $L = 2$ the argument is the same, with $\sum_i \lvert x_i^* \rvert^{2/L}$ in place of
$\lVert x^* \rVert_1$.

**The ratio matters.** With $r = g$ the effective start is smaller than the start where $\eta \le r_0^2$, and it can be
larger where $\eta > r_0^2$. With $\eta = 1$ a tiny start is *worse* with weight normalization than without (figure
`tiny-starts`): the mass grows from nearly nothing, and the factor $r / r_0$ is large.

## Speed

W2 is judged on discrete gradient descent, by the share of systems on which the residual $\lvert A x - y \rvert$ falls
below $10^{-6}$ in fewer steps with weight normalization than without, in four regimes that were fixed before the seeds
that judge were run: from $\alpha = 0.07$ with $\eta = 1$ and with $\eta = 0.1$ at one and the same step size; from
$\alpha = 0.07$ with $\eta = 1$, each at its own best step size; and from $\alpha = 10^{-3}$ with $\eta = 1$. A run that
does not get there within the steps given counts as slower than one that does. Where neither does, or both do between
the same two records (some 4 percent apart), the pair is undecided. The control, $\eta = 0.1$ from $\alpha = 10^{-3}$,
leaves its start late; as neither it nor plain descent gets to $10^{-6}$ from there within the steps given, it counts
the steps to $10^{-2}$.

One step size is not the same for both: the direction of $w$ moves $r^2$ times as fast as in plain descent. With a
small ratio the residual falls slowly, because directions that are not in the sparse solution have to grow
from $\alpha_\mathrm{eff}$: the same small effective start that makes the limit sparse makes the approach slow.

## Conventions and caveats

- $A \sim N(0, 1/m)$ of shape $(40, 100)$, $x^*$ has five entries $\pm 1$, errors are
  $\lVert x - x^* \rVert / \lVert x^* \rVert$. A seed is one system. Figures give both median and largest error:
  the largest is often a hundred times the median. Claims judge the mean, which is at least as strict for such errors.
- $S$ is the mass of the doubled vector $(w_+^2, w_-^2)$; $\lVert x \rVert_1$ of the signed vector is smaller, and is
  not bounded from below by $r_0^2$.
- A flow is compared with an exact limit only where its residual is below $10^{-6}$; residuals stand beside the errors
  (figures `robustness-ends` and `flows`). With $\eta = 0.1$ and $q < 1$ the flow is not finished at the horizon. Times
  are those of plain flow's clock, $\int r^2 \, dt$, on which the flows are comparably fast.
- The logarithms are taken before the integration. In $(g, v)$ the digits of a small entry of $u$ drown in the
  integrator's tolerance, which looks like a broken conservation law. $\lvert \lVert u \rVert^2 - 1 \rvert$ is kept as
  an honest measure of the integration error.
- The identity is checked at $L = 2$ and $3$ ($4$ in the full profile) on small systems, whose flows end within reach.
- In discrete descent on $(g, v)$, $w = g v / \lVert v \rVert$, the norm of $v$ grows by the square of every step; the
  flow conserves it.
- The linear rate of convergence that the paper has for $L = 2$ was not measured.
"""
