"""An explicit 3-layer ReLU network that fits any N distinct points with about 4 N hidden weights, without training.

The construction of `memorizing_plateaus` along one random direction u: c = u . x. A hard-tanh unit is two ReLUs,
T(z) = relu(z + 1) - relu(z - 1) - 1, so that p and q hard-tanh units become hidden widths (2 p, 2 q), and for outputs
of dimension d_y the second layers stand side by side: (2 p, 2 q d_y), both about 2 sqrt(N d_y).

Use `float64`: the weights grow like one over the smallest gap between the projected points, and in `float32` most
outputs are wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, DTypeLike

from ..errors import UserError
from ._direction import best_direction, project
from .memorizing_plateaus import LineNetwork, Order, memorize_line

if TYPE_CHECKING:
    import equinox as eqx

_BLOCK = 20_000
_BLOCK_ENTRIES = 2 * 10**7


class ReluLayer(NamedTuple):
    """An affine map x -> W x + b. weight: (out, in), bias: (out,)."""

    weight: Float[np.ndarray, "fan_out fan_in"]
    bias: Float[np.ndarray, " fan_out"]


class MemorizingNetwork(NamedTuple):
    """A network with f(x_i) = y_i, in hard-tanh form: f(x) = factor (sum_k T(beta_k + V_k . T(a u.x + b)) - 1).

    Call it on x of shape (m, d_x) for outputs (m,) or (m, d_y), as the labels were given; it takes blocks of 20 000
    points and needs a quarter of the products of the ReLU form.

    Args:
        u: the direction (d_x,), of length 1.
        line: the network on the line, with weights a, b (p,), V (d_y, q, p), beta (d_y, q).
        factor: (d_y,) the size of labels beyond 1, else 1; it belongs to the last layer.
        scalar: whether the labels had the shape (N,).
        points: N, the distinct points.
        gap: the smallest distance between neighbours along u, over the range of u . x.
    """

    u: Float[np.ndarray, " d_x"]
    line: LineNetwork
    factor: Float[np.ndarray, " d_y"]
    scalar: bool
    points: int
    gap: float

    def __call__(self, x: ArrayLike) -> Float[np.ndarray, "m *d_y"]:
        """The outputs at new inputs.

        Raises:
            ValueError: x has not the shape (m, d_x), or is not numeric.
        """
        x = _numbers("x", x)
        if x.ndim != 2 or x.shape[1] != len(self.u):
            raise ValueError(f"x must have the shape (m, {len(self.u)}), got {x.shape}")
        d_y, q, p = self.line.V.shape
        rows = max(1, min(_BLOCK, _BLOCK_ENTRIES // max(p, d_y * q)))
        f = np.empty((len(x), d_y), self.u.dtype)
        for start in range(0, len(x), rows):
            block = slice(start, start + rows)
            f[block] = self.factor * self.line(project(x[block], self.u[:, None])[0])
        return f[:, 0] if self.scalar else f

    @property
    def widths(self) -> tuple[int, int]:
        """(2 p, 2 q d_y), the ReLUs of the two hidden layers."""
        d_y, q, p = self.line.V.shape
        return 2 * p, 2 * q * d_y

    @property
    def hidden_weights(self) -> int:
        """The weights between the two hidden layers of the ReLU network, 4 p q d_y."""
        return self.widths[0] * self.widths[1]

    @property
    def largest_weight(self) -> float:
        """The largest weight or bias of the ReLU network."""
        return max(float(np.abs(part).max()) for layer in self.relu_layers() for part in layer)

    @property
    def passes(self) -> int:
        """How often the second layer was computed until its scale was large enough."""
        return self.line.passes

    def astype(self, dtype: DTypeLike) -> MemorizingNetwork:
        """The same network with rounded weights, evaluated in that precision."""
        a, b, V, beta = (part.astype(dtype) for part in (self.line.a, self.line.b, self.line.V, self.line.beta))
        line = LineNetwork(a, b, V, beta, self.line.passes)
        return self._replace(u=self.u.astype(dtype), line=line, factor=self.factor.astype(dtype))

    def relu_layers(self) -> tuple[ReluLayer, ReluLayer, ReluLayer]:
        """The three affine maps x -> W_3 relu(W_2 relu(W_1 x + b_1) + b_2) + b_3.

        W_1 = [a u^T; a u^T], W_2 = [[V, -V]; [V, -V]] for each output, W_3 = factor [1; -1].
        """
        (a, b, V, beta, _), d_y = self.line, len(self.factor)
        q = V.shape[1]
        slopes = a[:, None] * self.u
        first = ReluLayer(np.concatenate([slopes, slopes]), np.concatenate([b + 1, b - 1]))
        shifted = beta - V.sum(axis=2)
        unit = np.concatenate([V, -V], axis=2)
        second = ReluLayer(
            np.concatenate([unit, unit], axis=1).reshape(2 * q * d_y, -1),
            np.concatenate([shifted + 1, shifted - 1], axis=1).reshape(-1),
        )
        signs = np.repeat(np.array([1, -1], V.dtype), q)
        third = ReluLayer(np.kron(np.diag(self.factor), signs), -self.factor * (q + 1))
        return first, second, third

    def to_equinox(self) -> eqx.nn.MLP:
        """The ReLU network as an `equinox.nn.MLP`, a function of one input (d_x,).

        That class has one width for all hidden layers, so that the narrower one is filled up with idle units, whose
        weights are all zero.

        Raises:
            ValueError: a `float64` network while JAX works in single precision.
        """
        import equinox as eqx
        import jax
        import jax.numpy as jnp

        dtype = self.u.dtype
        if dtype == np.float64 and not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
            raise ValueError("the network needs float64: work inside `with jax.enable_x64(True):`")
        outputs = "scalar" if self.scalar else len(self.factor)
        width = max(self.widths)
        mlp = eqx.nn.MLP(len(self.u), outputs, width, 2, dtype=dtype, key=jax.random.key(0))

        def filled(layer: ReluLayer, like: eqx.nn.Linear) -> list[Any]:
            padding = [(0, to - own) for to, own in zip(like.weight.shape, layer.weight.shape, strict=True)]
            return [jnp.asarray(np.pad(layer.weight, padding)), jnp.asarray(np.pad(layer.bias, padding[:1]))]

        pairs = zip(self.relu_layers(), mlp.layers, strict=True)
        new = [part for layer, like in pairs for part in filled(layer, like)]
        return eqx.tree_at(lambda net: [part for layer in net.layers for part in (layer.weight, layer.bias)], mlp, new)

    def state_dict(self) -> dict[str, Any]:
        """The weights for `torch.nn.Sequential(Linear(d_x, w_1), ReLU(), Linear(w_1, w_2), ReLU(), Linear(w_2, d_y))`.

        w_1, w_2 are `widths`; the module must be in the network's precision (`.double()`).

        Raises:
            UserError: PyTorch is not installed.
        """
        try:
            import torch
        except ImportError:
            raise UserError("state_dict needs PyTorch: pip install biassay[torch]") from None
        return {
            f"{2 * i}.{name}": torch.from_numpy(np.ascontiguousarray(part))
            for i, layer in enumerate(self.relu_layers())
            for name, part in layer._asdict().items()
        }


def memorize(
    x: ArrayLike,
    y: ArrayLike,
    *,
    order: Order = "balanced",
    projections: int = 16,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> MemorizingNetwork:
    """A network with f(x_i) = y_i for all i, built in O(N log N) operations.

    It has at most 4.3 N d_y hidden weights for N >= 100. Equal points with equal labels count once. Labels beyond
    [-1, 1] are divided by their largest size, which the last layer multiplies back.

    Args:
        x: inputs (N, d_x).
        y: real labels (N,) or (N, d_y); for classes -1 and +1, one column a class.
        order: which node serves which point, "balanced" or the paper's "zigzag", whose weights grow until `float64`
            fails at N of about 1e4; see `memorizing_plateaus.plateaus`.
        projections: random directions tried, of which the one with the largest smallest gap is taken.
        seed: of the random directions.
        dtype: precision that the weights are rounded to at the end and the network works in.

    Raises:
        ValueError: empty, not finite or not numeric data, shapes that do not fit, an unknown option, equal points with
            different labels (the first such pair is named), or different points that are too close.
    """
    if order not in ("balanced", "zigzag"):
        raise ValueError(f"order must be balanced or zigzag, got {order!r}")
    if projections < 1:
        raise ValueError(f"projections must be at least 1, got {projections}")
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype}")
    x, y = _numbers("x", x), _numbers("y", y).astype(float)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have the shape (N, d_x) with N and d_x at least 1, got {x.shape}")
    if y.ndim not in (1, 2) or len(y) != len(x) or y[0].size == 0:
        raise ValueError(f"y must have the shape ({len(x)},) or ({len(x)}, d_y), got {y.shape}")
    labels = y.reshape(len(y), -1)
    u, c, kept = best_direction(x, labels, projections, np.random.default_rng(seed))
    factor = np.maximum(1.0, np.abs(labels).max(axis=0))
    line = memorize_line(c[kept], labels[kept] / factor, order)
    spread = np.sort(c[kept])
    gap = float(np.diff(spread).min() / (spread[-1] - spread[0])) if len(spread) > 1 else 1.0
    found = MemorizingNetwork(u, line, factor, y.ndim == 1, len(kept), gap)
    return found if dtype == np.float64 else found.astype(dtype)


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    """The values as a finite real array."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} must be an array of numbers, got rows of different lengths") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]} among its entries")
    return array
