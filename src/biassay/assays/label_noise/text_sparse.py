"""The mathematics of the part `sparse`."""

MATHEMATICS = r"""
## Sparse recovery by squared parameters

$h(x) = \langle x, v \circ v \rangle$, with $v \circ v$ the vector of squares, and targets $y_i = \langle x_i, w^*
\rangle$ for $w^*$ with five ones among $d = 100$ entries, $n = 40$ Gaussian examples, $v_0 = (1, \dots, 1)$. The loss
is $\frac14 (h - y)^2$; HaoChen, Wei, Lee and Ma 2021. To the full gradient is added what $N(0, 1)$ noise in the label
of one random example brings, $-\varepsilon \, x_i \circ v$. The step size is divided by ten after each third of the
steps.

In $w = v \circ v$ everything is linear: with $k_j = \frac1n \sum_i x_{ij}^2$,

$$\mathrm{reg} = \frac1n \sum_i \lVert 2 x_i \circ v \rVert^2 = 4 \, k \cdot w, \qquad h = X w ,$$

so that label noise is left with the linear program $\min k \cdot w$ under $X w = y$, $w \ge 0$, which here has the
solution $w^*$. The path to it is known as well (derived here). Both gradient flow and the drift equation multiply $w$
by exponentials of combinations of the rows of $X$ and of $k$, hence at drift time $\tau = (\eta/4)^2 t$

$$\log w(\tau) = \log w_0 + X^\top \lambda(\tau) - 16 \, \tau \, k, \qquad X w(\tau) = y ,$$

the solution that minimises $\sum_j w_j \log (w_j / w_{0j}) - w_j + 16 \, \tau \, k_j w_j$. At $\tau = 0$ it is where
gradient descent ends: the solution nearest to $w_0$ in relative entropy, dense and large. The drawn path is this one.

**Controls.** Gradient descent; *Langevin* noise, $0.01 \, N(0, I)$ added to the gradient. *SGD noise*, one random
example's gradient minus another's, is shown and not judged: it vanishes where all errors vanish, so it stops at some
solution, smaller than that of gradient descent. On twelve data sets of the trials it diverged three times, and ended
at squared errors from 0.3 to 9 otherwise; on the four default ones it diverged once, and ended at 10 to 23.
With half the step size, on four others, at 43 to 60, next to gradient
descent. The caption counts what it did here.

**Reading it.** While the noise is on, the squared error has a floor of order $\eta$: recovery is judged after the
step size was divided. The time to a squared error below 1 is read at constant step sizes, at records a few hundredths
of it apart. Where the rows of $X$ span a positive vector there may be a single non-negative solution and nothing to
choose; with 40 rows of 100 that has a chance of two in a hundred, and the controls would show it.
"""
