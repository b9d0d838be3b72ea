"""A plain CNN without biases: d convolutions of one kernel size, stride and padding, then a dense top.

    z_0 = x,    z_l = relu(w_l * z_{l-1})  (l = 1..d),    f(x) = top . z_d  over all locations and channels of z_d.

Every layer is homogeneous: scaling the weights of one of the d + 1 by c scales the outputs by c > 0. A convolution is
the product of the patches of its input with the kernel as a matrix, which lanes of networks share well on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Shaped


class PlainCNN(NamedTuple):
    """kernels: of the convolutions, (k k c_in, c_out) each, rows by tap (row by row) and then by channel;
    top: the dense map of the last layer's locations and channels, (locations c, outputs).
    """

    kernels: tuple[Float[Array, "_ _"], ...]
    top: Float[Array, "features outputs"]


def side_after(side: int, kernel: int, stride: int, padding: int) -> int:
    """Output locations along one axis of a convolution of an image of `side` pixels.

    Raises:
        ValueError: the padded image is smaller than the kernel.
    """
    if side + 2 * padding < kernel:
        raise ValueError(f"a {kernel}x{kernel} kernel does not fit into {side} pixels with a padding of {padding}")
    return (side + 2 * padding - kernel) // stride + 1


def patches(
    x: Float[Array, "b h w c"], kernel: int, stride: int, padding: int
) -> Float[Array, "b rows columns {kernel}*{kernel}*c"]:
    """The kernel x kernel neighbourhoods at every `stride`-th place, zeros beyond the border."""
    rows, columns = (side_after(side, kernel, stride, padding) for side in x.shape[1:3])
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    down, right = (rows - 1) * stride + 1, (columns - 1) * stride + 1
    # One axis after the other: 2 k shifted images instead of k k, which is quicker to compile and to run.
    x = jnp.concatenate([x[:, :, j : j + right : stride] for j in range(kernel)], axis=-1)
    return jnp.concatenate([x[:, i : i + down : stride] for i in range(kernel)], axis=-1)


def convolve(
    x: Float[Array, "b h w c"], weight: Float[Array, "taps_in c_out"], kernel: int, stride: int, padding: int
) -> Float[Array, "b rows columns c_out"]:
    """The convolution of images with the kernel (k k c_in, c_out)."""
    return patches(x, kernel, stride, padding) @ weight


def filters(
    weight: Shaped[np.ndarray, "*lead taps_in c_out"], kernel: int
) -> Shaped[np.ndarray, "*lead c_out c_in {kernel} {kernel}"]:
    """The kernel in the order (c_out, c_in, k, k), with any leading axes."""
    *lead, rows, c_out = weight.shape
    taps = weight.reshape(*lead, kernel, kernel, rows // kernel**2, c_out)
    n = len(lead)
    return taps.transpose(*range(n), n + 3, n + 2, n, n + 1)


@dataclass(frozen=True)
class Architecture:
    """The network as a function of (params, x); equal architectures share their compiled programs.

    Args:
        kernel: side k of the kernels; k = stride and no padding make windows that do not overlap.
        stride: of every convolution.
        padding: zeros added at every border before every convolution.
        channels: of the convolutions, one number each: their length is the depth d.

    Raises:
        ValueError: a kernel or stride below 1, a padding below 0 or not below the kernel, or no channels.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> network = Architecture(kernel=2, stride=2, padding=0, channels=(8, 8, 8))
        >>> network.sides(8)
        (8, 4, 2, 1)
        >>> params = network.init(jax.random.key(0), side=8)
        >>> network(params, jnp.ones((5, 8, 8, 1))).shape
        (5, 1)
    """

    kernel: int
    stride: int
    padding: int
    channels: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.kernel < 1 or self.stride < 1:
            raise ValueError(f"kernel and stride must be at least 1, got {self.kernel} and {self.stride}")
        if not 0 <= self.padding < self.kernel:
            raise ValueError(f"padding must lie in 0..{self.kernel - 1}, below the kernel, got {self.padding}")
        if not self.channels or min(self.channels) < 1:
            raise ValueError(f"channels must be one or more numbers of at least 1, got {self.channels}")

    @property
    def depth(self) -> int:
        """The number of convolutions d."""
        return len(self.channels)

    def sides(self, side: int) -> tuple[int, ...]:
        """Locations along one axis: of the image, and of the output of every convolution (d + 1 numbers).

        Raises:
            ValueError: the image becomes smaller than the kernel.
        """
        found = [side]
        for _ in self.channels:
            found.append(side_after(found[-1], self.kernel, self.stride, self.padding))
        return tuple(found)

    def init(self, key: Key[Array, ""], side: int, colours: int = 1, outputs: int = 1) -> PlainCNN:
        """Weights N(0, 2 / fan_in) in the convolutions, N(0, 1 / fan_in) in the top (He et al., ICCV 2015).

        side, colours: of the square images; outputs: of the network.

        Raises:
            ValueError: the image becomes smaller than the kernel.
        """
        *keys, last = jax.random.split(key, self.depth + 1)
        kernels = []
        for layer_key, c_in, c_out in zip(keys, (colours, *self.channels), self.channels, strict=False):
            fan_in = self.kernel**2 * c_in
            kernels.append(jax.random.normal(layer_key, (fan_in, c_out)) * (2 / fan_in) ** 0.5)
        features = self.sides(side)[-1] ** 2 * self.channels[-1]
        return PlainCNN(tuple(kernels), jax.random.normal(last, (features, outputs)) * features**-0.5)

    def __call__(self, params: PlainCNN, x: Float[Array, "b h w c"]) -> Float[Array, "b outputs"]:
        """Outputs for a batch of images."""
        for weight in params.kernels:
            x = jax.nn.relu(convolve(x, weight, self.kernel, self.stride, self.padding))
        return x.reshape(x.shape[0], -1) @ params.top
