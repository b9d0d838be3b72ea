"""The mathematics of the assay `norm-bounds`, for its page."""

MATHEMATICS = r"""
## The statement

A bound of the generalisation error from the norms of the weights treats a convolution as the dense matrix it is, and
pays for it: the matrix repeats the filter at every location. Bounds that use where a neuron looks pay for the filter
once. The statement is that this makes them better by orders of magnitude.

It is a statement about **two bounds for one network**, more exactly of the class of networks with these norms. It says
nothing about how large either of them is, and every ratio belongs to a network *and to an image size*. The networks on
8x8 digits show one to one and a half orders of magnitude at the most; more there is only in closed form, on images of
32x32, where padding and unequal pixels are left out.

## The two bounds

A ReLU network without biases has $L$ layers, the dense top included; $m$ training images $x_i$, of which $x_{i,j}$ is
pixel $j$ with all its channels; $C_0$ pixels. Convolution $l$ has filters $w_l$ of shape (out, in, $k_l$, $k_l$) and
$\#\mathrm{loc}_l$ locations. A neuron here is a location with all its channels: it sees $\deg_l = k_l^2$ places of
the layer below; that of the top layer sees all that are left. $T_l$ is the convolution as a dense (Toeplitz) matrix.

*Dense* (after Golowich, Rakhlin and Shamir):

$$ \mathcal{R}_m \le \prod_{l} \lVert T_l \rVert_F \; \bigl( \sqrt{2 L \ln 2} + 1 \bigr) \;
\frac{\sqrt{\sum_i \lVert x_i \rVert^2}}{m} . $$

*Convolutional* (after Galanti, Xu, Galanti and Poggio):

$$ \mathcal{R}_m \le \frac{\prod_l \lVert w_l \rVert_F}{m}
\Bigl( 1 + \sqrt{2 \bigl( L \ln 2 + \textstyle\sum_{l<L} \ln \deg_l + \ln C_0 \bigr)} \Bigr)
\sqrt{ \prod_{l \le L} \deg_l \; \max_j \sum_i \lVert x_{i,j} \rVert^2 } . $$

In the second, the norm of a layer is the largest over its neurons, which for a convolution all share one filter. Beyond
that, *weight sharing is not used*: locality alone makes the difference.

From either one a bound of the error follows, with probability $1 - \delta$ and with $\rho$ the product of the norms:

$$ \mathrm{error}(\mathrm{test}) - \mathrm{error}(\mathrm{train}) \le
2\,\mathcal{R}_m(\rho + 1) + 3 \sqrt{\frac{\ln(2 (\rho + 2)^2 / \delta)}{2 m}} , $$

where $\mathcal{R}_m(\rho + 1)$ is the bound with $\rho + 1$ in the place of $\rho$. The dataset has it as `dense_gap`
and `sparse_gap`. The error on the training images is no share of wrong decisions here but a margin (ramp) error, which
counts outputs short of a margin too.

All three are written **as recalled, the peeling argument of the second re-derived**: they are no quotation of a
theorem, and their constants should be checked against the papers before anything is built on them.

## The norm of the dense matrix

Every entry of the filter stands in $T$ once for every location at which its tap falls inside the image. With $N_a$ the
number of output positions $o$ along one axis for which $0 \le o s + a - p \le n - 1$ (stride $s$, padding $p$, side
$n$),

$$ \lVert T \rVert_F^2 = \sum_{a, b} N_a N_b \, \lVert w_{\cdot \cdot a b} \rVert^2 . $$

Without padding $N_a N_b = \#\mathrm{loc}$ for every tap. With padding it is less at the border: on 8 pixels a 3x3
filter with padding 1 has $N = (7, 8, 7)$ with stride 1 and $(3, 4, 4)$ with stride 2. The claim `toeplitz-identity`
compares this with the Jacobian of the trained networks' convolutions; its control is
$\#\mathrm{loc} \, \lVert w \rVert^2$.

## Why convolution wins, and where it does not

Filter norms and the top cancel in the ratio, which is a product of three factors, exactly:

$$ \frac{\text{dense}}{\text{convolutional}} =
\underbrace{ \prod_{l<L} \sqrt{\#\mathrm{loc}_l} \;
\frac{\sqrt{2 L \ln 2} + 1}{1 + \sqrt{2 (L \ln 2 + \sum_{l<L} \ln \deg_l + \ln C_0)}} \;
\sqrt{\frac{C_0}{\prod_l \deg_l}} }_{\text{closed form: the geometry}}
\; \cdot \;
\underbrace{ \prod_l \frac{\lVert T_l \rVert_F}{\lVert w_l \rVert_F \sqrt{\#\mathrm{loc}_l}} }_{\text{padding}}
\; \cdot \;
\underbrace{ \sqrt{ \frac{\mathrm{mean}_j \sum_i \lVert x_{i,j} \rVert^2}{\max_j \sum_i \lVert x_{i,j} \rVert^2} } }_{
\text{pixels}} . $$

This is an identity of algebra, and the claim `closed-form` a check of the code. In networks of windows of 2x2 without
overlap the padding factor is 1, and nothing of the weights is left in the ratio: the images alone tell the seeds apart.

The convolutional bound wins when the product of the locations outruns the product of the degrees over the pixels.
Windows of 2x2 with stride 2 do not overlap: what the degrees cost is what the pixels give back. Filters of 3x3 with
stride 1 have as many locations as pixels in every layer. Filters of 3x3 with stride 2 lose locations by the stride and
keep the degrees of the overlap: on 8x8 images the convolutional bound is the **worse** one, by a factor of about two.
The same network is better on larger images, which the figure `locations` shows. The pixels enter because the dense
bound counts their total energy and the convolutional one the largest: centred digits are far from uniform.

A dense network is the case of one location per layer. Written as convolutions it has $\deg = (C_0, 1, \dots, 1)$ and
ratio below 1: that is the control of the claims about the ratio. As its degrees are a matter of how it is written, it
checks the code and says nothing of dense networks.

## What is trained

Even digits against odd ones, $y = \pm 1$, the mean image subtracted and every image scaled to norm 1; the squared
error; SGD with weight decay. Networks are trained in single precision, norms and bounds computed in double. All
networks see the same images of a seed. Channels and steps are in the configuration.

The full profile adds two classes of CIFAR-10 with a network after the paper's code (three convolutions of 3x3 with
stride 2) and the same with other filters. It differs from that code by one output with targets $\pm 1$ in the place of
two outputs, by He's starts in the place of layers of one constant norm, by subtracting the mean image, and by having no
batch normalisation. No claim is judged on these networks.

## How to read it

- **`conv-tighter-everywhere` fails**, and belongs beside `conv-much-tighter`: the improvement is not a property of
  convolutional networks but of having many locations.
- **`informative` fails**: every bound of the difference of the errors is far above 1, and vacuous; it says nothing
  about the error of these networks, which is a few percent. The abstract of Galanti, Xu, Galanti and Poggio reports
  bounds that are almost non-vacuous, for the authors' own networks on simple classification problems; the networks here
  are others, with few images, normalised as described above.
- A bound below 1 is **necessary and not sufficient**. With the layers scaled down to a product of norms of $10^{-3}$
  the smallest bound is below 1, so that the check can come out either way; that is the premise of the claim. No
  decision changes by it, but the margin error on the training images goes to 1, and nothing is known of the test error
  then either. The control doubles every layer: no decision changes, and the bounds grow. As $\rho + 1$ does not go
  to 0, the convolutional bounds of the three networks of 3x3 stay above 1 for weights of any size. The variables are
  `dense_gap_small`, `sparse_gap_small` and those named `_doubled`.
- A bound that falls because the fit is worse is no better bound: the network with the smallest bound is not the most
  accurate one.
- The closed form at 32x32 pixels leaves out padding and unequal pixels, and overstates the gain of padded networks.
- Degrees are counted as $k^2$ everywhere; at the border, and where the image has become smaller than the filter, a
  neuron sees fewer places.
"""
